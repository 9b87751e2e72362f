//! Promotion on evidence: how soon a healthy canary gets it, and how rarely a bad one.

use crate::{
    cases::say,
    chance::{RUNS, binomial, fraction, generator, poisson},
    rules::World,
};
use shipway_analysis::sequential;

/// The bound of 5 % and three standard deviations of a count over so many runs: exactly at the margin wrong promotions
/// come as often as the bound allows, because the test wastes nothing there.
const ALPHA: f64 = 0.05 + 3.0 * 0.0049;

/// The fraction of hours with a promotion, and its mean second.
fn check(name: &str, scenario: u64, world: &World) -> (f64, f64) {
    let seconds: Vec<u64> =
        (0..RUNS).filter_map(|run| world.hour(&mut generator(scenario, run), 0.01, false).promoted).collect();
    let found = seconds.len() as f64 / RUNS as f64;
    let mean = seconds.iter().sum::<u64>() as f64 / seconds.len().max(1) as f64;
    say(&format!("promotion, {name}: {:.1} % of hours, after {mean:.0} s on average", found * 100.0));
    (found, mean)
}

#[test]
fn a_healthy_canary_is_promoted() {
    let (found, mean) = check("healthy, 1,000 rps", 40, &World { rps: 1_000.0, error_rates: |_| [0.001; 2] });
    assert!(found > 0.97 && (140.0..300.0).contains(&mean), "{found} {mean}");
    let (found, _) = check("healthy, 50 rps", 41, &World { rps: 50.0, error_rates: |_| [0.001; 2] });
    assert!((0.40..0.75).contains(&found), "{found}");
}

#[test]
fn a_canary_at_the_margin_is_not() {
    let (found, _) =
        check("twice as many errors", 42, &World { rps: 1_000.0, error_rates: |_| [0.001, 0.002] });
    assert!(found <= ALPHA, "{found}");
    let (found, _) =
        check("five times as many errors", 43, &World { rps: 1_000.0, error_rates: |_| [0.001, 0.005] });
    assert!(found <= 0.005, "{found}");
}

/// The absolute bound: new clients of the canary a second, of whom some fail at their first request and some later.
#[test]
fn an_absolute_bound_promotes_what_rarely_fails() {
    let claimed = |rng: &mut _, at_first: f64, later: f64| {
        let (mut clients, mut failing, mut second) = (0, 0, 0);
        while clients < 20_000 {
            second += 1;
            let new = poisson(rng, 5.0);
            clients += new;
            failing += binomial(rng, new, at_first) + binomial(rng, new, later);
            if sequential::absolute_bound(clients, failing, 0.01) >= 20.0_f64.ln() {
                return Some(second);
            }
        }
        None
    };
    let mut seconds = Vec::new();
    let healthy = fraction(50, RUNS, |rng| {
        let claim = claimed(rng, 0.000_1, 0.0);
        seconds.extend(claim);
        claim.is_some()
    });
    let mean = seconds.iter().sum::<u64>() as f64 / seconds.len() as f64;
    let at_bound = fraction(51, RUNS, |rng| claimed(rng, 0.01, 0.0).is_some());
    let later = fraction(52, RUNS, |rng| claimed(rng, 0.009, 0.002).is_some());
    say(&format!(
        "absolute bound 1 %: healthy {healthy:.3} after {mean:.0} s at 5 new clients a second, at the bound \
         {at_bound:.4}, late failures {later:.4}"
    ));
    assert!(healthy > 0.99 && mean < 150.0, "{healthy} {mean}");
    assert!(at_bound <= ALPHA && later <= ALPHA, "{at_bound} {later}");
}
