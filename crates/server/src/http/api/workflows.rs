//! Workflows: list them, start one by hand.

use super::{ApiResult, Payload, body, key};
use crate::backend::Dispatched;
use crate::http::{Context, auth::Principal, params::Params};
use axum::{
    Extension, Json, Router,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use shipway_api::{DispatchRequest, Run, Workflows};

pub(super) fn routes() -> Router<Context> {
    Router::new().route("/workflows", get(list)).route("/workflows/{file}/dispatches", post(dispatch))
}

async fn list(State(context): State<Context>, RawQuery(text): RawQuery) -> ApiResult<Json<Workflows>> {
    let params = Params::read(text.as_deref(), &["ref"])?;
    Ok(Json(context.backend.workflows(params.text("ref")).await?))
}

async fn dispatch(
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path(file): Path<String>,
    headers: HeaderMap,
    bytes: Payload,
) -> ApiResult<(StatusCode, Json<Run>)> {
    let request: DispatchRequest = body(&headers, bytes)?;
    let key = key(&headers)?;
    let Dispatched { run, repeated } =
        context.backend.dispatch(file, request, key, (&principal).into()).await?;
    let status = if repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(context.backend.run(run.into()).await?)))
}
