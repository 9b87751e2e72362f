//! Work that blocks a thread, such as copying large files, beside the tasks of the runtime; it ends between two pieces when it is
//! told so.

use crate::error::{ErrorKind, RunnerError};
use std::{
    fs::File,
    future::Future,
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::task::JoinHandle;

/// Bytes that are copied between two looks at whether to go on.
const PIECE: usize = 256 * 1024;

/// The same where the kernel copies, which takes much less for each byte.
const KERNEL_PIECE: u64 = 16 << 20;

/// Tells work that it is over. Copies tell each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Over(Arc<AtomicBool>);

impl Over {
    /// From now on nothing goes on.
    pub(crate) fn tell(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// An error once it is over. Never one that asks to try again.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it was stopped"));
        }
        Ok(())
    }

    /// The same as an error of the runner's. Whoever said that it is over knows why, and says that instead.
    pub(crate) fn go_on(&self) -> Result<(), RunnerError> {
        self.check().map_err(|error| RunnerError::new(ErrorKind::TimedOut, error.to_string()))
    }

    /// Copies all that there is to read, through a buffer; gives the number of bytes.
    pub(crate) fn copy(&self, from: &mut impl Read, to: &mut impl Write) -> io::Result<u64> {
        let mut buffer = vec![0; PIECE];
        let mut size = 0;
        loop {
            self.check()?;
            match from.read(&mut buffer) {
                Ok(0) => return Ok(size),
                Ok(read) => {
                    to.write_all(&buffer[..read])?;
                    size += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Copies the rest of a file to another, by the kernel where it can.
    pub(crate) fn copy_file(&self, from: &File, mut to: &File) -> io::Result<u64> {
        let mut size = 0;
        loop {
            self.check()?;
            let copied = io::copy(&mut from.take(KERNEL_PIECE), &mut to)?;
            size += copied;
            if copied == 0 {
                return Ok(size);
            }
        }
    }

    /// What is read there, as long as it is not over.
    pub(crate) fn reader<R: Read>(&self, inner: R) -> Checked<R> {
        Checked { inner, over: self.clone() }
    }

    /// What is written there, as long as it is not over.
    pub(crate) fn writer<W: Write>(&self, inner: W) -> Checked<W> {
        Checked { inner, over: self.clone() }
    }
}

/// A writer or a reader that fails once it is over.
#[derive(Debug)]
pub(crate) struct Checked<T> {
    inner: T,
    over: Over,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.over.check()?;
        self.inner.read(buffer)
    }
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.over.check()?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Such work under way. It is told that it is over when nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct Aside<T> {
    over: Over,
    handle: JoinHandle<T>,
}

impl<T: Send + 'static> Aside<T> {
    /// Begins it.
    pub(crate) fn begin(work: impl FnOnce(&Over) -> T + Send + 'static) -> Aside<T> {
        let over = Over::default();
        let told = over.clone();
        Aside { over, handle: tokio::task::spawn_blocking(move || work(&told)) }
    }

    /// Waits for its end, at most until it is stopped, which is the error then; its thread has come to rest by then, too.
    pub(crate) async fn until(
        mut self,
        stopped: impl Future<Output = RunnerError>,
    ) -> Result<T, RunnerError> {
        let broken = |error: tokio::task::JoinError| {
            RunnerError::new(ErrorKind::Folder, format!("the work on files stopped: {error}"))
        };
        tokio::select! {
            biased;
            done = &mut self.handle => done.map_err(broken),
            stopped = stopped => {
                self.over.tell();
                // What it came to does not count any more.
                let _ = (&mut self.handle).await;
                Err(stopped)
            }
        }
    }
}

impl<T> Drop for Aside<T> {
    fn drop(&mut self) {
        self.over.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::{Cancel, Cause, Stop};
    use std::{fs, time::Duration};

    #[test]
    fn nothing_goes_on_once_it_is_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let huge = File::create_new(dir.path().join("huge")).expect("a file");
        huge.set_len(1 << 40).expect("a file with holes");
        let from = File::open(dir.path().join("huge")).expect("a file");
        let to = File::create(dir.path().join("copy")).expect("a file");
        let over = Over::default();
        over.tell();
        assert_eq!(over.copy_file(&from, &to).expect_err("over").kind(), io::ErrorKind::TimedOut);
        assert_eq!(over.copy(&mut &from, &mut &to).expect_err("over").kind(), io::ErrorKind::TimedOut);
        assert!(over.writer(io::sink()).write_all(b"x").is_err() && over.go_on().is_err());
        assert_eq!(fs::metadata(dir.path().join("copy")).expect("a file").len(), 0);
    }

    #[test]
    fn what_is_not_over_is_copied_whole() {
        let dir = tempfile::tempdir().expect("a folder");
        let bytes: Vec<u8> = (0..600_000_u32).map(|number| (number % 251) as u8).collect();
        fs::write(dir.path().join("from"), &bytes).expect("a file");
        let from = File::open(dir.path().join("from")).expect("a file");
        let to = File::create(dir.path().join("to")).expect("a file");
        assert_eq!(Over::default().copy_file(&from, &to).expect("copied"), 600_000);
        assert!(fs::read(dir.path().join("to")).expect("a file") == bytes);
        let mut copy = Vec::new();
        assert_eq!(Over::default().copy(&mut &bytes[..], &mut copy).expect("copied"), 600_000);
        assert!(copy == bytes);
    }

    #[tokio::test]
    async fn what_never_ends_is_stopped_and_has_stopped_by_then() {
        let ended = Arc::new(AtomicBool::new(false));
        let told = ended.clone();
        let endless = Aside::begin(move |over: &Over| {
            let copied = over.copy(&mut io::repeat(7), &mut io::sink());
            told.store(true, Ordering::Relaxed);
            copied.is_err()
        });
        let stop = Stop::new(Cancel::new(), Duration::MAX, Duration::MAX);
        let stopped = RunnerError::stopped(Cause::StepTimeout(Duration::from_secs(6)), &stop);
        let error = endless.until(std::future::ready(stopped)).await.expect_err("stopped");
        assert!(error.message.contains("the step took longer than its timeout-minutes of 6"), "{error}");
        assert!(ended.load(Ordering::Relaxed));
        let short = Aside::begin(|_: &Over| 7);
        assert_eq!(short.until(std::future::pending()).await.expect("done"), 7);
    }

    #[tokio::test]
    async fn who_is_not_waited_for_is_told() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let endless = Aside::begin(move |over: &Over| {
            let copied = over.copy(&mut io::repeat(7), &mut io::sink());
            sender.send(copied.is_err())
        });
        drop(endless);
        assert!(receiver.await.expect("it ends"));
    }
}
