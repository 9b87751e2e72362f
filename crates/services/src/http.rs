//! The routes: Twirp's methods of caches and artifacts, the older protocol of caches, contents, and identity tokens.

mod answer;
mod artifacts;
mod blobs;
pub(crate) mod caches;
mod caches_v1;
mod identity;

use crate::{
    error::{Refusal, RefusalKind},
    grant::Grant,
    serve::Inner,
    token::LinkTo,
};
use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use serde_json::Value;
use std::sync::Arc;

/// The largest request that is not a content.
const MOST_BODY: usize = 256 << 10;

/// The largest list of blocks.
const MOST_LIST: usize = 8 << 20;

type Shared = State<Arc<Inner>>;

/// All routes.
pub(crate) fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/twirp/{service}/{method}", post(twirp))
        // The clients of Azure's storage take the first part for an account and the second for a container.
        .route("/devstoreaccount1/{kind}/{*id}", put(blobs::put).get(blobs::get))
        .route("/_apis/artifactcache/cache", get(caches_v1::find))
        .route("/_apis/artifactcache/caches", get(caches_v1::list).post(caches_v1::reserve))
        .route("/_apis/artifactcache/caches/{id}", post(caches_v1::commit).patch(caches_v1::chunk))
        .route("/oidc/token", get(identity::token))
        .route("/.well-known/openid-configuration", get(identity::discovery))
        .route("/.well-known/jwks", get(identity::keys))
        .fallback(nothing)
        .with_state(inner)
}

async fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing at this address\n").into_response()
}

async fn twirp(
    State(inner): Shared,
    Path((service, method)): Path<(String, String)>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let answer = async {
        let grant = inner.authorise(bearer(&headers))?;
        let body = read_json(request.into_body()).await?;
        match (service.strip_prefix("github.actions.results.api.v1."), method.as_str()) {
            (Some("CacheService"), "CreateCacheEntry") => caches::create(&inner, &grant, &body).await,
            (Some("CacheService"), "FinalizeCacheEntryUpload") => {
                caches::finalize(&inner, &grant, &body).await
            }
            (Some("CacheService"), "GetCacheEntryDownloadURL") => caches::find(&inner, &grant, &body).await,
            (Some("ArtifactService"), "CreateArtifact") => artifacts::create(&inner, &grant, &body).await,
            (Some("ArtifactService"), "FinalizeArtifact") => artifacts::finalize(&inner, &grant, &body).await,
            (Some("ArtifactService"), "ListArtifacts") => artifacts::list(&grant, &body).await,
            (Some("ArtifactService"), "GetSignedArtifactURL") => artifacts::link(&inner, &grant, &body).await,
            (Some("ArtifactService"), "DeleteArtifact") => artifacts::delete(&grant, &body).await,
            (_, _) => {
                let message = format!("{service}/{method} is not a method of these services");
                Err(Refusal::new(RefusalKind::Missing, message))
            }
        }
    };
    match answer.await {
        Ok(value) => axum::Json(value).into_response(),
        Err(refusal) => answer::twirp(&refusal),
    }
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

async fn read_json(body: Body) -> Result<Value, Refusal> {
    let bytes = read(body, MOST_BODY).await?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::invalid(format!("the request is not JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(Refusal::invalid("the request must be an object")) }
}

async fn read(body: Body, most: usize) -> Result<bytes::Bytes, Refusal> {
    axum::body::to_bytes(body, most).await.map_err(|_| {
        Refusal::new(
            RefusalKind::TooLarge,
            format!("the request has more than {most} bytes, or was cut short"),
        )
    })
}

/// Runs what touches many files where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Refusal::new(RefusalKind::Internal, "the server is stopping"))?
}

/// The address of a content, signed.
fn signed(inner: &Inner, to: LinkTo, kind: &str, id: &str) -> String {
    let path = format!("{kind}/{id}");
    let query = inner.signer.link(to, &path, inner.now() + crate::serve::LINK);
    format!("{}/devstoreaccount1/{path}?{query}", inner.url)
}

/// Refuses a request about another run than the token's.
fn check_run(grant: &Grant, body: &Value) -> Result<(), Refusal> {
    let run = crate::json::Message(body).text("workflow_run_backend_id")?;
    if run == grant.run { Ok(()) } else { Err(Refusal::denied("the token is for another run")) }
}
