//! The built-in `actions/cache`, by itself and beside the packages that the real one is made of.

use super::{contains, events, log, of_kind, repository};
use crate::support::{Answer, Folder, project};
use serde_json::Value;

fn run(folder: &Folder, arguments: &[&str], code: i32) -> (Answer, Vec<Value>) {
    let answer = folder.shipway(&[&["run", "--json", "--cache-dir", "kept"], arguments].concat());
    assert_eq!(answer.code, code, "{}", answer.all());
    let events = events(&answer);
    (answer, events)
}

#[track_caller]
fn has(events: &[Value], line: &str) {
    assert!(log(events).contains(&line), "no line {line:?} in {:#?}", log(events));
}

const WORKFLOW: &str = r#"on: push
jobs:
  whole:
    runs-on: x
    steps:
      - id: it
        uses: actions/cache@v4
        with: {path: "deps\n~/more\n/tmp/not/there/*", key: "k-${{ vars.KEY }}", restore-keys: "k-\nother"}
      - run: |
          echo "hit '${{ steps.it.outputs.cache-hit }}', have $(cat deps/file ~/more/file 2>/dev/null | tr '\n' ' ')$(readlink deps/link)"
          stat -c 'mode %a' deps/run || true
      - if: steps.it.outputs.cache-hit != 'true'
        run: |
          mkdir -p deps/empty ~/more && echo "${{ vars.KEY }}" | tee deps/file > ~/more/file && ln -sfn file deps/link
          printf '#!/bin/sh\n' > deps/run && chmod 750 deps/run
      - if: vars.FAIL
        run: exit 1
  parts:
    runs-on: x
    steps:
      - {id: look, uses: actions/cache/restore@v4, with: {path: parts, key: "p-${{ vars.KEY }}", lookup-only: true}}
      - {id: in, uses: actions/cache/restore@v4, with: {path: parts, key: "p-${{ vars.KEY }}", restore-keys: p-}}
      - run: |
          echo "looked '${{ steps.look.outputs.cache-hit }}', key ${{ steps.in.outputs.cache-primary-key }}, matched '${{ steps.in.outputs.cache-matched-key }}', have $(cat parts 2>/dev/null)"
          echo "${{ vars.KEY }}" > parts
      - {if: steps.in.outputs.cache-hit != 'true', uses: actions/cache/save@v4, with: {path: parts, key: "p-${{ vars.KEY }}"}}
      - {uses: actions/cache/save@v4, with: {path: nowhere, key: none}}
      - {id: strict, uses: actions/cache/restore@v4, with: {path: parts, key: never, fail-on-cache-miss: true}, continue-on-error: true}
      - {id: comma, uses: actions/cache/restore@v4, with: {path: parts, key: 'a,b'}, continue-on-error: true}
      - run: echo "strict ${{ steps.strict.outcome }}, comma ${{ steps.comma.outcome }}"
"#;

#[test]
fn what_one_run_saves_the_next_restores() {
    let folder = repository(WORKFLOW);
    let (failed, _) = run(&folder, &["--var", "KEY=1", "--var", "FAIL=yes", "-j", "whole"], 1);
    contains(&failed, &["Cache not found for input keys: k-1, k-, other"]);
    let (first, events) = run(&folder, &["--var", "KEY=1"], 0);
    // A job that fails saves nothing.
    has(&events, "hit '', have ");
    has(&events, "looked '', key p-1, matched '', have ");
    has(&events, "strict failure, comma failure");
    contains(
        &first,
        &["Cache saved with key: k-1", "the cache none is not saved: none of its paths is there"],
    );
    let (second, events) = run(&folder, &["--var", "KEY=1"], 0);
    has(&events, "hit 'true', have 1 1 file");
    has(&events, "mode 750");
    has(&events, "looked 'true', key p-1, matched 'p-1', have 1");
    contains(&second, &["Cache hit occurred on the primary key k-1, not saving cache."]);
    let (_, events) = run(&folder, &["--var", "KEY=2"], 0);
    has(&events, "hit 'false', have 1 1 file");
    has(&events, "looked '', key p-2, matched 'p-1', have 1");
    let (_, events) = run(&folder, &["--var", "KEY=2"], 0);
    has(&events, "hit 'true', have 2 2 file");
    let uploads = folder.path().join("kept/caches/uploads");
    assert_eq!(std::fs::read_dir(uploads).expect("uploads").count(), 0);
}

#[test]
fn a_job_that_may_not_save_is_told_so() {
    let steps = "      - run: mkdir deps && echo x > deps/file\n      - {uses: actions/cache/save@v4, with: {path: deps, key: k}}\n";
    let folder = repository(&format!(
        "on: push\njobs:\n  a:\n    runs-on: x\n    cache-mode: read\n    steps:\n{steps}"
    ));
    let (answer, events) = run(&folder, &[], 0);
    contains(&answer, &["the cache k is not saved", "cache-mode: read"]);
    assert_eq!(of_kind(&events, "annotation").len(), 1);
}

#[test]
fn the_toolkit_and_the_built_in_action_understand_each_other() {
    if !super::services::has_packages() {
        return;
    }
    let actions = project().join("tests/actions");
    let text = format!(
        r#"on: push
jobs:
  a:
    runs-on: x
    steps:
      - run: ln -s '{0}/services' . && mkdir -p one two
      - {{id: two, uses: actions/cache/restore@v4, with: {{path: two, key: made-by-toolkit}}}}
      - {{id: one, uses: ./services, with: {{do: restore, path: one, key: made-by-built-in}}}}
      - run: |
          echo "built-in '${{{{ steps.two.outputs.cache-hit }}}}' $(wc -l < two/numbers), toolkit ${{{{ steps.one.outputs.found }}}} $(wc -l < one/numbers)"
      - run: seq 300000 > one/numbers && seq 400000 > two/numbers
      - {{if: "!vars.AGAIN", uses: actions/cache/save@v4, with: {{path: one, key: made-by-built-in}}}}
      - {{if: "!vars.AGAIN", uses: ./services, with: {{do: save, path: two, key: made-by-toolkit}}}}
"#,
        actions.display()
    );
    let folder = repository(&text);
    let (_, events) = run(&folder, &[], 0);
    has(&events, "built-in '' , toolkit nothing ");
    let (_, events) = run(&folder, &["--var", "AGAIN=yes"], 0);
    has(&events, "built-in 'true' 400000, toolkit made-by-built-in 300000");
}
