//! `shipway plan`: what an event would run, why, and why not the rest.

use crate::support::{Answer, Folder};
use serde_json::Value;

const CI: &str = "name: CI\non:\n  push:\n    branches: [main, '!main-old', 'release/**']\n    paths: ['src/**']\n  \
                  pull_request:\njobs:\n  a:\n    runs-on: x\n    strategy: {matrix: {os: [one, two]}}\n    steps: \
                  [{run: 'true'}]\n  b: {needs: a, runs-on: x, steps: [{run: 'true'}]}\n";
const DOCS: &str = "on: {push: {tags: ['v*']}}\njobs:\n  d: {runs-on: x, steps: [{run: 'true'}]}\n";

fn repository() -> Folder {
    Folder::repository(&[(".github/workflows/ci.yml", CI), (".github/workflows/docs.yml", DOCS)])
}

#[track_caller]
fn plan(arguments: &[&str], code: i32) -> Answer {
    let answer = repository().shipway(&[&["plan"], arguments].concat());
    assert_eq!(answer.code, code, "{}", answer.all());
    answer
}

#[track_caller]
fn says(answer: &Answer, parts: &[&str]) {
    for part in parts {
        assert!(answer.stdout.contains(part), "{part}\n{}", answer.all());
    }
}

#[test]
fn shows_what_would_run_and_why() {
    says(
        &plan(&[], 0),
        &[
            "CI (.github/workflows/ci.yml): push, main",
            "  why: branches: main matches \"main\"",
            "  why: paths: let pass, as the changed paths are not known",
            "  a: 1 step on x",
            "    a (one)",
            "  b, needs a: 1 step on x",
            ".github/workflows/docs.yml: not started by push: it filters refs, and names no branches",
        ],
    );
    says(
        &plan(&["--ref", "refs/heads/release/1", "--changed", "src/a.rs", "--changed", "README.md"], 0),
        &[
            "branches: release/1 matches \"release/**\"",
            "paths: src/a.rs matches \"src/**\"",
            "README.md matches none of",
        ],
    );
    says(
        &plan(&["--ref", "refs/tags/v1"], 0),
        &["tags: v1 matches \"v*\"", "CI (.github/workflows/ci.yml): not started"],
    );
    says(&plan(&["pull_request", "-j", "a"], 0), &["  a: 1 step"]);
}

#[test]
fn nothing_to_run_ends_with_three_and_says_why() {
    let answer = plan(&["--changed", "README.md"], 3);
    says(&answer, &["no changed path matches", "paths: README.md matches none of \"src/**\""]);
    assert!(answer.stderr.contains("SW1013"), "{}", answer.all());
    assert!(plan(&["--ref", "main"], 2).stderr.contains("refs/heads/main"));
}

#[test]
fn it_is_what_a_dry_run_prints() {
    let folder = repository();
    let (plan, dry) = (folder.shipway(&["plan", "--json"]), folder.shipway(&["run", "--dry-run", "--json"]));
    assert_eq!(plan.stdout, dry.stdout);
    let lines: Vec<Value> =
        plan.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["event"], "plan");
    assert_eq!(lines[0]["filters"][0], "branches: main matches \"main\"");
    assert_eq!(lines[0]["jobs"][0]["legs"][1], "a (two)");
    assert_eq!(
        (&lines[1]["event"], &lines[1]["workflow"]),
        (&"not_planned".into(), &".github/workflows/docs.yml".into())
    );
}

#[test]
fn legs_have_the_names_that_they_will_have_as_far_as_they_are_known() {
    let text = "on: {push: {}, workflow_dispatch: {inputs: {level: {default: low}}}}\njobs:\n  a:\n    name: test ${{ matrix.os }} \
                at ${{ inputs.level || 'none' }}\n    runs-on: x\n    strategy: {matrix: {os: [one, two], n: [1]}}\n    steps: [{run: \
                'true'}]\n  b:\n    name: ${{ needs.a.outputs.y }} ${{ matrix.os }}\n    needs: a\n    if: |\n      success() &&\n      \
                github.ref != ''\n    runs-on: x\n    strategy: {matrix: {os: [one, \"two\\nlines\"]}}\n    steps: [{run: 'true'}]\n";
    let folder = Folder::repository(&[(".github/workflows/ci.yml", text)]);
    let answer = folder.shipway(&["plan"]);
    says(
        &answer,
        &[
            "\n    test one at none\n    test two at none\n",
            "  b, needs a, if success() && github.ref != '': 1 step on x\n    b (one)\n    b (two lines)\n",
        ],
    );
    let answer = folder.shipway(&["plan", "workflow_dispatch", "--json"]);
    let plan: Value = serde_json::from_str(answer.stdout.lines().next().expect("a plan")).expect("JSON");
    assert_eq!(plan["jobs"][0]["legs"][1], "test two at low", "{}", answer.all());
    assert_eq!(plan["jobs"][1]["legs"][1], "b (two\nlines)", "{}", answer.all());
}
