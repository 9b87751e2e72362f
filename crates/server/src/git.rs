//! Questions to `git` about a watched repository: its branches, commits and files at a commit.
//!
//! Only ever reads; the repository is somebody else's.

mod fetch;
mod history;
mod pack;
mod plain;

pub use history::{Move, Pushed};

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{io::AsyncWriteExt as _, process::Command};

/// A repository on this machine, bare or with a work tree.
#[derive(Clone, Debug)]
pub struct Git {
    folder: PathBuf,
}

/// What a commit says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// The full object name.
    pub sha: String,
    /// The author's name.
    pub author: String,
    /// The author's address.
    pub email: String,
    /// When it was committed, RFC 3339.
    pub date: String,
    /// The whole message.
    pub message: String,
    /// The full object name of its tree.
    pub tree: String,
    /// The committer's name.
    pub committer: String,
    /// The committer's address.
    pub committer_email: String,
}

/// What `HEAD` stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its commit; none in a repository without commits.
    pub commit: Option<Commit>,
    /// The first parent of that commit.
    pub parent: Option<String>,
    /// Whether it has more parents.
    pub is_merge: bool,
    /// The full name of its branch; of a tag or another branch there when it is detached, if there is one.
    pub reference: Option<String>,
}

/// A question that git did not answer.
#[derive(Debug, thiserror::Error)]
#[error("git {question} in {folder}: {kind}", folder = folder.display())]
pub struct GitError {
    question: String,
    folder: PathBuf,
    kind: GitErrorKind,
}

/// Why git did not answer.
#[derive(Debug, thiserror::Error)]
enum GitErrorKind {
    #[error("cannot start git")]
    Start(#[source] std::io::Error),
    #[error("{0}")]
    Folder(&'static str),
    #[error("{0}")]
    Refused(String),
    #[error("no answer within {0} s")]
    Silent(u64),
}

impl GitError {
    /// Whether git was given up, rather than refused.
    fn is_silence(&self) -> bool {
        match self.kind {
            GitErrorKind::Silent(_) | GitErrorKind::Start(_) | GitErrorKind::Folder(_) => true,
            GitErrorKind::Refused(_) => false,
        }
    }
}

/// A question about a local repository is answered in milliseconds; a minute means a hanging disk.
const PATIENCE: Duration = Duration::from_secs(60);

impl Git {
    /// Whether the work tree has something that is not in its commit: changed files, or new ones that are not ignored.
    ///
    /// # Errors
    ///
    /// When git does not answer.
    pub async fn has_changes(&self) -> Result<bool, GitError> {
        let text = self.ask(&["status", "--porcelain", "--untracked-files=normal"]).await?;
        Ok(!text.trim().is_empty())
    }

    /// The commits that are in `after` and not in `before`, at most 100, the newest first: each with the first line of its
    /// message.
    ///
    /// # Errors
    ///
    /// When git does not answer, or does not know one of them.
    pub async fn between(&self, before: &str, after: &str) -> Result<Vec<(String, String)>, GitError> {
        let range = format!("{before}..{after}");
        let question = [
            "log",
            "--max-count=100",
            "--no-show-signature",
            "--format=%H %s",
            "--end-of-options",
            &range,
            "--",
        ];
        let text = self.ask(&question).await?;
        let line = |line: &str| {
            let (sha, subject) = line.split_once(' ').unwrap_or((line, ""));
            (sha.to_owned(), subject.to_owned())
        };
        Ok(text.lines().map(line).collect())
    }

    /// The repository that `folder` belongs to.
    ///
    /// # Errors
    /// When the folder is not in a git repository, or git is not installed.
    pub async fn open(folder: &Path) -> Result<Git, GitError> {
        let git = Git { folder: folder.to_path_buf() };
        git.ask(&["rev-parse", "--git-dir"]).await?;
        Ok(git)
    }

    /// The repository of a folder that is known to be in one; nothing is asked.
    pub fn at(folder: &Path) -> Git {
        Git { folder: folder.to_path_buf() }
    }

    /// The folder it was opened by.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Full names of branches and tags, and the commits they point to. A tag of something else, such as a file, is left out: nothing
    /// can be run there.
    ///
    /// # Errors
    /// When git does not answer.
    pub async fn refs(&self) -> Result<BTreeMap<String, String>, GitError> {
        let format = "--format=%(refname) %(if)%(*objectname)%(then)%(*objectname) %(*objecttype)%(else)%(objectname) \
                      %(objecttype)%(end)";
        let text = self.ask(&["for-each-ref", format, "refs/heads", "refs/tags"]).await?;
        let mut found = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(name), Some(sha), Some(kind)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let sha = match kind {
                "commit" => Some(sha.to_owned()),
                // Before 2.45 git looks through one tag only.
                "tag" => self.commit_of(sha).await?,
                _ => None,
            };
            found.extend(sha.map(|sha| (name.to_owned(), sha)));
        }
        Ok(found)
    }

    /// The full name of the branch that `HEAD` points to, whether or not it has a commit yet.
    ///
    /// # Errors
    /// When `HEAD` is detached or git does not answer.
    pub async fn head_branch(&self) -> Result<String, GitError> {
        Ok(self.ask(&["symbolic-ref", "HEAD"]).await?.trim().to_owned())
    }

    /// The short name of the branch that everybody means when they name none.
    ///
    /// A clone knows it from where it came from (`origin/HEAD`), and a bare repository says it with its own `HEAD`. A
    /// repository with a work tree that came from nowhere does not know it, for its `HEAD` is where somebody works: there it
    /// is the first of `main`, git's `init.defaultBranch` and `master` that is a branch, else the branch of `HEAD`.
    ///
    /// # Errors
    /// When git does not answer.
    pub async fn default_branch(&self) -> Result<String, GitError> {
        // Who waits for a run does not wait for a process where the answer is plain.
        match plain::default_branch(&self.folder) {
            Some(branch) => Ok(branch),
            None => self.asked_default_branch().await,
        }
    }

    /// The same from git itself.
    async fn asked_default_branch(&self) -> Result<String, GitError> {
        let names =
            ["for-each-ref", "--format=%(refname) %(symref)", "refs/remotes/origin/HEAD", "refs/heads"];
        let (names, bare, configured, head) = tokio::join!(
            self.ask(&names),
            self.ask(&["rev-parse", "--is-bare-repository"]),
            self.ask(&["config", "--default", "", "--get", "init.defaultBranch"]),
            self.head_branch(),
        );
        let (names, bare, configured) = (names?, bare?, configured?);
        // A detached `HEAD` is on no branch, which is no failure.
        let head = head.ok();
        Ok(default_of(&names, bare.trim() == "true", configured.trim(), head.as_deref()))
    }

    /// What `HEAD` stands for. It stands in the way of whoever waits for a run, so that git is asked only where its files
    /// are not plain.
    ///
    /// # Errors
    /// When git does not answer, for another reason than that there is no commit yet.
    pub async fn head(&self) -> Result<Head, GitError> {
        match plain::head(&self.folder) {
            Some(head) => Ok(head),
            None => self.asked_head().await,
        }
    }

    /// The same in one question to git where there is a commit.
    async fn asked_head(&self) -> Result<Head, GitError> {
        let format = "--format=%H%x00%an%x00%ae%x00%cI%x00%T%x00%cn%x00%ce%x00%P%x00%D%x00%B";
        let question = ["log", "--max-count=1", "--no-show-signature", "--decorate=full", format, "HEAD"];
        let text = match self.ask(&question).await {
            Ok(text) => text,
            Err(error) => {
                return match (self.head_branch().await, self.refs().await) {
                    (Ok(branch), Ok(refs)) if !refs.contains_key(&branch) => {
                        Ok(Head { reference: Some(branch), ..Head::default() })
                    }
                    // A branch that is there has a commit, so that something else is wrong.
                    (Ok(_) | Err(_), Ok(_) | Err(_)) => Err(error),
                };
            }
        };
        let mut parts = text.splitn(10, '\0').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        let (sha, author, email, date) = (next(), next(), next(), next());
        let (tree, committer, committer_email, parents, names) = (next(), next(), next(), next(), next());
        let message = next().trim_end().to_owned();
        // Of several branches at a commit that `HEAD` is at by itself, the default one is meant.
        let several = !names.contains("HEAD -> ") && names.matches("refs/heads/").count() > 1;
        let default = if several { self.default_branch().await.ok() } else { None };
        Ok(Head {
            commit: Some(Commit { sha, author, email, date, message, tree, committer, committer_email }),
            parent: parents.split(' ').find(|parent| !parent.is_empty()).map(str::to_owned),
            is_merge: parents.contains(' '),
            reference: reference_of(&names, default.as_deref()),
        })
    }

    /// The address of the remote `origin`, when there is one.
    ///
    /// # Errors
    /// When git does not answer.
    pub async fn origin(&self) -> Result<Option<String>, GitError> {
        match plain::origin(&self.folder) {
            Some(address) => Ok(address),
            None => self.asked_origin().await,
        }
    }

    /// The same from git itself.
    async fn asked_origin(&self) -> Result<Option<String>, GitError> {
        match self.ask(&["remote", "get-url", "origin"]).await {
            Ok(address) => Ok(Some(address.trim().to_owned())),
            Err(error) if error.is_silence() => Err(error),
            // It refuses where there is no such remote.
            Err(_) => Ok(None),
        }
    }

    /// The commit that a name stands for: a branch, a tag, `HEAD`, an abbreviation.
    ///
    /// # Errors
    /// When there is no such commit.
    pub async fn resolve(&self, name: &str) -> Result<String, GitError> {
        Ok(self
            .ask(&["rev-parse", "--verify", "--end-of-options", &format!("{name}^{{commit}}")])
            .await?
            .trim()
            .to_owned())
    }

    /// The commit that an object which is here stands for; none when it stands for something else.
    ///
    /// # Errors
    /// When git does not answer.
    pub async fn commit_of(&self, object: &str) -> Result<Option<String>, GitError> {
        match self.resolve(object).await {
            Ok(sha) => Ok(Some(sha)),
            Err(error) if error.is_silence() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// What a commit says of itself.
    ///
    /// # Errors
    /// When there is no such commit.
    pub async fn commit(&self, sha: &str) -> Result<Commit, GitError> {
        let format = format!("--format={}", history::FORMAT);
        let text = self.ask(&["show", "--no-patch", "--no-show-signature", &format, sha]).await?;
        Ok(history::commits(&text).pop().unwrap_or_default())
    }

    /// The files of a folder at a commit, not of its subfolders; empty when there is no such folder. One whose name is not UTF-8 could
    /// not be asked for, and is left out with a warning.
    ///
    /// # Errors
    /// When there is no such commit.
    pub async fn files(&self, sha: &str, folder: &str) -> Result<Vec<String>, GitError> {
        let text = self.ask(&["ls-tree", "-z", "--full-tree", sha, &format!("{folder}/")]).await?;
        // `<mode> <type> <object>\t<name>`; others are folders and commits of submodules, which have no text.
        let files = text.split('\0').filter_map(|line| line.split_once('\t'));
        let files = files.filter(|(about, _)| about.split(' ').nth(1) == Some("blob")).map(|(_, name)| name);
        let (odd, names): (Vec<&str>, Vec<&str>) =
            files.partition(|name| name.contains(char::REPLACEMENT_CHARACTER));
        for name in odd {
            tracing::warn!(commit = sha, name, "the name of a file is not UTF-8, so that it is left out");
        }
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    /// The text of a file at a commit; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// When there is no such commit or file.
    pub async fn text(&self, sha: &str, path: &str) -> Result<String, GitError> {
        self.ask(&["show", &format!("{sha}:{path}")]).await
    }

    /// The paths that differ between two commits; `None` when one of them is unknown (a new branch, a force push).
    ///
    /// # Errors
    /// When git does not answer.
    pub async fn changed(&self, before: &str, after: &str) -> Result<Option<Vec<String>>, GitError> {
        if before.bytes().all(|byte| byte == b'0') || !self.has(before).await {
            return Ok(None);
        }
        let text = self.ask(&["diff", "--name-only", "-z", before, after]).await?;
        Ok(Some(text.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect()))
    }

    /// The paths that differ between `head` and where it left `base`; `None` when one of them is unknown, or when they have no
    /// commit in common.
    ///
    /// # Errors
    /// When git does not answer.
    pub async fn changed_since(&self, base: &str, head: &str) -> Result<Option<Vec<String>>, GitError> {
        match self.ask(&["merge-base", base, head]).await {
            Ok(fork) => self.changed(fork.trim(), head).await,
            Err(error) if error.is_silence() => Err(error),
            // It says the same by its exit code for strangers and for commits that are not here.
            Err(_) => Ok(None),
        }
    }

    /// The parents of a commit, in their order.
    ///
    /// # Errors
    /// When there is no such commit.
    pub async fn parents(&self, sha: &str) -> Result<Vec<String>, GitError> {
        let text = self.ask(&["show", "--no-patch", "--format=%P", sha]).await?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }

    /// Whether an object is here.
    pub async fn has(&self, sha: &str) -> bool {
        self.ask(&["cat-file", "-e", sha]).await.is_ok()
    }

    async fn ask(&self, arguments: &[&str]) -> Result<String, GitError> {
        self.ask_within(PATIENCE, arguments).await
    }

    async fn ask_within(&self, patience: Duration, arguments: &[&str]) -> Result<String, GitError> {
        self.ask_with(patience, arguments, None).await
    }

    /// Asks with something to read, or with nothing.
    #[expect(
        clippy::disallowed_methods,
        reason = "git is asked here and nowhere else in this crate; it ends by itself or is killed on drop"
    )]
    async fn ask_with(
        &self,
        patience: Duration,
        arguments: &[&str],
        input: Option<&[u8]>,
    ) -> Result<String, GitError> {
        let fail = |kind| GitError { question: arguments.join(" "), folder: self.folder.clone(), kind };
        let mut command = Command::new("git");
        command
            .args(["-c", "core.quotepath=off", "-c", "core.fsmonitor=false"])
            .args(arguments)
            .current_dir(&self.folder)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            // Who could answer is not here.
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let answer = async {
            let mut git = command.spawn()?;
            let (pipe, input) = (git.stdin.take(), input.unwrap_or_default());
            let write = async {
                // Whoever does not want the rest says why by how it ends.
                if let Some(mut pipe) = pipe {
                    let _refused = pipe.write_all(input).await;
                }
            };
            let ((), output) = tokio::join!(write, git.wait_with_output());
            output
        };
        let output = tokio::time::timeout(patience, answer)
            .await
            .map_err(|_| fail(GitErrorKind::Silent(patience.as_secs())))?
            .map_err(|error| fail(unstarted(&self.folder, error)))?;
        if !output.status.success() {
            return Err(fail(GitErrorKind::Refused(
                String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            )));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Why git did not start in a folder: the system's answer is the same whether the folder or git is missing.
fn unstarted(folder: &Path, error: std::io::Error) -> GitErrorKind {
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => GitErrorKind::Folder("it is no folder"),
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
            GitErrorKind::Folder("there is no such folder")
        }
        Ok(_) | Err(_) => GitErrorKind::Start(error),
    }
}

/// The ref among the names of a commit, `HEAD -> refs/heads/main, tag: refs/tags/v1`, that `HEAD` means: the branch it is
/// on, else the default branch, else any branch, else a tag.
fn reference_of(names: &str, default: Option<&str>) -> Option<String> {
    let all: Vec<&str> = names
        .split(", ")
        .map(|name| name.strip_prefix("HEAD -> ").or(name.strip_prefix("tag: ")).unwrap_or(name))
        .collect();
    let first = |kind: &str| all.iter().find(|name| name.starts_with(kind)).map(|name| (*name).to_owned());
    let default =
        default.map(|name| format!("refs/heads/{name}")).filter(|name| all.contains(&name.as_str()));
    default.or_else(|| first("refs/heads/")).or_else(|| first("refs/tags/"))
}

/// The default branch, by the refs with what they point to, one a line.
fn default_of(names: &str, bare: bool, configured: &str, head: Option<&str>) -> String {
    let mut branches = Vec::new();
    for (name, target) in names.lines().filter_map(|line| line.split_once(' ')) {
        if let Some(branch) = target.strip_prefix("refs/remotes/origin/") {
            return branch.to_owned();
        }
        branches.extend(name.strip_prefix("refs/heads/"));
    }
    let head = head.and_then(|head| head.strip_prefix("refs/heads/"));
    let usual = ["main", configured, "master"];
    let there = || usual.into_iter().find(|name| branches.contains(name));
    let found = if bare { head.or_else(there) } else { there().or(head) };
    found.unwrap_or("main").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_default_branch() {
        let check = |names: &str, bare: bool, configured: &str, head: Option<&str>, expect: &str| {
            assert_eq!(
                default_of(names, bare, configured, head),
                expect,
                "{names:?} {bare} {configured:?} {head:?}"
            );
        };
        let work = Some("refs/heads/work");
        check(
            "refs/heads/main \nrefs/remotes/origin/HEAD refs/remotes/origin/trunk",
            false,
            "",
            work,
            "trunk",
        );
        check("refs/heads/main \nrefs/heads/work ", true, "", work, "work");
        check("refs/heads/main \nrefs/heads/work ", false, "", work, "main");
        check("refs/heads/dev \nrefs/heads/master \nrefs/heads/work ", false, "dev", work, "dev");
        check("refs/heads/master \nrefs/heads/work ", false, "dev", work, "master");
        check("refs/heads/work ", false, "dev", work, "work");
        check("", true, "", Some("refs/heads/trunk"), "trunk");
        check("", false, "", None, "main");
    }

    #[test]
    fn knows_which_ref_head_means() {
        let check = |names: &str, expect: Option<&str>| {
            assert_eq!(reference_of(names, Some("main")).as_deref(), expect);
        };
        check("HEAD -> refs/heads/main, tag: refs/tags/v1, refs/heads/other", Some("refs/heads/main"));
        check("HEAD, refs/remotes/origin/main, tag: refs/tags/v1", Some("refs/tags/v1"));
        check("HEAD, tag: refs/tags/v1, refs/heads/main", Some("refs/heads/main"));
        check("HEAD, refs/heads/aa, refs/heads/main, refs/heads/zz", Some("refs/heads/main"));
        check("HEAD, refs/heads/zz, refs/heads/aa", Some("refs/heads/zz"));
        check("HEAD", None);
    }
}
