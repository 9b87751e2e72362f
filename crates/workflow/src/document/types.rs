//! The types of the document model; those of jobs, steps and containers have files of their own.

mod container;
mod job;
mod step;

use super::Key;
use crate::{event::Trigger, expr::Template};
use indexmap::IndexMap;
use shipway_base::{Source, Span, Spanned};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) use container::SNAPSHOT_KEYS;
pub use container::{Container, ContainerMapping, ContainerSpec, Credentials, Items, Services};
pub use job::{CacheMode, CallJob, CallSecrets, Job, JobKind, StepsJob, WorkflowRef};
pub use step::{RunStep, Step, StepKind, Uses, UsesStep};

/// A workflow file, `.github/workflows/*.yml`.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// The text it was read from.
    pub source: Source,
    /// `name`: what people call it; the path of the file when absent.
    pub name: Option<Spanned<String>>,
    /// `description`.
    pub description: Option<Spanned<String>>,
    /// `run-name`: the title of one run.
    pub run_name: Option<Template>,
    /// `on`: the events that start it, in the order of the text.
    pub on: Vec<Trigger>,
    /// `permissions` of the job token, kept as written.
    pub permissions: Option<Permissions>,
    /// `env` of every step.
    pub env: Fields,
    /// `defaults.run` of every step.
    pub defaults: Defaults,
    /// `concurrency` of whole runs.
    pub concurrency: Option<Concurrency>,
    /// `cache-mode` of all jobs that have none of their own.
    pub cache_mode: Option<Spanned<CacheMode>>,
    /// `jobs` by id, in the order of the text. Ids are compared without case: see [`Workflow::job`].
    pub jobs: IndexMap<String, Arc<Job>>,
}

/// A mapping of names to texts (`env`, `with`), whose whole may also come from one expression.
#[derive(Clone, Debug)]
pub enum Fields {
    /// Written out, in the order of the text.
    Entries(Vec<(Spanned<String>, Template)>),
    /// Written out with keys among them that are expressions or `${{ insert }}`.
    Keyed(Vec<(Key, Template)>),
    /// `${{ ... }}`, which must give an object.
    Expression(Template),
}

/// A value that is written literally or comes from an expression when the job runs.
#[derive(Clone, Debug)]
pub enum Maybe<T> {
    /// Written literally.
    Literal(Spanned<T>),
    /// To be evaluated.
    Expression(Template),
}

/// `defaults.run`.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// `shell`.
    pub shell: Option<Template>,
    /// `working-directory`.
    pub working_directory: Option<Template>,
}

/// `runs-on`: one label or several, all of which the runner must have, and the group that it must belong to.
#[derive(Clone, Debug)]
pub struct RunsOn {
    /// The labels; a single one may be an expression that gives a list, or an object with `group` and `labels`. Empty
    /// only where there is a group.
    pub labels: Vec<Template>,
    /// `group`: the name of a group of runners.
    pub group: Option<Template>,
    /// Its place.
    pub span: Span,
}

/// `strategy`.
#[derive(Clone, Debug)]
pub struct Strategy {
    /// `matrix`.
    pub matrix: Option<StrategyMatrix>,
    /// `fail-fast`: whether a failed leg cancels the others; true when absent.
    pub fail_fast: Option<Maybe<bool>>,
    /// `max-parallel`: how many legs may run at once; all when absent.
    pub max_parallel: Option<Maybe<f64>>,
    /// The expression that gives all of it, in whose place nothing of the above is written.
    pub whole: Option<Template>,
    /// The whole block.
    pub span: Span,
}

/// `strategy.matrix`, not yet expanded.
#[derive(Clone, Debug)]
pub struct StrategyMatrix {
    /// The text as a tree of templates.
    pub tree: crate::matrix::Tree,
    /// Its place.
    pub span: Span,
}

/// `environment`.
#[derive(Clone, Debug)]
pub struct Environment {
    /// `name`.
    pub name: Template,
    /// `url`, evaluated when the job has ended.
    pub url: Option<Template>,
    /// `deployment`: whether a deployment is recorded; true when absent. No deployments are recorded here, so both
    /// values come to the same.
    pub deployment: Option<Maybe<bool>>,
    /// Whether `name` is the value of the key itself, so that an expression there may also give all three.
    pub whole: bool,
}

/// `concurrency`.
#[derive(Clone, Debug)]
pub struct Concurrency {
    /// `group`; compared without case.
    pub group: Template,
    /// `cancel-in-progress`; false when absent.
    pub cancel_in_progress: Option<Maybe<bool>>,
    /// `queue`; single when absent.
    pub queue: Option<Maybe<ConcurrencyQueue>>,
    /// Whether `group` is the value of the key itself, so that an expression there may also give all three.
    pub whole: bool,
}

/// `concurrency.queue`: how many may wait in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConcurrencyQueue {
    /// `single`, also when absent: the newest alone waits, and whoever waited before it is cancelled.
    #[default]
    Single,
    /// `max`: up to 100 wait, and the one that has waited longest comes next.
    Max,
}

/// `permissions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// `read-all`.
    ReadAll,
    /// `write-all`.
    WriteAll,
    /// Scope to `read`, `write` or `none`; a scope left out is `none`.
    Scopes(BTreeMap<String, String>),
}

/// An entry of `on.workflow_dispatch.inputs`.
#[derive(Clone, Debug)]
pub struct DispatchInput {
    /// The key.
    pub name: Spanned<String>,
    /// `description`.
    pub description: Option<String>,
    /// `required`.
    pub required: bool,
    /// `default`, as text; absent means empty, `false` or the first option by kind.
    pub default: Option<Spanned<String>>,
    /// `type`, with `options` of a choice.
    pub kind: InputKind,
}

/// `type` of a dispatch input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// `string`, also when absent.
    String,
    /// `boolean`.
    Boolean,
    /// `number`.
    Number,
    /// `environment`: the name of one.
    Environment,
    /// `choice` among `options`.
    Choice(Vec<String>),
}
