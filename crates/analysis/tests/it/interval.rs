//! Each end of the confidence sequence holds at every look at once.

use crate::{cases::say, chance::fraction};
use rand::RngExt;
use shipway_analysis::{Arm, FirstEvents, sequential};
use shipway_base::Share;

/// Seeded runs of each case.
const RUNS: u64 = 800;

#[test]
fn covers_the_truth_at_every_look() {
    for (scenario, ratio) in [(60, 1.0), (61, 4.0), (62, 0.2)] {
        let (mut below, mut above) = (0_u32, 0_u32);
        let either = fraction(scenario, RUNS, |rng| {
            let (mut events, mut missed) = (FirstEvents::default(), (false, false));
            for index in 0..400 {
                let share = Share::percent(if index < 200 { 10 } else { 30 });
                let odds = ratio * share.fraction();
                let canary = rng.random::<f64>() < odds / (odds + 1.0 - share.fraction());
                events.count(share, if canary { Arm::Canary } else { Arm::Stable });
                // A look at every eighth event.
                if index % 8 == 7 {
                    let interval = sequential::confidence_sequence(&events, 0.05);
                    missed.0 |= ratio < interval.low;
                    missed.1 |= ratio > interval.high;
                }
            }
            below += u32::from(missed.0);
            above += u32::from(missed.1);
            missed.0 || missed.1
        });
        let [below, above] = [below, above].map(|runs| f64::from(runs) / RUNS as f64);
        say(&format!(
            "confidence sequence, ratio {ratio}: below it in {below:.3}, above it in {above:.3}, either in {either:.3} of runs, at 5 % each"
        ));
        assert!(below <= 0.05 && above <= 0.05, "{below}, {above}");
    }
}
