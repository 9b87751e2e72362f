//! Reading a log as it is at one moment.

use super::{
    Found, LogLine, Paths, Search,
    frame::{self, Header},
    search::Searcher,
    tail,
};
use crate::{Result, StoreError, files};
use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

/// The state of a log at the moment of opening; lines appended later are not seen.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    /// `None` for a log without frames.
    file: Option<File>,
    headers: Vec<Header>,
    tail: Vec<LogLine>,
}

impl LogReader {
    pub(super) fn open(paths: Paths) -> Result<LogReader> {
        // The tail first: lines that move to a frame meanwhile are then seen in both.
        let bytes = absent_is_none(fs::read(&paths.tail)).map_err(files::failed("read", &paths.tail))?;
        let file = absent_is_none(File::open(&paths.segment));
        let mut file = file.map_err(files::failed("read", &paths.segment))?;
        let headers = match &mut file {
            Some(file) => frame::headers(file).map_err(files::failed("read", &paths.segment))?,
            None => Vec::new(),
        };
        let next = headers.last().map_or(1, Header::next_line);
        let (mut tail, _) = tail::decode(&bytes.unwrap_or_default());
        let follows = tail.first().is_some_and(|first| first.number <= next);
        tail.retain(|line| follows && line.number >= next);
        Ok(LogReader { path: paths.segment, file, headers, tail })
    }

    /// How many lines there are.
    pub fn lines(&self) -> u64 {
        let framed = self.headers.last().map_or(0, |last| last.next_line() - 1);
        self.tail.last().map_or(framed, |last| last.number)
    }

    /// At most `count` lines from number `from` (1 is the first) on; empty beyond the end.
    pub fn range(&mut self, from: u64, count: usize) -> Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        let begin = self.headers.partition_point(|header| header.next_line() <= from);
        for index in begin..self.headers.len() {
            if lines.len() >= count {
                break;
            }
            let wanted = count - lines.len();
            let frame = self.frame(index)?;
            lines.extend(frame.lines().filter(|line| line.number >= from).take(wanted));
        }
        let wanted = count.saturating_sub(lines.len());
        lines.extend(self.tail.iter().filter(|line| line.number >= from).take(wanted).cloned());
        Ok(lines)
    }

    /// The last `count` lines.
    pub fn last(&mut self, count: usize) -> Result<Vec<LogLine>> {
        self.range((self.lines() + 1).saturating_sub(count as u64).max(1), count)
    }

    /// Searches all lines.
    pub fn search(&mut self, search: &Search) -> Result<Found> {
        let mut searcher = Searcher::new(search);
        for index in 0..self.headers.len() {
            let first = self.headers[index].first;
            searcher.piece(first, self.frame(index)?.text());
        }
        if let Some(first) = self.tail.first() {
            let text: String = self.tail.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
            searcher.piece(first.number, &text);
        }
        Ok(searcher.end())
    }

    fn frame(&mut self, index: usize) -> Result<frame::Frame> {
        let damaged = |first: u64| {
            StoreError::corrupt(
                self.path.display(),
                format_args!("the frame of line {first} is not as written"),
            )
        };
        let (Some(header), Some(file)) = (self.headers.get(index), &mut self.file) else {
            return Err(damaged(0));
        };
        match frame::read(file, header).map_err(files::failed("read", &self.path))? {
            Some(frame) => Ok(frame),
            None => Err(damaged(header.first)),
        }
    }
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
