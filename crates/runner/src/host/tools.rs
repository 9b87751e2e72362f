//! Tool caches: folders that outlive jobs, each used by one job at a time.
//!
//! The toolkit fills `RUNNER_TOOL_CACHE` without locks: it removes a tool's folder, copies, and writes a mark. On GitHub each runner has a
//! folder of its own and runs one job. Here several jobs run at once, also of several processes, so there are several folders,
//! and a job takes the first that nobody has. Its path stays the same, which installed tools rely on, and the first one is
//! the warmest.

use crate::error::RunnerError;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// A tool cache that a job has for itself, until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) path: PathBuf,
    _lock: File,
}

/// Takes the first folder below `root` that is free.
pub(super) fn lease(root: &Path) -> Result<Lease, RunnerError> {
    let mut number = 0_u32;
    loop {
        let path = root.join(number.to_string());
        let lock = match File::open(&path) {
            Ok(lock) => lock,
            Err(_) => {
                fs::create_dir_all(&path).map_err(|error| RunnerError::io("make", &path, error))?;
                File::open(&path).map_err(|error| RunnerError::io("open", &path, error))?
            }
        };
        match lock.try_lock() {
            Ok(()) => return Ok(Lease { path, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => number += 1,
            Err(fs::TryLockError::Error(error)) => return Err(RunnerError::io("lock", &path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_has_one_for_itself_and_the_first_is_used_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("tools");
        let name = |lease: &Lease| lease.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let (one, two) = (lease(&root).expect("one"), lease(&root).expect("two"));
        assert_eq!((name(&one).as_deref(), name(&two).as_deref()), (Some("0"), Some("1")));
        drop(one);
        assert_eq!(name(&lease(&root).expect("again")).as_deref(), Some("0"));
    }
}
