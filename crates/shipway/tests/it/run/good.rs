//! What a workflow can do, from `needs` to actions.

use super::{conclusions, contains, events, expect, log, of_kind, on_push, run};
use crate::support::{Folder, project};

#[test]
fn the_language_of_jobs() {
    let workflow = r##"
name: language
on: push
env: {LEVEL: workflow, ONLY: workflow}
defaults: {run: {shell: bash}}
jobs:
  first:
    runs-on: ubuntu-latest
    env: {LEVEL: job}
    outputs:
      word: ${{ steps.make.outputs.word }}
    steps:
      - id: make
        run: |
          echo "word=from-first" >> "$GITHUB_OUTPUT"
          echo "LATER=was-set" >> "$GITHUB_ENV"
          echo "# A summary" >> "$GITHUB_STEP_SUMMARY"
          mkdir bin
          printf '#!/bin/sh\necho tool-ran' > bin/mytool
          chmod +x bin/mytool
          echo "$PWD/bin" >> "$GITHUB_PATH"
      - run: |
          echo "$LEVEL $ONLY $LATER"
          mytool
        env: {LEVEL: step}
      - run: exit 7
        continue-on-error: true
      - if: failure()
        run: echo must-not-run
      - if: ${{ success() && github.ref == 'refs/heads/main' }}
        run: echo condition-held
      - run: sleep 60
        timeout-minutes: 0.003
        continue-on-error: true
      - working-directory: bin
        shell: sh
        run: echo "in ${PWD##*/}"
  legs:
    needs: first
    runs-on: ubuntu-latest
    strategy:
      matrix:
        letter: [a, b]
        number: [1, 2]
        exclude: [{letter: b, number: 2}]
        include: [{letter: z, number: 9}]
    steps:
      - run: echo "leg ${{ matrix.letter }}${{ matrix.number }} ${{ needs.first.outputs.word }}"
  fails:
    runs-on: ubuntu-latest
    continue-on-error: true
    steps: [{run: exit 1}]
  never:
    if: github.event_name == 'pull_request'
    runs-on: ubuntu-latest
    steps: [{run: echo must-not-run}]
  last:
    needs: [legs, fails]
    runs-on: ubuntu-latest
    steps: [{run: 'echo last'}]
"##;
    let answer = run(workflow, &["--json"], 0);
    let events = events(&answer);
    let ended = conclusions(&events);
    assert_eq!(ended.len(), 8, "{ended:?}");
    for (name, end) in ended {
        let expected = match name {
            "fails" => "failure",
            "never" => "skipped",
            _ => "success",
        };
        assert_eq!(end, expected, "{name}: {}", answer.all());
    }
    let lines = log(&events);
    for line in [
        "step workflow was-set",
        "tool-ran",
        "condition-held",
        "in bin",
        "leg a1 from-first",
        "leg a2 from-first",
        "leg b1 from-first",
        "leg z9 from-first",
        "last",
    ] {
        assert!(lines.contains(&line), "{line:?} is not in {lines:?}");
    }
    assert!(!lines.contains(&"leg b2 from-first"));
    assert!(!lines.contains(&"must-not-run"));
    let timed_out = of_kind(&events, "annotation").into_iter().filter_map(|note| note["message"].as_str());
    assert_eq!(timed_out.filter(|text| text.contains("timeout-minutes")).count(), 1, "{}", answer.all());
    assert_eq!(of_kind(&events, "summary")[0]["markdown"].as_str().map(str::trim), Some("# A summary"));
    let outputs = &of_kind(&events, "run_finished")[0]["jobs"][0]["outputs"];
    assert_eq!(outputs["word"], "from-first");
}

#[test]
fn actions_of_the_repository_and_artifacts_between_jobs() {
    let workflow = on_push(
        r#"  build:
    runs-on: x
    steps:
      - uses: actions/checkout@v4
      - uses: ./actions/greet
        id: greet
        with: {who: Ada}
      - run: test "${{ steps.greet.outputs.greeting }}" = "Hello Ada"
      - run: mkdir out && cp fresh.txt out/
      - uses: actions/upload-artifact@v4
        with: {name: built, path: out}
  use:
    needs: build
    runs-on: x
    steps:
      - uses: actions/download-artifact@v4
        with: {name: built, path: in}
      - run: cat in/fresh.txt
"#,
    );
    let folder = Folder::repository(&[
        (".github/workflows/ci.yml", &workflow),
        (
            "actions/greet/action.yml",
            "name: greet\ninputs: {who: {required: true}}\noutputs:\n  greeting: {value: '${{ steps.say.outputs.greeting \
             }}'}\nruns:\n  using: composite\n  steps:\n    - id: say\n      shell: bash\n      run: echo \
             \"greeting=Hello ${{ inputs.who }}\" >> \"$GITHUB_OUTPUT\"\n",
        ),
    ]);
    // Neither committed nor added: the work tree counts.
    folder.write("fresh.txt", "not committed\n");
    let answer = expect(&folder, &["--verbose"], 0);
    contains(&answer, &["not committed", "artifacts in /", ": built"]);
    let place = answer.stdout.lines().find_map(|line| line.strip_prefix("artifacts in ")).expect("a folder");
    let place = std::path::Path::new(place.rsplit_once(": ").expect("names").0);
    assert!(place.join("built.zip").is_file(), "{}", answer.all());
    let folder = place.parent().expect("the folder of the run's artifacts");
    // Never the temporary folder itself, wherever artifacts lie in it.
    assert!(
        folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"shipway-artifacts-"))
    );
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn javascript_actions() {
    if crate::support::command("node", &project()).arg("--version").output().is_err() {
        eprintln!("SKIPPED: node is not installed");
        return;
    }
    let workflow = on_push(
        "  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - uses: ./js\n        with: {name: \
         Grace}\n",
    );
    let folder = Folder::repository(&[
        (".github/workflows/ci.yml", &workflow),
        (
            "js/action.yml",
            "name: js\ninputs: {name: {}}\nruns: {using: node20, main: main.js, post: post.js}\n",
        ),
        ("js/main.js", "console.log(`main for ${process.env.INPUT_NAME}`);\n"),
        ("js/post.js", "console.log('post ran');\n"),
    ]);
    contains(&expect(&folder, &["--verbose"], 0), &["main for Grace", "post ran", "Post"]);
}

#[test]
fn secrets_never_appear() {
    let workflow = on_push(
        "  a:\n    runs-on: x\n    steps:\n      - run: |\n          echo \"plain $TOKEN\"\n          echo \
         '${{ secrets.OTHER }}' | base64\n          echo \"::add-mask::made-up-later\"\n          echo \
         made-up-later\n          echo \"len ${#TOKEN}\"\n          exit 1\n        env: {TOKEN: '${{ secrets.TOKEN }}'}\n",
    );
    let folder = super::repository(&workflow);
    for more in [&[][..], &["--verbose"], &["--json"]] {
        let output = crate::support::command(crate::support::binary(), folder.path())
            .args(["run", "--secret", "TOKEN", "--secret", "OTHER=correct horse"])
            .args(more)
            .env("TOKEN", "hunter2hunter2")
            .output()
            .expect("shipway");
        let answer = crate::support::Answer::from(output);
        assert_eq!(answer.code, 1, "{}", answer.all());
        contains(&answer, &["plain ***", "len 14"]);
        for secret in ["hunter2", "correct horse", "Y29ycmVjdCBob3JzZ", "made-up-later"] {
            let hidden =
                answer.all().replace("::add-mask::made-up-later", "").replace("echo made-up-later", "");
            assert!(!hidden.contains(secret), "{secret}: {}", answer.all());
        }
    }
}

#[test]
fn a_repository_without_a_commit() {
    let folder = Folder::new();
    folder.git(&["init", "--quiet", "--initial-branch=trunk"]);
    folder.write(
        ".github/workflows/ci.yml",
        &on_push(
            "  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - run: test -f \
             .github/workflows/ci.yml && echo \"on $GITHUB_REF_NAME\"\n",
        ),
    );
    contains(&expect(&folder, &["--verbose"], 0), &["on trunk", "trunk, without a commit yet"]);
}

#[test]
fn the_environment_is_the_workflows_own() {
    let workflow = on_push(
        "  a:\n    runs-on: x\n    steps:\n      - run: |\n          echo \"leaked [$LEAK] given [$GIVEN] lent [$LENT] var [${{ \
         vars.REGION }}]\"\n          test \"$HOME\" != /home/of/the/caller\n          echo \"$CI $GITHUB_ACTIONS \
         $GITHUB_REPOSITORY $GITHUB_EVENT_NAME\"\n",
    );
    let folder = super::repository(&workflow);
    folder.git(&["remote", "add", "origin", "git@example.com:acme/web.git"]);
    let output = crate::support::command(crate::support::binary(), folder.path())
        .args(["run", "--verbose", "--env", "GIVEN=yes", "--env", "LENT", "--var", "REGION=eu"])
        .env("HOME", "/home/of/the/caller")
        .env("LEAK", "secret")
        .env("LENT", "also")
        .output()
        .expect("shipway");
    let answer = crate::support::Answer::from(output);
    assert_eq!(answer.code, 0, "{}", answer.all());
    contains(&answer, &["leaked [] given [yes] lent [also] var [eu]", "true true acme/web push"]);
}

#[test]
fn the_projects_own_workflow_is_planned() {
    let folder = Folder::new();
    folder.git(&["init", "--quiet"]);
    let path = ".github/workflows/ci.yml";
    folder.write(path, &std::fs::read_to_string(project().join(path)).expect("the project's workflow"));
    let answer = expect(&folder, &["-W", path, "--dry-run"], 0);
    contains(
        &answer,
        &["ci (.github/workflows/ci.yml): push", "  tidy:", "  test, needs tidy: 2 steps on ubuntu-latest"],
    );
    let answer = expect(&folder, &["-W", path, "-j", "tidy", "--dry-run", "--json"], 0);
    let plan = &events(&answer)[0];
    assert_eq!((plan["event"].as_str(), plan["jobs"].as_array().map(Vec::len)), (Some("plan"), Some(1)));
}
