//! What this version cannot carry out, told before anything runs or when its step's turn comes.

use crate::{
    error::{ErrorKind, RunnerError},
    steps::written,
};
use shipway_base::{Diagnostic, Diagnostics, Span};
use shipway_workflow::document::{Step, StepKind, Uses, Workflow};

/// What can be used instead.
const HELP: &str = "use an action that is no container, or install what it does and call that in a run step";

/// The actions in a workflow that cannot be carried out (SW0504), and what [`unsupported_keys`] finds.
///
/// GitHub fetches all actions of a job before its first step, so that a missing one fails early; this is for whoever
/// wants to refuse a workflow before its first job.
pub fn unsupported(workflow: &Workflow) -> Diagnostics {
    let mut found = unsupported_keys(workflow);
    for step in steps(workflow) {
        if let StepKind::Uses(uses) = &step.kind
            && !is_supported(&uses.uses.value)
        {
            let (code, message) = (ErrorKind::ActionUnsupported.code(), sentence(&uses.uses.value));
            let error = Diagnostic::error(code, &workflow.source, uses.uses.span, message);
            found.push(error.with_help(HELP));
        }
    }
    found
}

/// What is written in a workflow and cannot be honoured yet (SW0105). Nothing of such a workflow may run, since it
/// would run without its containers, limits or order.
pub fn unsupported_keys(workflow: &Workflow) -> Diagnostics {
    let mut found = Diagnostics::new();
    let mut refuse = |span: Span, what: &str| {
        let message = format!("{what} is not supported yet");
        let error = Diagnostic::error("SW0105", &workflow.source, span, message);
        found.push(error.with_help("remove it, or run this workflow on GitHub until a later version can"));
    };
    if let Some(mode) = &workflow.cache_mode {
        refuse(mode.span, "cache-mode");
    }
    for job in workflow.jobs.values() {
        if let Some(mode) = &job.cache_mode {
            refuse(mode.span, "cache-mode");
        }
    }
    found
}

fn steps(workflow: &Workflow) -> impl Iterator<Item = &Step> {
    let bodies = workflow.jobs.values().filter_map(|job| job.steps());
    bodies.flat_map(|body| &body.steps).flat_map(Step::with_inner)
}

/// The error of a step with such an action.
pub(super) fn refusal(uses: &Uses) -> RunnerError {
    RunnerError::new(ErrorKind::ActionUnsupported, sentence(uses)).with_help(HELP)
}

fn sentence(uses: &Uses) -> String {
    format!("uses: {} is not supported yet: no container can be started", written(uses))
}

fn is_supported(uses: &Uses) -> bool {
    match uses {
        Uses::Local { .. } | Uses::SelfRepository { .. } | Uses::Repository { .. } => true,
        Uses::Docker { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipway_base::Source;

    fn found(text: &str) -> Vec<String> {
        let (workflow, found) = Workflow::parse(&Source::new("ci.yml", text));
        let workflow = workflow.unwrap_or_else(|| panic!("{found}"));
        let mut all: Vec<String> = unsupported(&workflow).iter().map(ToString::to_string).collect();
        all.sort();
        all
    }

    #[test]
    fn nothing_that_cannot_be_honoured_is_let_run() {
        let found = found(
            "on: push
cache-mode: read
jobs:
  a:
    runs-on: x
    cache-mode: none
    cancel-timeout-minutes: 3
    container: alpine
    services: {db: postgres, cache: {image: redis}}
    steps:
      - {id: s, run: serve, background: true}
      - wait: s
      - cancel: s
      - parallel: [{uses: 'docker://alpine'}, {uses: $/mine}]
      - wait-all:
  b: {runs-on: x, services: '${{ fromJSON(vars.X) }}', steps: [{run: x}]}
",
        );
        let places: Vec<&str> = found
            .iter()
            .map(|line| line.trim_start_matches("ci.yml:").split(" is not").next().unwrap_or_default())
            .collect();
        assert_eq!(
            places,
            [
                "14:27: error[SW0504]: uses: docker://alpine",
                "2:13: error[SW0105]: cache-mode",
                "6:17: error[SW0105]: cache-mode",
            ]
        );
    }
}
