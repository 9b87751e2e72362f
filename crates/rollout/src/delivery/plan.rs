//! Plans: what will be recorded, what will be done, why, and when to look again.

use super::{AnalysisScope, Event, Release};
use shipway_base::{Share, Timestamp};
use shipway_traffic::{ArmName, Route};
use std::time::Duration;

/// What to do next. Commit `events` first, then carry out `actions` in order; each is idempotent, and an action that
/// was not carried out is planned again.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Plan {
    /// The state's version once the events are applied; orders plans of one delivery.
    pub generation: u64,
    /// What happened, to be committed before anything is done.
    pub events: Vec<Event>,
    /// What to do, in order.
    pub actions: Vec<Action>,
    /// Why the delivery stands where it stands, the most important first.
    pub reasons: Vec<Reason>,
    /// When to plan again if nothing is observed to change before; `None` when only a change can matter.
    pub wake: Option<Wake>,
}

/// When to plan again, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When.
    pub at: Timestamp,
    /// For what.
    pub why: String,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start an instance; nothing happens when the target knows it already.
    Start {
        /// Its id.
        instance: String,
        /// What it runs.
        release: Box<Release>,
    },
    /// Make the router obey this route.
    Route(Box<Route>),
    /// Stop an instance that the router no longer routes to.
    Stop {
        /// Its id.
        instance: String,
        /// How long it may take before it is killed.
        grace: Duration,
    },
    /// Forget an instance that has ended and is recorded.
    Forget {
        /// Its id.
        instance: String,
    },
}

/// Why the delivery stands where it stands. Pages, reports and records print the same value.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Nothing was ever deployed.
    NothingDeployed,
    /// The stable version serves everyone and nothing is under way.
    Steady {
        /// The version.
        version: String,
        /// Ready instances.
        ready: u32,
    },
    /// Instances are not ready yet.
    WaitsForInstances {
        /// The version.
        version: String,
        /// Ready instances.
        ready: u32,
        /// Wanted instances.
        wanted: u32,
        /// What they are wanted for: capacity for a share, or for all traffic.
        share: Share,
        /// When it is given up.
        deadline: Timestamp,
        /// The last answer to a health check, or the last failure.
        last: Option<String>,
    },
    /// The router does not serve the wanted split yet.
    WaitsForRouter {
        /// The wanted share.
        share: Share,
    },
    /// A pause step runs.
    Pausing {
        /// The step, from 0.
        step: usize,
        /// Until when; `None` waits for a person.
        until: Option<Timestamp>,
    },
    /// A person or an inconclusive analysis holds it.
    Held {
        /// Who or what, in words.
        cause: String,
        /// Since when.
        since: Timestamp,
    },
    /// An analysis has not got enough evidence.
    WaitsForEvidence {
        /// The background analysis or the step.
        analysis: AnalysisScope,
        /// What it says, in sentences; empty when it was not asked yet.
        words: Vec<String>,
    },
    /// An arm has fewer ready instances than it should.
    Degraded {
        /// The arm.
        arm: ArmName,
        /// The version.
        version: String,
        /// Ready instances.
        ready: u32,
        /// Wanted instances.
        wanted: u32,
    },
    /// An instance died and is replaced later.
    BackingOff {
        /// The version.
        version: String,
        /// Deaths in a row.
        deaths: u32,
        /// When the next is started.
        until: Timestamp,
    },
    /// No canary instance is ready, so that the stable version serves everyone for now.
    CanaryDown {
        /// The version on trial.
        version: String,
        /// The share that is set.
        share: Share,
    },
    /// No stable instance is ready, so that the version on trial serves everyone for now.
    StableDown {
        /// The stable version.
        version: String,
    },
    /// Nothing is ready: requests are refused.
    AllDown {
        /// The version that should serve.
        version: String,
    },
    /// The router may still send requests to a retired instance.
    StillRouted {
        /// The instance.
        instance: String,
    },
    /// A retired instance finishes its requests.
    Draining {
        /// The instance.
        instance: String,
        /// Requests under way.
        in_flight: u32,
        /// When it is stopped all the same.
        until: Timestamp,
    },
    /// A retired instance was told to stop and has not ended.
    Stopping {
        /// The instance.
        instance: String,
    },
    /// A version is being taken back.
    RollingBack {
        /// The version.
        version: String,
        /// Why.
        reason: String,
    },
    /// The last rollout is over.
    Ended {
        /// The version.
        version: String,
        /// How.
        outcome: super::Outcome,
        /// Why.
        reason: String,
    },
    /// An instance becomes unready and ready again.
    Flapping {
        /// The version.
        version: String,
        /// How often so far.
        times: u32,
    },
}

impl Reason {
    /// Whether it may be why a rollout stands where it stands; the others tell what else is known.
    pub fn explains(&self) -> bool {
        match self {
            Reason::Ended { .. }
            | Reason::Steady { .. }
            // It runs beside the steps and holds none up.
            | Reason::WaitsForEvidence { analysis: AnalysisScope::Background, .. } => false,
            Reason::NothingDeployed
            | Reason::WaitsForInstances { .. }
            | Reason::WaitsForRouter { .. }
            | Reason::Pausing { .. }
            | Reason::Held { .. }
            | Reason::WaitsForEvidence { analysis: AnalysisScope::Step(_), .. }
            | Reason::Degraded { .. }
            | Reason::BackingOff { .. }
            | Reason::CanaryDown { .. }
            | Reason::StableDown { .. }
            | Reason::AllDown { .. }
            | Reason::StillRouted { .. }
            | Reason::Draining { .. }
            | Reason::Stopping { .. }
            | Reason::RollingBack { .. }
            | Reason::Flapping { .. } => true,
        }
    }
}
