//! Rows of a delivery: the events of one service, and evidence saved beside them.

use super::stored::{Specs, Stored, Tagged as _, stored};
use crate::{NewEvent, Result};
use serde::{Deserialize, Serialize};
use shipway_analysis::Evidence;
use shipway_base::{Digest, Id, Share, Source, Timestamp};
use shipway_rollout::delivery::{
    AbortCause, ArmReport, Event, Exit, Failure, FailureKind, HealthResponse, Outcome, PauseCause, Release,
    Report, Rollout, RolloutKind, StepEnd,
};
use std::{collections::BTreeMap, time::Duration};

/// The stream of a service's events.
pub fn stream(service: &str) -> String {
    format!("delivery/{service}")
}

/// The event to append.
pub fn encode(event: &Event) -> Result<NewEvent> {
    let row = event.store();
    let kind = format!("delivery.{}", row.word());
    let data = super::encode(&kind, &row)?;
    Ok(NewEvent { kind, data })
}

/// The event in a stored row; `kind` is only named in errors.
pub fn decode(kind: &str, data: &[u8], specs: &mut Specs) -> Result<Event> {
    Event::restore(super::decode(kind, data)?, specs)
}

/// The bytes of evidence.
pub fn encode_evidence(evidence: &Evidence) -> Result<Vec<u8>> {
    super::encode("evidence", &evidence.store())
}

/// The evidence in stored bytes.
pub fn decode_evidence(data: &[u8]) -> Result<Evidence> {
    Evidence::restore(super::decode("evidence", data)?, &mut Specs::new())
}

stored! {
    enum EventRow = Event {
        "rollout_started" RolloutStarted { rollout: Id<Rollout>, release: Box<Release>, kind: RolloutKind, by: String }
        "step_entered" StepEntered { step: usize, because: StepEnd, baseline: Option<Box<Evidence>> }
        "weight_set" WeightSet { share: Share }
        "paused" Paused { cause: PauseCause }
        "resumed" Resumed { by: String }
        "fully_promoted" FullyPromoted { by: String }
        "aborted" Aborted { cause: AbortCause, words: Vec<String> }
        "promoted" Promoted { words: Vec<String> }
        "finished" Finished { report: Box<Report> }
        "counting_began" CountingBegan { epoch: u64 }
        "evidence_lost" EvidenceLost { epoch: u64, reason: String, known: Option<Box<Evidence>> }
        "instance_requested" InstanceRequested { instance: String, release: Id<Release> }
        "instance_ready" InstanceReady { instance: String }
        "instance_unready" InstanceUnready { instance: String, health: Option<HealthResponse> }
        "instance_failed" InstanceFailed { instance: String, failure: Box<Failure> }
        "instance_draining" InstanceDraining { instance: String }
        "instance_stopped" InstanceStopped { instance: String }
    }
}

stored! {
    enum RolloutKindRow = RolloutKind {
        "first" First {}
        "canary" Canary {}
        "undo" Undo {}
    }
}

stored! {
    enum StepEndRow = StepEnd {
        "weight_reached" WeightReached { share: Share }
        "pause_elapsed" PauseElapsed { duration: Duration }
        "healthy" Healthy { words: Vec<String> }
        "skipped" Skipped { by: String }
    }
}

stored! {
    enum PauseCauseRow = PauseCause {
        "by" By { by: String }
        "inconclusive" Inconclusive { metric: String, words: Vec<String> }
    }
}

stored! {
    enum AbortCauseRow = AbortCause {
        "by" By { by: String, reason: Option<String> }
        "regressed" Regressed { analysis: String, metric: String, reason: String }
        "crash_loop" CrashLoop { deaths: u32 }
        "never_ready" NeverReady { within: Duration }
        "cannot_start" CannotStart { reason: String }
        "progress_deadline" ProgressDeadline { deadline: Duration, ready: u32, wanted: u32 }
    }
}

stored! {
    enum OutcomeRow = Outcome {
        "promoted" Promoted {}
        "rolled_back" RolledBack {}
        "failed" Failed {}
        "superseded" Superseded {}
    }
}

stored! {
    struct FailureRow = Failure {
        kind: FailureKind,
        health: Option<HealthResponse>,
        last_lines: Vec<String>,
        ready_for: Duration,
    }
    struct HealthRow = HealthResponse {
        at: Timestamp,
        status: Option<u16>,
        text: String,
        healthy: bool,
    }
    struct ReportRow = Report {
        rollout: Id<Rollout>,
        release: Id<Release>,
        version: String,
        digest: Digest,
        outcome: Outcome,
        reason: String,
        words: Vec<String>,
        started_at: Timestamp,
        finished_at: Timestamp,
        largest_share: Share,
        verdict_after: Option<Duration>,
        canary: ArmReport,
        stable: ArmReport,
        failures: Vec<Failure>,
        flaps: u32,
        evidence_lost: u32,
    }
    struct ArmReportRow = ArmReport {
        requests: u64,
        errors: u64,
        clients: u64,
        causes: BTreeMap<String, u64>,
        latency_us: [u64; 3],
    }
}

/// How an instance failed; the exit is beside the kind because variants here have named fields.
#[derive(Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum FailureKindRow {
    Exited { exit: ExitRow },
    CannotStart { reason: String },
    NeverReady { within: u64 },
    Unhealthy { lasted: u64 },
    Lost,
}

/// How a process ended.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExitRow {
    Code(i32),
    Signal(i32),
    Unknown,
}

/// A release with the text of its documents.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredRelease {
    id: Id<Release>,
    version: String,
    digest: Digest,
    service: String,
    spec_name: String,
    spec: String,
}

impl Stored for FailureKind {
    type Row = FailureKindRow;

    fn store(&self) -> FailureKindRow {
        match self {
            FailureKind::Exited(exit) => FailureKindRow::Exited {
                exit: match exit {
                    Exit::Code(code) => ExitRow::Code(*code),
                    Exit::Signal(signal) => ExitRow::Signal(*signal),
                    Exit::Unknown => ExitRow::Unknown,
                },
            },
            FailureKind::CannotStart { reason } => FailureKindRow::CannotStart { reason: reason.clone() },
            FailureKind::NeverReady { within } => FailureKindRow::NeverReady { within: within.store() },
            FailureKind::Unhealthy { lasted } => FailureKindRow::Unhealthy { lasted: lasted.store() },
            FailureKind::Lost => FailureKindRow::Lost,
        }
    }

    fn restore(row: FailureKindRow, specs: &mut Specs) -> Result<FailureKind> {
        Ok(match row {
            FailureKindRow::Exited { exit } => FailureKind::Exited(match exit {
                ExitRow::Code(code) => Exit::Code(code),
                ExitRow::Signal(signal) => Exit::Signal(signal),
                ExitRow::Unknown => Exit::Unknown,
            }),
            FailureKindRow::CannotStart { reason } => FailureKind::CannotStart { reason },
            FailureKindRow::NeverReady { within } => {
                FailureKind::NeverReady { within: Stored::restore(within, specs)? }
            }
            FailureKindRow::Unhealthy { lasted } => {
                FailureKind::Unhealthy { lasted: Stored::restore(lasted, specs)? }
            }
            FailureKindRow::Lost => FailureKind::Lost,
        })
    }
}

impl Stored for Release {
    type Row = StoredRelease;

    fn store(&self) -> StoredRelease {
        StoredRelease {
            id: self.id,
            version: self.version.clone(),
            digest: self.digest,
            service: self.spec.service.name.value.clone(),
            spec_name: self.spec.source.name.to_string(),
            spec: self.spec.source.text.to_string(),
        }
    }

    fn restore(row: StoredRelease, specs: &mut Specs) -> Result<Release> {
        let spec = specs.get(Source::new(row.spec_name, row.spec), row.service)?;
        Ok(Release { id: row.id, version: row.version, digest: row.digest, spec })
    }
}
