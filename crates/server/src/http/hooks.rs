//! Webhooks of a forge: who sends them is known by the signature of the body, which anybody may send: few bodies are read at once,
//! and none for long.

use super::{
    Context,
    error::{ApiError, problem},
};
use crate::backend::Hook;
use axum::{
    Json, Router,
    body::{Body, Bytes, to_bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shipway_api::{HookOutcome, Problem, codes};
use shipway_base::Secret;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The largest body of a webhook, as GitHub's.
const MOST_BODY: usize = 25 << 20;

/// Bodies that are read at once take one of these each.
static READING: Semaphore = Semaphore::const_new(16);

/// And one of these for each KiB that they say they have, or may have when they do not say it.
static READING_KIB: Semaphore = Semaphore::const_new(128 << 10);

/// How long reading a body may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn routes() -> Router<Context> {
    Router::new().route("/hooks/github", post(github))
}

async fn github(
    State(context): State<Context>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<HookOutcome>), ApiError> {
    let Some(secret) = &context.webhook_secret else {
        let mut off = problem(codes::FORBIDDEN, "this server takes no webhooks");
        off.help = Some("Start it with the secret of the webhook in SHIPWAY_WEBHOOK_SECRET.".to_owned());
        return Err(off.into());
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let signature = header("x-hub-signature-256").and_then(signature).ok_or_else(unsigned)?;
    let body = read(length(&headers), body).await?;
    if !is_signed(secret, &signature, &body) {
        return Err(unsigned().into());
    }
    let wrong = |detail: String| ApiError(problem(codes::BAD_REQUEST, detail));
    let event =
        header("x-github-event").ok_or_else(|| wrong("the header X-GitHub-Event is missing".to_owned()))?;
    let delivery = header("x-github-delivery").map(str::to_owned);
    let unread = |error: &dyn std::fmt::Display| wrong(format!("the body cannot be read as JSON: {error}"));
    let body = String::from_utf8(body.into()).map_err(|error| unread(&error))?;
    let hook = Hook::read(event.to_owned(), delivery, body).map_err(|error| unread(&error))?;
    if hook.payload.as_object().is_none() {
        return Err(wrong("the body is not a JSON object".to_owned()));
    }
    // A forge hangs up after ten seconds; what it said is done none the less.
    let backend = context.backend.clone();
    let done = tokio::spawn(async move { backend.hook(hook).await }).await;
    let outcome = done.map_err(|error| {
        tracing::error!(%error, "a webhook failed");
        ApiError(problem(codes::INTERNAL, "answering the webhook failed"))
    })??;
    Ok((StatusCode::ACCEPTED, Json(outcome)))
}

fn unsigned() -> Box<Problem> {
    let mut wrong = problem(codes::UNAUTHENTICATED, "the header X-Hub-Signature-256 does not fit the body");
    wrong.help =
        Some("Give the webhook the secret that this server has in SHIPWAY_WEBHOOK_SECRET.".to_owned());
    wrong
}

/// How long a body says it is, in bytes; the most that one may have when it does not say it.
fn length(headers: &HeaderMap) -> usize {
    let told = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    told.unwrap_or(MOST_BODY)
}

async fn read(length: usize, body: Body) -> Result<Bytes, Box<Problem>> {
    if length > MOST_BODY {
        return Err(problem(codes::TOO_LARGE, "the body is larger than 25 MiB"));
    }
    let kib = u32::try_from(length.div_ceil(1 << 10)).unwrap_or(u32::MAX);
    let (Ok(_turn), Ok(_kib)) = (READING.try_acquire(), READING_KIB.try_acquire_many(kib)) else {
        return Err(problem(
            codes::UNAVAILABLE,
            "too many webhooks, or too large ones, are being read at once",
        ));
    };
    match tokio::time::timeout(PATIENCE, to_bytes(body, length)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(problem(codes::TOO_LARGE, "the body is cut off, or larger than 25 MiB")),
        Err(_) => Err(problem(codes::BAD_REQUEST, "the body did not come within 30 s")),
    }
}

/// Reads `sha256=<hex>`.
fn signature(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix("sha256=").filter(|hex| hex.len() == 64)?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let digit =
            |place: usize| char::from(pair[place]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(0)? << 4 | digit(1)?;
    }
    Some(bytes)
}

/// Whether a signature is the HMAC of the body; compared in constant time.
fn is_signed(secret: &Secret, signature: &[u8; 32], body: &[u8]) -> bool {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return false };
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of GitHub's documentation.
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn githubs_own_example_fits() {
        let secret = Secret::new("It's a Secret to Everybody");
        let given = signature(SIGNATURE).expect("a signature");
        assert!(is_signed(&secret, &given, b"Hello, World!"));
        assert!(!is_signed(&secret, &given, b"Hello, World"));
        assert!(!is_signed(&Secret::new("another"), &given, b"Hello, World!"));
        assert_eq!(signature(&SIGNATURE.to_uppercase().replace("SHA256", "sha256")), Some(given));
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_signature(text in "(sha256=)?[0-9a-f+ ]{0,66}|sha256=[0-9a-fA-F]{64}|\\PC{0,70}") {
            let given = signature(&text);
            prop_assert!(!given.is_some_and(|given| is_signed(&Secret::new("k"), &given, b"x")));
            let is_whole = text.len() == 71 && text.starts_with("sha256=") && text[7..].bytes().all(|b| b.is_ascii_hexdigit());
            prop_assert_eq!(given.is_some(), is_whole);
        }
    }
}
