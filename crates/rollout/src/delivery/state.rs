//! The state of a delivery: what the events so far amount to.

use super::{AbortCause, ArmReport, Failure, PauseCause, Release, Report};
use shipway_analysis::Evidence;
use shipway_base::{Id, Share, Timestamp};
use std::collections::BTreeMap;

/// One service's delivery.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delivery {
    /// The service's name.
    pub service: String,
    /// Events applied so far; the generation of plans.
    pub version: u64,
    /// The version that is known to be good.
    pub stable: Option<Release>,
    /// Releases that were stable before, the latest last, at most 10.
    pub history: Vec<Promoted>,
    /// The rollout under way, or the last one.
    pub rollout: Option<Rollout>,
    /// Every instance that was asked for and has not ended, by id.
    pub instances: BTreeMap<String, Instance>,
    /// Deaths of instances in a row, by release.
    pub crashes: BTreeMap<Id<Release>, Crashes>,
    /// The epoch of the evidence; grows with each rollout and with each loss of evidence.
    pub epoch: u64,
    /// The number of instances ever asked for, from which ids are made.
    pub requested: u64,
}

/// A release that was stable.
#[derive(Clone, Debug, PartialEq)]
pub struct Promoted {
    /// The release.
    pub release: Release,
    /// Since when it was stable.
    pub at: Timestamp,
}

/// One attempt to bring one release live.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// Unique over all time; its text is the salt of the buckets.
    pub id: Id<Rollout>,
    /// What is rolled out.
    pub release: Release,
    /// Which way it goes.
    pub kind: RolloutKind,
    /// Who or what asked for it.
    pub by: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Where it stands.
    pub phase: Phase,
    /// The last step that it entered, from 0; where it was when it was taken back.
    pub reached: usize,
    /// The share that is set; what is routed may be less while no instance is ready.
    pub share: Share,
    /// The largest share so far.
    pub largest_share: Share,
    /// When it first served, and in which epochs.
    pub exposure: Option<Exposure>,
    /// Grows when a person lets an inconclusive analysis begin anew.
    pub attempt: u32,
    /// When a person last did so.
    pub renewed_at: Option<Timestamp>,
    /// What holds it, if anything does.
    pub paused: Option<(PauseCause, Timestamp)>,
    /// Since when it has made no progress with its instances.
    pub progress_at: Timestamp,
    /// Whether an instance of it was ever ready.
    pub was_ready: bool,
    /// When an analysis was last decisive, and its words.
    pub verdict: Option<(Timestamp, Vec<String>)>,
    /// What was served in epochs that are over: canary, stable.
    pub served_before: (ArmReport, ArmReport),
    /// Failed instances, the latest last, at most 10.
    pub failures: Vec<Failure>,
    /// How often its instances became unready.
    pub flaps: u32,
    /// How often the router's counts were lost.
    pub evidence_lost: u32,
}

/// Which way a rollout goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutKind {
    /// There is no stable version yet: straight to full weight once all instances are ready.
    First,
    /// By the steps of the strategy.
    Canary,
    /// Back to a release that was stable before: all instances, then all traffic, without steps.
    Undo,
}

/// Where a rollout stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// In a step of the strategy.
    Step {
        /// The step, from 0.
        index: usize,
        /// Since when.
        entered_at: Timestamp,
        /// For an analysis step: what had been counted when it began.
        baseline: Option<Box<Evidence>>,
    },
    /// All steps are done: all instances, then all traffic.
    Promoting {
        /// Since when.
        entered_at: Timestamp,
        /// Who ordered the remaining steps to be skipped; then analyses are not asked any more.
        full: Option<String>,
    },
    /// Given up; its instances finish their requests and stop.
    RollingBack {
        /// Since when.
        since: Timestamp,
        /// Why.
        cause: AbortCause,
        /// The numbers behind it, in sentences.
        words: Vec<String>,
    },
    /// It became the stable version, or was given up and is gone, or a newer release took its place.
    Finished {
        /// What it came to.
        report: Box<Report>,
    },
}

/// When a version on trial first served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// When its first weight was set.
    pub since: Timestamp,
    /// The epoch in which the router was seen to count; when it is seen without that epoch later, its counts are lost.
    pub counting: Option<u64>,
}

/// One instance that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// The release it runs.
    pub release: Id<Release>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// How far it is.
    pub stage: Stage,
    /// How often it became unready.
    pub flaps: u32,
}

/// How far an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has not been ready yet.
    Starting,
    /// It is ready.
    Ready {
        /// Since when.
        since: Timestamp,
    },
    /// It was ready and fails its health checks.
    Unready {
        /// Since when.
        since: Timestamp,
        /// How long it had been ready before.
        ready_for: std::time::Duration,
    },
    /// It is not wanted any more: it leaves the route, finishes its requests, and is stopped.
    Retired {
        /// Since when it has been out of the route, with its drain timeout running; `None` while the router may still
        /// send requests to it.
        draining_since: Option<Timestamp>,
    },
}

/// Deaths in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crashes {
    /// How many.
    pub in_a_row: u32,
    /// The last one.
    pub last: Timestamp,
}
