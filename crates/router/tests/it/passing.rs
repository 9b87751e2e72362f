//! What passes through: heads, bodies in both directions, old clients, upgrades, early answers.

use crate::world::{LONG, World, arm, arm_at, backends, id, read_until, route, single};
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{Request, body::Frame, header::HeaderValue};
use hyper_util::rt::{TokioExecutor, TokioIo};
use shipway_router::Limits;
use shipway_traffic::{Client, Route};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// An instance that sends what a test says. Each connection is handed to `talk`.
async fn scripted<F, T>(talk: F) -> SocketAddr
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a port");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    address
}

/// An instance that answers every request head with the same bytes.
async fn answering(answer: &'static str) -> SocketAddr {
    scripted(move |mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(answer.as_bytes()).await.expect("an open connection");
        // Stay until the router has read it all.
        let _ = stream.read(&mut [0]).await;
    })
    .await
}

#[tokio::test]
async fn hop_by_hop_headers_stay_behind_and_forwarding_is_told() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let answer = world
        .raw(
            "GET /path?query=1 HTTP/1.1\r\nHost: WEB.localhost:8080\r\nConnection: close, X-Secret, Host\r\n\
             X-Secret: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers, gzip\r\nX-Keep: 2\r\n\
             X-Forwarded-For: 192.0.2.1\r\n\r\n",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let seen = backends[0].last();
    assert_eq!(seen.uri, "/path?query=1");
    for gone in ["connection", "x-secret", "keep-alive", "proxy-connection"] {
        assert!(!seen.headers.contains_key(gone), "{gone} was passed on: {:?}", seen.headers);
    }
    for (name, value) in [
        ("host", "WEB.localhost:8080"),
        ("x-keep", "2"),
        ("te", "trailers"),
        ("x-forwarded-for", "192.0.2.1, 127.0.0.1"),
        ("x-forwarded-host", "WEB.localhost:8080"),
        ("x-forwarded-proto", "http"),
    ] {
        assert_eq!(seen.headers.get(name), Some(&HeaderValue::from_static(value)), "{name}");
    }
}

#[tokio::test]
async fn answers_lose_their_hop_by_hop_headers() {
    let address = answering(
        "HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let world = World::new(single(arm_at("v1", &[address]))).await;
    let answer = world.raw("GET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\n\r\n").await;
    let answer = answer.to_lowercase();
    assert!(answer.contains("x-end: 2") && answer.ends_with("\r\n\r\nok"), "{answer}");
    assert!(!answer.contains("x-hop") && !answer.contains("keep-alive"), "{answer}");
}

#[tokio::test]
async fn old_clients_and_heads_alone() {
    let backends = backends("v1", 1).await;
    let only = route(single(arm("v1", &[&backends[0]])));
    // HTTP/1.0 need not name a host: the default route serves it.
    let world = World::with_route(Route { hosts: Vec::new(), ..only }, Limits::default()).await;
    let answer = world.raw("GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with(&"x".repeat(100)), "{answer}");
    assert!(!answer.to_lowercase().contains("transfer-encoding"), "{answer}");

    let answer = world.raw("HEAD / HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n").await;
    assert!(answer.to_lowercase().contains("content-length: 100\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "a HEAD has no body: {answer}");

    backends[0].behave(|behaviour| (behaviour.status, behaviour.body_bytes) = (204, 0));
    let answer = world.raw("GET / HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(world.router.in_flight(&id("v1", backends[0].address())), 0);
}

#[tokio::test]
async fn an_answer_of_an_old_instance_ends_with_its_connection() {
    let address = scripted(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nto the end").await.expect("an open connection");
    })
    .await;
    let world = World::new(single(arm_at("v1", &[address]))).await;
    let answer = world.raw("GET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("to the end"), "{answer}");
}

#[tokio::test]
async fn a_client_that_expects_is_told_to_continue() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let mut stream = TcpStream::connect(world.router.address()).await.expect("a listener");
    let head = "POST / HTTP/1.1\r\nHost: web.localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("an open connection");
    let told = read_until(&mut stream, "\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 100 Continue"), "{told}");
    stream.write_all(b"hello").await.expect("an open connection");
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = backends[0].last();
    assert_eq!((&seen.body[..], seen.headers.contains_key("expect")), (&b"hello"[..], false));
}

#[tokio::test]
async fn bodies_and_trailers_pass_in_chunks() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let answer = world
        .raw(
            "POST / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\nTrailer: x-sum\r\n\
             Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 5\r\n\r\n",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = backends[0].last();
    assert_eq!(&seen.body[..], b"abcde");
    let trailers = seen.trailers.expect("trailers");
    assert_eq!(trailers.get("x-sum"), Some(&HeaderValue::from_static("5")));

    let trailing = answering(
        "HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 2\r\n\r\n",
    )
    .await;
    world.shift(single(arm_at("v2", &[trailing])));
    let request = "GET / HTTP/1.1\r\nHost: web.localhost\r\nTE: trailers\r\nConnection: close\r\n\r\n";
    let answer = world.raw(request).await;
    assert!(answer.contains("2\r\nok\r\n0\r\nx-sum: 2\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn an_early_answer_passes_while_the_request_is_still_sent() {
    let address = answering("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
    let world = World::new(single(arm_at("v1", &[address]))).await;
    let mut stream = TcpStream::connect(world.router.address()).await.expect("a listener");
    let head = "POST / HTTP/1.1\r\nHost: web.localhost\r\nContent-Length: 1000000\r\n\r\nonly a beginning";
    stream.write_all(head.as_bytes()).await.expect("an open connection");
    let answer = read_until(&mut stream, "big").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_request_body_is_read_no_faster_than_the_instance_takes_it() {
    // The instance reads the head and then nothing.
    let address = scripted(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    let only = route(single(arm_at("v1", &[address])));
    let patient = Route { response_timeout: Duration::from_secs(1), ..only };
    let world = World::with_route(patient, Limits::default()).await;
    let mut stream = TcpStream::connect(world.router.address()).await.expect("a listener");
    let length: usize = 1 << 30;
    let head = format!("POST / HTTP/1.1\r\nHost: web.localhost\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("an open connection");
    let chunk = vec![b'x'; 1 << 20];
    let mut taken = 0;
    // When nothing was taken for a while, the buffers of two sockets are full, and nothing else may hold bytes.
    while let Ok(written) = tokio::time::timeout(Duration::from_millis(300), stream.write(&chunk)).await {
        taken += written.expect("an open connection");
        assert!(taken < 64 << 20, "the router swallowed {taken} bytes");
    }
    // The request stands still by the instance's fault, so the time for its answer runs out.
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    tokio::time::timeout(LONG, world.router.drained(&id("v1", address))).await.expect("an end in time");
    let stats = world.router.stats("web").expect("a service");
    assert_eq!(stats.releases[0].failures, [("timeout".to_owned(), 1)].into());
}

#[tokio::test]
async fn an_upload_that_moves_may_take_longer_than_an_answer() {
    let backends = backends("v1", 1).await;
    let only = route(single(arm("v1", &[&backends[0]])));
    let patient = Route { response_timeout: Duration::from_millis(60), ..only };
    let world = World::with_route(patient, Limits::default()).await;
    let mut stream = TcpStream::connect(world.router.address()).await.expect("a listener");
    let head = "POST / HTTP/1.1\r\nHost: web.localhost\r\nContent-Length: 10\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("an open connection");
    for _ in 0..10 {
        // The client really is this slow: one byte, then a pause shorter than the time for an answer.
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.write_all(b"x").await.expect("an open connection");
    }
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_with_it() {
    let backends = backends("v1", 1).await;
    backends[0].hold();
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let mut stream = TcpStream::connect(world.router.address()).await.expect("a listener");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web.localhost\r\n\r\n").await.expect("an open connection");
    backends[0].arrived(1).await;
    let instance = id("v1", backends[0].address());
    assert_eq!(world.router.in_flight(&instance), 1);
    drop(stream);
    tokio::time::timeout(LONG, world.router.drained(&instance)).await.expect("an end in time");
    let stats = world.router.stats("web").expect("a service");
    assert_eq!((stats.releases[0].cancelled, stats.releases[0].requests), (1, 0));
}

#[tokio::test]
async fn an_answer_streams_chunk_by_chunk() {
    let address = scripted(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n";
        stream.write_all(head).await.expect("an open connection");
        // The second chunk waits until the client has seen the first, which it says by a second connection.
        stream.read_exact(&mut [0]).await.expect_err("no more requests on this connection");
    })
    .await;
    let world = World::new(single(arm_at("v1", &[address]))).await;
    let mut stream = TcpStream::connect(world.router.address()).await.expect("a listener");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web.localhost\r\n\r\n").await.expect("an open connection");
    read_until(&mut stream, "1\r\na\r\n").await;
    // The client goes away in the middle of the answer: the instance's connection ends with it.
    drop(stream);
    tokio::time::timeout(LONG, world.router.drained(&id("v1", address))).await.expect("an end in time");
    let stats = world.router.stats("web").expect("a service");
    assert_eq!((stats.releases[0].requests, stats.releases[0].failures_total()), (1, 0));
}

#[tokio::test]
async fn an_upgraded_connection_is_a_tunnel_that_counts_as_in_flight() {
    let address = scripted(|mut stream| async move {
        let head = read_until(&mut stream, "\r\n\r\n").await.to_lowercase();
        assert!(head.contains("upgrade: echo\r\n") && head.contains("connection: upgrade\r\n"), "{head}");
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        stream.write_all(answer).await.expect("an open connection");
        let (mut reader, mut writer) = stream.split();
        tokio::io::copy(&mut reader, &mut writer).await.expect("an open connection");
    })
    .await;
    let world = World::new(single(arm_at("v1", &[address]))).await;
    let mut stream = TcpStream::connect(world.router.address()).await.expect("a listener");
    let head = "GET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("an open connection");
    let answer = read_until(&mut stream, "\r\n\r\n").await.to_lowercase();
    assert!(answer.starts_with("http/1.1 101") && answer.contains("upgrade: echo"), "{answer}");
    for word in ["one", "two"] {
        stream.write_all(word.as_bytes()).await.expect("an open tunnel");
        assert_eq!(read_until(&mut stream, word).await, word);
    }
    let instance = id("v1", address);
    assert_eq!(world.router.in_flight(&instance), 1);
    drop(stream);
    tokio::time::timeout(LONG, world.router.drained(&instance)).await.expect("an end in time");
    assert_eq!(world.router.stats("web").expect("a service").releases[0].classes[0], 1);
}

#[tokio::test]
async fn an_upgrade_that_is_declined_is_an_ordinary_answer() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let mut stream = TcpStream::connect(world.router.address()).await.expect("a listener");
    let head = "GET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("an open connection");
    let answer = read_until(&mut stream, &"x".repeat(100)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn http2_clients_share_one_connection() {
    let backends = backends("v1", 2).await;
    let only = route(single(arm("v1", &[&backends[0], &backends[1]])));
    let by_header = Client { header: Some("x-user".to_owned()), cookie: false };
    let world = World::with_route(Route { client: by_header, ..only }, Limits::default()).await;
    let stream = TcpStream::connect(world.router.address()).await.expect("a listener");
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, driver) = handshake.await.expect("HTTP/2");
    tokio::spawn(driver);
    let mut streams = tokio::task::JoinSet::new();
    for number in 0..50_u16 {
        let mut sender = sender.clone();
        streams.spawn(async move {
            let chunks = [Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(vec![b'u'; 1_000])))];
            let request = Request::post("http://web.localhost/upload")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .header("x-user", number)
                .body(StreamBody::new(futures_util::stream::iter(chunks)))
                .expect("a request");
            let answer = sender.send_request(request).await.expect("an answer");
            assert_eq!(answer.status(), 200);
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(body.len(), 100);
        });
    }
    streams.join_all().await;
    let seen = backends[0].last();
    assert_eq!(seen.body.len(), 1_000);
    assert_eq!(seen.headers.get("cookie"), Some(&HeaderValue::from_static("a=1; b=2")));
    assert_eq!(seen.headers.get("host"), Some(&HeaderValue::from_static("web.localhost")));
    assert_eq!(world.router.evidence("web").expect("evidence").stable.clients, 50);
}
