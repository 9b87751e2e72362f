//! What the token of a job may do: `permissions`, and how calls narrow them.

use super::called::WorkflowFile;
use crate::document::{Job, Permissions, Workflow};
use shipway_base::{Diagnostic, Diagnostics, Source};
use std::collections::BTreeMap;

/// Effective permissions: every scope that is not `none`, with `read` or `write`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Granted {
    scopes: BTreeMap<String, String>,
    /// Whether any of it was written, in a job, a workflow or by a caller.
    written: bool,
}

impl Granted {
    /// Those of a workflow that an event started. Where nothing is written they are as in GitHub's repositories and
    /// organisations since 2023: `contents` and `packages` may be read.
    pub(crate) fn of_run(workflow: &Workflow) -> Granted {
        match &workflow.permissions {
            Some(written) => Granted::of(written),
            None => {
                let scopes = ["contents", "packages"].map(|scope| (scope.to_owned(), "read".to_owned()));
                Granted { scopes: scopes.into(), written: false }
            }
        }
    }

    fn of(written: &Permissions) -> Granted {
        let mut scopes = written.scopes();
        scopes.retain(|_, level| level != "none");
        Granted { scopes, written: true }
    }

    /// Those of one of its jobs.
    pub(crate) fn to_job(&self, job: &Job) -> Granted {
        job.permissions.as_ref().map_or_else(|| self.clone(), Granted::of)
    }

    /// Those of a workflow that a job with these calls.
    pub(crate) fn to_called(&self, called: &Workflow) -> Granted {
        called.permissions.as_ref().map_or_else(|| self.clone(), |written| self.narrowed(written))
    }

    /// What is written, as far as these allow it.
    fn narrowed(&self, written: &Permissions) -> Granted {
        let mut scopes = Granted::of(written).scopes;
        scopes.retain(|scope, level| {
            *level = self.level(scope).min(Level::of(level)).as_str().to_owned();
            level != "none"
        });
        Granted { scopes, written: true }
    }

    /// Refuses a called workflow that asks for more than its caller has. What its jobs do not ask for themselves they
    /// have from it, so that each is looked at once.
    pub(super) fn check(
        &self,
        source: &Source,
        caller: &Job,
        file: &WorkflowFile,
        called: &Workflow,
        found: &mut Diagnostics,
    ) {
        let of_jobs = called
            .jobs
            .values()
            .filter_map(|job| Some((format!("its job {:?}", job.id.value), job.permissions.as_ref()?)));
        let whole = called.permissions.as_ref().map(|written| ("it".to_owned(), written));
        for (who, written) in whole.into_iter().chain(of_jobs) {
            let asked = Granted::of(written).scopes;
            let too_much = asked.iter().filter(|(scope, level)| Level::of(level) > self.level(scope));
            let too_much: Vec<String> = too_much
                .map(|(scope, level)| format!("{scope}: {level} (allowed: {})", self.level(scope).as_str()))
                .collect();
            if !too_much.is_empty() {
                let message = format!("{file} may not be called: {who} asks for {}", too_much.join(", "));
                let error = Diagnostic::error("SW0123", source, caller.id.span, message);
                found.push(error.with_help("give the calling job these permissions"));
            }
        }
    }

    fn level(&self, scope: &str) -> Level {
        self.scopes.get(scope).map_or(Level::None, |level| Level::of(level))
    }

    /// By scope.
    pub(crate) fn scopes(&self) -> &BTreeMap<String, String> {
        &self.scopes
    }

    /// Whether they are what somebody wrote. Else GitHub goes by a setting of the repository, by which they may be wider.
    pub(crate) fn are_written(&self) -> bool {
        self.written
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    None,
    Read,
    Write,
}

impl Level {
    fn of(text: &str) -> Level {
        match text {
            "write" => Level::Write,
            "read" => Level::Read,
            _ => Level::None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Read => "read",
            Level::Write => "write",
        }
    }
}
