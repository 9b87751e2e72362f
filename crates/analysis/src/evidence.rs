//! What was observed of the two arms, in the compact form that decides.
//!
//! The sequential test multiplies one factor for each client's first event; the factor depends only on the arm that
//! served it and on the canary's share at that moment. So counts by share and arm are all there is to keep, and
//! evidence of several routers or regions adds up.

use shipway_base::Share;
use std::collections::BTreeMap;

/// What can happen to a client. Each client counts at most once for each signal in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// A request failed: an answer of 500 and above, or no answer from the instance.
    Failure,
    /// A request took longer than the stable arm's median of the window before.
    AboveP50,
    /// A request took longer than the stable arm's 95th percentile of the window before.
    AboveP95,
    /// A request took longer than the stable arm's 99th percentile of the window before.
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
    /// Clients seen.
    pub clients: u64,
    /// Failures by cause: `status 500`, `connection refused`, `timeout` and so on.
    pub causes: BTreeMap<String, u64>,
    /// Latency quantiles in microseconds: p50, p95, p99; zero while nothing was served.
    pub latency_us: [u64; 3],
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
    /// The thresholds now in force for the latency signals, in microseconds: p50, p95, p99 of the stable arm over
    /// the window before; `None` until there was enough traffic.
    pub thresholds_us: Option<[u64; 3]>,
    /// Requests left out because their arm was not chosen by the bucket (a header override, an arm without a ready
    /// instance), with the totals kept apart so that the report can say so.
    pub excluded: u64,
    /// First events left out because the router's memory of clients was full.
    pub uncounted: u64,
}
