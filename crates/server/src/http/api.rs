//! The JSON API, version 1. Every error is problem+json.

mod logs;
mod rollouts;
mod runs;
mod values;
mod workflows;

use super::{
    Context,
    auth::Principal,
    error::{ApiError, problem},
};
use crate::backend::Which;
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use shipway_api::{Health, JobKey, Problem, SignInLink, Version, codes};
use std::str::FromStr;

pub(super) use logs::{MOST_LINES, page as log_page};
pub(super) use rollouts::{command_of, query as rollouts_query};
pub(super) use runs::{artifact, query as runs_query};

type ApiResult<T> = Result<T, ApiError>;

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/version", get(version))
        .route("/sign-in-links", post(sign_in_link))
        .merge(runs::routes())
        .merge(workflows::routes())
        .merge(values::routes())
        .merge(logs::routes())
        .merge(rollouts::routes())
}

/// Open to everyone: it tells load balancers and `shipway doctor` whether the server is well, and nothing else.
pub(super) async fn health(State(context): State<Context>) -> Response {
    let health = context.backend.health().await.unwrap_or_else(|error| {
        let problem = ApiError::from(error).0;
        Health { healthy: false, problems: vec![problem.detail] }
    });
    let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

/// What the router counts, for Prometheus to scrape; open as metrics are elsewhere: numbers by service and version.
pub(super) async fn metrics(State(context): State<Context>) -> Response {
    let format = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (format, context.backend.metrics()).into_response()
}

async fn version(State(context): State<Context>) -> Json<Version> {
    Json(Version { version: context.version.to_owned(), api: 1 })
}

async fn sign_in_link(
    State(context): State<Context>,
    Extension(_): Extension<Principal>,
) -> ApiResult<Json<SignInLink>> {
    let link = context.auth.sign_in_link(context.clock.now());
    link.map(Json).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "no sign-in link");
        ApiError(problem(codes::INTERNAL, error.to_string()))
    })
}

/// Reads an id out of a path; what is no id cannot be found.
pub(super) fn id<T: FromStr>(kind: &str, text: &str) -> Result<T, Box<Problem>> {
    text.parse().map_err(|_| problem(codes::NOT_FOUND, format!("there is no {kind} {text}")))
}

/// The part of a path that names a run, or an earlier attempt of one.
#[derive(Deserialize)]
pub(super) struct RunPath {
    run: String,
    #[serde(default)]
    attempt: Option<String>,
}

/// The part of a path that names a job of a run.
#[derive(Deserialize)]
pub(super) struct JobPath {
    run: String,
    #[serde(default)]
    attempt: Option<String>,
    job: String,
}

/// The part of a path that names an artifact of a run.
#[derive(Deserialize)]
pub(super) struct ArtifactPath {
    run: String,
    #[serde(default)]
    attempt: Option<String>,
    name: String,
}

impl RunPath {
    /// Which run it names.
    pub(super) fn which(&self) -> Result<Which, Box<Problem>> {
        let attempt = self.attempt.as_deref().map(|attempt| id("attempt", attempt)).transpose()?;
        Ok(Which { run: id("run", &self.run)?, attempt })
    }
}

impl JobPath {
    /// Which run it names, and which of its jobs.
    pub(super) fn which(self) -> Result<(Which, JobKey), Box<Problem>> {
        let run = RunPath { run: self.run, attempt: self.attempt };
        Ok((run.which()?, job_key(&self.job)?))
    }
}

impl ArtifactPath {
    /// Which run it names, and which of its artifacts.
    fn which(self) -> Result<(Which, String), Box<Problem>> {
        let run = RunPath { run: self.run, attempt: self.attempt };
        Ok((run.which()?, self.name))
    }
}

/// Reads the key of a job out of a path.
pub(super) fn job_key(segment: &str) -> Result<JobKey, Box<Problem>> {
    JobKey::from_segment(segment).map_err(|_| problem(codes::NOT_FOUND, format!("there is no job {segment}")))
}

/// A body, or why it could not be read.
type Payload = Result<Bytes, BytesRejection>;

/// The key that makes a request that comes twice the same as once.
fn key(headers: &HeaderMap) -> Result<Option<String>, Box<Problem>> {
    match headers.get("idempotency-key").map(|value| value.to_str()) {
        None => Ok(None),
        Some(Ok(key)) if (1..=200).contains(&key.len()) => Ok(Some(key.to_owned())),
        Some(_) => {
            Err(problem(codes::BAD_REQUEST, "the Idempotency-Key is not a text of 1 to 200 characters"))
        }
    }
}

/// Reads a JSON body; an empty one where everything in it has a default.
fn body<T: DeserializeOwned>(headers: &HeaderMap, bytes: Payload) -> Result<T, Box<Problem>> {
    let bytes = bytes.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => problem(codes::TOO_LARGE, "the body is larger than 2 MiB"),
        _ => problem(codes::BAD_REQUEST, rejection.body_text()),
    })?;
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    if !bytes.is_empty() && media.split(';').next().map(str::trim) != Some("application/json") {
        let mut wrong = problem(codes::BAD_REQUEST, "the body is not declared as JSON");
        wrong.help = Some("Send the header Content-Type: application/json.".to_owned());
        return Err(wrong);
    }
    // The reader of JSON takes a list for an object: its values, in the order of the fields.
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(problem(codes::BAD_REQUEST, "the body is an array, where an object is expected"));
    }
    serde_json::from_slice(text)
        .map_err(|error| problem(codes::BAD_REQUEST, format!("the body cannot be read: {error}")))
}
