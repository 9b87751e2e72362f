//! Where an archive is written to.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    rc::Rc,
};

/// Bytes that are held back until they are written together.
const BUFFER: usize = 1 << 18;

/// A file that takes everything, also what it cannot hold any more, and remembers its first fault. The writer of an archive puts an end
/// to it also when it is given up half-way, and says on the terminal when that fails.
#[derive(Debug)]
pub(super) struct Sink {
    file: BufWriter<File>,
    at: u64,
    end: u64,
    fault: Fault,
}

/// The first fault of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault(Rc<RefCell<Option<io::Error>>>);

impl Fault {
    /// Whether there was one. Nothing was written since then.
    pub(super) fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Which it was.
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.borrow_mut().take()
    }

    /// Does something with the file, as long as there was none.
    fn unless(&self, act: impl FnOnce() -> io::Result<()>) {
        if !self.is_set()
            && let Err(error) = act()
        {
            *self.0.borrow_mut() = Some(error);
        }
    }
}

impl Sink {
    /// An empty file.
    pub(super) fn new(file: File) -> (Sink, Fault) {
        let fault = Fault::default();
        let file = BufWriter::with_capacity(BUFFER, file);
        (Sink { file, at: 0, end: 0, fault: fault.clone() }, fault)
    }

    /// Brings all onto the disk.
    pub(super) fn close(mut self) -> io::Result<()> {
        if self.fault.is_set() {
            return Ok(());
        }
        self.file.flush()?;
        match self.file.get_ref().sync_all() {
            // Devices and some file systems cannot be synced; there is nothing to lose there.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fault.unless(|| self.file.write_all(bytes));
        self.at += bytes.len() as u64;
        self.end = self.end.max(self.at);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.fault.unless(|| self.file.flush());
        Ok(())
    }
}

impl Seek for Sink {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let to = to.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        // Where it is already it stays, and what is held back is held back still.
        if to != self.at {
            self.fault.unless(|| self.file.seek(SeekFrom::Start(to)).map(drop));
            self.at = to;
        }
        Ok(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_first_fault_is_kept_and_nothing_else_is_said() {
        let (mut sink, fault) = Sink::new(File::options().write(true).open("/dev/full").expect("a device"));
        let piece = vec![7; 2 * BUFFER];
        for _ in 0..3 {
            sink.write_all(&piece).expect("taken");
            assert!(fault.is_set());
        }
        assert_eq!(sink.seek(SeekFrom::Start(3)).expect("gone there"), 3);
        assert_eq!(sink.seek(SeekFrom::End(-1)).expect("gone there"), 6 * BUFFER as u64 - 1);
        assert_eq!(sink.stream_position().expect("a position"), 6 * BUFFER as u64 - 1);
        assert!(sink.seek(SeekFrom::Start(0)).and_then(|_| sink.seek(SeekFrom::Current(-1))).is_err());
        sink.close().expect("closed");
        assert_eq!(fault.take().expect("a fault").kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn what_is_written_and_written_over_is_in_the_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        let (mut sink, fault) = Sink::new(File::create(&path).expect("a file"));
        sink.write_all(b"one two").expect("written");
        sink.rewind().expect("gone there");
        sink.write_all(b"ONE").expect("written");
        assert_eq!(sink.stream_position().expect("a position"), 3);
        sink.seek(SeekFrom::End(0)).expect("gone there");
        sink.write_all(b"!").expect("written");
        sink.close().expect("closed");
        assert!(!fault.is_set());
        assert_eq!(fs::read(&path).expect("a file"), b"ONE two!");
    }
}
