//! Refusals as each protocol spells them.

use crate::error::Refusal;
use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

fn status(refusal: &Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Twirp: a code and a sentence.
pub(super) fn twirp(refusal: &Refusal) -> Response {
    let body = json!({ "code": refusal.kind.twirp(), "msg": refusal.message });
    (status(refusal), Json(body)).into_response()
}

/// The older protocol of caches and that of identity tokens: a sentence.
pub(super) fn message(refusal: &Refusal) -> Response {
    (status(refusal), Json(json!({ "message": refusal.message }))).into_response()
}

/// Azure's storage: a small XML document, and the code in a header.
pub(super) fn azure(refusal: &Refusal) -> Response {
    let code = refusal.kind.azure();
    let message = refusal.message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = (status(refusal), body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(HeaderName::from_static("x-ms-error-code"), HeaderValue::from_static(code));
    response
}
