//! One entry of `steps`.

use super::{Fields, Maybe};
use crate::expr::{Condition, Template};
use shipway_base::{Span, Spanned};

/// One entry of `steps`, of a job or of a composite action.
#[derive(Clone, Debug)]
pub struct Step {
    /// `id`, the key of the `steps` context.
    pub id: Option<Spanned<String>>,
    /// `name`.
    pub name: Option<Template>,
    /// `if`, with the implicit `success()`; `success()` alone when absent. Steps that wait or cancel have none and run
    /// whatever happened before them: theirs is `always()`.
    pub condition: Condition,
    /// `env`; of `run` and `uses` only.
    pub env: Fields,
    /// `continue-on-error`.
    pub continue_on_error: Option<Maybe<bool>>,
    /// `timeout-minutes`; only the job's limit applies when absent. Never present in a composite action.
    pub timeout_minutes: Option<Maybe<f64>>,
    /// `background`: the next step begins without waiting for this one. At most 10 such steps of a job run at once,
    /// later ones wait for a place. Only `run` and `uses` of a job can have it.
    pub background: bool,
    /// What it does.
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
    /// `wait`: waits for the background steps with these ids, which are those of earlier steps.
    Wait(Vec<Spanned<String>>),
    /// `wait-all`: waits for all background steps before it.
    WaitAll,
    /// `cancel`: stops the background step with this id, which is that of an earlier step.
    Cancel(Spanned<String>),
    /// `parallel`: its `run` and `uses` steps all at once, and a wait for all of them.
    Parallel(Vec<Step>),
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
    /// `$/path`: a folder of the repository and commit that the file with this step comes from, whatever the
    /// workspace holds.
    SelfRepository {
        /// The folder in it; empty for its root.
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
    /// `docker://image`.
    Docker {
        /// The image, without `docker://`.
        image: String,
    },
}

impl Step {
    /// The step and, for a `parallel` one, the steps within it.
    pub fn with_inner(&self) -> impl Iterator<Item = &Step> {
        let inner = match &self.kind {
            StepKind::Parallel(steps) => steps.as_slice(),
            StepKind::Run(_)
            | StepKind::Uses(_)
            | StepKind::Wait(_)
            | StepKind::WaitAll
            | StepKind::Cancel(_) => &[],
        };
        std::iter::once(self).chain(inner)
    }
}
