//! Who gets in, and what is refused.

use crate::{
    client::{As, Client},
    fake::{NOW, samples},
};
use axum::{
    body::Body,
    http::{StatusCode, header},
};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn strangers_are_turned_away() {
    let client = Client::new(samples::rich());
    let ask = |path: &'static str| {
        client.reply(client.request("GET", path, As::Nobody).body(Body::empty()).expect("a request"))
    };
    let page = ask("/runs?status=queued").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.header("location"), "/sign-in?next=%2Fruns%3Fstatus%3Dqueued");
    let api = ask("/api/v1/runs").await;
    assert_eq!((api.status, api.json()["code"].clone()), (StatusCode::UNAUTHORIZED, json!("SW0901")));
    assert_eq!(api.header("content-type"), "application/problem+json");
    assert_eq!(api.header("www-authenticate"), "Bearer");
    assert_eq!(ask("/live/home").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask("/api/v1/health").await.status, StatusCode::OK);
    assert_eq!(ask("/metrics").await.status, StatusCode::OK);
    assert_eq!(ask("/sign-in").await.status, StatusCode::OK);
    for wrong in ["swo_00", "swr_1.2.3", "nonsense", ""] {
        let request = client.request("GET", "/api/v1/runs", As::Bearer(wrong)).body(Body::empty());
        assert_eq!(
            client.reply(request.expect("a request")).await.status,
            StatusCode::UNAUTHORIZED,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_link_signs_in_once_and_leads_back() {
    let client = Client::new(samples::rich());
    let link = client.auth.sign_in_link(NOW).expect("entropy").path;
    let open = |path: String, site: &'static str| {
        let request = client.request("GET", &path, As::Nobody).header("sec-fetch-site", site);
        client.reply(request.body(Body::empty()).expect("a request"))
    };
    let first = open(format!("{link}&next=/runs"), "none").await;
    assert_eq!((first.status, first.header("location")), (StatusCode::SEE_OTHER, "/runs"));
    let cookie = first.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let session = cookie.split(';').next().expect("a pair");
    let request = client.request("GET", "/", As::Nobody).header(header::COOKIE, session);
    assert_eq!(client.reply(request.body(Body::empty()).expect("a request")).await.status, StatusCode::OK);
    let again = open(link, "none").await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.text.contains("no longer works") && again.text.contains("shipway sign-in"));
    // From another site the cookie is set by a page of ours, and a foreign target is not followed.
    let link = client.auth.sign_in_link(NOW).expect("entropy").path;
    let crossed = open(format!("{link}&next=//evil.example"), "cross-site").await;
    assert_eq!(crossed.status, StatusCode::OK);
    assert!(crossed.text.contains("href=\"/\"") && !crossed.text.contains("evil"));
}

/// Addresses that are open to everyone, and those that lead nowhere, tell strangers no more than the sign-in page does.
#[tokio::test]
async fn strangers_see_no_menu() {
    let client = Client::new(samples::rich());
    let menus = ["aria-label=\"Main\"", "Sign out"];
    for (method, path, status) in [
        ("GET", "/nope", StatusCode::NOT_FOUND),
        ("POST", "/sign-in", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/sign-in?wrong=1", StatusCode::BAD_REQUEST),
    ] {
        for (who, sees) in [(As::Nobody, false), (As::Browser, true)] {
            let request = client.request(method, path, who).body(Body::empty()).expect("a request");
            let page = client.reply(request).await;
            assert_eq!(page.status, status, "{method} {path}");
            for menu in menus {
                assert_eq!(page.text.contains(menu), sees, "{method} {path} {sees} {menu}: {}", page.text);
            }
        }
    }
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let client = Client::new(samples::rich());
    assert_eq!(client.form("/sign-out", "").await.header("location"), "/sign-in");
    assert_eq!(client.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn forms_of_other_sites_change_nothing() {
    let client = Client::new(samples::rich());
    let path = format!("/rollouts/{}/abort", samples::rollout_id(1));
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example"), ("x-none", "neither header")]
    {
        let request = client.request("POST", &path, As::Browser).header(name, value).body(Body::empty());
        let reply = client.reply(request.expect("a request")).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{name}: {value}");
        assert!(reply.text.contains("SW0904"));
    }
    assert!(client.fake.state().asked.is_empty());
    let request = client.request("POST", &path, As::Browser).header("origin", "http://shipway.test");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(
        client.reply(request.body(Body::empty()).expect("a request")).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(client.fake.state().asked.len(), 1);
}

#[tokio::test]
async fn the_token_of_a_run_reads_and_deploys_and_no_more() {
    let client = Client::new(samples::rich());
    let token = client.auth.run_token(samples::run_id(2), NOW + Duration::from_secs(60));
    let check = async |method: &str, path: String, body: Option<serde_json::Value>, status: StatusCode| {
        let request = client.request(method, &path, As::Bearer(token.expose()));
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let request = request.header("content-type", "application/json").body(body).expect("a request");
        let reply = client.reply(request).await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text);
    };
    let deploy = |run: i64| {
        json!({ "service": "web", "artifact": "web", "run_id": samples::run_id(run).to_string(),
                "spec": "kind: Service", "spec_name": "shipway.yaml" })
    };
    check("GET", format!("/api/v1/rollouts/{}", samples::rollout_id(1)), None, StatusCode::OK).await;
    check("POST", "/api/v1/deployments".to_owned(), Some(deploy(2)), StatusCode::CREATED).await;
    check("POST", "/api/v1/deployments".to_owned(), Some(deploy(3)), StatusCode::FORBIDDEN).await;
    for command in ["promote", "abort", "undo"] {
        let path = format!("/api/v1/rollouts/{}/{command}", samples::rollout_id(1));
        check("POST", path, None, StatusCode::FORBIDDEN).await;
    }
    check("POST", "/api/v1/sign-in-links".to_owned(), None, StatusCode::FORBIDDEN).await;
    check("GET", "/runs".to_owned(), None, StatusCode::FORBIDDEN).await;
    check("POST", "/sign-out".to_owned(), None, StatusCode::FORBIDDEN).await;
}
