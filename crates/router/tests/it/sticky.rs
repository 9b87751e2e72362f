//! Clients stay where they are: raising a weight moves some forward and none back.

use crate::world::{World, arm, backends, canary, route};
use shipway_router::Limits;
use shipway_testkit::load::{Identity, Load, Plan};
use shipway_traffic::{Client, Route};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Runs a load to its end and notes which version served each client.
async fn placed(plan: Plan) -> BTreeMap<u32, String> {
    let seen: Arc<Mutex<BTreeMap<u32, String>>> = Arc::default();
    let notes = Arc::clone(&seen);
    let observer = Arc::new(move |outcome: &shipway_testkit::load::Outcome| {
        let version = outcome.version.clone().expect("a version");
        let mut notes = notes.lock().expect("no panic under the lock");
        if let Some(before) = notes.insert(outcome.client, version.clone()) {
            assert_eq!(before, version, "client {} moved while the share stood still", outcome.client);
        }
    });
    let report = Load::start(plan, crate::world::options().clock, Some(observer)).finished().await;
    assert_eq!(report.failures(), 0, "{report:?}");
    seen.lock().expect("no panic under the lock").clone()
}

async fn nobody_moves_back(client: Client, identity: Identity) {
    let (old, new) = (backends("v1", 2).await, backends("v2", 2).await);
    let stable = arm("v1", &[&old[0], &old[1]]);
    let next = arm("v2", &[&new[0], &new[1]]);
    let first = route(canary(stable.clone(), next.clone(), 0));
    let world = World::with_route(Route { client, ..first }, Limits::default()).await;
    let plan = Plan { identity, ..world.plan(1_500) };
    let mut before = placed(plan.clone()).await;
    assert!(before.values().all(|version| version == "v1"));
    // Lane order and seed are the same in every round, so almost every client is seen in each.
    for percent in [1, 10, 25, 26, 50, 99, 100] {
        world.shift(canary(stable.clone(), next.clone(), percent));
        // Cookies given in earlier rounds are lost with their load, so only header clients can be followed over
        // rounds; cookie clients are followed within one by the observer.
        let after = placed(plan.clone()).await;
        if plan.identity != Identity::Cookies {
            for (client, version) in &before {
                if version == "v2" {
                    assert_eq!(
                        after.get(client).map_or("v2", String::as_str),
                        "v2",
                        "client {client} at {percent}"
                    );
                }
            }
            before = after;
        } else if percent == 100 {
            assert!(after.values().all(|version| version == "v2"));
        }
    }
}

#[tokio::test]
async fn clients_named_by_a_header() {
    let client = Client { header: Some("x-user".to_owned()), cookie: false };
    nobody_moves_back(client, Identity::Header("x-user".to_owned())).await;
}

#[tokio::test]
async fn clients_named_by_a_cookie() {
    nobody_moves_back(Client { header: None, cookie: true }, Identity::Cookies).await;
}

#[tokio::test]
async fn the_same_jars_over_every_share() {
    let (old, new) = (backends("v1", 1).await, backends("v2", 1).await);
    let (stable, next) = (arm("v1", &[&old[0]]), arm("v2", &[&new[0]]));
    let world = World::new(canary(stable.clone(), next.clone(), 0)).await;
    // One load over all shares: each client's version may change from v1 to v2 once, never back.
    let latest: Arc<Mutex<BTreeMap<u32, String>>> = Arc::default();
    let notes = Arc::clone(&latest);
    let observer = Arc::new(move |outcome: &shipway_testkit::load::Outcome| {
        let version = outcome.version.clone().expect("a version");
        let before = notes.lock().expect("no panic under the lock").insert(outcome.client, version.clone());
        assert!(before.as_deref() != Some("v2") || version == "v2", "client {} moved back", outcome.client);
    });
    let load = Load::start(world.plan(8_000), crate::world::options().clock, Some(observer));
    for (step, percent) in [5_u8, 20, 40, 60, 80, 100].into_iter().enumerate() {
        let due = (step as u64 + 1) * 1_000;
        while load.report().requests < due {
            tokio::task::yield_now().await;
        }
        world.shift(canary(stable.clone(), next.clone(), percent));
    }
    let report = load.finished().await;
    assert_eq!((report.requests, report.failures()), (8_000, 0), "{report:?}");
    assert!(report.versions["v2"].requests > 1_000, "{report:?}");
}

#[tokio::test]
async fn a_forged_cookie_names_nobody() {
    let (old, new) = (backends("v1", 1).await, backends("v2", 1).await);
    let world = World::new(canary(arm("v1", &[&old[0]]), arm("v2", &[&new[0]]), 50)).await;
    let forged = format!("shipway_client={0}.{0}", "0".repeat(32));
    let request =
        format!("GET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\nCookie: {forged}\r\n\r\n");
    for _ in 0..5 {
        let answer = world.raw(&request).await;
        assert!(answer.contains("set-cookie: shipway_client="), "a new name is given: {answer}");
    }
    assert_eq!(world.router.evidence("web").map(|e| e.stable.clients + e.canary.clients), Some(5));
}
