//! What the steps of the runs under way said last.

use super::steplog::StepLog;
use shipway_runner::{BreakNews, Report, ReportKind};
use shipway_workflow::run::JobKey;
use std::collections::BTreeMap;

/// All steps that run.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    steps: BTreeMap<(usize, JobKey, usize), StepLog>,
}

impl Ledger {
    /// Takes a report of a run.
    pub(super) fn take(&mut self, run: usize, report: &Report) {
        let key = |step: usize| (run, report.job.clone(), step);
        match &report.kind {
            ReportKind::StepStarted { index, name } => {
                self.steps.insert(key(*index), StepLog::new(name));
            }
            ReportKind::Line { step: Some(step), text } => {
                if let Some(log) = self.steps.get_mut(&key(*step)) {
                    let _shown = log.hear(text);
                }
            }
            ReportKind::Break { index, news: BreakNews::Again } => {
                if let Some(log) = self.steps.get_mut(&key(*index)) {
                    *log = StepLog::new(&log.name);
                }
            }
            ReportKind::StepFinished { index, .. } => {
                self.steps.remove(&key(*index));
            }
            ReportKind::Line { step: None, .. }
            | ReportKind::Break { .. }
            | ReportKind::Annotation(_)
            | ReportKind::Summary { .. }
            | ReportKind::JobStarted { .. }
            | ReportKind::JobFinished { .. } => {}
        }
    }

    /// The last lines of a step that runs, at most so many.
    pub(super) fn last(&self, run: usize, job: &JobKey, step: usize, count: usize) -> Vec<String> {
        self.steps.get(&(run, job.clone(), step)).map(|log| log.last(count)).unwrap_or_default()
    }
}
