//! Reusable workflows of a real repository: nested, as legs of a matrix, with outputs and secrets.

use super::{conclusions, contains, events, expect, log};
use crate::support::Folder;

const CI: &str = "
on: push
env: {FROM_CALLER: seen}
jobs:
  names: {runs-on: x, outputs: {all: '${{ steps.it.outputs.all }}'}, steps: [{id: it, run: 'echo ''all=[\"a\",\"b\"]'' >> $GITHUB_OUTPUT'}]}
  each:
    needs: names
    strategy: {matrix: {name: '${{ fromJSON(needs.names.outputs.all) }}'}}
    uses: ./.github/workflows/outer.yml
    with: {name: '${{ matrix.name }}', times: 2}
    secrets: inherit
  after:
    needs: each
    runs-on: x
    steps: [{run: 'echo after=${{ needs.each.outputs.said }} ${{ needs.each.result }}'}]
";

const OUTER: &str = "
on:
  workflow_call:
    inputs: {name: {type: string, required: true}, times: {type: number}}
    outputs: {said: {value: '${{ jobs.inner.outputs.said }}'}}
jobs:
  inner:
    uses: ./.github/workflows/inner.yml
    with: {text: \"${{ format('{0}{1}', inputs.name, inputs.times) }}\"}
    secrets: {GIVEN: '${{ secrets.MINE }}'}
";

const INNER: &str = "
on:
  workflow_call:
    inputs: {text: {type: string}}
    secrets: {GIVEN: {required: true}}
    outputs: {said: {value: '${{ jobs.say.outputs.said }}'}}
jobs:
  say:
    runs-on: x
    outputs: {said: '${{ steps.it.outputs.said }}'}
    steps:
      - id: it
        env: {GIVEN: '${{ secrets.GIVEN }}', MINE: '${{ secrets.MINE }}'}
        run: |
          echo \"said=${{ inputs.text }}\" >> \"$GITHUB_OUTPUT\"
          echo \"given ${#GIVEN} mine ${#MINE} env <$FROM_CALLER> job $GITHUB_JOB\"
";

#[test]
fn calls_nest_in_a_matrix() {
    let folder = Folder::repository(&[
        (".github/workflows/ci.yml", CI),
        (".github/workflows/outer.yml", OUTER),
        (".github/workflows/inner.yml", INNER),
    ]);
    let answer = expect(&folder, &["--json", "--secret", "MINE=12345678"], 0);
    let events = events(&answer);
    assert_eq!(
        conclusions(&events),
        [
            ("names", "success"),
            ("each (a) / inner / say", "success"),
            ("each (b) / inner / say", "success"),
            ("after", "success"),
        ]
    );
    let log = log(&events);
    assert_eq!(log.iter().filter(|line| **line == "given 8 mine 0 env <> job say").count(), 2, "{log:?}");
    assert!(log.iter().any(|line| ["after=a2 success", "after=b2 success"].contains(line)), "{log:?}");
}

const CALLED: &str = "
on:
  workflow_call:
    inputs:
      n: {type: number, default: 5}
      flag: {type: boolean}
      who: {type: string, required: true}
      greeting: {type: string, default: \"${{ format('hello {0} of {1}', inputs.who, github.event_name) }}\"}
run-name: For ${{ inputs.who }}
jobs:
  a:
    runs-on: x
    steps:
      - run: echo 'q=${{ toJSON(inputs.n) }} ${{ toJSON(inputs.flag) }} ${{ inputs.greeting }}'
";

#[test]
fn a_called_workflow_that_is_run_by_itself_takes_its_inputs() {
    let folder = Folder::repository(&[
        (".github/workflows/called.yml", CALLED),
        ("event.json", r#"{"inputs": {"n": 7, "flag": true, "WHO": "you", "greeting": null}}"#),
        ("bad.json", r#"{"inputs": {"who": ["you"]}}"#),
    ]);
    let run = |more: &[&str]| folder.shipway(&[&["run", "workflow_call", "--json"], more].concat());
    for (more, expect) in [
        (&["--input", "who=me"][..], "q=5 false hello me of workflow_call"),
        (
            &["--input", "who=me", "--input", "n=2.5", "--input", "Flag=true"],
            "q=2.5 true hello me of workflow_call",
        ),
        (&["--event-file", "event.json"], "q=7 true hello you of workflow_call"),
        (&["--event-file", "event.json", "--input", "n=8"], "q=8 true hello you of workflow_call"),
    ] {
        let answer = run(more);
        assert_eq!(answer.code, 0, "{}", answer.all());
        let events = events(&answer);
        assert!(log(&events).contains(&expect), "{:?}", log(&events));
    }
    for (more, expect) in [
        (&[][..], &["called.yml:7:7", "SW0115", "the input \"who\" is required and was not given"][..]),
        (&["--input", "who=me", "--input", "n=many"], &["called.yml:5:7", "\"many\" is none"]),
        (&["--input", "who=me", "--input", "flak=true"], &["no input \"flak\"", "did you mean \"flag\"?"]),
        (&["--input", "who=me", "--input", "x=1"], &["its inputs: n, flag, who, greeting"]),
        (&["--event-file", "bad.json"], &["not one of workflow_call", "the input who"]),
    ] {
        let answer = run(more);
        assert_eq!(answer.code, 2, "{}", answer.all());
        contains(&answer, expect);
    }
}

#[test]
fn a_called_workflow_that_is_run_by_itself_asks_for_its_secrets() {
    let text = "on:
  workflow_call:
    secrets:
      Key: {required: true}
      other: {required: false}
jobs:
  a: {runs-on: x, steps: [{run: 'echo \"k=${#K}\"', env: {K: '${{ secrets.KEY }}'}}]}
";
    let folder = Folder::repository(&[(".github/workflows/called.yml", text)]);
    let answer = folder.shipway(&["run", "workflow_call"]);
    assert_eq!(answer.code, 2, "{}", answer.all());
    contains(
        &answer,
        &["called.yml:4:7", "SW0115", "the secret \"Key\" is required and was not given", "--secret Key="],
    );
    assert!(!answer.all().contains("other"), "{}", answer.all());
    for given in ["KEY=12345", "key=12345"] {
        let answer = folder.shipway(&["run", "workflow_call", "--json", "--secret", given]);
        assert_eq!(answer.code, 0, "{}", answer.all());
        assert!(log(&events(&answer)).contains(&"k=5"), "{}", answer.all());
    }
    assert_eq!(folder.shipway(&["plan", "workflow_call"]).code, 0);
}

#[test]
fn a_call_that_cannot_be_made_is_told_with_its_place() {
    let text = "on: push
jobs:
  far:
    uses: o/r/.github/workflows/x.yml@v1 # in no mirror
  gone:
    uses: ./.github/workflows/gone.yml
";
    let folder = Folder::repository(&[(".github/workflows/ci.yml", text)]);
    contains(
        &expect(&folder, &["--action-mirror", "mirror"], 2),
        &["ci.yml:4:11", "error[SW0121]", "no repository o/r", "ci.yml:6:11", "there is no such file"],
    );
}

#[test]
fn a_workflow_of_another_repository_comes_from_the_mirror() {
    let called = "on: workflow_call
jobs:
  nested:
    uses: ./.github/workflows/y.yml
";
    let nested = "on: workflow_call
jobs:
  say: {runs-on: x, steps: [{run: echo from afar}]}
";
    let other =
        Folder::repository(&[(".github/workflows/x.yml", called), (".github/workflows/y.yml", nested)]);
    let text = "on: push
jobs:
  far:
    uses: o/r/.github/workflows/x.yml@main
";
    let folder = Folder::repository(&[(".github/workflows/ci.yml", text)]);
    let mirror = Folder::new();
    std::fs::create_dir(mirror.path().join("o")).expect("a folder");
    std::os::unix::fs::symlink(other.path(), mirror.path().join("o/r")).expect("a link");
    let mirror = mirror.path().to_string_lossy().into_owned();
    let answer = expect(&folder, &["--json", "--action-mirror", &mirror], 0);
    let events = events(&answer);
    assert_eq!(conclusions(&events), [("far / nested / say", "success")]);
    assert!(log(&events).contains(&"from afar"));
}
