//! Events as JSON, one object a line. Every object has `event`; those about a run have `workflow`, its file.

use super::{
    breaks::{Place, Waiting},
    documents::Planned,
    show::{Ended, Show},
};
use serde_json::{Map, Value, json};
use shipway_base::{Diagnostic, Severity};
use shipway_runner::{BreakNews, Culprit, Level, Report, ReportKind, WithinNews};
use shipway_workflow::run::Conclusion;
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

/// Writes events.
pub(super) struct Json<W> {
    out: W,
    paths: Vec<String>,
    /// Which command within an action is to blame, by run, job and step.
    culprits: BTreeMap<(usize, String, usize), Culprit>,
}

impl<W: Write + Send> Json<W> {
    /// Writes to `out`.
    pub(super) fn new(out: W) -> Json<W> {
        Json { out, paths: Vec::new(), culprits: BTreeMap::new() }
    }

    fn about_job(&mut self, run: usize, report: &Report, name: &str, more: &Value) {
        let mut event = json!({
            "event": name, "at": report.at.to_string(), "workflow": self.paths.get(run), "job": report.job.0,
            "attempt": report.attempt,
        });
        if let (Some(event), Some(more)) = (event.as_object_mut(), more.as_object()) {
            event.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        self.write(&event);
    }

    fn write(&mut self, event: &Value) {
        // What cannot be written is no failure of the run: `Output` remembers it.
        let _remembered = writeln!(self.out, "{event}");
    }
}

impl<W: Write + Send> Show for Json<W> {
    fn begin(&mut self, planned: &[Planned]) {
        self.paths = planned.iter().map(|planned| planned.path.clone()).collect();
        for planned in planned {
            let event = planned.plan.event();
            self.write(&json!({
                "event": "run_started", "workflow": planned.path, "name": planned.name, "run_id": planned.id.to_string(),
                "on": event.name, "ref": event.reference, "sha": event.sha, "jobs": planned.plan.order(),
            }));
        }
    }

    fn report(&mut self, run: usize, report: &Report) {
        let (name, more) = match &report.kind {
            ReportKind::JobStarted { name } => ("job_started", json!({ "name": name })),
            ReportKind::StepStarted { index, name } => {
                ("step_started", json!({ "step": index, "name": name }))
            }
            ReportKind::Lines { step, .. } | ReportKind::Noted { step, .. } => {
                for text in report.kind.lines() {
                    self.about_job(run, report, "line", &json!({ "step": step, "text": text }));
                }
                return;
            }
            ReportKind::Within { step, news } => {
                let place = (run, report.job.0.clone(), *step);
                match news {
                    WithinNews::Begins => {}
                    WithinNews::Failed(culprit) => drop(self.culprits.insert(place, (**culprit).clone())),
                    WithinNews::LetGo => drop(self.culprits.remove(&place)),
                }
                return;
            }
            ReportKind::StepFinished { index, outcome, conclusion, exit_code, duration } => {
                let culprit = self.culprits.remove(&(run, report.job.0.clone(), *index)).map(|culprit| {
                    json!({
                        "name": culprit.name, "command": culprit.command, "exit_code": culprit.exit_code,
                        "file": culprit.file, "line": culprit.line,
                    })
                });
                let more = json!({
                    "step": index, "outcome": outcome.as_str(), "conclusion": conclusion.as_str(),
                    "exit_code": exit_code, "duration_ms": millis(*duration), "culprit": culprit,
                });
                ("step_finished", more)
            }
            ReportKind::Annotation(found) => (
                "annotation",
                json!({
                    "step": found.step, "level": level(found.level), "message": found.message, "title": found.title,
                    "file": found.file, "line": found.line, "end_line": found.end_line, "column": found.column,
                    "end_column": found.end_column,
                }),
            ),
            ReportKind::Summary { step, markdown } => {
                ("summary", json!({ "step": step, "markdown": markdown }))
            }
            // An annotation says so, and the end of the run with the job's name.
            ReportKind::JobDisplaced { .. } => return,
            // Told by the desk, which knows the number of the break.
            ReportKind::Break { .. } => return,
            ReportKind::JobFinished { conclusion, duration } => (
                "job_finished",
                json!({ "conclusion": conclusion.as_str(), "duration_ms": millis(*duration) }),
            ),
        };
        self.about_job(run, report, name, &more);
    }

    fn stopped(&mut self, run: usize, report: &Report, waiting: &Waiting) {
        let broken = &waiting.broken;
        let more = json!({
            "break": waiting.id, "step": waiting.place.2, "name": broken.name, "command": broken.command,
            "argv": broken.argv, "exit_code": broken.exit_code, "reason": broken.reason, "last_lines": waiting.lines,
            "file": broken.file, "line": broken.line, "directory": broken.directory.to_string_lossy(),
            "workspace": broken.workspace.to_string_lossy(), "try": broken.tries,
            "commands": ["retry", "exec", "skip", "continue", "abort"],
        });
        self.about_job(run, report, "break", &more);
    }

    fn decided(&mut self, run: usize, report: &Report, index: usize, id: u32, news: &BreakNews) {
        let (name, mut more) = match news {
            BreakNews::Waits => return,
            BreakNews::Done(code) => ("command_done", json!({ "exit_code": code })),
            BreakNews::Refused(why) => ("command_refused", json!({ "message": why })),
            BreakNews::Again => ("break_over", json!({ "decision": "retry" })),
            BreakNews::Skipped => ("break_over", json!({ "decision": "skip" })),
            BreakNews::WentOn => ("break_over", json!({ "decision": "continue" })),
        };
        if let Some(more) = more.as_object_mut() {
            more.insert("break".to_owned(), id.into());
            more.insert("step".to_owned(), index.into());
        }
        self.about_job(run, report, name, &more);
    }

    fn refused(&mut self, why: &str) {
        self.write(&json!({ "event": "command_refused", "message": why }));
    }

    fn tell(&mut self, _text: &str) {}

    fn prompt(&mut self, _question: Option<(&Place, String)>) {}

    fn hold(&mut self, _hold: bool) {}

    fn interrupted(&mut self, times: u32) {
        self.write(&json!({ "event": "interrupted", "times": times }));
    }

    fn end(
        &mut self,
        run: usize,
        ended: &Ended,
        conclusion: Conclusion,
        artifacts: Option<(&Path, &[String])>,
    ) {
        let jobs: Vec<Value> = ended
            .jobs
            .iter()
            .cloned()
            .map(|job| {
                let took = job.started.zip(job.finished).map(|(from, to)| millis(to.since(from)));
                let outputs: Map<String, Value> =
                    job.outputs.into_iter().map(|(name, text)| (name, text.into())).collect();
                json!({
                    "job": job.key.0, "name": job.name, "needs": job.needs,
                    "conclusion": job.conclusion.map(Conclusion::as_str), "reason": job.reason, "duration_ms": took,
                    "continue_on_error": job.continue_on_error, "outputs": outputs,
                })
            })
            .collect();
        let took = ended.took.map(millis);
        let artifacts =
            artifacts.map(|(folder, names)| json!({ "folder": folder.to_string_lossy(), "names": names }));
        self.write(&json!({
            "event": "run_finished", "workflow": self.paths.get(run), "conclusion": conclusion.as_str(),
            "duration_ms": took, "jobs": jobs, "artifacts": artifacts,
        }));
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A finding in a document.
pub(super) fn diagnostic(found: &Diagnostic) -> Value {
    let severity = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    json!({
        "event": "diagnostic", "severity": severity, "code": found.code, "message": found.message, "help": found.help,
        "file": &*found.source.name, "line": found.span.start.line, "column": found.span.start.column,
        "end_line": found.span.end.line, "end_column": found.span.end.column,
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}
