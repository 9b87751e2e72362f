//! Runs as lines of text: one for each step, the end of the log of those that fail, and a summary.
//!
//! Every line begins with the name of its job and is written whole, so that jobs that run at once do not garble each
//! other. On a terminal a step is also told when it begins.

use super::{
    breaks::{Place, Waiting},
    documents::Planned,
    held::Held,
    jobs::Jobs,
    lines::{Style, Tone},
    show::{Ended, Show},
    steplog::{Blamed, StepLog, words},
    summary::{self, Failed},
};
use shipway_base::human_duration;
use shipway_runner::{Annotation, BreakNews, Level, Report, ReportKind};
use shipway_workflow::run::{Conclusion, JobKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::Path,
    time::Duration,
};

/// Writes lines.
pub(super) struct Plain<W> {
    out: Held<W>,
    how: How,
    runs: Vec<String>,
    jobs: Jobs<Told>,
}

/// What is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// Colours.
    pub(super) style: Style,
    /// Whether somebody watches: steps are told when they begin.
    pub(super) live: bool,
    /// Whether all logs are shown.
    pub(super) verbose: bool,
}

/// What is known of a job.
#[derive(Debug, Default)]
struct Told {
    prefix: String,
    steps: BTreeMap<usize, StepLog>,
    /// What was said while no step ran: of images, containers and services.
    around: StepLog,
    failed: Option<Failed>,
    /// The first step that was stopped, which is no reason for a failure.
    stopped: Option<Failed>,
    summaries: Vec<(usize, String)>,
    /// The steps whose failure was told when they stopped.
    told: BTreeSet<usize>,
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`.
    pub(super) fn new(out: W, how: How) -> Plain<W> {
        Plain { out: Held::new(out), how, runs: Vec::new(), jobs: Jobs::default() }
    }

    fn line(&mut self, prefix: &str, text: &str) {
        self.out.line(&format!("{prefix}{text}"));
    }

    fn job(&mut self, run: usize, job: &JobKey) -> &mut Told {
        // Whatever is said of a job comes after its name.
        let unnamed = || Told { prefix: format!("{job} | "), ..Told::default() };
        self.jobs.get_or_insert_with(run, job.clone(), unnamed)
    }

    fn prefix(&self, run: usize, job: &JobKey) -> String {
        self.jobs.get(run, job).map(|told| told.prefix.clone()).unwrap_or_default()
    }

    /// What the lines of a job begin with.
    fn label(&self, run: usize, name: &str) -> String {
        let workflow = match self.runs.get(run) {
            Some(workflow) if self.runs.len() > 1 => format!("{workflow} / "),
            Some(_) | None => String::new(),
        };
        let name = self.how.style.clean(name);
        format!("{} ", self.how.style.paint(Tone::Faint, &format!("{workflow}{name} |")))
    }

    fn job_started(&mut self, run: usize, report: &Report, name: &str) {
        let prefix = self.label(run, name);
        if report.attempt > 1 {
            self.line(&prefix, &format!("attempt {}: the one before was lost", report.attempt));
        }
        self.jobs.insert(run, report.job.clone(), Told { prefix, ..Told::default() });
    }

    fn log_lines(&mut self, run: usize, job: &JobKey, step: Option<usize>, text: &str) {
        let style = self.how.style;
        // Only a job that has begun says anything.
        let Some(told) = self.jobs.get_mut(run, job) else { return };
        let log = match step {
            None => &mut told.around,
            Some(step) => match told.steps.get_mut(&step) {
                Some(log) => log,
                None => return,
            },
        };
        if !self.how.verbose {
            return log.hear_all(text);
        }
        for shown in text.split('\n').filter_map(|line| log.hear(line)) {
            self.out.line(&format!("{}    {}", told.prefix, style.clean(&shown.to_string())));
        }
    }

    fn annotation(&mut self, run: usize, job: &JobKey, found: &Annotation) {
        let (style, verbose) = (self.how.style, self.how.verbose);
        let told = self.job(run, job);
        if found.level == Level::Error && found.step.is_none() && !verbose {
            // What led to it, such as the last words of a service that is sick.
            let (prefix, around) = (told.prefix.clone(), std::mem::take(&mut told.around));
            for line in around.last_lines() {
                self.line(&prefix, &format!("    {}", style.clean(&line)));
            }
        }
        let told = self.job(run, job);
        let log = found.step.and_then(|step| told.steps.get_mut(&step));
        let told_later = log.is_some() && !verbose;
        // The last lines of the run name it in any case.
        if let Some(log) = log {
            log.note(found);
        }
        if !told_later {
            let prefix = told.prefix.clone();
            self.note(&prefix, found.level, &words(found));
        }
        if found.level == Level::Error && found.step.is_none() {
            // All of it was told just now.
            let failed = Failed { step: None, why: brief(found) };
            self.job(run, job).failed.get_or_insert(failed);
        }
    }

    fn note(&mut self, prefix: &str, level: Level, text: &str) {
        let tone = match level {
            Level::Notice => Tone::Faint,
            Level::Warning => Tone::Warn,
            Level::Error => Tone::Bad,
        };
        for line in text.lines() {
            let line = self.how.style.paint(tone, &self.how.style.clean(line));
            self.line(prefix, &format!("    {line}"));
        }
    }

    fn step_finished(&mut self, run: usize, job: &JobKey, index: usize, end: &StepEnd) {
        let told = self.job(run, job);
        let log = told.steps.remove(&index).unwrap_or_default();
        let prefix = told.prefix.clone();
        let told_before = told.told.remove(&index);
        let failed = end.outcome == Conclusion::Failure;
        let blamed = log.blamed();
        let within = log.blamed_within().map(Blamed::words);
        let named = || {
            let within = within.as_ref().map(|within| format!(": {within}")).unwrap_or_default();
            Some(format!("{}{within}", log.name))
        };
        if end.conclusion == Conclusion::Failure && told.failed.is_none() {
            let code = end.exit_code.or(blamed.and_then(|it| it.culprit.exit_code));
            let why = match (code, log.last_error()) {
                (Some(code), _) if code != 0 => format!("exit code {code}"),
                (Some(_) | None, Some(text)) => text.to_owned(),
                (Some(_) | None, None) => "it failed".to_owned(),
            };
            told.failed = Some(Failed { step: named(), why });
        }
        if let (Conclusion::Cancelled, Some(why), None) = (end.conclusion, log.last_error(), &told.stopped) {
            told.stopped = Some(Failed { step: named(), why: why.to_owned() });
        }
        let style = self.how.style;
        let word = match (end.outcome, end.conclusion) {
            (Conclusion::Failure, _) => style.paint(Tone::Bad, "failed "),
            (_, Conclusion::Success) => style.paint(Tone::Good, "ok     "),
            (_, Conclusion::Failure) => style.paint(Tone::Bad, "failed "),
            (_, Conclusion::Cancelled) => style.paint(Tone::Warn, "stopped"),
            (_, Conclusion::Skipped) => style.paint(Tone::Faint, "skipped"),
        };
        let mut facts = Vec::new();
        if end.outcome != Conclusion::Skipped {
            facts.push(human_duration(end.took));
        }
        if let Some(code) = end.exit_code.filter(|code| *code != 0) {
            facts.push(format!("exit code {code}"));
        }
        if failed && end.conclusion == Conclusion::Success {
            facts.push("continue-on-error".to_owned());
        }
        let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
        let name = style.clean(&log.name);
        self.line(&prefix, &format!("{word} {name}{}", style.paint(Tone::Faint, &facts)));
        if self.how.verbose || told_before {
            return;
        }
        if failed || end.outcome == Conclusion::Cancelled {
            if let Some(within) = within {
                self.line(&prefix, &format!("    failed at {}", style.clean(&within)));
            }
            for line in log.last_lines() {
                self.line(&prefix, &format!("    {}", style.clean(&line)));
            }
        }
        for (level, text) in log.notes() {
            self.note(&prefix, level, &text);
        }
    }
}

/// What an annotation says, in short: without the place that stands before it and the advice in brackets behind it.
fn brief(found: &Annotation) -> String {
    let placed = found.file.as_ref().and_then(|file| found.message.strip_prefix(file.as_str()));
    let message = placed.and_then(|rest| rest.split_once(": ")).map_or(&*found.message, |(_, words)| words);
    let first = message.lines().next().unwrap_or_default();
    without_advice(first).to_owned()
}

/// A text without the brackets that end it.
fn without_advice(text: &str) -> &str {
    let mut open = 0;
    for (at, character) in text.char_indices().rev() {
        match character {
            ')' => open += 1,
            '(' => open -= 1,
            _ if open == 0 => return text,
            _ => {}
        }
        if open == 0 {
            return text[..at].strip_suffix(' ').filter(|words| !words.is_empty()).unwrap_or(text);
        }
    }
    text
}

/// How a step ended.
struct StepEnd {
    outcome: Conclusion,
    conclusion: Conclusion,
    exit_code: Option<i32>,
    took: Duration,
}

impl<W: Write + Send> Show for Plain<W> {
    fn begin(&mut self, planned: &[Planned]) {
        self.runs = planned.iter().map(|planned| planned.name.clone()).collect();
        for planned in planned {
            let title = planned.plan.run_name(&planned.context).ok().flatten();
            let title = title.map(|title| format!(": {title}")).unwrap_or_default();
            let text = self.how.style.clean(&format!("{}{title}", planned.headline()));
            self.line("", &text);
        }
    }

    fn report(&mut self, run: usize, report: &Report) {
        let job = &report.job;
        match &report.kind {
            ReportKind::JobStarted { name } => self.job_started(run, report, name),
            ReportKind::JobDisplaced { name, .. } => {
                // One that runs has a label already.
                let prefix = self.label(run, name);
                let new = || Told { prefix, ..Told::default() };
                self.jobs.get_or_insert_with(run, job.clone(), new);
            }
            ReportKind::StepStarted { index, name } => {
                let live = self.how.live;
                let told = self.job(run, job);
                told.steps.insert(*index, StepLog::new(name));
                if live {
                    let prefix = told.prefix.clone();
                    let name = self.how.style.clean(name);
                    let text = self.how.style.paint(Tone::Faint, &format!("...     {name}"));
                    self.line(&prefix, &text);
                }
            }
            ReportKind::Lines { step, text } => self.log_lines(run, job, *step, text),
            // It comes again as an annotation.
            ReportKind::Noted { .. } => {}
            ReportKind::StepFinished { index, outcome, conclusion, exit_code, duration } => {
                let end = StepEnd {
                    outcome: *outcome,
                    conclusion: *conclusion,
                    exit_code: *exit_code,
                    took: *duration,
                };
                self.step_finished(run, job, *index, &end);
            }
            ReportKind::Annotation(found) => self.annotation(run, job, found),
            ReportKind::Summary { step, markdown } => {
                self.job(run, job).summaries.push((*step, markdown.clone()));
            }
            ReportKind::Within { step, news } => {
                if let Some(log) = self.job(run, job).steps.get_mut(step) {
                    log.within(news);
                }
            }
            // Told by the desk.
            ReportKind::Break { .. } => {}
            ReportKind::JobFinished { .. } => {
                let told = self.job(run, job);
                let summaries = std::mem::take(&mut told.summaries);
                let prefix = self.prefix(run, job);
                for line in summaries.iter().flat_map(|(_, text)| text.lines()) {
                    let line = self.how.style.clean(line);
                    self.line(&prefix, &format!("summary {line}"));
                }
            }
        }
    }

    fn interrupted(&mut self, _times: u32) {}

    fn stopped(&mut self, run: usize, report: &Report, waiting: &Waiting) {
        let (broken, step) = (&waiting.broken, waiting.place.2);
        let (style, verbose) = (self.how.style, self.how.verbose);
        let told = self.job(run, &report.job);
        told.told.insert(step);
        let prefix = told.prefix.clone();
        let mut facts = Vec::new();
        if let Some(log) = told.steps.get(&step).filter(|_| !verbose) {
            facts.extend(log.last_lines());
            facts.extend(log.notes().into_iter().map(|(_, text)| text));
        }
        let why = match (broken.exit_code, &broken.reason) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(reason)) => reason.clone(),
            (None, None) => "it failed".to_owned(),
        };
        let again = if broken.tries > 1 { format!(", try {}", broken.tries) } else { String::new() };
        let name = style.clean(&broken.name);
        let word = style.paint(Tone::Bad, "stopped");
        self.line(&prefix, &format!("{word} at {name} ({}{again})", style.clean(&why)));
        for fact in facts.iter().flat_map(|fact| fact.lines()) {
            self.line(&prefix, &format!("    {}", style.clean(fact)));
        }
        self.line(&prefix, &format!("  at   {}:{}", style.clean(&broken.file), broken.line));
        self.line(&prefix, &format!("  in   {}", style.clean(&broken.directory.display().to_string())));
        for (number, line) in broken.command.lines().enumerate() {
            let label = if number == 0 { "  ran  " } else { "       " };
            self.line(&prefix, &format!("{label}{}", style.clean(line)));
        }
    }

    fn decided(&mut self, run: usize, report: &Report, index: usize, _id: u32, news: &BreakNews) {
        let told = self.job(run, &report.job);
        let prefix = told.prefix.clone();
        let text = match news {
            BreakNews::Waits | BreakNews::Done(None) => return,
            BreakNews::Done(Some(code)) => format!("the shell ended with exit code {code}"),
            BreakNews::Refused(why) => why.clone(),
            BreakNews::Again => {
                told.told.remove(&index);
                told.summaries.retain(|(step, _)| *step != index);
                if let Some(log) = told.steps.get_mut(&index) {
                    *log = StepLog::new(&log.name);
                }
                "trying it again".to_owned()
            }
            BreakNews::Skipped => "skipped by hand: it counts as successful".to_owned(),
            BreakNews::WentOn => "going on: the failure counts".to_owned(),
        };
        let text = self.how.style.clean(&text);
        self.line(&prefix, &format!("  {text}"));
    }

    fn refused(&mut self, why: &str) {
        self.tell(why);
    }

    fn tell(&mut self, text: &str) {
        for line in text.lines() {
            let line = self.how.style.clean(line);
            self.line("", &line);
        }
    }

    fn prompt(&mut self, question: Option<(&Place, String)>) {
        // Steps of several jobs may have one name.
        let question = question.map(|((run, job, _), question)| {
            format!("{}{}", self.prefix(*run, job), self.how.style.clean(&question))
        });
        self.out.prompt(question);
    }

    fn hold(&mut self, hold: bool) {
        self.out.hold(hold);
    }

    fn end(
        &mut self,
        run: usize,
        ended: &Ended,
        conclusion: Conclusion,
        artifacts: Option<(&Path, &[String])>,
    ) {
        let name = self.runs.get(run).cloned().unwrap_or_default();
        let failed = |job: &JobKey| {
            let told = self.jobs.get(run, job)?;
            told.failed.clone().or_else(|| told.stopped.clone())
        };
        let lines = summary::lines(&name, ended, conclusion, artifacts, failed, self.how.style);
        for line in lines {
            self.line("", &line);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_advice_goes() {
        let check = |text: &str, expect: &str| assert_eq!(without_advice(text), expect);
        check(
            "the service \"s\" (base:1) is sick (look at its log (or not))",
            "the service \"s\" (base:1) is sick",
        );
        check("it ended (badly) at once", "it ended (badly) at once");
        check("f() fails in g()", "f() fails in g()");
        for text in ["", "()", "(all of it)", "a)", "(a"] {
            check(text, text);
        }
    }
}
