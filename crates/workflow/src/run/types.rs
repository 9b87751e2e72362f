//! What goes into the machine, what comes out of it, and what can be seen of it.

use crate::{
    Texts,
    document::{CacheMode, Job, StepsJob, Workflow},
    expr::Value,
    plan::{ConcurrencyGroup, RemoteRepository},
    run::SecretScope,
};
use shipway_base::Timestamp;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// How often a job is asked for before its losses count as a failure.
pub const MOST_ATTEMPTS: u32 = 3;

/// How often a job may be interrupted by an end of the server before that counts as a failure. More than
/// [`MOST_ATTEMPTS`], since the job is hardly to blame; but not for ever, since it may be the job that ends the server.
pub const MOST_INTERRUPTIONS: u32 = 20;

/// A job of a run: `<job id>`, or `<job id>/<index>` for the legs of a matrix, from 0. A job of a called workflow has
/// the key of the call and a slash before that: `deploy/1/build`. Ids do not begin with digits, so that a key can be read
/// in one way only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey(pub String);

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a job or a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Conclusion {
    /// All went well.
    Success,
    /// Something failed.
    Failure,
    /// It was stopped before its end.
    Cancelled,
    /// It never started, because its condition was false.
    Skipped,
}

impl Conclusion {
    /// The word that expressions see: `success`, `failure`, `cancelled`, `skipped`.
    pub fn as_str(self) -> &'static str {
        match self {
            Conclusion::Success => "success",
            Conclusion::Failure => "failure",
            Conclusion::Cancelled => "cancelled",
            Conclusion::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened to the run. To be committed before its effects are carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The run begins.
    Start,
    /// A runner has taken the job.
    JobStarted {
        /// Which job.
        job: JobKey,
        /// The attempt that was asked for.
        attempt: u32,
    },
    /// The job has ended, whether it was cancelled or not.
    JobFinished {
        /// Which job.
        job: JobKey,
        /// The attempt that was asked for.
        attempt: u32,
        /// How it ended, before `continue-on-error` is taken into account.
        conclusion: Conclusion,
        /// Its `outputs`, evaluated, in the order in which they are written.
        outputs: Texts,
    },
    /// The runner that had the job is gone, and how the job would have ended is unknown.
    JobLost {
        /// Which job.
        job: JobKey,
        /// The attempt that was asked for.
        attempt: u32,
        /// Why, for people.
        reason: String,
    },
    /// The server that drove the run ended while it had the job, so how the job would have ended is unknown.
    JobInterrupted {
        /// Which job.
        job: JobKey,
        /// The attempt that was asked for.
        attempt: u32,
        /// Why, for people.
        reason: String,
    },
    /// Somebody or something wants the run to stop.
    Cancel {
        /// Who and why, for people.
        reason: String,
    },
}

/// What the world is asked to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Start a job. Answered by [`Input::JobStarted`], then [`Input::JobFinished`] or [`Input::JobLost`].
    StartJob(Box<JobRequest>),
    /// Stop a job that was asked for; it still answers with [`Input::JobFinished`] or [`Input::JobLost`].
    CancelJob {
        /// Which job.
        job: JobKey,
        /// Which attempt.
        attempt: u32,
    },
    /// The run has ended. Always the last effect of a run, and given once.
    Finish {
        /// How.
        conclusion: Conclusion,
    },
}

/// Effects in the order in which they are to be carried out; empty when nothing is to be done.
#[must_use = "effects that are not carried out leave the run waiting for ever"]
#[derive(Clone, Debug, Default)]
pub struct Effects(pub Vec<Effect>);

impl IntoIterator for Effects {
    type Item = Effect;
    type IntoIter = std::vec::IntoIter<Effect>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Everything a runner needs to know to run one job.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// Which job.
    pub key: JobKey,
    /// 1 at first; one more after each loss.
    pub attempt: u32,
    /// The key under `jobs`, `github.job`.
    pub job_id: String,
    /// The name people see, evaluated, with the matrix suffix; behind the name of the call in a called workflow.
    pub name: String,
    /// The document of the job.
    pub job: Arc<Job>,
    /// Its steps and what belongs to them.
    pub body: Arc<StepsJob>,
    /// The document it stands in.
    pub workflow: Arc<Workflow>,
    /// The called workflow that it stands in, `owner/name/path@ref`; none in the workflow that was started, which is
    /// `github.workflow_ref`.
    pub workflow_ref: Option<String>,
    /// The other repository that this called workflow comes from; none where it is of the run's repository and commit.
    pub workflow_origin: Option<Origin>,
    /// The `github` context, in a called workflow that of the run.
    pub github: Value,
    /// The `vars` context.
    pub vars: Value,
    /// The `inputs` context.
    pub inputs: Value,
    /// Which secrets it may see.
    pub secrets: SecretScope,
    /// What its token may do: scopes with `read` or `write`. What is left out it may not.
    pub permissions: BTreeMap<String, String>,
    /// Whether somebody wrote them. Else they are the narrower of GitHub's two defaults.
    pub permissions_written: bool,
    /// The `matrix` context; null without a matrix.
    pub matrix: Value,
    /// The `strategy` context.
    pub strategy: Value,
    /// The `needs` context.
    pub needs: Value,
    /// The `timeout-minutes` of the job.
    pub timeout: Duration,
    /// The `cancel-timeout-minutes` of the job: how long it may go on once it was cancelled.
    pub cancel_timeout: Duration,
    /// Whether a failure of the job leaves the run successful.
    pub continue_on_error: bool,
    /// The labels that the runner must have.
    pub runs_on: Vec<String>,
    /// The group that the runner must belong to.
    pub runner_group: Option<String>,
    /// `cache-mode` of the job, else of the workflow; GitHub's default for the event when absent.
    pub cache_mode: Option<CacheMode>,
    /// The name of the job's `environment`.
    pub environment: Option<String>,
    /// Whether `environment.deployment` lets a deployment be recorded.
    pub deployment: bool,
    /// The job's own `concurrency`, to be obeyed by whoever starts jobs.
    pub concurrency: Option<ConcurrencyGroup>,
    /// The groups of the calls that it belongs to, the outermost first. No job of a call starts before the call has its
    /// turn, and the turn ends when [`Run::has_call_ended`](super::Run::has_call_ended).
    pub calls: Vec<CallGroup>,
}

/// Where the file of a called workflow comes from, when it is not of the repository and commit that the run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The repository, and the branch, tag or commit by which the call names it.
    pub repository: RemoteRepository,
    /// The commit that the file was read from; none in a run from before that was written down.
    pub commit: Option<String>,
}

/// The concurrency group of a call as a whole: that of the calling job, or of the called workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallGroup {
    /// The leg that calls.
    pub call: JobKey,
    /// The group.
    pub group: ConcurrencyGroup,
}

/// The contexts that are the same for all jobs of a run.
#[derive(Clone, Debug)]
pub struct RunContext {
    /// `github`.
    pub github: Value,
    /// `vars`.
    pub vars: Value,
    /// `inputs`, typed.
    pub inputs: Value,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Some of its needs have not ended.
    Waiting,
    /// Ready, but held back by `max-parallel`.
    Held,
    /// Asked for; no runner has taken it yet.
    Queued,
    /// Running.
    Running {
        /// Since when.
        started: Timestamp,
    },
    /// Asked to stop; it has not ended yet.
    Cancelling {
        /// When it had started, if it had.
        started: Option<Timestamp>,
    },
    /// Ended.
    Finished {
        /// How, before `continue-on-error` is taken into account.
        conclusion: Conclusion,
        /// When it had started, if it had.
        started: Option<Timestamp>,
        /// When it ended.
        finished: Timestamp,
    },
}

/// A job as it can be seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// Which job.
    pub key: JobKey,
    /// The key without the index of its own leg: the key under `jobs`, behind that of the call in a called workflow.
    pub job_id: String,
    /// The name people see; as far as it is known before the job is ready.
    pub name: String,
    /// Where it stands.
    pub state: JobState,
    /// The `job_id`s of the jobs it waits for: of a called workflow those that nothing in it needs, and for its first
    /// jobs those that the call waits for.
    pub needs: Vec<String>,
    /// Why it waits, was skipped, cancelled or failed without running; a sentence for people.
    pub reason: Option<String>,
    /// How it ended.
    pub conclusion: Option<Conclusion>,
    /// Whether its failure leaves the run successful.
    pub continue_on_error: bool,
    /// The attempt in force; 0 before the first.
    pub attempt: u32,
    /// The attempt of the run that it ended in, when that is an earlier one.
    pub kept: Option<u32>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Its outputs.
    pub outputs: Texts,
}
