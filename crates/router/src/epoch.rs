//! The evidence of one epoch: first events of clients, the totals of both arms, the latency thresholds.

use crate::{
    clients::{Clients, Mark},
    counters::ArmCounters,
};
use shipway_analysis::{Arm, Evidence, FirstEvents, Histogram, Signal};
use shipway_base::Share;
use shipway_traffic::ArmName;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Everything gathered since the route's epoch changed.
#[derive(Debug)]
pub(crate) struct Epoch {
    /// The route's own number.
    pub(crate) number: u64,
    /// Unique in this router, so that remembered marks never meet another epoch.
    pub(crate) serial: u64,
    clients: Clients,
    clients_by_arm: [AtomicU64; 2],
    excluded: AtomicU64,
    /// First events are rare: at most four for each client.
    first: Mutex<BTreeMap<Signal, FirstEvents>>,
    /// p50, p95, p99 of the stable arm before this window; `NONE` until there was enough traffic.
    thresholds_us: [AtomicU64; 3],
    shown: Mutex<Shown>,
}

/// Whose totals the evidence shows, and the stable arm's windows.
#[derive(Debug, Default)]
struct Shown {
    stable: Option<Arc<ArmCounters>>,
    canary: Option<Arc<ArmCounters>>,
    /// The stable arm's latencies since its start, at the boundaries of the latest windows, oldest first.
    windows: VecDeque<Histogram>,
}

/// One request as evidence sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observation {
    pub(crate) arm: ArmName,
    /// The canary's share when the client was assigned; `None` when there was no canary.
    pub(crate) share: Option<Share>,
    pub(crate) fingerprint: u64,
    pub(crate) failed: bool,
    /// Time to the answer's head, or until its client gave up; `None` when it says nothing.
    pub(crate) micros: Option<u64>,
}

/// Seen by the stable arm, and by the canary: a client that moves counts in both.
const SEEN: [Mark; 2] = [1, 32];
const FAILED: Mark = 2;
/// The marks of the three latency signals, in the order of the thresholds.
const ABOVE: [Mark; 3] = [4, 8, 16];
const SIGNALS: [(Mark, Signal); 4] = [
    (FAILED, Signal::Failure),
    (ABOVE[0], Signal::AboveP50),
    (ABOVE[1], Signal::AboveP95),
    (ABOVE[2], Signal::AboveP99),
];
const NONE: u64 = u64::MAX;
/// Thresholds come from at most this many windows.
const WINDOWS: usize = 10;
/// Fewer answers than this say too little about a tail.
const ENOUGH: u64 = 100;
/// What a latency threshold lies above its quantile: this part of it, and at least this many microseconds. A sequential
/// test finds any difference that lasts, also the tenth of a millisecond that a fresh process or an emptier machine
/// makes and nobody notices; only what lies beyond this slack is evidence.
const SLACK_PART: u64 = 4;
const LEAST_SLACK_US: u64 = 1_000;

impl Epoch {
    pub(crate) fn new(number: u64, serial: u64, capacity: usize) -> Epoch {
        Epoch {
            number,
            serial,
            clients: Clients::new(capacity),
            clients_by_arm: Default::default(),
            excluded: AtomicU64::new(0),
            first: Mutex::default(),
            thresholds_us: [const { AtomicU64::new(NONE) }; 3],
            shown: Mutex::default(),
        }
    }

    /// Says whose totals belong to the evidence. Once there was a canary, a later table without one changes nothing,
    /// so that the numbers of a trial stay readable after its end.
    pub(crate) fn show(&self, stable: &Arc<ArmCounters>, canary: Option<&Arc<ArmCounters>>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if canary.is_none() && shown.canary.is_some() {
            return;
        }
        if !shown.stable.as_ref().is_some_and(|old| Arc::ptr_eq(old, stable)) {
            shown.windows = VecDeque::from([stable.latency()]);
        }
        shown.stable = Some(Arc::clone(stable));
        shown.canary = canary.map(Arc::clone);
    }

    /// Counts what is new about the request's client. `known` are marks that the caller remembers of the same client
    /// in the same epoch; it is brought up to date. Returns whether the client failed for the first time.
    pub(crate) fn observe(&self, observation: &Observation, known: &mut Mark) -> bool {
        let seen = SEEN[observation.arm as usize];
        let mut marks = seen;
        // A share of nothing or everything leaves no choice, so an event says nothing; the client may still count
        // when there is one.
        let share = observation.share.filter(|share| *share > Share::ZERO && *share < Share::ALL);
        if share.is_some() {
            marks |= if observation.failed { FAILED } else { 0 };
            if let Some(micros) = observation.micros {
                for (threshold, mark) in self.thresholds_us.iter().zip(ABOVE) {
                    marks |= if micros > threshold.load(Relaxed) { mark } else { 0 };
                }
            }
        }
        if marks & !*known == 0 {
            return false;
        }
        let Some(new) = self.clients.mark(observation.fingerprint, marks) else { return false };
        *known |= marks;
        if new & seen != 0 {
            self.clients_by_arm[observation.arm as usize].fetch_add(1, Relaxed);
        }
        let Some(share) = share.filter(|_| new & !seen != 0) else { return false };
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, signal) in SIGNALS.into_iter().filter(|(mark, _)| new & mark != 0) {
            let arm = match observation.arm {
                ArmName::Stable => Arm::Stable,
                ArmName::Canary => Arm::Canary,
            };
            first.entry(signal).or_default().count(share, arm);
        }
        new & FAILED != 0
    }

    /// Counts a request that was served by another arm than its client's.
    pub(crate) fn exclude(&self) {
        self.excluded.fetch_add(1, Relaxed);
    }

    /// Ends a window: the next one is judged by what the stable arm did up to here.
    pub(crate) fn end_window(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(now) = shown.stable.as_ref().map(|stable| stable.latency()) else { return };
        let recent = shown.windows.front().map(|oldest| now.since(oldest)).unwrap_or_default();
        shown.windows.push_back(now);
        if shown.windows.len() > WINDOWS {
            shown.windows.pop_front();
        }
        let enough = recent.total() >= ENOUGH;
        for (threshold, q) in self.thresholds_us.iter().zip([0.5, 0.95, 0.99]) {
            threshold.store(recent.quantile(q).filter(|_| enough).map_or(NONE, with_slack), Relaxed);
        }
    }

    pub(crate) fn evidence(&self) -> Evidence {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = |arm: ArmName, counters: &Option<Arc<ArmCounters>>| {
            let clients = self.clients_by_arm[arm as usize].load(Relaxed);
            counters.as_ref().map(|counters| counters.totals(clients)).unwrap_or_default()
        };
        let thresholds = [0, 1, 2].map(|index: usize| self.thresholds_us[index].load(Relaxed));
        Evidence {
            epoch: self.number,
            first: self.first.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            stable: totals(ArmName::Stable, &shown.stable),
            canary: totals(ArmName::Canary, &shown.canary),
            thresholds_us: (!thresholds.contains(&NONE)).then_some(thresholds),
            excluded: self.excluded.load(Relaxed),
            uncounted: self.clients.refused(),
        }
    }
}

fn with_slack(quantile_us: u64) -> u64 {
    quantile_us.saturating_add((quantile_us / SLACK_PART).max(LEAST_SLACK_US)).min(NONE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use shipway_analysis::ArmCount;
    use std::collections::BTreeSet;

    fn counters(arm: ArmName) -> Arc<ArmCounters> {
        Arc::new(ArmCounters::new("r", arm, 1))
    }

    #[test]
    fn thresholds_come_from_earlier_windows_only() {
        let epoch = Epoch::new(1, 1, 100);
        let stable = counters(ArmName::Stable);
        epoch.show(&stable, Some(&counters(ArmName::Canary)));
        (0..99).for_each(|_| stable.answered(0, 200, 1_000));
        epoch.end_window();
        assert_eq!(epoch.evidence().thresholds_us, None);
        stable.answered(0, 200, 1_000);
        assert_eq!(epoch.evidence().thresholds_us, None);
        epoch.end_window();
        let [p50, _, p99] = epoch.evidence().thresholds_us.expect("thresholds");
        assert!(p50 == p99 && (1_990..=2_020).contains(&p50), "{p50}");
        assert_eq!([with_slack(2_000), with_slack(40_000), with_slack(NONE)], [3_000, 50_000, NONE - 1]);

        let slow = Observation {
            arm: ArmName::Canary,
            share: Some(Share::percent(10)),
            fingerprint: 1,
            failed: false,
            micros: Some(p50 + 1),
        };
        assert!(!epoch.observe(&slow, &mut 0));
        let first = epoch.evidence().first;
        let expect = BTreeMap::from([(Share::percent(10), ArmCount { stable: 0, canary: 1 })]);
        for signal in [Signal::AboveP50, Signal::AboveP95, Signal::AboveP99] {
            assert_eq!(first[&signal].by_share, expect);
        }
        assert!(!first.contains_key(&Signal::Failure));
    }

    #[test]
    fn a_trial_stays_readable_after_its_end() {
        let epoch = Epoch::new(1, 1, 100);
        let (stable, canary) = (counters(ArmName::Stable), counters(ArmName::Canary));
        epoch.show(&stable, Some(&canary));
        canary.answered(0, 200, 1);
        epoch.show(&counters(ArmName::Stable), None);
        assert_eq!(epoch.evidence().canary.requests, 1);
    }

    proptest! {
        /// The reference keeps a set of (client, signal) and counts what enters it.
        #[test]
        fn first_events_agree_with_a_set(
            steps in vec((0_u64..20, any::<bool>(), any::<bool>(), 0_u8..=100, any::<bool>()), 0..200),
        ) {
            let epoch = Epoch::new(1, 1, 1_000);
            let mut known: BTreeMap<u64, Mark> = BTreeMap::new();
            let mut seen = BTreeSet::new();
            let mut failed_before = BTreeSet::new();
            let mut expect: BTreeMap<Share, ArmCount> = BTreeMap::new();
            let mut clients = [0_u64; 2];
            for (client, on_canary, failed, percent, forget) in steps {
                let arm = if on_canary { ArmName::Canary } else { ArmName::Stable };
                let share = Share::percent(percent);
                // A fingerprint is a hash, of which the lowest bits count for nothing.
                let fingerprint = client << 32;
                let observation = Observation { arm, share: Some(share), fingerprint, failed, micros: None };
                if forget {
                    known.remove(&client);
                }
                let first = epoch.observe(&observation, known.entry(client).or_default());
                clients[arm as usize] += u64::from(seen.insert((client, arm)));
                let counts = failed && (1..100).contains(&percent) && failed_before.insert(client);
                prop_assert_eq!(first, counts);
                if counts {
                    let count = expect.entry(share).or_default();
                    *(if on_canary { &mut count.canary } else { &mut count.stable }) += 1;
                }
            }
            epoch.show(&counters(ArmName::Stable), Some(&counters(ArmName::Canary)));
            let evidence = epoch.evidence();
            let found = evidence.first.get(&Signal::Failure).cloned().unwrap_or_default().by_share;
            prop_assert_eq!(found, expect);
            prop_assert_eq!([evidence.stable.clients, evidence.canary.clients], clients);
        }
    }
}
