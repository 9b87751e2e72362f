//! Small file operations with errors that name the file, and a full disk told apart.

use crate::{Result, StoreError};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// Turns a system's answer into an error about `path`.
pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| {
        if is_full(&source) {
            StoreError::Full { path: path.to_owned() }
        } else {
            StoreError::Io { doing, path: path.to_owned(), source }
        }
    }
}

/// Whether space, a quota or a size limit ran out.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    [StorageFull, QuotaExceeded, FileTooLarge].contains(&error.kind())
}

/// Creates a folder and its parents, and makes their names durable.
pub(crate) fn create_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_dir(parent)?;
    }
    match fs::create_dir(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        Err(error) => return Err(failed("create", dir)(error)),
    }
    match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(failed("flush", dir))
}

/// Asks whether the folder can take `bytes` more in a file of `size` bytes; used to tell a full disk from a broken one
/// after SQLite reported only that a write failed.
pub(crate) fn is_out_of_space(dir: &Path, size: u64, bytes: usize) -> bool {
    let path = dir.join("space-probe");
    let probe = || {
        let mut file = File::create(&path)?;
        file.set_len(size + bytes as u64)?;
        file.write_all(&vec![1; bytes])?;
        file.sync_all()
    };
    let full = probe().is_err_and(|error| is_full(&error));
    // A probe that cannot be removed is overwritten by the next one.
    let _ = fs::remove_file(&path);
    full
}
