//! Frames: a header that says which lines follow, and the lines compressed.
//!
//! Header, little endian: `SWF1`, payload length u32, first line u64, lines u32, raw length u32, checksum u64 (the first
//! eight bytes of the SHA-256 of the header before it and the payload). Raw payload: all instants i64, all steps u32,
//! all text lengths u32, then all texts, each followed by a line break, so that texts compress and are searched as one.

use super::LogLine;
use shipway_base::{Digest, Timestamp};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

/// The length of a header.
pub(super) const HEADER: usize = 32;

const MAGIC: &[u8; 4] = b"SWF1";

/// The largest raw frame that is believed; a torn header must not make us ask for all memory.
const LARGEST: u32 = 1 << 30;

/// A frame's place in its file and the lines it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) offset: u64,
    pub(super) first: u64,
    pub(super) lines: u32,
    payload: u32,
    raw: u32,
    checksum: u64,
}

/// The lines of a frame, decompressed: numbers beside one text.
#[derive(Debug)]
pub(super) struct Frame {
    first: u64,
    meta: Vec<(Timestamp, u32, u32)>,
    text: String,
}

impl Header {
    /// Where the next frame begins.
    pub(super) fn end(&self) -> u64 {
        self.offset + HEADER as u64 + u64::from(self.payload)
    }

    /// The number of the first line after this frame.
    pub(super) fn next_line(&self) -> u64 {
        self.first + u64::from(self.lines)
    }

    fn parse(offset: u64, bytes: &[u8; HEADER]) -> Option<Header> {
        let header = Header {
            offset,
            payload: u32_at(bytes, 4),
            first: u64_at(bytes, 8),
            lines: u32_at(bytes, 16),
            raw: u32_at(bytes, 20),
            checksum: u64_at(bytes, 24),
        };
        let believable = &bytes[..4] == MAGIC
            && header.lines > 0
            && header.raw <= LARGEST
            && u64::from(header.raw) >= u64::from(header.lines) * 17;
        believable.then_some(header)
    }
}

/// Encodes lines as a frame; they must be consecutive and at least one.
pub(super) fn encode(lines: &[LogLine]) -> io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    lines.iter().for_each(|line| raw.extend(line.at.as_micros().to_le_bytes()));
    lines.iter().for_each(|line| raw.extend(line.step.to_le_bytes()));
    lines.iter().for_each(|line| raw.extend((line.text.len() as u32).to_le_bytes()));
    for line in lines {
        raw.extend(line.text.as_bytes());
        raw.push(b'\n');
    }
    if raw.len() > LARGEST as usize {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a line of the log is larger than 1 GiB"));
    }
    let payload = zstd::bulk::compress(&raw, 3)?;
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.extend(MAGIC);
    frame.extend((payload.len() as u32).to_le_bytes());
    frame.extend(lines.first().map_or(0, |line| line.number).to_le_bytes());
    frame.extend((lines.len() as u32).to_le_bytes());
    frame.extend((raw.len() as u32).to_le_bytes());
    let checksum = checksum(&frame, &payload);
    frame.extend(checksum.to_le_bytes());
    frame.extend(payload);
    Ok(frame)
}

/// The headers of a file in order, up to the first that is torn or does not follow on the one before.
pub(super) fn headers(file: &mut File) -> io::Result<Vec<Header>> {
    let length = file.metadata()?.len();
    let (mut offset, mut line) = (0, 1);
    let mut headers = Vec::new();
    while offset + HEADER as u64 <= length {
        let mut bytes = [0; HEADER];
        file.seek(SeekFrom::Start(offset))?;
        match file.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
        let Some(header) = Header::parse(offset, &bytes) else { break };
        if header.first != line || header.end() > length {
            break;
        }
        (offset, line) = (header.end(), header.next_line());
        headers.push(header);
    }
    Ok(headers)
}

/// Reads and checks a frame; `None` when its bytes are not what was written.
pub(super) fn read(file: &mut File, header: &Header) -> io::Result<Option<Frame>> {
    let mut bytes = vec![0; HEADER + header.payload as usize];
    file.seek(SeekFrom::Start(header.offset))?;
    file.read_exact(&mut bytes)?;
    let (head, payload) = bytes.split_at(HEADER);
    if checksum(&head[..HEADER - 8], payload) != header.checksum {
        return Ok(None);
    }
    let Ok(raw) = zstd::bulk::decompress(payload, header.raw as usize) else { return Ok(None) };
    Ok(Frame::parse(header, raw))
}

impl Frame {
    fn parse(header: &Header, mut raw: Vec<u8>) -> Option<Frame> {
        let count = header.lines as usize;
        if raw.len() != header.raw as usize || raw.len() < count * 17 {
            return None;
        }
        let meta: Vec<_> = (0..count)
            .map(|line| {
                let at = u64_at(&raw, line * 8).cast_signed();
                let step = u32_at(&raw, count * 8 + line * 4);
                (Timestamp::from_micros(at), step, u32_at(&raw, count * 12 + line * 4))
            })
            .collect();
        raw.drain(..count * 16);
        let length: u64 = meta.iter().map(|(_, _, length)| u64::from(*length) + 1).sum();
        let text = String::from_utf8(raw).ok()?;
        (length == text.len() as u64).then_some(Frame { first: header.first, meta, text })
    }

    /// The lines in order.
    pub(super) fn lines(&self) -> impl Iterator<Item = LogLine> + '_ {
        let mut rest = self.text.as_str();
        self.meta.iter().zip(self.first..).map_while(move |((at, step, length), number)| {
            let (text, after) = rest.split_at_checked(*length as usize)?;
            rest = after.get(1..)?;
            Some(LogLine { number, at: *at, step: *step, text: text.to_owned() })
        })
    }

    /// All texts, each followed by a line break.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// The first eight bytes of the SHA-256 of two pieces.
pub(super) fn checksum(head: &[u8], payload: &[u8]) -> u64 {
    let mut bytes = Vec::with_capacity(head.len() + payload.len());
    bytes.extend(head);
    bytes.extend(payload);
    u64_at(Digest::of(&bytes).as_bytes(), 0)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
