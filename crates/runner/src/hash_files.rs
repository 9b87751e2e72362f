//! `hashFiles(...)`: one digest over files of the workspace.

use crate::glob::Patterns;
use sha2::{Digest as _, Sha256};
use shipway_base::Digest;
use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// The SHA-256 over the binary SHA-256 digests of all files that the patterns find within the workspace, in the order of
/// their paths; empty when there are none. The error is a sentence.
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
    let patterns = Patterns::parse(patterns.iter().map(String::as_str), workspace, home);
    let mut files = patterns.files(true).map_err(|error| format!("hashFiles fails: {}", error.message))?;
    // Links to folders or to nowhere have no content of their own.
    files.retain(|path| path.starts_with(workspace) && path.is_file());
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_github_does() {
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

    #[test]
    fn looks_nowhere_else() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(hash_files(&["/etc/passwd".to_owned()], dir.path(), Path::new("/")), Ok(String::new()));
    }
}
