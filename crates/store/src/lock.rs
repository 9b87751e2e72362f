//! The folder lock: one process at a time, and a message that names the other one.

use crate::{Result, StoreError, files};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
};

/// Held while the store is open. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FolderLock {
    file: File,
}

impl FolderLock {
    /// Takes the lock of `dir` or says who has it.
    pub(crate) fn take(dir: &Path) -> Result<FolderLock> {
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(files::failed("create", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The pid is only for the message; without it the message is still true.
                let _ = file.read_to_string(&mut text);
                let pid = text.trim().parse().ok();
                if !pid.is_some_and(is_dead) {
                    return Err(StoreError::Locked { dir: dir.to_owned(), pid });
                }
                // The holder was killed while it was starting a program: the copy of it that has not yet become that
                // program still has the lock, and lets go of it in a moment by becoming it.
                file.lock().map_err(files::failed("lock", &path))?;
            }
            Err(TryLockError::Error(error)) => return Err(files::failed("lock", &path)(error)),
        }
        // The pid helps only the message of a second process, so a full disk must not prevent opening.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(FolderLock { file })
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file would not do: a copy of this process that is about to become another program may have it open.
        // When unlocking fails, closing is what is left.
        let _ = self.file.unlock();
    }
}

/// Whether a process has certainly ended, reaped or not.
fn is_dead(pid: u32) -> bool {
    if !cfg!(target_os = "linux") {
        return false;
    }
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The state follows the name, which is in parentheses and may hold anything.
        Ok(stat) => stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let held = FolderLock::take(dir.path()).unwrap();
        let error = FolderLock::take(dir.path()).unwrap_err();
        assert!(
            matches!(&error, StoreError::Locked { pid: Some(pid), .. } if *pid == std::process::id()),
            "{error}"
        );
        drop(held);
        FolderLock::take(dir.path()).unwrap();
    }

    #[test]
    fn a_lock_left_to_a_copy_of_a_dead_process_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let held = FolderLock::take(dir.path()).unwrap();
        let copy = held.file.try_clone().unwrap();
        // No process has this number: the kernel's limit is 2^22.
        std::fs::write(dir.path().join("lock"), "4194304000").unwrap();
        let waiting = std::thread::spawn({
            let dir = dir.path().to_owned();
            move || FolderLock::take(&dir).map(drop)
        });
        copy.unlock().unwrap();
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn a_drop_unlocks_even_when_a_copy_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let held = FolderLock::take(dir.path()).unwrap();
        let _copy = held.file.try_clone().unwrap();
        drop(held);
        FolderLock::take(dir.path()).unwrap();
    }

    #[test]
    fn only_ended_processes_are_dead() {
        assert!(!is_dead(std::process::id()));
        assert!(!cfg!(target_os = "linux") || is_dead(4_194_304_000));
    }
}
