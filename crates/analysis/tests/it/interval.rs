//! The confidence sequence covers the true ratio at every look at once.

use crate::{cases::say, chance::fraction};
use rand::RngExt;
use shipway_analysis::{Arm, FirstEvents, sequential};
use shipway_base::Share;

#[test]
fn covers_the_truth_at_every_look() {
    for (scenario, ratio) in [(60, 1.0), (61, 4.0), (62, 0.2)] {
        let missed = fraction(scenario, 300, |rng| {
            let mut events = FirstEvents::default();
            (0..400).any(|index| {
                let share = Share::percent(if index < 200 { 10 } else { 30 });
                let odds = ratio * share.fraction();
                let canary = rng.random::<f64>() < odds / (odds + 1.0 - share.fraction());
                events.count(share, if canary { Arm::Canary } else { Arm::Stable });
                // A look at every fourth event.
                index % 4 == 3 && {
                    let interval = sequential::confidence_sequence(&events, 0.05);
                    !(interval.low..=interval.high).contains(&ratio)
                }
            })
        });
        say(&format!("confidence sequence, ratio {ratio}: missed in {missed:.3} of runs at 5 %"));
        assert!(missed <= 0.05, "{missed}");
    }
}
