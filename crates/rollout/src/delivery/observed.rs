//! What a planner is told about the world.

use super::Rollout;
use shipway_analysis::{Evidence, Verdict};
use shipway_base::{Id, Timestamp};
use shipway_traffic::Route;
use std::{collections::BTreeMap, fmt, net::SocketAddr};

/// What is observed of one service.
///
/// The order of observing matters for one promise: read `routed` before `in_flight`, or a request that was routed
/// between the two reads could be missed and its instance stopped under it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Every instance that the target knows for this service, stopped ones included until they are forgotten.
    pub instances: Vec<ObservedInstance>,
    /// The route that the router obeys; `None` when it has none for this service.
    pub routed: Option<Route>,
    /// Requests under way, by instance; an absent instance has none.
    pub in_flight: BTreeMap<String, u32>,
    /// What the analyses said; others than the asked ones are ignored.
    pub judged: Vec<Judged>,
    /// What the router has counted; ignored unless its epoch is the delivery's.
    pub evidence: Option<Evidence>,
    /// The last evidence that was saved, for reports after the router lost its own.
    pub saved: Option<Evidence>,
}

/// One instance as its target sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedInstance {
    /// Its id, as in [`Action::Start`](super::Action::Start).
    pub id: String,
    /// How it is.
    pub phase: InstancePhase,
    /// Where it listens, once it runs.
    pub address: Option<SocketAddr>,
    /// Since when its target has watched it: its start, or its adoption after a restart of the control plane. Time that
    /// nobody watched does not count against it.
    pub watched_since: Timestamp,
    /// The last answer to a health check.
    pub health: Option<HealthResponse>,
    /// The last lines it wrote, at most 20.
    pub last_lines: Vec<String>,
}

/// How an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstancePhase {
    /// It runs, and has not been healthy yet.
    Starting,
    /// It runs and is healthy.
    Ready,
    /// It runs, was healthy, and is not now.
    Unready,
    /// It was asked to stop.
    Stopping,
    /// It has ended.
    Exited(Exit),
    /// It could not be started: the program is missing, is not executable, and so on. Trying again cannot help.
    CannotStart {
        /// Why, for people.
        reason: String,
    },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// While nobody was looking; its status is not known.
    Unknown,
}

/// An answer to a health check, or why there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthResponse {
    /// When.
    pub at: Timestamp,
    /// The status; `None` when there was no answer.
    pub status: Option<u16>,
    /// The beginning of the body, or why there was no answer.
    pub text: String,
    /// Whether it counts as healthy.
    pub healthy: bool,
}

/// Which run of an analysis. A verdict about any other run is too old to matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnalysisKey {
    /// The rollout.
    pub rollout: Id<Rollout>,
    /// The epoch of the evidence.
    pub epoch: u64,
    /// The background analysis or a step.
    pub scope: AnalysisScope,
    /// Grows when the same step is judged anew.
    pub attempt: u32,
}

/// What an analysis belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnalysisScope {
    /// The analysis beside the steps.
    Background,
    /// The analysis of this step, from 0.
    Step(usize),
}

/// What one analysis says now.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Which.
    pub key: AnalysisKey,
    /// What.
    pub verdict: Verdict,
}

impl ObservedInstance {
    /// Whether it may receive requests.
    pub fn is_ready(&self) -> bool {
        self.phase == InstancePhase::Ready && self.address.is_some()
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exited with code {code}"),
            Exit::Signal(signal) => write!(f, "was killed by signal {signal}"),
            Exit::Unknown => f.write_str("ended while nobody was looking"),
        }
    }
}

impl fmt::Display for HealthResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) if self.text.is_empty() => write!(f, "status {status}"),
            Some(status) => write!(f, "status {status}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl fmt::Display for AnalysisScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnalysisScope::Background => f.write_str("background analysis"),
            AnalysisScope::Step(step) => write!(f, "analysis of step {}", step + 1),
        }
    }
}
