//! `concurrency`, `environment` and names that expressions give.

use crate::worlds::{context, plan, run, second};
use shipway_workflow::run::{Effect, Input};

/// What the first job asks for, or why it does not run.
fn asked(keys: &str) -> String {
    let mut run = run(&format!("on: push\njobs: {{a: {{runs-on: x, {keys}, steps: [{{run: make}}]}}}}\n"));
    let effects = run.apply(&Input::Start, second(0));
    for effect in effects {
        match effect {
            Effect::StartJob(request) => {
                let group = request.concurrency.as_ref();
                let group = group.map(|of| format!("{} {} {:?}", of.group, of.cancel_in_progress, of.queue));
                return format!(
                    "{} {group:?} {:?} {}",
                    request.name, request.environment, request.deployment
                );
            }
            Effect::CancelJob { .. } | Effect::Finish { .. } => {}
        }
    }
    run.jobs().into_iter().filter_map(|job| job.reason).collect()
}

#[test]
fn one_expression_may_give_a_whole_group() {
    let check = |value: &str, expect: &str| {
        assert_eq!(asked(&format!("concurrency: {value}")), format!("a {expect} None true"), "{value}");
    };
    check("Q", r#"Some("q false Single")"#);
    check(r#""${{ github.ref }}""#, r#"Some("refs/heads/main false Single")"#);
    check(
        r#""${{ fromJSON('{\"group\":\"Q\",\"cancel-in-progress\":true}') }}""#,
        r#"Some("q true Single")"#,
    );
    check(r#""${{ fromJSON('{\"group\":7,\"queue\":\"max\"}') }}""#, r#"Some("7 false Max")"#);
}

#[test]
fn what_is_no_group_is_told_at_its_place() {
    let check = |value: &str, expect: &str| {
        let found = asked(&format!("concurrency: {value}"));
        assert!(found.starts_with("w.yml:2:") && found.contains(expect), "{value}: {found}");
    };
    check(
        r#""${{ format('') }}""#,
        "error[SW0117]: the name of a concurrency group must not be empty (give it a name for every event, or leave concurrency out)",
    );
    check("{group: \"${{ vars.NONE }}\"}", "must not be empty");
    check(r#""${{ fromJSON('{}') }}""#, "must not be empty");
    check(&format!("{{group: \"{}${{{{ 1 }}}}\"}}", "x".repeat(400)), "must have at most 400 characters");
    check(
        r#""${{ fromJSON('{\"group\":\"q\",\"cancel-in-progress\":\"yes\"}') }}""#,
        "this expression must give true or false for concurrency.cancel-in-progress, but it gives a value of the kind string",
    );
    check(
        r#""${{ fromJSON('{\"group\":\"q\",\"queue\":\"long\"}') }}""#,
        "single or max for concurrency.queue",
    );
    check(r#""${{ fromJSON('{\"name\":\"q\"}') }}""#, "the key \"name\", which it does not have");
    check(r#""${{ fromJSON('[1]') }}""#, "error[SW0206]");
    check(r#"{group: "${{ fromJSON('{\"group\":\"q\"}') }}"}"#, "error[SW0206]");
    check(
        r#""${{ fromJSON('{\"group\":\"q\",\"queue\":\"max\",\"cancel-in-progress\":true}') }}""#,
        "error[SW0110]",
    );
}

#[test]
fn a_workflow_may_have_its_group_from_one_expression() {
    let text = "on: push\nconcurrency: \"${{ fromJSON('{\\\"group\\\":\\\"q\\\"}') }}\"\njobs: {a: {runs-on: x, steps: [{run: make}]}}\n";
    let plan = plan(text);
    let group = plan.concurrency(&context(&plan)).expect("it evaluates").expect("there is a group");
    assert_eq!(group.group, "q");
}

#[test]
fn one_expression_may_give_a_whole_environment() {
    let check = |value: &str, expect: &str| {
        assert_eq!(asked(&format!("environment: {value}")), expect, "{value}");
    };
    check("live", r#"a None Some("live") true"#);
    check(r#""${{ '' }}""#, "a None None true");
    check(
        r#""${{ fromJSON('{\"name\":\"live\",\"url\":\"http://x\",\"deployment\":false}') }}""#,
        r#"a None Some("live") false"#,
    );
    check(
        r#""${{ fromJSON('{\"url\":\"http://x\"}') }}""#,
        "w.yml:2:37: error[SW0117]: this expression gives an environment without a name",
    );
    check(
        r#""${{ fromJSON('{\"name\":[]}') }}""#,
        "w.yml:2:37: error[SW0117]: this expression must give text for environment.name, but it gives a value of the kind array",
    );
    check(
        r#""${{ fromJSON('{\"name\":\"live\",\"who\":1}') }}""#,
        "w.yml:2:37: error[SW0117]: this expression gives environment the key \"who\", which it does not have (known keys: name, url, deployment)",
    );
}

#[test]
fn a_job_whose_name_comes_out_empty_is_called_by_its_id() {
    assert_eq!(asked(r#"name: "${{ '' }}""#), "a None None true");
    assert_eq!(asked(r#"name: "${{ vars.NONE }}", strategy: {matrix: {v: [p]}}"#), "a (p) None None true");
}

#[test]
fn a_step_may_say_that_it_has_no_limit() {
    let text = "on: push\njobs: {a: {runs-on: x, steps: [{run: make, timeout-minutes: 0}]}}\n";
    assert!(crate::worlds::workflow(text).jobs.contains_key("a"));
}
