//! Who asks, whether the request is meant, and whether it is allowed: three layers around every route but a few.

use super::{
    Context,
    auth::{COOKIE, Principal},
    error::{problem, respond},
};
use crate::backend::Actor;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use shipway_api::{codes, request::percent_encode};

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Actor {
        match principal {
            Principal::Token | Principal::Session(_) => Actor::Operator,
            Principal::Run(id) => Actor::Run(*id),
        }
    }
}

/// Finds out who asks, by bearer token or session, and turns everyone else away: the API with 401, a page with the
/// way to the sign-in page.
pub(super) async fn identify(State(context): State<Context>, mut request: Request, next: Next) -> Response {
    let Some(principal) = who(&context, request.headers()) else { return turn_away(&request) };
    request.extensions_mut().insert(principal);
    next.run(request).await
}

/// Who asks, by bearer token or session; nobody when neither is good.
pub(super) fn who(context: &Context, headers: &HeaderMap) -> Option<Principal> {
    let now = context.clock.now();
    match header_text(headers, &header::AUTHORIZATION) {
        Some(value) => value.split_once(' ').and_then(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer").then(|| context.auth.bearer(token.trim(), now)).flatten()
        }),
        None => session_cookie(headers).and_then(|cookie| context.auth.session(cookie, now)),
    }
}

/// Refuses what a page of another site makes a signed-in browser send. A bearer token is no such thing: browsers do
/// not add it by themselves.
pub(super) async fn check_origin(request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let browser = matches!(request.extensions().get::<Principal>(), Some(Principal::Session(_)));
    if changes && browser && !is_same_origin(request.headers()) {
        let detail = "the request changes something but does not come from a page of this server";
        return respond(request.uri(), problem(codes::CROSS_SITE, detail));
    }
    next.run(request).await
}

/// Keeps the token of a run to what a deploy step needs: reading, and deploying.
pub(super) async fn check_scope(request: Request, next: Next) -> Response {
    if let Some(Principal::Run(id)) = request.extensions().get::<Principal>() {
        let path = request.uri().path();
        // A job reads its secrets where its workflow names them, and not those of others here.
        let others = path.starts_with("/api/v1/secrets") || path.starts_with("/api/v1/variables");
        let reads = *request.method() == Method::GET && path.starts_with("/api/v1/") && !others;
        let deploys = *request.method() == Method::POST && path == "/api/v1/deployments";
        if !reads && !deploys {
            let detail =
                format!("the token of run {id} may read and deploy, but not {} {path}", request.method());
            return respond(request.uri(), problem(codes::FORBIDDEN, detail));
        }
    }
    next.run(request).await
}

/// Whether the browser says that a page of this very server sent the request. Browsers send `Sec-Fetch-Site` to
/// `localhost` and over TLS, and `Origin` with every form everywhere; a request with neither is not trusted.
pub(super) fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = header_text(headers, &"sec-fetch-site".parse().unwrap_or(header::ORIGIN)) {
        return site == "same-origin";
    }
    let host = header_text(headers, &header::HOST);
    let origin = header_text(headers, &header::ORIGIN)
        .and_then(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")));
    host.is_some() && host == origin
}

/// The session's cookie, when there is one.
pub(super) fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

fn turn_away(request: &Request) -> Response {
    let path = request.uri().path();
    let page = !path.starts_with("/api/") && !path.starts_with("/live/");
    if page {
        // A form cannot be sent again after signing in, so only reading leads back to where it was.
        let next = match (request.method(), request.uri().path_and_query()) {
            (&Method::GET, Some(target)) if path != "/" => {
                format!("?next={}", percent_encode(target.as_str()))
            }
            _ => String::new(),
        };
        return (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/sign-in{next}"))]).into_response();
    }
    let mut response = super::error::ApiError(problem(
        codes::UNAUTHENTICATED,
        "this needs a bearer token or a signed-in browser",
    ))
    .into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn header_text<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)], expect: bool) {
        let map = headers
            .iter()
            .map(|(name, value)| {
                (name.parse::<header::HeaderName>().expect("a name"), value.parse().expect("a value"))
            })
            .collect();
        assert_eq!(is_same_origin(&map), expect, "{headers:?}");
    }

    #[test]
    fn only_our_own_pages_are_trusted() {
        check(&[], false);
        check(&[("host", "localhost:7000")], false);
        check(&[("host", "localhost:7000"), ("origin", "http://localhost:7000")], true);
        check(&[("host", "localhost:7000"), ("origin", "http://localhost:8000")], false);
        check(&[("host", "localhost:7000"), ("origin", "null")], false);
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "same-site")], false);
        check(&[("sec-fetch-site", "cross-site")], false);
        check(&[("sec-fetch-site", "none")], false);
        // What the browser says outright wins over what could be made to match.
        check(&[("sec-fetch-site", "cross-site"), ("host", "a:1"), ("origin", "http://a:1")], false);
    }
}
