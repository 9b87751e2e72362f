//! The cache service, version 1.

use crate::client::{Answer, Job, World, send};
use serde_json::{Value, json};

async fn call(
    job: &Job,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<bytes::Bytes>,
) -> Answer {
    job.send(method, &format!("{}/_apis/artifactcache/{path}", job.url), headers, body).await
}

async fn reserve(job: &Job, key: &str, size: Value) -> Answer {
    call(job, "POST", "caches", &[], json!({ "key": key, "version": "v", "cacheSize": size }).to_string())
        .await
}

async fn chunk(job: &Job, id: i64, range: &str, content: &'static str) -> u16 {
    let headers = [("content-range", range), ("content-type", "application/octet-stream")];
    call(job, "PATCH", &format!("caches/{id}"), &headers, content).await.status.as_u16()
}

async fn commit(job: &Job, id: i64, size: u64) -> u16 {
    call(job, "POST", &format!("caches/{id}"), &[], json!({ "size": size }).to_string()).await.status.as_u16()
}

#[tokio::test]
async fn a_cache_goes_round_in_chunks() {
    let world = World::new().await;
    let job = world.job("a", "main");
    assert_eq!(call(&job, "GET", "cache?keys=npm-1,npm-&version=v", &[], "").await.status, 204);
    let reserved = reserve(&job, "npm-1", json!(11)).await;
    assert_eq!(reserved.status, 201);
    let id = reserved.json()["cacheId"].as_i64().expect("a number");
    assert!(id > 0 && id < 1 << 53, "JavaScript holds it");
    assert_eq!(reserve(&job, "npm-1", json!(11)).await.status, 409);
    assert_eq!(chunk(&job, id, "bytes 6-10/*", "world").await, 204);
    assert_eq!(commit(&job, id + 2, 11).await, 404);
    assert_eq!(chunk(&job, id, "bytes 0-5/*", "hello ").await, 204);
    assert_eq!(commit(&job, id, 11).await, 204);
    let found = call(&job, "GET", "cache?keys=other,npm-&version=v", &[], "").await.json();
    assert_eq!((&found["cacheKey"], &found["scope"]), (&json!("npm-1"), &json!("refs/heads/main")));
    let archive = send("GET", found["archiveLocation"].as_str().expect("a link"), &[], "").await;
    assert_eq!(&*archive.body, b"hello world");
    let list = call(&job, "GET", "caches?key=npm", &[], "").await.json();
    assert_eq!((&list["totalCount"], &list["artifactCaches"][0]["cacheVersion"]), (&json!(1), &json!("v")));
    let v2 = job.cache("GetCacheEntryDownloadURL", json!({ "key": "npm-1", "version": "v" })).await.json();
    assert_eq!(v2["ok"], true, "both versions see the same caches");
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let world = World::new().await;
    let job = world.job("a", "main");
    assert_eq!(reserve(&job, "big", json!(1 << 30)).await.status, 400);
    assert_eq!(reserve(&job, "a,b", json!(1)).await.status, 400);
    assert_eq!(call(&job, "POST", "caches", &[], "[]").await.status, 400);
    assert_eq!(call(&job, "GET", "cache?version=v", &[], "").await.status, 400);
    assert_eq!(
        send("GET", &format!("{}/_apis/artifactcache/cache?keys=a&version=v", job.url), &[], "").await.status,
        401
    );
    let id = reserve(&job, "k", json!(-1)).await.json()["cacheId"].as_i64().expect("a number");
    assert_eq!(chunk(&job, id, "bytes 0-1/*", "too long").await, 400);
    assert_eq!(chunk(&job, id, "bytes 0-9/*", "short").await, 400);
    assert_eq!(chunk(&job, id, "lines 0-9/*", "x").await, 400);
    assert_eq!(chunk(&job, id, "bytes 1048576-1048576/*", "x").await, 413);
    assert_eq!(chunk(&world.job("other", "main"), id, "bytes 0-0/*", "x").await, 404);
    assert_eq!(commit(&job, id, 5).await, 400);
}
