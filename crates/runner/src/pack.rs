//! Artifacts as zip archives: the same files always give the same bytes, and so the same digest.
//!
//! They are zip because GitHub's are: what the built-in actions upload, the official ones download, and the other way round. Files are
//! stored as they are unless a level of compression is asked for, since nothing here travels over a network.

mod sink;
mod unpack;

pub(crate) use unpack::unpack_onto;
pub use unpack::{UnpackLimits, unpack};

use crate::{
    aside::Over,
    error::{ErrorKind, RunnerError},
};
use sha2::{Digest as _, Sha256};
use shipway_base::Digest;
use sink::{Fault, Sink};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Component, Path, PathBuf},
};
use zip::{CompressionMethod, DateTime, System, ZipWriter, write::SimpleFileOptions};

/// The type of an archive of files.
pub const ZIP: &str = "application/zip";

/// Files near this size need the long form of the archive's sizes, also when compression makes them larger.
const LARGE: u64 = 0xf000_0000;

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The SHA-256 of the archive.
    pub digest: Digest,
    /// The size of the archive, in bytes.
    pub size: u64,
    /// The number of files in it.
    pub files: usize,
}

/// Writes an archive with `files` (path in the archive, path on disk) to `to`: sorted, with permissions 755 or 644, no
/// owner and no times. A symbolic link stands for the file that it leads to. `level` is 0 for no compression, to 9.
pub fn pack(files: &BTreeMap<String, PathBuf>, to: &Path, level: u8) -> Result<Packed, RunnerError> {
    let file = fs::File::create(to).map_err(|error| RunnerError::io("write", to, error))?;
    let over = Over::default();
    write(files, &|path| fs::File::open(path), file, to, level, &over)?;
    let (digest, size) = hash(to, &over)?;
    Ok(Packed { digest, size, files: files.len() })
}

/// [`pack`] into an open file, which goes by the name `to` in what is said. `open` opens a file to be read.
pub(crate) fn write(
    files: &BTreeMap<String, PathBuf>,
    open: &dyn Fn(&Path) -> io::Result<fs::File>,
    file: fs::File,
    to: &Path,
    level: u8,
    over: &Over,
) -> Result<(), RunnerError> {
    if level == 0 {
        // Found before the disk is full, which harms everybody on the machine.
        room(&file, to, size_of(files, over)?)?;
    }
    let (sink, fault) = Sink::new(file);
    let written = write_to((sink, &fault), files, open, to, (level, over));
    // What the file could not take counts, and not what came of that.
    match fault.take() {
        Some(error) => Err(RunnerError::io("write", to, error)),
        None => written,
    }
}

/// How many bytes files have together. What cannot be looked at is told when it is read.
fn size_of(files: &BTreeMap<String, PathBuf>, over: &Over) -> Result<u64, RunnerError> {
    let mut size: u64 = 0;
    for path in files.values() {
        over.go_on()?;
        let found = fs::metadata(path).map_or(0, |meta| meta.len());
        size = size.saturating_add(found);
    }
    Ok(size)
}

/// Refuses to begin what does not fit onto the disk of a file.
pub(crate) fn room(file: &fs::File, shown: &Path, size: u64) -> Result<(), RunnerError> {
    // A file system that cannot tell says it when it is full.
    let Ok(about) = rustix::fs::fstatvfs(file) else { return Ok(()) };
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    if size <= free {
        return Ok(());
    }
    let message = format!(
        "{} cannot be written: it takes {size} bytes, and its disk has {free} bytes left",
        shown.display()
    );
    Err(RunnerError::new(ErrorKind::DiskFull, message)
        .with_help("free some space on that disk, or name fewer or smaller files in path"))
}

fn write_to(
    (sink, fault): (Sink, &Fault),
    files: &BTreeMap<String, PathBuf>,
    open: &dyn Fn(&Path) -> io::Result<fs::File>,
    to: &Path,
    (level, over): (u8, &Over),
) -> Result<(), RunnerError> {
    let write_error = |error: io::Error| RunnerError::io("write", to, root(error));
    let mut archive = ZipWriter::new(sink);
    let method = if level == 0 { CompressionMethod::Stored } else { CompressionMethod::Deflated };
    let options = SimpleFileOptions::default()
        .system(System::Unix)
        .last_modified_time(DateTime::default())
        .compression_method(method)
        .compression_level((level > 0).then_some(i64::from(level)));
    for (name, path) in files {
        over.go_on()?;
        let read_error = |error| RunnerError::io("read", path, error);
        let content = open(path).map_err(read_error)?;
        let meta = content.metadata().map_err(read_error)?;
        let mode = if meta.permissions().mode() & 0o111 != 0 { 0o755 } else { 0o644 };
        let options = options.unix_permissions(mode).large_file(meta.len() >= LARGE);
        archive.start_file(name.as_str(), options).map_err(|error| write_error(error.into()))?;
        // At most the size that was seen, also when the file grows meanwhile.
        let mut content = content.take(meta.len());
        over.copy(&mut content, &mut archive).map_err(write_error)?;
        if fault.is_set() {
            break;
        }
    }
    archive.finish().map_err(|error| write_error(error.into()))?.close().map_err(write_error)
}

/// The digest and the size of a file. Sizes are written into the head of an archive afterwards, so it is read once more.
pub(crate) fn hash(path: &Path, over: &Over) -> Result<(Digest, u64), RunnerError> {
    let read_error = |error| RunnerError::io("read", path, error);
    let mut file = BufReader::with_capacity(0, fs::File::open(path).map_err(read_error)?);
    let mut buffer = vec![0; 256 << 10];
    let (mut hash, mut size) = (Sha256::new(), 0);
    loop {
        over.go_on()?;
        let length = file.read(&mut buffer).map_err(read_error)?;
        if length == 0 {
            return Ok((Digest::from_bytes(hash.finalize().into()), size));
        }
        hash.update(&buffer[..length]);
        size += length as u64;
    }
}

/// All files below `path`, or `path` itself when it is a file, by their path relative to `base`. Folders are entered in
/// order and not followed through links.
pub fn files_below(path: &Path, base: &Path, hidden: bool) -> Result<BTreeMap<String, PathBuf>, RunnerError> {
    let mut found = BTreeMap::new();
    let mut open = vec![path.to_owned()];
    while let Some(next) = open.pop() {
        let meta = fs::symlink_metadata(&next).map_err(|error| RunnerError::io("read", &next, error))?;
        if meta.is_dir() {
            for entry in fs::read_dir(&next).map_err(|error| RunnerError::io("read", &next, error))? {
                let entry = entry.map_err(|error| RunnerError::io("read", &next, error))?;
                if hidden || !entry.file_name().as_encoded_bytes().starts_with(b".") {
                    open.push(entry.path());
                }
            }
        } else if meta.is_file() || meta.is_symlink() {
            let relative = next.strip_prefix(base).unwrap_or(&next);
            found.insert(archive_name(relative), next.clone());
        }
    }
    Ok(found)
}

/// A path as it is written in an archive: its plain segments, joined by slashes.
pub(crate) fn archive_name(path: &Path) -> String {
    let segments: Vec<_> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(segment) => Some(segment.to_string_lossy()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect();
    segments.join("/")
}

/// An archive wraps the operating system's error; a full disk must be told apart still.
fn root(error: io::Error) -> io::Error {
    let mut kind = error.kind();
    let mut source = error.get_ref().and_then(|inner| inner.source());
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<io::Error>() {
            kind = inner.kind();
        }
        source = inner.source();
    }
    if kind == error.kind() { error } else { io::Error::new(kind, error) }
}

/// What the archive itself says is wrong with it.
fn broken(path: &Path, error: &impl std::fmt::Display) -> RunnerError {
    RunnerError::new(ErrorKind::Artifact, format!("{} cannot be unpacked: {error}", path.display()))
}

#[cfg(test)]
mod tests;
