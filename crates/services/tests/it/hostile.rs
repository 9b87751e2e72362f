//! Requests that mean no good, and clients that are cut off.

use crate::client::{Job, World, send};
use proptest::prelude::*;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

async fn link(job: &Job, key: &str) -> String {
    let created = job.cache("CreateCacheEntry", json!({ "key": key, "version": "v" })).await.json();
    created["signed_upload_url"].as_str().expect("a link").to_owned()
}

#[tokio::test]
async fn a_token_must_be_ours_and_alive() {
    let world = World::new().await;
    let job = world.job("a", "main");
    let url = format!("{}/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry", job.url);
    let body = json!({ "key": "k", "version": "v" }).to_string();
    let forged = job.token().replace('.', ".A");
    for token in [
        "",
        "Bearer",
        "Bearer x",
        "Bearer a.b.c",
        &format!("Bearer {forged}"),
        &format!("Basic {}", job.token()),
    ] {
        let answer = send("POST", &url, &[("authorization", token)], body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (401, &json!("unauthenticated")),
            "{token}"
        );
    }
    assert_eq!(job.send("POST", &url, &[], body.clone()).await.status, 200);
    world.pass(3_601);
    let answer = job.send("POST", &url, &[], body).await;
    assert!(answer.status == 401 && answer.json()["msg"].as_str().expect("why").contains("expired"));
}

#[tokio::test]
async fn a_link_is_good_for_one_thing_and_one_hour() {
    let world = World::new().await;
    let job = world.job("a", "main");
    let good = link(&job, "k").await;
    for bad in [
        good.replace("/cache/", "/artifact/"),
        good.replace("sig=", "sig=A"),
        good.replace("se=", "se=9"),
        good.split('?').next().expect("a path").to_owned(),
    ] {
        assert_eq!(send("PUT", &bad, &[], "x").await.status, 403, "{bad}");
    }
    assert_eq!(send("GET", &good, &[], "").await.status, 403);
    for query in ["&comp=appendblock", "&comp=block", "&comp=block&blockid=..%2Fx", "&comp=properties"] {
        let answer = send("PUT", &format!("{good}{query}"), &[], "x").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-ms-error-code")),
            (400, "InvalidInput"),
            "{query}"
        );
    }
    assert_eq!(send("PUT", &good, &[("content-md5", "AAAA")], "x").await.status, 400);
    let listed =
        send("PUT", &format!("{good}&comp=blocklist"), &[], "<BlockList><Latest>QQ==</Latest></BlockList>")
            .await;
    assert!(listed.status == 400 && String::from_utf8_lossy(&listed.body).contains("was not uploaded"));
    assert_eq!(send("PUT", &format!("{good}&comp=blocklist"), &[], vec![0xff; 10]).await.status, 400);
    assert_eq!(send("PUT", &good, &[], vec![0; (1 << 20) + 1]).await.status, 413);
    assert_eq!(send("PUT", &good, &[], "x").await.status, 201);
    world.pass(3_601);
    assert_eq!(send("PUT", &good, &[], "x").await.status, 403);
}

#[tokio::test]
async fn a_client_that_is_killed_leaves_nothing() {
    let world = World::new().await;
    let job = world.job("a", "main");
    let good = link(&job, "k").await;
    let path = good.strip_prefix(&job.url).expect("ours");
    let address = job.url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let head = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&[7; 5_000]).await.expect("sent");
    stream.shutdown().await.expect("cut");
    // The server answers or closes; either way it is done with the request then.
    let mut rest = Vec::new();
    let _closed = stream.read_to_end(&mut rest).await;
    let finalize = json!({ "key": "k", "version": "v", "size_bytes": "5000" });
    let answer = job.cache("FinalizeCacheEntryUpload", finalize).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["code"]),
        (400, &json!("invalid_argument")),
        "{answer:?}"
    );
    let found = job.cache("GetCacheEntryDownloadURL", json!({ "key": "k", "version": "v" })).await.json();
    assert_eq!(found["ok"], false);
    assert_eq!(std::fs::read_dir(world.folder("caches/uploads")).expect("uploads").count(), 0);
}

#[tokio::test]
async fn requests_that_are_no_requests_are_refused() {
    let world = World::new().await;
    let job = world.job("a", "main");
    let twirp = format!("{}/twirp/github.actions.results.api.v1", job.url);
    for (url, body, status) in [
        (format!("{twirp}.CacheService/CreateCacheEntry"), "not json".to_owned(), 400),
        (format!("{twirp}.CacheService/CreateCacheEntry"), "[".repeat(100_000), 400),
        (format!("{twirp}.CacheService/CreateCacheEntry"), "{}".to_owned(), 400),
        (
            format!("{twirp}.CacheService/CreateCacheEntry"),
            json!({ "key": 5, "version": "v" }).to_string(),
            400,
        ),
        (format!("{twirp}.CacheService/CreateCacheEntry"), " ".repeat(300_000), 413),
        (format!("{twirp}.CacheService/Other"), "{}".to_owned(), 404),
        (format!("{twirp}.Other/CreateCacheEntry"), "{}".to_owned(), 404),
        (format!("{}/elsewhere", job.url), "{}".to_owned(), 404),
    ] {
        assert_eq!(job.send("POST", &url, &[], body).await.status, status, "{url}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_request_is_answered_and_no_fault_of_ours(
        path in "/(twirp|devstoreaccount1|_apis/artifactcache|oidc|)(/[a-zA-Z0-9.%-]{0,12}){0,3}(\\?[a-z]{1,5}=[a-zA-Z0-9%]{0,9})?",
        method in prop_oneof![Just("GET"), Just("PUT"), Just("POST"), Just("PATCH"), Just("DELETE")],
        body in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let world = World::new().await;
            let job = world.job("a", "main");
            let address = job.url.strip_prefix("http://").expect("an address").to_owned();
            let mut stream = TcpStream::connect(address).await.expect("connected");
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
                job.token(), body.len()
            );
            stream.write_all(head.as_bytes()).await.expect("sent");
            // The answer may come before the body is sent.
            let _closed = stream.write_all(&body).await;
            let mut answer = Vec::new();
            let _closed = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            prop_assert!(answer.starts_with("HTTP/1.1 "), "{}", answer);
            prop_assert!(!answer.starts_with("HTTP/1.1 5"), "{}", answer);
            Ok(())
        })?;
    }
}
