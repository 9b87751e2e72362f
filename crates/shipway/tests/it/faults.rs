//! What goes wrong for users of `shipway up`: each fault gives one clear message with its cause and what to do, the
//! right exit code, and loses nothing.

use crate::{
    plant::{Plant, Up, free_address, id, wait_for},
    support::{binary, command},
};
use serde_json::Value;
use shipway_testkit::load::{Identity, Load, Plan};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

/// One job that ships what is committed.
const SHIP: &str = r#"name: ship
on: push
jobs:
  ship:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: ./scripts/build.sh
      - uses: actions/upload-artifact@v4
        with: {name: web, path: dist}
      - run: shipway deploy web --artifact web --version "$(sed -n 's/^version=//p' web.conf)" --wait
"#;

/// Two instances, and a canary without an analysis.
pub(crate) const SERVICE: &str = r#"apiVersion: shipway.dev/v1
kind: Service
metadata: {name: web}
spec:
  replicas: 2
  command: ["./web"]
  progressDeadlineSeconds: 8
  healthCheck: {path: /healthz, interval: 100ms, timeout: 1s, healthyThreshold: 2, unhealthyThreshold: 2, startTimeout: 3s}
  drainTimeout: 2s
  stopTimeout: 1s
  route: {hosts: [web.localhost]}
  strategy:
    canary:
      steps:
      - setWeight: 50
      - pause: {duration: 300ms}
"#;

pub(crate) const HEALTHY: &str = "error_percent=0\nlatency_ms=1\nseed=7";

/// The demo's service, shipped by one job.
fn plant() -> Plant {
    let plant = Plant::new(SERVICE);
    plant.write(".github/workflows/deliver.yml", SHIP);
    plant
}

/// The same, with v1 live.
pub(crate) fn live() -> (Plant, Up) {
    let plant = plant();
    let sha = plant.commit("v1", HEALTHY);
    let up = plant.start_and_wait();
    let run = plant.finished_run(&sha);
    assert_eq!(run["summary"]["conclusion"], "success", "{run}\n{}", up.text());
    assert_eq!(plant.finished_rollout("v1")["summary"]["phase"], "promoted", "{}", up.text());
    (plant, up)
}

/// A good commit is delivered, so nothing that went wrong before it stays wrong.
fn delivers(plant: &Plant, up: &Up, version: &str) {
    let sha = plant.commit(version, HEALTHY);
    let run = plant.finished_run(&sha);
    assert_eq!(run["summary"]["conclusion"], "success", "{run}\n{}", up.text());
    assert_eq!(plant.finished_rollout(version)["summary"]["phase"], "promoted", "{}", up.text());
    assert_eq!(plant.visit().and_then(|(_, version)| version).as_deref(), Some(version));
}

/// Every line of the log of a run's only job.
fn log(plant: &Plant, run: &Value) -> String {
    let run = id(&run["summary"]["id"]);
    let log = plant.get(&format!("/api/v1/runs/{run}/jobs/ship/log?from=1&count=1000")).expect("a log");
    let lines = log["lines"].as_array().expect("lines").iter();
    lines.filter_map(|line| line["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// Starts it where it cannot start, and checks what it says and how it ends.
fn check_refusal(plant: &Plant, code: i32, says: &[&str]) {
    let (ended, said) = plant.start().ended();
    assert_eq!(ended, Some(code), "{said}");
    for part in says {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    assert!(said.lines().filter(|line| line.starts_with("error")).count() == 1, "one message:\n{said}");
}

#[test]
fn an_address_in_use_is_named() {
    let plant = plant();
    let other = TcpListener::bind(plant.listen).expect("a free address");
    check_refusal(&plant, 5, &["SW0915", &plant.listen.to_string(), "--listen"]);
    drop(other);
    let other = TcpListener::bind(plant.router).expect("a free address");
    check_refusal(&plant, 5, &["SW0701", &plant.router.to_string(), "--router"]);
    drop(other);
    assert_eq!(plant.start_and_wait().stop().0, Some(0));
}

#[test]
fn a_second_server_on_the_folder_is_told_the_first() {
    let mut plant = plant();
    let first = plant.start_and_wait();
    let (listen, router) = (plant.listen, plant.router);
    (plant.listen, plant.router) = (free_address(), free_address());
    check_refusal(&plant, 5, &["SW0601", &format!("process {}", first.child.id()), "--data"]);
    (plant.listen, plant.router) = (listen, router);
    assert!(plant.get("/api/v1/health").is_some(), "the first one goes on");
    assert_eq!(first.stop().0, Some(0));
}

#[test]
fn a_folder_of_other_files_is_left_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let plant = plant();
    let data = plant.data();
    fs::create_dir_all(&data).expect("a folder");
    fs::write(data.join(".gitignore"), "target\n").expect("a file");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("permissions");
    check_refusal(&plant, 2, &["SW0917", &data.display().to_string(), ".gitignore", "--data"]);
    assert_eq!(fs::read_to_string(data.join(".gitignore")).ok().as_deref(), Some("target\n"));
    assert_eq!(fs::read_dir(&data).expect("the folder").count(), 1);
    assert_eq!(fs::metadata(&data).expect("the folder").permissions().mode() & 0o777, 0o755);
    fs::remove_file(data.join(".gitignore")).expect("a file");
    assert_eq!(plant.start_and_wait().stop().0, Some(0), "an empty folder is taken");
    assert_eq!(plant.start_and_wait().stop().0, Some(0), "and taken again");
}

#[test]
fn without_a_repository_there_is_nothing_to_watch() {
    let plant = plant();
    fs::remove_dir_all(plant.repository().join(".git")).expect("a folder");
    check_refusal(&plant, 3, &["SW0914", "--repo"]);
}

#[test]
fn a_first_version_that_is_never_healthy_fails_with_its_last_lines() {
    let plant = plant();
    plant.write("shipway.yaml", &SERVICE.replace("/healthz", "/ready"));
    let sha = plant.commit("v1", "error_percent=100");
    let up = plant.start_and_wait();
    let rollout = plant.finished_rollout("v1");
    assert_eq!(rollout["summary"]["phase"], "failed", "{rollout}");
    let instances = rollout["instances"].as_array().expect("instances");
    let shown = |line: &str| {
        instances.iter().any(|instance| {
            let lines = instance["last_lines"].as_array().expect("lines").iter();
            lines.filter_map(Value::as_str).any(|text| text.contains(line))
        })
    };
    assert!(shown("price list is empty"), "{rollout}");
    let run = plant.finished_run(&sha);
    assert_eq!(run["summary"]["conclusion"], "failure", "{run}");
    assert_eq!(run["failure"]["exit_code"], 1, "{run}");
    let log = log(&plant, &run);
    assert!(log.contains("price list is empty"), "the last lines are not in the step's log:\n{log}");
    // Nothing of it is left running, and the next version is as good as a first one.
    plant.write("shipway.yaml", SERVICE);
    delivers(&plant, &up, "v2");
}

#[test]
fn a_health_check_that_flaps_fails_no_request() {
    let (plant, up) = live();
    // Three in five answers to the health check of v2 are failures; what its users ask for always works.
    let flapping = SERVICE
        .replace("/healthz", "/ready")
        .replace("healthyThreshold: 2", "healthyThreshold: 1")
        .replace("duration: 300ms", "duration: 3s");
    plant.write("shipway.yaml", &flapping);
    let sha = plant.commit("v2", "error_percent=60\nseed=3");
    let mut asked = 0;
    let rollout = wait_for(|| {
        let (status, _) = plant.visit_path("/healthz").expect("an answer");
        assert_eq!(status, 200, "request {asked}\n{}", up.text());
        asked += 1;
        let rollout = plant.newest_rollout()?;
        let summary = &rollout["summary"];
        (summary["release"]["version"] == "v2" && !summary["finished_at"].is_null()).then_some(rollout)
    });
    let rollout = rollout.unwrap_or_else(|| panic!("{:?}\n{}", plant.newest_rollout(), up.text()));
    assert_eq!(rollout["split"]["dropped"], 0, "{rollout}");
    let events = rollout["events"].to_string();
    assert!(
        events.contains("not ready") || events.contains("unready"),
        "nobody is told that it flaps: {events}"
    );
    let run = plant.finished_run(&sha);
    let promoted = rollout["summary"]["phase"] == "promoted";
    assert_eq!(run["summary"]["conclusion"] == "success", promoted, "{run}");
    println!("asked {asked} times; {}", rollout["summary"]["headline"]);
    plant.write("shipway.yaml", SERVICE);
    delivers(&plant, &up, "v3");
}

#[test]
fn a_killed_instance_is_replaced() {
    let (plant, up) = live();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let plan = Plan {
        target: plant.router,
        host: "web.localhost".to_owned(),
        path: "/".to_owned(),
        clients: 1_000,
        identity: Identity::Nothing,
        lanes: 8,
        rate: Some(200.0),
        requests: None,
        seed: 1,
        patience: Duration::from_secs(10),
        version_header: "x-version".to_owned(),
    };
    let load = runtime.block_on(async { Load::start(plan, shipway_testkit::clock::real(), None) });
    let ready = || {
        let rollout = plant.newest_rollout()?;
        let instances = rollout["instances"].as_array()?.iter();
        let ready = instances.filter(|instance| instance["health"] == "ready");
        Some(ready.map(|instance| id(&instance["id"])).collect::<Vec<_>>())
    };
    let before = wait_for(|| ready().filter(|ready| ready.len() == 2)).expect("two instances");
    wait_for(|| (load.report().requests > 100).then_some(())).expect("requests");
    let is_instance = |(_, line): &&(u32, String)| line.contains("demo-service");
    let (victim, _) = plant.processes().iter().find(is_instance).cloned().expect("an instance");
    let victim = rustix::process::Pid::from_raw(i32::try_from(victim).expect("a pid")).expect("a pid");
    rustix::process::kill_process(victim, rustix::process::Signal::KILL).expect("a kill");
    let after = wait_for(|| ready().filter(|ready| ready.len() == 2 && *ready != before));
    assert!(after.is_some(), "{:?} {:?}\n{}", before, ready(), up.text());
    let so_far = load.report().requests;
    wait_for(|| (load.report().requests > so_far + 100).then_some(())).expect("requests");
    let report = runtime.block_on(load.stop());
    let failed: u64 = report.versions.values().flat_map(|version| version.failures.values()).sum();
    let lost: u64 = report.unattributed.values().sum();
    // A lane has one request at a time, and only those on the killed instance may have been lost with it.
    assert!(failed + lost <= 8, "{report:?}");
    let rollout = plant.newest_rollout().expect("a rollout");
    assert_eq!(rollout["split"]["dropped"], 0, "{rollout}");
}

#[test]
fn a_broken_delivery_document_changes_nothing() {
    let (plant, up) = live();
    plant.write("shipway.yaml", &SERVICE.replace("  replicas: 2", "  replicaz: 2"));
    let sha = plant.commit("v2", HEALTHY);
    let run = plant.finished_run(&sha);
    assert_eq!(run["summary"]["conclusion"], "failure", "{run}");
    assert_eq!(run["failure"]["exit_code"], 2, "{run}");
    let log = log(&plant, &run);
    for part in ["shipway.yaml:5:", "replicaz", "replicas"] {
        assert!(log.contains(part), "{part:?} is not in:\n{log}");
    }
    is_told(&run, &up, ("shipway.yaml", 5), "a service has no key `replicaz`");
    assert_eq!(plant.list("/api/v1/rollouts").map(|rollouts| rollouts.len()), Some(1));
    assert_eq!(plant.visit(), Some((200, Some("v1".to_owned()))));
    plant.write("shipway.yaml", &SERVICE.replace("metadata: {", "metadata: {{"));
    let run = plant.finished_run(&plant.commit("v3", HEALTHY));
    is_told(&run, &up, ("shipway.yaml", 3), "a key must be a plain text");
    plant.write("shipway.yaml", SERVICE);
    delivers(&plant, &up, "v4");
}

/// The annotation, the first words about the failure and the lines of `up` name the file, the line and the cause.
fn is_told(run: &Value, up: &Up, (file, line): (&str, u64), cause: &str) {
    let notes = run["annotations"].as_array().expect("annotations");
    let found = notes.iter().find(|note| note["file"] == file && note["line"] == line);
    let text = found.and_then(|note| note["message"].as_str()).unwrap_or_else(|| panic!("{run:#}"));
    assert!(text.contains(cause) && !text.contains("error["), "{text}");
    let first = text.split(['(', '`']).next().unwrap_or_default().trim();
    let message = run["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(&format!("{file}:{line}: ")) && message.contains(first), "{message}");
    // Long lines are wrapped.
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = || plain(&up.text()).contains(&plain(message)).then_some(());
    assert!(wait_for(told).is_some(), "{message}: {}", up.text());
}

#[test]
fn a_key_stands_for_one_deployment() {
    let (plant, up) = live();
    let run = plant.list("/api/v1/runs").expect("runs").remove(0);
    let operator = plant.authorization().expect("a server");
    let send = |version: &str| {
        let body = serde_json::json!({
            "service": "web", "artifact": "web", "run_id": run["id"], "version": version,
            "spec": SERVICE, "spec_name": "shipway.yaml",
        });
        let headers = format!("{operator}idempotency-key: ticket-17\r\n");
        plant.send("POST", "/api/v1/deployments", &headers, &body.to_string())
    };
    let (status, first) = send("v2");
    assert_eq!((status, first["repeated"].as_bool()), (201, Some(false)), "{first}\n{}", up.text());
    let (status, second) = send("v2");
    assert_eq!((status, second["repeated"].as_bool()), (200, Some(true)), "{second}");
    assert_eq!(second["rollout"], first["rollout"]);
    let (status, refused) = send("v3");
    assert_eq!((status, refused["code"].as_str()), (422, Some("SW0908")), "{refused}");
}

#[test]
fn a_second_service_cannot_take_a_host() {
    let (plant, up) = live();
    plant.write("shipway.yaml", &SERVICE.replace("name: web", "name: shop"));
    plant.write(".github/workflows/deliver.yml", &SHIP.replace("deploy web", "deploy shop"));
    let sha = plant.commit("v2", HEALTHY);
    let run = plant.finished_run(&sha);
    assert_eq!(run["failure"]["exit_code"], 5, "{run}");
    let log = log(&plant, &run);
    for part in ["web", "shop", "both claim", "route.hosts"] {
        assert!(log.contains(part), "{part:?} is not in:\n{log}");
    }
    assert_eq!(plant.list("/api/v1/rollouts").map(|rollouts| rollouts.len()), Some(1));
    plant.write("shipway.yaml", SERVICE);
    plant.write(".github/workflows/deliver.yml", SHIP);
    delivers(&plant, &up, "v3");
}

#[test]
fn a_page_tells_how_it_is_now_and_how_it_ended() {
    let (plant, up) = live();
    let page = |version: &str| {
        let rollouts = plant.list("/api/v1/rollouts").expect("rollouts");
        let found = rollouts.iter().find(|rollout| rollout["release"]["version"] == version);
        plant.get(&format!("/api/v1/rollouts/{}", id(&found.expect("a rollout")["id"]))).expect("a page")
    };
    let each = |page: &Value, list: &str, key: &str| {
        let items = page[list].as_array().expect("a list").iter();
        items.map(|item| item[key].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    // The first version has everyone, took no steps, and was compared with nothing.
    let first = page("v1");
    assert_eq!(first["split"]["canary"], 10_000, "{first}");
    assert_eq!(first["split"]["wanted"], 10_000, "{first}");
    assert_eq!(first["verdict"], Value::Null, "{first}");
    assert_eq!(each(&first, "steps", "state"), ["skipped", "skipped"], "{first}");
    assert_eq!(each(&first, "instances", "health"), ["ready", "ready"], "{first}");
    delivers(&plant, &up, "v2");
    let second = page("v2");
    assert_eq!(second["split"]["canary"], 10_000, "{second}");
    assert_eq!(each(&second, "steps", "state"), ["done", "done"], "{second}");
    // The page of the first one is of the past: nothing of it runs any more.
    let first = page("v1");
    assert_eq!(first["split"]["canary"], 10_000, "{first}");
    assert_eq!(each(&first, "instances", "health"), ["stopped", "stopped"], "{first}");
    assert_eq!(each(&first, "instances", "address"), ["", ""], "{first}");
}

#[test]
fn nobody_else_may_look_into_the_data_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let (plant, _up) = live();
    let mode = std::fs::metadata(plant.data()).expect("the folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "{mode:o}");
}

#[test]
fn a_broken_workflow_is_a_failed_run() {
    let (plant, up) = live();
    plant.write(".github/workflows/deliver.yml", &SHIP.replace("    runs-on", "    runs-onn"));
    let sha = plant.commit("v2", HEALTHY);
    let run = plant.finished_run(&sha);
    assert_eq!(run["summary"]["conclusion"], "failure", "{run}");
    let told = run.to_string();
    for part in [".github/workflows/deliver.yml:4:3", "runs-onn", "did you mean"] {
        assert!(told.contains(part), "{part:?} is not in:\n{run:#}");
    }
    plant.write(".github/workflows/deliver.yml", SHIP);
    delivers(&plant, &up, "v3");
}

#[test]
fn an_instance_that_ignores_term_is_ended_all_the_same() {
    let plant = plant();
    let stubborn = include_str!("../../src/demo/files/build.sh")
        .replace("exec \"", "trap '' TERM\n\"")
        .replace("\\$0\")/web.conf\"", "\\$0\")/web.conf\" &\nwhile :; do sleep 60; done");
    plant.write("scripts/build.sh", &stubborn);
    let sha = plant.commit("v1", HEALTHY);
    let up = plant.start_and_wait();
    let run = plant.finished_run(&sha);
    assert_eq!(run["summary"]["conclusion"], "success", "{run}\n{}", log(&plant, &run));
    let count = || plant.processes().iter().filter(|(_, line)| line.contains("sleep 60")).count();
    assert_eq!(count(), 2, "{:#?}", plant.processes());
    plant.write("scripts/build.sh", include_str!("../../src/demo/files/build.sh"));
    delivers(&plant, &up, "v2");
    assert!(wait_for(|| (count() == 0).then_some(())).is_some(), "{:#?}", plant.processes());
}

#[test]
fn told_to_stop_in_the_middle_it_goes_on_at_the_next_start() {
    let (plant, up) = live();
    plant.write("shipway.yaml", &SERVICE.replace("duration: 300ms", "duration: 3s"));
    let sha = plant.commit("v2", HEALTHY);
    let halfway = || {
        let rollout = plant.newest_rollout()?;
        let summary = &rollout["summary"];
        (summary["release"]["version"] == "v2" && summary["share"] == 5_000).then_some(())
    };
    assert!(wait_for(halfway).is_some(), "{}", up.text());
    let (code, said) = up.stop();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(plant.processes(), [], "{said}");
    let up = plant.start_and_wait();
    let run = plant.finished_run(&sha);
    assert_eq!(run["summary"]["conclusion"], "success", "{run}\n{said}\nthen\n{}", up.text());
    assert_eq!(plant.finished_rollout("v2")["summary"]["phase"], "promoted", "{}", up.text());
    assert_eq!(plant.list("/api/v1/rollouts").map(|rollouts| rollouts.len()), Some(2));
}

const NO_DISK: &str = "SKIPPED: this machine lets nobody mount a small disk (unshare -m, mount -t tmpfs)";

/// Starts it with its data on a disk of 24 MiB; `None` where nobody may mount one.
fn on_a_small_disk(plant: &mut Plant) -> Option<Up> {
    // A disk of its own, in a mount namespace of its own: it goes away with the server.
    let script = r#"mount -t tmpfs -o size=24m shipway-test "$1" && shift && exec "$@""#;
    let probe = command("unshare", Path::new("/"))
        .args(["-m", "--", "sh", "-c", script, "sh", "/tmp", "true"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return None;
    }
    fs::create_dir_all(plant.data()).expect("a folder");
    let mut start = command("unshare", plant.folder.path());
    start
        .args(["-m", "--", "sh", "-c", script, "sh"])
        .arg(plant.data())
        .arg(binary())
        .args(plant.arguments());
    let up = Up::start(start);
    plant.data_as_seen = Path::new(&format!("/proc/{}/root", up.child.id()))
        .join(plant.data().strip_prefix("/").expect("an absolute path"));
    assert!(wait_for(|| plant.get("/api/v1/health")).is_some(), "{}", up.text());
    Some(up)
}

/// Fills the disk under the server's data; gives the file that does.
fn fill(plant: &Plant) -> PathBuf {
    let filler = plant.data_as_seen.join("filler");
    let full = fs::write(&filler, vec![0; 64 << 20]);
    assert!(full.is_err(), "the disk is larger than it should be");
    filler
}

#[test]
fn a_full_disk_holds_up_and_loses_nothing() {
    let mut plant = plant();
    let Some(up) = on_a_small_disk(&mut plant) else {
        println!("{NO_DISK}");
        return;
    };
    let sha = plant.commit("v1", HEALTHY);
    assert_eq!(plant.finished_run(&sha)["summary"]["conclusion"], "success", "{}", up.text());
    let filler = fill(&plant);
    let sha = plant.commit("v2", HEALTHY);
    let trouble = wait_for(|| {
        let problems = plant.health()?["problems"].to_string();
        problems.contains("no space left").then_some(problems)
    });
    assert!(trouble.is_some(), "{:?}\n{}", plant.health(), up.text());
    println!("a full disk: {}", trouble.unwrap_or_default());
    let told = "watching the repository: no space left";
    let said = wait_for(|| Some(up.text()).filter(|said| said.contains(told)));
    let said = said.unwrap_or_else(|| panic!("nobody is told:\n{}", up.text()));
    assert_eq!(said.matches(told).count(), 1, "one message:\n{said}");
    assert!(said.contains("free some space"), "{said}");
    for _ in 0..20 {
        assert_eq!(plant.visit(), Some((200, Some("v1".to_owned()))), "{}", up.text());
    }
    fs::remove_file(&filler).expect("the filler goes");
    let run = plant.finished_run(&sha);
    println!("the run that met a full disk: {}", run["summary"]["conclusion"]);
    if run["summary"]["conclusion"] != "success" {
        let said = format!("{run}{}", log(&plant, &run));
        assert!(said.contains("space") || said.contains("full"), "it does not say why:\n{run:#}");
    }
    delivers(&plant, &up, "v3");
    let well = wait_for(|| (plant.health()?["healthy"] == true).then_some(()));
    assert!(well.is_some(), "{:?}", plant.health());
}

#[test]
fn a_log_that_meets_a_full_disk_loses_no_line() {
    let mut plant = plant();
    let Some(up) = on_a_small_disk(&mut plant) else {
        println!("{NO_DISK}");
        return;
    };
    let go = plant.folder.path().join("go");
    plant.write(
        ".github/workflows/deliver.yml",
        &format!(
            "name: talk\non: push\njobs:\n  talk:\n    runs-on: ubuntu-latest\n    steps:\n    - run: |\n        \
             echo ready\n        until [ -e {go} ]; do sleep 0.05; done\n        \
             head -c 3000000 /dev/urandom | base64 -w 99 | nl -w 1\n        echo the end\n    - run: echo second\n",
            go = go.display()
        ),
    );
    let sha = plant.commit("v1", HEALTHY);
    let lines = |run: &str, from: u64| {
        let path = format!("/api/v1/runs/{run}/jobs/talk/log?from={from}&count=1000");
        let log = plant.get(&path)?;
        let lines = log["lines"].as_array()?.iter();
        Some(lines.filter_map(|line| Some(line["text"].as_str()?.to_owned())).collect::<Vec<_>>())
    };
    let run = wait_for(|| {
        let runs = plant.list("/api/v1/runs")?;
        let run = id(&runs.iter().find(|run| run["commit"]["sha"] == *sha)?["id"]);
        lines(&run, 1)?.contains(&"ready".to_owned()).then_some(run)
    });
    let run = run
        .unwrap_or_else(|| panic!("the job does not begin: {:?}\n{}", plant.list("/api/v1/runs"), up.text()));
    let filler = fill(&plant);
    fs::write(&go, "").expect("room beside the small disk");
    let told = wait_for(|| {
        let problems = plant.health()?["problems"].to_string();
        problems.contains("logs of run").then_some(problems)
    });
    assert!(told.is_some_and(|told| told.contains("no space left")), "{:?}\n{}", plant.health(), up.text());
    fs::remove_file(&filler).expect("the filler goes");
    let ended = plant.finished_run(&sha);
    assert_eq!(ended["summary"]["conclusion"], "success", "{ended}\n{}", up.text());
    let (mut all, mut from) = (Vec::new(), 1);
    while let Some(more) = lines(&run, from).filter(|more| !more.is_empty()) {
        from += more.len() as u64;
        all.extend(more);
    }
    let numbers: Vec<usize> = all.iter().filter_map(|line| line.split_once('\t')?.0.parse().ok()).collect();
    let expect = 4_000_000_usize.div_ceil(99);
    assert!(numbers.iter().copied().eq(1..=expect), "{} lines instead of {expect}", numbers.len());
    for line in ["the end", "Run echo second", "second"] {
        assert!(all.iter().any(|found| found == line), "{line:?} is missing: {:?}", &all[all.len() - 8..]);
    }
}
