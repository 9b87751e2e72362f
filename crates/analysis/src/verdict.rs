//! What a look at the evidence comes to, with every number a person is told.

use crate::{ArmCount, Signal};
use shipway_base::{Share, Timestamp};
use std::time::Duration;

/// The outcome of one look.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What it means for the rollout.
    pub decision: Decision,
    /// Each metric's part in it, in the order of the document.
    pub metrics: Vec<MetricReport>,
    /// Who was exposed to the canary since the rollout began.
    pub exposure: Exposure,
    /// What fixed thresholds would have said.
    pub thresholds: Thresholds,
    /// The verdict in sentences: the decision first, then the numbers.
    pub words: Vec<String>,
    /// When to look again even if no new evidence comes, and why.
    pub wake: Option<(Timestamp, &'static str)>,
}

/// What a verdict means for the rollout.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Roll back.
    Regressed {
        /// The metric that says so.
        metric: String,
        /// What made it say so.
        cause: Cause,
        /// One sentence with the numbers.
        reason: String,
    },
    /// Go on to the next step.
    Healthy {
        /// One sentence with the numbers.
        reason: String,
    },
    /// Pause and ask a person.
    Inconclusive {
        /// The metric that cannot tell.
        metric: String,
        /// One sentence with the numbers.
        reason: String,
    },
    /// Wait: there is not enough evidence yet.
    NotYet {
        /// One sentence: what is missing.
        reason: String,
        /// The traffic still needed at the present rate, when it can be said.
        needed: Option<Needed>,
    },
}

/// What made a metric call for a roll back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The sequential test of this signal reached its bound.
    Signal(Signal),
    /// Measurements failed more often than allowed.
    Condition,
    /// Measurements could not be evaluated more often than allowed.
    Error,
}

/// Traffic still needed at the present rate, if the new version is as good as the old.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Needed {
    /// Further clients with a first event (for a ratio) or further clients of the canary (for an absolute bound).
    pub clients: u64,
    /// How long that takes at the rate since the step began; `None` while the rate is zero.
    pub time: Option<Duration>,
}

/// How a metric stands; Argo's phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was measured yet.
    Pending,
    /// More is to come.
    Running,
    /// It ended well.
    Successful,
    /// It calls for a roll back.
    Failed,
    /// It could not be evaluated.
    Error,
    /// It cannot tell.
    Inconclusive,
}

/// One metric's part in a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricReport {
    /// The metric.
    pub name: String,
    /// How it stands.
    pub phase: Phase,
    /// Whether it decides nothing.
    pub dry_run: bool,
    /// One sentence with the numbers.
    pub message: String,
    /// For the sequential test: its signals.
    pub signals: Vec<SignalReport>,
    /// For a measured metric: the last value and how often which outcome was seen.
    pub measured: Option<crate::MetricState>,
}

/// One signal's evidence for and against the new version.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalReport {
    /// The signal.
    pub signal: Signal,
    /// Clients seen by each arm since the rollout began.
    pub clients: ArmCount,
    /// Clients with a first event in each arm since the rollout began.
    pub hit: ArmCount,
    /// The canary's share now.
    pub share: Share,
    /// How many times as often the canary hits clients, with its confidence sequence.
    pub ratio: Interval,
    /// The test against "the new version is no worse", over the whole rollout.
    pub regression: Test,
    /// What speaks for promotion, when this signal must pass for it.
    pub promotion: Option<Promotion>,
}

/// A confidence sequence: two bounds that the evidence sets, each valid at every look at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end; zero when nothing bounds it.
    pub low: f64,
    /// The most likely value; `None` without events.
    pub estimate: Option<f64>,
    /// The upper end; infinite when nothing bounds it.
    pub high: f64,
    /// The confidence of each bound by itself, for example 0.99.
    pub confidence: f64,
}

/// An e-value and the bound it has to reach, as natural logarithms so that neither overflows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// The logarithm of the e-value; 0 means no evidence either way.
    pub log_e: f64,
    /// The logarithm of `1 / alpha`.
    pub log_bound: f64,
}

/// What speaks for promotion, from what was gained since the step began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promotion {
    /// The test against "hits clients at least `margin` times as often".
    pub non_inferiority: Test,
    /// The margin.
    pub margin: f64,
    /// The test against "a client fails with at least this probability", with that probability.
    pub absolute: Option<(Test, f64)>,
    /// The share of the stable arm's clients that the signal has hit is so large that a ratio of clients says little;
    /// the ratio cannot promote then.
    pub too_common: bool,
}

/// Who was exposed to the canary since the rollout began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Requests the canary served.
    pub requests: u64,
    /// Requests of those that failed.
    pub failed_requests: u64,
    /// Clients the canary served.
    pub clients: u64,
    /// Clients whose first failure the canary served.
    pub failing_clients: u64,
}

/// What fixed thresholds say about the canary's requests since the rollout began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// The canary's success rate; `None` without requests.
    pub success_rate: Option<f64>,
    /// The rule of Argo's documentation: at least 95 %.
    pub argo: Option<Level>,
    /// The rule of Flagger's documentation: at least 99 %.
    pub flagger: Option<Level>,
}

/// On which side of a threshold a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The rule is content.
    Within,
    /// The rule counts a failure.
    Breached,
}

impl Phase {
    /// The phase of the whole from those of its parts: the worst of failed, error and inconclusive, else running
    /// while any part is, else successful.
    pub fn worst(parts: impl IntoIterator<Item = Phase>) -> Phase {
        let badness = |phase: &Phase| match phase {
            Phase::Failed => 5,
            Phase::Error => 4,
            Phase::Inconclusive => 3,
            Phase::Running => 2,
            Phase::Pending => 1,
            Phase::Successful => 0,
        };
        parts.into_iter().max_by_key(badness).unwrap_or(Phase::Successful)
    }
}

impl Test {
    /// Whether the bound is reached.
    pub fn is_reached(&self) -> bool {
        self.log_e >= self.log_bound
    }

    /// How far it is to the bound, `0.0..=1.0`, for a bar; evidence against counts as nothing.
    pub fn progress(&self) -> f64 {
        if self.log_bound > 0.0 { (self.log_e / self.log_bound).clamp(0.0, 1.0) } else { 1.0 }
    }

    /// The e-value; infinite when it is beyond what a float holds.
    pub fn e_value(&self) -> f64 {
        self.log_e.exp()
    }

    /// The bound.
    pub fn bound(&self) -> f64 {
        self.log_bound.exp()
    }
}

impl Promotion {
    /// Whether one of its claims holds.
    pub fn passes(&self) -> bool {
        let by_ratio = self.non_inferiority.is_reached() && !self.too_common;
        by_ratio || self.absolute.is_some_and(|(test, _)| test.is_reached())
    }
}
