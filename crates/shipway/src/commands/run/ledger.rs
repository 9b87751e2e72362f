//! What is known of each job and step of the runs under way: when they began, what they said last, how they ended.

use super::{jobs::Jobs, steplog::StepLog};
use shipway_base::Timestamp;
use shipway_runner::{BreakNews, Level, Report, ReportKind};
use shipway_workflow::run::{Conclusion, JobKey};
use std::{collections::BTreeMap, time::Duration};

/// All jobs of all runs.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    jobs: Jobs<JobEntry>,
}

/// A job.
#[derive(Debug)]
pub(super) struct JobEntry {
    /// The name shown to people.
    pub(super) name: String,
    /// When it began.
    pub(super) began: Timestamp,
    /// How long it took, once it is over.
    pub(super) took: Option<Duration>,
    /// The first error that belongs to no step, such as an action that cannot be fetched.
    pub(super) complaint: Option<String>,
    /// Its steps, by their numbers.
    pub(super) steps: BTreeMap<usize, StepEntry>,
}

/// A step.
#[derive(Debug)]
pub(super) struct StepEntry {
    /// When it began.
    pub(super) began: Timestamp,
    /// What it said; of steps that did not fail nothing but the name, once they are over.
    pub(super) log: StepLog,
    /// What it came to.
    pub(super) end: Option<StepEnd>,
    /// Whether it was begun again or skipped by hand.
    pub(super) by_hand: bool,
}

/// How a step ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepEnd {
    /// What it came to by itself.
    pub(super) outcome: Conclusion,
    /// Whether `continue-on-error` let the job go on although it failed.
    pub(super) tolerated: bool,
    /// The exit code of its process.
    pub(super) exit_code: Option<i32>,
    /// How long it took.
    pub(super) took: Duration,
}

impl Ledger {
    /// Takes a report of a run.
    pub(super) fn take(&mut self, run: usize, report: &Report) {
        if let ReportKind::JobStarted { name } = &report.kind {
            let name = name.clone();
            let entry =
                JobEntry { name, began: report.at, took: None, complaint: None, steps: BTreeMap::new() };
            self.jobs.insert(run, report.job.clone(), entry);
            return;
        }
        let Some(job) = self.jobs.get_mut(run, &report.job) else { return };
        match &report.kind {
            // What is noted comes again as an annotation.
            ReportKind::JobStarted { .. } | ReportKind::Summary { .. } | ReportKind::Noted { .. } => {}
            // Of which nothing is known here.
            ReportKind::JobDisplaced { .. } => {}
            ReportKind::StepStarted { index, name } => {
                let log = StepLog::new(name);
                job.steps.insert(*index, StepEntry { began: report.at, log, end: None, by_hand: false });
            }
            ReportKind::Lines { step, text } => {
                if let Some(step) = step.and_then(|step| job.steps.get_mut(&step)) {
                    step.log.hear_all(text);
                }
            }
            ReportKind::Annotation(found) => match found.step.and_then(|step| job.steps.get_mut(&step)) {
                Some(step) => step.log.note(found),
                None if found.step.is_none() && found.level == Level::Error => {
                    job.complaint.get_or_insert_with(|| found.message.clone());
                }
                None => {}
            },
            ReportKind::StepFinished { index, outcome, conclusion, exit_code, duration } => {
                if let Some(step) = job.steps.get_mut(index) {
                    let tolerated = *outcome == Conclusion::Failure && *conclusion != Conclusion::Failure;
                    step.end = Some(StepEnd {
                        outcome: *outcome,
                        tolerated,
                        exit_code: *exit_code,
                        took: *duration,
                    });
                    if *outcome != Conclusion::Failure {
                        step.log = StepLog::new(&step.log.name);
                    }
                }
            }
            ReportKind::Within { step, news } => {
                if let Some(step) = job.steps.get_mut(step) {
                    step.log.within(news);
                }
            }
            ReportKind::Break { index, news } => {
                if let Some(step) = job.steps.get_mut(index) {
                    step.decided(news, report.at);
                }
            }
            ReportKind::JobFinished { duration, .. } => job.took = Some(*duration),
        }
    }

    /// The last lines of a step, at most so many.
    pub(super) fn last(&self, run: usize, job: &JobKey, step: usize, count: usize) -> Vec<String> {
        let step = self.job(run, job).and_then(|job| job.steps.get(&step));
        step.map(|step| step.log.last(count)).unwrap_or_default()
    }

    /// A job.
    pub(super) fn job(&self, run: usize, job: &JobKey) -> Option<&JobEntry> {
        self.jobs.get(run, job)
    }

    /// The jobs of a run that have begun.
    pub(super) fn jobs(&self, run: usize) -> impl Iterator<Item = (&JobKey, &JobEntry)> {
        self.jobs.of(run)
    }
}

impl JobEntry {
    /// The step that began last of those that still run.
    pub(super) fn running(&self) -> Option<&StepEntry> {
        self.steps.values().rev().find(|step| step.end.is_none())
    }
}

impl StepEntry {
    fn decided(&mut self, news: &BreakNews, at: Timestamp) {
        match news {
            BreakNews::Again => {
                self.by_hand = true;
                self.began = at;
                self.log = StepLog::new(&self.log.name);
            }
            BreakNews::Skipped => self.by_hand = true,
            BreakNews::Waits | BreakNews::Done(_) | BreakNews::Refused(_) | BreakNews::WentOn => {}
        }
    }
}
