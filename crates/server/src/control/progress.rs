//! From a runner's reports to logs, steps and annotations that pages can read.

use super::{runs::AGAIN, world::World};
use crate::{backend::Change, web::beginning};
use shipway_api as api;
use shipway_base::{Timestamp, one_line};
use shipway_runner::{Culprit, Level, Report, ReportKind, WithinNews};
use shipway_store::{
    LogName, LogWriter, Statement, StoreError,
    models::{
        self, Conclusion, Level as RowLevel, Status,
        jobs::{AnnotationRow, Culprit as CulpritRow, JobTrace, StepRow},
        runs::{AttemptId, RunId},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};

/// Reports handled in one go; one transaction and one wake-up for all of them.
const BATCH: usize = 512;

/// So many bytes of a job's summary are in its row, which every page of its run reads; all of a longer one is a blob.
const BEGINNING: usize = 16 << 10;

/// So many bytes of the summaries of its steps a job keeps, 20 of the longest.
const MOST_SUMMARY: usize = 20 << 20;

/// What stands where summaries are left out.
const LEFT_OUT: &str = "\n\nThe summaries of later steps are left out: a job keeps 20 MiB of them.\n";

/// The attempts of jobs whose last report is written down.
pub(super) type Written = BTreeSet<(String, u32)>;

/// What is known of one attempt of a job while it runs.
struct Attempt {
    log: LogWriter,
    trace: JobTrace,
    /// All of its summary; the row has the beginning.
    summary: String,
    steps: BTreeMap<usize, StepRow>,
    /// Where in the log the command begins that runs within an action, by its step.
    within: BTreeMap<usize, u64>,
}

/// Writes down what a run's jobs report, until the last sender is gone, and tells of each attempt when all of it is written.
/// Blocks: logs are files. While the disk is full it waits, and so do the jobs that have more to say.
pub(super) fn record(
    world: &Arc<World>,
    ids: (AttemptId, RunId),
    mut reports: mpsc::Receiver<Report>,
    written: &watch::Sender<Written>,
) {
    let place = format!("logs of run {}", ids.1);
    let mut recorder =
        Recorder { world, ids, place, runtime: Handle::current(), attempts: BTreeMap::new(), whole: true };
    let mut batch = Vec::with_capacity(BATCH);
    while recorder.runtime.block_on(reports.recv_many(&mut batch, BATCH)) > 0 {
        let ended: Vec<_> = batch.iter().filter(|report| is_last(report)).map(attempt_of).collect();
        recorder.take_all(batch.drain(..));
        if !ended.is_empty() {
            written.send_modify(|written| written.extend(ended));
        }
    }
}

/// Who writes down what the jobs of one run report.
struct Recorder<'w> {
    world: &'w Arc<World>,
    ids: (AttemptId, RunId),
    /// What this is called on the health page.
    place: String,
    runtime: Handle,
    attempts: BTreeMap<(String, u32), Attempt>,
    /// Whether all that came at once was written down.
    whole: bool,
}

impl Recorder<'_> {
    fn take_all(&mut self, reports: impl Iterator<Item = Report>) {
        let mut statements = Vec::new();
        let mut touched = BTreeSet::new();
        self.whole = true;
        for report in reports {
            // The job goes on whatever becomes of its log: its conclusion matters more.
            let _told = self.take(&report, &mut statements);
            touched.insert(attempt_of(&report));
        }
        let (run, known_as) = self.ids;
        for key in touched {
            if let Some(attempt) = self.attempts.get_mut(&key) {
                attempt.trace.log_lines = attempt.log.lines();
                statements.push(models::jobs::trace(run, &key.0, &attempt.trace));
            }
            if let Ok(job) = api::JobKey::new(key.0) {
                self.world.changed(Change::Log(known_as.into(), job));
            }
        }
        if !statements.is_empty() {
            let (world, runtime) = (self.world, self.runtime.clone());
            let _told = self.patiently(|_| runtime.block_on(world.store.batch(statements.clone())));
        }
        if self.whole {
            self.world.well(&self.place);
        }
        self.world.changed(Change::Run(known_as.into()));
    }

    fn take(&mut self, report: &Report, statements: &mut Vec<Statement>) -> Option<()> {
        let (world, run) = (self.world, self.ids.0);
        let key = attempt_of(report);
        if !self.attempts.contains_key(&key) {
            let log =
                self.patiently(|_| world.store.logs().writer(&LogName::job(run.number(), &key.0, key.1)?))?;
            statements.push(models::jobs::clear_steps(run, &key.0));
            let (trace, summary, steps, within) = Default::default();
            self.attempts.insert(key.clone(), Attempt { log, trace, summary, steps, within });
        }
        if let ReportKind::Lines { step, text } | ReportKind::Noted { step, text } = &report.kind {
            self.lines(&key, *step, text, report.at, statements)?;
        }
        self.attempts.get_mut(&key)?.take(run, &key.0, report, statements);
        if is_last(report) {
            self.patiently(|attempts| attempts.get_mut(&key).map_or(Ok(()), |attempt| attempt.log.finish()))?;
            let mut attempt = self.attempts.remove(&key)?;
            attempt.trace.log_lines = attempt.log.lines();
            if attempt.summary.len() > BEGINNING {
                attempt.trace.summary_blob =
                    self.patiently(|_| world.store.blobs().put(attempt.summary.as_bytes()));
            }
            statements.push(models::jobs::trace(run, &key.0, &attempt.trace));
        }
        Some(())
    }

    /// Appends lines to the log of an attempt.
    fn lines(
        &mut self,
        key: &(String, u32),
        step: Option<usize>,
        text: &str,
        at: Timestamp,
        statements: &mut Vec<Statement>,
    ) -> Option<()> {
        let index = step.unwrap_or_default();
        let attempt = self.attempts.get_mut(key)?;
        let number = attempt.log.lines() + 1;
        self.patiently(|attempts| {
            let Some(attempt) = attempts.get_mut(key) else { return Ok(()) };
            // When the disk was full some of them may have been kept.
            let kept = usize::try_from(attempt.log.lines() + 1 - number).unwrap_or(usize::MAX);
            attempt.log.append(at, small(index), text.split('\n').skip(kept))
        })?;
        let attempt = self.attempts.get_mut(key)?;
        if let Some(place) = text.split('\n').position(|line| line.starts_with("##[error]")) {
            attempt.trace.error_line.get_or_insert(number + place as u64);
        }
        if let Some(row) = attempt.steps.get_mut(&index)
            && row.first_line.is_none()
        {
            row.first_line = Some(number);
            statements.push(models::jobs::put_step(row));
        }
        Some(())
    }

    /// Writes something down: again and again while the disk is full, until the server stops. Any other failure is told, and
    /// `None` comes of it.
    fn patiently<T>(
        &mut self,
        mut write: impl FnMut(&mut BTreeMap<(String, u32), Attempt>) -> Result<T, StoreError>,
    ) -> Option<T> {
        loop {
            let error = match write(&mut self.attempts) {
                Ok(done) => return Some(done),
                Err(error) => error,
            };
            let again = error.is_full() && !self.world.stopping.is_cancelled();
            self.world.trouble(&self.place, error);
            if !again {
                self.whole = false;
                return None;
            }
            let stopping = self.world.stopping.cancelled();
            self.runtime.block_on(async {
                tokio::select! { () = stopping => {}, () = tokio::time::sleep(AGAIN) => {} }
            });
        }
    }
}

fn attempt_of(report: &Report) -> (String, u32) {
    (report.job.0.clone(), report.attempt)
}

fn is_last(report: &Report) -> bool {
    matches!(report.kind, ReportKind::JobFinished { .. })
}

impl Attempt {
    fn take(&mut self, run: AttemptId, job: &str, report: &Report, statements: &mut Vec<Statement>) {
        match &report.kind {
            // Jobs of a server wait for nobody at a failed step.
            ReportKind::JobStarted { .. } | ReportKind::JobFinished { .. } | ReportKind::Break { .. } => {}
            ReportKind::JobDisplaced { reason, .. } => {
                statements.push(models::jobs::tell_reason(run, job, reason));
            }
            ReportKind::Lines { .. } | ReportKind::Noted { .. } => {}
            ReportKind::StepStarted { index, name } => {
                let row = StepRow {
                    run,
                    job: job.to_owned(),
                    index: small(*index),
                    name: one_line(name),
                    status: Status::InProgress,
                    conclusion: None,
                    exit_code: None,
                    started_at: Some(report.at),
                    finished_at: None,
                    first_line: None,
                    culprit: None,
                };
                statements.push(models::jobs::put_step(&row));
                self.steps.insert(*index, row);
            }
            ReportKind::StepFinished { index, conclusion, exit_code, .. } => {
                if let Some(row) = self.steps.get_mut(index) {
                    row.status = Status::Completed;
                    row.conclusion = Some(conclusion_row(*conclusion));
                    row.exit_code = exit_code.map(i64::from);
                    row.finished_at = Some(report.at);
                    statements.push(models::jobs::put_step(row));
                }
            }
            ReportKind::Within { step, news } => self.take_within(*step, news, statements),
            ReportKind::Annotation(annotation) => {
                statements.push(models::jobs::annotate(&AnnotationRow {
                    run,
                    job: job.to_owned(),
                    level: match annotation.level {
                        Level::Notice => RowLevel::Notice,
                        Level::Warning => RowLevel::Warning,
                        Level::Error => RowLevel::Error,
                    },
                    title: annotation.title.clone(),
                    message: annotation.message.clone(),
                    file: annotation.file.clone(),
                    line: annotation.line,
                }));
            }
            ReportKind::Summary { markdown, .. } => {
                let summary = &mut self.summary;
                if summary.len() + markdown.len() > MOST_SUMMARY {
                    if !summary.ends_with(LEFT_OUT) {
                        summary.push_str(LEFT_OUT);
                    }
                } else {
                    if !summary.is_empty() {
                        summary.push_str("\n\n");
                    }
                    summary.push_str(markdown);
                }
                self.trace.summary = Some(beginning(summary, BEGINNING).to_owned());
                self.trace.summary_bytes = summary.len() as u64;
            }
        }
    }
}

impl Attempt {
    /// What happens within a composite action, or in the post part of one.
    fn take_within(&mut self, step: usize, news: &WithinNews, statements: &mut Vec<Statement>) {
        let lines = self.log.lines();
        let Some(row) = self.steps.get_mut(&step) else { return };
        match news {
            WithinNews::Begins => {
                self.within.insert(step, lines + 1);
                return;
            }
            WithinNews::Failed(culprit) => {
                let Culprit { name, command, exit_code, file, line } = &**culprit;
                let begun = self.within.get(&step).copied();
                row.culprit = Some(CulpritRow {
                    name: one_line(name),
                    command: command.clone(),
                    exit_code: *exit_code,
                    file: file.clone(),
                    line: *line,
                    first_line: begun.or(row.first_line).unwrap_or(lines + 1),
                    last_line: lines,
                });
            }
            WithinNews::LetGo => row.culprit = None,
        }
        statements.push(models::jobs::put_step(row));
    }
}

/// A conclusion as rows spell it.
pub(super) fn conclusion_row(conclusion: shipway_workflow::run::Conclusion) -> Conclusion {
    match conclusion {
        shipway_workflow::run::Conclusion::Success => Conclusion::Success,
        shipway_workflow::run::Conclusion::Failure => Conclusion::Failure,
        shipway_workflow::run::Conclusion::Cancelled => Conclusion::Cancelled,
        shipway_workflow::run::Conclusion::Skipped => Conclusion::Skipped,
    }
}

fn small(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
