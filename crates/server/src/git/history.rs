//! The commits of a push: which they are, and what they changed.

use super::{Commit, Git, GitError, PATIENCE};

/// What is asked of a commit, in the order of [`commits`]. No part of a commit holds a NUL.
pub(super) const FORMAT: &str = "%H%x00%an%x00%ae%x00%cI%x00%T%x00%cn%x00%ce%x00%B%x00";

/// Parts of a commit in [`FORMAT`].
const PARTS: usize = 8;

/// As many commits of a push are told at most, as on GitHub.
const MOST_COMMITS: usize = 2_048;

/// Where a push has more commits than these, path filters let it pass, as on GitHub.
const MOST_COMPARED: usize = 1_000;

/// As long as they may be together, in bytes: all of them are held at once, and GitHub tells of no event that is larger.
const MOST_BYTES: usize = 25 << 20;

/// A push of a ref that was found.
#[derive(Clone, Copy, Debug)]
pub struct Move<'a> {
    /// What the ref pointed to; zeros when it is new.
    pub before: &'a str,
    /// The commit.
    pub after: &'a str,
    /// All that branches and tags pointed to before, of which some may be here no more.
    pub known: &'a [&'a str],
}

/// What a push brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Its commits, the oldest first, and whether no other ref had them. Of more than 2,048 the newest ones.
    pub commits: Vec<(Commit, bool)>,
    /// Whether the ref left commits behind.
    pub forced: bool,
    /// The paths that path filters go by; none when they let it pass.
    pub changed: Option<Vec<String>>,
}

impl Git {
    /// What a push brought: of a ref that is new the commits that nobody had, of another those that it did not lead to.
    ///
    /// # Errors
    /// When git does not answer, or there is no commit `after`.
    pub async fn pushed(&self, push: Move<'_>) -> Result<Pushed, GitError> {
        let Move { before, after, known } = push;
        let is_new = is_nothing(before);
        if is_new || !self.has(before).await {
            let commits = self.commits(after, known).await?;
            let changed = self.changed_by(before, after, Some(commits.len()), first(&commits)).await?;
            let commits = commits.into_iter().map(|commit| (commit, true)).collect();
            return Ok(Pushed { commits, forced: !is_new, changed });
        }
        let (from, to) = ([before], [after]);
        let (commits, fresh, left) = tokio::try_join!(
            self.commits(after, &from),
            self.listed(after, known, MOST_COMMITS),
            self.listed(before, &to, 1),
        )?;
        let changed = self.changed_by(before, after, Some(commits.len()), first(&commits)).await?;
        let fresh: std::collections::BTreeSet<&str> = fresh.lines().collect();
        let commits = commits.into_iter().map(|commit| {
            let distinct = fresh.contains(commit.sha.as_str());
            (commit, distinct)
        });
        Ok(Pushed { commits: commits.collect(), forced: !left.is_empty(), changed })
    }

    /// The paths that path filters go by: those that differ between both ends of a push, and of a ref that is new between its
    /// oldest commit's parent and its end. `None`, so that filters let it pass, when they cannot be told or a new ref has no
    /// commit of its own, and where there are more than 1,000 commits, as on GitHub.
    ///
    /// # Errors
    /// When git does not answer.
    pub async fn changed_by(
        &self,
        before: &str,
        after: &str,
        commits: Option<usize>,
        oldest: Option<&str>,
    ) -> Result<Option<Vec<String>>, GitError> {
        if commits.is_some_and(|commits| commits > MOST_COMPARED) {
            return Ok(None);
        }
        if !is_nothing(before) {
            return self.changed(before, after).await;
        }
        let Some(oldest) = oldest else { return Ok(None) };
        if !self.has(oldest).await {
            return Ok(None);
        }
        match self.parents(oldest).await?.first() {
            Some(parent) => self.changed(parent, after).await,
            None => {
                let text = self.ask(&["ls-tree", "-r", "-z", "--full-tree", "--name-only", after]).await?;
                Ok(Some(text.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect()))
            }
        }
    }

    /// The commits that lead to `after` and to none of `without`, which need not be here: the newest, at most 2,048 and 25 MiB, of
    /// which the oldest comes first.
    ///
    /// # Errors
    /// When git does not answer, or there is no commit `after`.
    pub async fn commits(&self, after: &str, without: &[&str]) -> Result<Vec<Commit>, GitError> {
        self.commits_within(after, without, MOST_BYTES).await
    }

    async fn commits_within(
        &self,
        after: &str,
        without: &[&str],
        most: usize,
    ) -> Result<Vec<Commit>, GitError> {
        let list = self.listed(after, without, MOST_COMMITS).await?;
        // A message may be as long as anybody likes, so that lengths are asked for first.
        let question = ["cat-file", "--batch-check=%(objectname) %(objectsize)"];
        let sizes = self.ask_with(PATIENCE, &question, Some(list.as_bytes())).await?;
        let mut room = most;
        let fitting = sizes.lines().map_while(|line| {
            let (sha, size) = line.split_once(' ')?;
            room = room.checked_sub(size.parse().ok()?)?;
            Some(format!("{sha}\n"))
        });
        let fitting: String = fitting.collect();
        if fitting.is_empty() {
            return Ok(Vec::new());
        }
        let format = format!("--format={FORMAT}");
        let question = ["log", "--no-walk=unsorted", "--no-show-signature", &format, "--stdin"];
        let mut found = commits(&self.ask_with(PATIENCE, &question, Some(fitting.as_bytes())).await?);
        found.reverse();
        Ok(found)
    }

    /// The names of the newest commits that lead to `after` and to none of `without`: a child before its parents.
    async fn listed(&self, after: &str, without: &[&str], most: usize) -> Result<String, GitError> {
        let mut input = format!("{after}\n");
        for known in without {
            input.push('^');
            input.push_str(known);
            input.push('\n');
        }
        let most = format!("--max-count={most}");
        let question = ["rev-list", "--date-order", "--ignore-missing", &most, "--stdin"];
        self.ask_with(PATIENCE, &question, Some(input.as_bytes())).await
    }
}

/// Commits as git tells them by [`FORMAT`].
pub(super) fn commits(text: &str) -> Vec<Commit> {
    let mut parts = text.split('\0');
    let mut found = Vec::new();
    loop {
        // Between two commits there is the end of a line.
        let mut next = || parts.next().unwrap_or_default().to_owned();
        let [sha, author, email, date, tree, committer, committer_email, message]: [String; PARTS] =
            std::array::from_fn(|_| next());
        let sha = sha.trim_start().to_owned();
        if sha.is_empty() {
            return found;
        }
        let message = message.trim_end().to_owned();
        found.push(Commit { sha, author, email, date, message, tree, committer, committer_email });
    }
}

/// Whether a name is that of no commit.
fn is_nothing(sha: &str) -> bool {
    sha.bytes().all(|byte| byte == b'0')
}

fn first(commits: &[Commit]) -> Option<&str> {
    commits.first().map(|commit| commit.sha.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        path::Path,
        process::{Command, Stdio},
    };

    const NOTHING: &str = "0000000000000000000000000000000000000000";

    #[expect(
        clippy::disallowed_methods,
        reason = "a test makes repositories with the real git, which ends by itself"
    )]
    fn git(folder: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "gc.auto=0"]);
        command.args(arguments).current_dir(folder).stderr(Stdio::null());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_COMMITTER_NAME", "Bo");
        let output = command.output().expect("git");
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Commits a file that is named as the commit is; gives the commit.
    fn commit(folder: &Path, name: &str) -> String {
        std::fs::write(folder.join(name), name).expect("a file");
        git(folder, &["add", "--all"]);
        git(folder, &["commit", "--quiet", "--message", name]);
        git(folder, &["rev-parse", "HEAD"])
    }

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
        folder
    }

    /// Checks the messages of a push with whether they are new (`+`), whether it was forced, and the paths it changed.
    async fn check(
        folder: &Path,
        (before, after, known): (&str, &str, &[&str]),
        commits: &str,
        forced: bool,
        changed: Option<&[&str]>,
    ) {
        let push = Move { before, after, known };
        let found = Git::at(folder).pushed(push).await.expect("git answers");
        let told: Vec<String> = found
            .commits
            .iter()
            .map(|(commit, fresh)| format!("{}{}", commit.message, if *fresh { "+" } else { "" }))
            .collect();
        assert_eq!((told.join(" ").as_str(), found.forced), (commits, forced));
        let paths: Option<Vec<&str>> =
            found.changed.as_ref().map(|paths| paths.iter().map(String::as_str).collect());
        assert_eq!(paths.as_deref(), changed);
    }

    #[tokio::test]
    async fn a_push_brings_all_its_commits_and_what_they_changed() {
        let folder = repository();
        let path = folder.path();
        let [a, b, c] = &["a", "b", "c"].map(|name| commit(path, name));
        check(path, (a, c, &[a]), "b+ c+", false, Some(&["b", "c"])).await;
        // Another branch had one of them.
        check(path, (a, c, &[a, b]), "b c+", false, Some(&["b", "c"])).await;
        // What pointed to is gone is no trouble.
        let gone = &"1".repeat(40);
        check(path, (a, c, &[a, gone]), "b+ c+", false, Some(&["b", "c"])).await;
        check(path, (gone, c, &[b, gone]), "c+", true, None).await;
        // Back to where it was, and elsewhere.
        check(path, (c, a, &[c]), "", true, Some(&["b", "c"])).await;
        git(path, &["checkout", "--quiet", "-b", "other", a]);
        let d = &commit(path, "d");
        check(path, (c, d, &[c]), "d+", true, Some(&["b", "c", "d"])).await;
        // A merge brings what it merges.
        git(path, &["merge", "--quiet", "--no-ff", "--message", "m", c]);
        let merge = &git(path, &["rev-parse", "HEAD"]);
        check(path, (d, merge, &[c, d]), "b c m+", false, Some(&["b", "c"])).await;
    }

    #[tokio::test]
    async fn a_new_ref_brings_what_nobody_had() {
        let folder = repository();
        let path = folder.path();
        let [a, b, c] = &["a", "b", "c"].map(|name| commit(path, name));
        check(path, (NOTHING, c, &[a]), "b+ c+", false, Some(&["b", "c"])).await;
        check(path, (NOTHING, b, &[c]), "", false, None).await;
        check(path, (NOTHING, b, &[]), "a+ b+", false, Some(&["a", "b"])).await;
    }

    #[tokio::test]
    async fn commits_say_who_wrote_and_who_committed_them() {
        let folder = repository();
        let path = folder.path();
        let sha = commit(path, "one");
        git(path, &["commit", "--quiet", "--allow-empty", "--message", "two\n\nlines\n"]);
        let head = git(path, &["rev-parse", "HEAD"]);
        let found = Git::at(path).commits(&head, &[]).await.expect("git answers");
        let expect = Commit {
            sha,
            author: "Ann".to_owned(),
            email: "ann@example.com".to_owned(),
            date: git(path, &["show", "--no-patch", "--format=%cI", "HEAD^"]),
            message: "one".to_owned(),
            tree: git(path, &["rev-parse", "HEAD^{tree}"]),
            committer: "Bo".to_owned(),
            committer_email: "ann@example.com".to_owned(),
        };
        assert_eq!(found[0], expect);
        assert_eq!(found[1].message, "two\n\nlines");
        assert_eq!(Git::at(path).commit(&head).await.expect("a commit"), found[1]);
    }

    /// Many commits, made at once; the newest of them are told, and those that there is room for.
    #[tokio::test]
    async fn the_newest_of_too_many_are_told() {
        let folder = repository();
        let path = folder.path();
        let mut stream = String::new();
        for count in 0..2_100 {
            let text = format!("c{count}");
            stream.push_str(&format!(
                "commit refs/heads/main\ncommitter Bo <bo@example.com> {} +0000\ndata {}\n{text}\n",
                1_700_000_000 + count,
                text.len()
            ));
        }
        let question = ["fast-import", "--quiet"];
        let git = Git::at(path);
        git.ask_with(PATIENCE, &question, Some(stream.as_bytes())).await.expect("imported");
        let found = git.commits("main", &[]).await.expect("git answers");
        let ends = |found: &[Commit]| {
            let message = |commit: Option<&Commit>| commit.map(|commit| commit.message.clone());
            (found.len(), message(found.first()), message(found.last()))
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(ends(&found), (2_048, text("c52"), text("c2099")));
        let found = git.commits_within("main", &[], 2_000).await.expect("git answers");
        assert_eq!(ends(&found).2, text("c2099"));
        assert!((5..20).contains(&found.len()), "{}", found.len());
        assert_eq!(git.commits_within("main", &[], 10).await.expect("git answers"), []);
        // Path filters let so many pass.
        let first = git.resolve("main~1500").await.expect("a commit");
        let push = Move { before: &first, after: &found[found.len() - 1].sha, known: &[&first] };
        let pushed = git.pushed(push).await.expect("git answers");
        assert_eq!((pushed.commits.len(), pushed.changed), (1_500, None));
    }

    #[tokio::test]
    async fn tags_of_other_things_than_commits_are_no_refs() {
        let folder = repository();
        let path = folder.path();
        let sha = commit(path, "a");
        let refs = ["HEAD:a", "HEAD^{tree}", "HEAD"].map(|object| git(path, &["rev-parse", object]));
        for (name, object) in ["file", "tree", "plain"].into_iter().zip(&refs) {
            git(path, &["tag", name, object]);
            git(path, &["tag", "--annotate", "--message", "x", &format!("{name}-told"), object]);
            git(
                path,
                &["tag", "--annotate", "--message", "x", &format!("{name}-twice"), &format!("{name}-told")],
            );
        }
        let found = Git::at(path).refs().await.expect("git answers");
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        let tags = ["refs/tags/plain", "refs/tags/plain-told", "refs/tags/plain-twice"];
        assert_eq!(names, [&["refs/heads/main"][..], &tags].concat());
        assert!(found.values().all(|found| *found == sha), "{found:?}");
    }

    #[test]
    fn reads_commits_from_git() {
        assert_eq!(commits(""), []);
        assert_eq!(commits("\n"), []);
        let found = commits("1\0a\0b\0c\0d\0e\0f\0m\n\0\n2\0a\0b\0c\0d\0e\0f\0\0\n");
        let shas: Vec<_> = found.iter().map(|found| (found.sha.as_str(), found.message.as_str())).collect();
        assert_eq!(shas, [("1", "m"), ("2", "")]);
    }
}
