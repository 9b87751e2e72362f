//! Secrets and variables: list, set, take away.

use super::{ApiResult, Payload, body};
use crate::{
    backend::ValuePlace,
    http::{Context, auth::Principal, params::Params},
};
use axum::{
    Extension, Json, Router,
    extract::{Path, RawQuery, State},
    http::HeaderMap,
    routing::{get, put},
};
use shipway_api::{NamedValue, NamedValues, Problem, SetValue, ValueKind, request::Done};
use shipway_base::Secret;

pub(super) fn routes() -> Router<Context> {
    [ValueKind::Secret, ValueKind::Variable].into_iter().fold(Router::new(), |router, kind| {
        let list = move |state| list(kind, state);
        let set =
            move |state, by, path, query, headers, bytes| set(kind, state, by, path, query, headers, bytes);
        let remove = move |state, by, path, query| remove(kind, state, by, path, query);
        router
            .route(&format!("/{}", kind.segment()), get(list))
            .route(&format!("/{}/{{name}}", kind.segment()), put(set).delete(remove))
    })
}

async fn list(kind: ValueKind, State(context): State<Context>) -> ApiResult<Json<NamedValues>> {
    Ok(Json(context.backend.values(kind).await?))
}

async fn set(
    kind: ValueKind,
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    bytes: Payload,
) -> ApiResult<Json<NamedValue>> {
    let request: SetValue = body(&headers, bytes)?;
    let place = place(kind, query.as_deref(), name)?;
    Ok(Json(context.backend.set_value(place, Secret::new(request.value), (&principal).into()).await?))
}

async fn remove(
    kind: ValueKind,
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> ApiResult<Json<Done>> {
    context.backend.remove_value(place(kind, query.as_deref(), name)?, (&principal).into()).await?;
    Ok(Json(Done {}))
}

fn place(kind: ValueKind, query: Option<&str>, name: String) -> Result<ValuePlace, Box<Problem>> {
    let environment = Params::read(query, &["environment"])?.text("environment");
    Ok(ValuePlace { kind, environment, name })
}
