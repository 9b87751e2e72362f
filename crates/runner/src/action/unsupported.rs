//! What this version cannot carry out, told before anything runs.

use shipway_base::{Diagnostic, Diagnostics, Span};
use shipway_workflow::document::Workflow;

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

#[cfg(test)]
mod tests {
    use super::*;
    use shipway_base::Source;

    fn found(text: &str) -> Vec<String> {
        let (workflow, found) = Workflow::parse(&Source::new("ci.yml", text));
        let workflow = workflow.unwrap_or_else(|| panic!("{found}"));
        let mut all: Vec<String> = unsupported_keys(&workflow).iter().map(ToString::to_string).collect();
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
        assert_eq!(places, ["2:13: error[SW0105]: cache-mode", "6:17: error[SW0105]: cache-mode",]);
    }
}
