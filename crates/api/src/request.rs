//! The requests of a client as values: method, path, headers and body, with the type of the answer.
//!
//! Nothing here sends anything. The binary sends a [`Request`] and gives what came back to [`Request::read`].

use crate::{
    CommandRequest, DeployRequest, Deployed, DispatchRequest, JobKey, LogPage, NamedValue, NamedValues, Page,
    Problem, Release, RerunRequest, Rollout, RolloutCommand, RolloutEvent, RolloutId, RolloutQuery,
    RolloutSummary, Run, RunId, RunQuery, RunSummary, SetValue, SignInLink, ValueKind, Version, Workflows,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, marker::PhantomData};

/// A request whose good answer is a `T`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<T> {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// The path with its query, beginning with `/api/v1`.
    pub path: String,
    /// Headers beside `Authorization` and those that follow from the body.
    pub headers: Vec<(&'static str, String)>,
    /// The body as JSON text, when there is one.
    pub body: Option<String>,
    answer: PhantomData<fn() -> T>,
}

/// Why an answer was not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// The server refused, and said why.
    Problem(Box<Problem>),
    /// What came back is not an answer of this server.
    Foreign {
        /// The HTTP status.
        status: u16,
        /// Why it could not be read.
        cause: String,
    },
}

/// An answer without content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Done {}

/// The server's version.
pub fn version() -> Request<Version> {
    get("/api/v1/version".to_owned())
}

/// A link that signs a browser in.
pub fn sign_in_link() -> Request<SignInLink> {
    post("/api/v1/sign-in-links".to_owned(), &Done {})
}

/// A page of runs.
pub fn runs(query: &RunQuery) -> Request<Page<RunSummary>> {
    get(format!("/api/v1/runs{}", runs_query(query)))
}

/// The query part of a URL for these runs, with its `?`, or nothing; pages and the API share it.
pub fn runs_query(query: &RunQuery) -> String {
    let mut text = Query::default();
    text.word("status", query.status);
    text.word("conclusion", query.conclusion);
    text.text("workflow", query.workflow.as_deref());
    text.text("branch", query.branch.as_deref());
    text.text("event", query.event.as_deref());
    text.text("actor", query.actor.as_deref());
    text.text("q", query.q.as_deref());
    text.page(&query.page);
    text.0
}

/// One run.
pub fn run(id: RunId) -> Request<Run> {
    get(format!("/api/v1/runs/{id}"))
}

/// Stops a run.
pub fn cancel_run(id: RunId) -> Request<Run> {
    post(format!("/api/v1/runs/{id}/cancel"), &Done {})
}

/// Stops a run, and whatever would run in spite of that.
pub fn force_cancel_run(id: RunId) -> Request<Run> {
    post(format!("/api/v1/runs/{id}/force-cancel"), &Done {})
}

/// An earlier attempt of a run.
pub fn attempt(id: RunId, attempt: u32) -> Request<Run> {
    get(format!("/api/v1/runs/{id}/attempts/{attempt}"))
}

/// Runs a run again; the answer is its next attempt.
pub fn rerun(id: RunId, request: &RerunRequest) -> Request<Run> {
    post(format!("/api/v1/runs/{id}/rerun"), request)
}

/// The workflows at a branch or tag; of the default branch when none is named.
pub fn workflows(git_ref: Option<&str>) -> Request<Workflows> {
    let mut query = Query::default();
    query.text("ref", git_ref);
    get(format!("/api/v1/workflows{}", query.0))
}

/// Starts a workflow by hand, by the name of its file; the answer is the run. The key makes it safe to send again.
pub fn dispatch(file: &str, request: &DispatchRequest, idempotency_key: String) -> Request<Run> {
    let mut dispatch = post(format!("/api/v1/workflows/{}/dispatches", percent_encode(file)), request);
    dispatch.headers.push(("Idempotency-Key", idempotency_key));
    dispatch
}

/// All secrets, without their values, or all variables.
pub fn values(kind: ValueKind) -> Request<NamedValues> {
    get(format!("/api/v1/{}", kind.segment()))
}

/// Sets a secret or a variable of the repository, or of an environment.
pub fn set_value(
    kind: ValueKind,
    environment: Option<&str>,
    name: &str,
    value: &SetValue,
) -> Request<NamedValue> {
    Request { method: "PUT", ..post(value_path(kind, environment, name), value) }
}

/// Takes a secret or a variable away.
pub fn remove_value(kind: ValueKind, environment: Option<&str>, name: &str) -> Request<Done> {
    Request { method: "DELETE", ..get(value_path(kind, environment, name)) }
}

fn value_path(kind: ValueKind, environment: Option<&str>, name: &str) -> String {
    let mut query = Query::default();
    query.text("environment", environment);
    format!("/api/v1/{}/{}{}", kind.segment(), percent_encode(name), query.0)
}

/// Lines of a job's log, from `from` (counted from 1), at most `count`.
pub fn log(run: RunId, job: &JobKey, from: u64, count: u32) -> Request<LogPage> {
    get(format!("/api/v1/runs/{run}/jobs/{}/log?from={from}&count={count}", job.segment()))
}

/// A page of releases, of one service or of all.
pub fn releases(service: Option<&str>) -> Request<Page<Release>> {
    let mut query = Query::default();
    query.text("service", service);
    get(format!("/api/v1/releases{}", query.0))
}

/// Deploys an artifact. The key makes it safe to send again.
pub fn deploy(request: &DeployRequest, idempotency_key: String) -> Request<Deployed> {
    let mut deploy = post("/api/v1/deployments".to_owned(), request);
    deploy.headers.push(("Idempotency-Key", idempotency_key));
    deploy
}

/// A page of rollouts.
pub fn rollouts(query: &RolloutQuery) -> Request<Page<RolloutSummary>> {
    get(format!("/api/v1/rollouts{}", rollouts_query(query)))
}

/// The query part of a URL for these rollouts, with its `?`, or nothing; pages and the API share it.
pub fn rollouts_query(query: &RolloutQuery) -> String {
    let mut text = Query::default();
    text.text("service", query.service.as_deref());
    text.word("phase", query.phase);
    text.word("in_flight", query.in_flight);
    text.page(&query.page);
    text.0
}

/// One rollout.
pub fn rollout(id: RolloutId) -> Request<Rollout> {
    get(format!("/api/v1/rollouts/{id}"))
}

/// Events of a rollout after a sequence number, oldest first.
pub fn rollout_events(id: RolloutId, after: u64) -> Request<Vec<RolloutEvent>> {
    get(format!("/api/v1/rollouts/{id}/events?after={after}"))
}

/// The same as a stream that ends with the event `end`. Send `Last-Event-ID` to take up again.
pub fn follow_rollout(id: RolloutId, after: u64) -> Request<RolloutEvent> {
    let mut follow = get(format!("/api/v1/rollouts/{id}/events?after={after}"));
    follow.headers.push(("Accept", "text/event-stream".to_owned()));
    follow
}

/// Commands a rollout; the answer is the rollout after it.
pub fn command(id: RolloutId, command: RolloutCommand, request: &CommandRequest) -> Request<Rollout> {
    post(format!("/api/v1/rollouts/{id}/{}", command.segment()), request)
}

impl<T: DeserializeOwned> Request<T> {
    /// Reads what came back.
    ///
    /// # Errors
    /// [`AnswerError::Problem`] when the server refused, [`AnswerError::Foreign`] when it is not our server's answer.
    pub fn read(&self, status: u16, body: &[u8]) -> Result<T, AnswerError> {
        let foreign = |cause: &dyn fmt::Display| AnswerError::Foreign { status, cause: cause.to_string() };
        if (200..300).contains(&status) {
            return serde_json::from_slice(body).map_err(|error| foreign(&error));
        }
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => Err(AnswerError::Problem(Box::new(problem))),
            Err(error) => Err(foreign(&error)),
        }
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerError::Problem(problem) => problem.fmt(f),
            AnswerError::Foreign { status, cause } => {
                write!(f, "the answer with status {status} does not come from a Shipway server: {cause}")
            }
        }
    }
}

impl std::error::Error for AnswerError {}

/// Percent-encodes a text for one value of a query.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn get<T>(path: String) -> Request<T> {
    Request { method: "GET", path, headers: Vec::new(), body: None, answer: PhantomData }
}

fn post<T>(path: String, body: &impl Serialize) -> Request<T> {
    // Our request types hold texts, numbers and booleans only, which JSON can always say.
    let body = serde_json::to_string(body).unwrap_or_default();
    Request { method: "POST", path, headers: Vec::new(), body: Some(body), answer: PhantomData }
}

#[derive(Default)]
struct Query(String);

impl Query {
    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.push(if self.0.is_empty() { '?' } else { '&' });
            self.0.push_str(&format!("{name}={}", percent_encode(value)));
        }
    }

    /// A value that serialises to one word.
    fn word(&mut self, name: &str, value: Option<impl Serialize>) {
        match value.and_then(|value| serde_json::to_value(value).ok()) {
            Some(serde_json::Value::String(word)) => self.text(name, Some(&word)),
            Some(other) => self.text(name, Some(&other.to_string())),
            None => {}
        }
    }

    fn page(&mut self, page: &crate::PageQuery) {
        self.text("after", page.after.as_deref());
        if page.limit != crate::PageQuery::DEFAULT {
            self.text("limit", Some(&page.limit.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conclusion, PageQuery, Status, codes};
    use proptest::prelude::*;

    #[test]
    fn queries_hold_what_was_asked_for_and_no_more() {
        assert_eq!(runs_query(&RunQuery::default()), "");
        let query = RunQuery {
            status: Some(Status::InProgress),
            conclusion: Some(Conclusion::Failure),
            branch: Some("a&b c".to_owned()),
            page: PageQuery { after: Some("50".to_owned()), limit: 10 },
            ..RunQuery::default()
        };
        assert_eq!(
            runs_query(&query),
            "?status=in_progress&conclusion=failure&branch=a%26b%20c&after=50&limit=10"
        );
        let query = RolloutQuery { in_flight: Some(true), ..RolloutQuery::default() };
        assert_eq!(rollouts_query(&query), "?in_flight=true");
    }

    #[test]
    fn answers_are_told_apart() {
        let version = version();
        let read = version.read(200, br#"{"version":"1.2.3","api":1,"more":"is ignored"}"#);
        assert_eq!(read.map(|version| version.api), Ok(1));
        let refused = br#"{"code":"SW0903","status":404,"title":"Not found","detail":"there is no run 1"}"#;
        match version.read(404, refused) {
            Err(AnswerError::Problem(problem)) => {
                assert_eq!(problem.code, codes::NOT_FOUND);
                assert_eq!(problem.to_string(), "there is no run 1 (SW0903)");
            }
            other => panic!("{other:?}"),
        }
        for (status, body) in [(502, &b"<html>Bad gateway</html>"[..]), (200, b"hello"), (500, b"{}")] {
            let read = version.read(status, body);
            assert!(matches!(read, Err(AnswerError::Foreign { .. })), "{read:?}");
        }
    }

    proptest! {
        #[test]
        fn encoded_texts_are_safe_in_a_query_and_come_back(text in "\\PC{0,20}") {
            let encoded = percent_encode(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
            let mut bytes = Vec::new();
            let mut rest = encoded.as_str();
            while let Some(first) = rest.chars().next() {
                if first == '%' {
                    bytes.push(u8::from_str_radix(&rest[1..3], 16).expect("two digits"));
                    rest = &rest[3..];
                } else {
                    bytes.push(first as u8);
                    rest = &rest[1..];
                }
            }
            prop_assert_eq!(String::from_utf8(bytes).expect("text"), text);
        }
    }
}
