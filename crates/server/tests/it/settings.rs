//! The page and the API of secrets and variables: values of secrets go in and never come out.

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
async fn a_secret_is_set_listed_and_taken_away_and_never_shown() {
    let client = Client::new(samples::rich());
    let body = "name=token&environment=staging&value=hunter2%0D%0Aline+two%0D%0A";
    let set = client.form("/settings/secrets", body).await;
    assert_eq!((set.status, set.header("location")), (StatusCode::SEE_OTHER, "/settings"));
    assert_eq!(client.fake.state().values[0].2.expose(), "hunter2\nline two");
    client.form("/settings/variables", "name=region&environment=&value=eu-west").await;
    let page = client.get("/settings").await.text;
    assert!(page.contains("TOKEN") && page.contains("staging") && page.contains("eu-west"), "{page}");
    assert!(!page.contains("hunter2") && !page.contains("line two"));
    let removed = client.form("/settings/secrets/remove", "name=TOKEN&environment=staging").await;
    assert_eq!(removed.status, StatusCode::SEE_OTHER);
    assert!(!client.get("/settings").await.text.contains("TOKEN"));
    for path in ["/settings/other", "/settings/other/remove"] {
        assert_eq!(client.form(path, "name=a&value=b").await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(client.form("/settings/secrets", "name=a").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_api_sets_and_removes_and_tells_no_secret() {
    let client = Client::new(samples::rich());
    let set = client
        .call("PUT", "/api/v1/secrets/TOKEN?environment=staging", Some(json!({ "value": "hunter2" })))
        .await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
    let set = client.call("PUT", "/api/v1/variables/REGION", Some(json!({ "value": "eu" }))).await;
    assert_eq!(set.json()["value"], "eu");
    let listed = client.call("GET", "/api/v1/secrets", None).await;
    assert_eq!(listed.json()["items"][0]["environment"], "staging");
    assert!(!listed.text.contains("hunter2") && listed.json()["items"][0].get("value").is_none());
    let wrong = client.call("PUT", "/api/v1/secrets/TOKEN?env=staging", Some(json!({ "value": "x" }))).await;
    assert!(wrong.status == StatusCode::BAD_REQUEST && wrong.text.contains("no parameter"), "{}", wrong.text);
    let removed = client.call("DELETE", "/api/v1/secrets/TOKEN?environment=staging", None).await;
    assert_eq!((removed.status, removed.text.as_str()), (StatusCode::OK, "{}"));
    let again = client.call("DELETE", "/api/v1/secrets/TOKEN?environment=staging", None).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_job_and_another_site_can_do_nothing_with_them() {
    let client = Client::new(samples::rich());
    let token = client.auth.run_token(samples::run_id(2), NOW + Duration::from_secs(60));
    for (method, path) in [
        ("GET", "/api/v1/secrets"),
        ("GET", "/api/v1/variables"),
        ("PUT", "/api/v1/secrets/A"),
        ("DELETE", "/api/v1/variables/A"),
        ("GET", "/settings"),
    ] {
        let request = client.request(method, path, As::Bearer(token.expose())).body(Body::empty());
        let reply = client.reply(request.expect("a request")).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{method} {path}");
    }
    let crossed = client
        .request("PUT", "/api/v1/secrets/A", As::Browser)
        .header("sec-fetch-site", "cross-site")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from("{\"value\":\"x\"}"));
    assert_eq!(client.reply(crossed.expect("a request")).await.status, StatusCode::FORBIDDEN);
    assert!(client.fake.state().values.is_empty());
}
