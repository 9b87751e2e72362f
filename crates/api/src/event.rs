//! What happened in a rollout, one fact after the other.

use serde::{Deserialize, Serialize};
use shipway_base::Timestamp;

/// One fact. `GET /api/v1/rollouts/{id}/events` lists them, and as `text/event-stream` follows them: the SSE id is
/// `seq`, the SSE event is `rollout`, and the last event of a rollout that is over is followed by the event `end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutEvent {
    /// Grows with every event of the rollout.
    pub seq: u64,
    /// When.
    #[serde(with = "crate::time")]
    pub at: Timestamp,
    /// What kind of fact.
    pub kind: RolloutEventKind,
    /// What happened, as one sentence that a list can show.
    pub text: String,
    /// The numbers behind it, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Who asked for it, when a person or a step did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What kind of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutEventKind {
    /// It began.
    Started,
    /// Something about an instance.
    Instance,
    /// A step was entered.
    Step,
    /// The router took a new split.
    Traffic,
    /// A judgement.
    Verdict,
    /// A person or a step asked for something.
    Command,
    /// It ended well.
    Promoted,
    /// It was taken back.
    RolledBack,
    /// It could not start.
    Failed,
    /// A newer release took its place.
    Superseded,
}
