//! `shipway rerun`, and `kill -9` of `shipway up` at seeded points while a run is run again: each time that is asked for is one
//! attempt of the same run, what is kept did not run again, and what runs again does.

use crate::{
    plant::{Plant, Up, id, pause, wait_for},
    support::{Answer, binary, command},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::{fs, process::Stdio, time::Duration};

/// Attempts that are killed, each at a point of its own.
const KILLS: u32 = 6;

const WORKFLOW: &str = "\
on: push
jobs:
  good:
    runs-on: x
    outputs: {word: '${{ steps.s.outputs.word }}'}
    steps: [{id: s, run: 'echo good $GITHUB_RUN_ATTEMPT >> FOLDER/ran; echo word=kept >> $GITHUB_OUTPUT'}]
  bad:
    runs-on: x
    steps: [{run: 'echo bad $GITHUB_RUN_ATTEMPT $GITHUB_RUN_ID >> FOLDER/ran; sleep 0.05; test $GITHUB_RUN_ATTEMPT -gt KILLS'}]
  after:
    needs: [good, bad]
    runs-on: x
    steps: [{run: 'echo after $GITHUB_RUN_ATTEMPT ${{ needs.good.outputs.word }} >> FOLDER/ran'}]
";

fn rerun(plant: &Plant, arguments: &[&str]) -> std::process::Command {
    let mut rerun = command(binary(), plant.folder.path());
    let data = plant.data().display().to_string();
    rerun.args(["rerun", "--data", &data]).args(arguments);
    rerun
}

/// Waits until this attempt of the run is over.
fn attempt(plant: &Plant, run: &str, number: u32, up: &Up) -> Value {
    let over = || {
        let found = plant.get(&format!("/api/v1/runs/{run}"))?;
        let summary = &found["summary"];
        (summary["attempt"] == number && summary["status"] == "completed").then_some(found)
    };
    wait_for(over).unwrap_or_else(|| panic!("attempt {number} did not end:\n{}", up.text()))
}

#[test]
fn killed_while_it_runs_again_a_run_has_each_attempt_once() {
    let mut random = ChaCha8Rng::seed_from_u64(41);
    let plant = Plant::new("");
    let folder = plant.folder.path().display().to_string();
    let workflow = WORKFLOW.replace("FOLDER", &folder).replace("KILLS", &KILLS.to_string());
    plant.write(".github/workflows/deliver.yml", &workflow);
    let sha = plant.commit_all("one");
    let mut up = plant.start_and_wait();
    let first = plant.finished_run(&sha);
    let run = id(&first["summary"]["id"]);
    assert_eq!(first["actions"], serde_json::json!(["rerun_failed", "rerun"]));

    let mut points = Vec::new();
    for number in 2..=KILLS + 1 {
        // The command asks again while nobody answers, and names the attempt that it means.
        let mut asking = rerun(&plant, &["--failed", &run]);
        let asking = asking.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("shipway rerun");
        let after = Duration::from_millis(random.random_range(0..if number % 2 == 0 { 60 } else { 300 }));
        points.push(after);
        pause(after);
        up.kill();
        up = plant.start_and_wait();
        let answer = Answer::from(asking.wait_with_output().expect("an end"));
        // Nobody was there from the beginning when it was too slow to ask before the kill.
        if answer.code == 6 {
            assert!(rerun(&plant, &["--failed", &run]).status().expect("shipway rerun").success());
        } else {
            assert_eq!(answer.code, 0, "{points:?}: {}", answer.all());
        }
        let found = attempt(&plant, &run, number, &up);
        let expect = if number > KILLS { "success" } else { "failure" };
        assert_eq!(found["summary"]["conclusion"], expect, "{points:?}: {found:#}");
        assert_eq!(found["jobs"][0]["kept_from"], 1, "{points:?}: {found:#}");
        assert_eq!((&found["attempts"], &found["summary"]["number"]), (&number.into(), &1.into()));
    }
    let runs = plant.list("/api/v1/runs").expect("runs");
    assert_eq!(runs.len(), 1, "{points:?}: {runs:#?}");
    let ran = fs::read_to_string(plant.folder.path().join("ran")).expect("what ran");
    let lines = |beginning: &str| ran.lines().filter(|line| line.starts_with(beginning)).count();
    assert_eq!(lines("good"), 1, "{points:?}: {ran}");
    for number in 1..=KILLS + 1 {
        // A job that was killed is tried again, in the same attempt.
        assert!(lines(&format!("bad {number} {run}")) >= 1, "{points:?}: {ran}");
    }
    assert!(ran.contains(&format!("after {} kept", KILLS + 1)), "{ran}");

    // Nothing failed now; one job, and what needs it, and all of it.
    let nothing = Answer::from(rerun(&plant, &["--failed"]).output().expect("shipway rerun"));
    assert!(nothing.code == 5 && nothing.stderr.contains("none of its jobs failed"), "{}", nothing.all());
    let one = rerun(&plant, &["1", "--workflow", "deliver.yml", "--job", "good", "--wait"]);
    let one = { one }.output().map(Answer::from).expect("shipway rerun");
    assert!(one.code == 0 && one.stdout.starts_with("ok "), "{}", one.all());
    let all = rerun(&plant, &["--wait", "--json"]).output().map(Answer::from).expect("shipway rerun");
    let found: Value = serde_json::from_str(&all.stdout).expect("JSON");
    assert_eq!(found["attempts"], KILLS + 3, "{}", all.all());
    let ran = fs::read_to_string(plant.folder.path().join("ran")).expect("what ran");
    assert_eq!(ran.lines().filter(|line| line.starts_with("good")).count(), 3, "{ran}");
    let missing =
        rerun(&plant, &["7", "--workflow", "deliver.yml"]).output().map(Answer::from).expect("an end");
    assert_eq!(missing.code, 3, "{}", missing.all());
    up.stop();
}

#[test]
fn names_of_others_do_not_steer_the_terminal() {
    let plant = Plant::new("");
    plant.write(
        ".github/workflows/deliver.yml",
        "name: \"n\\e[31mX\\e]0;t\\a\"\nrun-name: ${{ github.event.head_commit.message || 'by hand' }}\non: [push, workflow_dispatch]\n\
         jobs:\n  a:\n    name: \"j\\e[2J\\nforged\"\n    runs-on: x\n    steps: [{name: \"s\\e[2J\", run: 'false'}]\n",
    );
    let sha = plant.commit_all("msg\u{1b}[31mred\u{1b}]0;pwn\u{7}, \u{202e}turned\n\nforged");
    let up = plant.start_and_wait();
    let run = plant.finished_run(&sha);
    assert_eq!(run["summary"]["title"], "msgred, turned  forged");
    let data = plant.data().display().to_string();
    let asked = |arguments: &[&str]| {
        let mut asking = command(binary(), plant.folder.path());
        Answer::from(asking.args(arguments).args(["--data", &data]).output().expect("an answer")).all()
    };
    let id = id(&run["summary"]["id"]);
    let said = [
        asked(&["dispatch", "deliver.yml", "--wait"]),
        asked(&["dispatch"]),
        asked(&["rerun", &id, "--wait"]),
    ];
    let told = wait_for(|| Some(up.text()).filter(|told| told.matches("failed  nX #").count() >= 3));
    let told = told.unwrap_or_else(|| panic!("three runs ended:\n{}", up.text()));
    for text in said.iter().chain([&told]) {
        assert!(text.contains("nX"), "{text}");
        assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text:?}");
        assert!(text.lines().all(|line| !line.starts_with("forged")), "{text:?}");
    }
}
