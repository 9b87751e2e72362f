//! Removing the folders of jobs.

use crate::{error::RunnerError, executor::Folders};
use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

/// Removes the folders of a job, but for a tool cache that is not its own.
pub(super) fn remove_folders(folders: &Folders) -> Result<(), RunnerError> {
    let all = [&folders.root, &folders.actions, &folders.scratch];
    all.into_iter().map(|folder| remove_tree(folder)).fold(Ok(()), Result::and)
}

/// Removes a folder with everything in it, also where a step took the right to write from its own folders.
pub(super) fn remove_tree(root: &Path) -> Result<(), RunnerError> {
    match fs::remove_dir_all(root) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Tried again below.
        Err(_) => {}
    }
    make_writable(root);
    fs::remove_dir_all(root).map_err(|error| RunnerError::io("remove", root, error))
}

fn make_writable(dir: &Path) {
    // Whatever cannot be changed here makes the removal fail, which is reported.
    let _ = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}
