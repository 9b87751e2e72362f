//! Where releases run: local processes with ports, health checks and logs.
//!
//! A [`Target`] starts and stops instances by id and says how they are; it decides nothing. Local processes are the
//! first one; containers and clusters are to be others behind the same trait.

mod instance;
pub mod process;
mod target;

pub use instance::{InstanceSpec, InstanceStatus};
pub use process::ProcessTarget;
pub use target::{Target, TargetError, TargetErrorKind, TargetFuture};
