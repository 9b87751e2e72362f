//! The action manifests that the runner's own tests read, and what each is read to.

use crate::conformance::{self, Tally, folder, json};
use serde_json::{Value as Json, json};
use shipway_base::{Source, Spanned};
use shipway_workflow::{
    action::{Action, Runs},
    document::Fields,
    expr::{Condition, Template},
};

fn text(value: Option<&Spanned<String>>) -> Json {
    value.map_or(Json::Null, |value| json!(value.value))
}

fn condition(condition: &Condition, when: bool) -> Json {
    match condition.written().filter(|_| when) {
        Some(written) => json!(written.text()),
        None => Json::Null,
    }
}

fn templates(templates: &[Template]) -> Json {
    templates.iter().map(|template| json!(template.text())).collect()
}

/// What the cases state, as far as an action has it.
fn shown(action: &Action) -> Json {
    let inputs: Json = action
        .inputs
        .iter()
        .map(|input| json!({"name": input.name.value, "default": input.default.as_ref().map_or("", |text| text.text())}))
        .collect();
    let deprecated: Json = action
        .inputs
        .iter()
        .filter_map(|input| Some((input.name.value.clone(), json!(input.deprecation_message.as_ref()?))))
        .collect();
    let mut shown = json!({
        "loads": true, "name": text(action.name.as_ref()), "description": action.description, "inputs": inputs,
        "deprecated": deprecated,
    });
    let own = match &action.runs {
        Runs::Composite(_) => json!({"kind": "composite"}),
        Runs::Node(node) => json!({
            "kind": "node", "using": node.using.value, "main": node.main.value, "pre": text(node.pre.as_ref()),
            "pre_if": condition(&node.pre_if, node.pre.is_some()), "post": text(node.post.as_ref()),
            "post_if": condition(&node.post_if, node.post.is_some()),
        }),
        Runs::Docker(docker) => json!({
            "kind": "docker", "image": docker.image.value, "entrypoint": text(docker.entrypoint.as_ref()),
            "pre": text(docker.pre_entrypoint.as_ref()), "args": templates(&docker.args),
            "pre_if": condition(&docker.pre_if, docker.pre_entrypoint.is_some()),
            "post": text(docker.post_entrypoint.as_ref()),
            "post_if": condition(&docker.post_if, docker.post_entrypoint.is_some()),
            "env": match &docker.env {
                Fields::Entries(entries) => {
                    entries.iter().map(|(key, value)| (key.value.clone(), json!(value.text()))).collect()
                }
                Fields::Keyed(entries) => entries
                    .iter()
                    .map(|(key, value)| (key.written().to_owned(), json!(value.text())))
                    .collect(),
                Fields::Expression(template) => json!(template.text()),
            },
        }),
    };
    for (key, value) in own.as_object().into_iter().flatten() {
        shown[key] = value.clone();
    }
    shown
}

#[test]
fn conformance_runner_manifests() {
    let Some(folder) = folder("actions-runner/manifests") else { return };
    let mut tally = Tally::new("the runner's manifests");
    for case in json(&folder.join("index.json"))["cases"].as_array().into_iter().flatten() {
        let name = case["input"]["manifest"].as_str().unwrap_or_default();
        // A plugin is a part of the runner itself; its manifest is refused here, with a message that says so.
        let loads = case["expect"]["loads"] == true && case["expect"]["kind"] != "plugin";
        let text = std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (action, found) = Action::parse(&Source::new(name, text));
        let mut wrong = Vec::new();
        match (&action, loads) {
            (Some(action), true) => {
                let shown = shown(action);
                for (key, expected) in case["expect"].as_object().into_iter().flatten() {
                    let right = match key.strip_suffix("_contains") {
                        Some(key) => expected
                            .as_object()
                            .into_iter()
                            .flatten()
                            .all(|(name, text)| shown[key][name] == *text),
                        None => shown[key] == *expected,
                    };
                    if !right {
                        wrong.push(format!("{key}: {expected} was expected, and it is {}", shown[key]));
                    }
                }
            }
            (None, false) => {}
            (Some(_), false) => wrong.push("was accepted".to_owned()),
            (None, true) => wrong.push(found.to_string()),
        }
        let case = case["name"].as_str().unwrap_or_default();
        tally.record(case, if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) });
    }
    conformance::say("the runner's manifests: the one of a plugin counts as passed when it is refused");
    tally.finish(20);
}
