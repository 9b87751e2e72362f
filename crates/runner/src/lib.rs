//! Runs the jobs of a workflow: executors, steps, actions, commands, masks.
//!
//! [`drive`] carries a whole run: it commits every input of the run's state machine to a [`Journal`] and then does what
//! the machine asks for. [`run_job`] carries one job through an [`Executor`]. What happens meanwhile comes out as
//! [`Report`]s, already masked.

mod artifacts;
mod command;
#[cfg(test)]
mod conformance;
mod context;
mod error;
mod executor;
mod filecommand;
mod host;
mod journal;
mod lines;
mod mask;
pub mod pack;
mod process;
mod report;
mod session;

pub use artifacts::{ArtifactError, ArtifactFolder, Artifacts};
pub use context::{JobContext, Repository, Revision};
pub use error::{ErrorKind, RunnerError};
pub use executor::{
    BoxFuture, Chunk, Ending, Executor, Finished, Folders, JobIdentity, Patience, Program, Script,
};
pub use filecommand::CommandFiles;
pub use host::HostExecutor;
pub use journal::{Journal, MemoryJournal};
pub use process::reap_orphans;
pub use report::{Annotation, Level, Report, ReportKind};
