//! The JSON API: shapes under snapshot, errors as problems, commands that reach the backend.

use crate::{
    client::{As, Client},
    fake::samples,
};
use axum::{body::Body, http::StatusCode};
use serde_json::{Value, json};
use shipway_api::{
    CommandRequest, DeployRequest, JobKey, RerunRequest, RolloutCommand, RolloutQuery, RunQuery, Status,
    request::{self, AnswerError, Request},
};

/// Long lists are cut to their first items, so that a snapshot shows shapes and not bulk.
fn shape(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let more = items.len().saturating_sub(2);
            let mut shown: Vec<Value> = items.into_iter().take(2).map(shape).collect();
            if more > 0 {
                shown.push(json!(format!("... {more} more")));
            }
            Value::Array(shown)
        }
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, shape(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

async fn snapshot(name: &str, path: &str) {
    let client = Client::new(samples::rich());
    let reply = client.call("GET", path, None).await;
    let text = serde_json::to_string_pretty(&shape(reply.json())).expect("json");
    insta::assert_snapshot!(
        name,
        format!("GET {path}\n{} {}\n\n{text}", reply.status, reply.header("content-type"))
    );
}

#[tokio::test]
async fn shapes_are_a_promise() {
    let (run, rollout) = (samples::run_id(3), samples::rollout_id(3));
    snapshot("runs", "/api/v1/runs?limit=2").await;
    snapshot("run", &format!("/api/v1/runs/{run}")).await;
    snapshot("log", &format!("/api/v1/runs/{run}/jobs/test.1/log?from=14&count=3")).await;
    snapshot("log_search", &format!("/api/v1/runs/{run}/jobs/test.1/log/search?q=BASKET&count=2")).await;
    snapshot("log_group", &format!("/api/v1/runs/{run}/jobs/test.1/log/group?line=5")).await;
    snapshot("releases", "/api/v1/releases?service=web").await;
    snapshot("rollouts", "/api/v1/rollouts?in_flight=true").await;
    snapshot("rollout", &format!("/api/v1/rollouts/{rollout}")).await;
    snapshot("rollout_events", &format!("/api/v1/rollouts/{rollout}/events?after=3")).await;
    snapshot("version", "/api/v1/version").await;
    snapshot("not_found", "/api/v1/runs/12").await;
    snapshot("bad_parameter", "/api/v1/runs?stauts=queued").await;
}

/// Sends a request of the typed client and reads it with the same.
async fn ask<T: serde::de::DeserializeOwned>(
    client: &Client,
    request: &Request<T>,
) -> Result<T, AnswerError> {
    let token = client.auth.operator_token();
    let mut http = client.request(request.method, &request.path, As::Bearer(token.expose()));
    for (name, value) in &request.headers {
        http = http.header(*name, value);
    }
    if request.body.is_some() {
        http = http.header("content-type", "application/json");
    }
    let body = request.body.clone().map_or(Body::empty(), Body::from);
    let reply = client.reply(http.body(body).expect("a request")).await;
    request.read(reply.status.as_u16(), reply.text.as_bytes())
}

#[tokio::test]
async fn the_typed_client_and_the_server_agree() {
    let client = Client::new(samples::rich());
    let run = samples::run_id(3);
    assert_eq!(ask(&client, &request::version()).await.expect("a version").api, 1);
    let query = RunQuery {
        q: Some("basket when".to_owned()),
        branch: Some("main".to_owned()),
        ..RunQuery::default()
    };
    let found = ask(&client, &request::runs(&query)).await.expect("runs");
    assert!(!found.items.is_empty() && found.items.iter().all(|run| run.title.contains("basket when")));
    let first = ask(&client, &request::run(run)).await.expect("a run");
    assert_eq!(first.failure.expect("it failed").exit_code, Some(1));
    let key = JobKey::new("test/1").expect("a key");
    let log = ask(&client, &request::log(run, &key, 23, 10)).await.expect("a log");
    assert_eq!((log.lines.len(), log.total, log.complete), (2, 24, true));
    let new =
        ask(&client, &request::rerun(run, &RerunRequest { only_failed: true, ..RerunRequest::default() }))
            .await
            .expect("a run");
    assert_eq!((new.summary.id, new.summary.attempt, new.attempts), (run, 2, 2));
    let first = ask(&client, &request::attempt(run, 1)).await.expect("the first attempt");
    assert_eq!((first.summary.attempt, first.attempts, first.actions.len()), (1, 2, 0));
    ask(&client, &request::cancel_run(new.summary.id)).await.expect("cancelled");
    let forced = ask(&client, &request::force_cancel_run(samples::run_id(2))).await.expect("ended");
    assert_eq!(forced.summary.status, Status::Completed);
    ask(&client, &request::releases(Some("web"))).await.expect("releases");
    let open = RolloutQuery { in_flight: Some(true), ..RolloutQuery::default() };
    let rollouts = ask(&client, &request::rollouts(&open)).await.expect("rollouts");
    assert!(rollouts.items.iter().all(|rollout| !rollout.phase.is_over()));
    let id = rollouts.items[0].id;
    let why = CommandRequest { reason: Some("it is late".to_owned()), to: None, step: None };
    let after = ask(&client, &request::command(id, RolloutCommand::Pause, &why)).await.expect("paused");
    assert_eq!(after.events[0].by.as_deref(), Some("operator"));
    assert!(
        ask(&client, &request::rollout_events(id, 0))
            .await
            .expect("events")
            .windows(2)
            .all(|e| e[0].seq < e[1].seq)
    );
    match ask(&client, &request::command(id, RolloutCommand::Pause, &why)).await {
        Err(AnswerError::Problem(problem)) => assert_eq!(problem.code, "SW0905"),
        other => panic!("{other:?}"),
    }
    let link = ask(&client, &request::sign_in_link()).await.expect("a link");
    assert!(link.path.starts_with("/sign-in?token="));
    let asked = client.fake.state().asked.join("\n");
    assert!(asked.contains("because it is late by operator"), "{asked}");
}

#[tokio::test]
async fn a_deployment_may_be_sent_again() {
    let client = Client::new(samples::rich());
    let deploy = DeployRequest {
        service: "web".to_owned(),
        artifact: "web".to_owned(),
        run_id: samples::run_id(2),
        spec: "kind: Service".to_owned(),
        spec_name: "shipway.yaml".to_owned(),
        version: Some("v4".to_owned()),
    };
    let first = ask(&client, &request::deploy(&deploy, "k1".to_owned())).await.expect("deployed");
    let second = ask(&client, &request::deploy(&deploy, "k1".to_owned())).await.expect("deployed");
    assert_eq!((first.rollout, first.repeated, second.repeated), (second.rollout, false, true));
    let other = DeployRequest { artifact: "other".to_owned(), ..deploy.clone() };
    let code = |answer: Result<_, AnswerError>| match answer {
        Err(AnswerError::Problem(problem)) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(ask(&client, &request::deploy(&other, "k1".to_owned())).await).code, "SW0908");
    assert_eq!(code(ask(&client, &request::deploy(&other, String::new())).await).code, "SW0906");
    for (version, longest) in
        [("v".repeat(129), false), ("v".repeat(128), true), ("v1\nv2".to_owned(), false)]
    {
        let named = DeployRequest { version: Some(version.clone()), ..deploy.clone() };
        let answer = ask(&client, &request::deploy(&named, version.len().to_string())).await;
        assert_eq!(answer.is_ok(), longest, "{version}");
    }
    let broken = DeployRequest { spec: "kind: Nothing".to_owned(), ..deploy };
    let problem = code(ask(&client, &request::deploy(&broken, "k2".to_owned())).await);
    assert_eq!((problem.code.as_str(), problem.findings.len()), ("SW0913", 1));
}

#[tokio::test]
async fn wrong_requests_say_what_is_wrong() {
    let client = Client::new(samples::rich());
    let rollout = samples::rollout_id(1);
    for (method, path, body, status, code) in [
        ("GET", "/api/v1/nothing".to_owned(), None, 404, "SW0903"),
        ("DELETE", "/api/v1/runs".to_owned(), None, 405, "SW0911"),
        ("GET", "/api/v1/runs/abc".to_owned(), None, 404, "SW0903"),
        ("GET", "/api/v1/runs?limit=1000".to_owned(), None, 400, "SW0906"),
        ("GET", "/api/v1/runs?after=x".to_owned(), None, 400, "SW0906"),
        ("GET", format!("/api/v1/runs/{}/jobs/nope/log", samples::run_id(3)), None, 404, "SW0903"),
        (
            "GET",
            format!("/api/v1/runs/{}/jobs/test.1/log?count=9999", samples::run_id(3)),
            None,
            400,
            "SW0906",
        ),
        ("GET", format!("/api/v1/runs/{}/jobs/test.1/log/search", samples::run_id(3)), None, 400, "SW0906"),
        ("POST", format!("/api/v1/rollouts/{rollout}/explode"), None, 404, "SW0903"),
        ("POST", format!("/api/v1/rollouts/{rollout}/resume"), None, 409, "SW0905"),
        ("POST", "/api/v1/deployments".to_owned(), Some(json!({"service": 1})), 400, "SW0906"),
        ("POST", format!("/api/v1/runs/{}/cancel", samples::run_id(3)), None, 409, "SW0905"),
        ("POST", format!("/api/v1/runs/{}/force-cancel", samples::run_id(3)), None, 409, "SW0905"),
    ] {
        let reply = client.call(method, &path, body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()["code"].as_str()),
            (status, Some(code)),
            "{method} {path}"
        );
        assert_eq!(reply.header("content-type"), "application/problem+json");
    }
    let huge = "x".repeat(3 << 20);
    let reply = client.call("POST", "/api/v1/deployments", Some(json!({ "spec": huge }))).await;
    assert_eq!((reply.status.as_u16(), reply.json()["code"].as_str()), (413, Some("SW0910")));
}

/// A list is no object, though it has values for all that the object has.
#[tokio::test]
async fn a_body_that_is_an_array_is_refused() {
    let client = Client::new(samples::rich());
    let (run, rollout) = (samples::run_id(3), samples::rollout_id(1));
    for (method, path, full) in [
        ("POST", "/api/v1/workflows/deploy.yml/dispatches".to_owned(), json!(["main", {}])),
        ("POST", format!("/api/v1/runs/{run}/rerun"), json!([true, null, null])),
        ("POST", format!("/api/v1/rollouts/{rollout}/pause"), json!(["it is late", null, null])),
        (
            "POST",
            "/api/v1/deployments".to_owned(),
            json!(["web", "web", samples::run_id(2), "kind: Service", "shipway.yaml", "v4"]),
        ),
        ("PUT", "/api/v1/secrets/A".to_owned(), json!(["value"])),
        ("PUT", "/api/v1/variables/A".to_owned(), json!(["value"])),
    ] {
        for body in [json!([]), full] {
            let reply = client.call(method, &path, Some(body.clone())).await;
            let told = (reply.status.as_u16(), reply.json()["code"].as_str() == Some("SW0906"));
            assert_eq!(told, (400, true), "{method} {path} {body}: {}", reply.text);
        }
    }
    assert!(client.fake.state().asked.is_empty(), "{:?}", client.fake.state().asked);
}

/// Every path below `/api` tells errors as problem+json, whatever is wrong with the request.
#[tokio::test]
async fn every_error_below_the_api_is_a_problem() {
    let client = Client::new(samples::rich());
    let token = client.auth.operator_token();
    let of_run = [
        "",
        "/artifacts/{x}",
        "/jobs/{x}",
        "/jobs/{x}/log",
        "/jobs/{x}/log.txt",
        "/jobs/{x}/log/group",
        "/jobs/{x}/log/search",
        "/jobs/{x}/summary.md",
    ];
    let mut paths: Vec<String> =
        ["/deployments", "/nothing", "/rollouts", "/runs", "/sign-in-links", "/version", "/workflows", ""]
            .map(str::to_owned)
            .into();
    for (before, parts) in [
        ("/runs/{x}", of_run.as_slice()),
        ("/runs/{x}/attempts/{x}", &of_run),
        ("/runs/{x}", &["/cancel", "/force-cancel", "/rerun", "/nothing"]),
        ("/rollouts/{x}", &["", "/events", "/promote", "/{x}"]),
        ("/secrets", &["", "/{x}"]),
        ("/variables", &["", "/{x}"]),
        ("/workflows/{x}", &["", "/dispatches"]),
    ] {
        paths.extend(parts.iter().map(|part| format!("{before}{part}")));
    }
    let run = samples::run_id(3).to_string();
    let mut failed = 0;
    for path in &paths {
        for id in ["nosuch", "1", &run, "%FF", "a%2Fb", "%00", "-1"] {
            // The first is the run, the others what is looked for in it.
            let run_there = path.replacen("{x}", &run, 1).replace("{x}", id);
            for path in [path.replace("{x}", id), run_there, format!("{}?x=%FF", path.replace("{x}", id))] {
                for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
                    let request =
                        client.request(method, &format!("/api/v1{path}"), As::Bearer(token.expose()));
                    let reply = client.reply(request.body(Body::from("{")).expect("a request")).await;
                    if reply.status.as_u16() >= 400 {
                        failed += 1;
                        let media = reply.header("content-type");
                        assert_eq!(media, "application/problem+json", "{method} {path}: {}", reply.text);
                        assert_eq!(reply.json()["status"], reply.status.as_u16(), "{method} {path}");
                    }
                }
            }
        }
    }
    assert!(failed > 1_000, "{failed}");
}

/// The keys of legs that the API gives fit its paths: as `segment` has them, and percent-encoded.
#[tokio::test]
async fn the_legs_of_a_matrix_have_paths() {
    let client = Client::new(samples::rich());
    let run = format!("/api/v1/runs/{}", samples::run_id(3));
    let told = client.call("GET", &run, None).await.json();
    let leg =
        told["jobs"].as_array().expect("jobs").iter().find(|job| job["key"] == "test/1").expect("a leg");
    assert_eq!(leg["segment"], "test.1");
    for key in ["test.1", "test%2F1"] {
        for what in ["log", "log.txt"] {
            let reply = client.call("GET", &format!("{run}/jobs/{key}/{what}"), None).await;
            assert_eq!(reply.status, StatusCode::OK, "{key}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn health_tells_what_is_wrong() {
    let client = Client::new(samples::rich());
    client.fake.state().problems.push("the disk is full".to_owned());
    let reply = client.call("GET", "/api/v1/health", None).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.json(), json!({"healthy": false, "problems": ["the disk is full"]}));
}
