//! Releases, deployments and rollouts.

use super::{ApiResult, Payload, body, id, key};
use crate::http::{Context, auth::Principal, error::problem, live, params::Params};
use axum::{
    Extension, Json, Router,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use shipway_api::{
    CommandRequest, DeployRequest, Deployed, Page, Problem, Release, Rollout, RolloutCommand, RolloutId,
    RolloutQuery, RolloutSummary, codes,
};

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/releases", get(releases))
        .route("/deployments", post(deploy))
        .route("/rollouts", get(list))
        .route("/rollouts/{rollout}", get(read))
        .route("/rollouts/{rollout}/events", get(events))
        .route("/rollouts/{rollout}/{command}", post(command))
}

/// Which rollouts a URL asks for; the page with the list reads it in the same way.
pub(in crate::http) fn query(text: Option<&str>) -> Result<RolloutQuery, Box<Problem>> {
    let params = Params::read(text, &["service", "phase", "in_flight", "after", "limit"])?;
    Ok(RolloutQuery {
        service: params.text("service"),
        phase: params.word("phase")?,
        in_flight: params.flag("in_flight")?,
        page: params.page()?,
    })
}

/// The command of a path's segment.
pub(in crate::http) fn command_of(segment: &str) -> Result<RolloutCommand, Box<Problem>> {
    RolloutCommand::from_segment(segment).ok_or_else(|| {
        let mut unknown = problem(codes::NOT_FOUND, format!("there is no command {segment}"));
        let known: Vec<&str> = RolloutCommand::ALL.iter().map(|command| command.segment()).collect();
        unknown.help = Some(format!("Known are: {}.", known.join(", ")));
        unknown
    })
}

async fn releases(
    State(context): State<Context>,
    RawQuery(text): RawQuery,
) -> ApiResult<Json<Page<Release>>> {
    let params = Params::read(text.as_deref(), &["service", "after", "limit"])?;
    Ok(Json(context.backend.releases(params.text("service"), params.page()?).await?))
}

/// The longest name of a version, in characters: that of a tag of an image.
const LONGEST_VERSION: usize = 128;

/// A version stands in lists, headings and labels.
fn check_version(version: &str) -> ApiResult<()> {
    let wrong = |why: String| Err(problem(codes::BAD_REQUEST, why).into());
    let length = version.chars().count();
    if length > LONGEST_VERSION {
        return wrong(format!("the version has {length} characters; give it at most {LONGEST_VERSION}"));
    }
    if version.trim().is_empty() || version.chars().any(char::is_control) {
        return wrong(format!(
            "the version {version:?} cannot be read in a list; give it one line with a word"
        ));
    }
    Ok(())
}

async fn deploy(
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    headers: HeaderMap,
    bytes: Payload,
) -> ApiResult<(StatusCode, Json<Deployed>)> {
    let request: DeployRequest = body(&headers, bytes)?;
    if let Principal::Run(run) = principal
        && run != request.run_id
    {
        let detail =
            format!("the token of run {run} deploys artifacts of that run, not of run {}", request.run_id);
        return Err(problem(codes::FORBIDDEN, detail).into());
    }
    if let Some(version) = &request.version {
        check_version(version)?;
    }
    let deployed = context.backend.deploy(request, key(&headers)?, (&principal).into()).await?;
    let status = if deployed.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(deployed)))
}

async fn list(
    State(context): State<Context>,
    RawQuery(text): RawQuery,
) -> ApiResult<Json<Page<RolloutSummary>>> {
    Ok(Json(context.backend.rollouts(query(text.as_deref())?).await?))
}

async fn read(State(context): State<Context>, Path(rollout): Path<String>) -> ApiResult<Json<Rollout>> {
    Ok(Json(context.backend.rollout(id("rollout", &rollout)?).await?))
}

/// Events after a sequence number: a list, or a stream for those who accept one.
async fn events(
    State(context): State<Context>,
    Path(rollout): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let rollout: RolloutId = id("rollout", &rollout)?;
    let params = Params::read(query.as_deref(), &["after", "limit"])?;
    let after = params.number("after", 0, u64::MAX)?.unwrap_or(0);
    let limit =
        params.number("limit", 1, 1_000)?.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(1_000);
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accepts.contains("text/event-stream") {
        return Ok(Json(context.backend.rollout_events(rollout, after, limit).await?).into_response());
    }
    let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    // An unknown rollout is an error, not a stream without events.
    context.backend.rollout(rollout).await?;
    Ok(live::rollout_events(context, rollout, resumed.unwrap_or(after)))
}

async fn command(
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path((rollout, segment)): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Payload,
) -> ApiResult<Json<Rollout>> {
    let rollout: RolloutId = id("rollout", &rollout)?;
    let command = command_of(&segment)?;
    let request: CommandRequest = body(&headers, bytes)?;
    let rollout = context.backend.command(rollout, command, request, (&principal).into()).await?;
    Ok(Json(context.backend.rollout(rollout).await?))
}
