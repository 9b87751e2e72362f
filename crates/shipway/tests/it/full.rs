//! Standard output that cannot be written: a full disk is an error of every command, a reader that goes away is none.

use crate::{
    plant::{Plant, wait_for},
    support::{Answer, Folder, binary, command},
};
use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

const WORKFLOW: &str = "on: [push, workflow_dispatch]\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      \
                        - run: echo done > \"${MARK:-/dev/null}\"\n      - run: test ! -e bad\n";
const RESULTS: &str = "<testsuite name=\"s\"><testcase classname=\"tests.test_a\" name=\"one\" file=\"tests/test_a.py\" \
                       time=\"1\"><failure>no</failure></testcase></testsuite>\n";

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("a full device").into()
}

fn into_full(folder: &Path, arguments: &[&str]) -> Answer {
    let output = command(binary(), folder).args(arguments).stdout(full()).output().expect("shipway");
    Answer::from(output)
}

#[track_caller]
fn check(answer: &Answer, arguments: &[&str], code: i32) {
    assert_eq!(answer.code, code, "{arguments:?}: {}", answer.all());
    let told = answer.stderr.matches("error[SW1017]: cannot write to standard output: No space left").count();
    assert_eq!(told, 1, "{arguments:?}: {}", answer.all());
}

fn repository() -> Folder {
    let folder = Folder::new();
    folder.write(".github/workflows/ci.yml", WORKFLOW);
    folder.write("list", "tests/test_a.py::one\ntests/test_b.py::two\n");
    folder.write("results.xml", RESULTS);
    folder.write("loose.yml", "on: push\njobs: {a: {runs-on: x, steps: [{uses: actions/checkout@v4}]}}\n");
    folder.git(&["init", "--quiet", "--initial-branch=main"]);
    folder.commit("first");
    folder
}

#[test]
fn every_command_on_this_machine_notices() {
    let folder = repository();
    let mark = folder.path().join("mark").display().to_string();
    let mark = format!("MARK={mark}");
    let split = ["split", "--runner", "pytest", "--total", "2", "--list", "list"];
    let indexed = [&split[..], &["--index", "0"]].concat();
    let matrix = [&split[..], &["--matrix"]].concat();
    let run = ["run", "-W", "ci.yml", "--env", &mark];
    let run_json = [&run[..], &["--json"]].concat();
    let verbose = [&run[..], &["--verbose"]].concat();
    let calls: &[&[&str]] = &[
        &["--help"],
        &["--version"],
        &["run", "--help"],
        &["expr", "1 == 1"],
        &["expr", "'a'"],
        &["lint", "--fail-on", "never"],
        &["lint", "--fail-on", "never", "--json"],
        &["lint", "--fail-on", "never", "--format", "sarif"],
        &["plan"],
        &["plan", "--json"],
        &["run", "--dry-run"],
        &run,
        &run_json,
        &verbose,
        &indexed,
        &matrix,
        &["split", "retry", "--runner", "pytest", "--results", "results.xml"],
        &["why"],
        &["why", "--json"],
    ];
    for arguments in calls {
        let answer = into_full(folder.path(), arguments);
        check(&answer, arguments, 1);
    }
    // A command that fails anyway keeps its own code.
    folder.write(".github/workflows/ci.yml", "on: push\njobs: {a: {run-on: x}}\n");
    let invalid = into_full(folder.path(), &["lint", "--json"]);
    check(&invalid, &["lint", "--json"], 2);
}

#[test]
fn a_run_that_cannot_be_shown_goes_on_and_is_remembered() {
    let folder = repository();
    let mark = folder.path().join("mark");
    let given = format!("MARK={}", mark.display());
    for more in [&["--json"][..], &[]] {
        let arguments = [&["run", "--env", &given][..], more].concat();
        check(&into_full(folder.path(), &arguments), &arguments, 1);
        assert!(mark.exists(), "the jobs were not run");
        std::fs::remove_file(&mark).expect("a file");
    }
    folder.write("bad", "");
    let arguments = ["run", "--env", &given];
    check(&into_full(folder.path(), &arguments), &arguments, 1);
    let why = folder.shipway(&["why"]);
    assert!(why.code == 0 && why.stdout.contains("a failed at "), "{}", why.all());
}

#[test]
fn every_command_of_a_server_notices_and_the_server_serves_on() {
    let plant = Plant::new("");
    plant.write(".github/workflows/deliver.yml", WORKFLOW);
    plant.commit_all("one");
    let mut up = command(binary(), plant.folder.path());
    up.args(plant.arguments()).stdout(full()).stderr(Stdio::piped());
    let mut up = up.spawn().expect("a server");
    assert!(wait_for(|| plant.get("/api/v1/health")).is_some(), "it does not answer");
    let data = plant.data().display().to_string();
    let calls: &[&[&str]] = &[
        &["dispatch", "deliver.yml", "--wait"],
        &["dispatch"],
        &["dispatch", "--json"],
        &["dispatch", "deliver.yml"],
        &["sign-in"],
        &["secret", "list", "--json"],
        &["var", "list", "--json"],
        &["rollout", "list", "--json"],
        &["why", "--server"],
        &["why", "--server", "--json"],
    ];
    for arguments in calls {
        let answer = into_full(plant.folder.path(), &[arguments, &["--data", &data][..]].concat());
        check(&answer, arguments, 1);
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&up), rustix::process::Signal::TERM)
        .expect("a signal");
    let told: Vec<String> =
        BufReader::new(up.stderr.take().expect("a pipe")).lines().map_while(Result::ok).collect();
    let ended = up.wait().expect("an end");
    let told = told.join("\n");
    assert_eq!(told.matches("SW1017").count(), 1, "{told}");
    assert_eq!(ended.code(), Some(1), "{told}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = repository();
    let mark = format!("MARK={}", folder.path().join("mark").display());
    for arguments in [
        &["--help"][..],
        &["lint", "--fail-on", "never", "--json"],
        &["plan", "--json"],
        &["run", "--json", "--env", &mark],
        &["run", "--env", &mark],
    ] {
        let (read, write) = std::io::pipe().expect("a pipe");
        drop(read);
        let output =
            command(binary(), folder.path()).args(arguments).stdout(write).output().expect("shipway");
        let answer = Answer::from(output);
        assert_eq!(answer.code, 0, "{arguments:?}: {}", answer.all());
        assert!(!answer.stderr.contains("standard output"), "{arguments:?}: {}", answer.all());
    }
}
