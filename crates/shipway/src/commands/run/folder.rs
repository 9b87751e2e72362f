//! The folder that a run works in, and what a killed run left behind.
//!
//! A folder belongs to the process that holds the lock on it. It gets its name only once it is locked, so that a folder
//! with that name whose lock is free is one whose owner is gone: the next run ends what still runs of it and removes it.
//! Jobs, records of jobs and the lock share one folder, since on a busy disk every folder made and removed costs as much
//! as starting a shell. Artifacts stay, so they have a folder beside it, which no later run looks at.

use crate::exit::{Exit, Failure};
use shipway_runner::{Patience, reap_orphans};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

const PREFIX: &str = "shipway-run-";
const ARTIFACTS: &str = "shipway-artifacts-";

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
    artifacts: PathBuf,
    lock: File,
}

impl RunFolder {
    /// Makes a folder in `parent`. `id` is of this run alone on the machine.
    pub(super) fn create(parent: &Path, id: i64) -> Result<RunFolder, Failure> {
        let name = format!("{PREFIX}{id}-{}", std::process::id());
        let (hidden, path) = (parent.join(format!(".{name}")), parent.join(&name));
        let artifacts = parent.join(format!("{ARTIFACTS}{id}-{}", std::process::id()));
        let make = || {
            fs::DirBuilder::new().mode(0o700).create(&hidden)?;
            let lock = File::open(&hidden)?;
            lock.lock()?;
            fs::rename(&hidden, &path)?;
            Ok(lock)
        };
        let lock = make().map_err(|error: io::Error| {
            let full = error.kind() == io::ErrorKind::StorageFull;
            let first =
                if full { "free some space there" } else { "check that it exists and may be written to" };
            Failure::new(Exit::Failed, format!("cannot make a folder in {}: {error}", parent.display()))
                .with_code("SW1015")
                .with_help(format!("{first}, or set TMPDIR to another folder"))
        })?;
        Ok(RunFolder { path, artifacts, lock })
    }

    /// Where jobs work and where those that run are recorded.
    pub(super) fn work(&self) -> &Path {
        &self.path
    }

    /// Where artifacts go: a folder in it for each workflow. It is made with the first of them, and stays.
    pub(super) fn artifacts(&self) -> &Path {
        &self.artifacts
    }

    /// Removes everything but artifacts.
    pub(super) fn finish(self) -> io::Result<()> {
        let RunFolder { path, artifacts: _, lock } = self;
        fs::remove_dir_all(&path)?;
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
        // Another user's folder may name any process of ours as left behind.
        let own = |meta: fs::Metadata| meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw();
        if !fs::symlink_metadata(&path).is_ok_and(own) {
            continue;
        }
        let Ok(lock) = File::open(&path) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        if let Err(error) = reap_orphans(&path, &PATIENCE).await {
            tracing::warn!(%error, folder = %path.display(), "what a killed run left cannot be ended");
        } else if let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!(%error, folder = %path.display(), "what a killed run left cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parent: &Path) -> Vec<String> {
        let entries = fs::read_dir(parent).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[tokio::test]
    async fn only_artifacts_stay() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::create(parent.path(), 7).expect("a run's folder");
        fs::create_dir_all(folder.work().join("job")).expect("work");
        folder.finish().expect("removed");
        assert!(names(parent.path()).is_empty());
        let folder = RunFolder::create(parent.path(), 8).expect("a run's folder");
        fs::create_dir_all(folder.artifacts()).expect("artifacts");
        folder.finish().expect("removed");
        assert_eq!(names(parent.path()).len(), 1);
        sweep(parent.path()).await;
        assert_eq!(names(parent.path()).len(), 1);
    }

    #[tokio::test]
    async fn only_what_nobody_holds_is_swept() {
        let parent = tempfile::tempdir().expect("a folder");
        let held = RunFolder::create(parent.path(), 1).expect("a run's folder");
        let left = RunFolder::create(parent.path(), 2).expect("a run's folder");
        fs::create_dir_all(left.work().join("job")).expect("work");
        let RunFolder { path, lock, .. } = left;
        drop(lock);
        sweep(parent.path()).await;
        assert!(held.path.exists());
        assert!(!path.exists());
        assert_eq!(names(parent.path()).len(), 1);
    }
}
