//! Opening files and folders beneath a folder, whatever somebody puts in the way meanwhile.
//!
//! A path is walked by the kernel in one step (openat2(2)), which goes nowhere but below the folder it begins at. A kernel
//! without that call walks name by name and through no link at all.

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, symlinkat, unlinkat},
    io::Errno,
};
use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Component, Path},
};

/// Which links are gone through on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// Those that lead to something beneath.
    Beneath,
    /// None.
    None,
}

/// A folder, by its descriptor: it stays what it is, whatever its path means by then.
#[derive(Debug)]
pub(crate) struct Ground(OwnedFd);

impl Ground {
    /// The folder at a path, whose links are all gone through. For paths that nobody else can change.
    pub(crate) fn at(path: &Path) -> io::Result<Ground> {
        Ok(Ground(openat(CWD, path, FOLDER, Mode::empty())?))
    }

    /// The folder at an absolute path without any link in it, made where it is absent.
    pub(crate) fn plain(path: &Path) -> io::Result<Ground> {
        let below = path.strip_prefix("/").map_err(io::Error::other)?;
        Ground::at(Path::new("/"))?.make(below, Links::None)
    }

    /// The folder beneath this one, made where it is absent, with all on the way.
    pub(crate) fn make(&self, path: &Path, links: Links) -> io::Result<Ground> {
        match self.folder(path, links) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let (above, name) = match (path.parent(), path.file_name()) {
            (Some(above), Some(name)) => (self.make(above, links)?, name),
            // A way that ends in `..` is none that is made.
            _ => return Err(Errno::NOENT.into()),
        };
        match mkdirat(&above.0, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => above.folder(Path::new(name), links),
            Err(error) => Err(error.into()),
        }
    }

    /// The folder beneath this one.
    pub(crate) fn folder(&self, path: &Path, links: Links) -> io::Result<Ground> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(Ground(walk(self.0.as_fd(), path, FOLDER, links)?))
    }

    /// A file beneath this one, to be read.
    pub(crate) fn open(&self, path: &Path, links: Links) -> io::Result<File> {
        regular(File::from(walk(self.0.as_fd(), path, READ, links)?))
    }

    /// A new file in this folder, in the place of whatever file or link is there.
    pub(crate) fn create(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        self.remove(name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.0, name, flags, Mode::from_raw_mode(mode))?))
    }

    /// A new link in this folder, in the place of whatever file or link is there.
    pub(crate) fn link(&self, name: &OsStr, target: &str) -> io::Result<()> {
        self.remove(name)?;
        Ok(symlinkat(target, &self.0, name)?)
    }

    /// Removes a file or a link in this folder, where there is one.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// How a file is opened where somebody may have put a named pipe or a terminal in its place, which would wait for ever or make
/// itself at home.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens a regular file, through any link; anything else is refused, and never waited for.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    regular(File::from(openat(CWD, path, READ, Mode::empty())?))
}

/// The file, if it is a regular one.
fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"))
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn walk(from: BorrowedFd<'_>, path: &Path, flags: OFlags, links: Links) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH
        | match links {
            Links::Beneath => ResolveFlags::NO_MAGICLINKS,
            Links::None => ResolveFlags::NO_SYMLINKS,
        };
    match openat2(from, path, flags, Mode::empty(), resolve) {
        // An old kernel, or one whose filter knows no such call.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(from, path, flags),
        opened => Ok(opened?),
    }
}

/// The same name by name, through no link.
fn step_by_step(from: BorrowedFd<'_>, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let mut at = openat(from, ".", FOLDER, Mode::empty())?;
    let mut names = path.components().filter(|part| *part != Component::CurDir).peekable();
    if names.peek().is_none() {
        return Ok(openat(&at, ".", flags, Mode::empty())?);
    }
    while let Some(part) = names.next() {
        let Component::Normal(name) = part else { return Err(Errno::XDEV.into()) };
        let last = names.peek().is_none();
        at = openat(&at, name, if last { flags } else { FOLDER } | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io::Read as _, os::unix::fs::symlink};

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(dir.path().join("in/a/b")).expect("folders");
        fs::write(dir.path().join("in/a/b/file"), "inside").expect("a file");
        fs::write(dir.path().join("secret"), "outside").expect("a file");
        for (link, to) in [
            ("in/short", "a/b"),
            ("in/up", ".."),
            ("in/far", "/etc"),
            ("in/a/back", "../a"),
            ("in/leak", "../secret"),
        ] {
            symlink(to, dir.path().join(link)).expect("a link");
        }
        dir
    }

    #[test]
    fn nothing_leads_out() {
        let dir = tree();
        let ground = Ground::at(&dir.path().join("in")).expect("the folder");
        let read = |path: &str, links| {
            let mut text = String::new();
            ground
                .open(Path::new(path), links)
                .and_then(|mut file| file.read_to_string(&mut text))
                .map(|_| text)
        };
        for links in [Links::Beneath, Links::None] {
            assert_eq!(read("a/b/file", links).expect("inside"), "inside");
            for path in ["up/secret", "leak", "far/passwd", "../secret", "/etc/passwd", "a", "a/b/none"] {
                assert!(read(path, links).is_err(), "{path}");
            }
        }
        for path in ["short/file", "a/back/b/file"] {
            assert_eq!(read(path, Links::Beneath).expect("beneath"), "inside");
            assert!(read(path, Links::None).is_err(), "{path}");
            assert!(step_by_step(ground.0.as_fd(), Path::new(path), OFlags::RDONLY).is_err(), "{path}");
        }
        assert!(step_by_step(ground.0.as_fd(), Path::new("a/b/file"), OFlags::RDONLY).is_ok());
        assert!(step_by_step(ground.0.as_fd(), Path::new("../secret"), OFlags::RDONLY).is_err());
    }

    #[test]
    fn folders_and_files_are_made_beneath() {
        let dir = tree();
        let ground = Ground::at(&dir.path().join("in")).expect("the folder");
        let make = |path: &str, links| ground.make(Path::new(path), links);
        make("x/y/z", Links::None).expect("made").create(OsStr::new("new"), 0o644).expect("a file");
        assert!(dir.path().join("in/x/y/z/new").is_file());
        make("short/deep", Links::Beneath).expect("made");
        assert!(dir.path().join("in/a/b/deep").is_dir());
        for (path, links) in [
            ("up/x", Links::Beneath),
            ("far/x", Links::Beneath),
            ("short/x", Links::None),
            ("a/b/file/x", Links::None),
        ] {
            assert!(make(path, links).is_err(), "{path}");
        }
        // A link in the place of a file is replaced, not followed.
        ground.create(OsStr::new("leak"), 0o644).expect("a file");
        ground.link(OsStr::new("far"), "a").expect("a link");
        assert_eq!(fs::read_to_string(dir.path().join("secret")).expect("a file"), "outside");
        assert!(dir.path().join("in/far/b").is_dir());
        let real = fs::canonicalize(dir.path()).expect("a path");
        Ground::plain(&real.join("in/a/q/r")).expect("made");
        assert!(Ground::plain(&real.join("in/short/q")).is_err());
    }
}
