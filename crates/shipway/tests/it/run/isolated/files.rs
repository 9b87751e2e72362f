//! Built-in actions in isolated jobs after programs have run, with links in their way, and services by the door of a job.

use super::super::{contains, events, expect, log, of_kind, on_push, repository};
use crate::support::{Answer, Folder, NOBODY, as_nobody, command};
use serde_json::Value;
use std::{fs, path::Path};

fn run(folder: &Folder, arguments: &[&str], code: i32) -> (Answer, Vec<Value>) {
    let fixed = ["--isolate", "--json", "--cache-dir", "kept"];
    let answer = expect(folder, &[&fixed, arguments].concat(), code);
    let events = events(&answer);
    (answer, events)
}

#[track_caller]
fn has(events: &[Value], line: &str) {
    assert!(log(events).contains(&line), "no line {line:?} in {:#?}", log(events));
}

/// The folder of the artifacts that a run kept.
fn artifacts(events: &[Value]) -> String {
    let folder = of_kind(events, "run_finished")[0]["artifacts"]["folder"].as_str();
    folder.expect("artifacts").to_owned()
}

const ROUND: &str = r#"  build:
    runs-on: x
    outputs: {digest: "${{ steps.up.outputs.artifact-digest }}"}
    steps:
      - run: mkdir -p out/sub && echo made > out/sub/file && printf '#!/bin/sh\n' > out/run && chmod +x out/run && ln -s sub/file out/link
      - {id: up, uses: actions/upload-artifact@v4, with: {name: it, path: out}}
      - {uses: actions/upload-artifact@v7, with: {path: out/sub/file, archive: false}}
      - {uses: actions/upload-artifact@v4, with: {name: none, path: nowhere, if-no-files-found: ignore}}
  fetch:
    needs: build
    runs-on: x
    steps:
      - run: echo begun
      - {uses: actions/download-artifact@v4, with: {name: it, path: got}}
      - {uses: actions/download-artifact@v4, with: {name: file, path: alone}}
      - run: |
          touch got/mine && test "$(stat -c %u got/run)" = "$(id -u)" && echo "mine $(stat -c %a got/run)"
          echo "got $(cat got/sub/file got/link alone/file | tr '\n' ' ')digest ${{ needs.build.outputs.digest != '' }}"
"#;

#[test]
fn artifacts_go_from_one_job_to_another_after_programs_have_run() {
    let folder = repository(&on_push(ROUND));
    let (_, events) = run(&folder, &[], 0);
    has(&events, "mine 755");
    has(&events, "got made made made digest true");
    fs::remove_dir_all(artifacts(&events)).expect("removed");
}

const CACHED: &str = r#"  it:
    runs-on: x
    steps:
      - run: pwd
      - {id: it, uses: actions/cache@v4, with: {path: "deps\n~/more", key: k}}
      - run: echo "hit '${{ steps.it.outputs.cache-hit }}', have $(cat deps/file ~/more/file 2>/dev/null | tr '\n' ' ')"
      - if: steps.it.outputs.cache-hit != 'true'
        run: |
          mkdir -p deps ~/more && echo kept | tee deps/file > ~/more/file
          # The name of a file is no option of tar.
          touch -- 'deps/--checkpoint-action=exec=false'
"#;

#[test]
fn caches_are_saved_and_restored_in_isolated_jobs_and_by_others() {
    let folder = repository(&on_push(CACHED));
    let (first, events) = run(&folder, &[], 0);
    has(&events, "hit '', have ");
    contains(&first, &["Cache saved with key: k"]);
    let (_, again) = run(&folder, &[], 0);
    has(&again, "hit 'true', have kept kept ");
    let fixed = ["--json", "--cache-dir", "kept"];
    let open = super::super::events(&expect(&folder, &fixed, 0));
    has(&open, "hit 'true', have kept kept ");
    // All of them worked at the same path, so that what names an absolute one is found too.
    let place = |events: &[Value]| {
        log(events).into_iter().find(|line| line.ends_with("/workspace")).expect("a path").to_owned()
    };
    assert_eq!(place(&events), place(&again));
    assert_eq!(place(&events), place(&open));
}

#[test]
fn nothing_of_a_job_is_left_for_the_next_one() {
    let job = "    runs-on: x\n    steps:\n      - run: |\n          find \"$GITHUB_WORKSPACE\" \"$HOME\" \"$RUNNER_TEMP\" \"$RUNNER_TOOL_CACHE\" -name planted\n          echo in ${GITHUB_WORKSPACE%/workspace}; touch planted ~/planted \"$RUNNER_TEMP/planted\" \"$RUNNER_TOOL_CACHE/planted\"\n";
    let folder = repository(&on_push(&format!("  one:\n{job}  two:\n    needs: one\n{job}")));
    let (_, events) = run(&folder, &[], 0);
    let log = log(&events);
    assert!(!log.iter().any(|line| line.ends_with("/planted")), "{log:#?}");
    let places: Vec<_> = log.iter().filter(|line| line.starts_with("in ")).collect();
    assert!(places.len() == 2 && places[0] == places[1], "{log:#?}");
    // Nor on the machine.
    assert!(!Path::new(&places[0][3..]).exists());
}

/// What a job that means no good leaves in the way of the runner: links to a folder and to a file of the machine.
fn planted(machine: &Path, steps: &str) -> String {
    on_push(&format!(
        "  bad:\n    runs-on: x\n    steps:\n      - run: mkdir -p out && echo mine > out/mine && ln -s {0}/secret out/stolen && ln -s {0} out/all && ln -s {0} into\n{steps}",
        machine.display()
    ))
}

#[test]
fn planted_links_lead_nowhere() {
    let machine = Folder::new();
    machine.write("secret", "of the machine\n");
    // As the first step leaves it, everybody might read and write there.
    let open = command("chmod", machine.path()).args(["-R", "a+rwX", "."]).status();
    assert!(open.expect("chmod").success());
    let steps = r#"      - {uses: actions/upload-artifact@v4, with: {name: out, path: out}}
      - {uses: actions/cache/save@v4, with: {path: "out\ninto/secret", key: k}}
      - {id: down, uses: actions/download-artifact@v4, with: {name: out, path: into}, continue-on-error: true}
      - {id: deep, uses: actions/download-artifact@v4, with: {name: out, path: out/all/deep}, continue-on-error: true}
      - run: "echo down ${{ steps.down.outcome }}, deep ${{ steps.deep.outcome }}"
"#;
    let folder = repository(&planted(machine.path(), steps));
    let (answer, events) = run(&folder, &[], 0);
    has(&events, "down failure, deep failure");
    contains(&answer, &["Cache saved with key: k"]);
    let kept = artifacts(&events);
    let all = command("sh", machine.path())
        .args([
            "-c",
            &format!(
                "cat -- $(find {kept} {0}/kept -type f) | grep -c 'of the machine'",
                folder.path().display()
            ),
        ])
        .output()
        .expect("sh");
    assert_eq!(String::from_utf8_lossy(&all.stdout).trim(), "0");
    let left: Vec<_> =
        fs::read_dir(machine.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["secret"]);
    fs::remove_dir_all(kept).expect("removed");
}

const ASKS: &str = r#"const url = process.env.ACTIONS_RESULTS_URL + 'twirp/github.actions.results.api.v1.CacheService/';
const call = async (method, body) => {
  const headers = { authorization: `Bearer ${process.env.ACTIONS_RUNTIME_TOKEN}`, 'content-type': 'application/json' };
  return (await fetch(url + method, { method: 'POST', headers, body: JSON.stringify(body) })).json();
};
(async () => {
  const found = await call('GetCacheEntryDownloadURL', { key: 'greeting', restore_keys: [], version: '1' });
  if (found.ok) return console.log(await (await fetch(found.signed_download_url)).text());
  const made = await call('CreateCacheEntry', { key: 'greeting', version: '1' });
  await fetch(made.signed_upload_url, { method: 'PUT', body: 'hello from the cache' });
  await call('FinalizeCacheEntryUpload', { key: 'greeting', version: '1', size_bytes: '20' });
})();
"#;

#[test]
fn actions_of_an_isolated_job_reach_the_services_and_nothing_else() {
    let jobs = r#"  it:
    runs-on: x
    permissions: {id-token: write}
    steps:
      - uses: actions/checkout@v4
      - run: |
          curl --silent --fail --header "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=me" | grep -c value
          bash -c 'echo > /dev/tcp/127.0.0.1/OTHER' 2>/dev/null || echo "the machine is out of reach"
      - uses: ./asks
"#;
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = other.local_addr().expect("an address").port().to_string();
    let folder = repository(&on_push(&jobs.replace("OTHER", &port)));
    folder.write("asks/action.yml", "name: asks\nruns: {using: node20, main: index.js}\n");
    folder.write("asks/index.js", ASKS);
    folder.write(".git/info/exclude", "kept\n");
    folder.commit("asks");
    let (_, events) = run(&folder, &[], 0);
    has(&events, "1");
    has(&events, "the machine is out of reach");
    let (_, events) = run(&folder, &[], 0);
    has(&events, "hello from the cache");
}

/// Who runs the tests without being root has run all others above in this way already.
#[test]
fn planted_links_lead_nowhere_where_the_runner_is_not_root() {
    let machine = Folder::new();
    let folder = repository(&planted(
        &machine.path().join("mine"),
        r#"      - {uses: actions/upload-artifact@v4, with: {name: out, path: out}}
      - {id: down, uses: actions/download-artifact@v4, with: {name: out, path: into}, continue-on-error: true}
      - {id: it, uses: actions/cache@v4, with: {path: out, key: k}}
      - run: "echo down ${{ steps.down.outcome }}"
"#,
    ));
    machine.write("mine/secret", "of the machine\n");
    let Some(mut shipway) = as_nobody(folder.path()) else { return };
    // The files of the runner's own user, which the job must not have.
    let owned = command("chown", machine.path()).args(["-R", &format!("{NOBODY}:{NOBODY}"), "."]).status();
    assert!(owned.expect("chown").success());
    let answer = Answer::from(shipway.args(["run", "--isolate", "--json"]).output().expect("shipway"));
    if answer.all().contains("cannot make namespaces") {
        println!(
            "NOT TESTED: isolated jobs of users other than root, to whom this kernel gives no namespaces"
        );
        return;
    }
    assert_eq!(answer.code, 0, "{}", answer.all());
    let events = events(&answer);
    has(&events, "down failure");
    let kept = artifacts(&events);
    let found = command("grep", machine.path())
        .args(["-r", "-l", "-a", "of the machine", &kept])
        .output()
        .expect("grep");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    let left = fs::read_dir(machine.path().join("mine")).expect("a folder").count();
    assert_eq!(left, 1);
    fs::remove_dir_all(kept).expect("removed");
}

#[test]
fn no_manifest_and_no_hash_is_read_outside() {
    let machine = Folder::new();
    machine.write("secret", "words: that nobody may see\n");
    let secret = machine.path().join("secret");
    let jobs = format!(
        "  a:\n    runs-on: x\n    steps:\n      - run: mkdir x; ln -s {secret} x/action.yml; ln -s {secret} f\n      - uses: ./x\n        \
         continue-on-error: true\n      - run: echo ${{{{ hashFiles('f') }}}}\n",
        secret = secret.display()
    );
    let folder = repository(&on_push(&jobs));
    let answer = super::super::expect(&folder, &["--isolate", "--verbose"], 1);
    contains(&answer, &["leads out of the folder of the job", "hashFiles cannot read"]);
    assert!(!answer.all().contains("nobody may see"), "{}", answer.all());
}

#[test]
fn no_checkout_goes_through_a_link_to_the_machine() {
    let machine = Folder::new();
    let outside = machine.path().join("outside");
    fs::create_dir(&outside).expect("made");
    for path in ["out", "out/sub"] {
        let jobs = format!(
            "  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - uses: actions/checkout@v4\n        with: {{path: {path}}}\n"
        );
        let folder = repository(&on_push(&jobs));
        std::os::unix::fs::symlink(&outside, folder.path().join("out")).expect("a link");
        let answer = super::super::expect(&folder, &["--isolate"], 1);
        contains(&answer, &["is a link that leads out of the workspace"]);
        assert_eq!(fs::read_dir(&outside).expect("there").count(), 0);
    }
}
