//! The router's own answers: short, with a code whose page says what to do.

use crate::{Dropped, body::Content, counters::Cause};
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};

/// Marks the router's own answers and says why.
const CAUSE: HeaderName = HeaderName::from_static("shipway-cause");

/// The router failed the request, or the shifting did.
pub(crate) fn dropped(service: &str, why: Dropped, reason: &str) -> Response<Content> {
    let text = match why {
        Dropped::DrainTimeout => {
            // It may have been carried out, so nothing invites to send it again.
            let text = format!("the instance of {service} was stopped before it answered");
            return answer(StatusCode::BAD_GATEWAY, "SW0705", why.label(), &text);
        }
        Dropped::Closed => format!("{service} serves no requests: {reason}"),
        Dropped::NoInstance => format!("no instance of {service} is ready"),
        Dropped::Shutdown => format!("the router of {service} is being stopped"),
    };
    let mut answer = answer(StatusCode::SERVICE_UNAVAILABLE, "SW0704", why.label(), &text);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// An instance failed the request without an answer of its own.
pub(crate) fn failed(service: &str, cause: Cause) -> Response<Content> {
    if cause == Cause::Timeout {
        let text = format!("the instance of {service} took too long to begin its answer");
        return answer(StatusCode::GATEWAY_TIMEOUT, "SW0706", "timeout", &text);
    }
    let text = format!("the instance of {service} gave no answer: {cause}");
    answer(StatusCode::BAD_GATEWAY, "SW0705", "no-answer", &text)
}

/// No route matches.
pub(crate) fn unrouted(host: &str) -> Response<Content> {
    // The host is the client's text: whatever could be read as markup or a line break is escaped.
    let text = format!("no service is routed for the host {host:?}");
    answer(StatusCode::NOT_FOUND, "SW0707", "no-route", &text)
}

/// Says that the connection ends with this answer.
pub(crate) fn close(answer: &mut Response<Content>) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// The request cannot be forwarded.
pub(crate) fn refused(status: StatusCode, reason: &str) -> Response<Content> {
    let mut answer = answer(status, "SW0708", "bad-request", reason);
    // Where a request ends is in doubt when it is malformed, so nothing more is read from this client.
    close(&mut answer);
    answer
}

fn answer(status: StatusCode, code: &str, cause: &'static str, text: &str) -> Response<Content> {
    let text = format!("[{code}] {text}\n");
    let mut answer = Response::new(Content::Own(Some(text.into())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CAUSE, HeaderValue::from_static(cause));
    answer
}
