//! The router's own life: tables of the past, draining, shutdown, restart, metrics.

use crate::world::{
    LONG, World, arm, arm_at, backends, canary, draining, id, options, raw, read_to_end, route, single, table,
};
use shipway_router::{Applied, Dropped, Limits, Router, Shutdown};
use shipway_traffic::{Client, Route, Split};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::Notify,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\n\r\n";
const POST: &str =
    "POST / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";

/// An instance that reads a bit, sends these bytes and closes.
pub(crate) async fn speaking(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a port");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            crate::world::read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(bytes).await.expect("an open connection");
        }
    });
    address
}

/// An instance that sends these bytes and closes when it is told to.
struct Pausing {
    address: SocketAddr,
    go_on: Arc<Notify>,
}

async fn pausing(bytes: &'static [u8]) -> Pausing {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a port");
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        crate::world::read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(bytes).await.expect("an open connection");
        told.notified().await;
    });
    Pausing { address, go_on }
}

#[tokio::test]
async fn tables_go_forward_only() {
    let world = World::new(Split::Closed { reason: "first".to_owned() }).await;
    let third = table(3, route(Split::Closed { reason: "third".to_owned() }));
    assert_eq!(world.router.apply(third.clone()).expect("a good table"), Applied::Changed);
    assert_eq!(world.router.apply(third.clone()).expect("a good table"), Applied::Unchanged);
    let second = table(2, route(Split::Closed { reason: "second".to_owned() }));
    assert_eq!(world.router.apply(second).expect("a good table"), Applied::Stale { current: 3 });
    assert_eq!(*world.router.table(), third);
}

#[tokio::test]
async fn a_draining_instance_finishes_what_it_has_and_gets_nothing_new() {
    let old = backends("v1", 1).await;
    let new = backends("v2", 1).await;
    let world = World::new(single(arm("v1", &[&old[0]]))).await;
    let instance = id("v1", old[0].address());
    // A kept connection to the old instance is at rest.
    assert!(world.raw(GET).await.contains("x-version: v1"));
    old[0].hold();
    let mut pending = TcpStream::connect(world.router.address()).await.expect("a listener");
    pending.write_all(GET.as_bytes()).await.expect("an open connection");
    old[0].arrived(2).await;
    let changes = world.router.watch();
    world.rollout(canary(draining(arm("v1", &[&old[0]])), arm("v2", &[&new[0]]), 100));
    assert_eq!(world.router.in_flight(&instance), 1);
    for _ in 0..10 {
        assert!(world.raw(GET).await.contains("x-version: v2"));
    }
    assert_eq!(old[0].arrivals(), 2);
    old[0].release();
    assert!(read_to_end(&mut pending).await.contains("x-version: v1"));
    tokio::time::timeout(LONG, world.router.drained(&instance)).await.expect("drained in time");
    assert_eq!(world.router.in_flight(&instance), 0);
    assert!(changes.has_changed().expect("the router lives"));
    // Gone from the table and idle: it is forgotten, and unknown instances are drained.
    world.shift(single(arm("v2", &[&new[0]])));
    world.router.drained(&instance).await;
    assert!(!world.router.metrics().contains(&instance));
}

/// What a deploy stopped failed by the deploy; the version, and what is known of it, have no part in that.
#[tokio::test]
async fn what_an_instance_leaves_when_it_is_stopped_was_dropped() {
    for stopped in [true, false] {
        let old = backends("v1", 1).await;
        let new = backends("v2", 1).await;
        let world = World::new(single(arm("v1", &[&old[0]]))).await;
        old[0].hold();
        let pending = tokio::spawn(raw(world.router.address(), POST));
        let repeatable = tokio::spawn(raw(world.router.address(), GET));
        old[0].arrived(2).await;
        world.shift(canary(draining(arm("v1", &[&old[0]])), arm("v2", &[&new[0]]), 100));
        if stopped {
            world.router.stopping(&id("v1", old[0].address()));
        }
        old[0].die();
        let answer = pending.await.expect("a client");
        assert!(repeatable.await.expect("a client").contains("x-version: v2"));
        let stats = world.router.stats("web").expect("a service");
        let v1 = &stats.releases[0];
        let evidence = world.router.evidence("web").expect("evidence");
        assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("[SW0705]"), "{answer}");
        if stopped {
            assert!(answer.contains("shipway-cause: drain-timeout"), "{answer}");
            assert_eq!((v1.requests, v1.failures_total()), (0, 0), "{stats:?}");
            assert_eq!(stats.dropped, [(Dropped::DrainTimeout, 1)].into());
            assert_eq!(evidence.stable.failures, 0);
            let line = "shipway_router_dropped_total{service=\"web\",cause=\"drain-timeout\"} 1";
            assert!(world.router.metrics().contains(line), "{}", world.router.metrics());
        } else {
            // It broke by itself while it finished its requests.
            assert_eq!(v1.failures, [("connection closed".to_owned(), 1)].into());
            assert_eq!((stats.dropped_total(), evidence.stable.failures), (0, 1));
        }
    }
}

#[tokio::test]
async fn an_answer_that_a_stop_cuts_was_dropped() {
    let half = pausing(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    let world = World::new(single(arm_at("v1", &[half.address]))).await;
    let mut client = TcpStream::connect(world.router.address()).await.expect("a listener");
    client.write_all(POST.as_bytes()).await.expect("an open connection");
    crate::world::read_until(&mut client, "half").await;
    world.shift(Split::Closed { reason: "gone".to_owned() });
    world.router.stopping(&id("v1", half.address));
    half.go_on.notify_one();
    read_to_end(&mut client).await;
    let stats = world.router.stats("web").expect("a service");
    assert_eq!(stats.releases[0].failures_total(), 0, "{stats:?}");
    assert_eq!(stats.dropped, [(Dropped::DrainTimeout, 1)].into());
}

/// An id that comes back into the table is not being stopped any more.
#[tokio::test]
async fn an_instance_that_serves_again_answers_for_itself() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    world.shift(canary(draining(arm("v1", &[&backends[0]])), arm("v2", &[]), 0));
    world.router.stopping(&id("v1", backends[0].address()));
    world.shift(single(arm("v1", &[&backends[0]])));
    backends[0].hold();
    let pending = tokio::spawn(raw(world.router.address(), POST));
    backends[0].arrived(1).await;
    backends[0].die();
    assert!(pending.await.expect("a client").contains("connection closed"));
    assert_eq!(world.router.stats("web").expect("a service").dropped_total(), 0);
}

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_cuts_after_its_grace() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let address = world.router.address();
    // One connection at rest, which must not hold the shutdown up.
    let mut resting = TcpStream::connect(address).await.expect("a listener");
    resting.write_all(b"GET / HTTP/1.1\r\nHost: web.localhost\r\n\r\n").await.expect("an open connection");
    crate::world::read_until(&mut resting, &"x".repeat(100)).await;
    backends[0].hold();
    let pending = tokio::spawn(raw(address, GET));
    backends[0].arrived(2).await;
    let router = world.router.clone();
    let ending = tokio::spawn(async move { router.shutdown(LONG).await });
    // The resting connection ends at once; then the request is let go.
    read_to_end(&mut resting).await;
    backends[0].release();
    assert!(pending.await.expect("a client").contains("x-version: v1"));
    assert_eq!(ending.await.expect("a shutdown"), Shutdown { cut: 0 });
    assert!(TcpStream::connect(address).await.is_err());

    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    backends[0].hold();
    let pending = tokio::spawn(raw(world.router.address(), GET));
    backends[0].arrived(3).await;
    assert_eq!(world.router.shutdown(Duration::from_millis(20)).await, Shutdown { cut: 1 });
    assert_eq!(pending.await.expect("a client"), "");
    assert_eq!(world.router.stats("web").expect("a service").dropped_total(), 1);
}

#[tokio::test]
async fn a_router_without_owners_ends() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let mut resting = TcpStream::connect(world.router.address()).await.expect("a listener");
    drop(world);
    read_to_end(&mut resting).await;
}

#[tokio::test]
async fn a_restart_with_the_same_table_keeps_every_client_where_it_was() {
    let (old, new) = (backends("v1", 1).await, backends("v2", 1).await);
    let split = canary(arm("v1", &[&old[0]]), arm("v2", &[&new[0]]), 30);
    let before = World::new(split.clone()).await;
    let mut placed = Vec::new();
    for _ in 0..50 {
        let answer = before.raw(GET).await;
        let set = answer.split("set-cookie: ").nth(1).expect("a cookie");
        let cookie = set.split(';').next().expect("a value").to_owned();
        placed.push((cookie, answer.contains("x-version: v2")));
    }
    let table = before.router.table();
    let _ = before.router.shutdown(Duration::ZERO).await;
    // The seed of names differs from start to start, the key and the table do not.
    let mut options = options();
    options.seed = [1; 32];
    let after = Router::start(options, (*table).clone()).await.expect("a router");
    assert_eq!(after.table(), table);
    for (cookie, on_canary) in &placed {
        let request = GET.replace("\r\n\r\n", &format!("\r\nCookie: {cookie}\r\n\r\n"));
        let answer = raw(after.address(), &request).await;
        assert_eq!(answer.contains("x-version: v2"), *on_canary);
        assert!(!answer.contains("set-cookie"), "{answer}");
    }
    assert!(placed.iter().any(|(_, on_canary)| *on_canary) && placed.iter().any(|(_, on_canary)| !on_canary));
}

#[tokio::test]
async fn several_services_and_a_default_share_one_router() {
    let (web, api) = (backends("web", 1).await, backends("api", 1).await);
    let mut both = table(1, route(single(arm("web", &[&web[0]]))));
    let default = Route {
        service: "api".to_owned(),
        hosts: Vec::new(),
        client: Client::default(),
        ..route(single(arm("api", &[&api[0]])))
    };
    both.routes.insert("api".to_owned(), default);
    let router = Router::start(options(), both).await.expect("a router");
    let check = async |host: &str, version: &str, cookie: bool| {
        let answer = raw(router.address(), &GET.replace("web.localhost", host)).await;
        assert!(answer.contains(&format!("x-version: {version}")), "{host}: {answer}");
        assert_eq!(answer.contains("set-cookie"), cookie, "{host}: {answer}");
    };
    check("web.localhost", "web", true).await;
    check("WEB.localhost:80", "web", true).await;
    check("api.localhost", "api", false).await;
    check("[::1]:80", "api", false).await;
}

#[tokio::test]
async fn metrics_hold_the_counts() {
    let backends = backends("v1", 1).await;
    let world = World::with_limits(single(arm("v1", &[&backends[0]])), Limits::default()).await;
    assert!(world.raw(GET).await.contains("200"));
    backends[0].behave(|behaviour| behaviour.status = 503);
    assert!(world.raw(GET).await.contains("503"));
    let page = world.router.metrics();
    let labels = "service=\"web\",release=\"release of v1\",version=\"v1\"";
    for line in [
        format!("shipway_router_requests_total{{{labels},class=\"2xx\"}} 1"),
        format!("shipway_router_requests_total{{{labels},class=\"5xx\"}} 1"),
        format!("shipway_router_failures_total{{{labels},cause=\"status 503\"}} 1"),
        "shipway_router_latency_seconds_count{service=\"web\",release=\"release of v1\"} 2".to_owned(),
        format!("shipway_router_in_flight{{instance=\"{}\"}} 0", id("v1", backends[0].address())),
        "shipway_router_canary_share{service=\"web\"} 0".to_owned(),
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    assert!(
        samples.into_iter().all(|line| line.rsplit(' ').next().is_some_and(|n| n.parse::<f64>().is_ok()))
    );
}
