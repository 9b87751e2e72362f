//! The seam between planners and whatever runs instances.

use crate::{InstanceSpec, InstanceStatus};
use std::{future::Future, io, path::PathBuf, pin::Pin, time::Duration};
use tokio::sync::watch;

/// What a [`Target`] answers with later.
pub type TargetFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, TargetError>> + Send + 'a>>;

/// Runs instances. Every method is idempotent by instance id, so that a plan can be carried out twice.
pub trait Target: Send + Sync {
    /// Starts an instance; nothing happens when its id is known already, whatever became of it. A program that
    /// cannot be started is not an error of the target: it shows as
    /// [`CannotStart`](shipway_rollout::delivery::InstancePhase::CannotStart).
    fn start(&self, spec: InstanceSpec) -> TargetFuture<'_, ()>;

    /// Begins to stop an instance: TERM, and after `grace` KILL, to its whole process group. Returns at once.
    fn stop<'a>(&'a self, id: &'a str, grace: Duration) -> TargetFuture<'a, ()>;

    /// Removes an instance that has ended, and its log. Nothing happens when it runs or is not known.
    fn forget<'a>(&'a self, id: &'a str) -> TargetFuture<'a, ()>;

    /// How all instances are, in the order of their ids.
    fn observe(&self) -> Vec<InstanceStatus>;

    /// Changes whenever the answer of [`observe`](Target::observe) may have changed.
    fn watch(&self) -> watch::Receiver<u64>;
}

/// Why a target failed at something, apart from the instance's own faults.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct TargetError {
    /// What was being done.
    pub context: String,
    /// What went wrong.
    #[source]
    pub kind: TargetErrorKind,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum TargetErrorKind {
    /// A file or folder could not be used.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The system refused something about a process.
    #[error("the system refused to {what}")]
    Process {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// No port of this machine is free.
    #[error("no free port was found")]
    NoPort(#[source] io::Error),
}
