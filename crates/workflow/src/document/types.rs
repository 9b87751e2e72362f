//! The types of the document model.

use crate::{
    event::Trigger,
    expr::{Condition, Template},
};
use indexmap::IndexMap;
use shipway_base::{Source, Span, Spanned};
use std::{collections::BTreeMap, sync::Arc};

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
    /// `jobs` by id, in the order of the text. Ids are compared without case: see [`Workflow::job`].
    pub jobs: IndexMap<String, Arc<Job>>,
}

/// `jobs.<id>`: steps that run one after the other on one machine.
#[derive(Clone, Debug)]
pub struct Job {
    /// The key under `jobs`.
    pub id: Spanned<String>,
    /// `name`: what people see; the id when absent.
    pub name: Option<Template>,
    /// `needs`: ids of jobs that must end first, spelled as those jobs spell themselves.
    pub needs: Vec<Spanned<String>>,
    /// `if`, with the implicit `success()`; `success()` alone when absent.
    pub condition: Condition,
    /// `strategy`.
    pub strategy: Option<Strategy>,
    /// `runs-on`.
    pub runs_on: RunsOn,
    /// `timeout-minutes`; 360 when absent.
    pub timeout_minutes: Option<Maybe<f64>>,
    /// `continue-on-error`: whether the run succeeds although this job fails.
    pub continue_on_error: Option<Maybe<bool>>,
    /// `env` of every step of the job.
    pub env: Fields,
    /// `environment`, a label here: nothing is protected by it yet.
    pub environment: Option<Environment>,
    /// `permissions` of the job token, kept as written.
    pub permissions: Option<Permissions>,
    /// `concurrency` of this job.
    pub concurrency: Option<Concurrency>,
    /// `outputs` in the order of the text, evaluated when the last step has ended.
    pub outputs: Vec<(Spanned<String>, Template)>,
    /// `defaults.run` of every step of the job.
    pub defaults: Defaults,
    /// `steps`.
    pub steps: Vec<Step>,
    /// The whole job.
    pub span: Span,
}

/// One entry of `steps`, of a job or of a composite action.
#[derive(Clone, Debug)]
pub struct Step {
    /// `id`, the key of the `steps` context.
    pub id: Option<Spanned<String>>,
    /// `name`.
    pub name: Option<Template>,
    /// `if`, with the implicit `success()`; `success()` alone when absent.
    pub condition: Condition,
    /// `env`.
    pub env: Fields,
    /// `continue-on-error`.
    pub continue_on_error: Option<Maybe<bool>>,
    /// `timeout-minutes`; only the job's limit applies when absent. Never present in a composite action.
    pub timeout_minutes: Option<Maybe<f64>>,
    /// `run` or `uses`.
    pub kind: StepKind,
    /// The whole step.
    pub span: Span,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// `run`: a script.
    Run(Box<RunStep>),
    /// `uses`: an action.
    Uses(Box<UsesStep>),
}

/// A step with `run`.
#[derive(Clone, Debug)]
pub struct RunStep {
    /// `run`: the script, its expressions filled in before a shell sees it.
    pub run: Template,
    /// `shell`. Always present in a composite action.
    pub shell: Option<Template>,
    /// `working-directory`, relative to the workspace.
    pub working_directory: Option<Template>,
}

/// A step with `uses`.
#[derive(Clone, Debug)]
pub struct UsesStep {
    /// Which action.
    pub uses: Spanned<Uses>,
    /// `with`: the action's inputs.
    pub with: Fields,
}

/// The value of `uses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uses {
    /// `./path`: a folder of the workspace.
    Local {
        /// The path as written, beginning with `./`.
        path: String,
    },
    /// `owner/repo/path@ref`.
    Repository {
        /// The account.
        owner: String,
        /// The repository.
        repo: String,
        /// The folder in it; empty for its root.
        path: String,
        /// The branch, tag or commit.
        reference: String,
    },
}

/// A mapping of names to texts (`env`, `with`), whose whole may also come from one expression.
#[derive(Clone, Debug)]
pub enum Fields {
    /// Written out, in the order of the text.
    Entries(Vec<(Spanned<String>, Template)>),
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

/// `runs-on`: one label or several, all of which the runner must have.
#[derive(Clone, Debug)]
pub struct RunsOn {
    /// The labels. A single one may be an expression that gives a list.
    pub labels: Vec<Template>,
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
}

/// `concurrency`.
#[derive(Clone, Debug)]
pub struct Concurrency {
    /// `group`; compared without case.
    pub group: Template,
    /// `cancel-in-progress`; false when absent.
    pub cancel_in_progress: Option<Maybe<bool>>,
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
