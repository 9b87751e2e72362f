//! Which events start a workflow, and the inputs of a run.

use crate::worlds::{event, push, workflow};
use serde_json::json;
use shipway_base::Source;
use shipway_workflow::{
    document::Workflow,
    event::{Event, Triggered},
    plan::RunPlan,
};
use std::{collections::BTreeMap, sync::Arc};

/// Checks `on` against an event: the empty text means that it starts the workflow.
fn check(on: &str, event: &Event, refusal: &str) {
    let text = format!("on: {on}\njobs: {{a: {{runs-on: here, steps: [{{run: make}}]}}}}\n");
    let expect = if refusal.is_empty() { Triggered::Yes } else { Triggered::No(refusal.to_owned()) };
    assert_eq!(workflow(&text).triggered_by(event), expect, "{on}");
}

#[test]
fn events_by_name() {
    let main = push("refs/heads/main", None);
    check("push", &main, "");
    check("[pull_request, push]", &main, "");
    check("{push: , workflow_dispatch: {}}", &main, "");
    check("pull_request", &main, "it is not started by the event push");
}

#[test]
fn refs_of_a_push() {
    let (main, nested) = (push("refs/heads/main", None), push("refs/heads/a/b", None));
    let tag = push("refs/tags/v1.2", None);
    check("{push: {branches: [main]}}", &main, "");
    check("{push: {branches: main}}", &nested, "its branches leave out a/b");
    check("{push: {branches: ['**', '!a/**']}}", &nested, "its branches leave out a/b");
    check("{push: {branches: ['**', '!a/**', a/b]}}", &nested, "");
    check("{push: {branches-ignore: [main]}}", &main, "its branches leave out main");
    check("{push: {branches-ignore: [main]}}", &nested, "");
    // A pattern with `!` lets back in what is ignored, as a later one takes away what is let in.
    check("{push: {branches-ignore: ['**', '!main']}}", &main, "");
    check("{push: {branches-ignore: ['**', '!main']}}", &nested, "its branches leave out a/b");
    check("{push: {branches: ['**'], tags: ['!**']}}", &main, "");
    check("{push: {branches: ['**'], tags: ['!**']}}", &tag, "its tags leave out v1.2");
    check("{push: {branches: [main]}}", &tag, "it filters refs, and names no tags");
    check("{push: {tags: ['v*']}}", &tag, "");
    check("{push: {tags: ['v*']}}", &main, "it filters refs, and names no branches");
    check("{push: {tags: ['v*'], branches: [x]}}", &main, "its branches leave out main");
}

#[test]
fn paths_of_a_push() {
    let docs = push("refs/heads/main", Some(&["docs/a.md"]));
    let both = push("refs/heads/main", Some(&["docs/a.md", "src/lib.rs"]));
    check("{push: {paths: ['src/**']}}", &docs, "no changed path matches");
    check("{push: {paths: ['src/**']}}", &both, "");
    check("{push: {paths-ignore: ['docs/**']}}", &docs, "every changed path is ignored");
    check("{push: {paths-ignore: ['docs/**']}}", &both, "");
    check("{push: {paths-ignore: ['**', '!src/lib.rs']}}", &both, "");
    check("{push: {paths-ignore: ['**', '!src/lib.rs']}}", &docs, "every changed path is ignored");
    check("{push: {branches: [x], paths: ['src/**']}}", &both, "its branches leave out main");
    // Unknown changes pass, nothing changed matches nothing, and tags have no paths.
    check("{push: {paths: ['src/**']}}", &push("refs/heads/main", None), "");
    check("{push: {paths: ['src/**']}}", &push("refs/heads/main", Some(&[])), "no changed path matches");
    check("{push: {paths-ignore: ['src/**']}}", &push("refs/heads/main", Some(&[])), "");
    check("{push: {paths: ['src/**']}}", &push("refs/tags/v1", Some(&["x"])), "");
}

#[test]
fn types_and_bases() {
    let pull = |action: &str| {
        event("pull_request", json!({"action": action, "pull_request": {"base": {"ref": "main"}}}))
    };
    check("pull_request", &pull("synchronize"), "");
    check("pull_request", &pull("closed"), "its types do not include closed");
    check("{pull_request: {types: [closed]}}", &pull("closed"), "");
    check("{pull_request: {types: closed}}", &pull("opened"), "its types do not include opened");
    check("{pull_request: {branches: [dev]}}", &pull("opened"), "its branches leave out main");
    // Filters of other events mean nothing.
    check("{pull_request: {tags-ignore: ['**'], tags: [x]}}", &pull("opened"), "");
    check("pull_request", &event("pull_request", json!({})), "");
    check("issues", &event("issues", json!({"action": "labeled"})), "");
    check(
        "{repository_dispatch: {types: [go]}}",
        &event("repository_dispatch", json!({"action": "no"})),
        "its types do not include no",
    );
    let after = event(
        "workflow_run",
        json!({"action": "completed", "workflow_run": {"name": "CI", "head_branch": "x"}}),
    );
    check("{workflow_run: {workflows: [CI]}}", &after, "");
    check("{workflow_run: {workflows: [Other]}}", &after, "its workflows do not include \"CI\"");
    check("{workflow_run: {workflows: [CI], branches: [main]}}", &after, "its branches leave out x");
    let cron = event("schedule", json!({"schedule": "0 3 * * *"}));
    check("{schedule: [{cron: '0 3 * * *', timezone: Europe/Berlin}]}", &cron, "");
    check("{schedule: [{cron: '1 3 * * *'}]}", &cron, "its schedule does not include \"0 3 * * *\"");
}

const DISPATCH: &str = "on:
  workflow_dispatch:
    inputs:
      name: {required: true}
      count: {type: number, default: 3}
      dry-run: {type: boolean}
      level: {type: choice, options: [low, high]}
      place: {type: environment, default: staging}
run-name: Ship ${{ inputs.name }} by ${{ github.actor }}
concurrency: {group: 'Ship-${{ inputs.place }}', cancel-in-progress: '${{ inputs.dry-run }}'}
jobs: {a: {runs-on: here, steps: [{run: make}]}}
";

fn dispatch(inputs: &[(&str, &str)]) -> Result<RunPlan, String> {
    let inputs: BTreeMap<String, String> =
        inputs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    RunPlan::new(Arc::new(workflow(DISPATCH)), event("workflow_dispatch", json!({})), &inputs)
        .map_err(|found| found.to_string().trim().to_owned())
}

#[test]
fn inputs_are_typed_and_defaulted() {
    let plan = dispatch(&[("NAME", "web"), ("dry-run", "true")]).expect("they fit");
    assert_eq!(
        plan.inputs().to_json(),
        json!({"name": "web", "count": 3, "dry-run": true, "level": "low", "place": "staging"})
    );
    let context = crate::worlds::context(&plan);
    assert_eq!(plan.run_name(&context), Ok(Some("Ship web by mona".to_owned())));
    let group = plan.concurrency(&context).expect("it evaluates").expect("there is a group");
    assert_eq!((group.group.as_str(), group.cancel_in_progress), ("ship-staging", true));
}

#[test]
fn a_default_may_be_written_as_another_type() {
    let inputs = "debug: {default: false}, port: {default: 8080}, flag: {type: boolean, default: 'true'}, count: {type: number, default: '3'}, word: {type: string, default: 3}";
    let text = &format!(
        "on: {{workflow_dispatch: {{inputs: {{{inputs}}}}}}}\njobs: {{a: {{runs-on: here, steps: [{{run: make}}]}}}}\n"
    );
    let plan =
        RunPlan::new(Arc::new(workflow(text)), event("workflow_dispatch", json!({})), &BTreeMap::new());
    assert_eq!(
        plan.expect("it fits").inputs().to_json(),
        json!({"debug": "false", "port": "8080", "flag": true, "count": 3, "word": "3"})
    );
}

#[test]
fn inputs_that_do_not_fit_are_refused_together() {
    let found = dispatch(&[("count", "many"), ("level", "middle"), ("plase", "x"), ("dry-run", "yes")]);
    assert_eq!(
        found.expect_err("they do not fit"),
        "w.yml:3:5: error[SW0115]: this workflow has no input \"plase\" (did you mean \"place\"?)
w.yml:4:7: error[SW0115]: the input \"name\" is required and was not given
w.yml:5:7: error[SW0115]: the input \"count\" is a number; \"many\" is none
w.yml:6:7: error[SW0115]: the input \"dry-run\" is a boolean; \"yes\" is neither true nor false
w.yml:7:7: error[SW0115]: the input \"level\" cannot be \"middle\"; the options are: low, high"
    );
}

/// A workflow that is started as if it was called, with these inputs declared.
fn call(inputs: &str, given: &[(&str, &str)]) -> Result<serde_json::Value, String> {
    let text = format!(
        "on:\n  workflow_call:\n    inputs: {inputs}\n  workflow_dispatch:\n    inputs: {{other: {{}}}}\njobs: {{a: {{runs-on: here, steps: [{{run: make}}]}}}}\n"
    );
    let given = given.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let plan = RunPlan::new(Arc::new(workflow(&text)), event("workflow_call", json!({})), &given)
        .map_err(|found| found.to_string())?;
    let inputs = plan.inputs_in(&crate::worlds::context(&plan)).map_err(|found| found.to_string())?;
    Ok(inputs.to_json())
}

#[test]
fn a_workflow_that_is_started_as_if_called_has_the_inputs_of_a_call() {
    let inputs = "{who: {type: string, required: true}, to: {type: string, default: '${{ inputs.who }}-${{ github.actor }}'}, n: {type: number, default: 5}, flag: {type: boolean}, m: {type: number}}";
    assert_eq!(
        call(inputs, &[("WHO", "me"), ("flag", "true")]),
        Ok(json!({"who": "me", "to": "me-mona", "n": 5, "flag": true, "m": 0}))
    );
    assert_eq!(
        call(inputs, &[("who", "3"), ("to", ""), ("n", "7")]),
        Ok(json!({"who": "3", "to": "", "n": 7, "flag": false, "m": 0}))
    );
    let wrong = call(inputs, &[("flag", "yes"), ("other", "x")]).expect_err("they do not fit");
    for part in [
        "SW0115]: this workflow has no input \"other\" (its inputs: who, to, n, flag, m)",
        "SW0115]: the input \"who\" is required and was not given",
        "SW0115]: the input \"flag\" is a boolean; \"yes\" is neither true nor false",
    ] {
        assert!(wrong.contains(part), "{wrong}");
    }
    let wrong = call("{n: {type: number, default: '${{ github.actor }}'}}", &[]).expect_err("no number");
    assert!(wrong.contains("SW0122") && wrong.contains("must be a number"), "{wrong}");
    let none = call("{}", &[("x", "1")]).expect_err("it has none");
    assert!(none.contains("for workflow_call it declares no inputs"), "{none}");
}

#[test]
fn keys_of_on_that_mean_nothing_are_told_and_left_out() {
    let text = r#"on:
  pull_request: {branches: [main], tags-ignore: ['**'], branches_ignore: []}
  workflow_dispatch: {branches: [main], inputs: {n: {type: int, optional: true}}}
  release: {type: [x]}
  fork: {types: [x]}
  schedule: [{cron: '1 2 * * *', branches: [main]}]
jobs: {a: {runs-on: x, steps: [{run: make}]}}
"#;
    let (workflow, found) = Workflow::parse(&Source::new("w.yml", text));
    let pull = "types, branches, branches-ignore, paths, paths-ignore";
    let idle = |place: &str, owner: &str, key: &str, help: &str| {
        format!(
            "w.yml:{place}: warning[SW0101]: {owner} has no key {key:?}, so that it means nothing ({help})"
        )
    };
    let expect = [
        idle("2:36", "the event \"pull_request\"", "tags-ignore", &format!("remove it; known keys: {pull}")),
        idle("2:57", "the event \"pull_request\"", "branches_ignore", "did you mean \"branches-ignore\"?"),
        idle("3:23", "the event \"workflow_dispatch\"", "branches", "remove it; known keys: inputs"),
        "w.yml:3:60: warning[SW0104]: the input \"n\" cannot have the type \"int\" and is taken as a string (use string, boolean, number, choice or environment)".to_owned(),
        idle("3:65", "the input \"n\"", "optional", "did you mean \"options\"?"),
        idle("4:13", "the event \"release\"", "type", "did you mean \"types\"?"),
        idle("5:10", "the event \"fork\"", "types", "remove it"),
        idle("6:34", "an entry of schedule", "branches", "remove it; known keys: cron, timezone"),
    ];
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(told, expect);
    assert!(workflow.is_some());
}
