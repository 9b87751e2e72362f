//! Scripts, styles and icons: compiled in, named by their content, kept by browsers for good.

use super::{Context, error::PageError, error::problem};
use crate::web::assets::{self, Asset};
use axum::{
    Router,
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use shipway_api::codes;

pub(super) fn routes() -> Router<Context> {
    Router::new().route("/assets/{name}", get(asset)).route("/favicon.ico", get(favicon))
}

async fn asset(Path(name): Path<String>) -> Response {
    match assets::find(&name) {
        Some(found) => answer(found, "public, max-age=31536000, immutable"),
        None => PageError(problem(codes::NOT_FOUND, format!("there is no asset {name}"))).into_response(),
    }
}

/// Browsers ask for it unasked, on pages that are not ours as well.
async fn favicon() -> Response {
    match assets::find(assets::path("icon.svg").trim_start_matches("/assets/")) {
        Some(found) => answer(found, "public, max-age=86400"),
        None => PageError(problem(codes::NOT_FOUND, "there is no icon")).into_response(),
    }
}

fn answer(asset: &Asset, cache: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, cache)];
    (headers, asset.text).into_response()
}
