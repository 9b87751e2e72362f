//! Events, contexts and runs for tests.

use serde_json::json;
use shipway_base::{Source, Timestamp};
use shipway_workflow::{
    document::Workflow,
    event::Event,
    expr::Value,
    plan::{Called, RunPlan},
    run::{Kept, Run, RunContext},
};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) fn push(reference: &str, changed: Option<&[&str]>) -> Event {
    Event {
        name: "push".to_owned(),
        payload: json!({"ref": reference}).into(),
        reference: reference.to_owned(),
        sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        changed: changed.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect()),
    }
}

pub(crate) fn event(name: &str, payload: serde_json::Value) -> Event {
    Event { name: name.to_owned(), payload: payload.into(), ..push("refs/heads/main", None) }
}

pub(crate) fn workflow(text: &str) -> Workflow {
    let (workflow, found) = Workflow::parse(&Source::new("w.yml", text));
    workflow.unwrap_or_else(|| panic!("{found}\n{text}"))
}

pub(crate) fn plan(text: &str) -> Arc<RunPlan> {
    let plan = RunPlan::new(Arc::new(workflow(text)), push("refs/heads/main", None), &BTreeMap::new());
    Arc::new(plan.unwrap_or_else(|found| panic!("{found}")))
}

/// The documents that a workflow calls, from files by name.
pub(crate) fn called(workflow: &Workflow, files: &[(&str, &str)], mut called: Called) -> Called {
    while let Some(wanted) = called.wanted(workflow) {
        let name = wanted.file.to_string();
        match files.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => called.give(wanted.file, text, None),
            None => called.refuse(wanted.file, "there is no such file", None),
        }
    }
    called
}

/// A run of a workflow that calls others.
pub(crate) fn run_calling(text: &str, files: &[(&str, &str)]) -> Run {
    run_calling_and_keeping(text, files, Kept::new())
}

/// The same with what is kept of the attempt before it.
pub(crate) fn run_calling_and_keeping(text: &str, files: &[(&str, &str)], kept: Kept) -> Run {
    let workflow = workflow(text);
    let called = called(&workflow, files, Called::new());
    let event = push("refs/heads/main", None);
    let plan = RunPlan::calling(Arc::new(workflow), event, &BTreeMap::new(), &called);
    let plan = Arc::new(plan.unwrap_or_else(|found| panic!("{found}")));
    let context = context(&plan);
    Run::keeping(plan, context, kept)
}

pub(crate) fn context(plan: &RunPlan) -> RunContext {
    let github = json!({"ref": plan.event().reference, "event_name": plan.event().name, "actor": "mona"});
    RunContext {
        github: Value::from_json(&github),
        vars: Value::from_json(&json!({"LIMIT": "5"})),
        inputs: plan.inputs().clone(),
    }
}

pub(crate) fn run(text: &str) -> Run {
    let plan = plan(text);
    let context = context(&plan);
    Run::new(plan, context)
}

/// A whole number of seconds after the epoch.
pub(crate) fn second(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}
