//! The repository that the command stands in: its root, its name, the commit and branch of its work tree.

use crate::exit::{Exit, Failure};
use shipway_server::{
    git::{Commit, Git, GitError},
    source::RepositoryName,
};
use shipway_workflow::event::Event;
use std::path::{Path, PathBuf};

/// A commit that does not exist, in GitHub's spelling.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// The repository and the state of it that is run.
#[derive(Clone, Debug)]
pub(super) struct Here {
    /// The top folder of the work tree.
    pub(super) root: PathBuf,
    /// What it is called.
    pub(super) name: RepositoryName,
    /// The commit below the work tree; without an id worth anything when there is none yet.
    pub(super) commit: Commit,
    /// Whether there is no commit yet.
    pub(super) unborn: bool,
    /// The commit before it; zeros when there is none.
    pub(super) before: String,
    /// Whether that is one of several.
    pub(super) is_merge: bool,
    /// The full name of the branch, `refs/heads/main`.
    pub(super) reference: String,
    /// The short name of the repository's default branch.
    pub(super) default_branch: String,
}

impl Here {
    /// Looks for the repository from a folder upwards and asks git about it.
    pub(super) async fn find(folder: &Path) -> Result<Here, Failure> {
        let root = folder.ancestors().find(|above| above.join(".git").exists()).ok_or_else(|| {
            Failure::new(
                Exit::NotFound,
                format!(
                    "{} is not in a git repository: neither it nor a folder above has .git",
                    folder.display()
                ),
            )
            .with_code("SW1010")
            .with_help("go to the project, or make it a repository with: git init")
        })?;
        let git = Git::at(root);
        let (head, origin) = tokio::join!(git.head(), git.origin());
        let unasked = |error: GitError| {
            Failure::new(Exit::Usage, error.to_string())
                .with_code("SW1011")
                .with_help("check that git is installed and that `git status` works here")
        };
        let (head, origin) = (head.map_err(unasked)?, origin.map_err(unasked)?);
        // Whoever waits for a run does not wait for a question whose answer is plain.
        let default_branch = match (&origin, head.reference.as_deref()) {
            (None, Some("refs/heads/main")) => "main".to_owned(),
            (Some(_) | None, _) => git.default_branch().await.map_err(unasked)?,
        };
        let unborn = head.commit.is_none();
        Ok(Here {
            root: root.to_path_buf(),
            name: RepositoryName::of(origin.as_deref(), root),
            commit: head.commit.unwrap_or_else(|| Commit { sha: NO_COMMIT.to_owned(), ..Commit::default() }),
            unborn,
            before: head.parent.unwrap_or_else(|| NO_COMMIT.to_owned()),
            is_merge: head.is_merge,
            // A commit that no branch and no tag names is as good as on a branch called HEAD.
            reference: head.reference.unwrap_or_else(|| "refs/heads/HEAD".to_owned()),
            default_branch,
        })
    }

    /// Who is at work, as far as the repository tells.
    pub(super) fn actor(&self) -> &str {
        if self.commit.author.is_empty() { "local" } else { &self.commit.author }
    }

    /// The state in a few words: `main at 1a2b3c4`, or the tag or branch that the event is about.
    pub(super) fn state(&self, event: &Event) -> String {
        let told = match event.name.as_str() {
            "push" | "workflow_dispatch" | "release" | "create" | "delete" | "merge_group" => {
                &event.reference
            }
            _ => &self.reference,
        };
        let (name, _) = shipway_server::source::ref_name(told);
        match self.commit.sha.get(..7) {
            Some(short) if !self.unborn => format!("{name} at {short}"),
            Some(_) | None => format!("{name}, without a commit yet"),
        }
    }

    /// A path as people read it: relative to the root where it lies below it.
    pub(super) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}
