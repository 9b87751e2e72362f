//! Caches, artifacts and identity tokens, used by a real JavaScript action with the packages that official actions are made of.

use super::{conclusions, contains, events, log, of_kind, repository};
use crate::support::{Answer, Folder, command, project};
use serde_json::Value;
use std::path::PathBuf;

/// Whether the packages are there; where they are not, the test says so loudly.
pub(crate) fn has_packages() -> bool {
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

/// A workflow whose steps come after the action was put at `./services`, and the one for Node 24 at `./newer`.
fn workflow(head: &str, jobs: &[(&str, &str)]) -> Folder {
    let actions = project().join("tests/actions");
    let mut text = format!("{head}\njobs:\n");
    for (job, steps) in jobs {
        text.push_str(&format!(
            "  {job}:\n    runs-on: x\n    steps:\n      - run: ln -s '{0}/services' '{0}/newer' .\n{steps}",
            actions.display()
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

#[test]
fn programs_are_run_and_tools_are_kept_for_later_runs() {
    if !has_packages() {
        return;
    }
    let steps = r#"      - run: mkdir tool && printf '#!/bin/sh\necho my tool\n' > tool/mytool && chmod +x tool/mytool && tar -czf tool.tgz -C tool .
      - {id: it, uses: ./services, with: {do: exec, name: '  me '}}
      - run: echo "${{ steps.it.outputs.found }}" | sed "s|$GITHUB_WORKSPACE|the workspace|"
      - {id: tool, uses: ./services, with: {do: tool, name: mytool@1.2.3, path: tool.tgz}}
      - run: echo "${{ steps.tool.outputs.found }}, $(mytool)"
      - {id: again, uses: ./services, with: {do: tool, name: mytool@1.x, path: nowhere}}
      - run: echo "again ${{ steps.again.outputs.found }}"
"#;
    let folder = workflow("on: push", &[("a", steps)]);
    let (_, first) = run(&folder, &[]);
    for line in ["run for me in the workspace", "made, my tool", "again kept"] {
        assert!(log(&first).contains(&line), "{line}\n{:#?}", log(&first));
    }
    let (_, second) = run(&folder, &[]);
    assert!(log(&second).contains(&"kept, my tool"), "{:#?}", log(&second));
}

/// The Node 24 that is installed with the packages, where there is one for this machine.
#[expect(clippy::print_stdout, reason = "what is not tested is said loudly")]
fn newer_node() -> Option<PathBuf> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let node = project().join(format!("tests/actions/node_modules/node-linux-{arch}/bin/node"));
    if !node.is_file() {
        println!("NOT TESTED: there is no Node 24; run `cargo xtask test`, or `npm ci` in tests/actions");
    }
    node.is_file().then_some(node)
}

#[test]
fn each_action_has_the_node_it_is_made_for() {
    let Some(node) = newer_node().filter(|_| has_packages()) else { return };
    let steps = r#"      - {id: it, uses: ./services, with: {do: version}}
      - {id: newer, uses: ./newer, with: {do: version}}
      - run: |
          echo "made for 20 runs on ${{ steps.it.outputs.found }}, made for 24 on ${{ steps.newer.outputs.found }}"
"#;
    let folder = workflow("on: push", &[("a", steps)]);
    let machine = node_major();
    let (_, events) = run(&folder, &[]);
    let line = format!("made for 20 runs on v{machine}, made for 24 on v{machine}");
    assert!(log(&events).contains(&line.as_str()), "{line}\n{:#?}", log(&events));
    let warned = of_kind(&events, "annotation").iter().any(|annotation| {
        annotation["message"].as_str().is_some_and(|text| text.contains("./newer is made for Node 24"))
    });
    assert_eq!(warned, machine < 24, "{:#?}", log(&events));
    // A newer one in the tool cache is found.
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let kept = folder.path().join("kept/tools/0/node/24.21.0");
    std::fs::create_dir_all(kept.join(arch).join("bin")).expect("a folder");
    std::fs::write(kept.join(format!("{arch}.complete")), "").expect("a file");
    std::os::unix::fs::symlink(&node, kept.join(arch).join("bin/node")).expect("a link");
    let (_, events) = run(&folder, &[]);
    let newer = machine.max(24);
    let line = format!("made for 20 runs on v{machine}, made for 24 on v{newer}");
    assert!(log(&events).contains(&line.as_str()), "{line}\n{:#?}", log(&events));
}

/// The major version of the machine's own Node.
fn node_major() -> u32 {
    let output = command("node", &project()).arg("--version").output().expect("node");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim_start_matches('v').split('.').next().and_then(|number| number.parse().ok()).expect("a version")
}
