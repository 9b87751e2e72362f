//! `jobs.<id>`: steps on a machine, or a call of another workflow.

use super::{
    Concurrency, Container, Defaults, Environment, Fields, Maybe, Permissions, RunsOn, Services, Step,
    Strategy,
};
use crate::{
    expr::{Condition, Scope, Template, Value},
    matrix::Leg,
};
use shipway_base::{Diagnostic, Span, Spanned};
use std::{fmt, sync::Arc};

/// `jobs.<id>`.
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
    /// `permissions` of the job token, kept as written.
    pub permissions: Option<Permissions>,
    /// `concurrency` of this job.
    pub concurrency: Option<Concurrency>,
    /// `cache-mode`, stronger than that of the workflow.
    pub cache_mode: Option<Spanned<CacheMode>>,
    /// What it does.
    pub kind: JobKind,
    /// The whole job.
    pub span: Span,
}

/// What a job does.
#[derive(Clone, Debug)]
pub enum JobKind {
    /// `steps`, one after the other on one machine.
    Steps(Arc<StepsJob>),
    /// `uses`: the jobs of a reusable workflow.
    Call(Arc<CallJob>),
}

/// What only a job with steps has.
#[derive(Clone, Debug)]
pub struct StepsJob {
    /// `runs-on`.
    pub runs_on: RunsOn,
    /// `timeout-minutes`; 360 when absent.
    pub timeout_minutes: Option<Maybe<f64>>,
    /// `cancel-timeout-minutes`: how long the job may go on once it was cancelled; 5 when absent.
    pub cancel_timeout_minutes: Option<Maybe<f64>>,
    /// `continue-on-error`: whether the run succeeds although this job fails.
    pub continue_on_error: Option<Maybe<bool>>,
    /// `env` of every step of the job.
    pub env: Fields,
    /// `environment`, a label here: nothing is protected by it yet.
    pub environment: Option<Environment>,
    /// `outputs` in the order of the text, evaluated when the last step has ended.
    pub outputs: Vec<(Spanned<String>, Template)>,
    /// `defaults.run` of every step of the job.
    pub defaults: Defaults,
    /// `container` that the steps run in.
    pub container: Option<Container>,
    /// `services` beside the steps.
    pub services: Option<Services>,
    /// `steps`.
    pub steps: Vec<Step>,
}

/// What only a job has that calls a reusable workflow.
#[derive(Clone, Debug)]
pub struct CallJob {
    /// `uses`: which workflow.
    pub uses: Spanned<WorkflowRef>,
    /// `with` in the order of the text; values keep their kind, since the called workflow's inputs are typed.
    pub with: Vec<(Spanned<String>, Maybe<Value>)>,
    /// `secrets`.
    pub secrets: CallSecrets,
}

/// `secrets` of a job that calls a workflow.
#[derive(Clone, Debug)]
pub enum CallSecrets {
    /// Those that are listed; none when the key is absent.
    Given(Vec<(Spanned<String>, Template)>),
    /// `inherit`: all that the caller has.
    Inherit(Span),
}

/// `uses` of a job: which reusable workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkflowRef {
    /// `./.github/workflows/file.yml`: of the caller's repository at the caller's commit.
    Local {
        /// The path from the root of the repository.
        path: String,
    },
    /// `$/.github/workflows/file.yml`: of the repository and commit that the calling file itself comes from.
    SelfRepository {
        /// The path from the root of the repository.
        path: String,
    },
    /// `owner/repo/.github/workflows/file.yml@ref`.
    Repository {
        /// The account.
        owner: String,
        /// The repository.
        repo: String,
        /// The path from the root of the repository.
        path: String,
        /// The branch, tag or commit.
        reference: String,
    },
}

/// `cache-mode`: what the cache service lets a job do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheMode {
    /// `read`: restore only; GitHub's default for events that strangers can cause.
    Read,
    /// `write`: restore and save; the default otherwise.
    Write,
    /// `write-only`: save only.
    WriteOnly,
    /// `none`: neither.
    None,
}

impl Job {
    /// Its steps and what belongs to them, unless it calls a workflow.
    pub fn steps(&self) -> Option<&Arc<StepsJob>> {
        match &self.kind {
            JobKind::Steps(steps) => Some(steps),
            JobKind::Call(_) => None,
        }
    }

    /// The call of a workflow, unless it has steps.
    pub fn call(&self) -> Option<&Arc<CallJob>> {
        match &self.kind {
            JobKind::Call(call) => Some(call),
            JobKind::Steps(_) => None,
        }
    }

    /// The name people see of one of its legs, or of the job when it has no matrix: as written when it has expressions,
    /// otherwise with the leg's values behind it.
    ///
    /// # Errors
    /// As [`Template::eval_string`].
    pub fn leg_name(&self, leg: Option<&Leg>, scope: &dyn Scope) -> Result<String, Diagnostic> {
        let with_leg = |name: &str| leg.map_or_else(|| name.to_owned(), |leg| leg.name(name));
        let written = self.name.as_ref().filter(|name| name.as_literal() != Some(""));
        match written.map(|name| (name, name.as_literal())) {
            Some((name, None)) => {
                let name = name.eval_string(scope)?;
                // One that comes out empty is none.
                match name.trim().is_empty() {
                    true => Ok(with_leg(&self.id.value)),
                    false => Ok(name.as_ref().to_owned()),
                }
            }
            Some((_, Some(literal))) => Ok(with_leg(literal)),
            None => Ok(with_leg(&self.id.value)),
        }
    }
}

impl CacheMode {
    /// All of them.
    pub const ALL: [CacheMode; 4] =
        [CacheMode::Read, CacheMode::Write, CacheMode::WriteOnly, CacheMode::None];

    /// As it is written, also in `ACTIONS_CACHE_MODE`.
    pub fn as_str(self) -> &'static str {
        match self {
            CacheMode::Read => "read",
            CacheMode::Write => "write",
            CacheMode::WriteOnly => "write-only",
            CacheMode::None => "none",
        }
    }

    /// Whether caches may be restored.
    pub fn reads(self) -> bool {
        match self {
            CacheMode::Read | CacheMode::Write => true,
            CacheMode::WriteOnly | CacheMode::None => false,
        }
    }

    /// Whether caches may be saved.
    pub fn writes(self) -> bool {
        match self {
            CacheMode::Write | CacheMode::WriteOnly => true,
            CacheMode::Read | CacheMode::None => false,
        }
    }

    /// What both allow: a called workflow gets no more than its caller has.
    #[must_use]
    pub fn narrowed(self, caller: CacheMode) -> CacheMode {
        match (self.reads() && caller.reads(), self.writes() && caller.writes()) {
            (true, true) => CacheMode::Write,
            (true, false) => CacheMode::Read,
            (false, true) => CacheMode::WriteOnly,
            (false, false) => CacheMode::None,
        }
    }
}

impl fmt::Display for CacheMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for WorkflowRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkflowRef::Local { path } => write!(f, "./{path}"),
            WorkflowRef::SelfRepository { path } => write!(f, "$/{path}"),
            WorkflowRef::Repository { owner, repo, path, reference } => {
                write!(f, "{owner}/{repo}/{path}@{reference}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CacheMode::{self, *};

    #[test]
    fn a_called_workflow_gets_no_more_than_its_caller() {
        let check =
            |own: CacheMode, caller, expect| assert_eq!(own.narrowed(caller), expect, "{own} {caller}");
        check(Write, Read, Read);
        check(Write, Write, Write);
        check(Read, WriteOnly, CacheMode::None);
        check(WriteOnly, Write, WriteOnly);
        check(Write, CacheMode::None, CacheMode::None);
    }
}
