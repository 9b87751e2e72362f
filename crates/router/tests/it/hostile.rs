//! Clients and instances that break the rules, are slow, or die.

use crate::world::{
    LONG, World, arm, arm_at, backends, canary, closed, id, options, raw, read_to_end, read_until, route,
    single, table,
};
use shipway_router::{Dropped, Limits, Router, RouterError};
use shipway_testkit::backend::Backend;
use shipway_traffic::{Client, Route, Table};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\n\r\n";
const POST: &str =
    "POST / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways_are_refused() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let check = async |request: &str, expect: &str| {
        let answer = world.raw(request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expect}")), "{request:?} got {answer:?}");
    };
    let host = "Host: web.localhost\r\n";
    check(&format!("GET / HTTP/1.1\r\n{host}{host}\r\n"), "400").await;
    check("GET / HTTP/1.1\r\n\r\n", "400").await;
    check("GET / HTTP/1.1\r\nHost: a@web.localhost\r\n\r\n", "400").await;
    check("CONNECT web.localhost:80 HTTP/1.1\r\nHost: web.localhost\r\n\r\n", "501").await;
    check(&format!("POST / HTTP/1.1\r\n{host}Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi"), "400").await;
    check(&format!("POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"), "400")
        .await;
    check(&format!("POST / HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n"), "400").await;
    check(&format!("GET / HTTP/1.1\r\n{host}X-Bad : 1\r\n\r\n"), "400").await;
    check("NOT HTTP AT ALL\r\n\r\n", "400").await;
    assert_eq!(backends[0].arrivals(), 0);
}

#[tokio::test]
async fn a_length_beside_chunks_never_reaches_an_instance() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: web.localhost\r\n\r\n";
    for lengths in
        ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"]
    {
        let request =
            format!("POST / HTTP/1.1\r\nHost: web.localhost\r\n{lengths}\r\n\r\n0\r\n\r\n{smuggled}");
        let before = backends[0].arrivals();
        let mut stream = TcpStream::connect(world.router.address()).await.expect("a listener");
        stream.write_all(request.as_bytes()).await.expect("an open connection");
        stream.shutdown().await.expect("an open connection");
        let answer = read_to_end(&mut stream).await;
        // Either refused, or read by the chunks alone: in no case does the instance see both.
        if backends[0].arrivals() > before {
            let seen = backends[0].last();
            assert!(
                !seen.headers.contains_key("transfer-encoding")
                    || !seen.headers.contains_key("content-length")
            );
        } else {
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
        }
    }
}

#[tokio::test]
async fn heads_are_limited() {
    let backends = backends("v1", 1).await;
    let limits = Limits { head_bytes: 8 * 1_024, headers: 20, ..Limits::default() };
    let world = World::with_limits(single(arm("v1", &[&backends[0]])), limits).await;
    let long = format!("GET / HTTP/1.1\r\nHost: web.localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(20_000));
    let answer = world.raw(&long).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = format!("GET / HTTP/1.1\r\nHost: web.localhost\r\n{}\r\n", "X-A: 1\r\n".repeat(30));
    let answer = world.raw(&many).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(backends[0].arrivals(), 0);
}

#[tokio::test]
async fn slow_clients_lose_their_connection() {
    let backends = backends("v1", 1).await;
    let limits = Limits {
        head_timeout: Duration::from_millis(50),
        body_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let world = World::with_limits(single(arm("v1", &[&backends[0]])), limits).await;
    // Nothing at all, half a preface, half a head, an idle connection, half a body.
    for beginning in
        ["", "PRI * HT", "GET / HTTP/1.1\r\nHost: web", &GET.replace("Connection: close\r\n", "")]
    {
        raw(world.router.address(), beginning).await;
    }
    let half = "POST / HTTP/1.1\r\nHost: web.localhost\r\nContent-Length: 100\r\n\r\nhalf";
    let answer = raw(world.router.address(), half).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    let stats = world.router.stats("web").expect("a service");
    assert_eq!((stats.releases[0].failures_total(), stats.releases[0].cancelled), (0, 1));
}

#[tokio::test]
async fn a_client_that_takes_nothing_loses_its_answer() {
    let backends = backends("v1", 1).await;
    backends[0].behave(|behaviour| behaviour.body_bytes = 64 << 20);
    let limits = Limits { head_timeout: Duration::from_millis(50), ..Limits::default() };
    let world = World::with_limits(single(arm("v1", &[&backends[0]])), limits).await;
    let mut greedy = TcpStream::connect(world.router.address()).await.expect("a listener");
    greedy.write_all(GET.as_bytes()).await.expect("an open connection");
    backends[0].arrived(1).await;
    tokio::time::timeout(LONG, world.router.drained(&id("v1", backends[0].address())))
        .await
        .expect("an end in time");
    // Whoever reads gets all of it.
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let whole = world.raw(GET).await;
    assert!(whole.len() > 64 << 20);
}

#[tokio::test]
async fn connections_are_limited() {
    let backends = backends("v1", 1).await;
    let limits = Limits { connections: 2, ..Limits::default() };
    let world = World::with_limits(single(arm("v1", &[&backends[0]])), limits).await;
    let first = TcpStream::connect(world.router.address()).await.expect("a listener");
    let second = TcpStream::connect(world.router.address()).await.expect("a listener");
    let mut third = TcpStream::connect(world.router.address()).await.expect("the system's queue");
    third.write_all(GET.as_bytes()).await.expect("an open connection");
    assert!(
        tokio::time::timeout(Duration::from_millis(100), third.readable()).await.is_err(),
        "it must wait"
    );
    drop((first, second));
    assert!(read_to_end(&mut third).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn without_an_instance_the_answer_says_why() {
    let backends = backends("v1", 1).await;
    let world = World::new(closed()).await;
    let answer = world.raw(GET).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("shipway-cause: closed"), "{answer}");
    assert!(answer.contains("[SW0704] web serves no requests: nothing is deployed yet"), "{answer}");
    world.shift(single(arm_at("v1", &[])));
    let answer = world.raw(GET).await;
    assert!(answer.contains("[SW0704] no instance of web is ready"), "{answer}");
    let answer = world.raw(&GET.replace("web.localhost", "other")).await;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("[SW0707]"), "{answer}");
    assert_eq!(world.router.unrouted(), 1);
    let stats = world.router.stats("web").expect("a service");
    assert_eq!(stats.dropped, [(Dropped::Closed, 1), (Dropped::NoInstance, 1)].into());
    world.shift(single(arm("v1", &[&backends[0]])));
    assert!(world.raw(GET).await.starts_with("HTTP/1.1 200"));
}

/// A client that keeps its connection is not led into one that is closed behind its back: a small body is read though nobody
/// wants it, and where the connection has to end the answer says so.
#[tokio::test]
async fn an_answer_to_half_a_request_says_whether_the_connection_goes_on() {
    let world = World::new(closed()).await;
    let head = |host: &str, length: &str| format!("POST / HTTP/1.1\r\nHost: {host}\r\n{length}\r\n\r\n");
    let answers = [
        ("web.localhost", "HTTP/1.1 503", "nothing is deployed yet\n"),
        ("other", "HTTP/1.1 404", "\"other\"\n"),
    ];
    for (host, status, last) in answers {
        let connect = || TcpStream::connect(world.router.address());
        // The body comes later, in both ways in which a body can be sent.
        let mut client = connect().await.expect("a listener");
        for (length, body) in
            [("Content-Length: 3", "abc"), ("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n")]
        {
            client.write_all(head(host, length).as_bytes()).await.expect("an open connection");
            tokio::task::yield_now().await;
            client.write_all(body.as_bytes()).await.expect("an open connection");
            let answer = read_until(&mut client, last).await;
            assert!(answer.starts_with(status) && !answer.contains("connection: close"), "{answer}");
        }
        // More than anybody reads for nothing, a body that waits for a word, and one that does not come.
        for (length, begun) in [
            ("Content-Length: 1000000", "abc"),
            ("Content-Length: 3\r\nExpect: 100-continue", ""),
            ("Content-Length: 3", "a"),
        ] {
            let mut client = connect().await.expect("a listener");
            client.write_all(head(host, length).as_bytes()).await.expect("an open connection");
            client.write_all(begun.as_bytes()).await.expect("an open connection");
            let answer = read_to_end(&mut client).await;
            assert!(answer.starts_with(status) && answer.contains("connection: close"), "{length}: {answer}");
        }
    }
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("a port")
}

#[tokio::test]
async fn a_refused_connection_is_tried_elsewhere_whatever_the_method() {
    let backends = backends("v1", 1).await;
    let dead = nobody().await;
    let world = World::new(single(arm_at("v1", &[dead, backends[0].address()]))).await;
    for _ in 0..10 {
        assert!(world.raw(POST).await.starts_with("HTTP/1.1 200"));
    }
    let stats = world.router.stats("web").expect("a service");
    assert_eq!((stats.releases[0].requests, stats.releases[0].failures_total()), (10, 0));
    assert_eq!((stats.dropped_total(), stats.strays), (0, 0));
    // After its first refusal the dead instance is passed over for a while.
    let refusals = stats.ejections[&id("v1", dead)];
    assert!((1..10).contains(&refusals), "{refusals}");
}

#[tokio::test]
async fn an_arm_that_is_dead_fails_its_clients_but_the_other_arm_helps_out() {
    let stable = backends("v1", 1).await;
    let dead = nobody().await;
    let split = canary(arm("v1", &[&stable[0]]), arm_at("v2", &[dead]), 50);
    let by_header = Client { header: Some("x-user".to_owned()), cookie: false };
    let world = World::with_route(Route { client: by_header, ..route(split) }, Limits::default()).await;
    for client in 0..40 {
        let request = GET.replace("\r\n\r\n", &format!("\r\nX-User: {client}\r\n\r\n"));
        assert!(world.raw(&request).await.starts_with("HTTP/1.1 200"));
    }
    let evidence = world.router.evidence("web").expect("evidence");
    assert_eq!(evidence.stable.requests + evidence.canary.requests, 40);
    assert!(evidence.canary.requests > 0);
    // Every client of the canary counts as failed by it; the answers of the other arm are kept apart.
    assert_eq!(evidence.canary.failures, evidence.canary.requests);
    assert_eq!(evidence.excluded, evidence.canary.requests);
    assert_eq!(evidence.canary.causes.keys().collect::<Vec<_>>(), ["connection refused"]);
    assert_eq!(world.router.stats("web").expect("a service").dropped_total(), 0);
}

#[tokio::test]
async fn an_arm_without_ready_instances_is_served_by_the_other_and_counts_nothing() {
    let stable = backends("v1", 1).await;
    let world = World::new(canary(arm("v1", &[&stable[0]]), arm_at("v2", &[]), 100)).await;
    assert!(world.raw(GET).await.starts_with("HTTP/1.1 200"));
    let evidence = world.router.evidence("web").expect("evidence");
    assert_eq!((evidence.excluded, evidence.stable.requests, evidence.canary.requests), (1, 0, 0));
    assert_eq!(world.router.stats("web").expect("a service").strays, 1);
}

#[tokio::test]
async fn a_broken_connection_is_tried_again_only_where_that_is_safe() {
    let good = Backend::start("v1", 0).await;
    let bad = Backend::start("v1", 1).await;
    bad.behave(|behaviour| behaviour.break_off = true);
    let world = World::new(single(arm("v1", &[&good, &bad]))).await;
    for _ in 0..10 {
        assert!(world.raw(GET).await.starts_with("HTTP/1.1 200"));
    }
    let mut failed = 0;
    for _ in 0..10 {
        let answer = world.raw(POST).await;
        failed += u64::from(answer.starts_with("HTTP/1.1 502") && answer.contains("[SW0705]"));
    }
    assert!(failed > 0, "a POST that may have been carried out must not be repeated");
    let stats = world.router.stats("web").expect("a service");
    assert_eq!(stats.releases[0].failures, [("connection closed".to_owned(), failed)].into());
    assert!(stats.retries > 0);
    assert_eq!(bad.arrivals() + good.arrivals(), 20 + stats.retries);
}

#[tokio::test]
async fn an_instance_that_closes_after_each_answer_fails_nothing() {
    let backends = backends("v1", 2).await;
    backends.iter().for_each(|backend| backend.behave(|behaviour| behaviour.close = true));
    let world = World::new(single(arm("v1", &[&backends[0], &backends[1]]))).await;
    let report = shipway_testkit::load::Load::start(world.plan(500), options().clock, None).finished().await;
    assert_eq!((report.requests, report.failures()), (500, 0), "{report:?}");
}

#[tokio::test]
async fn an_instance_that_says_nothing_is_given_up() {
    let backends = backends("v1", 1).await;
    backends[0].hold();
    let only = route(single(arm("v1", &[&backends[0]])));
    let patient = Route { response_timeout: Duration::from_millis(50), ..only };
    let world = World::with_route(patient, Limits::default()).await;
    let answer = world.raw(GET).await;
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("[SW0706]"), "{answer}");
    let stats = world.router.stats("web").expect("a service");
    assert_eq!(stats.releases[0].failures, [("timeout".to_owned(), 1)].into());
    assert_eq!(world.router.in_flight(&id("v1", backends[0].address())), 0);
}

#[tokio::test]
async fn answers_that_are_not_http_or_break_off_are_failures_of_the_instance() {
    let nonsense = crate::life::speaking(b"SSH-2.0-OpenSSH\r\n\r\n").await;
    let world = World::new(single(arm_at("v1", &[nonsense]))).await;
    let answer = world.raw(POST).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    let cut = crate::life::speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    world.shift(single(arm_at("v2", &[cut])));
    let answer = world.raw(GET).await;
    assert!(answer.ends_with("half"), "{answer}");
    tokio::time::timeout(LONG, world.router.drained(&id("v2", cut))).await.expect("an end in time");
    let stats = world.router.stats("web").expect("a service");
    assert_eq!(stats.releases[0].failures, [("invalid answer".to_owned(), 1)].into());
    assert_eq!(stats.releases[1].failures, [("answer cut".to_owned(), 1)].into());
    assert_eq!(stats.releases[1].requests, 1);
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_message() {
    let world = World::new(closed()).await;
    let mut taken = options();
    taken.listen = world.router.address();
    let error = Router::start(taken, Table::default()).await.expect_err("the port is in use");
    assert!(matches!(error, RouterError::AddressInUse { .. }), "{error:?}");
    assert_eq!(error.code(), "SW0701");
}

#[tokio::test]
async fn bad_tables_change_nothing() {
    let world = World::new(closed()).await;
    let before = world.router.table();
    let mut twice = table(9, route(single(arm_at("v1", &[]))));
    let other = Route { service: "other".to_owned(), ..route(closed()) };
    twice.routes.insert("other".to_owned(), other);
    assert!(matches!(world.router.apply(twice), Err(RouterError::Table { generation: 9, .. })));
    let reused = table(1, route(single(arm_at("v1", &[]))));
    assert!(matches!(world.router.apply(reused), Err(RouterError::GenerationReused { generation: 1 })));
    assert_eq!(world.router.table(), before);
}
