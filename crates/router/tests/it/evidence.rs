//! What the router counts is what its clients saw.

use crate::world::{World, arm, backends, canary, options, route};
use shipway_analysis::{Arm, ArmCount, Signal};
use shipway_base::Share;
use shipway_router::Limits;
use shipway_testkit::load::{Identity, Load, Outcome, Plan};
use shipway_traffic::{Client, Route};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

/// An independent count, kept by the clients.
#[derive(Debug, Default)]
struct Notes {
    requests: BTreeMap<String, u64>,
    failures: BTreeMap<String, u64>,
    clients: BTreeMap<String, BTreeSet<u32>>,
    failed: BTreeSet<u32>,
    first: BTreeMap<(u8, String), u64>,
}

#[tokio::test]
async fn counts_agree_with_those_of_the_clients() {
    let (old, new) = (backends("v1", 2).await, backends("v2", 2).await);
    old.iter().for_each(|backend| backend.behave(|behaviour| behaviour.errors_per_million = 2_000));
    new.iter().for_each(|backend| backend.behave(|behaviour| behaviour.errors_per_million = 30_000));
    let (stable, next) = (arm("v1", &[&old[0], &old[1]]), arm("v2", &[&new[0], &new[1]]));
    let by_header = Client { header: Some("x-user".to_owned()), cookie: false };
    let first = route(canary(stable.clone(), next.clone(), 10));
    let world = World::with_route(Route { client: by_header, ..first }, Limits::default()).await;
    let notes: Arc<Mutex<Notes>> = Arc::default();
    for percent in [10_u8, 25, 50] {
        if percent > 10 {
            world.shift(canary(stable.clone(), next.clone(), percent));
        }
        let book = Arc::clone(&notes);
        let observer = Arc::new(move |outcome: &Outcome| {
            let version = outcome.version.clone().expect("a version");
            let mut notes = book.lock().expect("no panic under the lock");
            *notes.requests.entry(version.clone()).or_default() += 1;
            notes.clients.entry(version.clone()).or_default().insert(outcome.client);
            if outcome.failure.is_some() {
                *notes.failures.entry(version.clone()).or_default() += 1;
                if notes.failed.insert(outcome.client) {
                    *notes.first.entry((percent, version)).or_default() += 1;
                }
            }
        });
        let identity = Identity::Header("x-user".to_owned());
        let plan = Plan { identity, clients: 1_000, seed: percent.into(), ..world.plan(4_000) };
        let report = Load::start(plan, options().clock, Some(observer)).finished().await;
        assert_eq!((report.requests, report.dropped), (4_000, 0), "{report:?}");
    }
    let notes = notes.lock().expect("no panic under the lock");
    let evidence = world.router.evidence("web").expect("evidence");
    for (arm, version) in [(Arm::Stable, "v1"), (Arm::Canary, "v2")] {
        let totals = evidence.arm(arm);
        assert_eq!(totals.requests, notes.requests[version]);
        assert_eq!(totals.failures, notes.failures[version]);
        assert_eq!(totals.causes["status 500"], notes.failures[version]);
        assert_eq!(totals.clients, notes.clients[version].len() as u64);
        assert_eq!(totals.latency.total(), totals.requests);
    }
    let mut expect: BTreeMap<Share, ArmCount> = BTreeMap::new();
    for ((percent, version), count) in &notes.first {
        let entry = expect.entry(Share::percent(*percent)).or_default();
        *(if version == "v1" { &mut entry.stable } else { &mut entry.canary }) += count;
    }
    assert_eq!(evidence.first(Signal::Failure).by_share, expect);
    assert_eq!((evidence.excluded, evidence.uncounted, evidence.epoch), (0, 0, 1));
}

#[tokio::test]
async fn a_new_epoch_starts_from_nothing_and_statistics_go_on() {
    let (old, new) = (backends("v1", 1).await, backends("v2", 1).await);
    let split = canary(arm("v1", &[&old[0]]), arm("v2", &[&new[0]]), 50);
    let world = World::new(split.clone()).await;
    Load::start(world.plan(200), options().clock, None).finished().await;
    let first = world.router.evidence("web").expect("evidence");
    assert_eq!(first.stable.requests + first.canary.requests, 200);
    world.rollout(split);
    let second = world.router.evidence("web").expect("evidence");
    assert_eq!((second.epoch, second.stable.requests, second.canary.clients), (2, 0, 0));
    Load::start(world.plan(100), options().clock, None).finished().await;
    let stats = world.router.stats("web").expect("a service");
    assert_eq!(stats.releases.iter().map(|release| release.requests).sum::<u64>(), 300);
}

#[tokio::test]
async fn a_slow_canary_exceeds_the_thresholds_of_the_stable_arm() {
    let (old, new) = (backends("v1", 2).await, backends("v2", 2).await);
    new.iter().for_each(|backend| backend.behave(|behaviour| behaviour.delay = Duration::from_millis(150)));
    let split = canary(arm("v1", &[&old[0], &old[1]]), arm("v2", &[&new[0], &new[1]]), 10);
    let limits = Limits { window: Duration::from_millis(20), ..Limits::default() };
    let world = World::with_limits(split, limits).await;
    let endless = Plan { requests: None, rate: Some(2_000.0), lanes: 64, ..world.plan(0) };
    let load = Load::start(endless, options().clock, None);
    let mut changes = world.router.watch();
    let seen = async {
        loop {
            // All clients of the slow arm exceed the median of the other one sooner or later.
            let evidence = world.router.evidence("web").expect("evidence");
            let slow = evidence.first(Signal::AboveP50).sum().canary;
            if slow >= 10 && slow == evidence.canary.clients {
                return;
            }
            changes.changed().await.expect("the router lives");
        }
    };
    tokio::time::timeout(crate::world::LONG, seen).await.expect("slow clients in time");
    load.stop().await;
}

#[tokio::test]
async fn a_first_failure_wakes_those_who_watch() {
    let (old, new) = (backends("v1", 1).await, backends("v2", 1).await);
    new[0].behave(|behaviour| behaviour.status = 500);
    let limits = Limits { window: Duration::from_secs(3_600), ..Limits::default() };
    let world = World::with_limits(canary(arm("v1", &[&old[0]]), arm("v2", &[&new[0]]), 50), limits).await;
    let mut changes = world.router.watch();
    let load = Load::start(world.plan(100), options().clock, None);
    tokio::time::timeout(crate::world::LONG, changes.changed()).await.expect("a change").expect("a router");
    load.finished().await;
    assert!(world.router.evidence("web").expect("evidence").first(Signal::Failure).sum().canary > 0);
}

#[tokio::test]
async fn a_full_memory_of_clients_is_told() {
    let (old, new) = (backends("v1", 1).await, backends("v2", 1).await);
    let limits = Limits { clients: 10, ..Limits::default() };
    let world = World::with_limits(canary(arm("v1", &[&old[0]]), arm("v2", &[&new[0]]), 50), limits).await;
    let plan = Plan { identity: Identity::Nothing, ..world.plan(100) };
    Load::start(plan, options().clock, None).finished().await;
    let evidence = world.router.evidence("web").expect("evidence");
    assert_eq!((evidence.stable.clients + evidence.canary.clients, evidence.uncounted), (10, 90));
}
