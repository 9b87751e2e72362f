//! What happened to a delivery; the only thing that changes its state.

use super::{Exit, HealthResponse, Release, Report, Rollout, RolloutKind};
use shipway_analysis::Evidence;
use shipway_base::{Id, Share};
use std::time::Duration;

/// What happened. Stores keep these; applying them again in order gives the same state.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A rollout began. An unfinished one was finished by an event before this.
    RolloutStarted {
        /// The rollout.
        rollout: Id<Rollout>,
        /// What is rolled out.
        release: Box<Release>,
        /// Which way it goes.
        kind: RolloutKind,
        /// Who or what asked for it.
        by: String,
    },
    /// A step began. The index after the last step stands for the promotion: all instances, then all traffic.
    StepEntered {
        /// The step, from 0.
        step: usize,
        /// How the one before ended.
        because: StepEnd,
        /// For an analysis step: what had been counted when it began.
        baseline: Option<Box<Evidence>>,
    },
    /// The share of the version on trial was set.
    WeightSet {
        /// The share.
        share: Share,
    },
    /// The rollout stopped going forward; weights stay.
    Paused {
        /// Why.
        cause: PauseCause,
    },
    /// A person let the rollout go on.
    Resumed {
        /// Who.
        by: String,
    },
    /// A person ordered all remaining steps to be skipped.
    FullyPromoted {
        /// Who.
        by: String,
    },
    /// The version on trial was given up: it gets no traffic from here on.
    Aborted {
        /// Why.
        cause: AbortCause,
        /// The numbers behind it, in sentences.
        words: Vec<String>,
    },
    /// The version on trial is the stable one now, and the one before is being retired.
    Promoted {
        /// The numbers of the last satisfied analysis, in sentences.
        words: Vec<String>,
    },
    /// The rollout is over. Nothing about it changes any more.
    Finished {
        /// What it came to.
        report: Box<Report>,
    },
    /// The router was seen to count in an epoch for the first time.
    CountingBegan {
        /// The epoch.
        epoch: u64,
    },
    /// The router's counts were lost, usually by a restart; counting began anew.
    EvidenceLost {
        /// The new epoch.
        epoch: u64,
        /// Why.
        reason: String,
        /// What had been counted, as far as it was saved.
        known: Option<Box<Evidence>>,
    },
    /// An instance was asked for.
    InstanceRequested {
        /// Its id, unique over all time.
        instance: String,
        /// The release it runs.
        release: Id<Release>,
    },
    /// An instance passed its health checks.
    InstanceReady {
        /// Its id.
        instance: String,
    },
    /// An instance that was ready fails its health checks; it gets no new requests.
    InstanceUnready {
        /// Its id.
        instance: String,
        /// The last answer.
        health: Option<HealthResponse>,
    },
    /// An instance failed for good; it will be replaced or its version given up.
    InstanceFailed {
        /// Its id.
        instance: String,
        /// How.
        failure: Box<Failure>,
    },
    /// The router sends nothing new to a retired instance any more; it finishes what it has.
    InstanceDraining {
        /// Its id.
        instance: String,
    },
    /// A retired instance has ended.
    InstanceStopped {
        /// Its id.
        instance: String,
    },
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// The router serves the wanted share.
    WeightReached {
        /// The share.
        share: Share,
    },
    /// The pause is over.
    PauseElapsed {
        /// How long it was.
        duration: Duration,
    },
    /// The analysis is satisfied.
    Healthy {
        /// The numbers, in sentences.
        words: Vec<String>,
    },
    /// A person skipped it.
    Skipped {
        /// Who.
        by: String,
    },
}

/// Why a rollout stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PauseCause {
    /// A person said so.
    By {
        /// Who.
        by: String,
    },
    /// An analysis ended without an answer.
    Inconclusive {
        /// The metric.
        metric: String,
        /// The numbers, in sentences.
        words: Vec<String>,
    },
}

/// Why a version was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AbortCause {
    /// A person said so.
    By {
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// An analysis found it worse.
    Regressed {
        /// The background analysis or a step, in words.
        analysis: String,
        /// The metric.
        metric: String,
        /// One sentence with the numbers.
        reason: String,
    },
    /// Its instances keep dying.
    CrashLoop {
        /// Deaths in a row.
        deaths: u32,
    },
    /// No instance of it ever passed a health check in time.
    NeverReady {
        /// The time it had.
        within: Duration,
    },
    /// It cannot be started at all.
    CannotStart {
        /// Why.
        reason: String,
    },
    /// It made no progress for too long.
    ProgressDeadline {
        /// The deadline.
        deadline: Duration,
        /// Ready instances.
        ready: u32,
        /// Wanted instances.
        wanted: u32,
    },
}

/// How an instance failed: everything one wants to see first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub kind: FailureKind,
    /// The last answer to a health check.
    pub health: Option<HealthResponse>,
    /// The last lines it wrote.
    pub last_lines: Vec<String>,
    /// How long it had been ready.
    pub ready_for: Duration,
}

/// What happened to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It ended by itself.
    Exited(Exit),
    /// It could not be started.
    CannotStart {
        /// Why.
        reason: String,
    },
    /// It was never ready within the start timeout.
    NeverReady {
        /// The start timeout.
        within: Duration,
    },
    /// It stopped being healthy and did not recover within the start timeout.
    Unhealthy {
        /// How long it was unhealthy.
        lasted: Duration,
    },
    /// Its target knows nothing of it any more.
    Lost,
}
