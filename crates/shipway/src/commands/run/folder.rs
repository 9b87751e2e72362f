//! The folder that a run works in, and what a killed run left behind.
//!
//! A folder belongs to the process that holds the lock on it. It gets its name only once it is locked, so that a folder
//! with that name whose lock is free is one whose owner is gone: the next run ends what still runs of it and removes it.
//! Jobs, records of jobs and the lock share one folder, since on a busy disk every folder made and removed costs as much
//! as starting a shell. Artifacts stay, so they have a folder beside it; a run that makes some removes those of all but the
//! last runs.

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

/// Of so many runs the artifacts are kept.
const KEPT: usize = 10;

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

    /// Removes everything but artifacts, and the artifacts of old runs when this one has made some.
    pub(super) fn finish(self) -> io::Result<()> {
        let RunFolder { path, artifacts, lock } = self;
        fs::remove_dir_all(&path)?;
        drop(lock);
        if let Some(parent) = artifacts.parent().filter(|_| artifacts.exists()) {
            thin_out(parent, KEPT);
        }
        Ok(())
    }
}

/// Removes the artifacts of all but the newest runs of this user that are over. What cannot be removed is left to a later run.
fn thin_out(parent: &Path, kept: usize) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    let mut found: Vec<(i64, PathBuf)> = Vec::new();
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(ARTIFACTS)) else { continue };
        let id = rest.split_once('-').and_then(|(id, _)| id.parse().ok());
        let goes_on = parent.join(format!("{PREFIX}{rest}")).exists();
        if let Some(id) = id.filter(|_| is_own(&path) && !goes_on) {
            found.push((id, path));
        }
    }
    // Later ids are of later runs.
    found.sort_unstable();
    let old = found.len().saturating_sub(kept);
    for (_, path) in &found[..old] {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, folder = %path.display(), "the artifacts of an old run cannot be removed");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Whether it is a folder of this user, and no link to one.
fn is_own(path: &Path) -> bool {
    let own = |meta: fs::Metadata| meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).is_ok_and(own)
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
        if !is_own(&path) {
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

    #[test]
    fn the_artifacts_of_the_last_runs_are_kept() {
        let parent = tempfile::tempdir().expect("a folder");
        let under_way = RunFolder::create(parent.path(), 1).expect("a run's folder");
        for id in [1, 20, 3, 100] {
            let of = format!("{ARTIFACTS}{id}-{}", std::process::id());
            fs::create_dir_all(parent.path().join(of).join("x")).expect("artifacts");
        }
        for other in ["shipway-artifacts-of-mine", "shipway-artifacts-", "else"] {
            fs::create_dir(parent.path().join(other)).expect("a folder");
        }
        std::os::unix::fs::symlink("else", parent.path().join("shipway-artifacts-2-1")).expect("a link");
        let there =
            |id: i64| names(parent.path()).iter().any(|name| name.starts_with(&format!("{ARTIFACTS}{id}-")));
        thin_out(parent.path(), 2);
        assert_eq!([1, 2, 3, 20, 100].map(there), [true, true, false, true, true]);
        let ended = RunFolder::create(parent.path(), 200).expect("a run's folder");
        fs::create_dir_all(ended.artifacts()).expect("artifacts");
        ended.finish().expect("removed");
        assert_eq!([20, 100, 200].map(there), [true; 3], "ten are kept");
        under_way.finish().expect("removed");
        assert_eq!(names(parent.path()).len(), 8);
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
