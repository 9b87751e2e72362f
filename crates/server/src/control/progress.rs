//! From a runner's reports to logs, steps and annotations that pages can read.

use super::world::World;
use crate::{backend::Change, web::beginning};
use shipway_api as api;
use shipway_base::Timestamp;
use shipway_runner::{Level, Report, ReportKind};
use shipway_store::{
    LogName, LogWriter, Statement, StoreError,
    models::{
        self, Conclusion, Level as RowLevel, Status,
        jobs::{AnnotationRow, JobTrace, StepRow},
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
}

/// Writes down what a run's jobs report, until the last sender is gone, and tells of each attempt when all of it is written.
/// Blocks: logs are files.
pub(super) fn record(
    world: &Arc<World>,
    ids: (AttemptId, RunId),
    mut reports: mpsc::Receiver<Report>,
    written: &watch::Sender<Written>,
) {
    let runtime = Handle::current();
    let mut attempts: BTreeMap<(String, u32), Attempt> = BTreeMap::new();
    let mut batch = Vec::with_capacity(BATCH);
    while runtime.block_on(reports.recv_many(&mut batch, BATCH)) > 0 {
        let ended: Vec<_> = batch.iter().filter(|report| is_last(report)).map(attempt_of).collect();
        let outcome = handle(world, ids, &mut attempts, batch.drain(..)).and_then(|statements| {
            if statements.is_empty() { Ok(()) } else { runtime.block_on(world.store.batch(statements)) }
        });
        let place = format!("logs of run {}", ids.1);
        match outcome {
            Ok(()) => world.well(&place),
            // The job goes on: its conclusion matters more than its log, and the log says where it was cut.
            Err(error) => world.trouble(&place, error),
        }
        if !ended.is_empty() {
            written.send_modify(|written| written.extend(ended));
        }
    }
}

fn attempt_of(report: &Report) -> (String, u32) {
    (report.job.0.clone(), report.attempt)
}

fn is_last(report: &Report) -> bool {
    matches!(report.kind, ReportKind::JobFinished { .. })
}

fn handle(
    world: &World,
    (run, known_as): (AttemptId, RunId),
    attempts: &mut BTreeMap<(String, u32), Attempt>,
    reports: impl Iterator<Item = Report>,
) -> Result<Vec<Statement>, StoreError> {
    let mut statements = Vec::new();
    let mut touched = BTreeMap::new();
    for report in reports {
        let key = attempt_of(&report);
        if !attempts.contains_key(&key) {
            let log = world.store.logs().writer(&LogName::job(run.number(), &key.0, key.1)?)?;
            statements.push(models::jobs::clear_steps(run, &key.0));
            attempts.insert(
                key.clone(),
                Attempt { log, trace: JobTrace::default(), summary: String::new(), steps: BTreeMap::new() },
            );
        }
        let Some(attempt) = attempts.get_mut(&key) else { continue };
        attempt.take(run, &key.0, &report, &mut statements)?;
        let finished = is_last(&report);
        touched.insert(key.clone(), ());
        if finished && let Some(mut attempt) = attempts.remove(&key) {
            attempt.trace.log_lines = attempt.log.lines();
            if attempt.summary.len() > BEGINNING {
                attempt.trace.summary_blob = Some(world.store.blobs().put(attempt.summary.as_bytes())?);
            }
            statements.push(models::jobs::trace(run, &key.0, &attempt.trace));
            attempt.log.finish()?;
        }
    }
    for (key, ()) in touched {
        if let Some(attempt) = attempts.get_mut(&key) {
            attempt.trace.log_lines = attempt.log.lines();
            statements.push(models::jobs::trace(run, &key.0, &attempt.trace));
        }
        if let Ok(job) = api::JobKey::new(key.0) {
            world.changed(Change::Log(known_as.into(), job));
        }
    }
    world.changed(Change::Run(known_as.into()));
    Ok(statements)
}

impl Attempt {
    fn take(
        &mut self,
        run: AttemptId,
        job: &str,
        report: &Report,
        statements: &mut Vec<Statement>,
    ) -> Result<(), StoreError> {
        match &report.kind {
            // Jobs of a server wait for nobody at a failed step.
            ReportKind::JobStarted { .. } | ReportKind::JobFinished { .. } | ReportKind::Break { .. } => {}
            ReportKind::StepStarted { index, name } => {
                let row = StepRow {
                    run,
                    job: job.to_owned(),
                    index: small(*index),
                    name: name.clone(),
                    status: Status::InProgress,
                    conclusion: None,
                    exit_code: None,
                    started_at: Some(report.at),
                    finished_at: None,
                    first_line: None,
                };
                statements.push(models::jobs::put_step(&row));
                self.steps.insert(*index, row);
            }
            ReportKind::Lines { step, text } | ReportKind::Noted { step, text } => {
                self.lines(*step, text, report.at, statements)?;
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
        Ok(())
    }

    fn lines(
        &mut self,
        step: Option<usize>,
        text: &str,
        at: Timestamp,
        statements: &mut Vec<Statement>,
    ) -> Result<(), StoreError> {
        let number = self.log.lines() + 1;
        let index = step.unwrap_or_default();
        self.log.append(at, small(index), text.split('\n'))?;
        if let Some(place) = text.split('\n').position(|line| line.starts_with("##[error]")) {
            self.trace.error_line.get_or_insert(number + place as u64);
        }
        if let Some(row) = self.steps.get_mut(&index)
            && row.first_line.is_none()
        {
            row.first_line = Some(number);
            statements.push(models::jobs::put_step(row));
        }
        Ok(())
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
