//! Forms of the pages: each does one thing and leads back to a page, with or without JavaScript.

use super::{
    Context, api,
    auth::{COOKIE, Principal},
    error::{PageError, problem},
};
use axum::{
    Extension, Form, Router,
    extract::{Path, State, rejection::FormRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use shipway_api::{CommandRequest, ReleaseId, RerunRequest, RolloutId, RunId, codes};

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/runs/{run}/cancel", post(cancel::<false>))
        .route("/runs/{run}/force-cancel", post(cancel::<true>))
        .route("/runs/{run}/rerun", post(rerun))
        .route("/rollouts/{rollout}/{command}", post(command))
        .route("/sign-out", post(sign_out))
}

#[derive(Deserialize)]
struct RerunForm {
    #[serde(default)]
    only_failed: Option<String>,
    #[serde(default)]
    job: Option<String>,
    #[serde(default)]
    attempt: Option<u32>,
}

#[derive(Deserialize)]
struct CommandForm {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    step: Option<u32>,
}

async fn cancel<const FORCE: bool>(
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path(run): Path<String>,
) -> Result<Response, PageError> {
    let run: RunId = api::id("run", &run)?;
    context.backend.cancel_run(run, FORCE, (&principal).into()).await?;
    Ok(see(&format!("/runs/{run}")))
}

async fn rerun(
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path(run): Path<String>,
    form: Result<Form<RerunForm>, FormRejection>,
) -> Result<Response, PageError> {
    let run: RunId = api::id("run", &run)?;
    let RerunForm { only_failed, job, attempt } = read(form)?;
    let job = job.map(|job| api::job_key(&job)).transpose()?;
    let request = RerunRequest { only_failed: only_failed.is_some(), job, attempt };
    context.backend.rerun(run, request, (&principal).into()).await?;
    Ok(see(&format!("/runs/{run}")))
}

async fn command(
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path((rollout, segment)): Path<(String, String)>,
    form: Result<Form<CommandForm>, FormRejection>,
) -> Result<Response, PageError> {
    let rollout: RolloutId = api::id("rollout", &rollout)?;
    let command = api::command_of(&segment)?;
    let form = read(form)?;
    let reason = Some(form.reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    let to =
        form.to.filter(|to| !to.is_empty()).map(|to| api::id::<ReleaseId>("release", &to)).transpose()?;
    let request = CommandRequest { reason, to, step: form.step };
    let rollout = context.backend.command(rollout, command, request, (&principal).into()).await?;
    Ok(see(&format!("/rollouts/{rollout}")))
}

async fn sign_out(State(context): State<Context>, Extension(principal): Extension<Principal>) -> Response {
    if let Principal::Session(session) = &principal {
        context.auth.sign_out(session, context.clock.now());
    }
    let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, "/sign-in".to_owned())])
        .into_response()
}

pub(super) fn read<T>(form: Result<Form<T>, FormRejection>) -> Result<T, PageError> {
    let wrong =
        |error: FormRejection| problem(codes::BAD_REQUEST, format!("the form cannot be read: {error}"));
    form.map(|form| form.0).map_err(|error| PageError(wrong(error)))
}

/// After a form: load that page, so that going back and loading again does not send the form again.
pub(super) fn see(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path.to_owned())]).into_response()
}
