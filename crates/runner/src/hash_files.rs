//! `hashFiles(...)`: one digest over files of the workspace.

use crate::{
    error::{ErrorKind, RunnerError},
    glob::{Find, Patterns},
    reach::Reach,
    sight::Sight,
};
use sha2::{Digest as _, Sha256};
use shipway_base::Digest;
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The option that may come before the patterns, and lets the search go through links to folders.
const FOLLOW: &str = "--follow-symbolic-links";

/// How long one call may take, as on GitHub.
const PATIENCE: Duration = Duration::from_secs(120);

/// The SHA-256 over the binary SHA-256 digests of all files that the patterns find within the workspace, in the order in
/// which they are found; empty when there are none. `over` tells why it is to end before its time. The error is a sentence.
pub(crate) fn hash_files(
    patterns: &[String],
    workspace: &Path,
    home: &Path,
    reach: Reach,
    over: &dyn Fn() -> Option<String>,
) -> Result<String, String> {
    let deadline = Deadline { at: after(PATIENCE), over };
    let mut all = Sha256::new();
    let files = files(patterns, workspace, home, reach, &deadline)?;
    for path in &files {
        let fail = |error: io::Error| format!("hashFiles cannot read {}: {error}", path.display());
        let file = reach.open(workspace, path).map_err(fail)?;
        all.update(digest(file, &deadline).map_err(fail)?);
    }
    Ok(if files.is_empty() { String::new() } else { Digest::from_bytes(all.finalize().into()).hex() })
}

/// When a call ends that has not come to its end.
struct Deadline<'a> {
    at: Instant,
    over: &'a dyn Fn() -> Option<String>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the limit is on the time of the machine, whatever a test's clock says"
)]
fn after(patience: Duration) -> Instant {
    Instant::now() + patience
}

impl Deadline<'_> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the limit is on the time of the machine, whatever a test's clock says"
    )]
    fn check(&self) -> io::Result<()> {
        if let Some(why) = (self.over)() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, why));
        }
        if Instant::now() < self.at {
            return Ok(());
        }
        let text = format!("hashing took longer than {} seconds", PATIENCE.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    }
}

fn digest(mut file: File, deadline: &Deadline<'_>) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        deadline.check()?;
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&buffer[..length]),
        }
    }
}

fn files(
    patterns: &[String],
    workspace: &Path,
    home: &Path,
    reach: Reach,
    deadline: &Deadline<'_>,
) -> Result<Vec<PathBuf>, String> {
    let (through_links, patterns) = match patterns.split_first() {
        Some((first, _)) if first.eq_ignore_ascii_case(FOLLOW) && reach == Reach::Folder => {
            let why = "since the job sees another machine than the runner";
            return Err(format!(
                "hashFiles cannot go through links to folders here, {why}; leave {FOLLOW} out"
            ));
        }
        Some((first, rest)) if first.eq_ignore_ascii_case(FOLLOW) => (true, rest),
        Some((first, _)) if first.starts_with("--") => {
            return Err(format!("hashFiles has no option {first:?}; there is {FOLLOW}"));
        }
        Some(_) | None => (false, patterns),
    };
    let patterns = Patterns::parse(patterns.iter().map(String::as_str), workspace, home)
        .map_err(|why| format!("hashFiles fails: {why}"))?;
    let sight = if through_links { Sight::Machine } else { Sight::Links };
    let find = Find { descendants: true, folders: false, hidden: true, sight };
    let go_on = || {
        let ended = |error: io::Error| RunnerError::new(ErrorKind::TimedOut, error.to_string());
        deadline.check().map_err(ended)
    };
    let found = patterns.search(find, &go_on);
    let mut files = found.map_err(|error| format!("hashFiles fails: {}", error.message))?;
    // A link to a folder has no content of its own. One to nowhere cannot be read, which is said, as by GitHub's runner.
    files.retain(|path| path.starts_with(workspace) && path != workspace && !path.is_dir());
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_never_ends_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("pipe"), rustix::fs::FileType::Fifo, mode, 0)
            .expect("a pipe");
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero")).expect("a link");
        fs::write(dir.path().join("file"), "x").expect("a file");
        let hash = |name: &str, reach| {
            hash_files(&[name.to_owned()], dir.path(), Path::new("/nowhere"), reach, &|| None)
        };
        for reach in [Reach::Machine, Reach::Folder] {
            for name in ["pipe", "zero"] {
                let error = hash(name, reach).expect_err("refused");
                assert!(error.starts_with("hashFiles cannot read") && error.contains(name), "{error}");
            }
            assert_eq!(hash("file", reach), Ok(of(&["x"])));
        }
        let file = File::open(dir.path().join("file")).expect("a file");
        let late = Deadline { at: after(Duration::ZERO), over: &|| None };
        assert_eq!(digest(file, &late).expect_err("too late").kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn it_ends_with_its_job() {
        let dir = tempfile::tempdir().expect("a folder");
        let huge = File::create(dir.path().join("huge")).expect("a file");
        huge.set_len(1 << 40).expect("a file with holes");
        // It is asked before each entry and before each piece of a file.
        for asked_before in [0, 1, 2, 100] {
            let asked = std::cell::Cell::new(0);
            let over = || {
                asked.set(asked.get() + 1);
                (asked.get() > asked_before).then(|| "the job was cancelled".to_owned())
            };
            let patterns = ["**".to_owned()];
            let hash = hash_files(&patterns, dir.path(), Path::new("/nowhere"), Reach::Machine, &over);
            let error = hash.expect_err("it does not end");
            assert!(error.contains("the job was cancelled"), "{error}");
            assert_eq!(asked.get(), asked_before + 1);
        }
    }

    #[test]
    fn a_job_of_its_own_hashes_nothing_of_the_machine() {
        let dir = tempfile::tempdir().expect("a folder");
        let workspace = dir.path().join("workspace");
        fs::create_dir(&workspace).expect("made");
        fs::write(dir.path().join("secret"), "x").expect("written");
        fs::create_dir(dir.path().join("folder")).expect("made");
        fs::write(dir.path().join("folder/secret"), "x").expect("written");
        std::os::unix::fs::symlink("../secret", workspace.join("link")).expect("a link");
        std::os::unix::fs::symlink("../folder", workspace.join("folder")).expect("a link");
        let hash = |patterns: &[&str], reach| {
            let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
            hash_files(&patterns, &workspace, Path::new("/nowhere"), reach, &|| None)
        };
        assert_eq!(hash(&["link"], Reach::Machine), Ok(of(&["x"])));
        assert!(hash(&["link"], Reach::Folder).expect_err("refused").contains("leads out"));
        assert!(
            hash(&[FOLLOW, "**"], Reach::Folder).expect_err("refused").contains("cannot go through links")
        );
        assert_eq!(hash(&["folder/*"], Reach::Folder), Ok(String::new()));
    }

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
            let home = Path::new("/nowhere");
            let found = hash_files(&patterns, dir.path(), home, Reach::Machine, &|| None).expect("a hash");
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
            hash_files(&patterns, &root, Path::new("/nowhere"), Reach::Machine, &|| None)
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
        let patterns = ["/etc/passwd".to_owned()];
        let found = hash_files(&patterns, dir.path(), Path::new("/"), Reach::Machine, &|| None);
        assert_eq!(found, Ok(String::new()));
    }
}
