//! The content of a cache on its way between its file and `tar`.

use crate::error::{ErrorKind, RunnerError};
use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::PathBuf,
};
use tokio::task::JoinError;

/// How much of a content was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All.
    Whole,
    /// There was more than is kept.
    TooMuch,
}

/// Bytes that are handed on at once.
const PIECE: usize = 256 * 1024;

/// Bytes that a pipe holds.
const ROOM: usize = 1024 * 1024;

/// A pipe as two files: the reading end and the writing one.
pub(super) fn pipe() -> Result<(File, File), RunnerError> {
    let (reader, writer) = io::pipe().map_err(|error| {
        RunnerError::new(ErrorKind::Folder, format!("cannot make a pipe for a cache: {error}"))
    })?;
    // With less room, as where a user has many pipes, both sides wait for each other more often, and that is all.
    let _room = rustix::pipe::fcntl_setpipe_size(&writer, ROOM);
    Ok((File::from(OwnedFd::from(reader)), File::from(OwnedFd::from(writer))))
}

/// Writes what comes, at most so many bytes. The pipe is closed after that, which ends whoever still writes.
pub(super) fn keep(mut from: File, mut to: File, most: u64) -> io::Result<Kept> {
    let written = io::copy(&mut (&mut from).take(most), &mut to)?;
    let more = written == most && from.read(&mut [0])? > 0;
    Ok(if more { Kept::TooMuch } else { Kept::Whole })
}

/// How giving a content ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// All that was wanted was given.
    Given,
    /// It cannot be decompressed, and why.
    Damaged(String),
}

/// Gives the parts one after the other, as far as they are wanted: as they are, or decompressed. `tar` would put a process
/// of its own between a pipe and the program that decompresses, which costs a third of the whole.
pub(super) fn feed(parts: Vec<PathBuf>, unpack: bool, to: File) -> Result<Fed, RunnerError> {
    let mut parts = Parts { rest: parts.into_iter(), open: None, lost: None };
    let mut to = Told { to, gone: None };
    let copied = match unpack {
        true => zstd::stream::read::Decoder::new(&mut parts).and_then(|from| copy(from, &mut to)),
        false => copy(&mut parts, &mut to),
    };
    match (copied, parts.lost, to.gone) {
        (_, Some((part, error)), _) => Err(RunnerError::io("read", &part, error)),
        // Who reads has ended, and says why.
        (Ok(()), None, _) | (Err(_), None, Some(io::ErrorKind::BrokenPipe)) => Ok(Fed::Given),
        (Err(error), None, Some(_)) => {
            Err(RunnerError::new(ErrorKind::Folder, format!("cannot hand a cache to tar: {error}")))
        }
        (Err(error), None, None) => Ok(Fed::Damaged(error.to_string())),
    }
}

/// In large pieces: a gigabyte is taken apart.
fn copy(mut from: impl io::Read, to: &mut impl io::Write) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => to.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The bytes of several files, one after the other. Knows which one could not be read.
struct Parts {
    rest: std::vec::IntoIter<PathBuf>,
    open: Option<(PathBuf, File)>,
    lost: Option<(PathBuf, io::Error)>,
}

impl Parts {
    fn lose(&mut self, part: PathBuf, error: io::Error) -> io::Result<usize> {
        self.lost = Some((part, error));
        Err(io::Error::other("a part is lost"))
    }
}

impl io::Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some((part, mut file)) = self.open.take() {
                match file.read(buffer) {
                    Ok(0) => {}
                    Ok(read) => {
                        self.open = Some((part, file));
                        return Ok(read);
                    }
                    Err(error) => return self.lose(part, error),
                }
            }
            let Some(part) = self.rest.next() else { return Ok(0) };
            match File::open(&part) {
                Ok(file) => self.open = Some((part, file)),
                Err(error) => return self.lose(part, error),
            }
        }
    }
}

/// The reader's end of a pipe, as far as it takes bytes; knows how it refused them.
struct Told {
    to: File,
    gone: Option<io::ErrorKind>,
}

impl io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes).inspect_err(|error| self.gone = Some(error.kind()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

pub(super) fn stopped(error: &JoinError) -> RunnerError {
    RunnerError::new(ErrorKind::Folder, format!("the content of a cache is lost: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io::Write as _};

    #[test]
    fn no_more_is_kept_than_may_be() {
        let dir = tempfile::tempdir().expect("a folder");
        let check = |bytes: usize, most: u64, expect: Kept, size: u64| {
            let path = dir.path().join(format!("{bytes}-{most}"));
            let (reader, mut writer) = pipe().expect("a pipe");
            writer.write_all(&vec![7; bytes]).expect("written");
            drop(writer);
            let kept = keep(reader, File::create(&path).expect("a file"), most).expect("kept");
            assert_eq!(
                (kept, fs::metadata(&path).expect("a file").len()),
                (expect, size),
                "{bytes} of {most}"
            );
        };
        check(0, 10, Kept::Whole, 0);
        check(10, 10, Kept::Whole, 10);
        check(11, 10, Kept::TooMuch, 10);
        check(30_000, 10, Kept::TooMuch, 10);
    }

    #[test]
    fn parts_are_given_in_order_and_a_lost_one_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let parts: Vec<PathBuf> = ["one ", "two ", "three"].map(|name| dir.path().join(name.trim())).into();
        for (part, text) in parts.iter().zip(["one ", "two ", "three"]) {
            fs::write(part, text).expect("a part");
        }
        let given = |unpack: bool, expect: &Fed| {
            let (mut reader, writer) = pipe().expect("a pipe");
            assert_eq!(&feed(parts.clone(), unpack, writer).expect("given"), expect);
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).expect("read");
            bytes
        };
        assert_eq!(given(false, &Fed::Given), b"one two three");
        // A content that is cut anywhere, of two frames.
        let text = b"a gigabyte of dependencies ".repeat(1_000);
        let mut packed = zstd::encode_all(&text[..5_000], 3).expect("packed");
        packed.extend(zstd::encode_all(&text[5_000..], 3).expect("packed"));
        for (part, bytes) in parts.iter().zip([&packed[..3], &packed[3..50], &packed[50..]]) {
            fs::write(part, bytes).expect("a part");
        }
        assert!(given(true, &Fed::Given) == text, "what was packed");
        fs::write(&parts[2], &packed[50..packed.len() - 1]).expect("a part");
        assert!(
            text.starts_with(&given(true, &Fed::Damaged("incomplete frame".to_owned()))),
            "what was whole"
        );
        fs::write(&parts[0], "no").expect("a part");
        given(true, &Fed::Damaged("Unknown frame descriptor".to_owned()));
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        assert_eq!(feed(parts.clone(), false, writer).expect("nobody wants it"), Fed::Given);
        fs::remove_file(&parts[1]).expect("removed");
        let (_reader, writer) = pipe().expect("a pipe");
        let error = feed(parts, false, writer).expect_err("lost");
        assert!(error.message.contains("two"), "{error}");
    }
}
