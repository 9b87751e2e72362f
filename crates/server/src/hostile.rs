//! Bodies of webhooks that nobody vouches for, for a fuzz target and the test that feeds it: `docs/fuzzing.md` tells how they are
//! run.

use crate::{
    control::runs::hook::names,
    source::{ContextFacts, RepositoryName, github_context, github_facts, is_from_fork},
};
use serde_json::Map;
use shipway_base::Source;
use shipway_workflow::{
    document::Workflow,
    event::{Event, Triggered, skip_mark},
    expr::{Value, evaluate_json},
};

/// Every filter that looks at a body.
const WORKFLOW: &str = "
on:
  push: {branches: ['**', '!x/**'], tags: [v*], paths: ['src/**', '!**/*.md']}
  pull_request: {types: [opened, labeled], branches: [main], paths-ignore: [docs/**]}
  pull_request_target: {branches-ignore: ['a?']}
  workflow_run: {workflows: [ci], types: [completed], branches: [main]}
  release: {types: [published]}
jobs: {a: {runs-on: x, steps: [{run: make}]}}
";

const EVENTS: [&str; 7] =
    ["push", "pull_request", "pull_request_target", "workflow_run", "release", "issues", "ping"];

/// A body of a webhook, taken for that of each event: what it brings to git, which workflows it starts, and what they see.
///
/// # Panics
/// When it brings git anything but plain names, or when what jobs see of it is not what was sent.
pub fn webhook(bytes: &[u8]) {
    let Some(payload) = str::from_utf8(bytes).ok().and_then(|text| Value::from_json_text(text).ok()) else {
        return;
    };
    names(&payload);
    let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let _mark = skip_mark(text("/head_commit/message"));
    let (workflow, found) = Workflow::parse(&Source::new("hostile.yml", WORKFLOW));
    assert!(!found.has_errors(), "{found}");
    let repository = RepositoryName { owner: "acme".to_owned(), name: "shop".to_owned() };
    for name in EVENTS {
        let event = Event {
            name: name.to_owned(),
            payload: payload.clone(),
            reference: text("/ref").to_owned(),
            sha: text("/after").to_owned(),
            changed: None,
        };
        if let Some(workflow) = &workflow {
            if let Triggered::No(why) = workflow.triggered_by(&event) {
                assert!(!why.is_empty(), "{name} starts nothing, and nobody knows why");
            }
            let _lines = workflow.explain(&event);
        }
        let facts = ContextFacts {
            repository: &repository,
            run_id: 1,
            run_number: 1,
            run_attempt: 1,
            workflow: "hostile",
            path: "hostile.yml",
            actor: text("/sender/login"),
            triggering_actor: text("/sender/login"),
            server_url: "https://github.com",
            token: "",
        };
        let _fork = is_from_fork(&event);
        let github = github_context(&github_facts(&event, &facts), &event, None);
        assert_eq!(github.get("event"), Some(&payload), "{name}");
        let mut contexts = Map::new();
        contexts.insert("github".to_owned(), github.to_json());
        let seen = evaluate_json("fromJSON(toJSON(github.event)) == null", &contexts);
        assert!(seen.is_ok_and(|seen| seen == (payload == Value::Null)), "{name}");
    }
}
