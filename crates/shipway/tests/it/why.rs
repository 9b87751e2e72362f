//! `shipway why`, and what runs leave for it.

use crate::{
    plant::Plant,
    support::{Answer, Folder, binary, command},
};
use serde_json::Value;

const WORKFLOW: &str = "on: push\njobs:\n  test:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - name: Check\n        run: |\n          echo \"took $RANDOM ms\"\n          test ! -e bad || { echo \"error: bad at $RANDOM with $TOKEN\"; exit 4; }\n        env:\n          TOKEN: ${{ secrets.TOKEN }}\n";

fn repository() -> Folder {
    Folder::repository(&[(".github/workflows/ci.yml", WORKFLOW)])
}

#[track_caller]
fn run(folder: &Folder, code: i32) -> Answer {
    let answer = folder.shipway(&["run", "--secret", "TOKEN=hunter-two"]);
    assert_eq!(answer.code, code, "{}", answer.all());
    answer
}

#[track_caller]
fn why(folder: &Folder, arguments: &[&str]) -> Value {
    let answer = folder.shipway(&[&["why", "--json"], arguments].concat());
    assert_eq!(answer.code, 0, "{}", answer.all());
    serde_json::from_str(&answer.stdout).expect("JSON")
}

#[test]
fn the_first_bad_commit_and_the_same_failure_are_found() {
    let folder = repository();
    run(&folder, 0);
    let good = folder.git(&["rev-parse", "HEAD"]).trim().to_owned();
    folder.write("bad", "");
    folder.commit("Make it bad");
    let bad = folder.git(&["rev-parse", "HEAD"]).trim().to_owned();
    run(&folder, 1);
    folder.write("other", "");
    folder.commit("Something else");
    run(&folder, 1);
    let found = why(&folder, &[]);
    let job = &found["jobs"][0];
    let failure = &job["failures"][0];
    assert_eq!((failure["step"].as_str(), failure["exit_code"].as_i64()), (Some("Check"), Some(4)));
    assert!(failure["command"].as_str().expect("a script").contains("exit 4"), "{found}");
    assert!(failure["lines"][1].as_str().expect("a line").starts_with("error: bad at "), "{found}");
    assert_eq!(job["since"]["last_good"], good.as_str());
    assert_eq!(job["since"]["first_bad"], bad.as_str());
    assert_eq!(job["since"]["commits"][0]["subject"], "Make it bad");
    assert_eq!(job["seen"].as_array().expect("a list").len(), 1);
    let named = why(&folder, &[job["seen"][0]["run"].as_str().expect("an id")]);
    assert_eq!(named["sha"], bad.as_str());
    // Nothing in the work tree, and no secret anywhere.
    assert_eq!(folder.git(&["status", "--porcelain"]), "");
    let kept = folder.path().join(".git/shipway/runs");
    for entry in std::fs::read_dir(kept).expect("a folder") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a record");
        assert!(!text.contains("hunter-two"), "{text}");
    }
    let answer = folder.shipway(&["why"]);
    for part in ["test failed at Check, exit code 4", "the first bad commit is", "the same failure in 1 of 2"]
    {
        assert!(answer.stdout.contains(part), "{part:?}: {}", answer.all());
    }
}

#[test]
fn a_changed_work_tree_shows_nothing_about_a_commit() {
    let folder = repository();
    folder.write("new", "");
    run(&folder, 0);
    folder.write("bad", "");
    folder.commit("Make it bad");
    run(&folder, 1);
    assert_eq!(why(&folder, &[])["jobs"][0]["since"], Value::Null);
}

#[test]
fn without_a_failed_run_it_says_so() {
    let folder = repository();
    let answer = folder.shipway(&["why"]);
    assert_eq!(answer.code, 3, "{}", answer.all());
    assert!(
        answer.stderr.contains("error[SW1051]: no run of this repository is remembered"),
        "{}",
        answer.all()
    );
    run(&folder, 0);
    let answer = folder.shipway(&["why"]);
    assert_eq!(answer.code, 0, "{}", answer.all());
    assert!(answer.stdout.contains("the only run that is known did not fail"), "{}", answer.all());
    assert!(answer.stdout.contains("ci.yml, success)"), "{}", answer.all());
    let found = why(&folder, &[]);
    assert_eq!((&found["run"], &found["looked_at"]), (&Value::Null, &1.into()), "{found}");
    run(&folder, 0);
    let answer = folder.shipway(&["why"]);
    assert!(answer.stdout.contains("none of the last 2 runs failed"), "{}", answer.all());
    let answer = folder.shipway(&["why", "123"]);
    assert!(answer.stderr.contains("no run 123"), "{}", answer.all());
}

/// One job fails before its first step, one at a step.
const BROKEN: &str = "\
on: push
jobs:
  early:
    runs-on: x
    steps:
      - uses: o/none@v1
  late:
    runs-on: x
    steps:
      - name: Check
        run: |
          echo it looks bad
          exit 4
";

#[test]
fn a_job_that_failed_before_its_steps_says_why() {
    let folder = Folder::repository(&[(".github/workflows/ci.yml", BROKEN)]);
    for _ in 0..2 {
        let answer = folder.shipway(&["run", "--action-mirror", "mirror"]);
        assert_eq!(answer.code, 1, "{}", answer.all());
    }
    let found = why(&folder, &[]);
    let early = &found["jobs"][0];
    assert!(early["reason"].as_str().is_some_and(|why| why.contains("no repository o/none")), "{found}");
    assert_eq!(early["seen"].as_array().map(Vec::len), Some(1), "{found}");
    let answer = folder.shipway(&["why"]);
    assert!(!answer.stdout.contains("no step of it failed"), "{}", answer.all());
}

#[test]
fn a_server_is_asked_for_the_same() {
    let mut plant = Plant::new("");
    let mirror = plant.folder.path().join("mirror").display().to_string();
    plant.extra = vec!["--action-mirror".to_owned(), mirror];
    plant.write(".github/workflows/deliver.yml", BROKEN);
    let shas = [plant.commit_all("one"), {
        plant.write("other", "");
        plant.commit_all("two")
    }];
    let _up = plant.start_and_wait();
    // The first start runs the newest commit of each branch, so the older one is pushed as a tag.
    plant.git(&["tag", "v1", &shas[0]]);
    let run = plant.finished_run(&shas[1]);
    plant.finished_run(&shas[0]);
    let data = plant.data().display().to_string();
    let id = crate::plant::id(&run["summary"]["id"]);
    let ask = |arguments: &[&str]| {
        let mut why = command(binary(), plant.folder.path());
        let output =
            why.args(["why", "--server", "--data", &data]).args(arguments).output().expect("shipway");
        Answer::from(output)
    };
    let answer = ask(&["--json", &id]);
    assert_eq!(answer.code, 0, "{}", answer.all());
    let found: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let (early, late) = (&found["jobs"][0], &found["jobs"][1]);
    assert!(early["reason"].as_str().is_some_and(|why| why.contains("no repository o/none")), "{found}");
    let failure = &late["failures"][0];
    assert_eq!(
        (failure["step"].as_str(), failure["exit_code"].as_i64()),
        (Some("Check"), Some(4)),
        "{found}"
    );
    assert!(failure["lines"].as_array().expect("lines").iter().any(|line| line == "it looks bad"), "{found}");
    assert!(failure["command"].as_str().is_some_and(|script| script.contains("exit 4")), "{found}");
    for job in [early, late] {
        assert_eq!(job["seen"].as_array().map(Vec::len), Some(1), "{found}");
    }
    assert_eq!(found["sha"], shas[1].as_str());
    assert_eq!(ask(&[]).code, 0);
    let none = ask(&["12345"]);
    assert!(none.code == 3 && none.stderr.contains("SW0903"), "{}", none.all());
    // The page says it as well.
    let message = run["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("o/none") || message.contains("exit code 4"), "{run}");
}

#[test]
fn a_server_on_which_nothing_failed_is_no_failure() {
    let plant = Plant::new("");
    let fine = "name: fine\non: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";
    plant.write(".github/workflows/deliver.yml", fine);
    let sha = plant.commit_all("one");
    let _up = plant.start_and_wait();
    plant.finished_run(&sha);
    let data = plant.data().display().to_string();
    let ask = |arguments: &[&str]| {
        let mut why = command(binary(), plant.folder.path());
        let output =
            why.args(["why", "--server", "--data", &data]).args(arguments).output().expect("shipway");
        Answer::from(output)
    };
    let answer = ask(&[]);
    assert!(answer.code == 0 && answer.all().contains("fine"), "{}", answer.all());
    let told = ask(&["--json"]);
    assert_eq!(told.code, 0, "{}", told.all());
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert!(told.is_object(), "{told}");
}

#[test]
fn the_step_that_made_the_job_fail_comes_before_those_that_were_tolerated() {
    let workflow = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - {run: exit 7, continue-on-error: true}\n      - run: exit 3\n";
    let folder = Folder::repository(&[(".github/workflows/ci.yml", workflow)]);
    run(&folder, 1);
    let failures = why(&folder, &[])["jobs"][0]["failures"].clone();
    let told = |at: usize| (failures[at]["exit_code"].as_i64(), failures[at]["continue_on_error"].as_bool());
    assert_eq!((told(0), told(1)), ((Some(3), Some(false)), (Some(7), Some(true))), "{failures}");
    let answer = folder.shipway(&["why"]);
    assert!(answer.stdout.contains("a went on after Run exit 7 failed, exit code 7"), "{}", answer.all());
}

/// A composite action whose first step may fail, whose second calls another one that fails, and which cleans up after that.
const OUTER: &str = "\
name: outer
runs:
  using: composite
  steps:
    - shell: bash
      continue-on-error: true
      run: echo tolerated; exit 9
    - uses: ./lenient
      continue-on-error: true
    - name: Nested
      uses: ./inner
    - if: always()
      shell: bash
      run: for i in $(seq 50); do echo cleaning $i; done; exit 8
";

const INNER: &str = "\
name: inner
runs:
  using: composite
  steps:
    - shell: bash
      run: echo before
    - name: Check it
      shell: bash
      run: |
        for i in $(seq 40); do echo line $i; done
        echo it is $((1 + 1))
        exit 7
";

const LENIENT: &str =
    "name: lenient\nruns:\n  using: composite\n  steps:\n    - {shell: bash, run: 'echo lenient; exit 6'}\n";

const COMPOSITE: &str = "\
on: push
jobs:
  a:
    runs-on: x
    steps:
      - uses: actions/checkout@v4
      - uses: ./outer
";

fn check_inner(found: &Value) {
    let failures = &found["jobs"][0]["failures"];
    assert_eq!(failures.as_array().map(Vec::len), Some(1), "{found}");
    let failure = &failures[0];
    assert_eq!(failure["step"], "Run ./outer", "{found}");
    assert_eq!(failure["exit_code"], 7, "{found}");
    assert!(failure["command"].as_str().is_some_and(|script| script.contains("seq 40")), "{found}");
    assert_eq!(failure["inner"]["step"], "Check it", "{found}");
    assert_eq!(failure["inner"]["action"], "./outer", "{found}");
    assert_eq!(failure["inner"]["file"], "inner/action.yml", "{found}");
    assert_eq!(failure["inner"]["line"], 7, "{found}");
    let lines: Vec<&str> =
        failure["lines"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let own = |line: &&str| line.starts_with("line ") || *line == "it is 2";
    assert!(lines.len() >= 25 && lines.iter().all(own) && lines.ends_with(&["it is 2"]), "{found}");
    let notes = failure["annotations"].to_string();
    assert!(notes.contains("inner/action.yml:7"), "{found}");
    for other in ["outer/action.yml", "lenient/action.yml"] {
        assert!(!notes.contains(other), "{found}");
    }
}

#[test]
fn within_composite_actions_the_command_is_named_that_is_to_blame() {
    let folder = Folder::repository(&[
        (".github/workflows/ci.yml", COMPOSITE),
        ("outer/action.yml", OUTER),
        ("inner/action.yml", INNER),
        ("lenient/action.yml", LENIENT),
    ]);
    let answer = run(&folder, 1);
    let end = answer.stdout.lines().find(|line| line.starts_with("failed  a")).unwrap_or_default();
    assert!(
        end.ends_with("Run ./outer: Check it (inner/action.yml:7): exit code 7"),
        "{end}\n{}",
        answer.all()
    );
    assert!(answer.stdout.contains("a |     it is 2"), "{}", answer.all());
    assert!(!answer.stdout.contains("a |     cleaning"), "{}", answer.all());
    check_inner(&why(&folder, &[]));
    let told = folder.shipway(&["why"]);
    assert!(
        told.stdout.contains("a failed at Run ./outer, in Check it (inner/action.yml:7), exit code 7"),
        "{}",
        told.all()
    );
    let events = folder.shipway(&["run", "--json"]);
    let ended: Vec<Value> =
        events.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let culprit =
        ended.iter().find(|event| event["event"] == "step_finished" && event["outcome"] == "failure");
    let culprit = &culprit.expect("a failed step")["culprit"];
    assert_eq!((&culprit["exit_code"], &culprit["line"]), (&7.into(), &7.into()), "{culprit}");
}

#[test]
fn a_server_names_the_command_within_an_action_too() {
    let plant = Plant::new("");
    for (path, text) in [
        (".github/workflows/deliver.yml", COMPOSITE),
        ("outer/action.yml", OUTER),
        ("inner/action.yml", INNER),
        ("lenient/action.yml", LENIENT),
    ] {
        plant.write(path, text);
    }
    let sha = plant.commit_all("one");
    let _up = plant.start_and_wait();
    let finished = plant.finished_run(&sha);
    let data = plant.data().display().to_string();
    let mut asked = command(binary(), plant.folder.path());
    let output = asked.args(["why", "--server", "--json", "--data", &data]).output().expect("shipway");
    let answer = Answer::from(output);
    assert_eq!(answer.code, 0, "{}", answer.all());
    check_inner(&serde_json::from_str(&answer.stdout).expect("JSON"));
    let failure = &finished["failure"];
    assert_eq!(
        failure["message"], "Run ./outer: Check it, at inner/action.yml:7, ended with exit code 7",
        "{failure}"
    );
    let lines = failure["lines"].as_array().expect("lines");
    assert!(lines.iter().any(|line| line["text"] == "it is 2"), "{failure}");
    assert!(!lines.iter().any(|line| line["text"] == "cleaning 50"), "{failure}");
}

#[test]
fn a_post_part_that_failed_names_itself() {
    let folder = Folder::repository(&[
        (
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - uses: ./own\n",
        ),
        ("own/action.yml", "name: own\nruns: {using: node20, main: main.js, post: after/post.js}\n"),
        ("own/main.js", "console.log('main')\n"),
        ("own/after/post.js", "console.log('it ends badly'); process.exit(5)\n"),
    ]);
    let answer = run(&folder, 1);
    let end = answer.stdout.lines().find(|line| line.starts_with("failed  a")).unwrap_or_default();
    assert!(end.ends_with("Post Run ./own: exit code 5"), "{end}\n{}", answer.all());
    let failure = why(&folder, &[])["jobs"][0]["failures"][0].clone();
    assert_eq!(failure["command"], "./own, after/post.js", "{failure}");
    assert_eq!((&failure["exit_code"], &failure["inner"]), (&5.into(), &Value::Null), "{failure}");
    assert!(failure["lines"].to_string().contains("it ends badly"), "{failure}");
}
