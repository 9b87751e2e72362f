//! The seam to whoever decides about a failed step before its failure counts.
//!
//! A job whose context has [`Breaks`] puts a [`Break`] there when a step fails, reports that it waits
//! ([`BreakNews::Waits`](crate::BreakNews::Waits)), and carries out one [`Request`] after the other until one of them is
//! a [`Decision`]. What the time limits of step and job count stands still meanwhile, and the job's place among the running
//! ones is lent to another. A job that is cancelled waits no longer.

mod stay;

use crate::executor::Terminal;
use shipway_workflow::{
    document::Step,
    run::{Conclusion, JobKey},
};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc;

pub(crate) use stay::{Failed, Stay};

/// Which attempt of which job, and which of its steps.
type Place = (JobKey, u32, usize);

/// The breaks of one run that wait to be taken. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Breaks(Arc<Mutex<BTreeMap<Place, Break>>>);

/// A job that waits at a failed step. When it is dropped the failure counts.
#[derive(Debug)]
pub struct Break {
    /// What is known of the failure.
    pub broken: Broken,
    /// What the job is to do.
    pub requests: mpsc::Sender<Request>,
}

/// A step that failed. All texts are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The job's id in the workflow.
    pub job_id: String,
    /// Which of the steps of its document it is, from 0.
    pub number: usize,
    /// What people call it.
    pub name: String,
    /// The script, or the action with its reference.
    pub command: String,
    /// The program that was started last, with its arguments; empty when none was.
    pub argv: Vec<String>,
    /// The exit code, when its process ended by itself.
    pub exit_code: Option<i32>,
    /// Why it failed, as one sentence.
    pub reason: Option<String>,
    /// How often it was tried by now, from 1.
    pub tries: u32,
    /// The document it stands in, as diagnostics name it.
    pub file: String,
    /// The line it begins on.
    pub line: u32,
    /// Whether that document is the run's workflow; otherwise it is an action in the job's workspace.
    pub in_workflow: bool,
    /// `GITHUB_WORKSPACE`.
    pub workspace: PathBuf,
    /// The working directory.
    pub directory: PathBuf,
}

/// What a job is asked to do at a failed step.
#[derive(Debug)]
pub enum Request {
    /// To run a script where the step ran, by bash or sh. What it prints is in the log of the step.
    Exec(String),
    /// To open a shell where the step ran.
    Shell(Terminal),
    /// To go on.
    Decide(Decision),
}

/// How a job goes on.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The step is tried again, as it is written here or as before. What the failed try wrote to outputs and environment
    /// is undone; files are not.
    Retry(Option<Box<Step>>),
    /// The step counts as successful, with what it and the shell beside it wrote to outputs and environment.
    Skip,
    /// The failure counts.
    GoOn,
}

impl Breaks {
    /// Takes the break that a report told of.
    pub fn take(&self, job: &JobKey, attempt: u32, step: usize) -> Option<Break> {
        self.waiting().remove(&(job.clone(), attempt, step))
    }

    fn put(&self, place: Place, waits: Break) {
        self.waiting().insert(place, waits);
    }

    /// Nothing panics while it holds the lock, so what is behind a poisoned one is whole.
    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<Place, Break>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Decision {
    /// What the step comes to, when its own result was a failure; `None` when it is tried again.
    pub(crate) fn outcome(&self) -> Option<Conclusion> {
        match self {
            Decision::Retry(_) => None,
            Decision::Skip => Some(Conclusion::Success),
            Decision::GoOn => Some(Conclusion::Failure),
        }
    }
}
