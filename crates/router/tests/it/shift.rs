//! A hundred thousand requests over every kind of shifting, and none is lost.

use crate::world::{LONG, World, arm, backends, canary, draining, id, options, single};
use shipway_router::Router;
use shipway_testkit::{
    backend::Backend,
    load::{Load, Plan, Report},
};
use shipway_traffic::Arm;

/// The backends of one version and its arm.
struct Version {
    name: String,
    backends: Vec<Backend>,
}

impl Version {
    async fn start(name: &str) -> Version {
        Version { name: name.to_owned(), backends: backends(name, 3).await }
    }

    fn arm(&self) -> Arm {
        arm(&self.name, &self.backends.iter().collect::<Vec<_>>())
    }

    /// Stops as a target would: when the router lets nothing new in and nothing is in flight.
    async fn retire(self, router: &Router) {
        for backend in self.backends {
            let instance = id(&self.name, backend.address());
            tokio::time::timeout(LONG, router.drained(&instance)).await.expect("drained in time");
            assert_eq!(router.in_flight(&instance), 0);
            backend.die();
        }
    }
}

/// Waits until the load has come so far.
async fn reach(load: &Load, requests: u64) {
    while load.report().requests < requests {
        tokio::task::yield_now().await;
    }
}

fn nothing_lost(report: &Report, requests: u64, router: &Router) {
    assert_eq!((report.requests, report.failures(), report.dropped), (requests, 0, 0), "{report:?}");
    let stats = router.stats("web").expect("a service");
    assert_eq!((stats.dropped_total(), stats.strays), (0, 0), "{stats:?}");
    let served: u64 = stats.releases.iter().map(|release| release.requests).sum();
    assert_eq!(served, requests, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promote_abort_and_supersede_lose_nothing() {
    let v1 = Version::start("v1").await;
    let world = World::new(single(v1.arm())).await;
    let router = &world.router;
    let total = 80_000;
    let load = Load::start(Plan { lanes: 32, ..world.plan(total) }, options().clock, None);
    reach(&load, 4_000).await;

    // v2 is promoted step by step; v1 drains and is stopped.
    let v2 = Version::start("v2").await;
    for (percent, due) in [(0, 6_000), (10, 8_000), (25, 10_000), (50, 12_000), (100, 14_000)] {
        let split = canary(v1.arm(), v2.arm(), percent);
        if percent == 0 {
            world.rollout(split)
        } else {
            world.shift(split)
        };
        reach(&load, due).await;
    }
    world.shift(canary(draining(v1.arm()), v2.arm(), 100));
    v1.retire(router).await;
    world.shift(single(v2.arm()));
    reach(&load, 18_000).await;

    // v3 is aborted at half: everybody back to v2 at once, v3 stopped.
    let v3 = Version::start("v3").await;
    world.rollout(canary(v2.arm(), v3.arm(), 50));
    reach(&load, 24_000).await;
    world.shift(canary(v2.arm(), draining(v3.arm()), 0));
    v3.retire(router).await;
    world.shift(single(v2.arm()));
    reach(&load, 28_000).await;

    // v4 supersedes a second try of v3 in the middle of its rollout, and is superseded itself by v5.
    let v3 = Version::start("v3b").await;
    world.rollout(canary(v2.arm(), v3.arm(), 25));
    reach(&load, 36_000).await;
    let v4 = Version::start("v4").await;
    world.rollout(canary(v2.arm(), v4.arm(), 10));
    v3.retire(router).await;
    reach(&load, 44_000).await;
    let v5 = Version::start("v5").await;
    world.rollout(canary(v2.arm(), v5.arm(), 10));
    v4.retire(router).await;
    for (percent, due) in [(30, 52_000), (60, 60_000), (100, 68_000)] {
        world.shift(canary(v2.arm(), v5.arm(), percent));
        reach(&load, due).await;
    }
    world.shift(single(v5.arm()));
    v2.retire(router).await;

    let report = load.finished().await;
    nothing_lost(&report, total, router);
    let versions: Vec<_> = report.versions.keys().map(String::as_str).collect();
    assert_eq!(versions, ["v1", "v2", "v3", "v3b", "v4", "v5"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_death_of_instances_loses_nothing() {
    let v1 = Version::start("v1").await;
    let world = World::new(single(v1.arm())).await;
    let total = 20_000;
    let load = Load::start(world.plan(total), options().clock, None);
    reach(&load, 3_000).await;
    // Killed with requests in flight; the table learns of it much later.
    v1.backends[0].die();
    reach(&load, 7_000).await;
    world.shift(single(arm("v1", &[&v1.backends[1], &v1.backends[2]])));
    reach(&load, 10_000).await;
    // One closes its listener only, as a program in its own shutdown does; then it comes back under a new name.
    v1.backends[1].stop_listening();
    reach(&load, 13_000).await;
    let again = Backend::start("v1", 9).await;
    world.shift(single(arm("v1", &[&v1.backends[2], &again])));
    v1.backends[1].die();
    let report = load.finished().await;
    nothing_lost(&report, total, &world.router);
    assert!(again.served() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_tables_loses_nothing() {
    let (v1, v2) = (Version::start("v1").await, Version::start("v2").await);
    let world = World::new(single(v1.arm())).await;
    let total = 10_000;
    let load = Load::start(world.plan(total), options().clock, None);
    let mut tables = 0_u64;
    while load.report().requests < total - 1_000 {
        let percent = u8::try_from(tables % 101).expect("a percentage");
        let split = match tables % 7 {
            0 => single(v1.arm()),
            1 => single(v2.arm()),
            2 => canary(v1.arm(), draining(v2.arm()), 0),
            3 => canary(draining(v1.arm()), v2.arm(), 100),
            _ => canary(v1.arm(), v2.arm(), percent),
        };
        if world.router.table().routes["web"].split != split {
            if tables.is_multiple_of(50) {
                world.rollout(split)
            } else {
                world.shift(split)
            };
        }
        tables += 1;
        tokio::task::yield_now().await;
    }
    let report = load.finished().await;
    nothing_lost(&report, total, &world.router);
    assert!(tables > 100, "{tables}");
}
