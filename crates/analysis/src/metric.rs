//! What is asked of the evidence: metrics as an analysis template defines them, and the measurements taken so far.
//!
//! Names and defaults are those of Argo's `AnalysisTemplate`.

use crate::{Arm, ArmTotals, Condition, Signal};
use shipway_base::{Span, Timestamp};
use std::{collections::BTreeMap, time::Duration};

/// One metric of an analysis, arguments resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name, unique within the analysis.
    pub name: String,
    /// Where it stands in its document.
    pub span: Span,
    /// Where its values come from.
    pub provider: Provider,
    /// The time between measurements; `None`: one measurement is enough.
    pub interval: Option<Duration>,
    /// How long the first measurement waits, and so what it covers; zero: as long as the interval.
    pub initial_delay: Duration,
    /// `successCondition`.
    pub success_condition: Option<Condition>,
    /// `failureCondition`.
    pub failure_condition: Option<Condition>,
    /// How many of which outcome end it.
    pub limits: Limits,
    /// How many measurements are kept.
    pub retention: u32,
    /// Whether its outcome is shown but decides nothing.
    pub dry_run: bool,
}

/// How many measurements of which outcome end a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `count`: measurements to take; zero: no limit when there is an interval, else one.
    pub count: u32,
    /// `failureLimit`: failures allowed; `None` (written -1): failures never end it.
    pub failure: Option<u32>,
    /// `inconclusiveLimit`: inconclusive measurements allowed.
    pub inconclusive: u32,
    /// `consecutiveErrorLimit`: errors in a row allowed.
    pub consecutive_error: u32,
    /// `consecutiveSuccessLimit`: successes in a row that end it well; zero: off.
    pub consecutive_success: u32,
}

/// Where a metric's values come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Provider {
    /// The anytime-valid test over clients (`provider.plugin: shipway/sequential`).
    Sequential(Sequential),
    /// A number of the router's (`provider.plugin: shipway/router`).
    Router(RouterQuery),
}

/// The sequential test's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequential {
    /// The signals that can roll back, with the weights by which `alpha` is split; the weights sum to 1.
    pub signals: Vec<SignalWeight>,
    /// The bound on the chance of ever rolling back a version that is no worse.
    pub alpha: f64,
    /// What promotes; `None`: the metric guards and never ends by itself.
    pub promote: Option<Promote>,
}

/// A signal and its part of `alpha`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignalWeight {
    /// The signal.
    pub signal: Signal,
    /// Its part, above 0 and at most 1.
    pub weight: f64,
}

/// Promotion on evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Promote {
    /// The ratio that must be ruled out: the new version hits clients at least this many times as often.
    pub margin: f64,
    /// The bound on the chance of a wrong promotion, for each claim that can promote.
    pub alpha: f64,
    /// The signals that must all pass.
    pub signals: Vec<Signal>,
    /// An absolute bound that can stand in for the ratio of failures, for services that rarely fail: it must be ruled
    /// out that a client's first request to the canary fails with this probability or more.
    pub max_failure_rate: Option<f64>,
    /// How long to wait for evidence; `None`: as long as it takes.
    pub at_most: Option<Duration>,
    /// What to do when there is not enough by then.
    pub otherwise: Otherwise,
}

/// What happens when evidence does not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// The rollout pauses and asks a person.
    Pause,
    /// The step passes because nothing spoke against it; the report says so.
    Promote,
}

/// A number of the router's, over the time since the measurement before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterQuery {
    /// Which number.
    pub query: Query,
    /// Of which version.
    pub arm: Arm,
}

/// The numbers a router offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// `success-rate`: requests that did not fail, as a fraction.
    SuccessRate,
    /// `error-rate`: requests that failed, as a fraction.
    ErrorRate,
    /// `requests`: how many there were.
    Requests,
    /// `p50`: the median latency in seconds.
    P50,
    /// `p95`: the 95th percentile of latency in seconds.
    P95,
    /// `p99`: the 99th percentile of latency in seconds.
    P99,
}

/// What one measurement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasurementPhase {
    /// The success condition held, or no failure condition did.
    Successful,
    /// The failure condition held, or the success condition did not.
    Failed,
    /// Neither condition held.
    Inconclusive,
    /// A condition could not be evaluated.
    Error,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// What it says.
    pub phase: MeasurementPhase,
    /// The value as text.
    pub value: String,
    /// Why, when it is an error.
    pub message: Option<String>,
    /// When it was taken.
    pub at: Timestamp,
}

/// The measurements of an analysis so far, by metric; kept by the caller between looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    /// By name of the metric; absent before it is first looked at.
    pub metrics: BTreeMap<String, MetricState>,
}

/// The measurements of one metric so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricState {
    /// Measurements taken, errors left out.
    pub count: u32,
    /// How many were successful.
    pub successful: u32,
    /// How many failed.
    pub failed: u32,
    /// How many were inconclusive.
    pub inconclusive: u32,
    /// How many were errors.
    pub error: u32,
    /// Successes in a row up to now.
    pub consecutive_success: u32,
    /// Errors in a row up to now.
    pub consecutive_error: u32,
    /// The last measurements, oldest first; as many as the metric keeps.
    pub last: Vec<Measurement>,
    /// When it was first looked at.
    pub since: Timestamp,
    /// The arm's totals when the last measurement was taken, or when it was first looked at; the next one is about what
    /// came since.
    pub totals: ArmTotals,
}

impl Default for Limits {
    /// Argo's defaults.
    fn default() -> Limits {
        Limits { count: 0, failure: Some(0), inconclusive: 0, consecutive_error: 4, consecutive_success: 0 }
    }
}

impl Metric {
    /// Whether it only guards: it can fail an analysis, but never ends it well, so it does not hold one up either.
    pub fn is_guard(&self) -> bool {
        match &self.provider {
            Provider::Sequential(sequential) => sequential.promote.is_none(),
            Provider::Router(_) => false,
        }
    }
}

impl Query {
    /// All queries in order.
    pub const ALL: [Query; 6] =
        [Query::SuccessRate, Query::ErrorRate, Query::Requests, Query::P50, Query::P95, Query::P99];

    /// The name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Query::SuccessRate => "success-rate",
            Query::ErrorRate => "error-rate",
            Query::Requests => "requests",
            Query::P50 => "p50",
            Query::P95 => "p95",
            Query::P99 => "p99",
        }
    }

    /// The query of that name.
    pub fn by_name(name: &str) -> Option<Query> {
        Query::ALL.into_iter().find(|query| query.name() == name)
    }
}
