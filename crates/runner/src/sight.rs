//! Where links lead, for whoever looks at the files of a job.

use crate::{
    error::{ErrorKind, RunnerError},
    place::PathMap,
};
use rustix::io::Errno;
use std::{
    ffi::OsString,
    fs, io,
    path::{Component, Path, PathBuf},
};

/// More links than this lead in a circle, as for the kernel.
const MOST_LINKS: usize = 40;

/// How links are taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Sight<'a> {
    /// As links, which lead nowhere.
    #[default]
    Links,
    /// As what they lead to on this machine.
    Machine,
    /// As what they lead to for the programs of a container, as far as that lies in the folders that this machine shares with it.
    Shared(&'a PathMap),
}

/// What is at a path.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Nothing: it is gone, or a link to nowhere or to itself.
    Nothing,
    /// A file, or a link that is taken as one.
    File,
    /// A folder.
    Folder {
        /// Where its entries are read.
        at: PathBuf,
        /// Which one it really is; none where no link is gone through, so that nothing comes again.
        real: Option<PathBuf>,
    },
    /// A link that leads to this path, which no folder of this machine is behind.
    Away(PathBuf),
}

impl Sight<'_> {
    /// Looks at a path of this machine.
    pub(crate) fn look(self, path: &Path) -> io::Result<Seen> {
        let looked = match self {
            Sight::Links => fs::symlink_metadata(path).map(|about| (about, path.to_owned(), None)),
            Sight::Machine => fs::metadata(path).and_then(|about| {
                let real = about.is_dir().then(|| fs::canonicalize(path)).transpose()?;
                Ok((about, path.to_owned(), real))
            }),
            Sight::Shared(map) => match follow(map, path) {
                Ok(Ok(at)) => fs::symlink_metadata(&at).map(|about| (about, at.clone(), Some(at))),
                Ok(Err(away)) => return Ok(Seen::Away(away)),
                Err(error) => Err(error),
            },
        };
        match looked {
            Ok((about, at, real)) if about.is_dir() => Ok(Seen::Folder { at, real }),
            Ok(_) => Ok(Seen::File),
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_circle(&error) => Ok(Seen::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Where on this machine the content of a file lies.
    pub(crate) fn content(self, path: &Path) -> Result<PathBuf, RunnerError> {
        match self {
            Sight::Links | Sight::Machine => Ok(path.to_owned()),
            Sight::Shared(map) => {
                let found = follow(map, path).map_err(|error| RunnerError::io("read", path, error))?;
                found.map_err(|away| out_of_sight(path, &away))
            }
        }
    }
}

/// Why a link cannot be gone through.
pub(crate) fn out_of_sight(path: &Path, away: &Path) -> RunnerError {
    let message = format!(
        "{} leads to {}, which lies in the container of the job alone, where the built-in action does not reach",
        path.display(),
        away.display()
    );
    RunnerError::new(ErrorKind::ActionInput, message).with_help(
        "copy what it leads to into the workspace, leave the link out with a pattern that begins with !, or use the real action by \
         --no-native-actions",
    )
}

/// Follows a path of this machine as the programs of the container would; the error within is where it leaves the folders
/// that are shared.
fn follow(map: &PathMap, path: &Path) -> io::Result<Result<PathBuf, PathBuf>> {
    let mut left: Vec<OsString> = Vec::new();
    let add = |left: &mut Vec<OsString>, path: &Path| {
        left.extend(path.components().rev().map(|part| part.as_os_str().to_owned()));
    };
    add(&mut left, &map.inside(path));
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = left.pop() {
        match Path::new(&part).components().next() {
            Some(Component::RootDir) => at = PathBuf::from("/"),
            Some(Component::ParentDir) => {
                at.pop();
            }
            Some(Component::Normal(name)) => {
                at.push(name);
                // Above the shared folders is nothing but folders of the container's.
                let Some(here) = map.outside(&at) else { continue };
                if fs::symlink_metadata(&here)?.is_symlink() {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    at.pop();
                    add(&mut left, &fs::read_link(&here)?);
                }
            }
            Some(Component::CurDir | Component::Prefix(_)) | None => {}
        }
    }
    Ok(map.outside(&at).ok_or(at))
}

/// Whether links lead round in a circle.
fn is_circle(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_lead_where_the_container_sees_them_lead() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = fs::canonicalize(dir.path()).expect("a path");
        for folder in ["job/work/sub", "job/home", "job/secret"] {
            fs::create_dir_all(root.join(folder)).expect("folders");
        }
        for file in ["job/work/sub/file", "job/home/file", "job/secret/file", "secret"] {
            fs::write(root.join(file), "x").expect("a file");
        }
        let map = PathMap::new([
            (root.join("job/work"), PathBuf::from("/__w/co/co")),
            (root.join("job/home"), PathBuf::from("/github/home")),
        ]);
        let look = |number: usize, target: &str| {
            let link = root.join(format!("job/work/link-{number}"));
            symlink(target, &link).expect("a link");
            (Sight::Shared(&map).look(&link), Sight::Shared(&map).content(&link))
        };
        for (number, (target, expect)) in [
            ("sub/file", "work/sub/file"),
            ("sub/../sub/./file", "work/sub/file"),
            ("link-0", "work/sub/file"),
            ("/__w/co/co/sub/file", "work/sub/file"),
            ("/github/home/file", "home/file"),
            ("../../../github/home/file", "home/file"),
            ("../../../../../../__w/co/co/link-4", "home/file"),
            ("sub", "work/sub"),
        ]
        .into_iter()
        .enumerate()
        {
            let (seen, content) = look(number, target);
            let seen = seen.expect("seen");
            assert!(matches!(seen, Seen::File | Seen::Folder { .. }), "{target} {seen:?}");
            assert_eq!(content.expect("found"), root.join("job").join(expect), "{target}");
        }
        let secret = root.join("secret").display().to_string();
        for (number, target) in
            [secret.as_str(), "../secret/file", "../../secret", "/etc/passwd", "..", "/"].iter().enumerate()
        {
            let (seen, content) = look(100 + number, target);
            assert!(matches!(seen, Ok(Seen::Away(_))), "{target} {seen:?}");
            let error = content.expect_err("out of sight");
            assert!(error.message.contains("in the container of the job alone"), "{error}");
        }
        for (number, target) in ["link-200", "nowhere", "/__w/co/co/none"].iter().enumerate() {
            let (seen, content) = look(200 + number, target);
            assert!(matches!(seen, Ok(Seen::Nothing)), "{target} {seen:?}");
            assert!(content.is_err());
        }
    }
}
