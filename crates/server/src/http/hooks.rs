//! Webhooks of a forge: who sends them is known by the signature of the body, which anybody may send: few bodies are read at once,
//! and none for long.

use super::{
    Context,
    error::{ApiError, problem},
};
use crate::backend::Hook;
use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use futures_util::StreamExt as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shipway_api::{HookOutcome, Problem, codes};
use shipway_base::Secret;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The largest body of a webhook, as GitHub's.
const MOST_BODY: usize = 25 << 20;

/// Bodies that are read at once take one of these each.
static READING: Semaphore = Semaphore::const_new(16);

/// And one of these for each KiB that came of them.
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
    let body = read(body).await?;
    if !is_signed(secret, &signature, &body) {
        return Err(unsigned().into());
    }
    let wrong = |detail: String| ApiError(problem(codes::BAD_REQUEST, detail));
    let event =
        header("x-github-event").ok_or_else(|| wrong("the header X-GitHub-Event is missing".to_owned()))?;
    let delivery = header("x-github-delivery").map(str::to_owned);
    let unread = |error: &dyn std::fmt::Display| wrong(format!("the body cannot be read as JSON: {error}"));
    let body = String::from_utf8(body).map_err(|error| unread(&error))?;
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

async fn read(body: Body) -> Result<Vec<u8>, Box<Problem>> {
    let Ok(_turn) = READING.try_acquire() else {
        return Err(problem(codes::UNAVAILABLE, "too many webhooks are being read at once"));
    };
    match tokio::time::timeout(PATIENCE, read_within(body, &READING_KIB)).await {
        Ok(read) => read,
        Err(_) => Err(problem(codes::BAD_REQUEST, "the body did not come within 30 s")),
    }
}

/// Reads a body while there is room for what came of it.
async fn read_within(body: Body, room: &Semaphore) -> Result<Vec<u8>, Box<Problem>> {
    let mut pieces = body.into_data_stream();
    let (mut read, mut held) = (Vec::new(), None);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| problem(codes::BAD_REQUEST, "the body is cut off"))?;
        if read.len() + piece.len() > MOST_BODY {
            return Err(problem(codes::TOO_LARGE, "the body is larger than 25 MiB"));
        }
        let more = (read.len() + piece.len()).div_ceil(1 << 10) - read.len().div_ceil(1 << 10);
        let Ok(permit) = room.try_acquire_many(u32::try_from(more).unwrap_or(u32::MAX)) else {
            return Err(problem(codes::UNAVAILABLE, "too many large webhooks are being read at once"));
        };
        match &mut held {
            None => held = Some(permit),
            Some(held) => SemaphorePermit::merge(held, permit),
        }
        read.extend_from_slice(&piece);
    }
    Ok(read)
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

    #[tokio::test]
    async fn bodies_that_come_at_once_have_room_together() {
        let room = Semaphore::new(10);
        let body = |kib: usize| Body::from("x".repeat(kib << 10));
        let held = room.acquire_many(4).await.expect("room");
        assert_eq!(read_within(body(6), &room).await.expect("there is room").len(), 6 << 10);
        let refused = read_within(body(7), &room).await.expect_err("there is none");
        assert_eq!((refused.status, refused.code.as_str()), (503, codes::UNAVAILABLE));
        drop(held);
        assert_eq!(room.available_permits(), 10, "what was read gives its room back");
        let pieces: Vec<Result<String, std::io::Error>> = (0..40).map(|_| Ok("x".repeat(200))).collect();
        let read = read_within(Body::from_stream(futures_util::stream::iter(pieces)), &room).await;
        assert_eq!(read.expect("8,000 bytes are 8 KiB").len(), 8_000);
        let large = Semaphore::new(1 << 20);
        let refused = read_within(body((25 << 10) + 1), &large).await.expect_err("too large");
        assert_eq!(refused.status, 413);
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
