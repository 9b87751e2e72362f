//! Wire types of the HTTP API.
//!
//! Everything under `/api/v1` is said with these types, and nothing else of the system is serialised to a client:
//! instants are RFC 3339 texts, ids are texts of digits, durations are
//! whole milliseconds, and an error is a [`Problem`]. Adding a field is a compatible change; readers ignore fields
//! they do not know. [`request`] builds the requests of a client without sending them.

mod event;
mod evidence;
mod id;
mod lint;
mod log;
mod page;
mod problem;
mod release;
pub mod request;
mod rollout;
mod run;
mod sarif;
mod system;
pub mod time;
mod value;
mod workflow;

pub use event::{RolloutEvent, RolloutEventKind};
pub use evidence::{
    ArmReport, ArmSide, Decision, EvidencePoint, Exposure, MetricOutcome, MetricReport, Needed, Ratio,
    SignalKind, SignalReport, VerdictReport,
};
pub use id::{IdError, JobKey, JobKeyError, ReleaseId, RolloutId, RunId};
pub use lint::{LintEdit, LintFinding, LintFix, LintPlace, LintReport};
pub use log::{LineKind, LogGroup, LogLine, LogMatch, LogMatches, LogPage, LogSearch, RawLine};
pub use page::{Page, PageQuery};
pub use problem::{Problem, codes};
pub use release::{DeployRequest, Deployed, Release, ReleaseRef};
pub use rollout::{
    CommandOffer, CommandRequest, InstanceHealth, InstanceReport, Rollout, RolloutCommand, RolloutPhase,
    RolloutQuery, RolloutStep, RolloutSummary, StepKind, StepState, TrafficSplit, WaitReason,
};
pub use run::{
    Annotation, AnnotationLevel, Artifact, Commit, Conclusion, Culprit, Failure, Job, RerunRequest, Run,
    RunAction, RunQuery, RunSummary, Status, Step, Usual,
};
pub use sarif::{
    SarifArtifactChange, SarifArtifactLocation, SarifConfiguration, SarifDriver, SarifFix, SarifLocation,
    SarifLog, SarifPhysicalLocation, SarifRegion, SarifReplacement, SarifResult, SarifRule, SarifRun,
    SarifText, SarifTool,
};
pub use system::{Health, HookOutcome, SignInLink, Version};
pub use value::{NamedValue, NamedValues, SetValue, ValueKind};
pub use workflow::{
    DispatchRequest, Workflow, WorkflowInput, WorkflowInputKind, WorkflowSchedule, Workflows,
};
