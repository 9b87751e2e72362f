//! A backend in memory, shared by the tests of the pages and by the example server that a browser opens.
//!
//! It keeps the contract of the real one: pages are cut on the server, commands that are not possible now are
//! conflicts, and every change is announced.

mod delivery;
mod logs;
mod runs;
pub(crate) mod samples;
mod values;
mod workflows;

use futures_util::{FutureExt, StreamExt, future, stream};
use shipway_api::{
    CommandRequest, DeployRequest, Deployed, DispatchRequest, Health, HookOutcome, JobKey, LogMatches,
    LogSearch, NamedValue, NamedValues, Page, PageQuery, Release, RerunRequest, Rollout, RolloutCommand,
    RolloutEvent, RolloutId, RolloutQuery, RolloutSummary, Run, RunId, RunQuery, RunSummary, ValueKind,
    Workflows,
};
use shipway_base::{Secret, Timestamp};
use shipway_server::backend::{
    Actor, Answer, ArtifactBody, Backend, BackendError, Change, Dispatched, Hook, LogRange, LogSlice,
    ValuePlace, Which,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};
use tokio::sync::broadcast;

pub(crate) use logs::FakeLog;

/// The instant that the samples are told at.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_255_200_000);

/// The backend.
pub(crate) struct Fake {
    state: Mutex<State>,
    changes: broadcast::Sender<Change>,
}

/// What it holds.
#[derive(Default)]
pub(crate) struct State {
    /// Newest first.
    pub(crate) runs: Vec<Run>,
    /// Newest first.
    pub(crate) rollouts: Vec<Rollout>,
    /// Newest first.
    pub(crate) releases: Vec<Release>,
    /// The workflows of the default branch.
    pub(crate) workflows: Workflows,
    /// Secrets and variables.
    pub(crate) values: values::Kept,
    /// By run and job.
    pub(crate) logs: BTreeMap<(RunId, JobKey), FakeLog>,
    /// Answers to deployments by their idempotency key.
    pub(crate) keys: BTreeMap<String, (DeployRequest, Deployed)>,
    /// What was asked for, in order, with who asked.
    pub(crate) asked: Vec<String>,
    /// The keys that workflows were started with.
    pub(crate) keys_sent: Vec<Option<String>>,
    /// What is wrong with it.
    pub(crate) problems: Vec<String>,
}

impl Fake {
    /// A backend that holds this.
    pub(crate) fn new(state: State) -> Fake {
        Fake { state: Mutex::new(state), changes: broadcast::channel(64).0 }
    }

    /// What it holds, to look at or to change.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    /// Tells everyone who listens that something changed.
    pub(crate) fn announce(&self, change: Change) {
        // Nobody may be listening, which is no error.
        let _ = self.changes.send(change);
    }

    fn ask(&self, what: String, by: &Actor) {
        self.state().asked.push(format!("{what} by {by}"));
    }
}

fn answer<'a, T: Send + 'a>(result: Result<T, BackendError>) -> Answer<'a, T> {
    future::ready(result).boxed()
}

/// Cuts a page out of a list; the cursor is the number of items before it.
fn page<T: Clone>(items: impl Iterator<Item = T>, query: &PageQuery) -> Result<Page<T>, BackendError> {
    let all: Vec<T> = items.collect();
    let start = match &query.after {
        None => 0,
        Some(after) => after.parse::<usize>().map_err(|_| BackendError {
            context: "reading a page".to_owned(),
            kind: shipway_server::backend::BackendErrorKind::Invalid(format!("{after:?} is not a page")),
        })?,
    };
    let end = (start + query.limit as usize).min(all.len());
    let next = (end < all.len()).then(|| end.to_string());
    Ok(Page { items: all.get(start..end).unwrap_or_default().to_vec(), next, total: all.len() as u64 })
}

impl Backend for Fake {
    fn runs(&self, query: RunQuery) -> Answer<'_, Page<RunSummary>> {
        let state = self.state();
        answer(page(runs::matching(&state.runs, &query), &query.page))
    }

    fn run(&self, which: Which) -> Answer<'_, Run> {
        answer(runs::find(&self.state().runs, which).cloned())
    }

    fn cancel_run(&self, id: RunId, force: bool, by: Actor) -> Answer<'_, ()> {
        self.ask(format!("{}cancel {id}", if force { "force-" } else { "" }), &by);
        let done = runs::cancel(&mut self.state().runs, id);
        self.announce(Change::Run(id));
        answer(done)
    }

    fn rerun(&self, id: RunId, request: RerunRequest, by: Actor) -> Answer<'_, u32> {
        let job = request.job.map(|job| format!(" job={job}")).unwrap_or_default();
        self.ask(format!("rerun {id} only_failed={}{job}", request.only_failed), &by);
        let done = runs::rerun(&mut self.state().runs, id);
        if done.is_ok() {
            self.announce(Change::Run(id));
        }
        answer(done)
    }

    fn workflows(&self, git_ref: Option<String>) -> Answer<'_, Workflows> {
        answer(workflows::at(&self.state().workflows, git_ref.as_deref()))
    }

    fn dispatch(
        &self,
        file: String,
        request: DispatchRequest,
        key: Option<String>,
        by: Actor,
    ) -> Answer<'_, Dispatched> {
        let inputs: Vec<String> =
            request.inputs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let git_ref = request.git_ref.as_deref().unwrap_or("the default branch");
        self.ask(format!("dispatch {file} on {git_ref} with {}", inputs.join(" ")), &by);
        let mut state = self.state();
        state.keys_sent.push(key.clone());
        let newest = state.runs.first().map(|run| run.summary.id);
        let started = workflows::dispatch(&mut state.workflows, newest, &file, &request);
        let repeated = key.as_deref() == Some("sent before");
        answer(started.map(|run| Dispatched { run, repeated }))
    }

    fn values(&self, kind: ValueKind) -> Answer<'_, NamedValues> {
        answer(Ok(values::list(&self.state().values, kind)))
    }

    fn set_value(&self, place: ValuePlace, value: Secret, by: Actor) -> Answer<'_, NamedValue> {
        self.ask(format!("set {} {} of {:?}", place.kind.word(), place.name, place.environment), &by);
        answer(Ok(values::set(&mut self.state().values, place, value)))
    }

    fn remove_value(&self, place: ValuePlace, by: Actor) -> Answer<'_, ()> {
        self.ask(format!("remove {} {} of {:?}", place.kind.word(), place.name, place.environment), &by);
        answer(values::remove(&mut self.state().values, &place))
    }

    fn hook(&self, hook: Hook) -> Answer<'_, HookOutcome> {
        let heard = format!("heard {} {}", hook.event, hook.delivery.unwrap_or_default());
        answer(Ok(HookOutcome { runs: Vec::new(), ignored: Some(heard), waiting: None }))
    }

    fn log(&self, which: Which, job: JobKey, range: LogRange) -> Answer<'_, LogSlice> {
        answer(self.state().log(which, &job).map(|log| log.slice(range)))
    }

    fn search_log(&self, which: Which, job: JobKey, search: LogSearch) -> Answer<'_, LogMatches> {
        answer(self.state().log(which, &job).map(|log| log.search(&search)))
    }

    fn summary(&self, which: Which, job: JobKey) -> Answer<'_, Option<String>> {
        answer(runs::find(&self.state().runs, which).map(|run| {
            run.jobs.iter().find(|known| known.key == job).and_then(|job| job.step_summary.clone())
        }))
    }

    fn artifact(&self, which: Which, name: String) -> Answer<'_, ArtifactBody> {
        let state = self.state();
        let found = runs::find(&state.runs, which).and_then(|run| {
            let known = run.artifacts.iter().any(|artifact| artifact.name == name);
            known.then_some(()).ok_or_else(|| {
                BackendError::not_found("reading an artifact", format!("artifact {name} in this run"))
            })
        });
        answer(found.map(|()| {
            let bytes = bytes::Bytes::from_static(b"an archive");
            ArtifactBody {
                bytes: bytes.len() as u64,
                file_name: format!("{name}.tar.zst"),
                stream: stream::iter([Ok(bytes)]).boxed(),
            }
        }))
    }

    fn releases(&self, service: Option<String>, query: PageQuery) -> Answer<'_, Page<Release>> {
        let state = self.state();
        let matching = state
            .releases
            .iter()
            .filter(|release| service.as_ref().is_none_or(|service| release.service == *service))
            .cloned();
        answer(page(matching, &query))
    }

    fn deploy(&self, request: DeployRequest, key: Option<String>, by: Actor) -> Answer<'_, Deployed> {
        self.ask(format!("deploy {} {}", request.service, request.artifact), &by);
        let done = delivery::deploy(&mut self.state(), request, key);
        if let Ok(deployed) = &done {
            self.announce(Change::Rollout(deployed.rollout));
        }
        answer(done)
    }

    fn rollouts(&self, query: RolloutQuery) -> Answer<'_, Page<RolloutSummary>> {
        let state = self.state();
        let matching = state
            .rollouts
            .iter()
            .map(|rollout| &rollout.summary)
            .filter(|rollout| query.service.as_ref().is_none_or(|service| rollout.service == *service))
            .filter(|rollout| query.phase.is_none_or(|phase| rollout.phase == phase))
            .filter(|rollout| query.in_flight.is_none_or(|open| rollout.phase.is_over() != open))
            .cloned();
        answer(page(matching, &query.page))
    }

    fn rollout(&self, id: RolloutId) -> Answer<'_, Rollout> {
        answer(delivery::find(&mut self.state().rollouts, id).map(|rollout| rollout.clone()))
    }

    fn rollout_events(&self, id: RolloutId, after: u64, limit: u32) -> Answer<'_, Vec<RolloutEvent>> {
        let mut state = self.state();
        answer(delivery::find(&mut state.rollouts, id).map(|rollout| {
            let mut events: Vec<_> =
                rollout.events.iter().filter(|event| event.seq > after).cloned().collect();
            events.sort_by_key(|event| event.seq);
            events.truncate(limit as usize);
            events
        }))
    }

    fn command(
        &self,
        id: RolloutId,
        command: RolloutCommand,
        request: CommandRequest,
        by: Actor,
    ) -> Answer<'_, RolloutId> {
        let reason = request.reason.as_deref().map(|reason| format!(" because {reason}")).unwrap_or_default();
        self.ask(format!("{} {id}{reason}", command.segment()), &by);
        let done = delivery::command(&mut self.state(), id, command, request.step, &by);
        if done.is_ok() {
            self.announce(Change::Rollout(id));
        }
        answer(done.map(|()| id))
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn metrics(&self) -> String {
        "# TYPE shipway_requests_total counter\nshipway_requests_total 7\n".to_owned()
    }

    fn health(&self) -> Answer<'_, Health> {
        let problems = self.state().problems.clone();
        answer(Ok(Health { healthy: problems.is_empty(), problems }))
    }
}

impl State {
    fn log(&self, which: Which, job: &JobKey) -> Result<&FakeLog, BackendError> {
        static NOTHING: FakeLog = FakeLog::Lines { lines: Vec::new(), complete: true };
        let found = runs::find(&self.runs, which)?;
        if !found.jobs.iter().any(|known| known.key == *job) {
            return Err(BackendError::not_found("reading a log", format!("job {job} in this run")));
        }
        Ok(self.logs.get(&(which.run, job.clone())).unwrap_or(&NOTHING))
    }
}
