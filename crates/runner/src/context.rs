//! What a job needs to know beside its own document.

use crate::{
    artifacts::Artifacts, breakpoint::Breaks, groups::Groups, platform::Platforms, remote::ActionStore,
    services::JobServices,
};
use shipway_base::{Clock, Secret};
use shipway_workflow::Secrets;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Semaphore;

/// What `github.token` is where nobody has given one. Official actions insist on some text, also where they then need none.
pub const NO_TOKEN: &str = "no-github-token-was-given";

/// GitHub's switch for debug lines, a secret or a variable.
pub(crate) const STEP_DEBUG: &str = "ACTIONS_STEP_DEBUG";

/// What all jobs of a run share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// Where the time comes from.
    pub clock: Clock,
    /// The `secrets` context, to which the token of a job is added; every value is masked.
    pub secrets: Arc<Secrets>,
    /// What jobs with an `environment` get beside, by its name in small letters.
    pub environments: Arc<BTreeMap<String, EnvironmentValues>>,
    /// The repository that `actions/checkout` and `uses: ./` read.
    pub repository: Repository,
    /// Where artifacts go and come from.
    pub artifacts: Arc<dyn Artifacts>,
    /// The services that actions talk to, where there are any.
    pub services: Option<Arc<dyn JobServices>>,
    /// The only variables taken from the environment of the server, such as `PATH`, `LANG` and `TERM`. `PATH` should
    /// be among them, otherwise a bare system path is used.
    pub host_env: Arc<BTreeMap<String, String>>,
    /// Folders put before `PATH`, the first one first.
    pub path_prefix: Arc<Vec<PathBuf>>,
    /// Further variables of every step.
    pub extra_env: Arc<BTreeMap<String, String>>,
    /// Further variables of programs on this machine, such as `SHIPWAY_URL`: what they lead to cannot be reached from a
    /// container.
    pub local_env: Arc<BTreeMap<String, String>>,
    /// The same whose values are masked, such as `SHIPWAY_TOKEN`.
    pub secret_env: Arc<BTreeMap<String, Secret>>,
    /// Where actions of other repositories come from.
    pub actions: Arc<ActionStore>,
    /// Whether built-in actions stand for those of GitHub's that they can stand for.
    pub native_actions: bool,
    /// Whether `::debug::` lines are shown; the secret or variable `ACTIONS_STEP_DEBUG` of the run asks for it, too.
    pub debug: bool,
    /// What labels under `runs-on` stand for; every other label is this machine.
    pub platforms: Arc<Platforms>,
    /// The concurrency groups of the machine, for the `concurrency` of jobs. That of whole runs is obeyed by whoever
    /// starts runs, with these same groups.
    pub groups: Groups,
    /// A job takes one permit while it runs; runs that share the semaphore share the machine. Closing it cancels runs.
    pub slots: Arc<Semaphore>,
    /// Scripts of the operator around each job.
    pub hooks: Arc<Hooks>,
    /// Where jobs wait for somebody when a step has failed; they do not where there are none.
    pub breaks: Option<Breaks>,
}

/// The secrets and variables of an environment, which come before those of the repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentValues {
    /// The secrets, by name in capitals.
    pub secrets: BTreeMap<String, Secret>,
    /// The variables, by name in capitals.
    pub vars: BTreeMap<String, String>,
}

/// Scripts of the operator on this machine, by absolute paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `ACTIONS_RUNNER_HOOK_JOB_STARTED`: runs before the first step of every job.
    pub started: Option<PathBuf>,
    /// `ACTIONS_RUNNER_HOOK_JOB_COMPLETED`: runs after the last step of every job.
    pub completed: Option<PathBuf>,
}

/// A git repository on this machine and the state of it that a run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// A work tree or a bare repository.
    pub path: PathBuf,
    /// Which state.
    pub revision: Revision,
}

impl Repository {
    /// The folder from which its commits are fetched, which holds all of them: the repository itself, or what the `.git` file of a
    /// linked work tree or of a submodule leads to. Where that cannot be read it is the path, and git says what is wrong.
    pub fn fetched_from(&self) -> PathBuf {
        let read = |path: &Path| fs::read_to_string(path).ok();
        let Some(text) = read(&self.path.join(".git")) else { return self.path.clone() };
        let Some(own) = text.strip_prefix("gitdir:") else { return self.path.clone() };
        let own = self.path.join(own.trim());
        // What all work trees of a repository have in common lies elsewhere than what is of one of them.
        let common = read(&own.join("commondir")).map(|common| own.join(common.trim()));
        fs::canonicalize(common.unwrap_or(own)).unwrap_or_else(|_| self.path.clone())
    }
}

/// A state of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revision {
    /// The commit with this id.
    Commit(String),
    /// The files as they lie in the work tree: tracked ones, and untracked ones that are not ignored.
    WorkingTree,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_fetched_from_what_holds_them() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = fs::canonicalize(dir.path()).expect("a path");
        let check = |path: &str, expect: &str| {
            let repository = Repository { path: root.join(path), revision: Revision::WorkingTree };
            assert_eq!(repository.fetched_from(), root.join(expect), "{path}");
        };
        for folder in [
            "plain/.git",
            "plain/.git/worktrees/tree",
            "tree",
            "bare",
            "plain/.git/modules/sub",
            "sub",
            "lost",
        ] {
            fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        let write = |path: &str, text: String| fs::write(root.join(path), text).expect("a file");
        write("tree/.git", format!("gitdir: {}\n", root.join("plain/.git/worktrees/tree").display()));
        write("plain/.git/worktrees/tree/commondir", "../..\n".to_owned());
        write("sub/.git", "gitdir: ../plain/.git/modules/sub\n".to_owned());
        write("lost/.git", "gitdir: /no/such/place\n".to_owned());
        check("plain", "plain");
        check("bare", "bare");
        check("tree", "plain/.git");
        check("sub", "plain/.git/modules/sub");
        check("lost", "lost");
    }
}
