//! What the judgement rests on, in the numbers that a person is told.

use serde::{Deserialize, Serialize};
use shipway_base::Timestamp;
use std::collections::BTreeMap;

/// What one arm served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmReport {
    /// The version.
    pub version: String,
    /// Requests answered or failed.
    pub requests: u64,
    /// Requests that failed by the service.
    pub failures: u64,
    /// Clients seen.
    pub clients: u64,
    /// Failures by cause: `status 500`, `connection refused`, `timeout` and so on.
    pub causes: BTreeMap<String, u64>,
    /// Latency in microseconds: p50, p95, p99; absent while nothing was served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<[u64; 3]>,
}

/// The judgement so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictReport {
    /// The decision.
    pub decision: Decision,
    /// The reasons with their numbers, the most important first.
    pub words: Vec<String>,
    /// What the sequential tests saw, one for each signal.
    pub signals: Vec<SignalReport>,
    /// What the threshold metrics saw.
    pub metrics: Vec<MetricReport>,
    /// What users saw of the new release.
    pub exposure: Exposure,
    /// What is still needed for a decision at the present rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<Needed>,
    /// What a fixed threshold would have done, for comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_threshold: Option<String>,
}

/// A decision about a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// There is not enough evidence yet.
    NotYet,
    /// It is worse than the version before.
    Regressed,
    /// It is no worse than the version before.
    Healthy,
    /// The evidence cannot decide it.
    Inconclusive,
}

/// A kind of event that counts once for each client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// A request failed.
    Failure,
    /// A request was slower than the stable arm's median.
    AboveP50,
    /// A request was slower than the stable arm's 95th percentile.
    AboveP95,
    /// A request was slower than the stable arm's 99th percentile.
    AboveP99,
}

/// What the sequential test of one signal saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalReport {
    /// The signal.
    pub signal: SignalKind,
    /// Clients with the event, of the clients seen, in the known-good arm.
    pub stable: ArmSide,
    /// The same in the new arm.
    pub canary: ArmSide,
    /// The decimal logarithm of the e-value against "no worse": evidence for a regression.
    pub log10_e: f64,
    /// The decimal logarithm of the bound `1 / alpha`; a regression is called when `log10_e` reaches it.
    pub log10_bound: f64,
    /// The chance of a false alarm that the bound allows, however often one looks: `alpha`.
    pub alpha: f64,
    /// The decimal logarithm of the e-value for promotion, and of its bound, when the step asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote: Option<(f64, f64)>,
    /// How many times as often the event happens in the new arm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
    /// How the evidence grew, oldest first; at most 200 points.
    pub history: Vec<EvidencePoint>,
}

/// Clients with an event, and clients seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmSide {
    /// Clients that had the event.
    pub with_event: u64,
    /// Clients seen.
    pub clients: u64,
}

/// A ratio of rates with its confidence sequence, valid at every moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The estimate; absent while the known-good arm had no event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<f64>,
    /// The lower end.
    pub low: f64,
    /// The upper end; absent when it is not bounded yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// The confidence of each end by itself, such as 0.99.
    pub confidence: f64,
}

/// The evidence at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidencePoint {
    /// When.
    #[serde(with = "crate::time")]
    pub at: Timestamp,
    /// The decimal logarithm of the e-value for a regression.
    pub log10_e: f64,
    /// The decimal logarithm of the e-value for promotion, when the step asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log10_promote: Option<f64>,
}

/// What a threshold metric saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricReport {
    /// Its name in the template.
    pub name: String,
    /// Its conditions as written.
    pub condition: String,
    /// The outcome so far.
    pub outcome: MetricOutcome,
    /// The last measured values, newest last; at most 20.
    pub values: Vec<f64>,
    /// Measurements that met the condition.
    pub successful: u32,
    /// Measurements that did not.
    pub failed: u32,
    /// What it says in words.
    pub words: String,
}

/// The outcome of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricOutcome {
    /// Not decided.
    Running,
    /// Met.
    Successful,
    /// Not met.
    Failed,
    /// Neither.
    Inconclusive,
    /// It could not be measured.
    Error,
}

/// What users saw of the new release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// Requests that it served.
    pub requests: u64,
    /// Of these, requests that failed.
    pub failed_requests: u64,
    /// Clients that it served.
    pub clients: u64,
    /// Of these, clients that saw a failure.
    pub failed_clients: u64,
}

/// What is still needed for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// Clients still to be seen.
    pub clients: u64,
    /// How long that takes at the present rate, in milliseconds; absent without traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}
