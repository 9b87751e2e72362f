//! Addresses for the containers of one job.

use crate::client::{Job, World, upload_whole};
use serde_json::json;
use shipway_services::{Network, ServiceErrorKind};
use std::net::{IpAddr, SocketAddr};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

fn address(job: &Job) -> SocketAddr {
    job.url.strip_prefix("http://").expect("http").trim_end_matches('/').parse().expect("an address")
}

async fn door(world: &World, job: &str, prefix: u8) -> Job {
    let access = world.services.open_door(job, Network::new(HERE, prefix)).await.expect("a door");
    let url = access.actions["ACTIONS_RESULTS_URL"].trim_end_matches('/').to_owned();
    Job { url, access }
}

#[tokio::test]
async fn containers_are_given_their_own_address_everywhere() {
    let world = World::new().await;
    let job = world.job("a", "main");
    let inside = door(&world, "a", 8).await;
    assert_eq!(address(&inside).ip(), HERE);
    assert!(
        inside.access.actions.values().all(|value| !value.contains("127.0.0.1")),
        "{inside:?}",
        inside = inside.access
    );
    let made = inside.cache("CreateCacheEntry", json!({ "key": "k", "version": "v" })).await.json();
    let link = made["signed_upload_url"].as_str().expect("a link");
    assert!(link.starts_with(&inside.url), "{link}");
    upload_whole(link, "text").await;
    let done =
        inside.cache("FinalizeCacheEntryUpload", json!({ "key": "k", "version": "v", "size_bytes": "4" }));
    assert_eq!(done.await.status, 200);
    // It is the same cache, at either address.
    let wanted = json!({ "key": "k", "restore_keys": [], "version": "v" });
    let there = job.cache("GetCacheEntryDownloadURL", wanted.clone()).await.json();
    assert!(there["signed_download_url"].as_str().expect("a link").starts_with(&job.url), "{there}");
    let here = inside.cache("GetCacheEntryDownloadURL", wanted).await.json();
    assert!(here["signed_download_url"].as_str().expect("a link").starts_with(&inside.url), "{here}");
}

#[tokio::test]
async fn only_their_network_comes_in_and_only_while_the_job_runs() {
    let world = World::new().await;
    let _job = world.job("a", "main");
    // This client has another address.
    let narrow = door(&world, "a", 32).await;
    let mut stream = TcpStream::connect(address(&narrow)).await.expect("a connection");
    let mut answer = Vec::new();
    // Closed without a word; whether the kernel calls that an end or a reset does not matter.
    let read = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() && read.map_or(true, |length| length == 0));
    let wide = door(&world, "a", 8).await;
    let other = world.job("b", "main");
    world.services.revoke("b");
    let body = json!({ "key": "k", "restore_keys": [], "version": "v" });
    assert_eq!(wide.cache("GetCacheEntryDownloadURL", body.clone()).await.status, 200);
    let stranger = Job { url: wide.url.clone(), access: other.access };
    assert_eq!(stranger.cache("GetCacheEntryDownloadURL", body).await.status, 401);
    world.services.revoke("a");
    while TcpStream::connect(address(&wide)).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_door_is_refused_where_there_is_no_such_address_or_job() {
    let world = World::new().await;
    let _job = world.job("a", "main");
    let nowhere = Network::new("192.0.2.1".parse().expect("an address"), 24);
    let error = world.services.open_door("a", nowhere).await.expect_err("not an address of ours");
    assert!(
        matches!(error.kind, ServiceErrorKind::Door(_, _)) && error.to_string().contains("192.0.2.1"),
        "{error}"
    );
    let error = world.services.open_door("b", Network::new(HERE, 8)).await.expect_err("not a job");
    assert!(matches!(error.kind, ServiceErrorKind::Grant(_)), "{error}");
}
