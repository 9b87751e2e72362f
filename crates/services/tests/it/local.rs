//! Caches for those who run in the same process.

use crate::client::World;
use shipway_services::{CacheMode, LocalUpload, Origin};
use std::fs;

async fn begin(world: &World, job: &str, key: &str) -> LocalUpload {
    world.services.begin_cache(job, key, "v").await.expect("begun")
}

async fn found(world: &World, job: &str, keys: &[&str]) -> Option<(String, String)> {
    let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
    let found = world.services.find_cache(job, &keys, "v").await.expect("looked")?;
    let content: String = found.parts.iter().map(|part| fs::read_to_string(part).expect("a part")).collect();
    assert_eq!(found.size, content.len() as u64);
    Some((found.key, content))
}

#[tokio::test]
async fn what_is_written_is_an_entry_once_it_is_whole() {
    let world = World::new().await;
    let _job = world.job("a", "main");
    let upload = begin(&world, "a", "k-1").await;
    fs::write(&upload.file, "content").expect("written");
    assert_eq!(found(&world, "a", &["k-1"]).await, None);
    let taken = world.services.begin_cache("a", "k-1", "v").await.expect_err("taken");
    assert!(taken.message.contains("is being saved") && !taken.is_the_askers, "{taken}");
    world.services.end_cache("a", upload, true).await.expect("kept");
    let entry = Some(("k-1".to_owned(), "content".to_owned()));
    assert_eq!(found(&world, "a", &["k-1"]).await, entry);
    assert_eq!(found(&world, "a", &["k-2", "k-"]).await, entry);
    let _other = world.job("b", "topic");
    assert_eq!(found(&world, "b", &["k-1"]).await, entry, "that of the default branch");
}

#[tokio::test]
async fn what_is_given_up_or_too_large_or_not_written_leaves_its_key_free() {
    let world = World::new().await;
    let _job = world.job("a", "main");
    let upload = begin(&world, "a", "k").await;
    fs::write(&upload.file, "half").expect("written");
    world.services.end_cache("a", upload, false).await.expect("given up");
    let upload = begin(&world, "a", "k").await;
    assert!(world.services.end_cache("a", upload, true).await.is_err(), "nothing was written");
    let upload = begin(&world, "a", "k").await;
    fs::write(&upload.file, vec![0; (1 << 20) + 1]).expect("written");
    let error = world.services.end_cache("a", upload, true).await.expect_err("too large");
    assert!(error.message.contains("at most"), "{error}");
    let upload = begin(&world, "a", "k").await;
    let strange = upload.clone();
    assert!(world.services.end_cache("b", strange, true).await.is_err(), "another job");
    world.services.revoke("a");
    assert!(world.services.end_cache("a", upload, true).await.is_err(), "the job is over");
    assert_eq!(fs::read_dir(world.dir.path().join("caches/uploads")).expect("uploads").count(), 0);
}

#[tokio::test]
async fn rights_and_keys_are_checked_as_for_everybody() {
    let world = World::new().await;
    let origin = Origin { event: "push", reference: "refs/heads/main", base_ref: "", default_branch: "main" };
    let _job = world.let_in(world.grant_for("a", origin, CacheMode::Read));
    let refused = world.services.begin_cache("a", "k", "v").await.expect_err("may not");
    assert!(refused.message.contains("cache-mode: read"), "{refused}");
    let keys = ["a,b".to_owned()];
    let refused = world.services.find_cache("a", &keys, "v").await.expect_err("no key");
    assert!(refused.is_the_askers, "{refused}");
    assert!(world.services.find_cache("nobody", &["k".to_owned()], "v").await.is_err());
}

#[tokio::test]
async fn what_nobody_can_use_is_removed_by_those_who_might_save_it() {
    let world = World::new().await;
    let _job = world.job("a", "main");
    let _other = world.job("b", "topic");
    let keep = async |content: &str| {
        let upload = begin(&world, "a", "k").await;
        fs::write(&upload.file, content).expect("written");
        world.services.end_cache("a", upload, true).await.expect("kept");
        let found = world.services.find_cache("a", &["k".to_owned()], "v").await.expect("looked");
        found.expect("it is there").place
    };
    let forget = async |job: &str, place: &str| world.services.forget_cache(job, place).await;
    let first = keep("damaged").await;
    // One of another branch reads it, and could not save it.
    assert_eq!(forget("b", &first).await, Ok(false));
    for strange in ["", "/", "x/1", "../../uploads/1", &first.replace('/', "//"), &format!("{first}9")] {
        assert_eq!(forget("a", strange).await, Ok(false), "{strange}");
    }
    assert!(forget("nobody", &first).await.is_err());
    assert!(found(&world, "a", &["k"]).await.is_some());
    assert_eq!(forget("a", &first).await, Ok(true));
    assert_eq!(found(&world, "a", &["k"]).await, None);
    assert_eq!(forget("a", &first).await, Ok(false), "only once");
    // What takes its place is another one.
    let second = keep("whole").await;
    assert_eq!(forget("a", &first).await, Ok(false));
    assert_eq!(found(&world, "a", &["k"]).await, Some(("k".to_owned(), "whole".to_owned())));
    assert_ne!(first, second);
}
