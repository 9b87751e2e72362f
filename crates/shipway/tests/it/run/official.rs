//! GitHub's own actions as they are published, in whole workflows without any built-in action. They come from the mirror
//! that `SHIPWAY_ACTION_MIRROR` names, which `cargo xtask actions-mirror DIR` makes.

use super::{conclusions, contains, events, log, of_kind};
use crate::support::{Answer, Folder, binary, command, project};
use serde_json::Value;
use std::{fs, path::PathBuf, process::Command};

/// The tags of actions that were made in the same years: each of the two that people use today.
struct Tags {
    checkout: &'static str,
    cache: &'static str,
    upload: &'static str,
    download: &'static str,
    setup_node: &'static str,
    script: &'static str,
}

/// For Node 20.
const OLDER: Tags =
    Tags { checkout: "v4", cache: "v4", upload: "v4", download: "v4", setup_node: "v4", script: "v7" };

/// For Node 24.
const NEWER: Tags =
    Tags { checkout: "v7", cache: "v5", upload: "v7", download: "v8", setup_node: "v7", script: "v8" };

/// A repository, the folder that its runs keep, and the mirror.
struct Place {
    folder: Folder,
    mirror: PathBuf,
    node: String,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the place of the mirror is told to tests through the environment"
)]
#[expect(clippy::print_stdout, reason = "what is not tested is said loudly")]
fn place(tags: &Tags, workflow: &str) -> Option<Place> {
    let Some(mirror) = std::env::var_os("SHIPWAY_ACTION_MIRROR").map(PathBuf::from) else {
        println!(
            "NOT TESTED: GitHub's own actions; make a mirror with `cargo xtask actions-mirror DIR` and set \
             SHIPWAY_ACTION_MIRROR=DIR"
        );
        return None;
    };
    let Ok(node) = command("node", &project()).arg("--version").output() else {
        println!("NOT TESTED: GitHub's own actions; node is not installed");
        return None;
    };
    let node = String::from_utf8_lossy(&node.stdout).trim().trim_start_matches('v').to_owned();
    let tags = [
        ("checkout", tags.checkout),
        ("cache", tags.cache),
        ("cache/save", tags.cache),
        ("cache/restore", tags.cache),
        ("upload-artifact", tags.upload),
        ("download-artifact", tags.download),
        ("setup-node", tags.setup_node),
        ("github-script", tags.script),
    ];
    let text = tags.iter().fold(workflow.replace("NODE_VERSION", &node), |text, (action, tag)| {
        text.replace(&format!("actions/{action}@X"), &format!("actions/{action}@{tag}"))
    });
    let folder = Folder::repository(&[
        (".github/workflows/ci.yml", text.as_str()),
        ("hello.txt", "hello from the repository\n"),
        ("lock", "one\n"),
        ("package-lock.json", "{}\n"),
    ]);
    fs::write(folder.path().join(".git/info/exclude"), "kept\n").expect("a file");
    Some(Place { folder, mirror, node })
}

impl Place {
    fn run(&self, arguments: &[&str]) -> (Answer, Vec<Value>) {
        self.run_in(&self.folder, |run| {
            run.args(arguments);
        })
    }

    /// Runs the workflow of a repository.
    fn run_in(&self, folder: &Folder, change: impl FnOnce(&mut Command)) -> (Answer, Vec<Value>) {
        let mut run = command(binary(), folder.path());
        run.args(["run", "--json", "--cache-dir", "kept", "--no-native-actions", "--action-mirror"]);
        change(run.arg(&self.mirror));
        let answer = Answer::from(run.output().expect("shipway"));
        assert_eq!(answer.code, 0, "{}", answer.all());
        let events = events(&answer);
        if let Some(folder) = of_kind(&events, "run_finished")[0]["artifacts"]["folder"].as_str() {
            fs::remove_dir_all(folder).expect("removed");
        }
        (answer, events)
    }
}

#[track_caller]
fn has(events: &[Value], line: &str) {
    assert!(log(events).contains(&line), "no line {line:?} in {:#?}", log(events));
}

/// What the steps of this name came to, in order.
fn ends<'a>(events: &'a [Value], name: &str) -> Vec<&'a str> {
    let key = |event: &Value| (event["job"].clone(), event["step"].clone());
    let started = of_kind(events, "step_started");
    let wanted: Vec<_> =
        started.iter().filter(|event| event["name"] == name).map(|event| key(event)).collect();
    let finished = of_kind(events, "step_finished");
    finished
        .into_iter()
        .filter(|event| wanted.contains(&key(event)))
        .filter_map(|event| event["conclusion"].as_str())
        .collect()
}

const CHECKOUT_AND_SCRIPT: &str = r#"on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - {uses: actions/checkout@X}
      - run: cat hello.txt; echo "at $(git rev-parse HEAD) on $(git branch --show-current)"
      - {uses: actions/checkout@X, with: {path: deep, fetch-depth: 0, ref: main}}
      - run: echo "deep has $(git -C deep rev-list --count HEAD) commits"
      - {uses: actions/checkout@X, with: {path: sparse, sparse-checkout: lock, sparse-checkout-cone-mode: false}}
      - run: echo "sparse has $(ls sparse)"
      - id: script
        with:
          result-encoding: string
          script: |
            core.info('a line from the script');
            core.exportVariable('EXPORTED', 'by script');
            const files = await glob.create('*.txt').then(found => found.glob());
            await exec.exec('echo', ['run from the script']);
            await io.mkdirP('made');
            return [context.eventName, context.sha, context.job, files.length].join(' ');
        uses: actions/github-script@X
      - run: echo "${{ steps.script.outputs.result }} $EXPORTED $(ls -d made)"
      - {uses: actions/setup-node@X, with: {node-version: NODE_VERSION, cache: npm}}
      - run: mkdir -p "$(npm config get cache)" && echo kept > "$(npm config get cache)/file"; echo "node is $(command -v node)"
"#;

fn checkout_and_script_and_setup_node(tags: &Tags) {
    let Some(place) = place(tags, CHECKOUT_AND_SCRIPT) else { return };
    place.folder.write("hello.txt", "hello again\n");
    place.folder.commit("second");
    let sha = place.folder.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let (first_answer, first) = place.run(&[]);
    for line in [
        "hello again",
        &format!("at {sha} on main"),
        "deep has 2 commits",
        "sparse has lock",
        "a line from the script",
        "run from the script",
        &format!("push {sha} build 1 by script made"),
    ] {
        has(&first, line);
    }
    contains(&first_answer, &["Found in cache", &format!("node/{}/", place.node), "Cache saved"]);
    let (second, _) = place.run(&[]);
    contains(&second, &["Cache restored from key", "not saving cache"]);
}

#[test]
fn checkout_github_script_and_setup_node_for_node_20() {
    checkout_and_script_and_setup_node(&OLDER);
}

#[test]
fn checkout_github_script_and_setup_node_for_node_24() {
    checkout_and_script_and_setup_node(&NEWER);
}

const CACHES: &str = r#"on: push
jobs:
  whole:
    runs-on: ubuntu-latest
    steps:
      - {uses: actions/checkout@X}
      - id: deps
        uses: actions/cache@X
        with: {path: "deps\n~/more\n!deps/not", key: "deps-${{ hashFiles('lock') }}", restore-keys: deps-}
      - run: echo "whole hit '${{ steps.deps.outputs.cache-hit }}', have $(cat deps/lock ~/more/lock 2>/dev/null | tr '\n' ' ')"
      - if: steps.deps.outputs.cache-hit != 'true'
        run: mkdir -p deps ~/more && cp lock deps/ && cp lock ~/more/ && echo x > deps/not
  parts:
    runs-on: ubuntu-latest
    steps:
      - {uses: actions/checkout@X}
      - {id: look, uses: actions/cache/restore@X, with: {path: parts, key: "parts-${{ hashFiles('lock') }}", lookup-only: true}}
      - {id: in, uses: actions/cache/restore@X, with: {path: parts, key: "parts-${{ hashFiles('lock') }}", restore-keys: "parts-"}}
      - run: |
          echo "parts looked '${{ steps.look.outputs.cache-hit }}', matched '${{ steps.in.outputs.cache-matched-key != '' }}', have $(cat parts/lock 2>/dev/null)"
          mkdir -p parts && cp lock parts/
      - {if: steps.in.outputs.cache-hit != 'true', uses: actions/cache/save@X, with: {path: parts, key: "${{ steps.in.outputs.cache-primary-key }}"}}
      - id: strict
        uses: actions/cache/restore@X
        with: {path: parts, key: never, fail-on-cache-miss: true}
        continue-on-error: true
      - run: echo "strict ${{ steps.strict.outcome }}"
"#;

fn caches(tags: &Tags) {
    let Some(place) = place(tags, CACHES) else { return };
    let post = format!("Post Run actions/cache@{}", tags.cache);
    let (_, first) = place.run(&[]);
    has(&first, "whole hit '', have ");
    has(&first, "parts looked '', matched 'false', have ");
    has(&first, "strict failure");
    assert_eq!(ends(&first, &post), ["success"]);
    let (second, second_events) = place.run(&[]);
    has(&second_events, "whole hit 'true', have one one ");
    has(&second_events, "parts looked 'true', matched 'true', have one");
    contains(&second, &["not saving cache"]);
    // Another key: what begins like it is restored, and kept under its own.
    place.folder.write("lock", "two\n");
    place.folder.commit("another lock");
    let (_, third) = place.run(&[]);
    has(&third, "whole hit 'false', have one one ");
    has(&third, "parts looked '', matched 'true', have one");
    let (_, fourth) = place.run(&[]);
    has(&fourth, "whole hit 'true', have two two ");
    has(&fourth, "parts looked 'true', matched 'true', have two");
}

#[test]
fn caches_for_node_20() {
    caches(&OLDER);
}

#[test]
fn caches_for_node_24() {
    caches(&NEWER);
}

const ARTIFACTS: &str = r#"on: push
jobs:
  build:
    strategy: {matrix: {part: [one, two]}}
    runs-on: ubuntu-latest
    outputs: {id: '${{ steps.up.outputs.artifact-id }}'}
    steps:
      - run: mkdir -p out/sub && seq 200000 > out/sub/numbers && echo ${{ matrix.part }} > out/${{ matrix.part }} && echo x > out/.hidden
      - {id: up, uses: actions/upload-artifact@X, with: {name: "part-${{ matrix.part }}", path: out, retention-days: 3}}
      - run: |
          echo "digest ${{ steps.up.outputs.artifact-digest != '' }}, link ${{ endsWith(steps.up.outputs.artifact-url, steps.up.outputs.artifact-id) }}"
      - id: again
        uses: actions/upload-artifact@X
        with: {name: "part-${{ matrix.part }}", path: out}
        continue-on-error: true
      - {uses: actions/upload-artifact@X, with: {name: "part-${{ matrix.part }}", path: out, overwrite: true, include-hidden-files: true}}
      - id: none
        uses: actions/upload-artifact@X
        with: {name: nothing, path: nowhere, if-no-files-found: error}
        continue-on-error: true
      - run: echo "again ${{ steps.again.outcome }}, none ${{ steps.none.outcome }}"
  fetch:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - {uses: actions/download-artifact@X, with: {name: part-one, path: a}}
      - {id: all, uses: actions/download-artifact@X, with: {path: b, pattern: part-*}}
      - {uses: actions/download-artifact@X, with: {path: c, merge-multiple: true}}
      - run: |
          echo "a has $(ls -A a | tr '\n' ' ')and $(tail -n 1 a/sub/numbers)"
          echo "b has $(ls -A b b/part-two | tr '\n' ' ')"
          echo "c has $(ls -A c | tr '\n' ' ')"
          echo "went to ${{ steps.all.outputs.download-path }}" | sed "s|$GITHUB_WORKSPACE|.|"
"#;

fn artifacts(tags: &Tags) {
    let Some(place) = place(tags, ARTIFACTS) else { return };
    let (_, events) = place.run(&[]);
    for line in [
        "digest true, link true",
        "again failure, none failure",
        "a has .hidden one sub and 200000",
        "b has b: part-one part-two  b/part-two: .hidden sub two ",
        "c has .hidden one sub two ",
        "went to ./b",
    ] {
        has(&events, line);
    }
    let all = [("build (one)", "success"), ("build (two)", "success"), ("fetch", "success")];
    assert_eq!(conclusions(&events), all);
}

#[test]
fn artifacts_for_node_20() {
    artifacts(&OLDER);
}

#[test]
fn artifacts_for_node_24() {
    artifacts(&NEWER);
}

const IN_CONTAINERS: &str = r#"on: push
jobs:
  build:
    runs-on: ubuntu-latest
    container: IMAGE
    steps:
      - {uses: actions/checkout@X}
      - run: echo "have $(cat hello.txt) at $(git rev-parse HEAD)"; mkdir -p out/sub && seq 200000 > out/sub/numbers
      - {id: up, uses: actions/upload-artifact@X, with: {name: built, path: out}}
      - {id: it, uses: actions/cache@X, with: {path: "deps\n~/more", key: "c-${{ hashFiles('lock') }}"}}
      - run: echo "hit '${{ steps.it.outputs.cache-hit }}', have $(cat deps/lock ~/more/lock | tr '\n' ' ')"; mkdir -p deps ~/more && cp lock deps/ && cp lock ~/more/
  fetch:
    needs: build
    runs-on: ubuntu-latest
    container: IMAGE
    steps:
      - {id: all, uses: actions/download-artifact@X, with: {name: built, path: a}}
      - run: echo "a has $(ls -A a | tr '\n' ' ')and $(tail -n 1 a/sub/numbers), in ${{ steps.all.outputs.download-path }}" | sed "s|$GITHUB_WORKSPACE|.|"
"#;

/// Checkout, artifacts and caches in jobs whose containers have git, tar and Node; `linked` in a linked work tree.
fn in_containers(tags: &Tags, linked: bool) {
    let Some(place) = place(tags, &IN_CONTAINERS.replace("IMAGE", super::engine::image())) else { return };
    let tree = Folder::new();
    let folder = if linked {
        let path = tree.path().display().to_string();
        place.folder.git(&["worktree", "add", "--quiet", "--force", "-B", "linked", &path]);
        tree.write("hello.txt", "hello from the linked tree\n");
        tree.write(".gitignore", "kept\n");
        tree.commit("linked");
        &tree
    } else {
        &place.folder
    };
    let text = fs::read_to_string(folder.path().join("hello.txt")).expect("a file");
    let sha = folder.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let run = || {
        place.run_in(folder, |run| {
            run.env("DOCKER_HOST", super::engine::address());
        })
    };
    let (_, first) = run();
    has(&first, &format!("have {} at {sha}", text.trim()));
    has(&first, "hit '', have ");
    has(&first, "a has sub and 200000, in ./a");
    assert_eq!(conclusions(&first), [("build", "success"), ("fetch", "success")]);
    let (_, second) = run();
    has(&second, "hit 'true', have one one ");
    // What the real one has saved the built-in one restores.
    let mut built_in = command(binary(), folder.path());
    built_in.args(["run", "--json", "--cache-dir", "kept"]).env("DOCKER_HOST", super::engine::address());
    let answer = Answer::from(built_in.output().expect("shipway"));
    contains(&answer, &["The built-in cache is used"]);
    let third = events(&answer);
    has(&third, "hit 'true', have one one ");
    if let Some(folder) = of_kind(&third, "run_finished")[0]["artifacts"]["folder"].as_str() {
        fs::remove_dir_all(folder).expect("removed");
    }
}

#[test]
#[ignore = "needs a container engine"]
fn checkout_artifacts_and_caches_in_containers_for_node_20() {
    in_containers(&OLDER, false);
}

#[test]
#[ignore = "needs a container engine"]
fn checkout_artifacts_and_caches_in_containers_for_node_24_in_a_linked_work_tree() {
    in_containers(&NEWER, true);
}
