//! Unpacking archives that nobody vouches for.
//!
//! An archive may come from any action. Its entries are written below one folder, whatever they are called; links are made last, so
//! that no entry is written through one of them, and only when they lead to something below the folder. How much it unpacks to is
//! counted while it is written, whatever the archive says.

use super::{broken, root};
use crate::{
    aside::Over,
    beneath::{Ground, Links},
    error::{ErrorKind, RunnerError},
};
use rustix::io::Errno;
use std::{
    cell::Cell,
    fs::{self, File},
    io::{self, BufReader, Read, Seek, SeekFrom, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    rc::Rc,
};
use zip::ZipArchive;

/// The longest target of a link.
const MOST_LINK: u64 = 4_096;

/// How much an archive may unpack to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Files, folders and links.
    pub entries: usize,
    /// Bytes in all, whatever the size of the archive.
    pub bytes: u64,
    /// Bytes that any archive may unpack to, however small it is.
    pub free: u64,
    /// Beyond that, bytes for each byte of the archive.
    pub ratio: u64,
    /// Bytes of the list of entries.
    pub directory: u64,
}

impl Default for UnpackLimits {
    /// A million entries, 100 GiB; and beyond 1 GiB no more than 200 times the archive, which is what logs compress to at best and
    /// a fifth of what a bomb needs.
    fn default() -> UnpackLimits {
        UnpackLimits { entries: 1_000_000, bytes: 100 << 30, free: 1 << 30, ratio: 200, directory: 64 << 20 }
    }
}

impl UnpackLimits {
    /// How many bytes an archive of this size may unpack to.
    pub(crate) fn most(&self, size: u64) -> u64 {
        self.bytes.min(self.free.max(size.saturating_mul(self.ratio)))
    }
}

/// Unpacks an archive into the folder `into`, which is made when absent. Files that are there are replaced. Gives the number of
/// files and links.
///
/// # Errors
/// When an entry would leave the folder, also by way of links, when there is more than the limits allow, or when the archive
/// is damaged. What was written until then stays.
pub fn unpack(archive: &Path, into: &Path, limits: &UnpackLimits) -> Result<usize, RunnerError> {
    let file = File::open(archive).map_err(|error| RunnerError::io("open", archive, error))?;
    let make = |error| RunnerError::io("make", into, error);
    fs::create_dir_all(into).map_err(make)?;
    let ground = Ground::at(into).map_err(make)?;
    unpack_onto(file, archive, &ground, Links::Beneath, limits, &Over::default())
}

/// [`unpack`] of an open file, which goes by the name `archive` in what is said, into a folder that is open. `links` says which
/// links may be passed that were there before.
pub(crate) fn unpack_onto(
    file: File,
    archive: &Path,
    into: &Ground,
    links: Links,
    limits: &UnpackLimits,
    over: &Over,
) -> Result<usize, RunnerError> {
    let open = |error| RunnerError::io("open", archive, error);
    let size = file.metadata().map_err(open)?.len();
    let budget = Rc::new(Cell::new(limits.directory));
    let bounded = Bounded { inner: BufReader::new(file), left: budget.clone() };
    let mut zip = ZipArchive::new(bounded).map_err(|error| broken(archive, &error))?;
    budget.set(u64::MAX);
    if zip.len() > limits.entries {
        let message = format!("it has {} entries, and at most {} are unpacked", zip.len(), limits.entries);
        return Err(broken(archive, &message));
    }
    let most = limits.most(size);
    let mut left = most;
    let mut last: Vec<(PathBuf, String)> = Vec::new();
    let mut count = 0;
    for index in 0..zip.len() {
        over.go_on()?;
        let mut entry = zip.by_index(index).map_err(|error| broken(archive, &error))?;
        let name = entry.name().map_err(|error| broken(archive, &error))?.into_owned();
        let path = place(&name).ok_or_else(|| outside(&format!("{name:?}")))?;
        let folder = |path: &Path| into.make(path, links).map_err(|error| unmade(&name, error));
        if entry.is_dir() {
            folder(&path)?;
            continue;
        }
        count += 1;
        let too_much = || broken(archive, &format!("it unpacks to more than {most} bytes"));
        if entry.is_symlink() {
            let mut target = String::new();
            (&mut entry)
                .take(MOST_LINK + 1)
                .read_to_string(&mut target)
                .map_err(|error| broken(archive, &error))?;
            if target.len() as u64 > MOST_LINK || !stays_inside(&path, &target) {
                return Err(outside(&format!("the link {name:?} to {target:?}")));
            }
            folder(path.parent().unwrap_or(Path::new("")))?;
            last.push((path, target));
            continue;
        }
        let parent = folder(path.parent().unwrap_or(Path::new("")))?;
        // No more than the right to run is taken over: no set-user-id, and nothing that others may write.
        let mode = if entry.unix_mode().unwrap_or(0o644) & 0o111 != 0 { 0o755 } else { 0o644 };
        let failed = |error| RunnerError::io("write", &path, root(error));
        let file_name = path.file_name().unwrap_or_default();
        let mut out = parent.create(file_name, mode).map_err(failed)?;
        out.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
        let mut content = (&mut entry).take(left.saturating_add(1));
        let copied = copy(&mut content, &mut out, &path, archive, over)
            .and_then(|written| left.checked_sub(written).ok_or_else(too_much));
        if copied.is_err() {
            // Half of a file is nobody's.
            let _ = parent.remove(file_name);
        }
        left = copied?;
    }
    for (path, target) in last {
        let made = into
            .make(path.parent().unwrap_or(Path::new("")), links)
            .and_then(|parent| parent.link(path.file_name().unwrap_or_default(), &target));
        made.map_err(|error| unmade(&path.to_string_lossy(), error))?;
    }
    Ok(count)
}

/// Copies; a fault of the disk is told apart from one of the archive.
fn copy(
    from: &mut impl Read,
    to: &mut File,
    path: &Path,
    archive: &Path,
    over: &Over,
) -> Result<u64, RunnerError> {
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0;
    loop {
        over.go_on()?;
        let length = from.read(&mut buffer).map_err(|error| broken(archive, &error))?;
        if length == 0 {
            return Ok(size);
        }
        to.write_all(&buffer[..length]).map_err(|error| RunnerError::io("write", path, root(error)))?;
        size += length as u64;
    }
}

/// The plain segments of an entry's name; `None` for one that leads out of its folder, or nowhere.
fn place(name: &str) -> Option<PathBuf> {
    if name.starts_with('/') || name.contains('\0') {
        return None;
    }
    let mut path = PathBuf::new();
    for segment in name.split('/') {
        match segment {
            "" | "." => {}
            ".." => return None,
            segment => path.push(segment),
        }
    }
    (path.as_os_str() != "").then_some(path)
}

/// Whether a link at `path` leads to something below the folder that `path` is relative to: first up, at most to that folder, and
/// then down. A `..` after a name could go up from wherever another link leads, so there is none.
fn stays_inside(path: &Path, target: &str) -> bool {
    let mut up = path.components().count().saturating_sub(1);
    let mut down = false;
    if target.is_empty() || target.starts_with('/') || target.contains('\0') {
        return false;
    }
    for segment in target.split('/') {
        match segment {
            "" | "." => {}
            ".." if down || up == 0 => return false,
            ".." => up -= 1,
            _ => down = true,
        }
    }
    true
}

/// Why the place of an entry could not be made: a way that leads out of the folder, or what the system says.
fn unmade(name: &str, error: io::Error) -> RunnerError {
    match Errno::from_io_error(&error) {
        Some(Errno::XDEV | Errno::LOOP) => outside(&format!("{name:?}")),
        Some(Errno::NOTDIR | Errno::ISDIR) => {
            let message = format!("the artifact holds {name:?}, and something of another kind is in its way");
            RunnerError::new(ErrorKind::Artifact, message)
        }
        Some(_) | None => RunnerError::io("make", Path::new(name), error),
    }
}

/// `entry`: what it is called, and where it leads when it is a link.
fn outside(entry: &str) -> RunnerError {
    RunnerError::new(
        ErrorKind::Artifact,
        format!("the artifact holds {entry}, which leads out of its folder"),
    )
}

/// Ends with an error once so many bytes were read: the list of entries is held in memory, and an archive says itself how
/// long it is.
struct Bounded<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let left = self.left.get().checked_sub(length as u64);
        self.left.set(left.ok_or_else(|| io::Error::other("its list of entries is too long"))?);
        Ok(length)
    }
}

impl<R: Seek> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
