//! Running: a run in a task of its own, from the waiting for its turn to its end.

use super::{
    AGAIN, REPORTS, RunError, Runs,
    make::{alone, commits, headline, texts},
};
use crate::{
    backend::Change,
    control::{journal::StoreJournal, progress, run_artifacts::RunArtifacts, values::RunValues, world::lock},
    job_services::RunServices,
};
use shipway_base::{Diagnostic, Secret};
use shipway_runner::{
    ActionStore, Artifacts, Cancel, JobContext, Membership, Repository, Revision, RunMasks, RunnerError,
    drive,
};
use shipway_store::{
    Expected,
    models::{
        self, Conclusion,
        runs::{AttemptId, RunId},
    },
    rows::run::{self as rows, RunEvent},
};
use shipway_workflow::{
    document::Workflow,
    event::Event,
    expr::Value,
    plan::{Called, ConcurrencyGroup, RunPlan},
    run::{Run, RunContext},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{mpsc, watch};

/// What a run begins, or goes on, with.
pub(super) struct Start {
    pub(super) made: Made,
    /// What all its jobs see.
    pub(super) shared: RunContext,
    pub(super) sha: String,
    pub(super) values: RunValues,
}

/// How far a run is made.
pub(super) enum Made {
    /// It can be driven; its stream is at this version.
    Whole { run: Box<Run>, version: u64 },
    /// Workflows that it calls are still to be fetched.
    Calling(Box<Calling>),
}

/// A run whose called workflows are not all there.
pub(super) struct Calling {
    pub(super) workflow: Arc<Workflow>,
    pub(super) event: Event,
    pub(super) called: Called,
}

/// Why a run is not driven.
enum Undriven {
    /// It is over, or goes on at the next start.
    Over,
    /// It could not be written down.
    Failed(RunError),
}

impl<E: Into<RunError>> From<E> for Undriven {
    fn from(error: E) -> Undriven {
        Undriven::Failed(error.into())
    }
}

impl Made {
    fn group(&self, shared: &RunContext) -> Result<Option<ConcurrencyGroup>, Diagnostic> {
        match self {
            Made::Whole { run, .. } => run.plan().concurrency(shared),
            Made::Calling(calling) => calling.workflow.group(shared),
        }
    }

    fn event(&self) -> &Event {
        match self {
            Made::Whole { run, .. } => run.plan().event(),
            Made::Calling(calling) => &calling.event,
        }
    }
}

impl Runs {
    /// Drives a run in a task of its own until it ends or the process stops.
    pub(super) fn start(self: &Arc<Self>, (id, run): (AttemptId, RunId), start: Start) {
        let Start { made, shared, sha, values } = start;
        let cancel = Cancel::new();
        if let Made::Whole { run, .. } = &made
            && let Some(reason) = run.cancelled()
        {
            // Before the process was started again.
            cancel.ask_because(reason);
        }
        let group = made.group(&shared).unwrap_or_else(|found| {
            // A group that cannot be named is the workflow's fault: the run ends with it as its reason.
            cancel.ask_because(found.to_string());
            None
        });
        lock(&self.active).insert(id, cancel.clone());
        let context = self.context((id, run), &sha, values, made.event());
        let isolated = self.settings.isolation.holds(made.event());
        let text = |key: &str| shared.github.get(key).and_then(Value::as_str).unwrap_or_default();
        let who = RunMasks::of(&context).text(&format!("{} #{}", text("workflow"), text("run_number")));
        let executor = if isolated { &self.settings.isolated } else { &self.settings.executor }.clone();
        let this = self.clone();
        self.world.tasks.spawn(async move {
            // In this order, so that runs get in line in the order in which they were made.
            let ready = tokio::try_join!(
                biased;
                async { Ok(this.enter(group.as_ref(), &who, &cancel).await) },
                this.whole(id, made, &shared, &cancel),
            );
            let outcome = match ready {
                Ok((member, machine)) => {
                    let driven = this.driven((id, run), machine, &context, executor, &cancel).await;
                    drop(member);
                    driven.map_err(|error| error.to_string())
                }
                Err(Undriven::Over) => Ok(()),
                Err(Undriven::Failed(error)) => Err(error.to_string()),
            };
            lock(&this.active).remove(&id);
            this.world.changed(Change::Run(run.into()));
            if let Err(error) = outcome {
                this.world.trouble(&format!("run {run}"), &error);
                this.again((id, run));
            }
        });
    }

    /// Waits for the turn in the group of a run.
    async fn enter(
        &self,
        group: Option<&ConcurrencyGroup>,
        who: &str,
        cancel: &Cancel,
    ) -> Option<Membership> {
        let group = group?;
        let entered = self.groups.enter(group, who, cancel).await;
        entered.map_err(|none| cancel.ask_because(none.words(&group.group))).ok()
    }

    /// Fetches what a run still needs, and writes it down.
    async fn whole(
        &self,
        id: AttemptId,
        made: Made,
        shared: &RunContext,
        cancel: &Cancel,
    ) -> Result<(Run, u64), Undriven> {
        let Calling { workflow, event, mut called } = match made {
            Made::Whole { run, version } => return Ok((*run, version)),
            Made::Calling(calling) => *calling,
        };
        tokio::select! {
            biased;
            () = self.world.stopping.cancelled() => return Err(Undriven::Over),
            () = cancel.asked.cancelled() => {
                let now = self.world.clock.now();
                let finish = models::runs::finish(id, Conclusion::Cancelled, Some(cancel.reason()), now);
                self.world.store.batch(vec![finish]).await?;
                return Err(Undriven::Over);
            }
            fetched = self.call_all(&workflow, &event, &mut called) => fetched?,
        }
        let plan = match RunPlan::calling(workflow, event, &BTreeMap::new(), &called) {
            Ok(plan) => plan,
            Err(found) => {
                self.refuse(id, &found).await?;
                return Err(Undriven::Over);
            }
        };
        let title = match plan.run_name(shared) {
            Ok(title) => title,
            Err(found) => {
                self.refuse(id, &alone(found)).await?;
                return Err(Undriven::Over);
            }
        };
        let models = title.map(|title| models::runs::retitle(id, headline(&title))).into_iter().collect();
        let event = rows::encode(&RunEvent::Called { texts: texts(&called), commits: commits(&called) })?;
        let stream = rows::stream(id);
        let appended = self.world.store.append(&stream, Expected::Version(1), vec![event], models).await?;
        Ok((Run::new(Arc::new(plan), shared.clone()), appended.version))
    }

    /// Drives a run that has its turn.
    async fn driven(
        &self,
        ids: (AttemptId, RunId),
        (run, version): (Run, u64),
        context: &JobContext,
        executor: Arc<dyn shipway_runner::Executor>,
        cancel: &Cancel,
    ) -> Result<(), RunnerError> {
        let (tell_written, written) = watch::channel(progress::Written::new());
        let mut journal =
            StoreJournal::new(self.world.clone(), ids, version, run.clone(), written, RunMasks::of(context));
        let (sender, receiver) = mpsc::channel(REPORTS);
        let world = self.world.clone();
        let recorder =
            self.world.tasks.spawn_blocking(move || progress::record(&world, ids, receiver, &tell_written));
        let driven = drive(run, context, executor, &mut journal, sender, cancel);
        // A run that is dropped here ends its processes and is taken up again at the next start.
        let outcome = tokio::select! {
            outcome = driven => outcome.map(drop),
            () = self.world.stopping.cancelled() => Ok(()),
        };
        // The last lines are written before anyone is told that the run is over.
        let _panicked = recorder.await;
        outcome
    }

    /// Goes on, after a while, with a run that could not be written down: from what was, as after a crash. A full disk
    /// holds runs up and loses none.
    fn again(self: &Arc<Self>, (id, run): (AttemptId, RunId)) {
        let this = self.clone();
        self.world.tasks.spawn(async move {
            let place = format!("run {run}");
            loop {
                tokio::select! {
                    () = this.world.stopping.cancelled() => return,
                    () = tokio::time::sleep(AGAIN) => {}
                }
                let outcome = match this.load(id).await {
                    Ok(()) => return this.world.well(&place),
                    Err(error @ RunError::Stale { .. }) => {
                        this.lost((id, run), &error).await.map_err(RunError::from)
                    }
                    Err(error) => Err(error),
                };
                match outcome {
                    Ok(()) => return,
                    Err(error) => this.world.trouble(&place, error),
                }
            }
        });
    }

    /// Where the actions and called workflows of a run come from.
    pub(super) fn actions(&self, event: &Event) -> &Arc<ActionStore> {
        match self.settings.isolation.lends(event) {
            true => &self.settings.actions,
            false => &self.settings.public_actions,
        }
    }

    fn context(
        &self,
        (id, run): (AttemptId, RunId),
        sha: &str,
        values: RunValues,
        event: &Event,
    ) -> JobContext {
        let token = (self.settings.token)(run);
        let local = BTreeMap::from([("SHIPWAY_URL".to_owned(), self.settings.url.clone())]);
        // With it a step could deploy, and a fork's changes are nobody's release.
        let trusted = !values.fork;
        let own = trusted.then(|| ("SHIPWAY_TOKEN".to_owned(), token));
        let secret: BTreeMap<String, Secret> = own.into_iter().collect();
        let artifacts: Arc<dyn Artifacts> = Arc::new(RunArtifacts::new(self.world.clone(), run, id, trusted));
        let namespace = self.settings.repository.full();
        let services = RunServices::new(self.settings.services.clone(), artifacts.clone(), namespace);
        JobContext {
            clock: self.world.clock.clone(),
            secrets: Arc::new(values.secrets.into_iter().collect()),
            environments: Arc::new(values.environments),
            repository: Repository {
                path: self.git.folder().to_path_buf(),
                revision: Revision::Commit(sha.to_owned()),
            },
            services: Some(Arc::new(services)),
            artifacts,
            actions: self.actions(event).clone(),
            native_actions: true,
            host_env: self.settings.host_env.clone(),
            path_prefix: self.settings.path_prefix.clone(),
            extra_env: Arc::default(),
            local_env: Arc::new(local),
            secret_env: Arc::new(secret),
            debug: false,
            groups: self.groups.clone(),
            platforms: Arc::default(),
            slots: self.settings.slots.clone(),
            hooks: self.settings.hooks.clone(),
            breaks: None,
        }
    }
}
