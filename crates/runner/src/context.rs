//! What a job needs to know beside its own document.

use crate::{
    artifacts::Artifacts, breakpoint::Breaks, groups::Groups, platform::Platforms, remote::ActionStore,
    services::JobServices,
};
use shipway_base::{Clock, Secret};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::sync::Semaphore;

/// What all jobs of a run share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// Where the time comes from.
    pub clock: Clock,
    /// The `secrets` context; every value is masked.
    pub secrets: Arc<BTreeMap<String, Secret>>,
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
    /// Further variables of every step, such as `SHIPWAY_URL`.
    pub extra_env: Arc<BTreeMap<String, String>>,
    /// Further variables of every step whose values are masked, such as `SHIPWAY_TOKEN`.
    pub secret_env: Arc<BTreeMap<String, Secret>>,
    /// Where actions of other repositories come from.
    pub actions: Arc<ActionStore>,
    /// Whether built-in actions stand for those of GitHub's that they can stand for.
    pub native_actions: bool,
    /// Whether `::debug::` lines are shown.
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

/// A state of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revision {
    /// The commit with this id.
    Commit(String),
    /// The files as they lie in the work tree: tracked ones, and untracked ones that are not ignored.
    WorkingTree,
}
