//! The properties that make the tests valid, checked exactly rather than by simulation.

use super::*;
use crate::Arm;
use proptest::prelude::*;

fn events(counts: &[(u16, u64, u64)]) -> FirstEvents {
    let mut events = FirstEvents::default();
    for (share, stable, canary) in counts {
        events.add(Share::basis_points(*share), ArmCount { stable: *stable, canary: *canary });
    }
    events
}

fn with(events: &FirstEvents, share: u16, arm: Arm) -> FirstEvents {
    let mut more = events.clone();
    more.count(Share::basis_points(share), arm);
    more
}

/// Counts at a few shares, small enough that e-values do not overflow.
fn counts() -> impl Strategy<Value = Vec<(u16, u64, u64)>> {
    prop::collection::vec((1_u16..9_999, 0_u64..40, 0_u64..20), 0..4)
}

#[test]
fn nothing_seen_is_no_evidence() {
    let none = FirstEvents::default();
    assert_eq!((regression(&none), non_inferiority(&none, 2.0), absolute_bound(0, 0, 0.01)), (0.0, 0.0, 0.0));
    let interval = confidence_sequence(&none, 0.01);
    assert_eq!((interval.low, interval.estimate, interval.high), (0.0, None, f64::INFINITY));
}

#[test]
fn agrees_with_the_formula_written_out() {
    let w = 0.05;
    let product = |r: f64| {
        let p = w * r / (w * r + 1.0 - w);
        (p / w).powi(3) * ((1.0 - p) / (1.0 - w)).powi(7)
    };
    let mean = RATIOS.into_iter().map(product).sum::<f64>() / 8.0;
    let counts = events(&[(500, 7, 3)]);
    assert!((regression(&counts) - mean.ln()).abs() < 1e-12);
    assert!((non_inferiority(&counts, 2.0) + product(2.0).ln()).abs() < 1e-12);
}

#[test]
fn arms_without_traffic_say_nothing() {
    let some = events(&[(1_000, 5, 5)]);
    let more = events(&[(0, 100, 0), (1_000, 5, 5), (10_000, 0, 100)]);
    assert_eq!(regression(&some), regression(&more));
    assert_eq!(confidence_sequence(&some, 0.01), confidence_sequence(&more, 0.01));
}

#[test]
fn huge_counts_do_not_overflow() {
    let huge = events(&[(5_000, 1_000_000_000, 3_000_000_000)]);
    assert!(regression(&huge) > 1e8 && regression(&huge).is_finite());
    let interval = confidence_sequence(&huge, 0.01);
    // As narrow as bets on 1.25 and more can make it.
    assert!((2.68..=3.0).contains(&interval.low) && (3.0..=3.36).contains(&interval.high), "{interval:?}");
    assert!(absolute_bound(1_000_000_000, 0, 0.01) > 1e6);
    assert_eq!(absolute_bound(10, 20, 0.01), absolute_bound(10, 10, 0.01));
}

#[test]
fn says_what_is_still_needed() {
    let share = Share::percent(5);
    let needed = events_needed(20.0_f64.ln(), share, 2.0).expect("an end");
    // At 1,000 requests a second and 0.1 % errors one client fails a second: about the 209 s of the simulation.
    assert!((180.0..260.0).contains(&needed), "{needed}");
    assert!(events_needed(3.0, Share::ZERO, 2.0).is_none());
    let clients = clients_needed(20.0_f64.ln(), 0, 0, 0.01).expect("an end");
    assert!((290.0..310.0).contains(&clients), "{clients}");
    assert!(clients_needed(3.0, 1_000, 50, 0.01).is_none());
}

proptest! {
    /// Under "no difference" the next client is in the canary with the share's probability: the mean of the next
    /// e-value is the present one.
    #[test]
    fn regression_is_a_martingale(counts in counts(), share in 1_u16..9_999) {
        let now = events(&counts);
        let w = f64::from(share) / 10_000.0;
        let next = |arm| (regression(&with(&now, share, arm)) - regression(&now)).exp();
        prop_assert!((w * next(Arm::Canary) + (1.0 - w) * next(Arm::Stable) - 1.0).abs() < 1e-9);
    }

    /// A canary that hits fewer, or later at a higher share, only lowers the e-value: the null "no worse" is covered.
    #[test]
    fn regression_falls_when_the_canary_is_better(counts in counts(), low in 1_u16..9_999, high in 1_u16..9_999) {
        let (low, high) = (low.min(high), low.max(high));
        let now = events(&counts);
        let (early, late) = (with(&now, low, Arm::Canary), with(&now, high, Arm::Canary));
        prop_assert!(regression(&early) >= regression(&late) - 1e-9);
        prop_assert!(regression(&late) >= regression(&now) - 1e-9);
    }

    /// Exactly at the margin non-inferiority is a martingale, and beyond it the mean falls.
    #[test]
    fn non_inferiority_is_a_supermartingale(
        counts in counts(), share in 1_u16..9_999, margin in 1.1_f64..10.0, worse in 1.0_f64..10.0,
    ) {
        let now = events(&counts);
        let w = f64::from(share) / 10_000.0;
        let mean = |ratio: f64| {
            let p = w * ratio / (w * ratio + 1.0 - w);
            let next = |arm| (non_inferiority(&with(&now, share, arm), margin) - non_inferiority(&now, margin)).exp();
            p * next(Arm::Canary) + (1.0 - p) * next(Arm::Stable)
        };
        prop_assert!((mean(margin) - 1.0).abs() < 1e-9);
        prop_assert!(mean(margin * worse) <= 1.0 + 1e-9);
    }

    #[test]
    fn the_absolute_bound_is_a_supermartingale(
        clients in 0_u64..500, failing in 0_u64..20, rate in 0.001_f64..0.5, worse in 1.0_f64..3.0,
    ) {
        let failing = failing.min(clients);
        let now = absolute_bound(clients, failing, rate);
        prop_assume!(now.is_finite());
        let mean = |p: f64| {
            let fails = (absolute_bound(clients + 1, failing + 1, rate) - now).exp();
            p * fails + (1.0 - p) * (absolute_bound(clients + 1, failing, rate) - now).exp()
        };
        prop_assert!((mean(rate) - 1.0).abs() < 1e-9);
        prop_assert!(mean((rate * worse).min(1.0)) <= 1.0 + 1e-9);
        // Failures that come later only count against it.
        prop_assert!(absolute_bound(clients + 1, failing + 1, rate) <= absolute_bound(clients + 1, failing, rate));
    }

    /// The estimate lies inside, a smaller alpha never narrows, and both ends are where the e-value meets the bound.
    #[test]
    fn confidence_sequences_are_intervals(counts in counts()) {
        let now = events(&counts);
        let (wide, narrow) = (confidence_sequence(&now, 0.01), confidence_sequence(&now, 0.2));
        prop_assert!(wide.low <= narrow.low && wide.high >= narrow.high);
        // The report never contradicts the verdict.
        let called = regression(&now) >= -0.01_f64.ln();
        prop_assert!((wide.low > 1.0) == called || (wide.low - 1.0).abs() < 1e-9, "{wide:?}, called: {called}");
        if let Some(estimate) = narrow.estimate {
            prop_assert!(narrow.low <= estimate && estimate <= narrow.high, "{:?}", narrow);
            let top = log_likelihood_ratio(&now, estimate.clamp(1e-8, 1e8));
            for ratio in [0.01, 0.5, 1.0, 2.0, 100.0] {
                prop_assert!(log_likelihood_ratio(&now, ratio) <= top + 1e-6);
            }
        }
    }
}
