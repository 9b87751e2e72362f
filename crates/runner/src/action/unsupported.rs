//! Actions that this version cannot carry out, told before anything runs or when their step's turn comes.

use super::native::Native;
use crate::{
    error::{ErrorKind, RunnerError},
    steps::written,
};
use shipway_base::{Diagnostic, Diagnostics};
use shipway_workflow::document::{StepKind, Uses, Workflow};

/// What can be used instead.
const HELP: &str = "use actions/checkout, actions/upload-artifact, actions/download-artifact or an action in this \
                    repository, as in uses: ./path";

/// The actions in a workflow that cannot be carried out (SW0504): those of other repositories, but for the few of
/// GitHub's that are built in.
///
/// GitHub fetches all actions of a job before its first step, so that a missing one fails early; this is for whoever
/// wants to refuse a workflow before its first job.
pub fn unsupported(workflow: &Workflow) -> Diagnostics {
    let mut found = Diagnostics::new();
    for step in workflow.jobs.values().flat_map(|job| &job.steps) {
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

/// The error of a step with such an action.
pub(super) fn refusal(uses: &Uses) -> RunnerError {
    RunnerError::new(ErrorKind::ActionUnsupported, sentence(uses)).with_help(HELP)
}

fn sentence(uses: &Uses) -> String {
    format!("uses: {} is not supported yet: actions of other repositories cannot be fetched", written(uses))
}

fn is_supported(uses: &Uses) -> bool {
    match uses {
        Uses::Local { .. } => true,
        Uses::Repository { owner, repo, path, .. } => {
            owner.eq_ignore_ascii_case("actions") && path.is_empty() && Native::named(repo).is_some()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipway_base::Source;

    #[test]
    fn every_foreign_action_is_named_with_its_place() {
        let text = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - uses: \
                    ./mine\n      - uses: actions/cache@v4\n      - uses: a/b/c@v1\n";
        let (workflow, _) = Workflow::parse(&Source::new("ci.yml", text));
        let found: Vec<String> =
            unsupported(&workflow.expect("a workflow")).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("ci.yml:8:15: error[SW0504]: uses: actions/cache@v4 is not"),
            "{found:?}"
        );
        assert!(found[1].starts_with("ci.yml:9:15: error[SW0504]: uses: a/b/c@v1 is not"), "{found:?}");
    }
}
