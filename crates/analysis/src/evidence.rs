//! What was observed of the two arms, in the compact form that decides.
//!
//! The sequential test multiplies one factor for each client's first event; the factor depends only on the arm that
//! served it and on the canary's share at that moment. So counts by share and arm are all there is to keep, and
//! evidence of several routers or regions adds up.
//!
//! A client counts once for each signal in a whole rollout (one epoch of the route), not once a step: a client that
//! fails persistently keeps its bucket when the share is raised, so counting it again would count the same draw twice.

use crate::Histogram;
use shipway_base::Share;
use std::{collections::BTreeMap, fmt, ops::AddAssign};

/// Which of the two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arm {
    /// The version that is known to be good.
    Stable,
    /// The version on trial.
    Canary,
}

/// What can happen to a client. Each client counts at most once for each signal in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// A request failed: an answer of 500 and above, or no answer from the instance.
    Failure,
    /// A request took noticeably longer (a quarter more, and a millisecond) than the stable arm's median of the window before.
    AboveP50,
    /// A request took noticeably longer (a quarter more, and a millisecond) than the stable arm's 95th percentile of the window before.
    AboveP95,
    /// A request took noticeably longer (a quarter more, and a millisecond) than the stable arm's 99th percentile of the window before.
    AboveP99,
}

/// First events of clients, by the canary's share when they happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstEvents {
    /// For each share: clients whose first event was served by the stable arm, and by the canary.
    pub by_share: BTreeMap<Share, ArmCount>,
}

/// A count for each arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArmCount {
    /// The version that is known to be good.
    pub stable: u64,
    /// The version on trial.
    pub canary: u64,
}

/// What one arm served in an epoch, for reports; verdicts use [`FirstEvents`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArmTotals {
    /// Requests answered or failed.
    pub requests: u64,
    /// Requests that failed by the service: an answer of 500 and above, or no answer from the instance.
    pub failures: u64,
    /// Different clients this arm has served in the epoch; a client that moved arms counts in both.
    pub clients: u64,
    /// Failures by cause: `status 500`, `connection refused`, `timeout` and so on.
    pub causes: BTreeMap<String, u64>,
    /// Latencies of answered requests.
    pub latency: Histogram,
}

/// Everything a verdict may look at, for one epoch of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The epoch of the route ([`Route::epoch`](../shipway_traffic/struct.Route.html)) it belongs to.
    pub epoch: u64,
    /// First events by signal.
    pub first: BTreeMap<Signal, FirstEvents>,
    /// Totals of the stable arm.
    pub stable: ArmTotals,
    /// Totals of the canary.
    pub canary: ArmTotals,
    /// The thresholds now in force for the latency signals, their slack included, in microseconds: p50, p95, p99 of the stable arm over
    /// the window before; `None` until there was enough traffic.
    pub thresholds_us: Option<[u64; 3]>,
    /// Requests left out because their arm was not chosen by the bucket (a header override, an arm without a ready
    /// instance), with the totals kept apart so that the report can say so.
    pub excluded: u64,
    /// First events left out because the router's memory of clients was full.
    pub uncounted: u64,
}

impl Signal {
    /// All signals in order.
    pub const ALL: [Signal; 4] = [Signal::Failure, Signal::AboveP50, Signal::AboveP95, Signal::AboveP99];

    /// The name in documents: `failure`, `p50`, `p95`, `p99`.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Failure => "failure",
            Signal::AboveP50 => "p50",
            Signal::AboveP95 => "p95",
            Signal::AboveP99 => "p99",
        }
    }

    /// The signal of that name.
    pub fn by_name(name: &str) -> Option<Signal> {
        Signal::ALL.into_iter().find(|signal| signal.name() == name)
    }
}

impl FirstEvents {
    /// Counts one client's first event.
    pub fn count(&mut self, share: Share, arm: Arm) {
        self.add(share, ArmCount::one(arm));
    }

    /// Counts the first events of several clients.
    pub fn add(&mut self, share: Share, count: ArmCount) {
        *self.by_share.entry(share).or_default() += count;
    }

    /// The counts of all shares together, for reports.
    pub fn sum(&self) -> ArmCount {
        self.by_share.values().fold(ArmCount::default(), |mut sum, count| {
            sum += *count;
            sum
        })
    }

    /// What was gained since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &FirstEvents) -> FirstEvents {
        let gain = |(share, count): (&Share, &ArmCount)| {
            let before = earlier.by_share.get(share).copied().unwrap_or_default();
            (*share, count.since(before))
        };
        FirstEvents {
            by_share: self.by_share.iter().map(gain).filter(|(_, count)| count.total() > 0).collect(),
        }
    }
}

impl ArmCount {
    /// One event in that arm.
    pub fn one(arm: Arm) -> ArmCount {
        match arm {
            Arm::Stable => ArmCount { stable: 1, canary: 0 },
            Arm::Canary => ArmCount { stable: 0, canary: 1 },
        }
    }

    /// Both arms together.
    pub fn total(self) -> u64 {
        self.stable.saturating_add(self.canary)
    }

    /// What was gained since `earlier`.
    #[must_use]
    pub fn since(self, earlier: ArmCount) -> ArmCount {
        ArmCount {
            stable: self.stable.saturating_sub(earlier.stable),
            canary: self.canary.saturating_sub(earlier.canary),
        }
    }
}

impl AddAssign for ArmCount {
    fn add_assign(&mut self, other: ArmCount) {
        self.stable = self.stable.saturating_add(other.stable);
        self.canary = self.canary.saturating_add(other.canary);
    }
}

impl ArmTotals {
    /// The quantiles p50, p95, p99 of latency in microseconds; zero while nothing was served.
    pub fn latency_us(&self) -> [u64; 3] {
        [0.5, 0.95, 0.99].map(|q| self.latency.quantile(q).unwrap_or(0))
    }

    /// Failed requests as a fraction of all; `None` without requests.
    pub fn error_rate(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failures as f64 / self.requests as f64)
    }

    /// What was gained since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &ArmTotals) -> ArmTotals {
        let causes = self.causes.iter().filter_map(|(cause, count)| {
            let gain = count.saturating_sub(earlier.causes.get(cause).copied().unwrap_or(0));
            (gain > 0).then(|| (cause.clone(), gain))
        });
        ArmTotals {
            requests: self.requests.saturating_sub(earlier.requests),
            failures: self.failures.saturating_sub(earlier.failures),
            clients: self.clients.saturating_sub(earlier.clients),
            causes: causes.collect(),
            latency: self.latency.since(&earlier.latency),
        }
    }
}

impl Evidence {
    /// First events of a signal; empty when there were none.
    pub fn first(&self, signal: Signal) -> FirstEvents {
        self.first.get(&signal).cloned().unwrap_or_default()
    }

    /// Totals of one arm.
    pub fn arm(&self, arm: Arm) -> &ArmTotals {
        match arm {
            Arm::Stable => &self.stable,
            Arm::Canary => &self.canary,
        }
    }

    /// What was gained since `earlier`; everything, when `earlier` belongs to another epoch.
    #[must_use]
    pub fn since(&self, earlier: &Evidence) -> Evidence {
        if self.epoch != earlier.epoch {
            return self.clone();
        }
        let none = FirstEvents::default();
        let gain = |(signal, events): (&Signal, &FirstEvents)| {
            (*signal, events.since(earlier.first.get(signal).unwrap_or(&none)))
        };
        Evidence {
            epoch: self.epoch,
            first: self.first.iter().map(gain).filter(|(_, events)| !events.by_share.is_empty()).collect(),
            stable: self.stable.since(&earlier.stable),
            canary: self.canary.since(&earlier.canary),
            thresholds_us: self.thresholds_us,
            excluded: self.excluded.saturating_sub(earlier.excluded),
            uncounted: self.uncounted.saturating_sub(earlier.uncounted),
        }
    }
}

impl fmt::Display for Signal {
    /// As documents name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arm::Stable => "stable",
            Arm::Canary => "canary",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Evidence of one epoch from first failures (share in percent, arm) and latencies.
    fn gather(events: &[(u8, bool)], latencies: &[u64]) -> Evidence {
        let mut evidence = Evidence { epoch: 3, ..Evidence::default() };
        for (share, canary) in events {
            let arm = if *canary { Arm::Canary } else { Arm::Stable };
            evidence.first.entry(Signal::Failure).or_default().count(Share::percent(*share), arm);
            *evidence.canary.causes.entry(format!("status {}", 500 + u16::from(*share))).or_default() += 1;
        }
        evidence.canary.failures = events.len() as u64;
        evidence.canary.requests = events.len() as u64 + latencies.len() as u64;
        latencies.iter().for_each(|micros| evidence.canary.latency.record(*micros));
        evidence
    }

    #[test]
    fn names_read_back() {
        assert!(Signal::ALL.into_iter().all(|signal| Signal::by_name(signal.name()) == Some(signal)));
        assert_eq!(Signal::by_name("p90"), None);
    }

    proptest! {
        #[test]
        fn what_came_since_is_what_came_after(
            before in prop::collection::vec((1_u8..5, any::<bool>()), 0..30),
            after in prop::collection::vec((1_u8..5, any::<bool>()), 0..30),
            latencies in prop::collection::vec(0_u64..1_000_000, 0..30),
            cut in 0_usize..30,
        ) {
            let cut = cut.min(latencies.len());
            let all: Vec<(u8, bool)> = before.iter().chain(&after).copied().collect();
            let (earlier, later) = (gather(&before, &latencies[..cut]), gather(&all, &latencies));
            prop_assert_eq!(later.since(&earlier), gather(&after, &latencies[cut..]));
            prop_assert_eq!(later.since(&Evidence { epoch: 2, ..earlier }), later);
        }
    }
}
