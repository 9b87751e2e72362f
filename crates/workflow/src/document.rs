//! The workflow file as a typed value that remembers where everything stands.
//!
//! Types and fields are named as in GitHub's "Workflow syntax for GitHub Actions". Expressions are parsed here, once,
//! with the contexts that GitHub allows at each place, so that a run never meets a syntax error.

mod call;
mod constant;
mod container_eval;
mod containers;
mod fields;
mod job;
mod keyed;
mod read;
mod reader;
mod step;
mod types;
mod uses;
mod values;

pub(crate) use keyed::Entries;
pub use keyed::Key;
pub(crate) use reader::{Reader, scalar_value};
pub(crate) use step::{Home, read_steps};
pub use types::{
    CacheMode, CallJob, CallSecrets, Concurrency, ConcurrencyQueue, Container, ContainerMapping,
    ContainerSpec, Credentials, Defaults, DispatchInput, Environment, Fields, InputKind, Items, Job, JobKind,
    Maybe, Permissions, RunStep, RunsOn, Services, Step, StepKind, StepsJob, Strategy, StrategyMatrix, Uses,
    UsesStep, Workflow, WorkflowRef,
};
