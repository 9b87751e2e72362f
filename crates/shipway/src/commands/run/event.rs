//! The event that is said to have happened, as GitHub would tell it.

use super::{Options, repository::Here};
use crate::{
    environment::Environment,
    exit::{Exit, Failure},
};
use serde_json::{Map, Value, json};
use shipway_server::source::{complete_inputs, push_payload, ref_name, repository_payload};
use shipway_workflow::{document::Workflow, event::Event, plan::RunPlan};
use std::{collections::BTreeMap, fs};

/// Makes the event. Without a file its body holds what a repository without a forge knows; what it does not know is
/// left out, and filters let it pass.
pub(super) fn make(environment: &Environment, here: &Here, options: &Options) -> Result<Event, Failure> {
    let payload = match &options.event_file {
        None => body(here, options),
        Some(path) => {
            let text = fs::read_to_string(environment.folder.join(path)).map_err(|error| {
                Failure::new(Exit::Usage, format!("cannot read the event {}: {error}", path.display()))
            })?;
            let wrong = |why: &str| {
                Failure::new(Exit::Usage, format!("{} is not the body of an event: {why}", path.display()))
                    .with_help("give the JSON object that GitHub sends, github.event")
            };
            let value: Value = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
            if !value.is_object() {
                return Err(wrong("it is not an object"));
            }
            value
        }
    };
    Ok(Event {
        name: options.event.clone(),
        reference: reference(&options.event, &payload, here),
        payload,
        // The files that are run are those of the work tree, whatever the body says.
        sha: here.commit.sha.clone(),
        changed: None,
    })
}

/// The inputs that the body of a `workflow_dispatch` brings, as texts; what is null has its default.
pub(super) fn inputs(event: &Event) -> Result<BTreeMap<String, String>, Failure> {
    let wrong = |why: String| {
        Failure::new(Exit::Usage, format!("the body of the event is not one of workflow_dispatch: {why}"))
            .with_help("give inputs as an object of names and texts, as GitHub sends it")
    };
    let inputs = match event.payload.get("inputs") {
        Some(inputs) if event.name == "workflow_dispatch" => inputs,
        Some(_) | None => return Ok(BTreeMap::new()),
    };
    let mut found = BTreeMap::new();
    match inputs {
        Value::Null => {}
        Value::Object(inputs) => {
            for (name, value) in inputs {
                let text = match value {
                    Value::Null => continue,
                    Value::String(text) => text.clone(),
                    Value::Bool(_) | Value::Number(_) => value.to_string(),
                    Value::Array(_) | Value::Object(_) => {
                        return Err(wrong(format!(
                            "the input {name} is neither a text nor a number nor a boolean"
                        )));
                    }
                };
                found.insert(name.clone(), text);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(wrong("its inputs are no object".to_owned()));
        }
    }
    Ok(found)
}

fn body(here: &Here, options: &Options) -> Value {
    let sender = json!({ "login": here.actor(), "type": "User" });
    let repository = repository_payload(&here.name, &here.default_branch);
    match options.event.as_str() {
        "push" => push_payload(&repository, &here.reference, &here.before, &here.commit),
        "pull_request" | "pull_request_target" => {
            let (branch, _) = ref_name(&here.reference);
            json!({
                "number": 1,
                "pull_request": {
                    "number": 1, "state": "open", "draft": false, "merged": false,
                    "title": here.commit.message.lines().next().unwrap_or_default(),
                    "user": sender,
                    "head": { "ref": branch, "sha": here.commit.sha, "repo": repository },
                    "base": { "ref": here.default_branch, "repo": repository },
                },
                "repository": repository, "sender": sender,
            })
        }
        "workflow_dispatch" => {
            let pairs = options.inputs.iter().map(|pair| (pair.name().to_owned(), pair.value().into()));
            let inputs: Map<String, Value> = pairs.collect();
            json!({ "inputs": inputs, "ref": here.reference, "repository": repository, "sender": sender })
        }
        _ => json!({ "repository": repository, "sender": sender }),
    }
}

fn reference(event: &str, payload: &Value, here: &Here) -> String {
    let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    match event {
        "push" | "workflow_dispatch" => text("/ref").filter(|name| name.starts_with("refs/")),
        "pull_request" => payload
            .pointer("/pull_request/number")
            .and_then(Value::as_u64)
            .map(|number| format!("refs/pull/{number}/merge")),
        "release" => text("/release/tag_name").map(|tag| format!("refs/tags/{tag}")),
        "pull_request_target" => text("/pull_request/base/ref").map(|base| format!("refs/heads/{base}")),
        _ => None,
    }
    .unwrap_or_else(|| here.reference.clone())
}

/// The event as one workflow sees it: a `schedule` that names no cron line came by the workflow's first.
pub(super) fn of_workflow(mut event: Event, workflow: &Workflow) -> Event {
    if event.name == "schedule"
        && event.payload.get("schedule").is_none()
        && let Some(first) = workflow.on.iter().flat_map(|trigger| &trigger.schedules).next()
    {
        event.payload["schedule"] = first.cron.value.as_str().into();
    }
    event
}

/// What can only be said once the run is planned: the inputs with their defaults, and GitHub's own addresses.
pub(super) fn complete(github: &mut Value, plan: &RunPlan) {
    github["api_url"] = "https://api.github.com".into();
    github["graphql_url"] = "https://api.github.com/graphql".into();
    complete_inputs(github, plan);
}
