//! The stated bound on false alarms, over simulated canaries that are no worse.

use crate::{
    cases::say,
    chance::{RUNS, fraction, poisson},
    rules::World,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use shipway_analysis::{Arm, FirstEvents, sequential};
use shipway_base::{Bucket, Share};

const ALPHA: f64 = 0.01;

fn alarmed(events: &FirstEvents) -> bool {
    sequential::regression(events) >= -ALPHA.ln()
}

/// Fractions of hours in which Argo's rule, Flagger's and the sequential test act on a canary that is as good.
fn rates(scenario: u64, world: &World) -> [f64; 3] {
    let mut acted = [0_u64; 3];
    for run in 0..RUNS {
        let hour = world.hour(&mut crate::chance::generator(scenario, run), ALPHA, true);
        let all = [hour.argo, hour.flagger, hour.sequential];
        acted.iter_mut().zip(all).for_each(|(count, acted)| *count += u64::from(acted.is_some()));
    }
    acted.map(|count| count as f64 / RUNS as f64)
}

fn check(name: &str, scenario: u64, world: &World, expect: [f64; 2]) {
    let [argo, flagger, sequential] = rates(scenario, world);
    say(&format!("false alarms, {name}: Argo {argo:.4}, Flagger {flagger:.4}, sequential {sequential:.4}"));
    assert!(sequential <= ALPHA, "{name}: {sequential}");
    for (got, expect) in [argo, flagger].into_iter().zip(expect) {
        assert!((got - expect).abs() < 0.02, "{name}: a threshold rule acted in {got}, not about {expect}");
    }
}

#[test]
fn healthy() {
    check("healthy, 1,000 rps", 1, &World { rps: 1_000.0, error_rates: |_| [0.001; 2] }, [0.0, 0.0]);
    check("healthy, 50 rps", 2, &World { rps: 50.0, error_rates: |_| [0.001; 2] }, [0.0, 0.0]);
}

#[test]
fn noisy() {
    check("healthy, noisy 1.2 %", 3, &World { rps: 1_000.0, error_rates: |_| [0.012; 2] }, [0.0, 1.0]);
}

#[test]
fn an_outage_in_both_arms() {
    let error_rates = |second| if (600..900).contains(&second) { [0.1; 2] } else { [0.001; 2] };
    check("outage in both arms, x100 for 5 min", 4, &World { rps: 1_000.0, error_rates }, [1.0, 1.0]);
}

/// Clients fail in bursts on the arm that serves them. Counting each client's first failure holds the bound; counting
/// requests does not, which is why the unit is the client.
#[test]
fn bursts_per_client() {
    let share = Share::percent(5);
    for (scenario, burst) in [(5, 5_u64), (6, 20), (7, 100)] {
        let hour = |rng: &mut ChaCha8Rng, by_request: bool| {
            let mut events = FirstEvents::default();
            // One failed request a second on average, whatever the length of a burst.
            let clients = poisson(rng, 3_600.0 / burst as f64);
            (0..clients).any(|_| {
                let canary = Bucket::new(rng.random_range(0..10_000)).is_within(share);
                let arm = if canary { Arm::Canary } else { Arm::Stable };
                let counted = if by_request { burst } else { 1 };
                (0..counted).any(|_| {
                    events.count(share, arm);
                    alarmed(&events)
                })
            })
        };
        let clients = fraction(scenario, RUNS, |rng| hour(rng, false));
        let requests = fraction(scenario + 100, 200, |rng| hour(rng, true));
        say(&format!("false alarms, bursts of {burst}: by client {clients:.4}, by request {requests:.3}"));
        assert!(clients <= ALPHA, "{clients}");
        assert!(requests > 0.2, "counting requests should break the bound, but had {requests}");
    }
}

/// Clients that fail persistently, while the share is raised. A client keeps its bucket, so counting it again in each
/// step counts the same draw several times and breaks the bound, the more the more steps there are; once a rollout
/// holds it.
#[test]
fn persistent_clients_over_changing_shares() {
    let many: Vec<u8> = (1..=10).map(|step| step * 5).collect();
    for (scenario, percents) in [(8, vec![10, 25, 50]), (9, many)] {
        let shares: Vec<Share> = percents.iter().map(|percent| Share::percent(*percent)).collect();
        let once = fraction(scenario, RUNS, |rng| rollout(rng, &shares, false));
        let each_step = fraction(scenario + 100, RUNS, |rng| rollout(rng, &shares, true));
        say(&format!(
            "false alarms, shares {percents:?}: once a rollout {once:.4}, once a step {each_step:.4}"
        ));
        assert!(once <= ALPHA, "{once}");
        assert!(each_step > ALPHA, "counting in each step should break the bound, but had {each_step}");
    }
}

/// One rollout in which 300 clients fail whenever they come; in each step two thirds of them come, in random order.
fn rollout(rng: &mut ChaCha8Rng, shares: &[Share], once_a_step: bool) -> bool {
    let clients: Vec<Bucket> = (0..300).map(|_| Bucket::new(rng.random_range(0..10_000))).collect();
    let mut seen = vec![false; clients.len()];
    let mut events = FirstEvents::default();
    shares.iter().any(|share| {
        if once_a_step {
            seen.fill(false);
        }
        let mut order: Vec<usize> = (0..clients.len()).filter(|_| rng.random::<f64>() < 0.67).collect();
        for index in (1..order.len()).rev() {
            order.swap(index, rng.random_range(0..=index));
        }
        order.into_iter().any(|client| {
            if std::mem::replace(&mut seen[client], true) {
                return false;
            }
            let canary = clients[client].is_within(*share);
            events.count(*share, if canary { Arm::Canary } else { Arm::Stable });
            alarmed(&events)
        })
    })
}

/// A canary that is better at first and then as good: at the end most clients not yet hit sit in the canary, so more
/// than its share of the last events falls there. The bound holds all the same, because its counts never exceed what
/// they would have been.
#[test]
fn better_at_first_and_then_as_good() {
    let shares = [20, 40].map(Share::percent);
    let false_alarms = fraction(10, RUNS, |rng| {
        let mut times: Vec<(f64, u64, Bucket)> = (0..400)
            .map(|_| {
                // When the stable version would hit the client: mean 1 of an hour's length 1.
                let time = -(1.0 - rng.random::<f64>()).ln();
                (time, 0, Bucket::new(rng.random_range(0..10_000)))
            })
            .collect();
        for (time, _, bucket) in &mut times {
            // The canary hits nobody in the first half; later its clients are hit as by the stable version.
            let served_by_canary = bucket.is_within(shares[usize::from(*time >= 0.5)]);
            if served_by_canary && *time < 0.5 {
                *time = 0.5 - (1.0 - rng.random::<f64>()).ln();
            }
        }
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut events = FirstEvents::default();
        times.iter().any(|(time, _, bucket)| {
            let share = shares[usize::from(*time >= 0.5)];
            events.count(share, if bucket.is_within(share) { Arm::Canary } else { Arm::Stable });
            alarmed(&events)
        })
    });
    say(&format!("false alarms, better at first and then as good: {false_alarms:.4}"));
    assert!(false_alarms <= ALPHA, "{false_alarms}");
}
