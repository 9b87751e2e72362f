//! GitHub's own cases about steps, run through whole jobs on the dummy executor.

use crate::world::World;
use serde_json::Value;
use shipway_runner::ReportKind;
use shipway_workflow::run::Conclusion;
use std::{fs, io::Write, path::PathBuf};

/// Written past the test harness, which would keep the words of a passing test to itself.
fn say(line: &str) {
    // The harness may stand in the middle of a line of dots.
    writeln!(std::io::stdout(), "\n{line}").expect("standard output is open");
}

fn cases(name: &str) -> Option<Vec<Value>> {
    let path = folder()?.join("actions-runner").join(name);
    let text = fs::read_to_string(path).expect("the file of cases");
    let file: Value = serde_json::from_str(&text).expect("cases in JSON");
    file["cases"].as_array().cloned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the place of the cases is told to tests through the environment"
)]
#[expect(clippy::print_stdout, reason = "what is not tested is said loudly")]
fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("SHIPWAY_CONFORMANCE").map(PathBuf::from);
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let beside =
        ["../../../shared/conformance", "../../../../shared/conformance"].map(|path| root.join(path));
    let found = given.into_iter().chain(beside).find(|dir| dir.is_dir());
    if found.is_none() {
        println!("CONFORMANCE NOT RUN: set SHIPWAY_CONFORMANCE to the folder of the cases");
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps() {
    let Some(cases) = cases("steps.json") else { return };
    let (mut passed, mut failed) = (0, Vec::new());
    for case in &cases {
        let mut text = String::new();
        let steps = case["input"]["steps"].as_array().expect("steps");
        for step in steps {
            let env = match step["result"].as_str() {
                Some("failure") => serde_json::json!({"SHIPWAY_DUMMY_EXIT": "1"}),
                Some("cancelled") => serde_json::json!({"SHIPWAY_DUMMY_SLEEP": "100h"}),
                _ => serde_json::json!({}),
            };
            let mut entry = serde_json::json!({"run": "x", "env": env, "if": step["if"]});
            if let Some(id) = step.get("id") {
                entry["id"] = id.clone();
            }
            if let Some(tolerant) = step.get("continue_on_error") {
                entry["continue-on-error"] = tolerant.clone();
            }
            text += &format!("      - {entry}\n");
        }
        let cancels = steps.iter().position(|step| step["result"] == "cancelled");
        let workflow = format!("on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n{text}");
        let story = World::dummy()
            .watch(&workflow, |report, cancel| {
                if matches!(report.kind, ReportKind::StepStarted { index, .. } if Some(index) == cancels) {
                    cancel.ask();
                }
            })
            .await;
        let expect = &case["expect"];
        let job = expect["job_result"].as_str().is_none_or(|word| word == story.conclusion.as_str());
        let steps = expect["steps"].as_array().expect("steps");
        let each = steps.len() == story.steps().len()
            && steps.iter().zip(story.steps()).all(|(expect, (outcome, conclusion, exit))| {
                let same = |key: &str, found: Conclusion| {
                    expect[key].as_str().is_none_or(|word| word == found.as_str())
                };
                let ran = exit.is_some() || outcome == Conclusion::Cancelled;
                expect["ran"] == ran && same("outcome", outcome) && same("conclusion", conclusion)
            });
        if job && each {
            passed += 1;
        } else {
            failed.push(format!(
                "{}: {} {:?}\n{}",
                case["name"],
                story.conclusion,
                story.steps(),
                story.log()
            ));
        }
    }
    say(&format!("conformance: the runner's steps: {passed}/{}", cases.len()));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn step_env() {
    let Some(cases) = cases("step-env.json") else { return };
    let mut passed = 0;
    for case in &cases {
        let mut text = String::new();
        for step in case["input"]["steps"].as_array().expect("steps") {
            let mut env = step["env"].clone();
            env["SHIPWAY_DUMMY_LOG"] = "${{ github.action }}".into();
            if let Some(outputs) = step["sets_outputs"].as_object() {
                let lines: Vec<String> = outputs
                    .iter()
                    .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
                    .collect();
                env["SHIPWAY_DUMMY_OUTPUT"] = lines.join("\n").into();
            }
            let show = "SEES ${{ toJSON(env) }}".to_owned();
            let mut entry = serde_json::json!({"run": show, "env": env});
            if let Some(id) = step.get("id") {
                entry["id"] = id.clone();
            }
            text += &format!("      - {entry}\n");
        }
        let env = &case["input"]["job_env"];
        let workflow =
            format!("on: push\njobs:\n  job:\n    runs-on: host\n    env: {env}\n    steps:\n{text}");
        let story = World::dummy().run(&workflow).await;
        let log = story.log();
        // The script as it was filled in is shown in the log, from its first brace to its last.
        let seen: Vec<Value> = log
            .split("SEES ")
            .skip(1)
            .filter_map(|part| serde_json::from_str(&part[..part.find("\n}")? + 2]).ok())
            .map(|mut env: Value| {
                if let Some(env) = env.as_object_mut() {
                    env.retain(|key, _| !key.starts_with("SHIPWAY_"));
                }
                env
            })
            .collect();
        for (found, expect) in seen.iter().zip(case["expect"]["steps"].as_array().expect("steps")) {
            assert_eq!(found, &expect["env_context"], "{}\n{log}", case["name"]);
        }
        assert_eq!(seen.len(), case["expect"]["steps"].as_array().map_or(0, Vec::len), "{log}");
        passed += 1;
    }
    say(&format!("conformance: the runner's step-env: {passed}/{}", cases.len()));
}

/// The cases are about a job's steps in time: each runs as long as it says on the dummy executor, and the control steps come
/// right after, or once the steps they name have ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn background_steps() {
    let Some(cases) = cases("background-steps.json") else { return };
    let (mut passed, mut failed) = (0, Vec::new());
    for case in &cases {
        let mut text = String::new();
        let steps = case["input"]["steps"].as_array().expect("steps");
        // Our steps in the order in which they are reported, by their ids.
        let mut ids = Vec::new();
        for step in steps {
            if step.get("after_end_of").is_some() {
                // A step without a limit to wait in: what it comes after has ended long before.
                text += "      - {run: x, env: {SHIPWAY_DUMMY_SLEEP: 200ms}}\n";
                ids.push(String::new());
            }
            let mut entry = serde_json::json!({});
            for key in ["id", "background", "wait", "wait-all", "cancel"] {
                if let Some(value) = step.get(key) {
                    entry[key] = value.clone();
                }
            }
            if let Some(takes) = step["takes_ms"].as_u64() {
                entry["run"] = "x".into();
                let exit = if step["result"] == "failure" { "1" } else { "0" };
                entry["env"] = serde_json::json!({
                    "SHIPWAY_DUMMY_SLEEP": format!("{}ms", takes.min(500)), "SHIPWAY_DUMMY_EXIT": exit,
                });
            }
            ids.push(step["id"].as_str().unwrap_or_default().to_owned());
            text += &format!("      - {entry}\n");
        }
        let workflow = format!("on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n{text}");
        let story = World::dummy().run(&workflow).await;
        let place = |event: &str| {
            let (id, what) = event.split_once(':').expect("an event");
            story.reports.iter().position(|report| match &report.kind {
                ReportKind::StepStarted { index, .. } => what == "start" && ids[*index] == id,
                ReportKind::StepFinished { index, .. } => what == "end" && ids[*index] == id,
                ReportKind::JobStarted { .. }
                | ReportKind::JobDisplaced { .. }
                | ReportKind::Lines { .. }
                | ReportKind::Noted { .. }
                | ReportKind::Annotation(_)
                | ReportKind::Summary { .. }
                | ReportKind::Within { .. }
                | ReportKind::Break { .. }
                | ReportKind::JobFinished { .. } => false,
            })
        };
        let result = |id: &str| {
            story.reports.iter().find_map(|report| match &report.kind {
                ReportKind::StepFinished { index, conclusion, .. } if ids[*index] == id => {
                    Some(conclusion.as_str())
                }
                ReportKind::StepFinished { .. }
                | ReportKind::StepStarted { .. }
                | ReportKind::JobStarted { .. }
                | ReportKind::JobDisplaced { .. }
                | ReportKind::Lines { .. }
                | ReportKind::Noted { .. }
                | ReportKind::Annotation(_)
                | ReportKind::Summary { .. }
                | ReportKind::Within { .. }
                | ReportKind::Break { .. }
                | ReportKind::JobFinished { .. } => None,
            })
        };
        let expect = &case["expect"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let job = expect["job_result"].as_str().is_none_or(|word| word == story.conclusion.as_str());
        let order = expect["order"].as_array().into_iter().flatten().all(|pair| {
            place(&text(&pair[0])).zip(place(&text(&pair[1]))).is_some_and(|(first, second)| first < second)
        });
        let ended =
            expect["all_ended"].as_array().into_iter().flatten().all(|id| result(&text(id)).is_some());
        let mut each = expect["steps"].as_object().into_iter().flatten();
        let each = each.all(|(id, word)| result(id) == word.as_str());
        let ran = expect["ran"].as_array().into_iter().flatten().all(|index| {
            let index = usize::try_from(index.as_u64().expect("an index")).expect("a small one");
            story.steps()[index].0 != Conclusion::Skipped
        });
        if job && order && ended && each && ran {
            passed += 1;
        } else {
            failed.push(format!(
                "{}: {} {:?}\n{}",
                case["name"],
                story.conclusion,
                story.steps(),
                story.log()
            ));
        }
    }
    say(&format!("conformance: the runner's background-steps: {passed}/{}", cases.len()));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
