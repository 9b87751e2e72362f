//! The tail: the newest lines one after the other, uncompressed.
//!
//! A record, little endian: line number u64, instant i64, step u32, text length u32, checksum u64 (of all before and the
//! text), then the text.

use super::{
    LogLine,
    frame::{checksum, u32_at, u64_at},
};
use shipway_base::Timestamp;

const HEADER: usize = 32;

/// Adds a line's record.
pub(super) fn encode(line: &LogLine, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend(line.number.to_le_bytes());
    bytes.extend(line.at.as_micros().to_le_bytes());
    bytes.extend(line.step.to_le_bytes());
    bytes.extend((line.text.len() as u32).to_le_bytes());
    let checksum = checksum(&bytes[start..], line.text.as_bytes());
    bytes.extend(checksum.to_le_bytes());
    bytes.extend(line.text.as_bytes());
}

/// The lines of a tail and the length of the bytes they take, up to the first record that is torn or leaves a gap.
pub(super) fn decode(bytes: &[u8]) -> (Vec<LogLine>, usize) {
    let mut lines: Vec<LogLine> = Vec::new();
    let mut at = 0;
    while let Some(line) = record(&bytes[at..]) {
        if lines.last().is_some_and(|last| last.number + 1 != line.number) {
            break;
        }
        at += HEADER + line.text.len();
        lines.push(line);
    }
    (lines, at)
}

fn record(bytes: &[u8]) -> Option<LogLine> {
    let (head, rest) = bytes.split_at_checked(HEADER)?;
    let text = rest.get(..u32_at(head, 20) as usize)?;
    (checksum(&head[..HEADER - 8], text) == u64_at(head, 24)).then_some(())?;
    Some(LogLine {
        number: u64_at(head, 0),
        at: Timestamp::from_micros(u64_at(head, 8).cast_signed()),
        step: u32_at(head, 16),
        text: String::from_utf8(text.to_vec()).ok()?,
    })
}
