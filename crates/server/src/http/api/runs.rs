//! Runs: list, read, cancel, run again, artifacts.

use super::{ApiResult, ArtifactPath, Payload, RunPath, body, id};
use crate::http::{
    Context,
    auth::Principal,
    error::{ApiError, problem},
    params::Params,
};
use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use shipway_api::{Page, Problem, RerunRequest, Run, RunId, RunQuery, RunSummary, codes};

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/runs", get(list))
        .route("/runs/{run}", get(read))
        .route("/runs/{run}/attempts/{attempt}", get(read))
        .route("/runs/{run}/cancel", post(cancel::<false>))
        .route("/runs/{run}/force-cancel", post(cancel::<true>))
        .route("/runs/{run}/rerun", post(rerun))
        .route("/runs/{run}/artifacts/{name}", get(artifact))
        .route("/runs/{run}/attempts/{attempt}/artifacts/{name}", get(artifact))
}

/// Which runs a URL asks for; the page with the list reads it in the same way.
pub(in crate::http) fn query(text: Option<&str>) -> Result<RunQuery, Box<Problem>> {
    let known = ["status", "conclusion", "workflow", "branch", "event", "actor", "q", "after", "limit"];
    let params = Params::read(text, &known)?;
    Ok(RunQuery {
        status: params.word("status")?,
        conclusion: params.word("conclusion")?,
        workflow: params.text("workflow"),
        branch: params.text("branch"),
        event: params.text("event"),
        actor: params.text("actor"),
        q: params.text("q"),
        page: params.page()?,
    })
}

async fn list(State(context): State<Context>, RawQuery(text): RawQuery) -> ApiResult<Json<Page<RunSummary>>> {
    Ok(Json(context.backend.runs(query(text.as_deref())?).await?))
}

async fn read(State(context): State<Context>, Path(path): Path<RunPath>) -> ApiResult<Json<Run>> {
    Ok(Json(context.backend.run(path.which()?).await?))
}

async fn cancel<const FORCE: bool>(
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path(run): Path<String>,
) -> ApiResult<Json<Run>> {
    let run: RunId = id("run", &run)?;
    context.backend.cancel_run(run, FORCE, (&principal).into()).await?;
    Ok(Json(context.backend.run(run.into()).await?))
}

async fn rerun(
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path(run): Path<String>,
    headers: HeaderMap,
    bytes: Payload,
) -> ApiResult<(StatusCode, Json<Run>)> {
    let request: RerunRequest = body(&headers, bytes)?;
    let run: RunId = id("run", &run)?;
    context.backend.rerun(run, request, (&principal).into()).await?;
    Ok((StatusCode::CREATED, Json(context.backend.run(run.into()).await?)))
}

/// The archive of an artifact, as a download.
pub(in crate::http) async fn artifact(
    State(context): State<Context>,
    Path(path): Path<ArtifactPath>,
) -> Result<Response, ApiError> {
    let (which, name) = path.which()?;
    let found = context.backend.artifact(which, name).await?;
    // The name is the user's: whatever could end the quoted text or the header is replaced.
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = found.file_name.chars().map(safe).collect();
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .map_err(|_| problem(codes::INTERNAL, "the artifact has no usable name"))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, HeaderValue::from(found.bytes)),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, Body::from_stream(found.stream)).into_response())
}
