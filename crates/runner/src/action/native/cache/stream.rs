//! The content of a cache on its way between its file and `tar`.

use super::Compression;
use crate::{
    aside::Over,
    error::{ErrorKind, RunnerError},
    sieve::{Rules, Unfit, sift},
};
use flate2::read::MultiGzDecoder;
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
    /// It is no archive that can be unpacked, or not here, and why. A clause.
    Unfit {
        why: String,
        /// Whether it is so for everybody who asks for the same paths.
        for_good: bool,
    },
}

/// Gives the members of the archive in these parts, decompressed, as far as they are wanted and the rules allow. `tar` would put a
/// process of its own between a pipe and the program that decompresses, which costs a third of the whole.
pub(super) fn feed(
    parts: Vec<PathBuf>,
    compression: Compression,
    to: File,
    rules: &Rules,
    over: &Over,
) -> Result<Fed, RunnerError> {
    let mut parts = Parts { rest: parts.into_iter(), open: None, lost: None };
    let mut to = Told { to, gone: None };
    // Asked before each piece also where much is read and nothing comes of it.
    let from = over.reader(&mut parts);
    let sifted = match compression {
        // Memory is bounded by the largest window that the decoder takes, 128 MiB.
        Compression::Zstd => match zstd::stream::read::Decoder::new(from) {
            Ok(from) => sift(from, &mut to, rules, over),
            Err(error) => Err(Unfit::Read(error)),
        },
        Compression::Gzip => sift(MultiGzDecoder::new(from), &mut to, rules, over),
    };
    over.go_on()?;
    let unfit = |why: String, for_good| Ok(Fed::Unfit { why, for_good });
    match (sifted, parts.lost, to.gone) {
        (_, Some((part, error)), _) => Err(RunnerError::io("read", &part, error)),
        // Who reads has ended, and says why.
        (Ok(()), None, _) | (Err(Unfit::Write(_)), None, Some(io::ErrorKind::BrokenPipe)) => Ok(Fed::Given),
        (Err(Unfit::Write(error)), None, _) => {
            Err(RunnerError::new(ErrorKind::Folder, format!("cannot hand a cache to tar: {error}")))
        }
        (Err(Unfit::Read(error)), None, _) => unfit(format!("its content is damaged: {error}"), true),
        (Err(Unfit::Damaged(why)), None, _) => unfit(format!("its content is damaged: {why}"), true),
        (Err(Unfit::Refused(why)), None, _) => unfit(why, true),
        (Err(Unfit::InTheWay(why)), None, _) => unfit(why, false),
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
    use crate::glob::Patterns;
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

    fn rules(dir: &std::path::Path) -> Rules {
        let patterns = Patterns::parse(["d"], dir, dir).expect("patterns");
        Rules { folder: dir.to_owned(), patterns, looks: false, most: 1 << 20 }
    }

    /// An archive of one file, as it comes out again.
    fn archive(content: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, "d/file", content).expect("packed");
        builder.into_inner().expect("packed")
    }

    /// What the one file in an archive holds.
    fn content(archive: &[u8]) -> Vec<u8> {
        let mut archive = tar::Archive::new(archive);
        let mut entry = archive.entries().expect("entries").next().expect("an entry").expect("an entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("read");
        content
    }

    /// What comes of parts, and what is told of them.
    fn given(parts: &[PathBuf], compression: Compression) -> (Vec<u8>, Fed) {
        let dir = parts[0].parent().expect("a folder");
        let (mut reader, writer) = pipe().expect("a pipe");
        let fed = feed(parts.to_vec(), compression, writer, &rules(dir), &Over::default()).expect("given");
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("read");
        (bytes, fed)
    }

    #[track_caller]
    fn unfit(parts: &[PathBuf], compression: Compression, expect: &str) -> Vec<u8> {
        match given(parts, compression) {
            (bytes, Fed::Unfit { why, for_good: true }) if why.contains(expect) => bytes,
            (_, other) => panic!("{other:?} and not {expect:?}"),
        }
    }

    #[test]
    fn parts_are_given_in_order_and_a_lost_one_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let parts: Vec<PathBuf> = ["one", "two", "three"].map(|name| dir.path().join(name)).into();
        let plain = archive(&b"a gigabyte of dependencies ".repeat(1_000));
        // A content that is cut anywhere, of two frames.
        let mut packed = zstd::encode_all(&plain[..5_000], 3).expect("packed");
        packed.extend(zstd::encode_all(&plain[5_000..], 3).expect("packed"));
        for (part, bytes) in parts.iter().zip([&packed[..3], &packed[3..50], &packed[50..]]) {
            fs::write(part, bytes).expect("a part");
        }
        let (whole, fed) = given(&parts, Compression::Zstd);
        assert!(fed == Fed::Given && content(&whole) == content(&plain), "{fed:?}");
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let wanted = feed(parts.clone(), Compression::Zstd, writer, &rules(dir.path()), &Over::default());
        assert_eq!(wanted.expect("nobody wants it"), Fed::Given);
        fs::write(&parts[2], &packed[50..packed.len() - 1]).expect("a part");
        assert!(whole.starts_with(&unfit(&parts, Compression::Zstd, "damaged: incomplete frame")));
        fs::write(&parts[0], "no").expect("a part");
        unfit(&parts, Compression::Zstd, "damaged: Unknown frame descriptor");
        fs::write(&parts[0], &packed[..3]).expect("a part");
        fs::remove_file(&parts[1]).expect("removed");
        let (_reader, writer) = pipe().expect("a pipe");
        let error = feed(parts, Compression::Zstd, writer, &rules(dir.path()), &Over::default());
        assert!(error.expect_err("lost").message.contains("two"));
    }

    #[test]
    fn gzip_is_taken_apart_too() {
        let dir = tempfile::tempdir().expect("a folder");
        let part = dir.path().join("one");
        let plain = archive(b"x");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&plain).expect("packed");
        let packed = packed.finish().expect("packed");
        fs::write(&part, &packed).expect("a part");
        let (whole, fed) = given(std::slice::from_ref(&part), Compression::Gzip);
        assert!(fed == Fed::Given && content(&whole) == content(&plain), "{fed:?}");
        fs::write(&part, &packed[..packed.len() - 1]).expect("a part");
        unfit(&[part], Compression::Gzip, "damaged");
    }

    #[test]
    fn bombs_take_neither_memory_nor_time() {
        let dir = tempfile::tempdir().expect("a folder");
        let part = [dir.path().join("one")];
        // The limit of these rules is a mebibyte.
        let bomb = archive(&vec![0; 2 << 20]);
        fs::write(&part[0], zstd::encode_all(&bomb[..], 19).expect("packed")).expect("a part");
        assert!(unfit(&part, Compression::Zstd, "more than a cache may").len() <= 1 << 20);
        // A frame that asks for a window of a gibibyte.
        fs::write(&part[0], [0x28, 0xb5, 0x2f, 0xfd, 0, 0xa0, 1, 0, 0]).expect("a part");
        unfit(&part, Compression::Zstd, "too much memory");
        // Frames of nothing, of which many are read and nothing comes.
        let nothing = zstd::encode_all(&[][..], 3).expect("packed");
        fs::write(&part[0], nothing.repeat(100_000)).expect("a part");
        let (_reader, writer) = pipe().expect("a pipe");
        let over = Over::default();
        over.tell();
        feed(part.to_vec(), Compression::Zstd, writer, &rules(dir.path()), &over).expect_err("over");
        assert_eq!(given(&part, Compression::Zstd).1, Fed::Given);
    }
}
