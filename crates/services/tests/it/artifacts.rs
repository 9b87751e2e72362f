//! The artifact service.

use crate::client::{Job, World, send, upload_blocks, upload_whole};
use serde_json::{Value, json};
use shipway_base::Digest;
use std::sync::Arc;

async fn create(job: &Job, name: &str) -> Value {
    let answer = job.artifact("CreateArtifact", json!({ "name": name, "version": 7 })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn finalize(job: &Job, name: &str, content: &str) -> (u16, Value) {
    let hash = Digest::of(content.as_bytes()).to_string();
    let body = json!({ "name": name, "size": content.len().to_string(), "hash": hash });
    let answer = job.artifact("FinalizeArtifact", body).await;
    (answer.status.as_u16(), answer.json())
}

async fn upload(job: &Job, name: &str, content: &str) {
    let created = create(job, name).await;
    upload_whole(created["signed_upload_url"].as_str().expect("a link"), content.to_owned()).await;
    assert_eq!(finalize(job, name, content).await.0, 200);
}

#[tokio::test]
async fn an_artifact_goes_round() {
    let world = World::new().await;
    let (job, later) = (world.job("a", "main"), world.job("b", "main"));
    let created = create(&job, "web").await;
    let link = created["signed_upload_url"].as_str().expect("a link");
    upload_blocks(link, &[b"PK..", b"..rest"]).await;
    let (status, done) = finalize(&job, "web", "PK....rest").await;
    assert_eq!((status, &done["ok"], &done["artifact_id"]), (200, &json!(true), &json!("1")));
    assert_eq!(world.store.read("web"), b"PK....rest");
    assert_eq!(std::fs::read_dir(world.folder("artifacts")).expect("artifacts").count(), 1);
    let listed = later.artifact("ListArtifacts", json!({ "name_filter": "web" })).await.json();
    let artifact = &listed["artifacts"][0];
    assert_eq!((&artifact["database_id"], &artifact["size"]), (&json!("1"), &json!("10")));
    assert_eq!(artifact["digest"], Digest::of(b"PK....rest").to_string());
    for filter in [json!({ "name_filter": "no" }), json!({ "id_filter": "9" })] {
        assert_eq!(later.artifact("ListArtifacts", filter).await.json()["artifacts"], json!([]));
    }
    let found = later.artifact("ListArtifacts", json!({ "idFilter": { "value": "1" } })).await.json();
    assert_eq!(found["artifacts"].as_array().map(Vec::len), Some(1));
    let link = later.artifact("GetSignedArtifactURL", json!({ "name": "web" })).await.json();
    let answer = send("GET", link["signed_url"].as_str().expect("a link"), &[], "").await;
    assert_eq!((&*answer.body, answer.header("content-type")), (&b"PK....rest"[..], "application/zip"));
    assert!(answer.header("content-disposition").contains("web.zip"));
    let deleted = later.artifact("DeleteArtifact", json!({ "name": "web" })).await.json();
    assert_eq!((&deleted["ok"], &deleted["artifact_id"]), (&json!(true), &json!("1")));
    assert_eq!(later.artifact("DeleteArtifact", json!({ "name": "web" })).await.status, 404);
    assert_eq!(send("GET", link["signed_url"].as_str().expect("a link"), &[], "").await.status, 404);
    upload(&job, "web", "again").await;
}

#[tokio::test]
async fn a_single_file_keeps_its_type_and_name() {
    let world = World::new().await;
    let job = world.job("a", "main");
    let body = json!({ "name": "bericht ü.html", "version": 7, "mime_type": "text/html" });
    let created = job.artifact("CreateArtifact", body).await.json();
    upload_whole(created["signed_upload_url"].as_str().expect("a link"), "<p>").await;
    assert_eq!(finalize(&job, "bericht ü.html", "<p>").await.0, 200);
    let link = job.artifact("GetSignedArtifactURL", json!({ "name": "bericht ü.html" })).await.json();
    let answer = send("GET", link["signed_url"].as_str().expect("a link"), &[], "").await;
    assert_eq!(answer.header("content-type"), "text/html");
    assert!(answer.header("content-disposition").ends_with("filename*=UTF-8''bericht%20%C3%BC.html"));
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let world = World::new().await;
    let (job, other) = (world.job("a", "main"), world.job("b", "main"));
    let first = create(&job, "web").await;
    let again = create(&job, "web").await;
    assert_ne!(
        first["signed_upload_url"], again["signed_upload_url"],
        "asked again before anything was sent"
    );
    upload_whole(again["signed_upload_url"].as_str().expect("a link"), "x").await;
    for rival in [&job, &other] {
        let refused = rival.artifact("CreateArtifact", json!({ "name": "web", "version": 4 })).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (409, &json!("already_exists")));
    }
    assert_eq!(finalize(&other, "web", "x").await.0, 404, "another job's upload");
    assert_eq!(finalize(&job, "web", "x").await.0, 200);
    let refused = other.artifact("CreateArtifact", json!({ "name": "web", "version": 4 })).await;
    assert!(refused.status == 409 && refused.json()["msg"].as_str().expect("why").contains("exists already"));
    create(&other, "half").await;
    world.services.revoke("b");
    create(&job, "half").await;
}

#[tokio::test]
async fn a_wrong_digest_or_size_gives_no_artifact() {
    let world = World::new().await;
    let job = world.job("a", "main");
    for wrong in [json!({ "size": "5", "hash": Digest::of(b"other").to_string() }), json!({ "size": "6" })] {
        let created = create(&job, "web").await;
        upload_whole(created["signed_upload_url"].as_str().expect("a link"), "12345").await;
        let mut body = wrong;
        body["name"] = json!("web");
        let answer = job.artifact("FinalizeArtifact", body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!("failed_precondition")));
        assert_eq!(job.artifact("ListArtifacts", json!({})).await.json()["artifacts"], json!([]));
    }
    assert_eq!(job.artifact("FinalizeArtifact", json!({ "name": "web", "size": "1" })).await.status, 404);
    upload(&job, "web", "right").await;
}

#[tokio::test]
async fn names_types_and_runs_are_checked() {
    let world = World::new().await;
    let job = world.job("a", "main");
    for name in ["", "a/b", "../x", "..", "a\\b", "a:b", "a\nb"] {
        let answer = job.artifact("CreateArtifact", json!({ "name": name, "version": 4 })).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (400, &json!("invalid_argument")),
            "{name:?}"
        );
    }
    for (field, value) in [("mime_type", json!("x\r\ny: z")), ("version", json!(3)), ("version", json!("x"))]
    {
        let mut body = json!({ "name": "web" });
        body[field] = value;
        assert_eq!(job.artifact("CreateArtifact", body).await.status, 400, "{field}");
    }
    for method in
        ["CreateArtifact", "FinalizeArtifact", "ListArtifacts", "GetSignedArtifactURL", "DeleteArtifact"]
    {
        let foreign = json!({ "workflow_run_backend_id": "18", "name": "web", "version": 4 });
        assert_eq!(job.artifact(method, foreign).await.status, 403, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_upload_at_once() {
    let world = Arc::new(World::new().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..32 {
        let world = world.clone();
        tasks.spawn(async move {
            let job = world.job(&format!("j{number}"), "main");
            let content = format!("content of {number} ").repeat(500);
            upload(&job, &format!("artifact-{number}"), &content).await;
            assert_eq!(world.store.read(&format!("artifact-{number}")), content.as_bytes());
        });
    }
    tasks.join_all().await;
    let listed = world.job("z", "main").artifact("ListArtifacts", json!({})).await.json();
    assert_eq!(listed["artifacts"].as_array().map(Vec::len), Some(32));
}
