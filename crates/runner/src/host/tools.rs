//! Tool caches: folders that outlive jobs, each used by one job at a time.
//!
//! The toolkit fills `RUNNER_TOOL_CACHE` without locks: it removes a tool's folder, copies, and writes a mark. On GitHub each runner has a
//! folder of its own and runs one job. Here several jobs run at once, also of several processes, so there are several folders,
//! and a job takes the first that nobody has. Its path stays the same, which installed tools rely on, and the first one is
//! the warmest.
//!
//! The number of its tool cache is also that of the folder that a job works in, where such folders were asked for: a cache
//! is found by the paths in it, and many actions name absolute ones below the home, so a later run finds it only if the
//! home is where it was.

use crate::error::RunnerError;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// A tool cache that a job has for itself, until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) path: PathBuf,
    /// Its name, and that of the job's own folder.
    pub(super) number: u32,
    _lock: File,
}

/// Takes the first folder below `root` that is free, unless what belongs to its number is in use still.
pub(super) fn lease(root: &Path, in_use: impl Fn(u32) -> bool) -> Result<Lease, RunnerError> {
    let mut number = 0_u32;
    loop {
        if let Some(lease) = take(root, number)?.filter(|_| !in_use(number)) {
            return Ok(lease);
        }
        number += 1;
    }
}

/// Removes the folders of jobs below `places` whose runner is gone. What cannot be removed is left, and its number is
/// not used.
pub(super) fn sweep(
    root: &Path,
    places: &Path,
    remove: impl Fn(&Path) -> Result<(), RunnerError>,
) -> Result<(), RunnerError> {
    let read = |error| RunnerError::io("read", places, error);
    for entry in fs::read_dir(places).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let Some(number) = path.file_name().and_then(|name| number_of(name.to_str()?)) else { continue };
        let Some(_lease) = take(root, number)? else { continue };
        if let Err(error) = remove(&path) {
            tracing::warn!(%error, folder = %path.display(), "what a killed run left cannot be removed");
        }
    }
    Ok(())
}

/// A folder that belongs to that of a job and does not lie in it.
pub(super) fn beside(root: &Path, name: &str) -> PathBuf {
    let mut own = root.file_name().unwrap_or_default().to_owned();
    own.push(".");
    own.push(name);
    root.with_file_name(own)
}

/// The number of a folder of a job, or of one [`beside`] it.
fn number_of(name: &str) -> Option<u32> {
    name.split_once('.').map_or(name, |(number, _)| number).parse().ok()
}

/// The folder of a number, unless somebody has it.
fn take(root: &Path, number: u32) -> Result<Option<Lease>, RunnerError> {
    let path = root.join(number.to_string());
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(_) => {
            fs::create_dir_all(&path).map_err(|error| RunnerError::io("make", &path, error))?;
            File::open(&path).map_err(|error| RunnerError::io("open", &path, error))?
        }
    };
    match lock.try_lock() {
        Ok(()) => Ok(Some(Lease { path, number, _lock: lock })),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(RunnerError::io("lock", &path, error)),
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
        let (one, two) = (lease(&root, |_| false).expect("one"), lease(&root, |_| false).expect("two"));
        assert_eq!((name(&one).as_deref(), name(&two).as_deref()), (Some("0"), Some("1")));
        drop(one);
        assert_eq!(name(&lease(&root, |_| false).expect("again")).as_deref(), Some("0"));
        assert_eq!(name(&lease(&root, |number| number == 0).expect("another")).as_deref(), Some("2"));
    }

    #[test]
    fn what_is_left_of_jobs_that_are_gone_is_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let (root, places) = (dir.path().join("tools"), dir.path().join("jobs"));
        for name in ["0", "0.actions", "1", "2", "other"] {
            fs::create_dir_all(places.join(name)).expect("a folder");
        }
        let running = lease(&root, |number| number == 0).expect("one");
        let remove = |path: &Path| match path.ends_with("2") {
            true => Err(RunnerError::io("remove", path, std::io::Error::other("held"))),
            false => fs::remove_dir(path).map_err(|error| RunnerError::io("remove", path, error)),
        };
        sweep(&root, &places, remove).expect("swept");
        let left = |name| places.join(name).exists();
        assert_eq!(["0", "0.actions", "1", "2", "other"].map(left), [false, false, true, true, true]);
        assert!(beside(&places.join("7"), "actions").ends_with("jobs/7.actions"));
        let next =
            lease(&root, |number| places.join(number.to_string()).exists()).expect("the first that is free");
        assert_eq!((running.number, next.number), (1, 0));
    }
}
