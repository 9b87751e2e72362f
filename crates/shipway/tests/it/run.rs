//! `shipway run`: workflows that work, and everything that can be wrong with them.

mod bad;
mod breaks;
mod builtin;
mod caches;
mod calls;
mod engine;
mod events;
mod good;
mod interrupt;
mod isolated;
mod official;
mod output;
pub(crate) mod services;
mod strangers;

use crate::support::{Answer, Folder};
use serde_json::Value;

/// A repository with one workflow, committed.
fn repository(workflow: &str) -> Folder {
    Folder::repository(&[(".github/workflows/ci.yml", workflow)])
}

/// A workflow on push with these jobs, which are indented by two blanks.
fn on_push(jobs: &str) -> String {
    format!("on: push\njobs:\n{jobs}")
}

/// Runs the one workflow of a repository and expects an exit code.
fn run(workflow: &str, arguments: &[&str], code: i32) -> Answer {
    expect(&repository(workflow), arguments, code)
}

/// Runs in a repository and expects an exit code.
fn expect(folder: &Folder, arguments: &[&str], code: i32) -> Answer {
    let answer = folder.shipway(&[&["run"], arguments].concat());
    assert_eq!(answer.code, code, "{}", answer.all());
    answer
}

/// The events of a run with `--json`.
fn events(answer: &Answer) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    answer.stdout.lines().map(parse).collect()
}

/// The events of one kind.
fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

/// The text lines of all logs.
fn log(events: &[Value]) -> Vec<&str> {
    of_kind(events, "line").into_iter().filter_map(|event| event["text"].as_str()).collect()
}

/// The conclusion of each job by its name, as the end of the run tells it.
fn conclusions(events: &[Value]) -> Vec<(&str, &str)> {
    let ends = of_kind(events, "run_finished");
    let jobs = ends.iter().filter_map(|end| end["jobs"].as_array()).flatten();
    jobs.map(|job| (job["name"].as_str().expect("a name"), job["conclusion"].as_str().expect("an end")))
        .collect()
}

/// Both texts contain what a person must find in them.
#[track_caller]
fn contains(answer: &Answer, parts: &[&str]) {
    let all = answer.all();
    for part in parts {
        assert!(all.contains(part), "{part:?} is not in\n{all}");
    }
}
