//! Webhooks of a forge: who sends them is known by the signature of the body.

use super::{
    Context,
    error::{ApiError, problem},
};
use crate::backend::Hook;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shipway_api::{HookOutcome, codes};
use shipway_base::Secret;

/// The largest body of a webhook, as GitHub's.
const MOST_BODY: usize = 25 << 20;

pub(super) fn routes() -> Router<Context> {
    Router::new().route("/hooks/github", post(github)).layer(DefaultBodyLimit::max(MOST_BODY))
}

async fn github(
    State(context): State<Context>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<HookOutcome>), ApiError> {
    let Some(secret) = &context.webhook_secret else {
        let mut off = problem(codes::FORBIDDEN, "this server takes no webhooks");
        off.help = Some("Start it with the secret of the webhook in SHIPWAY_WEBHOOK_SECRET.".to_owned());
        return Err(off.into());
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if !is_signed(secret, header("x-hub-signature-256").unwrap_or_default(), &body) {
        let mut wrong =
            problem(codes::UNAUTHENTICATED, "the header X-Hub-Signature-256 does not fit the body");
        wrong.help =
            Some("Give the webhook the secret that this server has in SHIPWAY_WEBHOOK_SECRET.".to_owned());
        return Err(wrong.into());
    }
    let wrong = |detail: String| ApiError(problem(codes::BAD_REQUEST, detail));
    let event =
        header("x-github-event").ok_or_else(|| wrong("the header X-GitHub-Event is missing".to_owned()))?;
    let payload = serde_json::from_slice(&body)
        .map_err(|error| wrong(format!("the body cannot be read as JSON: {error}")))?;
    let delivery = header("x-github-delivery").map(str::to_owned);
    let hook = Hook { event: event.to_owned(), delivery, payload };
    // A forge hangs up after ten seconds; what it said is done none the less.
    let backend = context.backend.clone();
    let done = tokio::spawn(async move { backend.hook(hook).await }).await;
    let outcome = done.map_err(|error| {
        tracing::error!(%error, "a webhook failed");
        ApiError(problem(codes::INTERNAL, "answering the webhook failed"))
    })??;
    Ok((StatusCode::ACCEPTED, Json(outcome)))
}

/// Whether `sha256=<hex>` is the HMAC of the body; compared in constant time.
fn is_signed(secret: &Secret, signature: &str, body: &[u8]) -> bool {
    let Some(hex) = signature.strip_prefix("sha256=").filter(|hex| hex.len() == 64 && hex.is_ascii()) else {
        return false;
    };
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        match u8::from_str_radix(&hex[2 * at..2 * at + 2], 16) {
            Ok(value) => *byte = value,
            Err(_) => return false,
        }
    }
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return false };
    mac.update(body);
    mac.verify_slice(&bytes).is_ok()
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
        assert!(is_signed(&secret, SIGNATURE, b"Hello, World!"));
        assert!(!is_signed(&secret, SIGNATURE, b"Hello, World"));
        assert!(!is_signed(&Secret::new("another"), SIGNATURE, b"Hello, World!"));
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_signature(text in "(sha256=)?[0-9a-f+ ]{0,66}|\\PC{0,70}") {
            prop_assert!(!is_signed(&Secret::new("k"), &text, b"x"));
        }
    }
}
