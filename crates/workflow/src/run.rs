//! The run state machine: which job may start when, and how the run ends.
//!
//! [`Run::apply`] is synchronous and pure: the same inputs at the same instants give the same state and the same effects, so
//! that a run is rebuilt after a crash by replaying the inputs that were committed.

mod types;

pub use types::{Conclusion, Effect, Effects, Input, JobKey, JobRequest, JobState, JobView, RunContext};
