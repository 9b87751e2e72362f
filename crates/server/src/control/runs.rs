//! Runs: made from events, driven by the runner, written down so that a crash loses none.

mod dispatch;
mod hook;
mod make;
pub(crate) mod schedule;
mod start;

use super::{
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
use make::{Errors, Fetch, Order, Repeats};
use shipway_base::{Diagnostics, Id, Secret, Source, Timestamp};
use shipway_runner::{ActionStore, Cancel, Executor, Groups, Hooks};
use shipway_store::{
    StoreError,
    models::{self, Conclusion, runs::RunRow},
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
const REPORTS: usize = 4_096;

/// How long a run that could not be written down waits before it goes on.
const AGAIN: Duration = Duration::from_secs(2);

/// How runs of this control plane are run.
pub(crate) struct RunSettings {
    /// What the watched repository is called.
    pub(crate) repository: RepositoryName,
    /// Where jobs run.
    pub(crate) executor: Arc<dyn Executor>,
    /// Where jobs of runs run that are to be isolated.
    pub(crate) isolated: Arc<dyn Executor>,
    /// Which those are.
    pub(crate) isolation: Isolation,
    /// Where actions of other repositories come from.
    pub(crate) actions: Arc<ActionStore>,
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
    pub(crate) token: Box<dyn Fn(Id<RunRow>) -> Secret + Send + Sync>,
    /// Scripts of the operator around each job.
    pub(crate) hooks: Arc<Hooks>,
    /// How long fetching the workflows that a run calls may take.
    pub(crate) fetch_patience: Duration,
    /// How long to wait before a forge is asked again for what it has not made yet.
    pub(crate) merge_wait: Duration,
    /// Jobs of all runs that may run at once take one of these each.
    pub(crate) slots: Arc<Semaphore>,
}

/// All runs of this control plane.
pub(crate) struct Runs {
    world: Arc<World>,
    git: Git,
    settings: RunSettings,
    groups: Groups,
    active: Mutex<BTreeMap<Id<RunRow>, Cancel>>,
    /// When the schedules of the default branch come next.
    schedules: Mutex<schedule::Coming>,
    /// Held while the runs of pushes are made, so that one that is seen twice makes them once.
    pushes: tokio::sync::Mutex<()>,
    /// Held from when a run has its number until it is written down.
    numbering: tokio::sync::Mutex<()>,
    /// Documents of other repositories that may be fetched at once take one of these each.
    fetches: Semaphore,
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
    /// The documents have errors, and no run was wanted then.
    #[error("{}", first_finding(.0))]
    Refused(Diagnostics),
    /// What was stored cannot be read any more.
    #[error("run {run} cannot be resumed: {why}")]
    Stale {
        /// The run.
        run: Id<RunRow>,
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

    /// Makes and starts the runs that a branch or tag at a new commit asks for. Asked again for the same commit of the
    /// same ref, it makes nothing.
    pub(crate) async fn push(
        self: &Arc<Self>,
        reference: &str,
        before: &str,
        after: &str,
    ) -> Result<(), RunError> {
        let event = source::push(&self.git, &self.settings.repository, reference, before, after).await?;
        let commit = self.git.commit(after).await?;
        if let Some(mark) = skip_mark(&commit.message) {
            tracing::info!(reference, commit = after, "the commit message says {mark}: no workflow starts");
            return Ok(());
        }
        self.runs_of(&event, &commit, &format!("push {reference} {before} {after}")).await?;
        Ok(())
    }

    /// Makes the runs of all workflow files of an event's commit; `key` makes them once.
    async fn runs_of(
        self: &Arc<Self>,
        event: &Event,
        commit: &Commit,
        key: &str,
    ) -> Result<Vec<Id<RunRow>>, RunError> {
        let sender = event.payload.pointer("/sender/login").and_then(serde_json::Value::as_str);
        let actor = sender.unwrap_or(&commit.author);
        let mut made = Vec::new();
        for path in self.git.files(&event.sha, FOLDER).await? {
            if !dispatch::is_workflow(&path) {
                continue;
            }
            let text = self.git.text(&event.sha, &path).await?;
            let order = Order {
                event,
                commit,
                path: &path,
                text: &text,
                inputs: &BTreeMap::new(),
                actor,
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
                self.lost(row.id, &error).await?;
            }
        }
        Ok(())
    }

    /// Ends a run that can never be resumed.
    async fn lost(&self, id: Id<RunRow>, error: &RunError) -> Result<(), StoreError> {
        self.world.trouble(&format!("run {id}"), error);
        let now = self.world.clock.now();
        let finish = models::runs::finish(id, Conclusion::Failure, Some(format!("lost: {error}")), now);
        self.world.store.batch(vec![finish]).await?;
        self.world.changed(Change::Run(id.into()));
        Ok(())
    }

    /// Stops a run.
    pub(crate) async fn cancel(&self, id: Id<RunRow>, by: &Actor) -> Result<(), BackendError> {
        let context = format!("stopping run {id}");
        if self.world.store.run(id).await.map_err(|error| unavailable(&context, error))?.is_none() {
            return Err(BackendError::not_found(context, format!("run {id}")));
        }
        match lock(&self.active).get(&id) {
            Some(active) => {
                active.ask_because(format!("cancelled by {by}"));
                Ok(())
            }
            None => Err(BackendError::conflict(context, "it is over already")),
        }
    }

    /// Runs a run again, as a new run of the same commit and with the same number: its next attempt.
    pub(crate) async fn rerun(
        self: &Arc<Self>,
        id: Id<RunRow>,
        by: &Actor,
    ) -> Result<Id<RunRow>, BackendError> {
        let context = format!("running run {id} again");
        let stored = |error| unavailable(&context, error);
        let Some(row) = self.world.store.run(id).await.map_err(stored)? else {
            return Err(BackendError::not_found(context, format!("run {id}")));
        };
        let created = match self.stored(id).await {
            Ok(stored) => stored.created,
            Err(error) => return Err(BackendError::internal(context, error)),
        };
        let commit = self
            .git
            .commit(&row.sha)
            .await
            .map_err(|error| BackendError::conflict(&context, error.to_string()))?;
        let inputs = text_inputs(&created.inputs);
        let event = event_of(&created);
        let actor = created.github.get("actor").and_then(serde_json::Value::as_str).unwrap_or(&row.actor);
        let order = Order {
            event: &event,
            commit: &commit,
            path: &created.path,
            text: &created.workflow,
            inputs: &inputs,
            actor: &by.to_string(),
            repeats: Some(Repeats { run: &row, actor }),
            once: None,
            asked: None,
            errors: Errors::FailedRun,
            fetch: Fetch::First,
        };
        match self.create(order).await {
            Ok(Some(run)) => Ok(run),
            Ok(None) => {
                Err(BackendError::conflict(context, "its workflow is not started by that event any more"))
            }
            Err(error) => Err(BackendError::internal(context, error)),
        }
    }

    /// Rebuilds a run from its events and goes on with it. Jobs that were running are lost with the process that ran
    /// them; the machine decides whether they are tried again.
    async fn load(self: &Arc<Self>, id: Id<RunRow>) -> Result<(), RunError> {
        let stale = |why: String| RunError::Stale { run: id, why };
        let Stored { created, called: fetched, inputs } = self.stored(id).await?;
        let (workflow, found) =
            Workflow::parse(&Source::new(created.path.as_str(), created.workflow.as_str()));
        let workflow =
            workflow.filter(|_| !found.has_errors()).ok_or_else(|| stale(first_finding(&found)))?;
        let workflow = Arc::new(workflow);
        let mut called = Called::new();
        for (name, text) in fetched.as_ref().unwrap_or(&created.called) {
            let file = WorkflowFile::parse(name)
                .ok_or_else(|| stale(format!("{name:?} is not the name of a workflow")))?;
            called.give(file, text);
        }
        let event = event_of(&created);
        let values = self.settings.values.for_run(&event).await?;
        let context = |inputs| RunContext {
            github: Value::from_json(&created.github),
            vars: Value::from_json(&created.vars),
            inputs,
        };
        let sha = created.sha.clone();
        if created.fetching && fetched.is_none() {
            let shared = context(make::no_inputs());
            let made = Made::Calling(Box::new(Calling { workflow, event, called }));
            self.start(id, Start { made, shared, sha, values });
            return Ok(());
        }
        let plan = RunPlan::calling(workflow, event, &text_inputs(&created.inputs), &called)
            .map_err(|found| stale(first_finding(&found)))?;
        let shared = context(plan.inputs().clone());
        let mut run = Run::new(Arc::new(plan), shared.clone());
        let version = inputs.len() as u64 + 1 + u64::from(fetched.is_some());
        for (input, at) in inputs {
            // Effects of the past were carried out, or are asked for again by what follows.
            let _past = run.apply(&input, at);
        }
        let made = Made::Whole { run: Box::new(run), version };
        self.start(id, Start { made, shared, sha, values });
        Ok(())
    }

    async fn stored(&self, id: Id<RunRow>) -> Result<Stored, RunError> {
        let (mut created, mut called) = (None, None);
        let mut inputs = Vec::new();
        for event in self.world.store.read(&rows::run::stream(id), 1).await? {
            match rows::run::decode(&event.kind, &event.data)? {
                rows::run::RunEvent::Created(first) => created = Some(*first),
                rows::run::RunEvent::Called(documents) => called = Some(documents),
                rows::run::RunEvent::Input(input) => inputs.push((input, event.at)),
            }
        }
        let created =
            created.ok_or(RunError::Stale { run: id, why: "its first event is missing".to_owned() })?;
        Ok(Stored { created, called, inputs })
    }
}

/// What the stream of a run holds.
struct Stored {
    created: Created,
    /// The documents that were fetched after it was made.
    called: Option<BTreeMap<String, String>>,
    inputs: Vec<(Input, Timestamp)>,
}

fn event_of(created: &Created) -> Event {
    Event {
        name: created.event.clone(),
        payload: created.payload.clone(),
        reference: created.reference.clone(),
        sha: created.sha.clone(),
        changed: None,
    }
}

fn text_inputs(inputs: &serde_json::Value) -> BTreeMap<String, String> {
    let pairs = inputs.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn first_finding(found: &Diagnostics) -> String {
    found.iter().next().map_or_else(|| "the workflow is empty".to_owned(), ToString::to_string)
}
