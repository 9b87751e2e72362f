//! Where a file named in the output lies in the repository.

use crate::{
    beneath::open_regular,
    place::{PathMap, lexical},
    reach::{self, Reach},
};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// The largest settings of a repository that are read, in bytes.
const MOST_CONFIG: u64 = 1 << 20;
/// How many folders above a file are searched for a repository.
const PARENTS: usize = 50;

/// What is needed to find a file.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The folder relative paths begin at.
    pub(crate) workspace: PathBuf,
    /// `owner/name` of the repository whose workflow runs.
    pub(crate) repository: String,
    /// Where the programs of the job see the folders of this machine.
    pub(crate) map: PathMap,
    /// How many folders above a file are searched.
    pub(crate) parents: usize,
    /// The folders of the job, where no file elsewhere is read.
    beneath: Option<Vec<PathBuf>>,
}

impl Places {
    /// Files of a job with this workspace on this machine.
    pub(crate) fn new(workspace: &Path, repository: &str, map: PathMap) -> Places {
        let repository = repository.to_owned();
        Places { workspace: workspace.to_owned(), repository, map, parents: PARENTS, beneath: None }
    }

    /// The same where the job sees another machine than the runner, or has fewer rights: only what lies in these folders is read, and
    /// no link leads out of them.
    pub(crate) fn beneath(self, folders: Vec<PathBuf>) -> Places {
        Places { beneath: Some(folders), ..self }
    }

    /// Opens a file that the job names.
    pub(crate) fn open(&self, path: &Path) -> io::Result<File> {
        let Some(folders) = &self.beneath else { return open_regular(path) };
        let path = lexical(path);
        match folders.iter().find(|folder| path.starts_with(folder)) {
            Some(folder) => Reach::Folder.open(folder, &path),
            None => Err(io::Error::other("it lies outside of the folders of the job")),
        }
    }

    /// The path on this machine of one that a program named.
    pub(crate) fn host(&self, path: &Path) -> PathBuf {
        self.map.outside(path).unwrap_or_else(|| path.to_owned())
    }

    /// The path of a file that a command names: relative to the workspace where it lies in there, and else as it was named.
    pub(crate) fn named(&self, file: String) -> String {
        let path = Path::new(&file);
        if path.is_relative() {
            return file;
        }
        match lexical(&self.host(path)).strip_prefix(&self.workspace) {
            Ok(rest) if !rest.as_os_str().is_empty() => rest.to_string_lossy().into_owned(),
            Ok(_) | Err(_) => file,
        }
    }

    /// The path relative to the repository whose workflow runs; the error says why it is dropped. `from` is the project
    /// file that relative paths are relative to.
    pub(crate) fn relative(&self, file: &str, from: Option<&str>) -> Result<String, String> {
        let mut path = PathBuf::from(file);
        if let Some(folder) = from.and_then(|from| Path::new(from).parent())
            && path.is_relative()
        {
            path = folder.join(path);
        }
        let path = if path.is_relative() { self.workspace.join(path) } else { self.host(&path) };
        let path = lexical(&path);
        if !path.is_file() {
            return Err(format!("Dropping file value '{file}'. Path does not exist"));
        }
        let outside = || format!("Dropping file value '{file}'. Path is not under the workflow repo.");
        let root = self.repository_of(&path).ok_or_else(outside)?;
        let below = path.strip_prefix(&root).map_err(|_| outside())?;
        Ok(below.to_string_lossy().into_owned())
    }

    /// The nearest work tree above a file, when it is one of the workflow's repository.
    fn repository_of(&self, path: &Path) -> Option<PathBuf> {
        for folder in path.ancestors().skip(1).take(self.parents + 1) {
            let git = folder.join(".git");
            if !git.exists() {
                continue;
            }
            let config = self.open(&git.join("config")).and_then(|file| reach::text(file, MOST_CONFIG));
            let config = config.unwrap_or_default();
            let ours = match origin(&config) {
                Some(url) => names(&url, &self.repository),
                // What the built-in checkout made knows no other repository than that of the run.
                None => git.is_dir(),
            };
            return ours.then(|| folder.to_owned());
        }
        None
    }
}

/// `remote.origin.url` in a git configuration.
fn origin(config: &str) -> Option<String> {
    let mut inside = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.replace(' ', "").eq_ignore_ascii_case("[remote\"origin\"]");
        } else if let (true, Some((key, value))) = (inside, line.split_once('='))
            && key.trim().eq_ignore_ascii_case("url")
        {
            return Some(value.trim().trim_matches('"').to_owned());
        }
    }
    None
}

/// Whether an address, with a scheme or as `git@host:owner/name.git`, is that of `owner/name`.
fn names(url: &str, repository: &str) -> bool {
    let path = url.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let mut parts = path.rsplit(['/', ':']);
    let (name, owner) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{owner}/{name}").eq_ignore_ascii_case(repository)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_is_relative_to_the_workspace() {
        let map = PathMap::new([(PathBuf::from("/jobs/1/w"), PathBuf::from("/github/workspace"))]);
        let there = Places::new(Path::new("/jobs/1/w"), "me/it", map);
        let here = Places::new(Path::new("/jobs/1/w"), "me/it", PathMap::default());
        let check = |places: &Places, file: &str, wanted: &str| {
            assert_eq!(places.named(file.to_owned()), wanted, "{file}");
        };
        check(&there, "/github/workspace/src/a.c", "src/a.c");
        check(&there, "/github/workspace/x/../a.c", "a.c");
        check(&there, "/elsewhere/a.c", "/elsewhere/a.c");
        check(&here, "/jobs/1/w/a.c", "a.c");
        for kept in ["src/a.c", "../a.c", "", "/", "/jobs/1/w", "/jobs/1/www/a.c"] {
            check(&here, kept, kept);
        }
    }

    #[test]
    fn knows_a_repository_by_its_address() {
        for url in [
            "https://github.com/Me/It",
            "https://x@github.com/me/it.git",
            "git@github.com:me/it.git",
            "ssh://git@h/me/it/",
        ] {
            assert!(names(url, "me/it"), "{url}");
        }
        for url in ["https://github.com/me/it2", "https://github.com/you/it", "it", ""] {
            assert!(!names(url, "me/it"), "{url}");
        }
        let config = "[core]\n\turl = no\n[remote \"up\"]\n\turl = no\n[remote \"origin\"]\n\tfetch = x\n\turl = yes \n";
        assert_eq!(origin(config).as_deref(), Some("yes"));
        assert_eq!(lexical(Path::new("/a/./b/../c")), Path::new("/a/c"));
    }
}
