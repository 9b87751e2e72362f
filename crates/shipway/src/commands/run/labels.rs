//! Labels under `runs-on` that ask for a system which this machine is not.
//!
//! Every job runs here, whatever its labels say. That is what somebody wants who asks for `ubuntu-latest`; a job for
//! another system will hardly work, and its author should know why.

use shipway_base::{Diagnostic, Diagnostics};
use shipway_workflow::{
    document::{Job, Workflow},
    expr::{Scope, Value},
    run::RunContext,
};

/// How the labels of systems other than Linux begin on GitHub.
const OTHERS: [&str; 2] = ["windows", "macos"];

/// A warning for each job with such a label, as far as labels are known before anything has run.
pub(super) fn foreign(workflow: &Workflow, context: &RunContext) -> Diagnostics {
    let mut found = Diagnostics::new();
    for job in workflow.jobs.values() {
        let mut labels = labels(workflow, job, context);
        labels.retain(|label| OTHERS.iter().any(|other| label.to_lowercase().starts_with(other)));
        labels.sort_unstable();
        labels.dedup();
        if !labels.is_empty() {
            let message = format!(
                "{} is asked for, and the job will run on this machine all the same",
                labels.join(", ")
            );
            let warning = Diagnostic::warning("SW1016", &workflow.source, job.runs_on.span, message);
            found.push(
                warning.with_help("choose other jobs with -j, or expect it to fail where systems differ"),
            );
        }
    }
    found
}

fn labels(workflow: &Workflow, job: &Job, context: &RunContext) -> Vec<String> {
    let matrix = job.strategy.as_ref().and_then(|strategy| strategy.matrix.as_ref());
    let alone = Before { context, matrix: None };
    let legs = matrix.and_then(|matrix| matrix.legs(&workflow.source, &alone).ok()).unwrap_or_default();
    let legs: Vec<Value> = legs.into_iter().map(|leg| leg.values.into()).collect();
    let scopes = legs.iter().map(|values| Before { context, matrix: Some(values) });
    let scopes: Vec<Before<'_>> = scopes.chain(legs.is_empty().then_some(alone)).collect();
    let mut labels = Vec::new();
    for (template, scope) in
        job.runs_on.labels.iter().flat_map(|label| scopes.iter().map(move |scope| (label, scope)))
    {
        // What cannot be evaluated yet is checked by the machine when the job is ready.
        match template.eval_value(scope) {
            Ok(Value::Array(items)) => labels.extend(items.iter().map(|item| item.to_text().to_string())),
            Ok(value) => labels.push(value.to_text().to_string()),
            Err(_) => {}
        }
    }
    labels
}

/// What can be seen before any job has run.
pub(super) struct Before<'a> {
    /// `github`, `vars` and `inputs`.
    pub(super) context: &'a RunContext,
    /// `matrix`, of one leg.
    pub(super) matrix: Option<&'a Value>,
}

impl Scope for Before<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        match name {
            "github" => Some(self.context.github.clone()),
            "vars" => Some(self.context.vars.clone()),
            "inputs" => Some(self.context.inputs.clone()),
            "matrix" => self.matrix.cloned(),
            _ => None,
        }
    }

    fn function(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipway_base::Source;

    fn check(job: &str, expect: &[&str]) {
        let text = format!("on: push\njobs:\n  a:\n    steps: [{{run: x}}]\n    {job}\n");
        let (workflow, wrong) = Workflow::parse(&Source::new("ci.yml", text.as_str()));
        assert!(!wrong.has_errors(), "{wrong}");
        let context = RunContext { github: Value::Null, vars: Value::Null, inputs: Value::Null };
        let found = foreign(&workflow.expect("a workflow"), &context);
        let found: Vec<&str> =
            found.iter().map(|one| one.message.split(" is asked").next().unwrap_or_default()).collect();
        assert_eq!(found, expect, "{job}");
    }

    #[test]
    fn other_systems_are_told() {
        check("runs-on: ubuntu-latest", &[]);
        check("runs-on: Windows-2022", &["Windows-2022"]);
        check("runs-on: [self-hosted, macOS]", &["macOS"]);
        check(
            "runs-on: ${{ matrix.os }}\n    strategy: {matrix: {os: [ubuntu-latest, windows-latest]}}",
            &["windows-latest"],
        );
        check("runs-on: ${{ fromJSON(needs.b.outputs.labels) }}", &[]);
    }
}
