//! The whole of `judge` on simulated streams: it decides exactly when the tests it is built on do.

use crate::chance::{generator, poisson};
use shipway_analysis::{
    AnalysisTemplate, ArmCount, Case, Decision, Evidence, Measurements, Metric, Signal, judge, sequential,
};
use shipway_base::{Share, Source, Timestamp, yaml};
use std::time::Duration;

fn metrics() -> Vec<Metric> {
    let text =
        "metrics: [{name: safe, provider: {plugin: {shipway/sequential: {alpha: 0.01, promote: {}}}}}]";
    let source = Source::new("t.yaml", text);
    let node = yaml::parse(&source, yaml::Limits::default()).expect("yaml").expect("content");
    let (template, found) = AnalysisTemplate::parse_inline(&node, "inline", &source);
    template.unwrap_or_else(|| panic!("{found}")).resolve(&[]).unwrap_or_else(|found| panic!("{found}"))
}

/// One canary at 5 % and 1,000 requests a second until the verdict; whether it was good.
fn play(scenario: u64, run: u64, error_rates: [f64; 2]) -> bool {
    let rng = &mut generator(scenario, run);
    let (metrics, share, w) = (metrics(), Share::percent(5), 0.05);
    let (baseline, mut measurements) = (Evidence::default(), Measurements::default());
    let mut total = Evidence::default();
    for second in 1..3_600 {
        for (arm, index) in [(&mut total.stable, 0), (&mut total.canary, 1)] {
            let served = if index == 0 { 950 } else { 50 };
            (arm.requests, arm.clients) = (arm.requests + served, arm.clients + served);
        }
        let canary = poisson(rng, 1_000.0 * w * error_rates[1]);
        let stable = poisson(rng, 1_000.0 * (1.0 - w) * error_rates[0]);
        total.canary.failures += canary;
        total.first.entry(Signal::Failure).or_default().add(share, ArmCount { stable, canary });
        let judgement = judge(&Case {
            metrics: &metrics,
            total: &total,
            baseline: &baseline,
            share,
            began: Timestamp::EPOCH,
            waits_since: Timestamp::EPOCH,
            measurements: &measurements,
            now: Timestamp::EPOCH + Duration::from_secs(second),
        });
        measurements = judgement.measurements;
        let events = total.first(Signal::Failure);
        let bad = sequential::regression(&events) >= 100.0_f64.ln();
        let good = sequential::non_inferiority(&events, 2.0) >= 20.0_f64.ln();
        match judgement.verdict.decision {
            Decision::Regressed { .. } => {
                assert!(bad);
                return false;
            }
            Decision::Healthy { .. } => {
                assert!(good && !bad);
                return true;
            }
            Decision::NotYet { needed, .. } => {
                assert!(!bad && !good && needed.is_some());
            }
            Decision::Inconclusive { reason, .. } => panic!("{reason}"),
        }
    }
    panic!("no verdict within an hour");
}

#[test]
fn judge_decides_when_its_tests_do() {
    let good = |scenario: u64, rates: [f64; 2]| (0..30).filter(|run| play(scenario, *run, rates)).count();
    assert_eq!(good(70, [0.001, 0.001]), 30);
    assert_eq!(good(71, [0.001, 0.02]), 0);
}
