//! What is printed: lines a person can follow, and events a program can.

use super::{contains, events, of_kind, on_push, run};

#[test]
fn a_failed_step_shows_its_end() {
    let workflow = on_push(
        "  test:\n    runs-on: x\n    steps:\n      - name: Build\n        run: echo quiet\n      - name: Check\n        run: \
         |\n          for i in $(seq 30); do echo \"line $i\"; done\n          echo \"::group::Details\"\n          echo \
         inner\n          echo \"::endgroup::\"\n          echo \"::warning file=src/a.rs,line=3,col=7::odd\"\n          \
         exit 3\n      - run: echo never\n  after:\n    needs: test\n    runs-on: x\n    steps: [{run: 'true'}]\n",
    );
    let answer = run(&workflow, &[], 1);
    contains(
        &answer,
        &[
            "ci.yml: push, main at ",
            "test | ok      Build (",
            "test | failed  Check (",
            ", exit code 3)",
            "test |     ... 12 lines before these; --verbose shows all",
            "test |     line 13",
            "test |     > Details",
            "test |       inner",
            "test |     warning: src/a.rs:3:7: odd",
            "test |     error: .github/workflows/ci.yml:8:",
            "test | skipped Run echo never",
            "failed  test   ",
            "Check: exit code 3",
            "skipped after",
            "the job test failed",
            "2 jobs, 1 failed, 1 skipped",
        ],
    );
    for hidden in ["quiet", "line 12\n", "\u{1b}", "::warning"] {
        assert!(!answer.stdout.contains(hidden), "{hidden:?}: {}", answer.all());
    }
    assert!(answer.stderr.is_empty(), "{}", answer.all());
    contains(
        &run(&workflow, &["--verbose"], 1),
        &["test |     quiet", "test |     line 1\n", "test |       shell: bash"],
    );
}

#[test]
fn a_line_that_a_matcher_caught_is_shown_whole() {
    let folder = super::repository(&on_push(
        "  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - run: |\n          echo \
         \"::add-matcher::gcc.json\"\n          echo \"src/a.c:3:4: error: bad thing\"\n          exit 1\n",
    ));
    folder.write(
        "gcc.json",
        r#"{"problemMatcher": [{"owner": "gcc", "pattern": [
            {"regexp": "^(.+):(\\d+):(\\d+): (error|warning): (.+)$", "file": 1, "line": 2, "column": 3, "severity": 4, "message": 5}]}]}"#,
    );
    folder.commit("matchers");
    // The file that the line names is not there, so that the annotation has no place.
    contains(&folder.shipway(&["run"]), &["a |     error: src/a.c:3:4: error: bad thing\n"]);
    contains(&folder.shipway(&["run", "--verbose"]), &["a |     error: src/a.c:3:4: error: bad thing\n"]);
}

#[test]
fn heads_and_annotations_are_shown_once() {
    let workflow = on_push(
        "  a:\n    runs-on: x\n    env: {LEVEL: high}\n    steps:\n      - {name: Get it, uses: actions/checkout@v4}\n      - uses: \
         ./own\n",
    );
    let folder = super::repository(&workflow);
    folder.write(
        "own/action.yml",
        "name: own\nruns:\n  using: composite\n  steps:\n    - {name: Inner, shell: bash, run: 'echo \
         \"::notice::one%0Atwo\"; exit 3'}\n",
    );
    folder.commit("an action");
    let verbose = folder.shipway(&["run", "--verbose"]);
    let count = |text: &str| verbose.stdout.lines().filter(|line| line.contains(text)).count();
    assert_eq!(count("> Run echo"), 1, "{}", verbose.all());
    assert_eq!(
        (count("|     two"), count("notice: one"), count("> Run ./own")),
        (1, 1, 1),
        "{}",
        verbose.all()
    );
    assert_eq!(
        (count("env:"), count("LEVEL: high"), count("fetch-depth: 1")),
        (3, 3, 1),
        "{}",
        verbose.all()
    );
    let plain = folder.shipway(&["run"]);
    assert_eq!(plain.stdout.matches("|     two").count(), 1, "{}", plain.all());
}

#[test]
fn jobs_at_once_do_not_garble_each_other() {
    let workflow = on_push(
        "  a:\n    runs-on: x\n    strategy: {matrix: {n: [1, 2, 3, 4]}}\n    steps:\n      - run: for i in $(seq 200); do echo \
         \"n${{ matrix.n }} $i\"; done\n",
    );
    let answer = run(&workflow, &["--verbose", "--jobs", "4"], 0);
    let lines: Vec<&str> = answer.stdout.lines().filter(|line| line.contains(" |     n")).collect();
    assert_eq!(lines.len(), 800);
    for line in lines {
        let leg = &line["a (".len()..][..1];
        assert!(line.starts_with(&format!("a ({leg}) |     n{leg} ")), "{line}");
    }
}

#[test]
fn events_as_json_tell_everything() {
    let workflow = on_push(
        "  a:\n    runs-on: x\n    steps:\n      - name: Say\n        run: |\n          echo hello\n          echo \
         '::notice title=Hm::look'\n",
    );
    let answer = run(&workflow, &["--json"], 0);
    let events = events(&answer);
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"run_started"), Some(&"run_finished")));
    for kind in ["job_started", "step_started", "line", "annotation", "step_finished", "job_finished"] {
        assert!(kinds.contains(&kind), "{kind} is not in {kinds:?}");
    }
    let step = of_kind(&events, "step_finished")[0];
    assert_eq!((step["job"].as_str(), step["step"].as_u64()), (Some("a"), Some(0)));
    assert_eq!((step["conclusion"].as_str(), step["exit_code"].as_u64()), (Some("success"), Some(0)));
    assert_eq!(of_kind(&events, "annotation")[0]["title"], "Hm");
    let hello = of_kind(&events, "line").into_iter().find(|line| line["text"] == "hello").expect("a line");
    assert_eq!(
        (hello["workflow"].as_str(), hello["attempt"].as_u64()),
        (Some(".github/workflows/ci.yml"), Some(1))
    );
    let end = of_kind(&events, "run_finished")[0];
    assert_eq!((end["conclusion"].as_str(), end["jobs"][0]["name"].as_str()), (Some("success"), Some("a")));
}

#[test]
fn nothing_is_left_behind() {
    let folder = super::repository(&on_push(
        "  a:\n    runs-on: x\n    steps: [{run: 'echo x > y; mkfifo z; exit 1'}]\n",
    ));
    let temp = tempfile::tempdir().expect("a folder");
    let output = crate::support::command(crate::support::binary(), folder.path())
        .arg("run")
        .env("TMPDIR", temp.path())
        .output()
        .expect("shipway");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read_dir(temp.path()).expect("a folder").count(), 0);
    assert_eq!(folder.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_name_that_holds_a_secret_is_masked_wherever_it_is_told() {
    let workflow = on_push(
        "  test:\n    name: test ${{ vars.WHERE }}\n    runs-on: x\n    steps:\n      - {name: 'at ${{ vars.WHERE }}', run: exit 3}\n  \
         after:\n    name: after ${{ vars.WHERE }}\n    needs: test\n    runs-on: x\n    steps: [{run: 'true'}]\n",
    );
    let folder = super::repository(&workflow);
    let secret = "hidden-place";
    let given = ["--secret", "PLACE=hidden-place", "--var", "WHERE=hidden-place"];
    for form in ["--verbose", "--json"] {
        let answer = super::expect(&folder, &[&[form], &given[..]].concat(), 1);
        assert!(!answer.all().contains(secret), "{}", answer.all());
        contains(&answer, &["test ***", "at ***"]);
    }
    for arguments in [&["why"][..], &["why", "--json"]] {
        let answer = folder.shipway(arguments);
        assert!(!answer.all().contains(secret), "{}", answer.all());
        contains(&answer, &["test ***", "at ***"]);
    }
}
