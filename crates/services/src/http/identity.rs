//! Identity tokens, and what one needs to check them.

use super::{answer, bearer};
use crate::{
    error::{Refusal, RefusalKind},
    oidc,
};
use axum::{
    Json,
    extract::{Query, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use std::collections::BTreeMap;

/// The longest audience.
const MOST_AUDIENCE: usize = 1_024;

/// A token for an audience, for a job with `id-token: write`.
pub(super) async fn token(
    State(inner): super::Shared,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let answer = async {
        let grant = inner.authorise(bearer(&headers))?;
        let identity = grant.identity.as_ref().ok_or_else(|| {
            Refusal::denied("the job may not ask for identity tokens; give it permissions: id-token: write")
        })?;
        let audience = query.get("audience").map(String::as_str).filter(|audience| !audience.is_empty());
        if audience.is_some_and(|audience| audience.len() > MOST_AUDIENCE) {
            return Err(Refusal::invalid(format!("an audience has at most {MOST_AUDIENCE} bytes")));
        }
        let key = inner.signing_key().await.map_err(ours)?;
        let unique = format!("{:016x}{:016x}", inner.number()?, inner.number()?);
        let claims = oidc::claims(identity, &inner.issuer, audience, &unique, inner.now());
        let token = key.sign(&claims).map_err(|why| Refusal::new(RefusalKind::Internal, why))?;
        Ok(Json(json!({ "count": token.len(), "value": token })).into_response())
    };
    answer.await.unwrap_or_else(|refusal| answer::message(&refusal))
}

/// `/.well-known/openid-configuration`.
pub(super) async fn discovery(State(inner): super::Shared) -> Response {
    Json(oidc::discovery(&inner.issuer)).into_response()
}

/// `/.well-known/jwks`.
pub(super) async fn keys(State(inner): super::Shared) -> Response {
    match inner.signing_key().await {
        Ok(key) => Json(key.public()).into_response(),
        Err(error) => answer::message(&ours(error)),
    }
}

fn ours(error: crate::error::ServiceError) -> Refusal {
    tracing::error!(%error, "identity tokens cannot be signed");
    Refusal::new(RefusalKind::Internal, "the key of identity tokens cannot be used; see the server's log")
}
