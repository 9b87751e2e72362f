//! The pages and the API of workflows: the list, the form, what a form means.

use crate::{
    client::{As, Client},
    fake::samples,
};
use axum::{body::Body, http::StatusCode};
use serde_json::json;

#[tokio::test]
async fn the_form_has_a_field_for_each_input() {
    let client = Client::new(samples::rich());
    let list = client.get("/workflows").await.text;
    assert!(
        list.contains("href=\"/workflows/deploy.yml?ref=main\"") && list.contains("Deploy &lt;b&gt;"),
        "{list}"
    );
    assert!(list.contains("0 3 * * 1") && list.contains("next <time"), "{list}");
    assert!(!list.contains("\"/workflows/ci.yml"), "nobody can start it");
    assert!(list.contains("unknown key") && !list.contains("\"/workflows/old.yml"), "it has errors");
    let form = client.get("/workflows/deploy.yml?ref=release/1.4").await.text;
    for part in [
        "name=\"ref\" value=\"refs/heads/release/1.4\"",
        "<option value=\"blue\" selected>",
        "Which &quot;colour&quot;",
        "name=\"input.loud\" value=\"true\" checked",
        "type=\"number\" step=\"any\"",
        "name=\"input.ref\" value=\"\" required",
    ] {
        assert!(form.contains(part), "no {part} in {form}");
    }
    assert!(client.get("/workflows/ci.yml").await.text.contains("not started by hand"));
    assert_eq!(client.get("/workflows/none.yml").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/workflows?ref=none").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_form_starts_a_run() {
    let client = Client::new(samples::rich());
    let body = "ref=refs%2Fheads%2Fmain&input.colour=red&input.times=4&input.where=&input.ref=x+y";
    let done = client.form("/workflows/deploy.yml", body).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    assert!(done.header("location").starts_with("/runs/"));
    let asked = client.fake.state().asked.last().cloned().expect("it was asked for");
    assert_eq!(
        asked,
        "dispatch deploy.yml on refs/heads/main with colour=\"red\" loud=\"false\" ref=\"x y\" times=\"4\" by operator"
    );
}

#[tokio::test]
async fn a_form_has_a_key_of_its_own_each_time() {
    let client = Client::new(samples::rich());
    let key = async || {
        let form = client.get("/workflows/deploy.yml").await.text;
        let (_, rest) = form.split_once("name=\"key\" value=\"").expect("a key");
        rest.split('"').next().expect("its end").to_owned()
    };
    let (one, two) = (key().await, key().await);
    assert!(one != two && one.len() == 64, "{one} {two}");
    let send = async |key: &str, times: u32| {
        let body = format!("ref=main&key={key}&input.colour=red&input.times={times}&input.ref=x");
        let done = client.form("/workflows/deploy.yml", &body).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
        client.fake.state().keys_sent.last().cloned().flatten().expect("a key")
    };
    let first = send(&one, 4).await;
    assert_eq!(send(&one, 4).await, first, "a double click");
    assert_ne!(send(&one, 5).await, first, "what was changed is another request");
    assert_ne!(send(&two, 4).await, first);
}

#[tokio::test]
async fn what_does_not_fit_is_told_on_the_form_and_what_was_typed_stays() {
    let client = Client::new(samples::rich());
    let refused =
        client.form("/workflows/deploy.yml", "ref=main&input.colour=red&input.times=7&input.ref=").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in [
        "Nothing was started",
        "&quot;ref&quot; is required",
        "value=\"7\"",
        "<option value=\"red\" selected>",
    ] {
        assert!(refused.text.contains(part), "no {part} in {}", refused.text);
    }
    assert!(!refused.text.contains(" checked"), "a box that was not ticked stays so");
    let strange = client.form("/workflows/deploy.yml", "input.colr=red").await;
    assert_eq!(strange.status, StatusCode::BAD_REQUEST);
    assert!(strange.text.contains("no field &quot;input.colr&quot;"), "{}", strange.text);
}

#[tokio::test]
async fn the_api_starts_a_run_and_says_what_does_not_fit() {
    let client = Client::new(samples::rich());
    let listed = client.call("GET", "/api/v1/workflows?ref=main", None).await.json();
    assert_eq!(listed["ref"], "refs/heads/main");
    assert_eq!(listed["items"][1]["inputs"][0]["kind"], "choice");
    assert!(listed["items"][0].get("inputs").is_none());
    let path = "/api/v1/workflows/deploy.yml/dispatches";
    let done = client
        .call("POST", path, Some(json!({ "ref": "main", "inputs": { "ref": "x", "loud": true } })))
        .await;
    assert_eq!(done.status, StatusCode::CREATED);
    assert!(done.json()["summary"]["id"].is_string());
    let send = async |key: &str| {
        let request = client.request("POST", path, As::Bearer(client.auth.operator_token().expose()));
        let request = request.header("content-type", "application/json").header("idempotency-key", key);
        let body = json!({ "ref": "main", "inputs": { "ref": "x" } }).to_string();
        client.reply(request.body(Body::from(body)).expect("a request")).await.status
    };
    assert_eq!(send("new").await, StatusCode::CREATED);
    assert_eq!(send("sent before").await, StatusCode::OK);
    assert_eq!(send(&"k".repeat(201)).await, StatusCode::BAD_REQUEST);
    let refused = client.call("POST", path, Some(json!({ "inputs": {} }))).await;
    assert_eq!(
        (refused.status, refused.json()["code"].clone()),
        (StatusCode::UNPROCESSABLE_ENTITY, json!("SW0913"))
    );
    assert_eq!(refused.json()["findings"].as_array().map(Vec::len), Some(1));
    let missing = client.call("POST", "/api/v1/workflows/none.yml/dispatches", None).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}
