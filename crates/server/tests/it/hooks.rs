//! Webhooks over HTTP: the signature, the headers, what comes back.

use crate::{
    client::{As, Client},
    fake::samples,
};
use axum::{body::Body, http::StatusCode};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"the secret of the tests").expect("a key");
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

#[tokio::test]
async fn only_a_signed_body_is_heard() {
    let client = Client::new(samples::rich());
    let send = async |event: &str, signature: &str, body: &str| {
        let request = client
            .request("POST", "/hooks/github", As::Nobody)
            .header("x-github-event", event)
            .header("x-github-delivery", "d1")
            .header("x-hub-signature-256", signature)
            .body(Body::from(body.to_owned()));
        client.reply(request.expect("a request")).await
    };
    let body = "{\"zen\": \"x\"}";
    let heard = send("ping", &signature(body), body).await;
    assert_eq!(
        (heard.status, heard.json()["ignored"].as_str()),
        (StatusCode::ACCEPTED, Some("heard ping d1"))
    );
    for wrong in ["", "sha256=", &signature("{}"), &signature(body).replace("sha256=", "sha1=")] {
        let refused = send("ping", wrong, body).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(refused.text.contains("SHIPWAY_WEBHOOK_SECRET"));
    }
    for (odd, why) in [
        ("no json".to_owned(), "expected ident"),
        ("{\"a\":".repeat(1_000_000), "recursion limit exceeded"),
        (format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200)), "recursion limit exceeded"),
    ] {
        let answer = send("ping", &signature(&odd), &odd).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.text.contains("the body cannot be read as JSON"), "{}", answer.text);
        assert!(answer.text.contains(why), "{}", answer.text);
    }
    for odd in ["[]", "[{\"zen\": \"x\"}]", "null"] {
        assert_eq!(send("ping", &signature(odd), odd).await.status, StatusCode::BAD_REQUEST, "{odd}");
    }
    let large = format!("{{\"zen\": \"{}\"}}", "x".repeat(3 << 20));
    assert_eq!(
        send("ping", &signature(&large), &large).await.status,
        StatusCode::ACCEPTED,
        "as large as GitHub's"
    );
    let larger = "x".repeat((25 << 20) + 1);
    let answer = send("ping", &signature(&larger), &larger).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.text.contains("larger than 25 MiB"), "{}", answer.text);
    let unnamed = client.request("POST", "/hooks/github", As::Nobody);
    let unnamed = unnamed.header("x-hub-signature-256", signature(body)).body(Body::from(body.to_owned()));
    let unnamed = client.reply(unnamed.expect("a request")).await;
    assert_eq!(unnamed.status, StatusCode::BAD_REQUEST);
    assert!(unnamed.text.contains("X-GitHub-Event"), "{}", unnamed.text);
}

#[tokio::test]
async fn without_a_secret_nothing_is_heard() {
    let client = Client::with_hooks(samples::rich(), None);
    for signature in [signature("{}"), String::new()] {
        let request = client.request("POST", "/hooks/github", As::Nobody).header("x-github-event", "push");
        let request = request.header("x-hub-signature-256", signature).body(Body::from("{}"));
        let refused = client.reply(request.expect("a request")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.text.contains("SHIPWAY_WEBHOOK_SECRET"), "{}", refused.text);
    }
}
