//! What the router remembers of a service across tables: its epoch, and the counters of every release.

use crate::{
    Dropped, Quantiles, ReleaseStats, ServiceStats, counters::ArmCounters, epoch::Epoch, histogram::quantiles,
};
use shipway_analysis::Histogram;
use shipway_traffic::{Arm, ArmName};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// One service since the router started.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) retries: AtomicU64,
    pub(crate) strays: AtomicU64,
    dropped: [AtomicU64; Dropped::ALL.len()],
    ejections: Mutex<BTreeMap<String, u64>>,
    ledger: Mutex<Ledger>,
}

/// The latencies of one release.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latency {
    pub(crate) histogram: Histogram,
    pub(crate) sum_us: u64,
}

#[derive(Debug)]
struct Ledger {
    epoch: Arc<Epoch>,
    /// Counters in use or still written to by requests of an earlier table, oldest first.
    counters: Vec<(u64, Arc<ArmCounters>)>,
    /// Releases in the order in which they first appeared, with what their retired counters came to.
    releases: Vec<ReleaseStats>,
    retired: BTreeMap<String, Latency>,
}

impl Service {
    pub(crate) fn new(epoch: Arc<Epoch>) -> Service {
        let ledger = Ledger { epoch, counters: Vec::new(), releases: Vec::new(), retired: BTreeMap::new() };
        Service {
            retries: AtomicU64::new(0),
            strays: AtomicU64::new(0),
            dropped: Default::default(),
            ejections: Mutex::default(),
            ledger: Mutex::new(ledger),
        }
    }

    pub(crate) fn count_drop(&self, why: Dropped) {
        self.dropped[why as usize].fetch_add(1, Relaxed);
    }

    /// Counts a refusal by an instance.
    pub(crate) fn count_ejection(&self, instance: &str) {
        let mut ejections = self.ejections.lock().unwrap_or_else(PoisonError::into_inner);
        *ejections.entry(instance.to_owned()).or_default() += 1;
    }

    /// The epoch with this number: the current one, or a new one made by `make`.
    pub(crate) fn epoch(&self, number: u64, make: impl FnOnce() -> Epoch) -> Arc<Epoch> {
        let mut ledger = self.lock();
        if ledger.epoch.number != number {
            ledger.epoch = Arc::new(make());
        }
        Arc::clone(&ledger.epoch)
    }

    pub(crate) fn current_epoch(&self) -> Arc<Epoch> {
        Arc::clone(&self.lock().epoch)
    }

    /// The counters of an arm's release in the current epoch.
    pub(crate) fn counters(&self, name: ArmName, arm: &Arm, workers: usize) -> Arc<ArmCounters> {
        let mut ledger = self.lock();
        ledger.retire();
        let serial = ledger.epoch.serial;
        match ledger.releases.iter_mut().find(|stats| stats.release == arm.release) {
            Some(stats) => stats.arm = name,
            None => ledger.releases.push(ReleaseStats::new(&arm.release, &arm.version, name)),
        }
        let same = |(epoch, counters): &&(u64, Arc<ArmCounters>)| {
            *epoch == serial && counters.arm == name && counters.release == arm.release
        };
        if let Some((_, counters)) = ledger.counters.iter().find(same) {
            return Arc::clone(counters);
        }
        let counters = Arc::new(ArmCounters::new(&arm.release, name, workers));
        ledger.counters.push((serial, Arc::clone(&counters)));
        counters
    }

    /// Everything counted since the start.
    pub(crate) fn stats(&self) -> ServiceStats {
        let ledger = self.lock();
        let mut releases = ledger.releases.clone();
        for stats in &mut releases {
            let mut latency = ledger.retired.get(&stats.release).cloned().unwrap_or_default();
            let release = stats.release.clone();
            for (_, counters) in ledger.counters.iter().filter(|(_, c)| c.release == release) {
                stats.add(counters);
                latency.add(counters);
            }
            stats.latency_us = quantiles(&latency.histogram);
        }
        let dropped = Dropped::ALL.into_iter().map(|why| (why, self.dropped[why as usize].load(Relaxed)));
        ServiceStats {
            releases,
            dropped: dropped.filter(|(_, count)| *count > 0).collect(),
            retries: self.retries.load(Relaxed),
            strays: self.strays.load(Relaxed),
            ejections: self.ejections.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// The latencies of each release since the start.
    pub(crate) fn latencies(&self) -> Vec<(String, Latency)> {
        let ledger = self.lock();
        let latency = |stats: &ReleaseStats| {
            let mut latency = ledger.retired.get(&stats.release).cloned().unwrap_or_default();
            let mine = ledger.counters.iter().filter(|(_, c)| c.release == stats.release);
            mine.for_each(|(_, counters)| latency.add(counters));
            (stats.release.clone(), latency)
        };
        ledger.releases.iter().map(latency).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Adds up the counters that no table and no request holds any more.
    fn retire(&mut self) {
        let serial = self.epoch.serial;
        let retired = self
            .counters
            .extract_if(.., |(epoch, counters)| *epoch != serial && Arc::strong_count(counters) == 1);
        for (_, counters) in retired {
            self.retired.entry(counters.release.clone()).or_default().add(&counters);
            if let Some(stats) = self.releases.iter_mut().find(|stats| stats.release == counters.release) {
                stats.add(&counters);
            }
        }
    }
}

impl Latency {
    fn add(&mut self, counters: &ArmCounters) {
        self.histogram.merge(&counters.latency());
        self.sum_us += counters.latency_sum_us();
    }
}

impl ReleaseStats {
    fn new(release: &str, version: &str, arm: ArmName) -> ReleaseStats {
        ReleaseStats {
            release: release.to_owned(),
            version: version.to_owned(),
            arm,
            requests: 0,
            classes: [0; 5],
            failures: BTreeMap::new(),
            cancelled: 0,
            latency_us: Quantiles::default(),
        }
    }

    fn add(&mut self, counters: &ArmCounters) {
        self.requests += counters.requests_total();
        self.cancelled += counters.cancelled_total();
        for (sum, more) in self.classes.iter_mut().zip(counters.classes()) {
            *sum += more;
        }
        for (cause, more) in counters.causes() {
            *self.failures.entry(cause).or_default() += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipway_base::Digest;

    fn arm(release: &str) -> Arm {
        Arm {
            release: release.to_owned(),
            version: release.to_owned(),
            digest: Digest::of(b""),
            instances: Vec::new(),
        }
    }

    #[test]
    fn a_release_keeps_its_counts_through_epochs_and_arms() {
        let service = Service::new(Arc::new(Epoch::new(1, 1, 10)));
        let canary = service.counters(ArmName::Canary, &arm("v2"), 1);
        canary.answered(0, 200, 1_000);
        let late = Arc::clone(&canary);
        drop(canary);
        service.epoch(2, || Epoch::new(2, 2, 10));
        let stable = service.counters(ArmName::Stable, &arm("v2"), 1);
        stable.answered(0, 500, 3_000);
        // A request of the first epoch ends only now.
        late.answered(0, 200, 2_000);
        drop(late);
        let _ = service.counters(ArmName::Canary, &arm("v3"), 1);
        let stats = service.stats();
        let v2 = &stats.releases[0];
        assert_eq!((v2.requests, v2.failures_total(), v2.arm), (3, 1, ArmName::Stable));
        assert!((2_950..3_050).contains(&v2.latency_us.max), "{:?}", v2.latency_us);
        assert_eq!(stats.releases[1].release, "v3");
        assert_eq!(service.lock().counters.len(), 2);
    }
}
