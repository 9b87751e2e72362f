//! Runs the jobs of a workflow: executors, steps, actions, commands, masks.
//!
//! [`drive`] carries a whole run: it commits every input of the run's state machine to a [`Journal`] and then does what
//! the machine asks for. [`run_job`] carries one job through an [`Executor`]. What happens meanwhile comes out as
//! [`Report`]s, already masked.

mod action;
mod again;
mod artifacts;
mod aside;
mod background;
mod beneath;
mod blocks;
mod breakpoint;
mod command;
#[cfg(test)]
mod conformance;
mod containers;
mod context;
#[cfg(feature = "docker")]
mod docker;
mod drive;
mod dummy;
mod env;
mod error;
mod executor;
mod filecommand;
mod glob;
mod groups;
mod hash_files;
mod head;
mod hooks;
mod host;
#[doc(hidden)]
pub mod hostile;
mod job;
mod journal;
mod lines;
mod listen;
mod log;
mod mask;
mod matcher;
mod names;
mod nodes;
mod opening;
pub mod pack;
mod place;
mod platform;
mod post;
mod process;
mod proxy;
mod reach;
mod remote;
mod report;
pub mod sandbox;
mod scope;
mod script;
mod services;
mod session;
mod shell;
mod sieve;
mod sight;
mod slots;
mod steps;
mod stop;
mod wants;
mod within;
mod work;

pub use artifacts::{Artifact, ArtifactError, ArtifactFolder, Artifacts, NewArtifact};
pub use breakpoint::{Break, Breaks, Broken, Decision, Request};
pub use containers::{EngineSettings, with_containers};
pub use context::{EnvironmentValues, Hooks, JobContext, NO_TOKEN, Repository, Revision};
#[cfg(feature = "docker")]
pub use docker::DockerExecutor;
pub use drive::drive;
pub use dummy::DummyExecutor;
pub use error::{ErrorKind, Part, RunnerError};
pub use executor::{
    BoxFuture, Chunk, CommandFileNames, ContainerNetwork, Ending, Executor, Finished, Folders, Hands,
    JobIdentity, Patience, Program, ProgramPlace, SCRIPT_ENV, Script, Streams, Terminal,
};
pub use filecommand::CommandFiles;
pub use groups::{Groups, Membership, NoTurn};
pub use host::{HostExecutor, sweep_places};
pub use job::{JobOutcome, run_job};
pub use journal::{Journal, MemoryJournal};
pub use mask::RunMasks;
pub use nodes::{MachineNode, PlacedNode};
pub use place::{ImageSource, Mount, Opened, OwnContainer, PathMap, Wants};
pub use platform::{Platform, Platforms};
pub use process::reap_orphans;
pub use remote::ActionStore;
pub use report::{Annotation, BreakNews, Culprit, Level, Report, ReportKind, WithinNews};
pub use services::{CachePlace, CacheRefusal, Door, FoundCache, JobServices, ServiceAccess};
pub use stop::Cancel;
