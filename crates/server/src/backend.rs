//! The seam between the pages and the system behind them.
//!
//! The HTTP layer knows nothing else: every page, every answer of the API and every live update comes from a
//! [`Backend`]. The real one stands on the store, the rollout loop and the router; tests use one in memory.

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use shipway_api::{
    CommandRequest, DeployRequest, Deployed, DispatchRequest, Health, HookOutcome, JobKey, LogMatches,
    LogSearch, NamedValue, NamedValues, Page, PageQuery, RawLine, Release, RerunRequest, Rollout,
    RolloutCommand, RolloutEvent, RolloutId, RolloutQuery, RolloutSummary, Run, RunId, RunQuery, RunSummary,
    ValueKind, Workflows,
};
use shipway_base::Secret;
use shipway_workflow::expr::Value;
use std::{fmt, io};
use tokio::sync::broadcast;

/// What a [`Backend`] answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, BackendError>>;

/// Everything the pages and the API show and do. Reads are answered from read models and never wait for the loops;
/// commands return after their events are committed.
pub trait Backend: Send + Sync + 'static {
    /// A page of runs, newest first.
    fn runs(&self, query: RunQuery) -> Answer<'_, Page<RunSummary>>;

    /// One attempt of a run with its jobs.
    fn run(&self, which: Which) -> Answer<'_, Run>;

    /// Stops a run; what its conditions let run in spite of that does, unless the end is forced. Asked again, it changes nothing. A
    /// run that is over already is a conflict.
    fn cancel_run(&self, id: RunId, force: bool, by: Actor) -> Answer<'_, ()>;

    /// Runs a run again, or a part of it; gives the number of the attempt. A run that is not over, or of which nothing would run
    /// again, is a conflict.
    fn rerun(&self, id: RunId, request: RerunRequest, by: Actor) -> Answer<'_, u32>;

    /// The workflows at a branch or tag; of the default branch when none is named.
    fn workflows(&self, git_ref: Option<String>) -> Answer<'_, Workflows>;

    /// Starts a workflow by hand, by the name of its file. What is wrong with the file or the inputs is
    /// [`BackendErrorKind::Document`], and then there is no run. The same key with the same request answers the same run, with
    /// `repeated` set; the same key with another request is [`BackendErrorKind::KeyReused`].
    fn dispatch(
        &self,
        file: String,
        request: DispatchRequest,
        key: Option<String>,
        by: Actor,
    ) -> Answer<'_, Dispatched>;

    /// All secrets, without their values, or all variables.
    fn values(&self, kind: ValueKind) -> Answer<'_, NamedValues>;

    /// Sets a secret or a variable.
    fn set_value(&self, place: ValuePlace, value: Secret, by: Actor) -> Answer<'_, NamedValue>;

    /// Takes a secret or a variable away.
    fn remove_value(&self, place: ValuePlace, by: Actor) -> Answer<'_, ()>;

    /// Does what an event of a forge asks for, once for each delivery.
    fn hook(&self, hook: Hook) -> Answer<'_, HookOutcome>;

    /// Lines of a job's log.
    fn log(&self, which: Which, job: JobKey, range: LogRange) -> Answer<'_, LogSlice>;

    /// Searches the whole log of a job. The search ignores case, looks at the text without ANSI escapes, and counts
    /// exactly.
    fn search_log(&self, which: Which, job: JobKey, search: LogSearch) -> Answer<'_, LogMatches>;

    /// All of a job's summary; `None` when it has none.
    fn summary(&self, which: Which, job: JobKey) -> Answer<'_, Option<String>>;

    /// The archive of an artifact as an attempt of a run sees it: the newest of its name that it or one before it uploaded.
    fn artifact(&self, which: Which, name: String) -> Answer<'_, ArtifactBody>;

    /// A page of releases, newest first, of one service or of all.
    fn releases(&self, service: Option<String>, page: PageQuery) -> Answer<'_, Page<Release>>;

    /// Makes a release of an artifact and begins its rollout. The same key with the same request answers what it
    /// answered before, with `repeated` set; the same key with another request is [`BackendErrorKind::KeyReused`].
    fn deploy(&self, request: DeployRequest, key: Option<String>, by: Actor) -> Answer<'_, Deployed>;

    /// A page of rollouts, newest first.
    fn rollouts(&self, query: RolloutQuery) -> Answer<'_, Page<RolloutSummary>>;

    /// One rollout with its evidence.
    fn rollout(&self, id: RolloutId) -> Answer<'_, Rollout>;

    /// Events of a rollout after a sequence number, oldest first, at most `limit`.
    fn rollout_events(&self, id: RolloutId, after: u64, limit: u32) -> Answer<'_, Vec<RolloutEvent>>;

    /// Commands a rollout, and says which one is at work on it now: to begin again or to go back is a rollout of its own. A
    /// command that is not possible now is a conflict that says why.
    fn command(
        &self,
        id: RolloutId,
        command: RolloutCommand,
        request: CommandRequest,
        by: Actor,
    ) -> Answer<'_, RolloutId>;

    /// Tells what changes from now on. A receiver that lags reads everything anew, so changes may be coalesced but
    /// never left out.
    fn changes(&self) -> broadcast::Receiver<Change>;

    /// Everything that the router counts, in Prometheus' text format.
    fn metrics(&self) -> String;

    /// Whether the system behind can store what is asked of it.
    fn health(&self) -> Answer<'_, Health>;
}

/// An attempt of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Which {
    /// The run.
    pub run: RunId,
    /// The number of the attempt, from 1; the newest when it is not given.
    pub attempt: Option<u32>,
}

impl From<RunId> for Which {
    fn from(run: RunId) -> Which {
        Which { run, attempt: None }
    }
}

/// Something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The newest attempt of a run, its jobs or its steps.
    Run(RunId),
    /// The log of a job grew.
    Log(RunId, JobKey),
    /// A rollout, its instances or its evidence.
    Rollout(RolloutId),
    /// The workflows of the default branch, or when they run next by themselves.
    Workflows,
}

/// Which secret or variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValuePlace {
    /// Which of the two.
    pub kind: ValueKind,
    /// The environment; none for the repository.
    pub environment: Option<String>,
    /// The name.
    pub name: String,
}

/// What a forge says that happened; whoever hands it on knows that the forge said it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// The name of the event, `X-GitHub-Event`.
    pub event: String,
    /// The id of the delivery, which stays the same when it is sent again.
    pub delivery: Option<String>,
    /// The body as it was sent.
    pub body: String,
    /// The same, read.
    pub payload: Value,
}

impl Hook {
    /// Reads the body of a webhook.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn read(event: String, delivery: Option<String>, body: String) -> serde_json::Result<Hook> {
        let payload = Value::from_json_text(&body)?;
        Ok(Hook { event, delivery, body, payload })
    }
}

/// A run that was started by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispatched {
    /// The run.
    pub run: RunId,
    /// Whether the same request started it before.
    pub repeated: bool,
}

/// Who asks for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The operator, through a page or with the operator's token.
    Operator,
    /// A step of a run, with the token of that run.
    Run(RunId),
}

/// Which lines of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRange {
    /// The number of the first line, from 1.
    pub from: u64,
    /// How many at most.
    pub count: u32,
}

/// Consecutive lines of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSlice {
    /// The lines from `from` on; empty beyond the end.
    pub lines: Vec<RawLine>,
    /// How many lines there are so far.
    pub total: u64,
    /// Whether no line will follow.
    pub complete: bool,
}

/// The archive of an artifact.
pub struct ArtifactBody {
    /// Its size in bytes.
    pub bytes: u64,
    /// The name under which it is saved, such as `web.tar.zst`.
    pub file_name: String,
    /// Its contents.
    pub stream: BoxStream<'static, io::Result<Bytes>>,
}

/// Why the backend could not answer.
#[derive(Debug)]
pub struct BackendError {
    /// What was being done, such as `cancelling run 42`.
    pub context: String,
    /// Why it could not be done.
    pub kind: BackendErrorKind,
}

/// Why the backend could not answer.
#[derive(Debug)]
pub enum BackendErrorKind {
    /// There is no such thing; the text names it: `run 42`.
    NotFound(String),
    /// Not possible in the present state; the text says why.
    Conflict(String),
    /// The request makes no sense; the text says why.
    Invalid(String),
    /// A document has errors: one line each with file, line and column.
    Document(Vec<String>),
    /// The key of an earlier request came with another request.
    KeyReused,
    /// What was asked for is not in the watched repository, which has no `origin` to bring it from; the text says so.
    NoOrigin(String),
    /// It cannot be done for the moment; the text says why, and what frees it.
    Unavailable(String),
    /// The server is at fault.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl BackendError {
    /// There is no such thing; `what` names it.
    pub fn not_found(context: impl Into<String>, what: impl Into<String>) -> BackendError {
        BackendError { context: context.into(), kind: BackendErrorKind::NotFound(what.into()) }
    }

    /// Not possible in the present state; `why` says why.
    pub fn conflict(context: impl Into<String>, why: impl Into<String>) -> BackendError {
        BackendError { context: context.into(), kind: BackendErrorKind::Conflict(why.into()) }
    }

    /// The server is at fault.
    pub fn internal(
        context: impl Into<String>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> BackendError {
        BackendError { context: context.into(), kind: BackendErrorKind::Internal(cause.into()) }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Operator => f.write_str("operator"),
            Actor::Run(id) => write!(f, "run {id}"),
        }
    }
}

impl fmt::Debug for ArtifactBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtifactBody")
            .field("bytes", &self.bytes)
            .field("file_name", &self.file_name)
            .finish()
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.context)?;
        match &self.kind {
            BackendErrorKind::NotFound(what) => write!(f, "there is no {what}"),
            BackendErrorKind::Conflict(why)
            | BackendErrorKind::Invalid(why)
            | BackendErrorKind::NoOrigin(why)
            | BackendErrorKind::Unavailable(why) => f.write_str(why),
            BackendErrorKind::Document(findings) => {
                write!(
                    f,
                    "the document has {} error{}",
                    findings.len(),
                    if findings.len() == 1 { "" } else { "s" }
                )
            }
            BackendErrorKind::KeyReused => f.write_str("the Idempotency-Key belongs to another request"),
            // The cause is the source; its text is not repeated here.
            BackendErrorKind::Internal(_) => f.write_str("the server failed"),
        }
    }
}

impl std::error::Error for BackendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            BackendErrorKind::Internal(cause) => Some(&**cause),
            BackendErrorKind::NotFound(_)
            | BackendErrorKind::Conflict(_)
            | BackendErrorKind::Invalid(_)
            | BackendErrorKind::Document(_)
            | BackendErrorKind::KeyReused
            | BackendErrorKind::NoOrigin(_)
            | BackendErrorKind::Unavailable(_) => None,
        }
    }
}
