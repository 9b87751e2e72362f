//! Caches, artifacts and identity tokens, used by a real JavaScript action with the packages that official actions are made of.

use super::{conclusions, contains, events, log, of_kind, repository};
use crate::support::{Answer, Folder, project};
use serde_json::Value;

/// Whether the packages are there; where they are not, the test says so loudly.
fn has_packages() -> bool {
    let found = project().join("tests/actions/node_modules/@actions/cache").is_dir();
    if !found {
        said_packages_are_missing();
    }
    found
}

#[expect(clippy::print_stdout, reason = "what is not tested is said loudly")]
pub(super) fn said_packages_are_missing() {
    println!("NOT TESTED: run `cargo xtask test`, or `npm ci` in tests/actions");
}

/// A workflow whose steps come after the action was put at `./services`.
fn workflow(head: &str, jobs: &[(&str, &str)]) -> Folder {
    let action = project().join("tests/actions/services");
    let mut text = format!("{head}\njobs:\n");
    for (job, steps) in jobs {
        text.push_str(&format!(
            "  {job}:\n    runs-on: x\n    steps:\n      - run: ln -s '{}' services\n{steps}",
            action.display()
        ));
    }
    repository(&text)
}

fn run(folder: &Folder, arguments: &[&str]) -> (Answer, Vec<Value>) {
    let answer = folder.shipway(&[&["run", "--json", "--cache-dir", "kept"], arguments].concat());
    assert_eq!(answer.code, 0, "{}", answer.all());
    let events = events(&answer);
    (answer, events)
}

#[test]
fn a_cache_is_saved_by_one_run_and_restored_by_another() {
    if !has_packages() {
        return;
    }
    let steps = r#"      - run: mkdir -p data && seq 100000 > data/numbers
        if: vars.SAVE
      - {id: in, uses: ./services, with: {do: restore, path: data, key: "k-${{ vars.KEY }}", restore-keys: "k-\nx-"}}
      - run: echo "restored ${{ steps.in.outputs.found }} with $(wc -l < data/numbers) lines"
        if: steps.in.outputs.found != 'nothing'
      - {id: out, if: vars.SAVE, uses: ./services, with: {do: save, path: data, key: "k-${{ vars.KEY }}"}}
      - run: echo "saved ${{ steps.out.outputs.found > 0 }}"
        if: vars.SAVE
"#;
    let folder = workflow("on: push", &[("a", steps)]);
    let (_, first) = run(&folder, &["--var", "KEY=1", "--var", "SAVE=one"]);
    assert!(log(&first).contains(&"saved true"), "{:#?}", log(&first));
    let (_, second) = run(&folder, &["--var", "KEY=1"]);
    assert!(log(&second).contains(&"restored k-1 with 100000 lines"), "{:#?}", log(&second));
    let (_, third) = run(&folder, &["--var", "KEY=2"]);
    assert!(log(&third).contains(&"restored k-1 with 100000 lines"), "{:#?}", log(&third));
    assert_eq!(std::fs::read_dir(folder.path().join("kept/caches/uploads")).expect("uploads").count(), 0);
}

#[test]
fn artifacts_go_between_the_action_and_the_built_in_ones() {
    if !has_packages() {
        return;
    }
    let build = r#"      - run: mkdir -p out/sub && seq 200000 > out/sub/numbers && printf '\x50K' > out/raw && echo '{"a":1}' > out.json
      - {id: up, uses: ./services, with: {do: upload, name: from-action, path: out}}
      - {uses: ./services, with: {do: upload-file, path: out.json}}
      - {uses: actions/upload-artifact@v4, with: {name: built-in, path: out, compression-level: 6}}
      - {uses: actions/upload-artifact@v4, with: {name: stored, path: out}}
      - {uses: ./services, with: {do: upload, name: short, path: out}}
      - {id: list, uses: ./services, with: {do: list}}
      - run: echo "there are ${{ steps.list.outputs.found }}"
      - {uses: ./services, with: {do: delete, name: short}}
      - {id: again, uses: ./services, with: {do: upload, name: from-action, path: out}, continue-on-error: true}
      - run: echo "the second one ${{ steps.again.outcome }}"
"#;
    let fetch = r#"      - {uses: actions/download-artifact@v4, with: {name: from-action, path: a}}
      - {uses: actions/download-artifact@v4, with: {name: out.json, path: a}}
      - {uses: ./services, with: {do: download, name: built-in, path: b}}
      - {uses: ./services, with: {do: download, name: stored, path: c}}
      - {uses: ./services, with: {do: download, name: out.json, path: c}}
      - run: |
          for place in a b c; do echo "$place $(tail -n 1 "$place/sub/numbers") $(cat $place/raw)"; done
          cmp a/out.json c/out.json && echo same
      - {id: list, uses: ./services, with: {do: list}}
      - run: echo "now ${{ steps.list.outputs.found }}"
"#;
    let folder = workflow("on: push", &[("build", build), ("fetch", &format!("{fetch}    needs: build\n"))]);
    let (answer, events) = run(&folder, &[]);
    let log = log(&events);
    for line in [
        "there are built-in from-action out.json short stored",
        "the second one failure",
        "a 200000 PK",
        "b 200000 PK",
        "c 200000 PK",
        "same",
        "now built-in from-action out.json stored",
    ] {
        assert!(log.contains(&line), "{line}\n{log:#?}");
    }
    assert_eq!(conclusions(&events), [("build", "success"), ("fetch", "success")]);
    contains(&answer, &["an artifact with this name exists already"]);
    let end = of_kind(&events, "run_finished");
    let dir = end[0]["artifacts"]["folder"].as_str().expect("a folder").to_owned();
    assert!(std::path::Path::new(&dir).join("from-action.zip").is_file());
    std::fs::remove_dir_all(dir).expect("removed");
}

#[test]
fn tokens_are_for_those_who_may_and_never_seen() {
    if !has_packages() {
        return;
    }
    let steps = r#"      - {uses: ./services, with: {do: look}}
      - run: echo "scripts see $(env | grep -c ^ACTIONS_) $(env | grep -c ^ACTIONS_ID_TOKEN)" || true
      - {id: who, uses: ./services, with: {do: identify, name: sts.example.com}}
      - run: echo "is ${{ steps.who.outputs.found }}"
      - run: echo "asks with $ACTIONS_ID_TOKEN_REQUEST_TOKEN"
"#;
    let folder = workflow("on: push\npermissions: {id-token: write}", &[("a", steps)]);
    let (_, events) = run(&folder, &[]);
    let log = log(&events);
    let has = |line: &str| assert!(log.contains(&line), "{line}\n{log:#?}");
    has("sees ACTIONS_CACHE_SERVICE_V2 ACTIONS_CACHE_URL ACTIONS_ID_TOKEN_REQUEST_TOKEN \
         ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_RESULTS_URL ACTIONS_RUNTIME_TOKEN ACTIONS_RUNTIME_URL");
    has("the runtime token is ***");
    has("the token is ***");
    has("scripts see 2 2");
    has("asks with ***");
    let name = folder.path().file_name().expect("a name").to_string_lossy().into_owned();
    let is = log.iter().find(|line| line.starts_with("is repo:local/")).expect("a subject");
    assert!(is.ends_with(":ref:refs/heads/main sts.example.com"), "{is} {name}");
    let without = workflow("on: push", &[("a", "      - {uses: ./services, with: {do: look}}\n")]);
    let (_, events) = run(&without, &[]);
    assert!(!super::log(&events).iter().any(|line| line.contains("ID_TOKEN")));
}
