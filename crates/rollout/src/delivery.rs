//! One service's way from one version to the next: the aggregate, its events and its planner.
//!
//! A command is decided against the state into events ([`decide`]); events make the next state
//! ([`Delivery::evolve`]); the state, what is observed, and the time make a plan ([`plan`]). The plan's events are
//! committed first and its actions are carried out after, so that a crash between the two loses nothing: the next
//! plan of the same state asks for the same actions again.

mod command;
mod decide;
mod event;
mod evolve;
mod looks;
mod observed;
mod plan;
mod planner;
mod release;
mod report;
mod state;
mod words;

pub use command::{Command, Decided, Refusal};
pub use decide::decide;
pub use event::{AbortCause, Event, Failure, FailureKind, PauseCause, StepEnd};
pub use looks::{Analysis, Looks};
pub use observed::{
    AnalysisKey, AnalysisScope, Exit, HealthResponse, InstancePhase, Judged, Observed, ObservedInstance,
};
pub use plan::{Action, Plan, Reason, Wake};
pub use planner::{plan, replicas_for, route};
pub use release::{Release, Spec};
pub use report::{ArmReport, Outcome, Report};
pub use state::{Crashes, Delivery, Exposure, Instance, Phase, Promoted, Rollout, RolloutKind, Stage};
