//! Writing a file as a whole: beside its place and then moved there, so that a full disk or a kill leaves the old one.

use rustix::fs::{Access, access};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, fchown},
    path::{Path, PathBuf},
};

/// What the new file must outlive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlives {
    /// The end of the machine's power too; that takes the time of a disk.
    PowerLoss,
    /// The end of this program only: what is lost with the machine is no loss.
    Kill,
}

/// Writes a file, whose folder is there. One that is there already keeps its owner and its permissions, and is not written
/// when they forbid it. A link is replaced, not followed.
pub(crate) fn replace(path: &Path, bytes: &[u8], outlives: Outlives) -> io::Result<()> {
    let before = match fs::symlink_metadata(path) {
        // A link is replaced by a file, which has nothing of it.
        Ok(before) => Some(before).filter(|before| !before.is_symlink()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if before.is_some() {
        access(path, Access::WRITE_OK)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A name of its own, and nothing that lies there already is written through: a repository may be somebody else's.
    let place = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let mut file = File::create_new(&place)?;
    let beside = Beside(place);
    file.write_all(bytes)?;
    if let Some(before) = before {
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        file.set_permissions(before.permissions())?;
    }
    if outlives == Outlives::PowerLoss {
        file.sync_all()?;
    }
    fs::rename(&beside.0, path)
}

/// A file that is not in its place yet. It goes unless it gets there.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        // Once it is in its place there is none of this name.
        let _gone = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.yml");
        replace(&path, b"one", Outlives::Kill).expect("a new file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");
        replace(&path, b"two", Outlives::Kill).expect("the same file");
        assert_eq!(fs::read(&path).expect("it is there"), b"two");
        assert_eq!(fs::metadata(&path).expect("it is there").mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_link_that_lies_in_wait_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, aim) = (folder.path().join("a.yml"), folder.path().join("aim"));
        fs::write(&aim, "mine").expect("a file");
        let wait = folder.path().join(format!(".a.yml.{}", std::process::id()));
        std::os::unix::fs::symlink(&aim, &wait).expect("a link");
        assert_eq!(
            replace(&path, b"one", Outlives::Kill).expect_err("refused").kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read(&aim).expect("it is there"), b"mine");
        assert!(wait.is_symlink() && !path.exists());
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.yml");
        fs::create_dir(&path).expect("a folder in the way");
        assert!(replace(&path, b"one", Outlives::Kill).is_err());
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(replace(&folder.path().join("none/a.yml"), b"one", Outlives::Kill).is_err());
    }
}
