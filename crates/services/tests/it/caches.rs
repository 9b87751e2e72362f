//! The cache service, version 2.

use crate::client::{Job, World, send, upload_blocks, upload_whole};
use serde_json::{Value, json};
use shipway_services::{CacheMode, Origin};
use std::sync::Arc;

async fn create(job: &Job, key: &str) -> Value {
    job.cache("CreateCacheEntry", json!({ "key": key, "version": "v" })).await.json()
}

async fn save(job: &Job, key: &str, content: &str) -> Value {
    let created = create(job, key).await;
    assert_eq!(created["ok"], true, "{created}");
    upload_whole(created["signed_upload_url"].as_str().expect("a link"), content.to_owned()).await;
    finalize(job, key, content.len()).await
}

async fn finalize(job: &Job, key: &str, size: usize) -> Value {
    let body = json!({ "key": key, "version": "v", "size_bytes": size.to_string() });
    job.cache("FinalizeCacheEntryUpload", body).await.json()
}

/// The key that is found, and its content.
async fn restore(job: &Job, key: &str, others: &[&str]) -> Option<(String, String)> {
    let body = json!({ "key": key, "restore_keys": others, "version": "v" });
    let found = job.cache("GetCacheEntryDownloadURL", body).await.json();
    if found["ok"] != true {
        return None;
    }
    let answer = send("GET", found["signed_download_url"].as_str().expect("a link"), &[], "").await;
    assert_eq!(answer.status, 200);
    let content = String::from_utf8(answer.body.to_vec()).expect("text");
    Some((found["matched_key"].as_str().expect("a key").to_owned(), content))
}

fn hit(key: &str, content: &str) -> Option<(String, String)> {
    Some((key.to_owned(), content.to_owned()))
}

#[tokio::test]
async fn a_cache_is_saved_in_blocks_and_restored_in_ranges() {
    let world = World::new().await;
    let job = world.job("a", "main");
    let created = create(&job, "npm-1").await;
    let url = created["signed_upload_url"].as_str().expect("a link");
    upload_blocks(url, &[b"hello ", b"wide ", b"world"]).await;
    assert_eq!(restore(&job, "npm-1", &[]).await, None, "it is not there before it is finished");
    let done = finalize(&job, "npm-1", 16).await;
    assert!(
        done["ok"] == true && done["entry_id"].as_str().expect("a number").parse::<i64>().is_ok(),
        "{done}"
    );
    assert_eq!(restore(&job, "npm-1", &[]).await, hit("npm-1", "hello wide world"));
    let body = json!({ "key": "npm-1", "version": "v" });
    let found = job.cache("GetCacheEntryDownloadURL", body).await.json();
    let link = found["signed_download_url"].as_str().expect("a link");
    for (range, status, expect) in [
        ("bytes=3-8", 206, "lo wid"),
        ("bytes=-5", 206, "world"),
        ("bytes=15-400", 206, "d"),
        ("bytes=16-", 416, ""),
        ("bytes=x", 200, "hello wide world"),
    ] {
        let answer = send("GET", link, &[("range", range)], "").await;
        assert_eq!(answer.status, status, "{range}");
        if status != 416 {
            assert_eq!(&*answer.body, expect.as_bytes(), "{range}");
        }
    }
    let answer = send("GET", link, &[("range", "bytes=3-8")], "").await;
    assert_eq!((answer.header("content-range"), answer.header("content-length")), ("bytes 3-8/16", "6"));
    let answer = send("HEAD", link, &[], "").await;
    assert_eq!((answer.header("content-length"), answer.body.len()), ("16", 0));
}

#[tokio::test]
async fn keys_are_searched_as_on_github() {
    let world = World::new().await;
    let (main, topic) = (world.job("m", "main"), world.job("t", "topic"));
    save(&main, "npm-linux-1", "one").await;
    world.pass(1);
    save(&main, "npm-linux-2", "two").await;
    world.pass(1);
    assert_eq!(restore(&topic, "npm-linux-1", &[]).await, hit("npm-linux-1", "one"));
    assert_eq!(restore(&topic, "npm-linux-9", &["npm-linux-"]).await, hit("npm-linux-2", "two"));
    assert_eq!(restore(&topic, "npm-mac", &["npm-mac-", "npm-"]).await, hit("npm-linux-2", "two"));
    assert_eq!(restore(&topic, "pip", &["pip-"]).await, None);
    save(&topic, "npm-topic", "own").await;
    assert_eq!(restore(&topic, "npm-linux-9", &["npm-"]).await, hit("npm-topic", "own"));
    assert_eq!(restore(&main, "npm-topic", &["npm-t"]).await, None, "a branch does not see its siblings");
    let other = json!({ "key": "npm-linux-1", "version": "other" });
    assert_eq!(main.cache("GetCacheEntryDownloadURL", other).await.json()["ok"], false);
    let saved = create(&topic, "npm-topic").await;
    assert!(
        saved["code"] == "already_exists" && saved["msg"].as_str().expect("why").contains("exists already"),
        "{saved}"
    );
}

#[tokio::test]
async fn a_pull_request_cannot_write_for_others() {
    let world = World::new().await;
    let pull = |event, reference| Origin { event, reference, base_ref: "next", default_branch: "main" };
    let origin = pull("pull_request", "refs/pull/7/merge");
    let seven = world.let_in(world.grant_for("7", origin, CacheMode::Write));
    let next = world.job("n", "next");
    save(&next, "base", "of next").await;
    assert_eq!(restore(&seven, "base", &[]).await, hit("base", "of next"));
    save(&seven, "poison", "bad").await;
    assert_eq!(restore(&seven, "poison", &[]).await, hit("poison", "bad"));
    assert_eq!(restore(&next, "poison", &[]).await, None);
    let eight = pull("pull_request", "refs/pull/8/merge");
    let eight = world.let_in(world.grant_for("8", eight, CacheMode::Write));
    assert_eq!(restore(&eight, "poison", &[]).await, None);
    let target = pull("pull_request_target", "refs/heads/next");
    let target = world.let_in(world.grant_for("t", target, CacheMode::Write));
    assert_eq!(restore(&target, "base", &[]).await, hit("base", "of next"));
    assert_eq!(create(&target, "poison").await["ok"], false);
}

#[tokio::test]
async fn the_mode_is_enforced_here_whatever_the_client_does() {
    let world = World::new().await;
    let origin = Origin { event: "push", reference: "refs/heads/main", base_ref: "", default_branch: "main" };
    let with = |job: &str, mode| world.let_in(world.grant_for(job, origin, mode));
    save(&with("w", CacheMode::Write), "k", "content").await;
    assert_eq!(restore(&with("r", CacheMode::Read), "k", &[]).await, hit("k", "content"));
    assert_eq!(create(&with("r", CacheMode::Read), "new").await["ok"], false);
    assert_eq!(restore(&with("o", CacheMode::WriteOnly), "k", &[]).await, None);
    assert_eq!(save(&with("o", CacheMode::WriteOnly), "only", "x").await["ok"], true);
    let none = with("n", CacheMode::None);
    assert_eq!(restore(&none, "k", &[]).await, None);
    let refused = create(&none, "new").await;
    assert!(refused["message"].as_str().expect("why").contains("cache-mode: none"), "{refused}");
    assert_eq!(none.access.actions["ACTIONS_CACHE_MODE"], "none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_save_one_key_one_wins() {
    let world = Arc::new(World::new().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..24 {
        let world = world.clone();
        tasks.spawn(async move {
            let job = world.job(&format!("j{number}"), "main");
            let created = create(&job, "k").await;
            if created["ok"] != true {
                return false;
            }
            let content = format!("from {number}");
            upload_whole(created["signed_upload_url"].as_str().expect("a link"), content.clone()).await;
            finalize(&job, "k", content.len()).await["ok"] == true
        });
    }
    let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
    let found = restore(&world.job("last", "main"), "k", &[]).await.expect("found");
    assert!(found.1.starts_with("from "));
}

#[tokio::test]
async fn two_services_share_a_folder() {
    let one = World::new().await;
    let two = World::inside(one.dir.clone(), |_| {}).await;
    let (first, second) = (one.job("a", "main"), two.job("b", "main"));
    let created = create(&first, "k").await;
    assert_eq!(create(&second, "k").await["code"], "already_exists", "another process is saving it");
    upload_whole(created["signed_upload_url"].as_str().expect("a link"), "shared").await;
    finalize(&first, "k", 6).await;
    assert_eq!(restore(&second, "k", &[]).await, hit("k", "shared"));
    let link = created["signed_upload_url"].as_str().expect("a link");
    let elsewhere = link.replace(one.services.url(), two.services.url());
    assert_eq!(send("PUT", &elsewhere, &[], "x").await.status, 403, "a link of another process");
    let foreign = Job { url: two.services.url().to_owned(), access: first.access.clone() };
    assert_eq!(foreign.cache("CreateCacheEntry", json!({ "key": "x", "version": "v" })).await.status, 401);
}

#[tokio::test]
async fn what_a_job_did_not_finish_is_forgotten_when_it_ends() {
    let world = World::new().await;
    let job = world.job("a", "main");
    let created = create(&job, "k").await;
    let link = created["signed_upload_url"].as_str().expect("a link");
    upload_whole(link, "half").await;
    world.services.revoke("a");
    assert_eq!(send("PUT", link, &[], "x").await.status, 404);
    assert_eq!(job.cache("CreateCacheEntry", json!({ "key": "x", "version": "v" })).await.status, 401);
    assert_eq!(std::fs::read_dir(world.folder("caches/uploads")).expect("uploads").count(), 0);
    assert_eq!(save(&world.job("b", "main"), "k", "whole").await["ok"], true);
}

#[tokio::test]
async fn the_oldest_go_when_there_is_too_much() {
    let world = World::with(|options| options.limits.namespace = 25).await;
    let job = world.job("a", "main");
    for key in ["a", "b"] {
        save(&job, key, "ten bytes.").await;
        world.pass(1);
    }
    assert!(restore(&job, "a", &[]).await.is_some());
    world.pass(1);
    save(&job, "c", "ten bytes.").await;
    assert_eq!(restore(&job, "b", &[]).await, None, "it was used longest ago");
    assert!(restore(&job, "a", &[]).await.is_some() && restore(&job, "c", &[]).await.is_some());
}

#[tokio::test]
async fn a_size_that_is_not_so_gives_no_entry() {
    let world = World::new().await;
    let job = world.job("a", "main");
    let created = create(&job, "k").await;
    upload_whole(created["signed_upload_url"].as_str().expect("a link"), "12345").await;
    let done = finalize(&job, "k", 6).await;
    assert!(done["ok"] == false && done["message"].as_str().expect("why").contains("5 bytes"), "{done}");
    assert_eq!(restore(&job, "k", &[]).await, None);
    assert_eq!(save(&job, "k", "again").await["ok"], true, "the key is free again");
}
