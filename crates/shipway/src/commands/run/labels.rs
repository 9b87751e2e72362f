//! Labels under `runs-on` that ask for a system which this machine is not.
//!
//! Every job runs here, whatever its labels say. That is what somebody wants who asks for `ubuntu-latest`; a job for
//! another system will hardly work, and its author should know why.

use super::legs::{Before, Legs, legs};
use shipway_base::{Diagnostic, Diagnostics};
use shipway_workflow::{
    document::{Job, StepsJob},
    expr::Value,
    plan::RunPlan,
    run::RunContext,
};

/// How the labels of systems other than Linux begin on GitHub.
const OTHERS: [&str; 2] = ["windows", "macos"];

/// A warning for each job with such a label, as far as labels are known before anything has run.
pub(super) fn foreign(plan: &RunPlan, context: &RunContext) -> Diagnostics {
    let workflow = plan.workflow();
    let mut found = Diagnostics::new();
    for job in workflow.jobs.values() {
        let Some(body) = job.steps() else { continue };
        let mut labels = labels(plan, job, body, context);
        labels.retain(|label| OTHERS.iter().any(|other| label.to_lowercase().starts_with(other)));
        labels.sort_unstable();
        labels.dedup();
        if !labels.is_empty() {
            let message = format!(
                "{} is asked for, and the job will run on this machine all the same",
                labels.join(", ")
            );
            let warning = Diagnostic::warning("SW1016", &workflow.source, body.runs_on.span, message);
            found.push(
                warning.with_help(
                    "choose others with --matrix or -j, or expect it to fail where systems differ",
                ),
            );
        }
    }
    found
}

fn labels(plan: &RunPlan, job: &Job, body: &StepsJob, context: &RunContext) -> Vec<String> {
    let matrices: Vec<Option<Value>> = match legs(plan, job, context) {
        Legs::Known(legs) => legs.into_iter().map(|leg| Some(leg.values.into())).collect(),
        Legs::None | Legs::Later | Legs::Wrong(_) => vec![None],
    };
    let mut labels = Vec::new();
    for matrix in &matrices {
        for label in &body.runs_on.labels {
            // What cannot be evaluated yet is checked by the machine when the job is ready.
            match label.eval_value(&Before { context, matrix: matrix.as_ref() }) {
                Ok(Value::Array(items)) => labels.extend(items.iter().map(|item| item.to_text().to_string())),
                Ok(value) => labels.push(value.to_text().to_string()),
                Err(_) => {}
            }
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipway_base::Source;
    use shipway_workflow::{document::Workflow, event::Event};
    use std::{collections::BTreeMap, sync::Arc};

    fn check(job: &str, expect: &[&str]) {
        let text = format!("on: push\njobs:\n  a:\n    steps: [{{run: x}}]\n    {job}\n");
        let (workflow, wrong) = Workflow::parse(&Source::new("ci.yml", text.as_str()));
        assert!(!wrong.has_errors(), "{wrong}");
        let context = RunContext { github: Value::Null, vars: Value::Null, inputs: Value::Null };
        let event = Event {
            name: "push".to_owned(),
            payload: Value::Null,
            reference: String::new(),
            sha: String::new(),
            changed: None,
        };
        let plan = RunPlan::new(Arc::new(workflow.expect("a workflow")), event, &BTreeMap::new());
        let found = foreign(&plan.expect("a plan"), &context);
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
