//! The load generator: the same seed sends the same requests, and what it reports is what its target saw.

use crate::world::{LONG, World, arm, backends, options, single};
use shipway_testkit::load::{Failure, Identity, Load, Outcome, Plan};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

/// How many requests each client sent.
async fn clients(plan: Plan) -> BTreeMap<u32, u64> {
    let seen: Arc<Mutex<BTreeMap<u32, u64>>> = Arc::default();
    let notes = Arc::clone(&seen);
    let observer = Arc::new(move |outcome: &Outcome| {
        *notes.lock().expect("no panic under the lock").entry(outcome.client).or_default() += 1;
    });
    Load::start(plan, options().clock, Some(observer)).finished().await;
    seen.lock().expect("no panic under the lock").clone()
}

#[tokio::test]
async fn a_seed_fixes_who_sends() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let first = clients(world.plan(600)).await;
    assert_eq!(clients(world.plan(600)).await, first);
    assert_ne!(clients(Plan { seed: 8, ..world.plan(600) }).await, first);
    assert_eq!(first.values().sum::<u64>(), 600);
    assert!(first.keys().all(|client| *client < 200) && first.len() > 150, "{first:?}");
}

#[tokio::test]
async fn every_client_has_a_jar_of_its_own() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let sent = clients(Plan { clients: 50, ..world.plan(500) }).await;
    // Each client was given one name, at its first request.
    assert_eq!(world.router.evidence("web").map(|evidence| evidence.stable.clients), Some(sent.len() as u64));
}

#[tokio::test]
async fn a_rate_spreads_requests_and_a_stop_ends_them() {
    let backends = backends("v1", 1).await;
    let world = World::new(single(arm("v1", &[&backends[0]]))).await;
    let plan = Plan { rate: Some(500.0), requests: None, ..world.plan(0) };
    let clock = options().clock;
    let start = clock.now();
    let load = Load::start(plan, clock.clone(), None);
    backends[0].arrived(50).await;
    // Fifty requests at 500 a second are never sent faster than in 98 ms.
    assert!(clock.now().since(start) >= Duration::from_millis(98));
    let report = tokio::time::timeout(LONG, load.stop()).await.expect("an end in time");
    assert_eq!((report.requests, report.failures()), (backends[0].served(), 0), "{report:?}");
    let latency = report.versions["v1"].latency_us;
    assert!(
        latency.p50 > 0
            && latency.p50 <= latency.p95
            && latency.p95 <= latency.p99
            && latency.p99 <= latency.max
    );
}

#[tokio::test]
async fn failures_are_told_apart_by_cause() {
    let backends = backends("v1", 1).await;
    let one = |target: SocketAddr, plan: Plan| async move {
        let failures: Arc<Mutex<BTreeSet<Option<Failure>>>> = Arc::default();
        let notes = Arc::clone(&failures);
        let observer = Arc::new(move |outcome: &Outcome| {
            notes.lock().expect("no panic under the lock").insert(outcome.failure.clone());
        });
        let plan = Plan { target, identity: Identity::Nothing, ..plan };
        let report = Load::start(plan, options().clock, Some(observer)).finished().await;
        let failures = failures.lock().expect("no panic under the lock").clone();
        (failures.into_iter().next().flatten(), report.dropped)
    };
    let world = World::new(crate::world::closed()).await;
    let plan = world.plan(1);
    let router = world.router.address();
    assert_eq!(one(router, plan.clone()).await, (Some(Failure::Router("closed".to_owned())), 1));
    world.shift(single(arm("v1", &[&backends[0]])));
    assert_eq!(one(router, plan.clone()).await, (None, 0));
    backends[0].behave(|behaviour| behaviour.status = 503);
    assert_eq!(one(router, plan.clone()).await, (Some(Failure::Status(503)), 0));
    backends[0].hold();
    let hasty = Plan { patience: Duration::from_millis(30), ..plan.clone() };
    assert_eq!(one(router, hasty).await, (Some(Failure::Timeout), 0));
    let cut = crate::life::speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    assert_eq!(one(cut, plan.clone()).await, (Some(Failure::Cut), 0));
    let mute = crate::life::speaking(b"").await;
    assert_eq!(one(mute, plan.clone()).await, (Some(Failure::Closed), 1));
    backends[0].die();
    let dead = crate::hostile::nobody().await;
    assert_eq!(one(dead, plan).await, (Some(Failure::Connect), 1));
}
