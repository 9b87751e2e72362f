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

/// A pipe as two files: the reading end and the writing one.
pub(super) fn pipe() -> Result<(File, File), RunnerError> {
    let (reader, writer) = io::pipe().map_err(|error| {
        RunnerError::new(ErrorKind::Folder, format!("cannot make a pipe for a cache: {error}"))
    })?;
    Ok((File::from(OwnedFd::from(reader)), File::from(OwnedFd::from(writer))))
}

/// Writes what comes, at most so many bytes. The pipe is closed after that, which ends whoever still writes.
pub(super) fn keep(mut from: File, mut to: File, most: u64) -> io::Result<Kept> {
    let written = io::copy(&mut (&mut from).take(most), &mut to)?;
    let more = written == most && from.read(&mut [0])? > 0;
    Ok(if more { Kept::TooMuch } else { Kept::Whole })
}

/// Gives the parts one after the other, as far as they are wanted.
pub(super) fn feed(parts: &[PathBuf], mut to: File) -> Result<(), RunnerError> {
    for part in parts {
        let copied = File::open(part).and_then(|mut from| io::copy(&mut from, &mut to));
        match copied {
            Ok(_) => {}
            // Who reads has ended, and says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(RunnerError::io("read", part, error)),
        }
    }
    Ok(())
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
        let (mut reader, writer) = pipe().expect("a pipe");
        feed(&parts, writer).expect("given");
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("read");
        assert_eq!(text, "one two three");
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        feed(&parts, writer).expect("nobody wants it");
        fs::remove_file(&parts[1]).expect("removed");
        let (_reader, writer) = pipe().expect("a pipe");
        let error = feed(&parts, writer).expect_err("lost");
        assert!(error.message.contains("two"), "{error}");
    }
}
