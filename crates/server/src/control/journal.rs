//! A run's memory: every input of its machine is an event, committed with the rows that pages read.

use super::{
    progress::{Written, conclusion_row},
    world::World,
};
use crate::backend::Change;
use shipway_base::{Timestamp, one_line};
use shipway_runner::{BoxFuture, ErrorKind, Journal, RunMasks, RunnerError};
use shipway_store::{
    Expected, LogName, Statement, StoreError,
    models::{
        self, Status,
        jobs::JobRow,
        runs::{AttemptId, RunId},
    },
    rows::run::{RunEvent, encode, stream},
};
use shipway_workflow::run::{Effect, Effects, Input, JobState, JobView, Run};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::watch;

/// Writes down one run.
pub(super) struct StoreJournal {
    world: Arc<World>,
    id: AttemptId,
    run: RunId,
    version: u64,
    mirror: Run,
    known: BTreeMap<String, JobView>,
    failed: Option<String>,
    failures: usize,
    /// The attempts that began here and have not ended.
    begun: BTreeSet<(String, u32)>,
    written: watch::Receiver<Written>,
    masks: RunMasks,
}

impl StoreJournal {
    /// A journal for a run whose stream is at `version`; `mirror` is the run in the state that its events say. `written` tells
    /// which attempts have their logs written down, `masks` what must not be seen of it on pages.
    pub(super) fn new(
        world: Arc<World>,
        (id, run): (AttemptId, RunId),
        version: u64,
        mirror: Run,
        written: watch::Receiver<Written>,
        masks: RunMasks,
    ) -> StoreJournal {
        let (known, begun) = (BTreeMap::new(), BTreeSet::new());
        StoreJournal {
            world,
            id,
            run,
            version,
            mirror,
            known,
            failed: None,
            failures: 0,
            begun,
            written,
            masks,
        }
    }

    /// Waits until all that a job said is written down, so that whoever sees its end sees its log whole.
    async fn last_lines(&mut self, input: &Input) {
        match input {
            Input::JobStarted { job, attempt } => {
                self.begun.insert((job.0.clone(), *attempt));
            }
            Input::JobFinished { job, attempt, .. } => {
                let ended = (job.0.clone(), *attempt);
                if self.begun.remove(&ended) {
                    // Who writes them is gone when there will be no more of them.
                    let _gone = self.written.wait_for(|written| written.contains(&ended)).await;
                }
            }
            Input::Start | Input::JobLost { .. } | Input::JobInterrupted { .. } | Input::Cancel { .. } => {}
        }
    }

    async fn write(&mut self, input: &Input, now: Timestamp) -> Result<(), StoreError> {
        let effects = self.mirror.apply(input, now);
        let mut statements = self.jobs(input)?;
        if matches!(input, Input::JobStarted { .. }) {
            statements.push(models::runs::start(self.id, now));
        }
        statements.extend(self.end(effects, now));
        let event = encode(&RunEvent::Input(input.clone()))?;
        let expected = Expected::Version(self.version);
        let appended = self.world.store.append(&stream(self.id), expected, vec![event], statements).await?;
        self.version = appended.version;
        self.world.changed(Change::Run(self.run.into()));
        Ok(())
    }

    /// Rows of the jobs that are not as they were.
    fn jobs(&mut self, input: &Input) -> Result<Vec<Statement>, StoreError> {
        let mut statements = Vec::new();
        let views = self.mirror.jobs();
        let gone: Vec<String> =
            self.known.keys().filter(|key| views.iter().all(|view| view.key.0 != **key)).cloned().collect();
        for key in gone {
            self.known.remove(&key);
            statements.push(models::jobs::remove(self.id, &key));
        }
        for (place, view) in views.into_iter().enumerate() {
            if self.known.get(&view.key.0) != Some(&view) {
                statements.push(models::jobs::put(&self.row(place, &view)?));
                self.known.insert(view.key.0.clone(), view);
            }
        }
        let failed = |view: &&JobView| view.conclusion == Some(shipway_workflow::run::Conclusion::Failure);
        if let Input::JobFinished { job, conclusion: shipway_workflow::run::Conclusion::Failure, .. } = input
            && let Some(view) = self.known.get(&job.0)
        {
            self.failed.get_or_insert_with(|| view.name.clone());
        }
        let count = self.known.values().filter(failed).count();
        if count != self.failures {
            self.failures = count;
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            statements.push(models::runs::failed_jobs(self.id, count));
        }
        Ok(statements)
    }

    fn row(&self, place: usize, view: &JobView) -> Result<JobRow, StoreError> {
        let status = match view.state {
            JobState::Waiting | JobState::Held | JobState::Queued => Status::Queued,
            JobState::Running { .. } | JobState::Cancelling { .. } => Status::InProgress,
            JobState::Finished { .. } => Status::Completed,
        };
        // The log of a job that is kept is where it was.
        let ran = view.started.is_some() && view.attempt > 0 && view.kept.is_none();
        Ok(JobRow {
            run: self.id,
            key: view.key.0.clone(),
            place: u32::try_from(place).unwrap_or(u32::MAX),
            name: one_line(&self.masks.text(&view.name)),
            needs: view.needs.clone(),
            status,
            conclusion: view.conclusion.map(conclusion_row),
            attempt: view.attempt,
            started_at: view.started,
            finished_at: view.finished,
            reason: view.reason.as_ref().map(|reason| self.masks.text(reason)),
            kept_from: view.kept,
            log: if ran { Some(LogName::job(self.id.number(), &view.key.0, view.attempt)?) } else { None },
        })
    }

    fn end(&self, effects: Effects, now: Timestamp) -> Option<Statement> {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Finish { conclusion } => {
                // After a restart, or when it is kept, how a job failed was not seen here.
                let failed =
                    |view: &&JobView| view.conclusion == Some(shipway_workflow::run::Conclusion::Failure);
                let earlier = || self.known.values().find(failed).map(|view| view.name.clone());
                let failed = self
                    .failed
                    .clone()
                    .or_else(earlier)
                    .map(|job| format!("{} failed", one_line(&self.masks.text(&job))));
                Some(models::runs::finish(self.id, conclusion_row(conclusion), failed, now))
            }
            Effect::StartJob(_) | Effect::CancelJob { .. } => None,
        })
    }
}

impl Journal for StoreJournal {
    fn commit<'a>(&'a mut self, input: &'a Input, at: Timestamp) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async move {
            let place = format!("run {}", self.run);
            self.last_lines(input).await;
            self.write(input, at).await.map_err(|error| {
                self.world.trouble(&place, &error);
                RunnerError::new(ErrorKind::Journal, error.to_string()).with_source(error)
            })
        })
    }
}
