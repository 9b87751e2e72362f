//! What one arm of one epoch served, counted without contention: each worker has its own cells.

use crate::histogram::Recorder;
use shipway_analysis::{ArmTotals, Histogram};
use shipway_traffic::ArmName;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// How an instance failed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// It answered with this status, 500 or above.
    Status(u16),
    /// Nobody listens at its address.
    Refused,
    /// It cannot be connected to for another reason, or not in time.
    Unreachable,
    /// It took too long to begin its answer.
    Timeout,
    /// It closed the connection instead of answering.
    Closed,
    /// It broke off in the middle of its answer.
    Cut,
    /// It answered something that is not HTTP.
    Invalid,
}

/// The counters of one release in one arm and epoch.
#[derive(Debug)]
pub(crate) struct ArmCounters {
    pub(crate) release: String,
    pub(crate) arm: ArmName,
    shards: Box<[Shard]>,
    /// Failures are rare enough for a lock.
    causes: Mutex<BTreeMap<Cause, u64>>,
}

/// One worker's cells, on cache lines of their own.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    requests: AtomicU64,
    cancelled: AtomicU64,
    classes: [AtomicU64; 5],
    latency: Recorder,
}

impl ArmCounters {
    pub(crate) fn new(release: &str, arm: ArmName, workers: usize) -> ArmCounters {
        let shard = |_| Shard {
            requests: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            classes: Default::default(),
            latency: Recorder::new(),
        };
        ArmCounters {
            release: release.to_owned(),
            arm,
            shards: (0..workers).map(shard).collect(),
            causes: Mutex::default(),
        }
    }

    /// Counts an answer, failed or not.
    pub(crate) fn answered(&self, worker: usize, status: u16, micros: u64) {
        let Some(shard) = self.shards.get(worker) else { return };
        shard.requests.fetch_add(1, Relaxed);
        if let Some(class) = shard.classes.get(usize::from(status / 100).wrapping_sub(1)) {
            class.fetch_add(1, Relaxed);
        }
        shard.latency.record(micros);
        if status >= 500 {
            self.cause(Cause::Status(status));
        }
    }

    /// Counts a request that got no answer. Only a timeout says something about latency.
    pub(crate) fn unanswered(&self, worker: usize, cause: Cause, micros: u64) {
        let Some(shard) = self.shards.get(worker) else { return };
        shard.requests.fetch_add(1, Relaxed);
        if cause == Cause::Timeout {
            shard.latency.record(micros);
        }
        self.cause(cause);
    }

    /// Counts a failure of a request that is counted already.
    pub(crate) fn cause(&self, cause: Cause) {
        *self.causes.lock().unwrap_or_else(PoisonError::into_inner).entry(cause).or_default() += 1;
    }

    /// Counts a request whose client went away before the answer.
    pub(crate) fn cancelled(&self, worker: usize) {
        if let Some(shard) = self.shards.get(worker) {
            shard.cancelled.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn causes(&self) -> BTreeMap<String, u64> {
        let causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        causes.iter().map(|(cause, count)| (cause.to_string(), *count)).collect()
    }

    pub(crate) fn requests_total(&self) -> u64 {
        self.shards.iter().map(|shard| shard.requests.load(Relaxed)).sum()
    }

    pub(crate) fn cancelled_total(&self) -> u64 {
        self.shards.iter().map(|shard| shard.cancelled.load(Relaxed)).sum()
    }

    pub(crate) fn classes(&self) -> [u64; 5] {
        let class = |index: usize| self.shards.iter().map(|shard| shard.classes[index].load(Relaxed)).sum();
        std::array::from_fn(class)
    }

    pub(crate) fn latency(&self) -> Histogram {
        let mut all = Histogram::default();
        self.shards.iter().for_each(|shard| all.merge(&shard.latency.counts()));
        all
    }

    /// The sum of all latencies, in microseconds.
    pub(crate) fn latency_sum_us(&self) -> u64 {
        self.shards.iter().map(|shard| shard.latency.sum_us()).sum()
    }

    /// The totals as evidence shows them.
    pub(crate) fn totals(&self, clients: u64) -> ArmTotals {
        let causes = self.causes();
        ArmTotals {
            requests: self.requests_total(),
            failures: causes.values().sum(),
            clients,
            causes,
            latency: self.latency(),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Status(status) => return write!(f, "status {status}"),
            Cause::Refused => "connection refused",
            Cause::Unreachable => "unreachable",
            Cause::Timeout => "timeout",
            Cause::Closed => "connection closed",
            Cause::Cut => "answer cut",
            Cause::Invalid => "invalid answer",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up() {
        let counters = ArmCounters::new("r1", ArmName::Stable, 2);
        counters.answered(0, 200, 1_000);
        counters.answered(1, 503, 2_000);
        counters.unanswered(1, Cause::Refused, 10);
        counters.unanswered(0, Cause::Timeout, 9_000);
        counters.cancelled(0);
        let totals = counters.totals(7);
        assert_eq!((totals.requests, totals.failures, totals.clients), (4, 3, 7));
        assert_eq!(counters.classes(), [0, 1, 0, 0, 1]);
        assert_eq!(counters.cancelled_total(), 1);
        // A refused connection says nothing about latency.
        assert_eq!(counters.latency().total(), 3);
        let causes: Vec<_> = totals.causes.keys().map(String::as_str).collect();
        assert_eq!(causes, ["connection refused", "status 503", "timeout"]);
    }
}
