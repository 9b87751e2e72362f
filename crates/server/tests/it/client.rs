//! Requests to the router without a network, signed in as one likes.

use crate::fake::{Fake, NOW};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use serde_json::Value;
use shipway_base::{Clock, Secret};
use shipway_server::http::{
    Context,
    auth::{Auth, COOKIE},
    router,
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A router on a fake backend.
pub(crate) struct Client {
    pub(crate) fake: Arc<Fake>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) stopping: CancellationToken,
    router: Router,
    session: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// How a request is signed in.
#[derive(Clone, Copy)]
pub(crate) enum As<'a> {
    Nobody,
    Browser,
    Bearer(&'a str),
}

impl Client {
    pub(crate) fn new(fake: Fake) -> Client {
        Client::with_hooks(fake, Some(Secret::new("the secret of the tests")))
    }

    /// A router that takes webhooks signed so.
    pub(crate) fn with_hooks(fake: Fake, webhook_secret: Option<Secret>) -> Client {
        let fake = Arc::new(fake);
        let auth = Arc::new(Auth::new(Secret::new("a key of the tests")));
        let stopping = CancellationToken::new();
        let link = auth.sign_in_link(NOW).expect("entropy");
        let token = link.path.trim_start_matches("/sign-in?token=");
        let session = auth.sign_in(token, NOW).expect("entropy").expect("a session");
        let context = Context {
            backend: fake.clone(),
            auth: auth.clone(),
            clock: Clock::new(|| NOW),
            version: "0.0.0",
            sign_in_command: "shipway sign-in",
            services: None,
            webhook_secret,
            stopping: stopping.clone(),
        };
        Client { fake, auth, stopping, router: router(context), session: session.expose().to_owned() }
    }

    /// A request as it stands.
    pub(crate) async fn send(&self, request: Request<Body>) -> axum::http::Response<Body> {
        self.router.clone().oneshot(request).await.expect("the router answers")
    }

    /// A request builder that is signed in.
    pub(crate) fn request(&self, method: &str, path: &str, who: As<'_>) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "shipway.test");
        match who {
            As::Nobody => request,
            As::Browser => request.header(header::COOKIE, format!("{COOKIE}={}", self.session)),
            As::Bearer(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        }
    }

    /// Sends and reads to the end.
    pub(crate) async fn reply(&self, request: Request<Body>) -> Reply {
        let response = self.send(request).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 200 << 20).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Reply { status: parts.status, headers: parts.headers, text }
    }

    /// A page, as the signed-in browser sees it.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.reply(self.request("GET", path, As::Browser).body(Body::empty()).expect("a request")).await
    }

    /// A form of a page, sent by the signed-in browser.
    pub(crate) async fn form(&self, path: &str, body: &str) -> Reply {
        let request = self
            .request("POST", path, As::Browser)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body.to_owned()));
        self.reply(request.expect("a request")).await
    }

    /// A call of the API with the operator's token.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let token = self.auth.operator_token();
        let request = self.request(method, path, As::Bearer(token.expose()));
        let request = match body {
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
            }
            None => request.body(Body::empty()),
        };
        self.reply(request.expect("a request")).await
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
