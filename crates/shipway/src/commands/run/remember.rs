//! Makes the record of a run that is over, for the history of the repository.

use super::{
    Options,
    documents::Planned,
    ledger::{Ledger, StepEnd, StepEntry},
    repository::Here,
    show::Ended,
    steplog::Blamed,
};
use crate::{
    cli::talk,
    history::{
        History,
        fingerprint::fingerprint,
        record::{FailureRecord, Head, InnerRecord, JobRecord, Record},
    },
};
use shipway_base::Timestamp;
use shipway_server::git::Git;
use shipway_workflow::run::Conclusion;
use std::time::Duration;
use tokio::task::JoinHandle;

/// So many lines and annotations of a failed step are kept.
const LINES: usize = 30;

/// So many failed steps of a job, and failed jobs with their steps, are kept.
const FAILURES: usize = 20;

/// The end of a run waits no longer for git than this.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is true of all runs of this call.
#[derive(Clone, Copy, Debug)]
struct Call {
    changed: bool,
    partial: bool,
}

/// The history, while runs are under way.
pub(super) struct Memory<'a> {
    here: &'a Here,
    history: Option<History>,
    partial: bool,
    /// Asked while the runs are under way, which have no time to lose at their beginning.
    changed: Option<JoinHandle<bool>>,
    known: Option<bool>,
    complained: bool,
}

impl<'a> Memory<'a> {
    /// The history of the repository.
    pub(super) fn of(here: &'a Here, options: &Options) -> Memory<'a> {
        let git = Git::at(&here.root);
        // A work tree that git cannot look at may have changed.
        let changed = tokio::spawn(async move { git.has_changes().await.unwrap_or(true) });
        Memory {
            here,
            history: History::of(&here.root).ok(),
            partial: !options.wanted.is_empty() || !options.matrix.is_empty(),
            changed: Some(changed),
            known: None,
            complained: false,
        }
    }

    /// What is remembered.
    pub(super) fn records(&self) -> Vec<Record> {
        self.history.as_ref().map(History::read).unwrap_or_default()
    }

    /// Remembers a run that is over. When that fails the run is none the worse for it.
    pub(super) async fn keep(
        &mut self,
        place: usize,
        planned: &Planned,
        ended: &Ended,
        conclusion: Conclusion,
        ledger: &Ledger,
    ) {
        let Some(history) = self.history.clone() else { return };
        let changed = self.has_changed().await;
        let call = Call { changed, partial: self.partial };
        let record = record(place, planned, self.here, ended, conclusion, ledger, call);
        if let Err(error) = history.add(&record)
            && !std::mem::replace(&mut self.complained, true)
        {
            talk(&format!("the run is not remembered in {}: {error}", history.folder().display()));
        }
    }

    async fn has_changed(&mut self) -> bool {
        if let Some(task) = self.changed.take() {
            let answer = tokio::time::timeout(PATIENCE, task).await;
            self.known = Some(!matches!(answer, Ok(Ok(false))));
        }
        self.known.unwrap_or(true)
    }
}

/// The record of run number `place`.
fn record(
    place: usize,
    planned: &Planned,
    here: &Here,
    ended: &Ended,
    conclusion: Conclusion,
    ledger: &Ledger,
    call: Call,
) -> Record {
    let mut failed_jobs = 0;
    let mut by_hand = false;
    let jobs = ended.jobs.iter().cloned().map(|job| {
        let entry = ledger.job(place, &job.key);
        by_hand |= entry.is_some_and(|entry| entry.steps.values().any(|step| step.by_hand));
        let mut record = JobRecord {
            job: job.key.0.clone(),
            name: job.name,
            conclusion: job.conclusion.unwrap_or(Conclusion::Skipped).as_str().to_owned(),
            reason: job.reason,
            took_ms: entry.and_then(|entry| entry.took).map(millis),
            failures: Vec::new(),
        };
        if let Some(entry) = entry.filter(|_| failed_jobs < FAILURES) {
            let failed = entry.steps.values().filter_map(|step| {
                let end = step.end.filter(|end| end.outcome == Conclusion::Failure)?;
                Some(failure(planned, record.id(), step, end))
            });
            let mut failed: Vec<FailureRecord> = failed.collect();
            // What made the job fail comes first, and is never the one that there is no room for.
            failed.sort_by_key(|failure| failure.tolerated);
            failed.truncate(FAILURES);
            record.failures = failed;
            failed_jobs += usize::from(!record.failures.is_empty());
            if record.failures.is_empty() && record.conclusion == Conclusion::Failure.as_str() {
                // It failed before or after its steps.
                record.reason = record.reason.or_else(|| entry.complaint.clone());
            }
        }
        record
    });
    let jobs: Vec<JobRecord> = jobs.collect();
    let began = ended.began.unwrap_or(Timestamp::from_micros(0));
    let head = Head {
        id: planned.id,
        workflow: planned.path.clone(),
        name: planned.name.clone(),
        event: planned.plan.event().name.clone(),
        reference: here.reference.clone(),
        sha: here.commit.sha.clone(),
        changed: call.changed,
        partial: call.partial,
        by_hand,
        began: began.as_micros(),
        took_ms: ended.took.map_or(0, millis),
        conclusion: conclusion.as_str().to_owned(),
    };
    Record::new(head, jobs)
}

fn failure(planned: &Planned, job: &str, step: &StepEntry, end: StepEnd) -> FailureRecord {
    let (log, blamed) = (&step.log, step.log.blamed());
    let lines = blamed.map_or_else(|| log.last(LINES), |blamed| blamed.lines.clone());
    let notes = blamed.map_or_else(|| log.notes(), |blamed| blamed.notes.clone());
    let notes: Vec<String> = notes.into_iter().map(|(_, text)| text).collect();
    let inner = log.blamed_within().map(|Blamed { culprit, .. }| InnerRecord {
        step: culprit.name.clone(),
        action: log.command(),
        file: culprit.file.clone(),
        line: culprit.line,
    });
    FailureRecord {
        fingerprint: fingerprint(&planned.path, job, &log.name, &lines, &notes),
        step: log.name.clone(),
        command: blamed.map_or_else(|| log.command(), |blamed| blamed.culprit.command.clone()),
        exit_code: end.exit_code.or(blamed.and_then(|blamed| blamed.culprit.exit_code)),
        inner,
        took_ms: millis(end.took),
        lines,
        notes,
        tolerated: end.tolerated,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
