//! The workflow file as a typed value that remembers where everything stands.
//!
//! Types and fields are named as in GitHub's "Workflow syntax for GitHub Actions". Expressions are parsed here, once,
//! with the contexts that GitHub allows at each place, so that a run never meets a syntax error.

mod containers;
mod fields;
mod job;
mod read;
mod reader;
mod step;
mod types;
mod uses;
mod values;

pub(crate) use reader::{Reader, scalar_value};
pub(crate) use step::{Home, read_steps};
pub use types::{
    Concurrency, Defaults, DispatchInput, Environment, Fields, InputKind, Job, Maybe, Permissions, RunStep,
    RunsOn, Step, StepKind, Strategy, StrategyMatrix, Uses, UsesStep, Workflow,
};
