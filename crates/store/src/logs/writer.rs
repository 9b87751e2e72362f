//! Appending to a log.

use super::{LogLine, Paths, frame, tail};
use crate::{Result, files};
use shipway_base::Timestamp;
use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::Path,
};

/// A frame is made of about this much text.
const FRAME: usize = 128 << 10;

/// The writing end of a log.
#[derive(Debug)]
pub struct LogWriter {
    paths: Paths,
    segment: Appender,
    tail: Appender,
    /// The lines in the tail.
    pending: Vec<LogLine>,
    /// The size of the pending texts.
    size: usize,
    /// The number of the next line.
    next: u64,
    /// The number of the first line that has not reached a frame.
    framed: u64,
    /// Lines below this number were promised to survive a loss of power.
    synced: u64,
    /// Whether the names of the files survive a loss of power.
    named: bool,
}

/// A file that is only appended to, and cut back to what is known to be whole after a write failed.
#[derive(Debug)]
struct Appender {
    file: File,
    whole: u64,
    torn: bool,
}

impl LogWriter {
    pub(super) fn open(paths: Paths) -> Result<LogWriter> {
        if let Some(dir) = paths.segment.parent() {
            files::create_dir(dir)?;
        }
        let mut segment = open(&paths.segment)?;
        let headers = frame::headers(&mut segment).map_err(files::failed("read", &paths.segment))?;
        let mut whole = (0, 1);
        for header in &headers {
            let intact = frame::read(&mut segment, header).map_err(files::failed("read", &paths.segment))?;
            if intact.is_none() {
                break;
            }
            whole = (header.end(), header.next_line());
        }
        let (end, framed) = whole;
        let tail_file = open(&paths.tail)?;
        let bytes = fs::read(&paths.tail).map_err(files::failed("read", &paths.tail))?;
        let (mut pending, length) = tail::decode(&bytes);
        // Lines that have reached a frame were about to be removed from the tail; lines after a gap are of no use.
        let follows = pending.first().is_some_and(|first| first.number <= framed);
        pending.retain(|line| follows && line.number >= framed);
        let next = pending.last().map_or(framed, |last| last.number + 1);
        let mut writer = LogWriter {
            segment: Appender { file: segment, whole: end, torn: true },
            tail: Appender {
                file: tail_file,
                whole: if pending.is_empty() { 0 } else { length as u64 },
                torn: true,
            },
            size: pending.iter().map(|line| line.text.len()).sum(),
            next,
            framed,
            // Whether the earlier process flushed its last lines is not known, so they are treated as promised.
            synced: next,
            pending,
            named: false,
            paths,
        };
        writer.segment.mend(&writer.paths.segment)?;
        writer.tail.mend(&writer.paths.tail)?;
        Ok(writer)
    }

    /// How many lines the log has.
    pub fn lines(&self) -> u64 {
        self.next - 1
    }

    /// Appends lines of one step. A text with line breaks becomes several lines. Afterwards readers see them, and they
    /// survive the death of this process; [`LogWriter::sync`] makes them survive a loss of power. When the disk is full,
    /// [`lines`](LogWriter::lines) tells how many were kept, all whole.
    pub fn append<'a>(
        &mut self,
        at: Timestamp,
        step: u32,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        let mut records = Vec::new();
        let start = self.next;
        let result = texts
            .into_iter()
            .flat_map(|text| text.split('\n'))
            .try_for_each(|text| self.take(at, step, text, &mut records))
            .and_then(|()| self.tail.append(&records, &self.paths.tail));
        if result.is_err() {
            self.give_back(start);
        }
        result
    }

    /// Makes all lines so far survive a loss of power.
    pub fn sync(&mut self) -> Result<()> {
        self.segment.file.sync_data().map_err(files::failed("flush", &self.paths.segment))?;
        self.tail.file.sync_data().map_err(files::failed("flush", &self.paths.tail))?;
        if !self.named
            && let Some(dir) = self.paths.segment.parent()
        {
            files::sync_dir(dir)?;
            self.named = true;
        }
        self.synced = self.next;
        Ok(())
    }

    /// Turns the tail into a frame and makes everything survive a loss of power: the log is complete. May be tried again.
    pub fn finish(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            self.compact()?;
        }
        self.sync()
    }

    fn take(&mut self, at: Timestamp, step: u32, text: &str, records: &mut Vec<u8>) -> Result<()> {
        let line = LogLine { number: self.next, at, step, text: text.to_owned() };
        tail::encode(&line, records);
        self.size += text.len();
        self.next += 1;
        self.pending.push(line);
        if self.size >= FRAME {
            self.compact()?;
            records.clear();
        }
        Ok(())
    }

    /// Moves the pending lines into a frame. The tail goes only after the frame is there, and when the tail had been
    /// promised to survive a loss of power, only after the frame does.
    fn compact(&mut self) -> Result<()> {
        let path = &self.paths.segment;
        let frame = frame::encode(&self.pending).map_err(files::failed("compress", path))?;
        self.segment.append(&frame, path)?;
        if self.pending.first().is_some_and(|first| first.number < self.synced) {
            self.segment.file.sync_data().map_err(files::failed("flush", path))?;
        }
        self.framed = self.next;
        self.pending.clear();
        self.size = 0;
        self.tail.whole = 0;
        self.tail.torn = true;
        self.tail.mend(&self.paths.tail)
    }

    /// Forgets the lines from `start` on that have reached neither file.
    fn give_back(&mut self, start: u64) {
        self.pending.retain(|line| line.number < start);
        self.size = self.pending.iter().map(|line| line.text.len()).sum();
        self.next = self.pending.last().map_or(self.framed, |last| last.number + 1);
    }
}

impl Appender {
    fn append(&mut self, bytes: &[u8], path: &Path) -> Result<()> {
        self.mend(path)?;
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.whole += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.torn = true;
                let error = files::failed("write", path)(error);
                // When it cannot be mended now, the next append tries again, and readers see the torn end for what it is.
                let _ = self.mend(path);
                Err(error)
            }
        }
    }

    /// Cuts off what is not whole.
    fn mend(&mut self, path: &Path) -> Result<()> {
        if self.torn {
            self.file.set_len(self.whole).map_err(files::failed("cut", path))?;
            self.torn = false;
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(path).map_err(files::failed("open", path))
}
