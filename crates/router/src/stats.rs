//! What the router counted since it started, for reports and dashboards; verdicts use `analysis::Evidence`.

use shipway_traffic::ArmName;
use std::collections::BTreeMap;

/// What one service's requests came to since the router started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceStats {
    /// Each release that served, in the order in which they first appeared in a table.
    pub releases: Vec<ReleaseStats>,
    /// Requests failed by the router or by the shifting itself, by cause. They are no failures of a release.
    pub dropped: BTreeMap<Dropped, u64>,
    /// Requests tried again on another connection or instance, unseen by the client.
    pub retries: u64,
    /// Requests served by the other arm than the client's, because none of the client's arm could.
    pub strays: u64,
    /// Times an instance was passed over because it refused a connection, by instance.
    pub ejections: BTreeMap<String, u64>,
}

/// What one release's requests came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseStats {
    /// The release, as in the table.
    pub release: String,
    /// The version, as in the table.
    pub version: String,
    /// The arm it serves now or served last.
    pub arm: ArmName,
    /// Requests answered or failed.
    pub requests: u64,
    /// Answers by class: 1xx (upgrades) to 5xx.
    pub classes: [u64; 5],
    /// Requests failed by the instances, by cause.
    pub failures: BTreeMap<String, u64>,
    /// Requests whose client went away before the answer.
    pub cancelled: u64,
    /// Time to the head of the answer.
    pub latency_us: Quantiles,
}

/// Quantiles in microseconds; zero while nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of the requests were faster.
    pub p50: u64,
    /// 95 of 100 were faster.
    pub p95: u64,
    /// 99 of 100 were faster.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

/// Why the router itself failed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dropped {
    /// The route is closed.
    Closed,
    /// No instance of any arm is ready.
    NoInstance,
    /// The router was shut down before the answer.
    Shutdown,
    /// Its instance was stopped before the end of the answer, because its time to finish requests was over.
    DrainTimeout,
}

impl ServiceStats {
    /// All requests failed by the router or by the shifting itself.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }
}

impl ReleaseStats {
    /// All requests failed by the instances.
    pub fn failures_total(&self) -> u64 {
        self.failures.values().sum()
    }
}

impl Dropped {
    /// All of them, in order.
    pub const ALL: [Dropped; 4] =
        [Dropped::Closed, Dropped::NoInstance, Dropped::Shutdown, Dropped::DrainTimeout];

    /// The label in metrics and in the `shipway-cause` header of the router's own answers.
    pub fn label(self) -> &'static str {
        match self {
            Dropped::Closed => "closed",
            Dropped::NoInstance => "no-instance",
            Dropped::Shutdown => "shutdown",
            Dropped::DrainTimeout => "drain-timeout",
        }
    }
}
