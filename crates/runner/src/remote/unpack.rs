//! Unpacking the files of an action.

use crate::error::{ErrorKind, RunnerError};
use std::{
    fs,
    io::{self, BufReader},
    path::Path,
};

/// An action with more files than this is none.
const MAX_ENTRIES: usize = 200_000;
/// Nor is one with more bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Unpacks a tar file into a folder that is not there yet. Entries that would leave the folder, also by way of a link,
/// are refused.
pub(super) fn unpack(tar: &Path, into: &Path) -> Result<(), RunnerError> {
    unpack_within(tar, into, MAX_ENTRIES, MAX_BYTES)
}

/// The same, of at most so many entries and bytes.
pub(crate) fn unpack_within(
    tar: &Path,
    into: &Path,
    most_entries: usize,
    most_bytes: u64,
) -> Result<(), RunnerError> {
    let broken = |error: io::Error| {
        let message = format!("the kept action {} cannot be used: {error}", tar.display());
        RunnerError::new(ErrorKind::ActionFetch, message).with_source(error)
    };
    let refused = |why: String| {
        RunnerError::new(
            ErrorKind::ActionFetch,
            format!("the kept action {} cannot be used: {why}", tar.display()),
        )
    };
    fs::create_dir_all(into).map_err(|error| RunnerError::io("make", into, error))?;
    let file = fs::File::open(tar).map_err(|error| RunnerError::io("open", tar, error))?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(256 * 1024, file));
    archive.set_preserve_mtime(false);
    let (mut entries, mut bytes) = (0_usize, 0_u64);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if matches!(entry.header().entry_type(), tar::EntryType::XGlobalHeader | tar::EntryType::XHeader) {
            continue;
        }
        entries += 1;
        bytes = bytes.saturating_add(entry.size());
        if entries > most_entries || bytes > most_bytes {
            return Err(refused("it is larger than an action may be".to_owned()));
        }
        let name = entry.path().map_err(broken)?.into_owned();
        let written =
            entry.unpack_in(into).map_err(|error| RunnerError::io("write", &into.join(&name), error))?;
        if !written {
            return Err(refused(format!("{} lies outside of it", name.display())));
        }
    }
    if entries == 0 {
        return Err(refused("it is empty".to_owned()));
    }
    Ok(())
}
