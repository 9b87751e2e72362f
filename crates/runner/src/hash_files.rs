//! `hashFiles(...)`: one digest over files of the workspace.

use crate::glob::{Find, Patterns};
use sha2::{Digest as _, Sha256};
use shipway_base::Digest;
use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// The option that may come before the patterns, and lets the search go through links to folders.
const FOLLOW: &str = "--follow-symbolic-links";

/// The SHA-256 over the binary SHA-256 digests of all files that the patterns find within the workspace, in the order in
/// which they are found; empty when there are none. The error is a sentence.
pub(crate) fn hash_files(patterns: &[String], workspace: &Path, home: &Path) -> Result<String, String> {
    let mut all = Sha256::new();
    let files = files(patterns, workspace, home)?;
    for path in &files {
        let digest =
            digest(path).map_err(|error| format!("hashFiles cannot read {}: {error}", path.display()))?;
        all.update(digest);
    }
    Ok(if files.is_empty() { String::new() } else { Digest::from_bytes(all.finalize().into()).hex() })
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&buffer[..length]),
        }
    }
}

fn files(patterns: &[String], workspace: &Path, home: &Path) -> Result<Vec<PathBuf>, String> {
    let (through_links, patterns) = match patterns.split_first() {
        Some((first, rest)) if first.eq_ignore_ascii_case(FOLLOW) => (true, rest),
        Some((first, _)) if first.starts_with("--") => {
            return Err(format!("hashFiles has no option {first:?}; there is {FOLLOW}"));
        }
        Some(_) | None => (false, patterns),
    };
    let patterns = Patterns::parse(patterns.iter().map(String::as_str), workspace, home)
        .map_err(|why| format!("hashFiles fails: {why}"))?;
    let find = Find { descendants: true, folders: false, hidden: true, through_links };
    let mut files = patterns.search(find).map_err(|error| format!("hashFiles fails: {}", error.message))?;
    // A link to a folder has no content of its own. One to nowhere cannot be read, which is said, as by GitHub's runner.
    files.retain(|path| path.starts_with(workspace) && path != workspace && !path.is_dir());
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conformance_hashes_as_github_does() {
        crate::conformance::run_file("hash-files.json", |input, expect| {
            let dir = tempfile::tempdir().expect("a folder");
            for (name, content) in input["files"].as_object().expect("files") {
                let path = dir.path().join(name);
                fs::create_dir_all(path.parent().expect("a parent")).expect("folder");
                fs::write(path, content.as_str().expect("content")).expect("file");
            }
            let expression = input["expression"].as_str().expect("expression");
            let patterns: Vec<String> =
                expression.split('\'').skip(1).step_by(2).map(str::to_owned).collect();
            let found = hash_files(&patterns, dir.path(), Path::new("/nowhere")).expect("a hash");
            Some(if expect["value"] == found { Ok(()) } else { Err(format!("{found} for {expression}")) })
        });
    }

    /// The digest of digests, as GitHub makes it.
    fn of(contents: &[&str]) -> String {
        let mut all = Sha256::new();
        contents.iter().for_each(|content| all.update(Sha256::digest(content)));
        Digest::from_bytes(all.finalize().into()).hex()
    }

    #[test]
    fn the_order_of_patterns_and_links_count() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("a folder");
        for name in ["a/one", "b/two"] {
            fs::create_dir_all(root.join(name).parent().expect("a parent")).expect("a folder");
            fs::write(root.join(name), name).expect("a file");
        }
        std::os::unix::fs::symlink("../b", root.join("a/link")).expect("a link");
        let hash = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
            hash_files(&patterns, &root, Path::new("/nowhere"))
        };
        assert_eq!(hash(&["b/**", "a/**"]), Ok(of(&["b/two", "a/one"])));
        assert_eq!(hash(&["a/**\nb/**"]), Ok(of(&["a/one", "b/two"])));
        assert_eq!(hash(&["--Follow-Symbolic-Links", "a/**"]), Ok(of(&["b/two", "a/one"])));
        assert_eq!(hash(&["a/**", "--follow-symbolic-links"]), Ok(of(&["a/one"])));
        let error = hash(&["--follow", "a/**"]).expect_err("no such option");
        assert!(error.contains("--follow-symbolic-links"), "{error}");
        std::os::unix::fs::symlink("nowhere", root.join("a/broken")).expect("a link");
        assert!(hash(&["a/**"]).expect_err("cannot be read").contains("a/broken"));
        assert_eq!(hash(&["--follow-symbolic-links", "a/one"]), Ok(of(&["a/one"])));
    }

    #[test]
    fn looks_nowhere_else() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(hash_files(&["/etc/passwd".to_owned()], dir.path(), Path::new("/")), Ok(String::new()));
    }
}
