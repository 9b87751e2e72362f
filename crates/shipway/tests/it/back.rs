//! What an operator and clients see right after something changed: a command, a start after `kill -9`, a new rollout.

use crate::{
    faults::{HEALTHY, SERVICE, live},
    plant::{Plant, Up, id, wait_for},
};
use serde_json::Value;
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

/// A canary that waits at a half until somebody lets it go on.
fn waiting_service() -> String {
    let waiting = SERVICE.replace("pause: {duration: 300ms}", "pause: {}");
    assert_ne!(waiting, SERVICE);
    waiting
}

/// Waits until a version's canary waits, and gives the id of its rollout.
fn waits(plant: &Plant, up: &Up, version: &str) -> String {
    let waits = wait_for(|| {
        let rollout = plant.newest_rollout()?;
        let summary = &rollout["summary"];
        (summary["release"]["version"] == version && summary["phase"] == "paused").then(|| id(&summary["id"]))
    });
    waits.unwrap_or_else(|| panic!("{version} does not wait: {:?}\n{}", plant.newest_rollout(), up.text()))
}

fn command(plant: &Plant, rollout: &str, command: &str) {
    let headers = plant.authorization().expect("a token");
    let (status, said) = plant.send("POST", &format!("/api/v1/rollouts/{rollout}/{command}"), &headers, "{}");
    assert!(status < 300, "{command}: {status} {said}");
}

/// Whether a command is offered on a rollout's page now.
fn is_offered(plant: &Plant, rollout: &str, command: &str) -> bool {
    let page = plant.get(&format!("/api/v1/rollouts/{rollout}")).expect("a rollout");
    let offers = page["commands"].as_array().expect("offers");
    let offer = offers.iter().find(|offer| offer["command"] == command);
    offer.unwrap_or_else(|| panic!("no {command} in {page}"))["possible"] == true
}

fn dropped(plant: &Plant, rollout: &str) -> u64 {
    let page = plant.get(&format!("/api/v1/rollouts/{rollout}")).expect("a rollout");
    page["split"]["dropped"].as_u64().expect("a count")
}

fn kill_instances(plant: &Plant) {
    for (pid, line) in plant.processes() {
        if line.contains("demo-service") {
            let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("a kill");
        }
    }
}

#[test]
fn whoever_reads_after_a_command_sees_what_it_did() {
    let (plant, up) = live();
    plant.write("shipway.yaml", &waiting_service());
    let _sha = plant.commit("v2", HEALTHY);
    let rollout = waits(&plant, &up, "v2");
    for turn in 0..5 {
        assert!(is_offered(&plant, &rollout, "pause"), "{turn}");
        command(&plant, &rollout, "pause");
        assert!(!is_offered(&plant, &rollout, "pause"), "{turn}: paused, and to be paused again");
        assert!(is_offered(&plant, &rollout, "resume"), "{turn}");
        command(&plant, &rollout, "resume");
        assert!(is_offered(&plant, &rollout, "pause"), "{turn}: goes on, and not to be paused");
    }
    command(&plant, &rollout, "promote");
    assert_eq!(plant.finished_rollout("v2")["summary"]["phase"], "promoted", "{}", up.text());

    // To go back is a rollout of its own, and the answer is about that one.
    let data = plant.data().display().to_string();
    let undone = plant.folder.shipway(&["rollout", "undo", "web", "--data", &data]);
    assert_eq!(undone.code, 0, "{}", undone.all());
    let newest = id(&plant.newest_rollout().expect("a rollout")["summary"]["id"]);
    assert_ne!(newest, rollout);
    let begins = format!("rollout {newest} began: web v1: ");
    assert!(undone.stdout.starts_with(&begins), "{begins}\n{}", undone.all());
}

/// A page's button that is pressed twice skips the step that the page shows, and no other one.
#[test]
fn a_button_that_is_pressed_twice_promotes_once() {
    let (plant, up) = live();
    let steps = "pause: {}\n      - setWeight: 80\n      - pause: {}";
    plant.write("shipway.yaml", &SERVICE.replace("pause: {duration: 300ms}", steps));
    let _sha = plant.commit("v2", HEALTHY);
    let rollout = waits(&plant, &up, "v2");
    let link = up.lines().into_iter().find_map(|line| {
        let start = line.find("http")?;
        line[start..].contains("/sign-in?token=").then(|| line[start..].trim().to_owned())
    });
    let cookie = plant.sign_in(&link.expect("a link"));
    let data = plant.data().display().to_string();
    let answer = plant.folder.shipway(&["sign-in", "--json", "--data", &data]);
    let other: Value = serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{}", answer.all()));
    let path = other["url"].as_str().and_then(|url| url.find("/sign-in?token="));
    assert!(path.is_some() && other["expires_at"].is_string(), "{other}");
    let (_, page) = plant.download(&format!("/rollouts/{rollout}"), &cookie);
    let page = String::from_utf8_lossy(&page).into_owned();
    let field = page.split("name=\"step\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let form = format!("step={}", field.expect("the form's step"));
    let promote = || plant.submit(&format!("/rollouts/{rollout}/promote"), &cookie, &form);
    let answers: Vec<u16> = thread::scope(|scope| {
        let presses: Vec<_> = (0..4).map(|_| scope.spawn(promote)).collect();
        presses.into_iter().map(|press| press.join().expect("an answer")).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 303).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), 3, "{answers:?}");
    let four = wait_for(|| {
        let page = plant.get(&format!("/api/v1/rollouts/{rollout}"))?;
        (page["summary"]["steps_done"] == 3 && page["summary"]["phase"] == "paused").then_some(())
    });
    assert!(four.is_some(), "{:?}\n{}", plant.newest_rollout(), up.text());
    assert_eq!(promote(), 409);
}

/// Clients that come while a killed server starts anew wait for the instances, which live on; nobody hears that there are none.
#[test]
fn who_comes_during_a_start_is_served() {
    let (plant, mut up) = live();
    for _ in 0..3 {
        up.kill();
        let over = AtomicBool::new(false);
        let answers = thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut answers = Vec::new();
                while !over.load(Relaxed) {
                    answers.extend(plant.visit());
                }
                answers
            });
            up = plant.start_and_wait();
            let until = wait_for(|| plant.visit());
            over.store(true, Relaxed);
            let mut answers = asking.join().expect("answers");
            answers.extend(until);
            answers
        });
        let served = |answer: &(u16, Option<String>)| *answer == (200, Some("v1".to_owned()));
        let others: Vec<_> = answers.iter().filter(|answer| !served(answer)).collect();
        assert!(others.is_empty(), "{} of {}: {:?}\n{}", others.len(), answers.len(), others[0], up.text());
    }
}

/// A start tells what happens, not what an earlier one has told; a stop leaves nothing that leads commands nowhere.
#[test]
fn a_later_start_tells_no_old_story() {
    let (plant, up) = live();
    let story = |up: &Up| up.text().contains("v1 is live") || up.text().contains("promoted");
    assert!(story(&up), "{}", up.text());
    let file = plant.data().join("server.json");
    assert!(file.is_file());
    let (code, said) = up.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(!file.exists());
    let up = plant.start_and_wait();
    assert!(wait_for(|| (plant.visit()?.0 == 200).then_some(())).is_some(), "{}", up.text());
    plant.write("web.conf.note", "nothing to ship");
    plant.write(
        ".github/workflows/deliver.yml",
        "on: push\njobs: {note: {runs-on: x, steps: [{run: 'true'}]}}\n",
    );
    let run = plant.finished_run(&plant.commit_all("a note"));
    assert_eq!(run["summary"]["conclusion"], "success", "{run}");
    assert!(wait_for(|| up.text().contains("a note").then_some(())).is_some(), "{}", up.text());
    assert!(!story(&up), "{}", up.text());
}

/// Requests that find no instance while a canary is on count for its rollout, and for no later one.
#[test]
fn a_rollout_shows_the_requests_that_its_own_shifting_failed() {
    let (plant, mut up) = live();
    plant.write("shipway.yaml", &waiting_service());
    let _sha = plant.commit("v2", HEALTHY);
    let second = waits(&plant, &up, "v2");
    assert_eq!(dropped(&plant, &second), 0);
    let failed = wait_for(|| {
        kill_instances(&plant);
        (plant.visit()?.0 == 503).then_some(())
    });
    assert!(failed.is_some(), "{}", up.text());
    let counted = wait_for(|| Some(dropped(&plant, &second)).filter(|dropped| *dropped > 0));
    assert!(counted.is_some(), "{}", up.text());
    let over = wait_for(|| {
        let phase = plant.newest_rollout()?["summary"]["phase"].clone();
        (phase != "progressing" && phase != "paused").then_some(phase).or_else(|| {
            let offered = is_offered(&plant, &second, "abort");
            if offered {
                command(&plant, &second, "abort");
            }
            None
        })
    });
    assert!(over.is_some(), "{:?}\n{}", plant.newest_rollout(), up.text());
    let counted = dropped(&plant, &second);
    assert!(counted > 0);
    let healthy = wait_for(|| (plant.visit()?.0 == 200).then_some(()));
    assert!(healthy.is_some(), "{}", up.text());
    plant.write("shipway.yaml", SERVICE);
    let _sha = plant.commit("v3", HEALTHY);
    let third = plant.finished_rollout("v3");
    assert_eq!(third["summary"]["phase"], "promoted", "{third}\n{}", up.text());
    assert_eq!(third["split"]["dropped"], 0, "{third}");
    up.kill();
    up = plant.start_and_wait();
    let shown: Vec<Value> = plant.list("/api/v1/rollouts").expect("rollouts");
    assert_eq!(shown.len(), 3, "{}", up.text());
    assert_eq!((dropped(&plant, &second), dropped(&plant, &id(&third["summary"]["id"]))), (counted, 0));
}

/// A request that a deploy cut off, because its instance was stopped at the end of `drainTimeout`, counts for that deploy, though its
/// rollout is over by then, and not against the version that had served it.
#[test]
fn what_a_deploy_stops_counts_for_the_deploy() {
    let (plant, mut up) = live();
    let _sha = plant.commit("v2", "error_percent=0\nlatency_ms=60000\nseed=7");
    let second = plant.finished_rollout("v2");
    assert_eq!(second["summary"]["phase"], "promoted", "{second}\n{}", up.text());
    let third = thread::scope(|scope| {
        let posting = scope.spawn(|| plant.post());
        let on_its_way = wait_for(|| {
            let metrics = String::from_utf8(plant.download("/metrics", "").1).ok()?;
            let busy = |line: &str| line.starts_with("shipway_router_in_flight{") && line.ends_with(" 1");
            metrics.lines().any(busy).then_some(())
        });
        assert!(on_its_way.is_some(), "{}", up.text());
        let _sha = plant.commit("v3", HEALTHY);
        let third = plant.finished_rollout("v3");
        let head = posting.join().expect("a thread").expect("an answer");
        assert!(head.contains(" 502 ") && head.contains("shipway-cause: drain-timeout"), "{head}");
        third
    });
    let third = id(&third["summary"]["id"]);
    let counted = wait_for(|| (dropped(&plant, &third) == 1).then_some(()));
    assert!(counted.is_some(), "{:?}\n{}", plant.newest_rollout(), up.text());
    let page = plant.get(&format!("/api/v1/rollouts/{third}")).expect("a rollout");
    assert_eq!(page["stable"]["failures"], 0, "{page}");
    let metrics = String::from_utf8(plant.download("/metrics", "").1).expect("a text");
    assert!(!metrics.contains("shipway_router_failures_total{"), "{metrics}");
    let stopped = wait_for(|| (plant.processes().len() < 4).then_some(()));
    assert!(stopped.is_some(), "{:?}", plant.processes());
    up.kill();
    up = plant.start_and_wait();
    assert_eq!(dropped(&plant, &third), 1, "{}", up.text());
}
