//! Job logs: append-only segments beside the database.
//!
//! A log is two files. `<name>.seg` holds compressed frames of about 128 KiB of text; each frame's header says which lines
//! it holds, and the chain of headers is the line index: a reader finds any line with one small read a frame and one
//! decompression. `<name>.tail` holds the newest lines as they are, so that a line can be read as soon as it was
//! appended without a frame of its own; when the tail is large enough it becomes a frame.
//!
//! Every frame and every line of the tail carries a checksum, and lines are numbered without gaps. A write that was cut
//! short by the death of the process or by a full disk is recognised and cut off when the log is opened for
//! writing again; readers do not see it. Readers need no lock: they read the tail first and the frames after, so that lines
//! which move from one to the other meanwhile are seen twice and counted once.
//!
//! All methods block; call them from a blocking thread when the log may be large.

mod frame;
mod name;
mod reader;
mod search;
mod tail;
mod writer;

pub use name::LogName;
pub use reader::LogReader;
pub use search::{Found, Search};
pub use writer::LogWriter;

use crate::{Result, files};
use shipway_base::Timestamp;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its number, from 1.
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The step that wrote it, from 0.
    pub step: u32,
    /// The text without the line break.
    pub text: String,
}

/// The folder of all logs.
#[derive(Clone, Debug)]
pub struct Logs {
    dir: PathBuf,
}

/// The two files of a log.
#[derive(Clone, Debug)]
struct Paths {
    segment: PathBuf,
    tail: PathBuf,
}

impl Logs {
    /// Opens the folder, creating it when it is missing.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Logs> {
        let dir = dir.into();
        files::create_dir(&dir)?;
        Ok(Logs { dir })
    }

    /// Opens a log for appending, creating it when it is missing and cutting off what was torn. Only one writer may be
    /// open for a log at a time.
    pub fn writer(&self, name: &LogName) -> Result<LogWriter> {
        LogWriter::open(self.paths(name))
    }

    /// The state of a log now; an unknown log is empty.
    pub fn reader(&self, name: &LogName) -> Result<LogReader> {
        LogReader::open(self.paths(name))
    }

    /// Removes a log; nothing happens when there is none.
    pub fn remove(&self, name: &LogName) -> Result<()> {
        let paths = self.paths(name);
        for path in [&paths.tail, &paths.segment] {
            match fs::remove_file(path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(files::failed("remove", path)(error)),
            }
        }
        Ok(())
    }

    fn paths(&self, name: &LogName) -> Paths {
        let path = |extension: &str| self.dir.join(Path::new(&format!("{}.{extension}", name.as_str())));
        Paths { segment: path("seg"), tail: path("tail") }
    }
}
