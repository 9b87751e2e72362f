//! Rollouts: a release on its way to everyone, or back.

use crate::{ArmReport, PageQuery, ReleaseId, ReleaseRef, RolloutEvent, RolloutId, RunId, VerdictReport};
use serde::{Deserialize, Serialize};
use shipway_base::Timestamp;

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutPhase {
    /// On its way.
    Progressing,
    /// Waiting for a person, or for a pause to end.
    Paused,
    /// Traffic is being taken back.
    RollingBack,
    /// Everyone gets it.
    Promoted,
    /// It was taken back; everyone gets the version before.
    RolledBack,
    /// It could not start, and never had traffic.
    Failed,
    /// A newer release took its place.
    Superseded,
}

/// A rollout in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutSummary {
    /// The rollout.
    pub id: RolloutId,
    /// The service.
    pub service: String,
    /// What is being rolled out.
    pub release: ReleaseRef,
    /// What everyone got before; absent for the first release of a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ReleaseRef>,
    /// Where it stands.
    pub phase: RolloutPhase,
    /// How many steps are done.
    pub steps_done: u32,
    /// How many steps there are.
    pub steps: u32,
    /// The share of clients that get the new release, in hundredths of a percent: 10,000 is everyone.
    pub share: u32,
    /// One sentence on where it stands and why.
    pub headline: String,
    /// Whether it waits for a person.
    pub needs_you: bool,
    /// The run that deployed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// When it began.
    #[serde(with = "crate::time")]
    pub created_at: Timestamp,
    /// When it was over.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// `GET /api/v1/rollouts/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// As in lists.
    pub summary: RolloutSummary,
    /// The steps of its strategy.
    pub steps: Vec<RolloutStep>,
    /// Why it does not go on at this moment; empty when it does, and when it is over.
    pub waiting: Vec<WaitReason>,
    /// Who serves which share, as the router has it.
    pub split: TrafficSplit,
    /// What the known-good arm served since the rollout began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<ArmReport>,
    /// What the new arm served since the rollout began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<ArmReport>,
    /// The judgement so far; absent before the first traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictReport>,
    /// Its instances, and those of the version before while they still run or were kept for their logs.
    pub instances: Vec<InstanceReport>,
    /// The latest events, newest first; at most 50. [`RolloutEvent::seq`] pages through all.
    pub events: Vec<RolloutEvent>,
    /// What a person can do, and what each would do.
    pub commands: Vec<CommandOffer>,
    /// From the new release's first share of traffic to the analysis that decided, in milliseconds; absent while, and
    /// when, none decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_after_ms: Option<u64>,
}

/// Who serves which share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficSplit {
    /// What the router gives the new release now, in hundredths of a percent.
    pub canary: u32,
    /// What the present step asks for, in hundredths of a percent.
    pub wanted: u32,
    /// Why nothing is served at all, when the route is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
    /// Requests that failed because of the shifting itself. It should be zero.
    pub dropped: u64,
}

/// One step of the strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutStep {
    /// What it does.
    pub kind: StepKind,
    /// Where it stands.
    pub state: StepState,
    /// When it was entered.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<Timestamp>,
    /// When it was left.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub left_at: Option<Timestamp>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StepKind {
    /// Gives the new release a share.
    SetWeight {
        /// The share in hundredths of a percent.
        share: u32,
    },
    /// Waits.
    Pause {
        /// How long, in milliseconds; absent to wait for a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// Waits for a judgement.
    Analysis {
        /// The names of the templates.
        templates: Vec<String>,
    },
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Behind us.
    Done,
    /// The present one.
    Current,
    /// Ahead.
    Ahead,
    /// The one that was current when the rollout was taken back.
    Failed,
    /// Passed over, by a full promotion or after an end.
    Skipped,
}

/// Why a rollout does not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitReason {
    /// What it waits for, as one sentence with its numbers.
    pub text: String,
    /// When it will be looked at again by itself, when that is known.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// One running copy, or one that was kept for its logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// Unique over all time.
    pub id: String,
    /// The version it runs.
    pub version: String,
    /// Whether it runs the new release.
    pub canary: bool,
    /// How it is.
    pub health: InstanceHealth,
    /// What is known beyond that: the exit code, the last answer to the health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When it was started.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How often it was started again.
    pub restarts: u32,
    /// The last lines it wrote, at most 30.
    pub last_lines: Vec<String>,
}

/// How an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceHealth {
    /// Not ready yet.
    Starting,
    /// Serving.
    Ready,
    /// Its health check fails.
    Unhealthy,
    /// Finishing its requests.
    Draining,
    /// Being stopped.
    Stopping,
    /// Gone by itself.
    Exited,
    /// Stopped on purpose.
    Stopped,
}

/// `POST /api/v1/rollouts/{id}/{command}` with a [`CommandRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutCommand {
    /// Go on to the next step.
    Promote,
    /// Give the release to everyone now.
    PromoteFull,
    /// Hold at the present step.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Take traffic back to the version before.
    Abort,
    /// Begin again after an end that was not a promotion.
    Retry,
    /// Give everyone an earlier release.
    Undo,
}

/// The body of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRequest {
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For an undo: which release; else the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ReleaseId>,
    /// For a promotion: the step that it is to skip, from 1, which is [`RolloutSummary::steps_done`] and one; else whichever is
    /// the current one. So a request that is sent twice skips one step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
}

/// A command, and what it would do now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOffer {
    /// The command.
    pub command: RolloutCommand,
    /// What would happen, as one sentence with its from and to; or why it is not possible now.
    pub effect: String,
    /// Whether it is possible now.
    pub possible: bool,
}

/// `GET /api/v1/rollouts?...`: which rollouts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutQuery {
    /// Only of this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Only in this phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RolloutPhase>,
    /// Only those that are not over (`true`), or only those that are (`false`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<bool>,
    /// Which page.
    pub page: PageQuery,
}

impl RolloutPhase {
    /// Whether nothing more will happen by itself.
    pub fn is_over(self) -> bool {
        match self {
            RolloutPhase::Progressing | RolloutPhase::Paused | RolloutPhase::RollingBack => false,
            RolloutPhase::Promoted
            | RolloutPhase::RolledBack
            | RolloutPhase::Failed
            | RolloutPhase::Superseded => true,
        }
    }
}

impl RolloutCommand {
    /// All commands, in the order in which they are offered.
    pub const ALL: [RolloutCommand; 7] = [
        RolloutCommand::Promote,
        RolloutCommand::PromoteFull,
        RolloutCommand::Pause,
        RolloutCommand::Resume,
        RolloutCommand::Abort,
        RolloutCommand::Retry,
        RolloutCommand::Undo,
    ];

    /// Its segment in the URL.
    pub fn segment(self) -> &'static str {
        match self {
            RolloutCommand::Promote => "promote",
            RolloutCommand::PromoteFull => "promote-full",
            RolloutCommand::Pause => "pause",
            RolloutCommand::Resume => "resume",
            RolloutCommand::Abort => "abort",
            RolloutCommand::Retry => "retry",
            RolloutCommand::Undo => "undo",
        }
    }

    /// The command of a URL's segment.
    pub fn from_segment(segment: &str) -> Option<RolloutCommand> {
        RolloutCommand::ALL.into_iter().find(|command| command.segment() == segment)
    }
}
