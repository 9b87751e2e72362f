//! Standard output: the one place that writes to it, and that remembers when it could not.
//!
//! A reader that goes away (`| head`) has what it wants, and nobody is told. Anything else, such as a full disk, is said at
//! once on standard error, and the command does not end with 0, so that half a list is never taken for a whole one. After
//! the first failure nothing more is written: what is there is the beginning of the output, without holes.

use crate::{
    cli::talk,
    exit::{Exit, Failure},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::FileType,
    io::Errno,
};
use std::{
    io::{self, Write},
    os::fd::AsFd,
    sync::OnceLock,
};

/// Why nothing more is written, once that is so.
static OVER: OnceLock<Over> = OnceLock::new();

/// What became of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// Whoever read it went away.
    Unread,
    /// Something was lost.
    Lost(Errno),
}

/// Writes to standard output. It never fails: what it cannot write is left out, and [`Output::verdict`] knows of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output;

impl Output {
    /// Writes it all, and nothing of anybody else between it.
    pub(crate) fn put(self, bytes: &[u8]) {
        let out = io::stdout().lock();
        if OVER.get().is_some() {
            return;
        }
        let Err(error) = put(&out, bytes) else { return };
        let over = judge(error, is_device(&out));
        if OVER.set(over).is_err() {
            return;
        }
        if let Over::Lost(error) = over {
            talk(&failure(error).to_string());
        }
    }

    /// How a command ends that would end like this, when something of its output may be lost.
    pub(crate) fn verdict(exit: Exit) -> Exit {
        verdict(exit, OVER.get().copied())
    }

    /// What clap writes for `--help` and `--version` is not written by us: says what became of it.
    pub(crate) fn shown(shown: io::Result<()>) -> Exit {
        let Err(error) = shown else { return Exit::Ok };
        let error = Errno::from_io_error(&error).unwrap_or(Errno::IO);
        match judge(error, is_device(io::stdout())) {
            Over::Unread => Exit::Ok,
            Over::Lost(error) => {
                talk(&failure(error).to_string());
                Exit::Failed
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Past the buffer of the standard library, which would keep back what could not be written.
fn put(out: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(&out, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Somebody who shares a pipe or a terminal with us, such as Node, may have set it so.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&out, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A terminal that was closed can no longer be asked whether it is one.
fn is_device(out: impl AsFd) -> bool {
    let kind = rustix::fs::fstat(out).map(|stat| FileType::from_raw_mode(stat.st_mode));
    kind == Ok(FileType::CharacterDevice)
}

fn judge(error: Errno, device: bool) -> Over {
    // So answers a terminal that was closed.
    let closed = device && error == Errno::IO;
    if error == Errno::PIPE || closed { Over::Unread } else { Over::Lost(error) }
}

fn verdict(exit: Exit, over: Option<Over>) -> Exit {
    match (over, exit) {
        (Some(Over::Lost(_)), Exit::Ok) => Exit::Failed,
        // Another failure is worth more to whoever asks.
        (Some(Over::Lost(_) | Over::Unread) | None, exit) => exit,
    }
}

fn failure(error: Errno) -> Failure {
    let error = io::Error::from(error);
    Failure::new(Exit::Failed, format!("cannot write to standard output: {error}"))
        .with_code("SW1017")
        .with_help(
            "what was printed is not whole; work under way goes on, but the command does not end with 0",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::File,
        io::Read as _,
        os::{fd::OwnedFd, unix::net::UnixStream},
    };

    #[test]
    fn only_lost_output_is_a_failure() {
        let check = |exit, over, expect| assert_eq!(verdict(exit, over), expect, "{exit:?} {over:?}");
        check(Exit::Ok, None, Exit::Ok);
        check(Exit::Ok, Some(judge(Errno::PIPE, false)), Exit::Ok);
        check(Exit::Ok, Some(judge(Errno::IO, true)), Exit::Ok);
        check(Exit::Ok, Some(judge(Errno::IO, false)), Exit::Failed);
        check(Exit::Ok, Some(judge(Errno::NOSPC, true)), Exit::Failed);
        check(Exit::Usage, Some(judge(Errno::NOSPC, false)), Exit::Usage);
        check(Exit::Interrupted, Some(judge(Errno::NOSPC, false)), Exit::Interrupted);
    }

    #[test]
    fn a_full_disk_and_a_closed_pipe_are_told_apart() {
        let full = File::options().write(true).open("/dev/full").expect("a full device");
        assert_eq!(put(&full, b"x"), Err(Errno::NOSPC));
        assert_eq!(put(&full, b""), Ok(()));
        let (read, write) = UnixStream::pair().expect("a pair");
        drop(read);
        assert_eq!(put(&write, b"x"), Err(Errno::PIPE));
    }

    #[test]
    fn one_that_does_not_wait_is_waited_for() {
        let (mut read, write) = UnixStream::pair().expect("a pair");
        write.set_nonblocking(true).expect("a socket");
        let write = OwnedFd::from(write);
        let sent = vec![b'x'; 4 * 1024 * 1024];
        let all = sent.len();
        let writer = std::thread::spawn(move || put(&write, &sent));
        let mut got = Vec::new();
        read.read_to_end(&mut got).expect("all of it");
        assert_eq!(writer.join().expect("a thread"), Ok(()));
        assert_eq!(got.len(), all);
    }
}
