//! Errors as answers: problem+json for the API, a page for people.

use super::{Context, access};
use crate::{
    backend::{BackendError, BackendErrorKind},
    web,
};
use axum::{
    Json,
    body::Body,
    extract::{OriginalUri, Request, State},
    http::{HeaderMap, HeaderValue, Response as HttpResponse, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use shipway_api::{Problem, codes};
use std::any::Any;

/// An error of the API.
#[derive(Debug)]
pub(super) struct ApiError(pub(super) Box<Problem>);

/// An error on a page for who is signed in.
#[derive(Debug)]
pub(super) struct PageError(pub(super) Box<Problem>);

/// A problem of one of our codes.
pub(super) fn problem(code: &'static str, detail: impl Into<String>) -> Box<Problem> {
    let (status, title, help) = match code {
        codes::UNAUTHENTICATED => {
            (401, "Not signed in", Some("Send a bearer token, or sign in with a link from the command line."))
        }
        codes::FORBIDDEN => {
            (403, "Not permitted", Some("Use the operator's token, or do it on a page while signed in."))
        }
        codes::NOT_FOUND => (404, "Not found", None),
        codes::CROSS_SITE => (
            403,
            "Sent from another site",
            Some("Open the page on this server and send the form from there."),
        ),
        codes::CONFLICT => {
            (409, "Not possible now", Some("See how it stands now, and ask again if that is still to be."))
        }
        codes::BAD_REQUEST => (400, "Bad request", None),
        codes::SIGN_IN_LINK => (403, "This sign-in link no longer works", Some("Ask for a new link.")),
        codes::KEY_REUSED => {
            (422, "The Idempotency-Key belongs to another request", Some("Use a new key for a new request."))
        }
        codes::TOO_LARGE => (413, "Too large", None),
        codes::METHOD => (405, "Wrong method", None),
        codes::UNAVAILABLE => (503, "Not available for the moment", Some("Try again shortly.")),
        codes::INVALID_DOCUMENT => {
            (422, "The document has errors", Some("Mend every finding and send it again."))
        }
        codes::NO_ORIGIN => (
            409,
            "The repository has no origin",
            Some(
                "Give it the forge's as its remote \"origin\" (git remote add origin ADDRESS), and let the forge deliver it again.",
            ),
        ),
        _ => (500, "The server failed", Some("The server's log has the cause; look for the same time.")),
    };
    Box::new(Problem {
        code: code.to_owned(),
        status,
        title: title.to_owned(),
        detail: detail.into(),
        help: help.map(str::to_owned),
        findings: Vec::new(),
    })
}

impl From<Box<Problem>> for ApiError {
    fn from(problem: Box<Problem>) -> ApiError {
        ApiError(problem)
    }
}

impl From<Box<Problem>> for PageError {
    fn from(problem: Box<Problem>) -> PageError {
        PageError(problem)
    }
}

impl From<BackendError> for ApiError {
    fn from(error: BackendError) -> ApiError {
        ApiError(describe(error))
    }
}

impl From<BackendError> for PageError {
    fn from(error: BackendError) -> PageError {
        PageError(describe(error))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = status(&self.0);
        let media = [(header::CONTENT_TYPE, Problem::MEDIA_TYPE)];
        let again = retry_after(status);
        (status, media, again, Json(self.0)).into_response()
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let status = status(&self.0);
        (status, retry_after(status), web::error::page(&self.0, true)).into_response()
    }
}

/// When whoever is turned away for the moment may come again, in seconds.
fn retry_after(status: StatusCode) -> Option<[(header::HeaderName, &'static str); 1]> {
    (status == StatusCode::SERVICE_UNAVAILABLE).then_some([(header::RETRY_AFTER, "30")])
}

/// The answer for one path: JSON below `/api`, else a page.
pub(super) fn respond(uri: &Uri, problem: Box<Problem>) -> Response {
    if uri.path().starts_with("/api/") {
        ApiError(problem).into_response()
    } else {
        PageError(problem).into_response()
    }
}

/// The same where nobody need be signed in: strangers are shown no menu, whose pages they cannot open.
pub(super) fn respond_openly(
    context: &Context,
    headers: &HeaderMap,
    uri: &Uri,
    problem: Box<Problem>,
) -> Response {
    if uri.path().starts_with("/api/") || access::who(context, headers).is_some() {
        return respond(uri, problem);
    }
    (status(&problem), web::error::page(&problem, false)).into_response()
}

pub(super) async fn no_such_page(
    State(context): State<Context>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let found = problem(codes::NOT_FOUND, format!("there is nothing at {}", uri.path()));
    respond_openly(&context, &headers, &uri, found)
}

pub(super) async fn wrong_method(
    State(context): State<Context>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let found = problem(codes::METHOD, format!("{} does not answer this method", uri.path()));
    respond_openly(&context, &headers, &uri, found)
}

/// Whatever goes wrong below `/api` is told as problem+json, also by those that know of no paths: a path that is no text, a handler
/// that panicked.
pub(super) async fn problems_of_the_api(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let media = response.headers().get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
    if !is_api || !failed || media.is_some_and(|media| media.contains("json")) {
        return response;
    }
    let found = match response.status() {
        StatusCode::NOT_FOUND => problem(codes::NOT_FOUND, "there is nothing at this address"),
        StatusCode::METHOD_NOT_ALLOWED => problem(codes::METHOD, "this address does not answer this method"),
        StatusCode::PAYLOAD_TOO_LARGE => problem(codes::TOO_LARGE, "the body is larger than 2 MiB"),
        status if status.is_client_error() => problem(codes::BAD_REQUEST, "the request cannot be read"),
        _ => problem(codes::INTERNAL, "the server failed on this request"),
    };
    let mut told = ApiError(found).into_response();
    if let Some(closes) = response.headers().get(header::CONNECTION) {
        told.headers_mut().insert(header::CONNECTION, closes.clone());
    }
    told
}

/// A handler panicked: the connection lives on, and the log has the message.
pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> HttpResponse<Body> {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(message, "a request handler panicked");
    let mut response =
        PageError(problem(codes::INTERNAL, "the server failed on this request")).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn describe(error: BackendError) -> Box<Problem> {
    let BackendError { context, kind } = error;
    match kind {
        BackendErrorKind::NotFound(what) => problem(codes::NOT_FOUND, format!("there is no {what}")),
        BackendErrorKind::Conflict(why) => problem(codes::CONFLICT, why),
        BackendErrorKind::Invalid(why) => problem(codes::BAD_REQUEST, why),
        BackendErrorKind::Document(findings) => {
            let mut found = problem(codes::INVALID_DOCUMENT, findings.first().cloned().unwrap_or(context));
            found.findings = findings;
            found
        }
        BackendErrorKind::KeyReused => problem(
            codes::KEY_REUSED,
            "an earlier request with this Idempotency-Key asked for something else",
        ),
        BackendErrorKind::NoOrigin(why) => problem(codes::NO_ORIGIN, why),
        BackendErrorKind::Unavailable(why) => problem(codes::UNAVAILABLE, why),
        BackendErrorKind::Internal(cause) => {
            // The cause may name files and statements: it goes to the log, not to the client.
            let mut causes = vec![cause.to_string()];
            let mut next = cause.source();
            while let Some(deeper) = next {
                causes.push(deeper.to_string());
                next = deeper.source();
            }
            tracing::error!(context, cause = causes.join(": "), "a request failed");
            problem(codes::INTERNAL, format!("{context} failed"))
        }
    }
}

fn status(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_for_the_moment_is_told_when_to_come_again() {
        let header = |response: Response| response.headers().get(header::RETRY_AFTER).cloned();
        let told = |code| header(ApiError(problem(code, "x")).into_response());
        assert_eq!(told(codes::UNAVAILABLE), Some(HeaderValue::from_static("30")));
        assert_eq!(told(codes::TOO_LARGE), None);
        let page = PageError(problem(codes::UNAVAILABLE, "x")).into_response();
        assert_eq!(header(page), Some(HeaderValue::from_static("30")));
    }

    /// A forge shows the answer to whoever looks for the cause, and 5xx would say that the server is at fault.
    #[test]
    fn a_missing_origin_is_told_with_what_to_do() {
        let kind = BackendErrorKind::NoOrigin("the repository has no remote".to_owned());
        let told = describe(BackendError { context: "answering".to_owned(), kind });
        assert_eq!((told.status, told.code.as_str()), (409, codes::NO_ORIGIN));
        assert_eq!(told.detail, "the repository has no remote");
        assert!(told.help.is_some_and(|help| help.contains("git remote add origin")));
    }
}
