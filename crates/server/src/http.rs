//! The HTTP layer: the JSON API under `/api/v1`, the pages, live updates and assets, on top of a [`Backend`].
//!
//! Nothing here knows how the system works; it reads requests, asks the backend, and writes answers. The pages
//! themselves are functions in [`crate::web`].

mod access;
mod api;
mod assets;
pub mod auth;
mod error;
mod forms;
mod hooks;
mod identity;
mod live;
mod pages;
mod params;
mod serve;
mod settings;
mod workflows;

use crate::{backend::Backend, job_services::LazyServices};
use auth::Auth;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use shipway_base::{Clock, Secret};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};

pub use serve::serve;

/// What the HTTP layer stands on.
#[derive(Clone)]
pub struct Context {
    /// The system behind the pages.
    pub backend: Arc<dyn Backend>,
    /// Who may ask.
    pub auth: Arc<Auth>,
    /// The current instant, for ages and expiry.
    pub clock: Clock,
    /// The version that `/api/v1/version` and the foot of the pages tell.
    pub version: &'static str,
    /// The command that prints a new sign-in link, as the sign-in page tells it.
    pub sign_in_command: &'static str,
    /// What signs identity tokens of jobs; their keys are published here.
    pub services: Option<Arc<LazyServices>>,
    /// What webhooks are signed with; none are taken without it.
    pub webhook_secret: Option<Secret>,
    /// Ends live updates when the server stops.
    pub stopping: CancellationToken,
}

/// The largest body that is read: a delivery document, or a form.
const MOST_BODY: usize = 2 << 20;

/// Everything that nothing but ourselves may load, frame or run: no inline script or style, no foreign origin.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; \
     base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// All routes.
pub fn router(context: Context) -> Router {
    let signed_in = Router::new()
        .merge(pages::routes())
        .merge(forms::routes())
        .merge(workflows::routes())
        .merge(settings::routes())
        .merge(live::routes())
        .nest("/api/v1", api::routes())
        .route_layer(middleware::from_fn(access::check_scope))
        .route_layer(middleware::from_fn(access::check_origin))
        .route_layer(middleware::from_fn_with_state(context.clone(), access::identify));
    let open = Router::new()
        .route("/api/v1/health", get(api::health))
        .route("/metrics", get(api::metrics))
        .merge(identity::routes())
        .merge(hooks::routes())
        .merge(pages::open_routes())
        .merge(assets::routes());
    Router::new()
        .merge(signed_in)
        .merge(open)
        .fallback(error::no_such_page)
        .method_not_allowed_fallback(error::wrong_method)
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn(error::problems_of_the_api))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(security_headers))
        .with_state(context)
}

async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: that would hide the origin of our own forms from the check against foreign ones.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages tell the present state to one person; whatever may be kept says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
