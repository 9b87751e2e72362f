//! The plain cases of what every `shipway run` asks, read from the repository's own files.
//!
//! A process of git costs about as much as the shell of a short step. So what stands in plain files is read here: a
//! branch that is checked out, its newest commit while that is an object of its own or stands whole in a pack, the address
//! of `origin`. All else, such as reftables, work trees beside the repository, replaced objects or other encodings, is
//! git's to answer: every function here then says `None`. The layout is that of gitrepository-layout(5) and of git's
//! `loose object` format.

use super::{Commit, Head, pack};
use flate2::read::ZlibDecoder;
use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// Larger commits and settings are left to git.
const LIMIT: u64 = 1024 * 1024;

/// What `HEAD` stands for, when it is a branch whose commit is a loose object or whole in a pack.
pub(super) fn head(folder: &Path) -> Option<Head> {
    let git = folder.join(".git");
    // A commit may stand for another one there.
    if git.join("refs/replace").exists() || git.join("info/grafts").exists() {
        return None;
    }
    let reference = text(&git.join("HEAD"))?.strip_prefix("ref: ")?.trim_end().to_owned();
    // Names that git made are safe as paths; ones that somebody wrote by hand need not be.
    if !reference.starts_with("refs/heads/") || reference.contains("..") || reference.ends_with(".invalid") {
        return None;
    }
    let sha = object_of(&git, &reference)?;
    let objects = git.join("objects");
    let bytes = loose(&objects, &sha).or_else(|| pack::commit(&objects, &sha, LIMIT))?;
    let (commit, mut parents) = commit(&sha, &bytes)?;
    // A shallow clone does not have the parents of those it ends at.
    let ends = match fs::read_to_string(git.join("shallow")) {
        Ok(ends) => ends.lines().any(|end| end == sha),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(_) => return None,
    };
    if ends {
        parents.clear();
    }
    let is_merge = parents.len() > 1;
    let parent = parents.into_iter().next();
    Some(Head { commit: Some(commit), parent, is_merge, reference: Some(reference) })
}

/// A commit that is an object of its own: `commit <length>\0` and then what it says.
fn loose(objects: &Path, sha: &str) -> Option<Vec<u8>> {
    let (first, rest) = sha.split_at(2);
    let mut bytes = Vec::new();
    ZlibDecoder::new(File::open(objects.join(first).join(rest)).ok()?)
        .take(LIMIT)
        .read_to_end(&mut bytes)
        .ok()?;
    let head = bytes.iter().position(|byte| *byte == 0)?;
    let length = std::str::from_utf8(&bytes[..head]).ok()?.strip_prefix("commit ")?.parse::<usize>().ok()?;
    let commit = bytes.split_off(head + 1);
    (commit.len() == length).then_some(commit)
}

/// The default branch, when a clone has noted it, or when it is `main` because there is a branch of this name and nothing else that
/// would count more.
pub(super) fn default_branch(folder: &Path) -> Option<String> {
    let git = folder.join(".git");
    match fs::read_to_string(git.join("refs/remotes/origin/HEAD")) {
        Ok(noted) => return noted.trim_end().strip_prefix("ref: refs/remotes/origin/").map(str::to_owned),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => return None,
    }
    // In a bare repository it is the branch of `HEAD`.
    let settings = text(&git.join("config"))?.to_ascii_lowercase();
    let bare =
        settings.lines().map(str::trim).any(|line| line.starts_with("bare") && !line.ends_with("= false"));
    if bare || settings.contains("[include") {
        return None;
    }
    object_of(&git, "refs/heads/main").map(|_there| "main".to_owned())
}

/// The object of a ref that stands in a file of its own, or among the packed ones.
fn object_of(git: &Path, reference: &str) -> Option<String> {
    let sha = match text(&git.join(reference)) {
        Some(sha) => sha.trim_end().to_owned(),
        None => packed(&text(&git.join("packed-refs"))?, reference)?.to_owned(),
    };
    let is_object =
        sha.len() == 40 && sha.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_object.then_some(sha)
}

/// The address of `origin`, when the repository's settings name it in a plain way; the inner `None` when they name none.
pub(super) fn origin(folder: &Path) -> Option<Option<String>> {
    address(&text(&folder.join(".git/config"))?)
}

fn address(settings: &str) -> Option<Option<String>> {
    let lower = settings.to_ascii_lowercase();
    let elsewhere = ["[include", "insteadof", "worktreeconfig", "\\", "[remote]", "[remote."];
    if elsewhere.iter().any(|word| lower.contains(word)) {
        return None;
    }
    let mut within = false;
    let mut found = None;
    for line in settings.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let (name, after) = section.split_once(']')?;
            within = name.split_once(' ').is_some_and(|(kind, name)| {
                kind.eq_ignore_ascii_case("remote") && name.trim() == "\"origin\""
            });
            if within && !after.trim().is_empty() {
                return None;
            }
        } else if let Some((key, value)) = line.split_once('=').filter(|_| within)
            && key.trim().eq_ignore_ascii_case("url")
        {
            let value = value.trim();
            // Several addresses, quotes, comments and short-hands of a user's own settings are git's business.
            let plain = value.contains("://") || value.contains('@');
            if found.is_some() || !plain || value.contains(['"', '#', ';', ' ', '\t']) {
                return None;
            }
            found = Some(value.to_owned());
        }
    }
    Some(found)
}

/// A file's text, unless it is long, no text or not there.
fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    let read = File::open(path).ok()?.take(LIMIT).read_to_string(&mut text).ok()?;
    let whole = fs::metadata(path).ok()?.is_file() && u64::try_from(read).is_ok_and(|read| read < LIMIT);
    whole.then_some(text)
}

/// The object of a ref in the text of `packed-refs`, lines of `<sha> <ref>`.
fn packed<'a>(refs: &'a str, reference: &str) -> Option<&'a str> {
    refs.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(_, name)| *name == reference)
        .map(|(sha, _)| sha)
}

/// A commit and its parents, from `<headers>\n\n<message>`.
fn commit(sha: &str, bytes: &[u8]) -> Option<(Commit, Vec<String>)> {
    let body = std::str::from_utf8(bytes).ok()?;
    let (headers, message) = body.split_once("\n\n")?;
    let mut parents = Vec::new();
    let (mut author, mut committer, mut tree) = (None, None, None);
    for line in headers.lines() {
        let (key, value) = line.split_once(' ')?;
        match key {
            "tree" => tree = Some(value.to_owned()),
            "parent" => parents.push(value.to_owned()),
            "author" => author = Some(person(value)?),
            "committer" => committer = Some(person(value)?),
            "encoding" => return None,
            // Signatures (whose further lines begin with a space).
            _ => {}
        }
    }
    let ((author, email, _), (committer, committer_email, date)) = (author?, committer?);
    let (sha, message, tree) = (sha.to_owned(), message.trim_end().to_owned(), tree?);
    Some((Commit { sha, author, email, date, message, tree, committer, committer_email }, parents))
}

/// Name, address and date (RFC 3339) of `Ann <ann@example.com> 1700000000 +0100`.
fn person(text: &str) -> Option<(String, String, String)> {
    let (name, rest) = text.split_once(" <")?;
    let (email, when) = rest.split_once("> ")?;
    if name.contains(['<', '>']) || email.contains(['<', '>']) || name.trim() != name || email.trim() != email
    {
        return None;
    }
    let (seconds, zone) = when.split_once(' ')?;
    let digits = zone.strip_prefix(['+', '-']).filter(|digits| digits.len() == 4)?;
    let number: i32 = digits.parse().ok()?;
    let offset = (number / 100 * 60 + number % 100) * 60 * if zone.starts_with('-') { -1 } else { 1 };
    let zone = TimeZone::fixed(Offset::from_seconds(offset).ok()?);
    let when = Timestamp::from_second(seconds.parse().ok()?).ok()?.to_zoned(zone);
    Some((name.to_owned(), email.to_owned(), when.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Git;
    use proptest::prelude::*;
    use std::process::{Command, Stdio};

    #[expect(
        clippy::disallowed_methods,
        reason = "a test makes repositories with the real git, which ends by itself"
    )]
    fn git(folder: &Path, arguments: &[&str], date: &str) -> bool {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Ann Other", "-c", "user.email=ann@example.com", "-c", "gc.auto=0"]);
        command.args(arguments).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
        command
            .env("GIT_COMMITTER_DATE", date)
            .env("GIT_AUTHOR_DATE", date)
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.status().is_ok_and(|status| status.success())
    }

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(git(folder.path(), &["init", "--quiet", "--initial-branch=main"], ""));
        folder
    }

    #[tokio::test]
    async fn the_default_branch_is_the_one_that_git_says() {
        let folder = repository();
        let path = folder.path();
        let asked = async || Git::at(path).asked_default_branch().await.expect("git answers");
        assert_eq!(default_branch(path), None, "no branch yet: git's to say");
        assert!(git(path, &["commit", "--quiet", "--allow-empty", "-m", "one"], "1700000000 +0000"));
        assert_eq!((default_branch(path).as_deref(), asked().await.as_str()), (Some("main"), "main"));
        assert!(git(path, &["checkout", "--quiet", "-b", "work"], ""));
        assert!(git(path, &["pack-refs", "--all"], ""));
        assert_eq!((default_branch(path).as_deref(), asked().await.as_str()), (Some("main"), "main"));
        assert!(git(path, &["config", "core.bare", "true"], ""));
        assert_eq!((default_branch(path), asked().await.as_str()), (None, "work"));
        assert!(git(path, &["config", "core.bare", "false"], ""));
        assert!(git(path, &["update-ref", "refs/remotes/origin/trunk", "HEAD"], ""));
        assert!(git(path, &["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk"], ""));
        assert_eq!((default_branch(path).as_deref(), asked().await.as_str()), (Some("trunk"), "trunk"));
        assert!(git(path, &["symbolic-ref", "--delete", "refs/remotes/origin/HEAD"], ""));
        assert!(git(path, &["branch", "--quiet", "--move", "main", "master"], ""));
        assert_eq!((default_branch(path), asked().await.as_str()), (None, "master"));
    }

    #[tokio::test]
    async fn says_what_git_says_of_plain_repositories() {
        let folder = repository();
        let path = folder.path();
        assert_eq!(head(path), None, "no commit yet: git's to say");
        let messages = ["one", "two\n\nwith a body\n\n  and spaces \n\n", "drei: Größe — ✓", "\n\n\nfour"];
        for (count, message) in messages.into_iter().enumerate() {
            let date =
                format!("{} {}", 1_700_000_000 + count * 86_400, ["+0000", "+0530", "-0330", "+0100"][count]);
            assert!(git(
                path,
                &["commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", message],
                &date
            ));
            let ours = head(path).expect("a loose commit of a branch is plain");
            assert_eq!(ours, Git::at(path).asked_head().await.expect("git answers"), "{message:?}");
        }
        assert!(git(path, &["checkout", "--quiet", "-b", "feature/x"], ""));
        assert!(git(
            path,
            &["merge", "--quiet", "--no-ff", "--allow-unrelated-histories", "main"],
            "1700000000 +0000"
        ));
        assert!(git(path, &["pack-refs", "--all"], ""));
        assert_eq!(head(path), Some(Git::at(path).asked_head().await.expect("git answers")));
        assert_eq!(head(path).and_then(|head| head.reference).as_deref(), Some("refs/heads/feature/x"));
        assert!(git(path, &["gc", "--quiet"], ""));
        assert_eq!(head(path), Git::at(path).asked_head().await.ok(), "packed");
        assert!(head(path).is_some_and(|head| head.parent.is_some()));
        let shallow = tempfile::tempdir().expect("a folder");
        let from = format!("file://{}", path.display());
        assert!(git(
            shallow.path(),
            &["clone", "--quiet", "--depth=1", "--branch=feature/x", &from, "."],
            ""
        ));
        assert_eq!(head(shallow.path()), Git::at(shallow.path()).asked_head().await.ok(), "shallow");
        assert!(head(shallow.path()).is_some_and(|head| head.parent.is_none()));
    }

    /// Packs of many commits, where some are told as differences to others: each is read as git reads it, or left to git.
    #[tokio::test]
    async fn packed_commits_are_what_git_says_they_are() {
        let folder = repository();
        let path = folder.path();
        let long = "The same words again and again, as robots write them.\n".repeat(20);
        let mut shas = Vec::new();
        for count in 0..40_u64 {
            let date = format!("{} +0000", 1_700_000_000 + count);
            // Others have nothing in common, so that no difference is shorter than they are.
            let own = (1..40_u64)
                .map(|word| format!("{:x} ", (count * 41 + word).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let message = if count % 2 == 0 { format!("{long}{count}") } else { own.collect() };
            assert!(git(path, &["commit", "--quiet", "--allow-empty", "-m", &message], &date));
            shas.push(Git::at(path).resolve("HEAD").await.expect("a commit"));
            // Several packs, of which one has several objects.
            if count % 10 == 9 {
                assert!(git(path, &["repack", "--quiet", "-d", "--depth=50", "--window=50"], ""));
            }
        }
        assert!(shas.iter().all(|sha| loose(&path.join(".git/objects"), sha).is_none()));
        let mut read = 0;
        for sha in &shas {
            assert!(git(path, &["update-ref", "refs/heads/main", sha], ""));
            let asked = Git::at(path).asked_head().await.expect("git answers");
            if let Some(ours) = head(path) {
                read += 1;
                assert_eq!(ours, asked, "{sha}");
            }
        }
        assert!((20..40).contains(&read), "{read} of 40 were whole");
        let missing = "0123456789".repeat(4);
        assert_eq!(pack::commit(&path.join(".git/objects"), &missing, LIMIT), None);
    }

    /// Broken packs and indexes are left to git; none is believed, and none takes much memory or ends the program.
    #[tokio::test]
    async fn damaged_packs_are_left_to_git() {
        let folder = repository();
        let path = folder.path();
        assert!(git(path, &["commit", "--quiet", "--allow-empty", "-m", "one"], "1700000000 +0000"));
        assert!(git(path, &["gc", "--quiet"], ""));
        let whole = head(path).expect("whole in its pack");
        let packs = fs::read_dir(path.join(".git/objects/pack")).expect("packs");
        let files: Vec<_> = packs.map(|entry| entry.expect("an entry").path()).collect();
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "idx" || e == "pack")) {
            let sound = fs::read(file).expect("a file");
            fs::remove_file(file).expect("removed");
            for _ in 0..400 {
                let mut broken = sound.clone();
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let place = usize::try_from(random >> 33).expect("fits") % broken.len();
                broken[place] ^= u8::try_from(random >> 24 & 0xff).expect("a byte");
                if random & 7 == 0 {
                    broken.truncate(place);
                }
                fs::write(file, &broken).expect("written");
                // A flipped bit of the pack may be in the trailer, or one that the packing's own checksum does not cover.
                if let Some(read) = head(path) {
                    assert_eq!(read, whole);
                }
            }
            fs::write(file, &sound).expect("written");
        }
        assert_eq!(head(path), Some(whole));
    }

    #[tokio::test]
    async fn says_what_git_says_of_origin() {
        let folder = repository();
        let path = folder.path();
        assert_eq!(origin(path), Some(None));
        for address in ["https://example.com/o/n.git", "git@example.com:o/n.git", "ssh://git@example.com/o/n"]
        {
            assert!(git(path, &["remote", "add", "origin", address], ""));
            assert!(git(path, &["remote", "add", "other", "https://example.com/other/one"], ""));
            assert_eq!(origin(path), Some(Some(address.to_owned())));
            assert_eq!(Git::at(path).asked_origin().await.expect("git answers").as_deref(), Some(address));
            assert!(
                git(path, &["remote", "remove", "origin"], "")
                    && git(path, &["remote", "remove", "other"], "")
            );
        }
    }

    #[test]
    fn leaves_settings_that_are_not_plain_to_git() {
        for settings in [
            "[include]\n\tpath = x\n[remote \"origin\"]\n\turl = https://h/o/n\n",
            "[remote \"origin\"]\n\turl = gh:o/n\n",
            "[remote \"origin\"] url = https://h/o/n\n",
            "[remote \"origin\"]\n\turl = \"https://h/o/n\"\n",
            "[remote \"origin\"]\n\turl = https://h/o/n ; a comment\n",
            "[remote \"origin\"]\n\turl = https://h/o/n\n\turl = https://h/o/m\n",
            "[url \"x\"]\n\tinsteadOf = https://h/\n[remote \"origin\"]\n\turl = https://h/o/n\n",
            "[remote.origin]\n\turl = https://h/o/n\n",
            "[remote \"origin\"\n",
        ] {
            assert_eq!(address(settings), None, "{settings}");
        }
        assert_eq!(
            address("[core]\n\tbare = false\n[Remote \"Origin\"]\n\turl = https://h/o/n\n"),
            Some(None)
        );
    }

    proptest! {
        #[test]
        fn no_object_and_no_setting_upsets_it(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,200}") {
            let _whatever = commit("0", &bytes);
            let _whatever = commit("0", text.as_bytes());
            let _whatever = (address(&text), person(&text), packed(&text, "refs/heads/main"));
        }
    }
}
