//! What a finished rollout came to.

use super::{AbortCause, Delivery, Event, Failure, Phase, Release, Rollout};
use shipway_analysis::Evidence;
use shipway_base::{Digest, Id, Share, Timestamp};
use std::{collections::BTreeMap, fmt, time::Duration};

/// What a finished rollout came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The rollout.
    pub rollout: Id<Rollout>,
    /// The release.
    pub release: Id<Release>,
    /// Its version as people call it.
    pub version: String,
    /// Its artifact.
    pub digest: Digest,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, as one sentence.
    pub reason: String,
    /// The numbers behind it, in sentences.
    pub words: Vec<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The largest share it served.
    pub largest_share: Share,
    /// From its first request share to the verdict that decided; `None` when no analysis decided.
    pub verdict_after: Option<Duration>,
    /// What the version on trial served.
    pub canary: ArmReport,
    /// What the stable version served beside it.
    pub stable: ArmReport,
    /// Its instances that failed, the latest last, at most 10.
    pub failures: Vec<Failure>,
    /// How often its instances became unready and were not failing for good.
    pub flaps: u32,
    /// How often the router's counts were lost on the way.
    pub evidence_lost: u32,
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It is the stable version.
    Promoted,
    /// It served, or was to serve, beside a stable version, and was taken back.
    RolledBack,
    /// It never got ready, so that nobody was served by it.
    Failed,
    /// A newer release took its place.
    Superseded,
}

/// What one arm served during a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArmReport {
    /// Requests.
    pub requests: u64,
    /// Failed requests.
    pub errors: u64,
    /// Clients, as far as they were counted.
    pub clients: u64,
    /// Failures by cause.
    pub causes: BTreeMap<String, u64>,
    /// Latency quantiles of the last epoch in microseconds: p50, p95, p99.
    pub latency_us: [u64; 3],
}

impl Report {
    /// The event that ends a rollout. The evidence must be of the present epoch.
    pub(super) fn finished(
        rollout: &Rollout,
        outcome: Outcome,
        reason: String,
        words: Vec<String>,
        evidence: Option<&Evidence>,
        now: Timestamp,
    ) -> Event {
        let (mut canary, mut stable) = rollout.served_before.clone();
        if let (Some(evidence), Some(_)) = (evidence, rollout.exposure) {
            canary.add(&evidence.canary);
            stable.add(&evidence.stable);
        }
        let verdict_after = match (&rollout.verdict, rollout.exposure) {
            (Some((at, _)), Some(exposure)) => Some(at.since(exposure.since)),
            (Some(_), None) | (None, _) => None,
        };
        let report = Report {
            rollout: rollout.id,
            release: rollout.release.id,
            version: rollout.release.version.clone(),
            digest: rollout.release.digest,
            outcome,
            reason,
            words,
            started_at: rollout.started_at,
            finished_at: now,
            largest_share: rollout.largest_share,
            verdict_after,
            canary,
            stable,
            failures: rollout.failures.clone(),
            flaps: rollout.flaps,
            evidence_lost: rollout.evidence_lost,
        };
        Event::Finished { report: Box::new(report) }
    }

    /// The event that ends a rollout that was given up.
    ///
    /// It counts as rolled back when somebody was served by it or a person stopped it, and as failed when it never got
    /// that far or nothing is there to go back to.
    pub(super) fn after_abort(
        delivery: &Delivery,
        rollout: &Rollout,
        evidence: Option<&Evidence>,
        now: Timestamp,
    ) -> Event {
        let (reason, words, by_person) = match &rollout.phase {
            Phase::RollingBack { cause, words, .. } => {
                (cause.to_string(), words.clone(), matches!(cause, AbortCause::By { .. }))
            }
            Phase::Step { .. } | Phase::Promoting { .. } | Phase::Finished { .. } => {
                ("given up".to_owned(), Vec::new(), false)
            }
        };
        let served = rollout.exposure.is_some() || by_person;
        let outcome = if delivery.stable.is_some() && served { Outcome::RolledBack } else { Outcome::Failed };
        Report::finished(rollout, outcome, reason, words, evidence, now)
    }
}

impl ArmReport {
    /// Adds the totals of an epoch.
    pub fn add(&mut self, totals: &shipway_analysis::ArmTotals) {
        self.requests += totals.requests;
        self.errors += totals.failures;
        self.clients += totals.clients;
        for (cause, count) in &totals.causes {
            *self.causes.entry(cause.clone()).or_default() += count;
        }
        if totals.requests > 0 {
            self.latency_us = totals.latency_us();
        }
    }
}

impl Outcome {
    /// The name in reports: `promoted`, `rolled_back`, `failed` or `superseded`.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Promoted => "promoted",
            Outcome::RolledBack => "rolled_back",
            Outcome::Failed => "failed",
            Outcome::Superseded => "superseded",
        }
    }
}

impl Outcome {
    /// What happened to the version, as the end of a sentence: `was promoted`, `failed` and so on.
    pub fn verb(self) -> &'static str {
        match self {
            Outcome::Promoted => "was promoted",
            Outcome::RolledBack => "was rolled back",
            Outcome::Failed => "failed",
            Outcome::Superseded => "was superseded",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Promoted => "promoted",
            Outcome::RolledBack => "rolled back",
            Outcome::Failed => "failed",
            Outcome::Superseded => "superseded",
        })
    }
}
