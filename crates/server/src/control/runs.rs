//! Runs: made from events, driven by the runner, written down so that a crash loses none.

mod dispatch;
pub(crate) mod follow;
pub(crate) mod hook;
mod make;
mod refs;
mod rerun;
pub(crate) mod schedule;
mod start;
pub(crate) mod token;

use super::{
    pushes::Refs,
    trust::Isolation,
    values::{Values, ValuesError},
    world::{World, lock, unavailable},
};
use crate::{
    backend::{Actor, BackendError, Change},
    git::{Commit, Git, GitError},
    job_services::LazyServices,
    source::{self, RepositoryName},
};
use make::{Errors, Fetch, Order};
use shipway_base::{Diagnostics, Secret, Source, Timestamp};
use shipway_runner::{ActionStore, Cancel, Executor, Groups, Hooks};
use shipway_store::{
    StoreError,
    models::{
        self, Conclusion,
        runs::{AttemptId, RunId},
    },
    rows::{self, run::Created},
};
use shipway_workflow::{
    document::Workflow,
    event::{Event, skip_mark},
    expr::Value,
    plan::{Called, RunPlan, WorkflowFile},
    run::{Input, Run, RunContext},
};
use start::{Calling, Made, Start};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Semaphore;

/// The folder of workflow files within a repository.
const FOLDER: &str = ".github/workflows";

/// Documents of other repositories that are fetched at once. Many, since one that does not answer holds its place for long.
const FETCHES: usize = 32;

/// Reports that may wait to be written down before a step has to.
const REPORTS: usize = 1_024;

/// How long a run that could not be written down waits before it goes on.
pub(super) const AGAIN: Duration = Duration::from_secs(2);

/// How runs of this control plane are run.
pub(crate) struct RunSettings {
    /// What the watched repository is called.
    pub(crate) repository: RepositoryName,
    /// Whether a forge tells what happens there.
    pub(crate) is_told: bool,
    /// Where jobs run.
    pub(crate) executor: Arc<dyn Executor>,
    /// Where jobs of runs run that are to be isolated.
    pub(crate) isolated: Arc<dyn Executor>,
    /// Which those are.
    pub(crate) isolation: Isolation,
    /// Where actions of other repositories come from, for runs that are lent what this server's user may fetch.
    pub(crate) actions: Arc<ActionStore>,
    /// The same for all others.
    pub(crate) public_actions: Arc<ActionStore>,
    /// The variables that jobs inherit.
    pub(crate) host_env: Arc<BTreeMap<String, String>>,
    /// Folders before `PATH`: the one with our own binary.
    pub(crate) path_prefix: Arc<Vec<PathBuf>>,
    /// The address of the API, for steps.
    pub(crate) url: String,
    /// The same under a name by which official actions take it for a GitHub that has today's services.
    pub(crate) server_url: String,
    /// What actions talk to.
    pub(crate) services: Arc<LazyServices>,
    /// Secrets and variables.
    pub(crate) values: Arc<Values>,
    /// Makes the token of a run.
    pub(crate) token: Box<dyn Fn(RunId) -> Secret + Send + Sync>,
    /// Scripts of the operator around each job.
    pub(crate) hooks: Arc<Hooks>,
    /// How long fetching the workflows that a run calls may take.
    pub(crate) fetch_patience: Duration,
    /// How long to wait before a forge is asked again for what it has not made yet.
    pub(crate) merge_wait: Duration,
    /// How long a forge may wait for an answer.
    pub(crate) answer_within: Duration,
    /// Jobs of all runs that may run at once take one of these each.
    pub(crate) slots: Arc<Semaphore>,
}

/// All runs of this control plane.
pub(crate) struct Runs {
    world: Arc<World>,
    git: Git,
    settings: RunSettings,
    groups: Groups,
    active: Mutex<BTreeMap<AttemptId, Cancel>>,
    /// When the schedules of the default branch come next.
    schedules: Mutex<schedule::Coming>,
    /// Held while the runs of pushes are made, so that one that is seen twice makes them once.
    pushes: tokio::sync::Mutex<()>,
    /// Held from when a run has its number until it is written down.
    numbering: tokio::sync::Mutex<()>,
    /// Documents of other repositories that may be fetched at once take one of these each.
    fetches: Semaphore,
    /// What a forge told and is seen to takes one of these each.
    hearing: Arc<Semaphore>,
    /// And one of these for each KiB of its body.
    hearing_kib: Arc<Semaphore>,
    /// What is known of workflows that wait for runs, since a branch moved last.
    followed: Mutex<Option<follow::Followed>>,
    /// Held while the refs of the repository are moved by a fetch.
    fetching: tokio::sync::Mutex<()>,
}

/// Why a run could not be made or resumed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The repository could not be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Secrets or variables cannot be read.
    #[error(transparent)]
    Values(#[from] ValuesError),
    /// Somebody else ran the same run again first.
    #[error("it is being run again already")]
    Again,
    /// The documents have errors, and no run was wanted then.
    #[error("{}", first_finding(.0))]
    Refused(Diagnostics),
    /// What was stored cannot be read any more, or never could. Whoever tells it says of which run, and of which attempt: people
    /// know no other number of an attempt.
    #[error("what is kept of it cannot be read: {why}")]
    Stale {
        /// Why.
        why: String,
    },
}

impl Runs {
    /// Runs of one repository.
    pub(crate) fn new(world: Arc<World>, git: Git, settings: RunSettings) -> Arc<Runs> {
        Arc::new(Runs {
            world,
            git,
            settings,
            groups: Groups::new(),
            active: Mutex::default(),
            schedules: Mutex::default(),
            pushes: tokio::sync::Mutex::default(),
            numbering: tokio::sync::Mutex::default(),
            fetches: Semaphore::new(FETCHES),
            hearing: Arc::new(Semaphore::new(hook::heard::MOST_HEARD)),
            hearing_kib: Arc::new(Semaphore::new(hook::heard::MOST_KIB)),
            followed: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    /// The watched repository.
    pub(crate) fn git(&self) -> &Git {
        &self.git
    }

    /// Held while the runs of pushes are made.
    pub(super) fn pushes(&self) -> &tokio::sync::Mutex<()> {
        &self.pushes
    }

    /// Makes and starts the runs that a branch or tag at a new commit asks for; `refs` are all that there were before. Asked again
    /// for the same commit of the same ref, it makes nothing.
    pub(crate) async fn push(
        self: &Arc<Self>,
        reference: &str,
        (before, after): (&str, &str),
        refs: &Refs,
    ) -> Result<(), RunError> {
        let repository = &self.settings.repository;
        let event = source::push(&self.git, repository, reference, (before, after), refs).await?;
        let commit = self.git.commit(after).await?;
        if let Some(mark) = skip_mark(&commit.message) {
            tracing::info!(reference, commit = after, "the commit message says {mark}: no workflow starts");
            return Ok(());
        }
        self.runs_of(&event, &commit, (&format!("push {reference} {before} {after}"), 0)).await?;
        Ok(())
    }

    /// Makes the runs of all workflow files of an event's commit; `key` makes them once, and `chain` says how many runs led to
    /// them.
    async fn runs_of(
        self: &Arc<Self>,
        event: &Event,
        commit: &Commit,
        (key, chain): (&str, u32),
    ) -> Result<Vec<RunId>, RunError> {
        let sender = event.payload.pointer("/sender/login").and_then(Value::as_str);
        let actor = sender.unwrap_or(&commit.author);
        // A file that cannot be read is told once, to whoever pushed it, and not at each thing that happens after it.
        let tells_errors = ["push", "pull_request", "pull_request_target"].contains(&event.name.as_str());
        let mut made = Vec::new();
        for path in self.git.files(&event.sha, FOLDER).await? {
            if !dispatch::is_workflow(&path) {
                continue;
            }
            let text = self.git.text(&event.sha, &path).await?;
            if !tells_errors && !follow::waits_for(&path, &text, &event.name) {
                continue;
            }
            let order = Order {
                event,
                commit,
                path: &path,
                text: &text,
                inputs: &BTreeMap::new(),
                actor,
                chain,
                repeats: None,
                once: Some(format!("{key} {path}")),
                asked: None,
                errors: Errors::FailedRun,
                fetch: Fetch::Later,
            };
            made.extend(self.create(order).await?);
        }
        Ok(made)
    }

    /// Goes on with the runs that had not ended when the process did.
    pub(crate) async fn resume(self: &Arc<Self>) -> Result<(), RunError> {
        for row in self.world.store.unfinished_runs().await? {
            if let Err(error) = self.load(row.id).await {
                self.lost((row.id, row.run), &error).await?;
            }
        }
        Ok(())
    }

    /// Ends a run that can never be resumed.
    async fn lost(&self, (id, run): (AttemptId, RunId), error: &RunError) -> Result<(), StoreError> {
        self.world.trouble(&format!("run {run}"), error);
        let now = self.world.clock.now();
        let finish = models::runs::finish(id, Conclusion::Failure, Some(format!("lost: {error}")), now);
        self.world.store.batch(vec![finish]).await?;
        self.world.changed(Change::Run(run.into()));
        Ok(())
    }

    /// Stops a run; with force also whatever would run in spite of that. Without, one that is being stopped already is not stopped any
    /// harder.
    pub(crate) async fn cancel(&self, run: RunId, force: bool, by: &Actor) -> Result<(), BackendError> {
        let run = self.going_on(run).await?;
        match force {
            true => run.force_because(format!("its end was forced by {by}")),
            false => run.ask_because(format!("cancelled by {by}")),
        }
        Ok(())
    }

    /// Whether an attempt goes on and was asked to stop.
    pub(super) fn is_cancelling(&self, id: AttemptId) -> bool {
        lock(&self.active).get(&id).is_some_and(|cancel| cancel.asked.is_cancelled())
    }

    /// How to stop a run that goes on.
    async fn going_on(&self, run: RunId) -> Result<Cancel, BackendError> {
        let context = format!("stopping run {run}");
        let row = self.world.store.run(run).await.map_err(|error| unavailable(&context, error))?;
        let row = row.ok_or_else(|| BackendError::not_found(&context, format!("run {run}")))?;
        let active = lock(&self.active).get(&row.id).cloned();
        active.ok_or_else(|| BackendError::conflict(context, "it is over already"))
    }

    /// Rebuilds an attempt of a run from its events and goes on with it. Jobs that were running are lost with the process that
    /// ran them; the machine decides whether they are tried again.
    async fn load(self: &Arc<Self>, id: AttemptId) -> Result<(), RunError> {
        let stale = |why: &str| RunError::Stale { why: why.to_owned() };
        let row = self.world.store.attempt(id).await?.ok_or_else(|| stale("it is in no list"))?;
        let ids = (id, row.run);
        let stored = self.stored(id).await?;
        let (workflow, called) = stored.documents()?;
        let event = stored.event();
        let values = self.settings.values.for_run(&event).await?;
        let sha = stored.created.sha.clone();
        if stored.created.fetching && stored.called.is_none() {
            let shared = stored.context(make::no_inputs());
            let made = Made::Calling(Box::new(Calling { workflow, event, called }));
            self.start(ids, Start { made, shared, sha, values });
            return Ok(());
        }
        let (run, shared) = stored.rebuilt(workflow, event, &called)?;
        let made = Made::Whole { run: Box::new(run), version: stored.version() };
        self.start(ids, Start { made, shared, sha, values });
        Ok(())
    }

    async fn stored(&self, id: AttemptId) -> Result<Stored, RunError> {
        let (mut created, mut called) = (None, None);
        let mut inputs = Vec::new();
        for event in self.world.store.read(&rows::run::stream(id), 1).await? {
            match rows::run::decode(&event.kind, &event.data)? {
                rows::run::RunEvent::Created(first) => created = Some(*first),
                rows::run::RunEvent::Called { texts, commits } => called = Some((texts, commits)),
                rows::run::RunEvent::Input(input) => inputs.push((input, event.at)),
            }
        }
        let mut created: Created =
            created.ok_or(RunError::Stale { why: "its first event is missing".to_owned() })?;
        let payload = Value::from_json_text(&std::mem::take(&mut created.payload));
        let payload = payload.map_err(|error| RunError::Stale { why: error.to_string() })?;
        Ok(Stored { created, payload, called, inputs })
    }
}

/// Texts of documents, or their commits, by what the documents are called.
type ByName = BTreeMap<String, String>;

/// What the stream of an attempt of a run holds.
struct Stored {
    created: Created,
    /// The body of its event, which its text is dropped for.
    payload: Value,
    /// The documents that were fetched after it was made, and their commits.
    called: Option<(ByName, ByName)>,
    inputs: Vec<(Input, Timestamp)>,
}

impl Stored {
    /// The version of the stream.
    fn version(&self) -> u64 {
        self.inputs.len() as u64 + 1 + u64::from(self.called.is_some())
    }

    /// The workflow and what it calls.
    fn documents(&self) -> Result<(Arc<Workflow>, Called), RunError> {
        let stale = |why: String| RunError::Stale { why };
        let Created { path, workflow, .. } = &self.created;
        let (workflow, found) = Workflow::parse(&Source::new(path.as_str(), workflow.as_str()));
        let workflow =
            workflow.filter(|_| !found.has_errors()).ok_or_else(|| stale(first_finding(&found)))?;
        let mut called = Called::new();
        let (texts, commits) = self.texts();
        for (name, text) in texts {
            let file = WorkflowFile::parse(name)
                .ok_or_else(|| stale(format!("{name:?} is not the name of a workflow")))?;
            called.give(file, text, commits.get(name).cloned());
        }
        Ok((Arc::new(workflow), called))
    }

    /// The documents of called workflows, and the commits of those of other repositories.
    fn texts(&self) -> (&ByName, &ByName) {
        match &self.called {
            Some((texts, commits)) => (texts, commits),
            None => (&self.created.called, &self.created.commits),
        }
    }

    /// What started it.
    fn event(&self) -> Event {
        let Created { event, reference, sha, .. } = &self.created;
        Event {
            name: event.clone(),
            payload: self.payload.clone(),
            reference: reference.clone(),
            sha: sha.clone(),
            changed: None,
        }
    }

    /// The `github` context, with its event.
    fn github(&self) -> Value {
        let mut github = self.created.github.as_object().cloned().unwrap_or_default();
        if github.get("event") == Some(&Value::Null) {
            github.insert("event", self.payload.clone());
        }
        github.into()
    }

    fn context(&self, inputs: Value) -> RunContext {
        RunContext { github: self.github(), vars: Value::from_json(&self.created.vars), inputs }
    }

    /// The machine in the state that its inputs made, and what all its jobs see.
    fn rebuilt(
        &self,
        workflow: Arc<Workflow>,
        event: Event,
        called: &Called,
    ) -> Result<(Run, RunContext), RunError> {
        let stale = |found: Diagnostics| RunError::Stale { why: first_finding(&found) };
        let plan = RunPlan::calling(workflow, event, &text_inputs(&self.created.inputs), called);
        let plan = plan.map_err(stale)?;
        let shared = self.context(plan.inputs().clone());
        let mut run = Run::keeping(Arc::new(plan), shared.clone(), self.created.kept.clone());
        for (input, at) in &self.inputs {
            // Effects of the past were carried out, or are asked for again by what follows.
            let _past = run.apply(input, *at);
        }
        Ok((run, shared))
    }
}

fn text_inputs(inputs: &serde_json::Value) -> BTreeMap<String, String> {
    let pairs = inputs.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn first_finding(found: &Diagnostics) -> String {
    found.iter().next().map_or_else(|| "the workflow is empty".to_owned(), ToString::to_string)
}
