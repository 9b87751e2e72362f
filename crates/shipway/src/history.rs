//! What is remembered of the last runs of a repository on this machine: one small file a run, in the repository's own
//! `.git/shipway/runs`.
//!
//! It lies there, and not in a folder of the user's, because it belongs to the repository: it is never in the work tree,
//! goes when the clone goes, needs no `HOME`, and the work trees of one clone share it. A file is written beside its
//! place and moved there, so that neither a killed run nor two at once leave half a record; only the newest are kept.
//! All texts of runs are masked before they come here.

pub(crate) mod estimate;
pub(crate) mod fingerprint;
pub(crate) mod record;

use crate::replace::{Outlives, replace};
use record::Record;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// How many runs are kept.
pub(crate) const KEPT: usize = 200;

/// A file that is not in its place after this time was left by a run that was killed.
const LEFT: Duration = Duration::from_secs(3_600);

/// A larger file is not a record of ours.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The history of one repository.
#[derive(Clone, Debug)]
pub(crate) struct History {
    folder: PathBuf,
}

impl History {
    /// The history of the repository with this work tree; nothing is made or read yet.
    pub(crate) fn of(root: &Path) -> io::Result<History> {
        Ok(History { folder: git_folder(root)?.join("shipway/runs") })
    }

    /// Adds a record, and forgets the oldest ones beyond the newest [`KEPT`].
    pub(crate) fn add(&self, record: &Record) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(file_name(record.id));
        replace(&path, format!("{}\n", record.to_json()).as_bytes(), Outlives::Kill)?;
        self.forget(&path)
    }

    /// Forgets what is old; `written` was written just now.
    fn forget(&self, written: &Path) -> io::Result<()> {
        // It may be an old one itself that another run has forgotten.
        let now = fs::metadata(written).and_then(|meta| meta.modified()).ok();
        let (mut records, mut hidden) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') { hidden.push((name, entry)) } else { records.push(name) }
        }
        records.sort_unstable();
        let old = records.len().saturating_sub(KEPT);
        let mut gone: Vec<&String> = records.iter().take(old).collect();
        // What a run that is older than all others is writing now is not what a killed one left.
        let is_left = |entry: &fs::DirEntry| {
            let modified = entry.metadata().and_then(|meta| meta.modified()).ok();
            let age = now.zip(modified).and_then(|(now, modified)| now.duration_since(modified).ok());
            age.is_some_and(|age| age > LEFT)
        };
        gone.extend(hidden.iter().filter(|(_, entry)| is_left(entry)).map(|(name, _)| name));
        for name in gone {
            match fs::remove_file(self.folder.join(name)) {
                // Another run was quicker.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// All records, the newest first. What cannot be read is left out: a record of another version, or a file that
    /// somebody else put there.
    pub(crate) fn read(&self) -> Vec<Record> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort_unstable();
        names.iter().rev().take(KEPT).filter_map(|name| read(&self.folder.join(name))).collect()
    }

    /// Where the records are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

fn read(path: &Path) -> Option<Record> {
    let meta = fs::symlink_metadata(path).ok()?;
    if !meta.is_file() || meta.len() > LARGEST {
        return None;
    }
    Record::parse(&fs::read(path).ok()?)
}

/// Names in the order of the ids, which are in the order of time.
fn file_name(id: i64) -> String {
    format!("{id:020}.json")
}

/// The folder that all work trees of a clone share.
fn git_folder(root: &Path) -> io::Result<PathBuf> {
    let dot_git = root.join(".git");
    if dot_git.is_dir() {
        return Ok(dot_git);
    }
    // In a further work tree, or a submodule, it is a file that names a folder.
    let text = fs::read_to_string(&dot_git)?;
    let named = text.trim().strip_prefix("gitdir:").map(str::trim).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{} names no folder", dot_git.display()))
    })?;
    let own = root.join(named);
    match fs::read_to_string(own.join("commondir")) {
        Ok(common) => Ok(own.join(common.trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(own),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{record::tests::record, *};

    fn history() -> (tempfile::TempDir, History) {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join(".git")).expect("a folder");
        let history = History::of(root.path()).expect("a history");
        (root, history)
    }

    #[test]
    fn the_newest_come_first_and_the_oldest_are_forgotten() {
        let (_root, history) = history();
        assert!(history.read().is_empty());
        for id in 1..=i64::try_from(KEPT).expect("a number") + 3 {
            history.add(&record(id)).expect("written");
        }
        let ids: Vec<i64> = history.read().iter().map(|record| record.id).collect();
        assert_eq!((ids.len(), ids.first(), ids.last()), (KEPT, Some(&203), Some(&4)));
        assert_eq!(fs::read_dir(history.folder()).expect("a folder").count(), KEPT);
    }

    #[test]
    fn what_a_killed_run_left_is_not_read_and_goes() {
        let (_root, history) = history();
        history.add(&record(5)).expect("written");
        // Killed before its record was moved, in the middle of its text, and one of a later version.
        let left = history.folder().join(format!(".{}.77", file_name(4)));
        fs::write(&left, "{").expect("a file");
        let written = fs::metadata(&left).and_then(|meta| meta.modified()).expect("a time");
        // One that is being written still stays, however old its run is.
        let young = history.folder().join(format!(".{}.78", file_name(3)));
        fs::write(&young, "{").expect("a file");
        fs::File::open(&left).and_then(|file| file.set_modified(written - LEFT * 2)).expect("it is old");
        fs::write(history.folder().join(file_name(6)), "{\"version\":1,").expect("a file");
        fs::write(history.folder().join(file_name(7)), "{\"version\":99}").expect("a file");
        assert_eq!(history.read().len(), 1);
        history.add(&record(8)).expect("written");
        assert!(!left.exists() && young.exists());
        assert_eq!(history.read().len(), 2);
    }

    #[test]
    fn many_runs_at_once_lose_nothing() {
        let (_root, history) = history();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let history = history.clone();
                scope.spawn(move || {
                    for number in 0..20 {
                        history.add(&record(thread * 100 + number)).expect("written");
                    }
                });
            }
        });
        assert_eq!(history.read().len(), 160);
    }

    #[test]
    fn work_trees_share_it() {
        let (root, history) = history();
        let main = root.path().join(".git");
        let further = tempfile::tempdir().expect("a folder");
        let own = main.join("worktrees/b");
        fs::create_dir_all(&own).expect("a folder");
        fs::write(own.join("commondir"), "../..\n").expect("a file");
        fs::write(further.path().join(".git"), format!("gitdir: {}\n", own.display())).expect("a file");
        history.add(&record(1)).expect("written");
        assert_eq!(History::of(further.path()).expect("a history").read().len(), 1);
    }
}
