//! What this machine has installed, shown in a tool cache: the folders that `setup-*` actions look for, made of links.
//!
//! A runner of GitHub comes with its tool cache filled, so `actions/setup-node` and `actions/setup-go` find the versions that are
//! there without a network. Here a job is offered what the machine has. The links are taken away when the next job gets
//! the tool cache: the machine may have another version by then, and a container that sees the cache does not see what they
//! point to.

use super::remove_tree;
use crate::error::RunnerError;
use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// A tool of this machine as a tool cache has it: `<name>/<version>/<arch>/` with these links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Installed {
    name: &'static str,
    /// Three numbers, as the toolkit compares them.
    version: String,
    /// Where each link stands in the folder of the tool, and where it points to.
    links: Vec<(PathBuf, PathBuf)>,
}

/// The tools that are offered.
const NAMES: [&str; 2] = ["node", "go"];
/// What comes with Node and stands beside it. Not the whole folder: it may be `/usr/bin`, which is not to go before others on a PATH.
const BESIDE_NODE: [&str; 4] = ["node", "npm", "npx", "corepack"];
/// Stands in folders that were made here, so that those which an action has installed are never touched.
const MARK: &str = ".of-this-machine";

impl Installed {
    /// The Node at this path.
    pub(crate) fn node(program: &Path, version: &str) -> Option<Installed> {
        let folder = program.parent()?;
        let beside = BESIDE_NODE.iter().map(|name| (Path::new("bin").join(name), folder.join(name)));
        let links = beside.filter(|(_, target)| target.exists()).collect();
        Some(Installed { name: "node", version: three_numbers(version)?, links })
    }

    /// The Go whose `go` is this program, which says its version in a file; `None` where there is none, or where it is not
    /// a release.
    pub(crate) fn go(program: &Path) -> Option<Installed> {
        let root = program.canonicalize().ok()?.parent()?.parent()?.to_owned();
        let text = fs::read_to_string(root.join("VERSION")).ok()?;
        let version = three_numbers(text.lines().next()?.trim().strip_prefix("go")?)?;
        let entries = fs::read_dir(&root).ok()?.filter_map(Result::ok);
        let links = entries.map(|entry| (PathBuf::from(entry.file_name()), entry.path())).collect();
        Some(Installed { name: "go", version, links })
    }

    /// Shows it in a tool cache, unless this version is there already.
    pub(crate) fn offer(&self, cache: &Path, arch: &str) -> Result<(), RunnerError> {
        let versions = cache.join(self.name).join(&self.version);
        let folder = versions.join(arch);
        match fs::create_dir_all(&versions).and_then(|()| fs::create_dir(&folder)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            made => made.map_err(|error| RunnerError::io("make", &folder, error))?,
        }
        let write = |path: &Path, error| RunnerError::io("write", path, error);
        let mark = folder.join(MARK);
        fs::write(&mark, "").map_err(|error| write(&mark, error))?;
        for (place, target) in &self.links {
            let link = folder.join(place);
            let made = link.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| symlink(target, &link));
            made.map_err(|error| write(&link, error))?;
        }
        let complete = complete(&folder);
        fs::write(&complete, "").map_err(|error| write(&complete, error))
    }
}

/// Takes away what earlier jobs were offered in a tool cache.
pub(super) fn withdraw(cache: &Path) -> Result<(), RunnerError> {
    for name in NAMES {
        for version in folders(&cache.join(name))? {
            for folder in folders(&version)? {
                if fs::symlink_metadata(folder.join(MARK)).is_ok() {
                    // The mark of completeness first: cut off here, no action takes what is left for a whole tool.
                    remove_file(&complete(&folder))?;
                    remove_tree(&folder)?;
                }
            }
        }
    }
    Ok(())
}

/// The entries of a folder that may be absent.
fn folders(path: &Path) -> Result<Vec<PathBuf>, RunnerError> {
    let read = |error| RunnerError::io("read", path, error);
    match fs::read_dir(path) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(read)?.path())).collect(),
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            Ok(Vec::new())
        }
        Err(error) => Err(read(error)),
    }
}

fn remove_file(path: &Path) -> Result<(), RunnerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RunnerError::io("remove", path, error)),
        _ => Ok(()),
    }
}

/// The file that says that a tool is whole, as the toolkit names it.
fn complete(folder: &Path) -> PathBuf {
    folder.with_added_extension("complete")
}

/// A release as the toolkit writes it: `1.21` of an old Go is `1.21.0`. A version with more to it is none.
fn three_numbers(text: &str) -> Option<String> {
    let mut parts: Vec<&str> = text.split('.').collect();
    if parts.len() == 2 {
        parts.push("0");
    }
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (parts.len() == 3 && parts.iter().all(number)).then(|| parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_found_and_goes_again_and_what_was_installed_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let (cache, bin) = (dir.path().join("tools/0"), dir.path().join("bin"));
        fs::create_dir_all(&bin).expect("a folder");
        for name in ["node", "npm", "cargo"] {
            fs::write(bin.join(name), name).expect("a file");
        }
        let installed = cache.join("node/18.0.0/x64/bin");
        fs::create_dir_all(&installed).expect("a folder");
        fs::write(cache.join("node/18.0.0/x64.complete"), "").expect("a file");
        withdraw(&cache).expect("nothing to withdraw");

        let node = Installed::node(&bin.join("node"), "20.1.2").expect("a node");
        node.offer(&cache, "x64").expect("offered");
        node.offer(&cache, "x64").expect("offered again");
        let folder = cache.join("node/20.1.2/x64");
        assert_eq!(fs::read_to_string(folder.join("bin/npm")).expect("a link"), "npm");
        assert!(cache.join("node/20.1.2/x64.complete").exists());
        assert!(!folder.join("bin/cargo").exists() && !folder.join("bin/npx").exists());
        Installed::node(&bin.join("node"), "18.0.0")
            .expect("a node")
            .offer(&cache, "x64")
            .expect("left alone");

        withdraw(&cache).expect("withdrawn");
        assert!(!folder.exists() && !cache.join("node/20.1.2/x64.complete").exists());
        assert_eq!(fs::read_dir(&installed).expect("still there").count(), 0);
        assert!(cache.join("node/18.0.0/x64.complete").exists());
        assert_eq!(fs::read_to_string(bin.join("node")).expect("the program"), "node");
    }

    #[test]
    fn a_go_says_its_version_in_a_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("a path").join("go1");
        fs::create_dir_all(root.join("bin")).expect("a folder");
        fs::write(root.join("bin/go"), "").expect("a file");
        symlink(root.join("bin/go"), dir.path().join("go")).expect("a link");
        let check = |text: &str, expect: Option<&str>| {
            fs::write(root.join("VERSION"), text).expect("a file");
            let found = Installed::go(&dir.path().join("go"));
            assert_eq!(found.as_ref().map(|go| go.version.as_str()), expect, "{text}");
            if let Some(go) = found {
                assert!(go.links.contains(&("bin".into(), root.join("bin"))), "{go:?}");
            }
        };
        check("go1.26.8\ntime 2026-11-01T00:00:00Z\n", Some("1.26.8"));
        check("go1.20", Some("1.20.0"));
        check("go1.21rc2\n", None);
        check("devel +abc\n", None);
        check("", None);
    }
}
