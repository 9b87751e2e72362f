//! Where jobs work: folders whose paths are the same in later runs, since a cache is found again only by the paths in it.
//!
//! They lie in the temporary folder, where no configuration of the user's lies above them, and belong to a folder of
//! caches: whoever has the tool cache with a number has the folder with that number.

use shipway_base::Digest;
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

const PREFIX: &str = "shipway-jobs-";

/// A folder of such folders, for this user alone.
#[derive(Debug)]
pub(super) struct Places {
    path: PathBuf,
    tools: PathBuf,
}

impl Places {
    /// The folder in `temp` that belongs to the folder `cache`; none where somebody else has a folder of that name.
    pub(super) fn of(temp: &Path, cache: &Path) -> Option<Places> {
        let user = rustix::process::geteuid().as_raw();
        let digest = Digest::of(cache.as_os_str().as_encoded_bytes()).hex();
        let path = temp.join(format!("{PREFIX}{user}-{}", &digest[..12]));
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
            Ok(()) | Err(_) => {}
        }
        // Whoever else may write here could change what a job runs.
        let own = |meta: fs::Metadata| meta.is_dir() && meta.uid() == user && meta.mode() & 0o077 == 0;
        fs::symlink_metadata(&path).is_ok_and(own).then(|| Places { path, tools: tools(cache) })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what was killed with its runner, and the folder itself unless others use it.
    pub(super) fn finish(self) {
        if let Err(error) = shipway_runner::sweep_places(&self.tools, &self.path) {
            tracing::warn!(%error, "the folders of jobs cannot be removed");
        }
        let _in_use = fs::remove_dir(&self.path);
    }
}

/// The folder of tool caches.
pub(super) fn tools(cache: &Path) -> PathBuf {
    cache.join("tools")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn they_are_the_same_for_the_same_caches_and_go_when_nobody_is_there() {
        let temp = tempfile::tempdir().expect("a folder");
        let (one, two) = (temp.path().join("one"), temp.path().join("two"));
        let path =
            |cache| Places::of(temp.path(), cache).map(|places| places.path().to_owned()).expect("a folder");
        assert_eq!(path(&one), path(&one));
        assert_ne!(path(&one), path(&two));
        let places = Places::of(temp.path(), &one).expect("a folder");
        fs::create_dir(places.path().join("0")).expect("what a killed run left");
        let path = places.path().to_owned();
        places.finish();
        assert!(!path.exists());
    }

    #[test]
    fn what_others_may_write_to_is_not_used() {
        let temp = tempfile::tempdir().expect("a folder");
        let cache = temp.path().join("cache");
        let path = Places::of(temp.path(), &cache).expect("a folder").path().to_owned();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).expect("changed");
        assert!(Places::of(temp.path(), &cache).is_none());
        fs::remove_dir(&path).expect("removed");
        symlink(temp.path(), &path).expect("a link");
        assert!(Places::of(temp.path(), &cache).is_none());
    }
}
