//! What a running job tells the world, in the order in which it happened.

use shipway_base::Timestamp;
use shipway_workflow::run::{Conclusion, JobKey};
use std::time::Duration;

/// One piece of news about one attempt of one job. Every text in it is already masked.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The job.
    pub job: JobKey,
    /// Its attempt, from 1.
    pub attempt: u32,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: ReportKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum ReportKind {
    /// The job begins; its folders are not there yet.
    JobStarted {
        /// The name shown to people.
        name: String,
    },
    /// The place of the job in a concurrency group was taken: that follows as an [`Annotation`](ReportKind::Annotation). A job that
    /// runs is stopped; one that has not begun never will, and [`JobFinished`](ReportKind::JobFinished) is next.
    JobDisplaced {
        /// The name shown to people.
        name: String,
        /// Why, as one sentence for people.
        reason: String,
    },
    /// A step begins. Steps count from 0 in the order in which they run, post steps of actions included, so an
    /// index may be one that the document does not have.
    StepStarted {
        /// The step.
        index: usize,
        /// The name shown to people.
        name: String,
    },
    /// One or more lines of the log that came at once. The runner's own marks are GitHub's: `##[group]title`,
    /// `##[endgroup]`, `##[error]text`, `##[warning]text`, `##[notice]text`, `##[debug]text`, `##[command]text`.
    Lines {
        /// The step; `None` while the job is set up and cleaned up.
        step: Option<usize>,
        /// The lines, a `\n` between each two of them and none behind the last.
        text: String,
    },
    /// A line of the log that the [`Annotation`](ReportKind::Annotation) after it says too. Its text may have several lines,
    /// and each comes as one of these.
    Noted {
        /// The step; `None` while the job is set up and cleaned up.
        step: Option<usize>,
        /// The text.
        text: String,
    },
    /// A step ended or was skipped.
    StepFinished {
        /// The step.
        index: usize,
        /// What it came to by itself.
        outcome: Conclusion,
        /// What it counts as, after `continue-on-error`.
        conclusion: Conclusion,
        /// The exit code of its process, when it had one and it was not ended by a signal.
        exit_code: Option<i32>,
        /// How long it took.
        duration: Duration,
    },
    /// An error, a warning or a notice to show beside the code.
    /// Boxed, since it is several times as large as a line, of which there may be millions.
    Annotation(Box<Annotation>),
    /// A step wrote a summary.
    Summary {
        /// The step.
        step: usize,
        /// Markdown, at most 1 MiB.
        markdown: String,
    },
    /// What happens within a step of the job that is a composite action.
    Within {
        /// The step of the job.
        step: usize,
        /// What happened.
        news: WithinNews,
    },
    /// What happens at a step that failed, while somebody decides about it; see [`Breaks`](crate::Breaks).
    Break {
        /// The step.
        index: usize,
        /// What happened.
        news: BreakNews,
    },
    /// The job ended. It is the last report of its attempt.
    JobFinished {
        /// What it came to, before the job's own `continue-on-error`.
        conclusion: Conclusion,
        /// How long it took.
        duration: Duration,
    },
}

impl ReportKind {
    /// The lines of the log in it.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let text = match self {
            ReportKind::Lines { text, .. } | ReportKind::Noted { text, .. } => Some(text),
            ReportKind::JobStarted { .. }
            | ReportKind::JobDisplaced { .. }
            | ReportKind::StepStarted { .. }
            | ReportKind::StepFinished { .. }
            | ReportKind::Annotation(_)
            | ReportKind::Summary { .. }
            | ReportKind::Within { .. }
            | ReportKind::Break { .. }
            | ReportKind::JobFinished { .. } => None,
        };
        text.into_iter().flat_map(|text| text.split('\n'))
    }
}

/// What happens within a composite action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WithinNews {
    /// A step of the action begins, or has shown what it runs: lines and annotations from here on are its own, until the next
    /// one begins.
    Begins,
    /// A command is to blame for the failure of the step of the job, unless `LetGo` follows. All that it said came before.
    /// The post part of any action is told in this way, too.
    Failed(Box<Culprit>),
    /// The failure that was told counts no longer: a step around it has `continue-on-error`.
    LetGo,
}

/// A command whose failure makes a step of the job fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// The name of its step, as people see it.
    pub name: String,
    /// The script, or the action: the beginning of a long one.
    pub command: String,
    /// The exit code of its process, when it had one.
    pub exit_code: Option<i32>,
    /// The document that its step stands in.
    pub file: String,
    /// The line of its step, from 1.
    pub line: u32,
}

/// What happens at a step that failed, before its failure counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakNews {
    /// The job waits; everything that the step said came before. The [`Break`](crate::Break) is there to be taken.
    Waits,
    /// What was asked for in between is done: a script, a shell, new files. It ended with this exit code, or was
    /// ended by a signal.
    Done(Option<i32>),
    /// What was asked for in between could not be done.
    Refused(String),
    /// The step begins again; what it had said and done counts no longer.
    Again,
    /// The step counts as successful.
    Skipped,
    /// The failure counts.
    WentOn,
}

/// An error, a warning or a notice, possibly about a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The step it came from.
    pub step: Option<usize>,
    /// How bad it is.
    pub level: Level,
    /// The text.
    pub message: String,
    /// A heading.
    pub title: Option<String>,
    /// A file, relative to the repository.
    pub file: Option<String>,
    /// The first line, from 1.
    pub line: Option<u32>,
    /// The last line.
    pub end_line: Option<u32>,
    /// The first column, from 1.
    pub column: Option<u32>,
    /// The last column.
    pub end_column: Option<u32>,
    /// What the tool calls this kind of problem, such as `CS0103`; from problem matchers only.
    pub code: Option<String>,
    /// The line of output that a problem matcher caught, which the log has in place of the text.
    pub caught: Option<String>,
}

/// How bad an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Notice,
    /// Probably wrong.
    Warning,
    /// Wrong.
    Error,
}

impl Annotation {
    /// An annotation without a place.
    pub fn new(level: Level, message: impl Into<String>) -> Annotation {
        Annotation {
            step: None,
            level,
            message: message.into(),
            title: None,
            file: None,
            line: None,
            end_line: None,
            column: None,
            end_column: None,
            code: None,
            caught: None,
        }
    }
}

impl Level {
    /// The word for it: `notice`, `warning`, `error`.
    pub fn word(self) -> &'static str {
        match self {
            Level::Notice => "notice",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}
