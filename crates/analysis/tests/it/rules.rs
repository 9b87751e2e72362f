//! The rules this product is compared with, as their documentation shows them, and a simulated canary that feeds all
//! of them the same stream.
//!
//! The threshold rules are credited with no scrape lag and exact counts, which is kind to them.

use crate::chance::{binomial, poisson};
use rand_chacha::ChaCha8Rng;
use shipway_analysis::{ArmCount, FirstEvents, sequential};
use shipway_base::Share;

/// A rule that looks once a minute at the success rate of that minute and acts on the n-th bad one.
pub(crate) struct Threshold {
    least: f64,
    strikes: u32,
    bad: u32,
    failures: u64,
}

impl Threshold {
    /// `successCondition: result >= 0.95`, `failureLimit: 3`, `interval: 1m`: acts on the fourth bad minute.
    pub(crate) fn argo() -> Threshold {
        Threshold { least: 0.95, strikes: 4, bad: 0, failures: 0 }
    }

    /// `thresholdRange: {min: 99}`, `threshold: 5`, `interval: 1m`: acts on the fifth bad minute.
    pub(crate) fn flagger() -> Threshold {
        Threshold { least: 0.99, strikes: 5, bad: 0, failures: 0 }
    }

    /// Ends a minute in which the canary served so many requests without failure; whether the rule acts now.
    fn minute(&mut self, fine: f64) -> bool {
        let rate = fine / (fine + self.failures as f64).max(1.0);
        self.bad += u32::from(rate < self.least);
        self.failures = 0;
        self.bad == self.strikes
    }
}

/// A canary for an hour at 5 %; every request is another client's.
pub(crate) struct World {
    pub(crate) rps: f64,
    /// The chance that a request fails, for the stable version and the canary, at each second.
    pub(crate) error_rates: fn(u64) -> [f64; 2],
}

/// When a rule acted and how many requests had failed on the canary by then.
pub(crate) type Acted = Option<(u64, u64)>;

/// The outcome of one hour for each rule.
pub(crate) struct Hour {
    pub(crate) argo: Acted,
    pub(crate) flagger: Acted,
    pub(crate) sequential: Acted,
    /// The second at which non-inferiority with margin 2 at 5 % was shown, before any alarm.
    pub(crate) promoted: Option<u64>,
}

impl World {
    /// Plays an hour; stops early once every rule that is asked for has acted.
    pub(crate) fn hour(&self, rng: &mut ChaCha8Rng, alpha: f64, thresholds: bool) -> Hour {
        let share = Share::percent(5);
        let w = share.fraction();
        let (mut argo, mut flagger) = (Threshold::argo(), Threshold::flagger());
        let mut hour = Hour { argo: None, flagger: None, sequential: None, promoted: None };
        let (mut events, mut failed) = (FirstEvents::default(), 0);
        for second in 0..3_600 {
            let [stable_rate, canary_rate] = (self.error_rates)(second);
            // Failures of both arms together, then which arm: under equal rates exactly the split.
            let (a, b) = ((1.0 - w) * stable_rate, w * canary_rate);
            let all = poisson(rng, self.rps * (a + b));
            let canary = binomial(rng, all, b / (a + b));
            failed += canary;
            if thresholds {
                argo.failures += canary;
                flagger.failures += canary;
            }
            if thresholds && second % 60 == 59 {
                // Successes by their rate at the minute's end: their own scatter is far below what the rules look at.
                let fine = 60.0 * self.rps * w * (1.0 - canary_rate);
                let acts = |acted: &mut Acted, now: bool| {
                    *acted = acted.or(now.then_some((second + 1, failed)));
                };
                acts(&mut hour.argo, argo.minute(fine));
                acts(&mut hour.flagger, flagger.minute(fine));
            }
            if all > 0 {
                events.add(share, ArmCount { stable: all - canary, canary });
                if hour.sequential.is_none() && sequential::regression(&events) >= -alpha.ln() {
                    hour.sequential = Some((second + 1, failed));
                }
                if hour.promoted.is_none()
                    && hour.sequential.is_none()
                    && sequential::non_inferiority(&events, 2.0) >= 20.0_f64.ln()
                {
                    hour.promoted = Some(second + 1);
                }
            }
            if hour.sequential.is_some() && (!thresholds || (hour.argo.is_some() && hour.flagger.is_some())) {
                break;
            }
        }
        hour
    }
}
