//! The anytime-valid tests: e-values that may be looked at after every event and acted on at any moment.
//!
//! # What is tested
//! A client's bucket is drawn once for the whole rollout, uniformly and independently of everything the service does.
//! Let `w` be the canary's share when a client has its first event. **Null ("no worse")**: no client's first event
//! comes earlier on the canary than it would have come on the stable version. If the version makes no difference at
//! all, the client is in the canary arm with probability exactly `w`, whatever the load, the error rate or an outage
//! that hits both arms do, so each factor below has mean 1 and their product is a non-negative martingale. If the
//! canary is better, its events come later or never: the canary's counts are then at every moment no higher than they
//! would have been, and as long as the share is only raised the later factor is no larger either, so the product
//! stays below that martingale, path by path. Ville's inequality bounds the chance that it *ever* reaches `1 / alpha`
//! by `alpha`. (If the share is lowered within one rollout, the bound is exact only for "no difference".)
//!
//! # The factor
//! If the new version hits clients `r` times as often, a hit client is in the canary with probability
//! `p = w r / (w r + 1 - w)`. The likelihood ratio of one client is `p / w` in the canary and `(1 - p) / (1 - w)` in
//! the stable arm, that is `r / (w r + 1 - w)` and `1 / (w r + 1 - w)`. Only counts by share enter.
//!
//! # What a ratio means
//! Ratios compare the *shares of clients hit* up to a moment, not rates of requests. Once nearly every client of both
//! arms has been hit, that ratio is near 1 even if the canary does far more harm; [`is_too_common`] says when not to
//! promote on it.
//!
//! Sources: Lindon and Malek, "Anytime-valid inference for multinomial count data" (2022); Howard, Ramdas, McAuliffe
//! and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences" (2021).

use crate::{ArmCount, FirstEvents, Interval};
use shipway_base::Share;

/// The ratios that the regression test bets on, equally.
pub const RATIOS: [f64; 8] = [1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0];

/// The failure probabilities, as parts of the bound, that the absolute test bets on, equally.
const PARTS: [f64; 4] = [0.0, 0.1, 0.25, 0.5];

/// The logarithm of the e-value against "the new version is no worse".
pub fn regression(events: &FirstEvents) -> f64 {
    log_mean_exp(RATIOS.iter().map(|r| log_likelihood_ratio(events, *r)))
}

/// The logarithm of the e-value against "the new version hits clients at least `margin` times as often", betting on
/// "as often". It cannot be large while the evidence for a regression is.
pub fn non_inferiority(events: &FirstEvents, margin: f64) -> f64 {
    -log_likelihood_ratio(events, margin)
}

/// The logarithm of the e-value against "a new client's first request to the canary fails with probability `rate` or
/// more, whatever happened before".
///
/// `clients` is how many the canary served, `failing` at least how many of them have failed at all. That is no less
/// than those whose first request failed, and more failures only lower the e-value, so the bound holds; it is a
/// statement about the time watched, and says nothing about outages rarer than that.
pub fn absolute_bound(clients: u64, failing: u64, rate: f64) -> f64 {
    let failing = failing.min(clients);
    let fine = clients - failing;
    log_mean_exp(PARTS.iter().map(|part| {
        let bet = part * rate;
        times(fine, ((1.0 - bet) / (1.0 - rate)).ln()) + times(failing, part.ln())
    }))
}

/// The bounds of the ratio: each holds at every moment at once with probability `1 - alpha` at least.
///
/// A ratio lies below the lower bound when the test of [`regression`], with that ratio in the place of "as often", would
/// reach `1 / alpha` against it; above the upper one when its mirror image would. So the lower bound is above 1 at the very
/// moment at which the regression is called at that level. The bounds come no nearer to the estimate than about an eighth of
/// it, since the test bets on no ratio closer to 1 than 1.25.
pub fn confidence_sequence(events: &FirstEvents, alpha: f64) -> Interval {
    let confidence = 1.0 - alpha;
    let count = informative(events).fold(ArmCount::default(), |mut sum, (_, count)| {
        sum += count;
        sum
    });
    if count.total() == 0 {
        return Interval { low: 0.0, estimate: None, high: f64::INFINITY, confidence };
    }
    let log_likelihood = |log_r: f64| log_likelihood_ratio(events, log_r.exp());
    // The log-likelihood is concave in log r (a logistic regression with one intercept), so each e-value falls towards its
    // top, and each bound is one point. Beyond e^20 nobody can tell a ratio from "none at all" or "all".
    const FAR: f64 = 20.0;
    let top = peak(events, FAR);
    let end = |side: f64| {
        let kept = |log_r: f64| {
            let bets = RATIOS.iter().map(|r| log_likelihood(log_r - side * r.ln()));
            log_mean_exp(bets) - log_likelihood(log_r) < -alpha.ln()
        };
        (!kept(side * FAR)).then(|| bisect(top, side * FAR, kept).exp())
    };
    Interval {
        low: end(-1.0).unwrap_or(0.0),
        estimate: Some(match (count.stable, count.canary) {
            (0, _) => f64::INFINITY,
            (_, 0) => 0.0,
            (_, _) => top.exp(),
        }),
        high: end(1.0).unwrap_or(f64::INFINITY),
        confidence,
    }
}

/// Further first events until [`non_inferiority`] is expected to gain `gain`, at that share, if the new version is as
/// good as the old; `None` when it never will.
pub fn events_needed(gain: f64, share: Share, margin: f64) -> Option<f64> {
    let w = share.fraction();
    let growth = (w * margin + 1.0 - w).ln() - w * margin.ln();
    (growth > 0.0).then(|| (gain / growth).max(0.0))
}

/// Further clients until [`absolute_bound`] is expected to gain `gain` if they fail as those before did; `None` when
/// it never will.
pub fn clients_needed(gain: f64, clients: u64, failing: u64, rate: f64) -> Option<f64> {
    let seen = if clients == 0 { 0.0 } else { failing.min(clients) as f64 / clients as f64 };
    let growth = |part: &f64| {
        let fine = (1.0 - seen) * ((1.0 - part * rate) / (1.0 - rate)).ln();
        if seen > 0.0 { fine + seen * part.ln() } else { fine }
    };
    let best = PARTS.iter().map(growth).fold(f64::NEG_INFINITY, f64::max);
    (best > 0.0).then(|| (gain / best).max(0.0))
}

/// Whether so many of the stable arm's clients are hit that the ratio of clients can no longer show a margin: above
/// half of `1 / margin`.
pub fn is_too_common(stable_clients: u64, stable_hit: u64, margin: f64) -> bool {
    2.0 * margin * stable_hit as f64 > stable_clients as f64
}

/// The logarithm of the likelihood of the counts under a ratio, against that under 1.
fn log_likelihood_ratio(events: &FirstEvents, ratio: f64) -> f64 {
    informative(events)
        .map(|(w, count)| {
            count.canary as f64 * ratio.ln() - count.total() as f64 * (w * (ratio - 1.0)).ln_1p()
        })
        .sum()
}

/// The counts where a client could have been in either arm; the others say nothing.
fn informative(events: &FirstEvents) -> impl Iterator<Item = (f64, ArmCount)> {
    events
        .by_share
        .iter()
        .filter(|(share, _)| **share != Share::ZERO && **share != Share::ALL)
        .map(|(share, count)| (share.fraction(), *count))
}

/// The logarithm of the ratio under which the counts are most likely, within `-far..=far`.
fn peak(events: &FirstEvents, far: f64) -> f64 {
    // The slope of the log-likelihood falls with log r: bisect for its zero.
    let slope = |log_r: f64| -> f64 {
        informative(events)
            .map(|(w, count)| {
                let odds = w * log_r.exp();
                count.canary as f64 - count.total() as f64 * odds / (odds + 1.0 - w)
            })
            .sum()
    };
    if slope(far) > 0.0 {
        far
    } else if slope(-far) < 0.0 {
        -far
    } else {
        bisect(-far, far, |log_r| slope(log_r) > 0.0)
    }
}

/// The border between where `inside` holds (at `from`) and where it does not (at `to`).
fn bisect(from: f64, to: f64, inside: impl Fn(f64) -> bool) -> f64 {
    let (mut from, mut to) = (from, to);
    for _ in 0..45 {
        let middle = f64::midpoint(from, to);
        if inside(middle) {
            from = middle;
        } else {
            to = middle;
        }
    }
    f64::midpoint(from, to)
}

/// `count * value` with the convention that nothing times minus infinity is nothing.
fn times(count: u64, value: f64) -> f64 {
    if count == 0 { 0.0 } else { count as f64 * value }
}

/// The logarithm of the mean of exponentials, without overflow.
fn log_mean_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    let (sum, count) =
        values.fold((0.0, 0.0), |(sum, count), value| (sum + (value - top).exp(), count + 1.0));
    top + (sum / count).ln()
}

#[cfg(test)]
mod tests;
