//! Putting a whole tree of files, such as a checkout, in the place of what is in a folder.

use crate::{
    aside::Over,
    error::{ErrorKind, RunnerError},
};
use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
};
use tar::{Archive, Builder};

/// The folder that makes a folder a repository.
pub(crate) const GIT: &str = ".git";

/// Where a tree goes. Its files come as an archive of the runner's own making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settle {
    /// The folder.
    pub(crate) into: PathBuf,
    /// Whether files that are in a repository there, and not in the tree, stay.
    pub(crate) keep: bool,
}

impl Settle {
    pub(super) fn carry_out(&self, data: File, over: &Over) -> Result<(), RunnerError> {
        let Settle { into, keep } = self;
        let git = into.join(GIT);
        if *keep && git.exists() {
            remove(&git)?;
        } else {
            empty(into, over)?;
        }
        let failed = |error| RunnerError::io("write", into, error);
        fs::create_dir_all(into).map_err(failed)?;
        let mut archive = Archive::new(BufReader::with_capacity(256 * 1024, over.reader(data)));
        archive.set_preserve_permissions(true);
        archive.unpack(into).map_err(failed)
    }
}

/// Writes an archive of a tree that nobody else can change.
pub(crate) fn archive(tree: &Path, to: File, over: &Over) -> Result<(), RunnerError> {
    let failed = |error| RunnerError::io("archive", tree, error);
    let mut builder = Builder::new(BufWriter::with_capacity(256 * 1024, over.writer(to)));
    builder.follow_symlinks(false);
    builder.append_dir_all(".", tree).map_err(failed)?;
    builder.into_inner().and_then(|mut out| out.flush()).map_err(failed)
}

/// Removes what lies in a folder that is to hold a repository.
pub(crate) fn empty(dir: &Path, over: &Over) -> Result<(), RunnerError> {
    empty_but(dir, None, over)
}

/// Removes what lies in a repository, but not the repository itself.
pub(crate) fn empty_but_git(dir: &Path, over: &Over) -> Result<(), RunnerError> {
    empty_but(dir, Some(GIT), over)
}

fn empty_but(dir: &Path, kept: Option<&str>, over: &Over) -> Result<(), RunnerError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RunnerError::io("read", dir, error)),
    };
    for entry in entries {
        over.go_on()?;
        let entry = entry.map_err(|error| RunnerError::io("read", dir, error))?;
        if kept.is_none_or(|kept| entry.file_name() != *kept) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), RunnerError> {
    let is_dir = fs::symlink_metadata(path).map(|meta| meta.is_dir());
    let removed =
        is_dir.and_then(|is_dir| if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) });
    removed.map_err(|error| RunnerError::io("remove", path, error))
}

/// The work that there is no archive for.
pub(super) fn missing() -> RunnerError {
    RunnerError::new(ErrorKind::Artifact, "the work has no archive to read or write")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_tree_takes_the_place_of_what_was_there() {
        let dir = tempfile::tempdir().expect("a folder");
        let (tree, into) = (dir.path().join("tree"), dir.path().join("a/into"));
        for folder in ["tree/.git/refs/heads", "tree/sub", "tree/empty", "a/into/old"] {
            fs::create_dir_all(dir.path().join(folder)).expect("folders");
        }
        let long = "n".repeat(150);
        for name in
            ["tree/sub/run", "tree/.git/HEAD", &format!("tree/{long}"), "a/into/old/file", "a/into/sub"]
        {
            fs::write(dir.path().join(name), name).expect("a file");
        }
        symlink("sub/run", tree.join("link")).expect("a link");
        symlink("/nowhere", tree.join("out")).expect("a link");
        fs::set_permissions(tree.join("sub/run"), fs::Permissions::from_mode(0o755)).expect("permissions");
        let path = dir.path().join("tar");
        archive(&tree, File::create(&path).expect("a file"), &Over::default()).expect("archived");
        let settle = |keep| {
            let data = File::open(&path).expect("the archive");
            Settle { into: into.clone(), keep }.carry_out(data, &Over::default()).expect("settled");
        };
        settle(false);
        let is = |name: &str| into.join(name).symlink_metadata().is_ok();
        assert!(!is("old") && is(&long) && is(".git/refs/heads") && is("empty") && is("out"));
        assert_eq!(fs::read_to_string(into.join("link")).expect("linked"), "tree/sub/run");
        assert_eq!(
            fs::metadata(into.join("sub/run")).expect("it is there").permissions().mode() & 0o777,
            0o755
        );
        // What belongs to no commit stays where that is asked for; of git itself nothing old does.
        fs::write(into.join("mine"), "mine").expect("a file");
        fs::write(into.join(".git/hook"), "old").expect("a file");
        fs::write(into.join(&long), "changed").expect("a file");
        settle(true);
        assert!(is("mine") && !is(".git/hook") && is(".git/HEAD"));
        assert!(fs::read_to_string(into.join(&long)).expect("a file").starts_with("tree/"));
        settle(false);
        assert!(!is("mine"));
    }
}
