//! What one needs to check the identity tokens of jobs. It is public, as on GitHub.

use super::{Context, error::ApiError};
use crate::backend::BackendError;
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use shipway_services::{ServiceError, Services};

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/.well-known/jwks", get(keys))
}

async fn discovery(State(context): State<Context>) -> Response {
    match services(&context).await {
        Ok(services) => Json(shipway_services::discovery(services.issuer())).into_response(),
        Err(error) => ApiError::from(error).into_response(),
    }
}

async fn keys(State(context): State<Context>) -> Response {
    let keys = match services(&context).await {
        Ok(services) => services.keys().await.map_err(failed),
        Err(error) => Err(error),
    };
    match keys {
        Ok(keys) => Json(keys).into_response(),
        Err(error) => ApiError::from(error).into_response(),
    }
}

async fn services(context: &Context) -> Result<&Services, BackendError> {
    match &context.services {
        Some(services) => services.get().await.map_err(failed),
        None => Err(BackendError::not_found("telling who signs identity tokens", "an issuer")),
    }
}

fn failed(error: ServiceError) -> BackendError {
    BackendError::internal("telling who signs identity tokens", error)
}
