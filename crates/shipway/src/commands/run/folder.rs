//! The folder that a run works in, and what a killed run left behind.
//!
//! A folder belongs to the process that holds the lock on a file in it. It gets its name only once it is locked, so that
//! a folder with that name whose lock is free is one whose owner was killed: the next run ends what still runs of it and
//! removes it.

use crate::exit::{Exit, Failure};
use shipway_runner::{Patience, reap_orphans};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

const PREFIX: &str = "shipway-run-";
const LOCK: &str = "lock";
const WORK: &str = "work";
const RECORDS: &str = "jobs";
const ARTIFACTS: &str = "artifacts";

/// What is left by a killed run is ended like a cancelled job, but sooner: nobody waits for it.
const PATIENCE: Patience = Patience {
    term_after: Duration::from_millis(500),
    kill_after: Duration::from_secs(2),
    drain: Duration::ZERO,
};

/// A folder of one run, for its owner alone.
#[derive(Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
    lock: File,
}

impl RunFolder {
    /// Makes a folder in `parent`. `id` is of this run alone on the machine.
    pub(super) fn create(parent: &Path, id: i64) -> Result<RunFolder, Failure> {
        let name = format!("{PREFIX}{id}-{}", std::process::id());
        let (hidden, path) = (parent.join(format!(".{name}")), parent.join(&name));
        let make = || {
            fs::DirBuilder::new().mode(0o700).create(&hidden)?;
            let lock = File::create(hidden.join(LOCK))?;
            lock.lock()?;
            fs::rename(&hidden, &path)?;
            Ok(lock)
        };
        let lock = make().map_err(|error: io::Error| {
            let help = if error.kind() == io::ErrorKind::StorageFull {
                "free some space there, or set TMPDIR to another folder"
            } else {
                "check its permissions, or set TMPDIR to another folder"
            };
            Failure::new(Exit::Failed, format!("cannot make a folder in {}: {error}", parent.display()))
                .with_code("SW1015")
                .with_help(help)
        })?;
        Ok(RunFolder { path, lock })
    }

    /// Where jobs work.
    pub(super) fn work(&self) -> PathBuf {
        self.path.join(WORK)
    }

    /// Where running jobs are recorded.
    pub(super) fn records(&self) -> PathBuf {
        self.path.join(RECORDS)
    }

    /// Where artifacts go: a folder in it for each workflow.
    pub(super) fn artifacts(&self) -> PathBuf {
        self.path.join(ARTIFACTS)
    }

    /// Removes everything but artifacts.
    pub(super) fn finish(self) -> io::Result<()> {
        let RunFolder { path, lock } = self;
        remove(&path)?;
        drop(lock);
        Ok(())
    }
}

/// Ends and removes what killed runs left in `parent`. What cannot be removed is left to somebody else: it is not what
/// was asked for.
pub(super) async fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let path = entry.path();
        // A folder without a lock holds artifacts that somebody may want.
        let Ok(lock) = File::open(path.join(LOCK)) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        if let Err(error) = reap_orphans(&path.join(RECORDS), &PATIENCE).await {
            tracing::warn!(%error, folder = %path.display(), "what a killed run left cannot be ended");
        } else if let Err(error) = remove(&path) {
            tracing::warn!(%error, folder = %path.display(), "what a killed run left cannot be removed");
        }
    }
}

/// Removes a run's folder, but for its artifacts.
fn remove(path: &Path) -> io::Result<()> {
    let absent_is_fine = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    for folder in [WORK, RECORDS] {
        absent_is_fine(fs::remove_dir_all(path.join(folder)))?;
    }
    absent_is_fine(fs::remove_file(path.join(LOCK)))?;
    if path.join(ARTIFACTS).exists() { Ok(()) } else { fs::remove_dir(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parent: &Path) -> Vec<String> {
        let entries = fs::read_dir(parent).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn only_artifacts_stay() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::create(parent.path(), 7).expect("a run's folder");
        fs::create_dir_all(folder.work().join("job")).expect("work");
        folder.finish().expect("removed");
        assert!(names(parent.path()).is_empty());
        let folder = RunFolder::create(parent.path(), 8).expect("a run's folder");
        fs::create_dir_all(folder.artifacts()).expect("artifacts");
        folder.finish().expect("removed");
        assert_eq!(names(parent.path()).len(), 1);
    }

    #[tokio::test]
    async fn only_what_nobody_holds_is_swept() {
        let parent = tempfile::tempdir().expect("a folder");
        let held = RunFolder::create(parent.path(), 1).expect("a run's folder");
        let left = RunFolder::create(parent.path(), 2).expect("a run's folder");
        fs::create_dir_all(left.work()).expect("work");
        let RunFolder { path, lock } = left;
        drop(lock);
        fs::create_dir(parent.path().join("shipway-run-artifacts-only")).expect("a folder");
        sweep(parent.path()).await;
        assert!(held.path.exists());
        assert!(!path.exists());
        assert_eq!(names(parent.path()).len(), 2);
    }
}
