//! The one way out for what a job says: masks it, dates it, sends it.

use crate::{
    mask::Masker,
    report::{Annotation, Level, Report, ReportKind},
};
use shipway_base::{Clock, Timestamp};
use shipway_workflow::run::JobKey;
use std::collections::BTreeMap;
use tokio::sync::mpsc::{self, error::TrySendError};

/// The log of one attempt of one job. A clone knows the same masks, also those that are added later.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) masker: Masker,
    job: JobKey,
    attempt: u32,
    clock: Clock,
    /// When the output arrived that is being taken apart, for all that it holds: a million lines a second are not worth as
    /// many looks at the clock.
    arrived: Option<Timestamp>,
    reports: mpsc::Sender<Report>,
    /// How many annotations of each kind each step has.
    annotated: BTreeMap<(Option<usize>, Level), usize>,
}

/// As many annotations of one level may a step have, as on GitHub; further ones are in the log only.
const MAX_ANNOTATIONS: usize = 10;
/// The longest text of an annotation, in bytes; the log has all of it.
const MAX_MESSAGE: usize = 4_096;

impl Log {
    pub(crate) fn new(job: JobKey, attempt: u32, clock: Clock, reports: mpsc::Sender<Report>) -> Log {
        Log { masker: Masker::new(), job, attempt, clock, arrived: None, reports, annotated: BTreeMap::new() }
    }

    /// Output has arrived, and what is sent is dated to this moment; or all of it was taken, and the clock is asked again.
    pub(crate) fn output_arrived(&mut self, arrived: bool) {
        self.arrived = arrived.then(|| self.clock.now());
    }

    /// Masks and sends one or more lines.
    pub(crate) async fn line(&mut self, step: Option<usize>, text: &str) {
        self.lines(text, |text| ReportKind::Lines { step, text }).await;
    }

    async fn lines(&mut self, text: &str, kind: impl Fn(String) -> ReportKind) {
        let masked = self.masker.mask(text);
        for line in masked.split('\n') {
            self.send(kind(line.trim_end_matches('\r').to_owned())).await;
        }
    }

    /// Sends lines that are masked already, with a `\n` between each two.
    pub(crate) async fn masked_lines(&mut self, step: Option<usize>, text: String) {
        self.send(ReportKind::Lines { step, text }).await;
    }

    /// Masks and sends an annotation, with a line in the log for it: the one that a problem matcher caught, or its text.
    pub(crate) async fn annotate(&mut self, mut annotation: Annotation) {
        let text = annotation.caught.as_ref().unwrap_or(&annotation.message);
        let (line, step) = (format!("##[{}]{text}", annotation.level.word()), annotation.step);
        annotation.message = self.masker.mask(&annotation.message);
        for text in
            [&mut annotation.title, &mut annotation.file, &mut annotation.code, &mut annotation.caught]
        {
            *text = text.take().map(|text| self.masker.masked(text));
        }
        let count = self.annotated.entry((step, annotation.level)).or_default();
        *count += 1;
        if *count > MAX_ANNOTATIONS {
            return self.line(step, &line).await;
        }
        self.lines(&line, |text| ReportKind::Noted { step, text }).await;
        for text in std::iter::once(&mut annotation.message).chain(&mut annotation.caught) {
            text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        }
        self.send(ReportKind::Annotation(Box::new(annotation))).await;
    }

    /// Sends what holds no text of the job, or only masked text.
    pub(crate) async fn send(&mut self, kind: ReportKind) {
        let at = self.arrived.unwrap_or_else(|| self.clock.now());
        let report = Report { job: self.job.clone(), attempt: self.attempt, at, kind };
        // A million lines find room at once, without the cost of waiting for it.
        let full = match self.reports.try_send(report) {
            Err(TrySendError::Full(report)) => report,
            // When nobody listens any more, the job goes on, since its outcome still counts.
            Ok(()) | Err(TrySendError::Closed(_)) => return,
        };
        let _nobody_listens = self.reports.send(full).await;
    }
}
