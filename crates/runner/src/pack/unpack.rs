//! Unpacking archives that nobody vouches for.
//!
//! An archive may come from any action. Its entries are written below one folder, whatever they are called; links are made last, so
//! that no entry is written through one of them, and only when they lead to something below the folder. How much it unpacks to is
//! counted while it is written, whatever the archive says.

use super::{broken, root};
use crate::error::{ErrorKind, RunnerError};
use std::{
    cell::Cell,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
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

/// Unpacks an archive into the folder `into`, which is made when absent. Files that are there are replaced. Gives the number of
/// files and links.
///
/// # Errors
/// When an entry would leave the folder, also by way of links, when there is more than the limits allow, or when the archive
/// is damaged. What was written until then stays.
pub fn unpack(archive: &Path, into: &Path, limits: &UnpackLimits) -> Result<usize, RunnerError> {
    let file = File::open(archive).map_err(|error| RunnerError::io("open", archive, error))?;
    unpack_file(file, archive, into, limits)
}

/// [`unpack`] of an open file, which goes by the name `archive` in what is said.
pub(crate) fn unpack_file(
    file: File,
    archive: &Path,
    into: &Path,
    limits: &UnpackLimits,
) -> Result<usize, RunnerError> {
    let make = |error| RunnerError::io("make", into, error);
    fs::create_dir_all(into).map_err(make)?;
    let root = fs::canonicalize(into).map_err(make)?;
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
    let most = limits.bytes.min(limits.free.max(size.saturating_mul(limits.ratio)));
    let mut left = most;
    let mut links: Vec<(PathBuf, String)> = Vec::new();
    let mut count = 0;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|error| broken(archive, &error))?;
        let name = entry.name().map_err(|error| broken(archive, &error))?.into_owned();
        let path = place(&name).ok_or_else(|| outside(&name))?;
        if entry.is_dir() {
            folder(&root, &path, &name)?;
            continue;
        }
        count += 1;
        let parent = folder(&root, path.parent().unwrap_or(Path::new("")), &name)?;
        let to = parent.join(path.file_name().unwrap_or_default());
        let too_much = || broken(archive, &format!("it unpacks to more than {most} bytes"));
        if entry.is_symlink() {
            let mut target = String::new();
            (&mut entry)
                .take(MOST_LINK + 1)
                .read_to_string(&mut target)
                .map_err(|error| broken(archive, &error))?;
            if target.len() as u64 > MOST_LINK || !stays_inside(&path, &target) {
                return Err(outside(&format!("{name} -> {target}")));
            }
            links.push((to, target));
            continue;
        }
        let mode = entry.unix_mode().unwrap_or(0o644);
        let mut out = create(&to, mode)?;
        let mut content = (&mut entry).take(left.saturating_add(1));
        let written = copy(&mut content, &mut out, &to, archive)?;
        left = left.checked_sub(written).ok_or_else(too_much)?;
    }
    for (to, target) in links {
        clear(&to)?;
        symlink(&target, &to).map_err(|error| RunnerError::io("make", &to, error))?;
    }
    Ok(count)
}

/// Copies; a fault of the disk is told apart from one of the archive.
fn copy(from: &mut impl Read, to: &mut File, path: &Path, archive: &Path) -> Result<u64, RunnerError> {
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0;
    loop {
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

/// The folder at `path` below `root`, made where it is absent. A link that was there before may be passed if it stays below
/// the root.
fn folder(root: &Path, path: &Path, name: &str) -> Result<PathBuf, RunnerError> {
    let mut at = root.to_owned();
    for segment in path.components() {
        at.push(segment);
        match fs::symlink_metadata(&at) {
            Ok(meta) if meta.is_dir() => {}
            Ok(meta) if meta.is_symlink() => {
                at = fs::canonicalize(&at).map_err(|error| RunnerError::io("open", &at, error))?;
                if !at.starts_with(root) {
                    return Err(outside(name));
                }
            }
            Ok(_) => {
                let message = format!("the artifact has a folder at {}, where a file is", at.display());
                return Err(RunnerError::new(ErrorKind::Artifact, message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&at).map_err(|error| RunnerError::io("make", &at, error))?;
            }
            Err(error) => return Err(RunnerError::io("open", &at, error)),
        }
    }
    Ok(at)
}

/// A new file in the place of whatever file or link is there.
fn create(path: &Path, mode: u32) -> Result<File, RunnerError> {
    clear(path)?;
    // No more than the right to run is taken over: no set-user-id, and nothing that others may write.
    let mode = if mode & 0o111 != 0 { 0o755 } else { 0o644 };
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let file = file.map_err(|error| RunnerError::io("write", path, error))?;
    file.set_permissions(fs::Permissions::from_mode(mode))
        .map_err(|error| RunnerError::io("write", path, error))?;
    Ok(file)
}

fn clear(path: &Path) -> Result<(), RunnerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RunnerError::io("replace", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn outside(name: &str) -> RunnerError {
    RunnerError::new(
        ErrorKind::Artifact,
        format!("the artifact holds {name}, which lies outside of its folder"),
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
