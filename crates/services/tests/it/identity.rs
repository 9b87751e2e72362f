//! Identity tokens, checked as a relying party would: by the keys that the discovery document leads to.

use crate::client::{World, send};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rsa::{BoxedUint, PublicKey, pkcs1v15, signature::Verifier as _};
use serde_json::{Value, json};
use sha2::Sha256;
use shipway_services::Identity;

fn decode(part: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64")
}

#[tokio::test]
async fn a_relying_party_can_check_a_token() {
    let world = World::new().await;
    let github = json!({
        "repository": "acme/web", "repository_owner": "acme", "ref": "refs/heads/main", "event_name": "push",
        "sha": "0123", "run_id": "17",
    });
    let github = github.as_object().cloned().expect("an object");
    let identity = Identity { github, environment: Some("production".to_owned()), ..Identity::default() };
    let job = world.job_with_identity("a", identity);
    assert_eq!(job.access.scripts.len(), 2);
    let asked = format!("{}&audience=sts.example.com", job.access.scripts["ACTIONS_ID_TOKEN_REQUEST_URL"]);
    let answer = job.send("GET", &asked, &[], "").await.json();
    let token = answer["value"].as_str().expect("a token");
    let parts: Vec<&str> = token.split('.').collect();
    let header: Value = serde_json::from_slice(&decode(parts[0])).expect("a header");
    let claims: Value = serde_json::from_slice(&decode(parts[1])).expect("claims");

    let well_known =
        format!("{}/.well-known/openid-configuration", claims["iss"].as_str().expect("an issuer"));
    let discovery = send("GET", &well_known, &[], "").await.json();
    assert_eq!(discovery["issuer"], claims["iss"]);
    let keys = send("GET", discovery["jwks_uri"].as_str().expect("an address"), &[], "").await.json();
    let key = &keys["keys"][0];
    assert_eq!(
        (&header["kid"], &header["alg"], &key["alg"]),
        (&key["kid"], &json!("RS256"), &json!("RS256"))
    );
    let number = |name: &str| {
        let bytes = decode(key[name].as_str().expect("a number"));
        BoxedUint::from_be_slice_vartime(&bytes)
    };
    let public = PublicKey::new(number("n"), number("e")).expect("a key");
    let signature = pkcs1v15::Signature::try_from(decode(parts[2]).as_slice()).expect("a signature");
    let signed = format!("{}.{}", parts[0], parts[1]);
    pkcs1v15::VerifyingKey::<Sha256>::new(public).verify(signed.as_bytes(), &signature).expect("verified");
    assert_eq!(claims["sub"], "repo:acme/web:environment:production");
    assert_eq!((&claims["aud"], &claims["iat"]), (&json!("sts.example.com"), &json!(1_000_000)));
    assert_eq!(claims["runner_environment"], "self-hosted");
}

#[tokio::test]
async fn only_a_job_that_may_gets_one() {
    let world = World::new().await;
    let job = world.job("a", "main");
    assert!(
        job.access.scripts.is_empty() && !job.access.actions.contains_key("ACTIONS_ID_TOKEN_REQUEST_URL")
    );
    let url = format!("{}/oidc/token?api-version=2.0", job.url);
    let refused = job.send("GET", &url, &[], "").await;
    assert_eq!(refused.status, 403);
    assert!(refused.json()["message"].as_str().expect("why").contains("id-token: write"));
    assert_eq!(send("GET", &url, &[], "").await.status, 401);
    let may = world.job_with_identity("b", Identity::default());
    let long = format!("{url}&audience={}", "x".repeat(2_000));
    assert_eq!(may.send("GET", &long, &[], "").await.status, 400);
    world.services.revoke("b");
    assert_eq!(may.send("GET", &url, &[], "").await.status, 401);
}

#[tokio::test]
async fn the_key_stays_when_the_process_does_not() {
    let one = World::new().await;
    let two =
        World::inside(one.dir.clone(), |options| options.issuer = Some("https://ci.example.com".to_owned()))
            .await;
    let (first, second) = tokio::join!(one.services.keys(), two.services.keys());
    assert_eq!(first.expect("keys"), second.expect("keys"));
    let discovery =
        send("GET", &format!("{}/.well-known/openid-configuration", two.services.url()), &[], "").await;
    assert_eq!(discovery.json()["jwks_uri"], "https://ci.example.com/.well-known/jwks");
}
