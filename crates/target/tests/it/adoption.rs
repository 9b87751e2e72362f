//! After a crash of the control plane: what runs is taken up again, and nothing else is ever touched.

use crate::service::{bash, has_ended, instance, is_alive, open, until, until_ready};
use serde_json::{Value, json};
use shipway_rollout::delivery::{Exit, InstancePhase};
use shipway_target::{ProcessTarget, Target as _};
use std::{fs, future::Future, path::Path, time::Duration};

/// Runs one life of the control plane; when it ends, its supervisors die with it and the instances do not.
fn life<T>(deeds: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let result = runtime.block_on(deeds);
    runtime.shutdown_background();
    result
}

async fn stop(target: &ProcessTarget) {
    target.stop_all(Duration::from_secs(20)).await;
}

/// Changes what a record on disk says.
fn rewrite(folder: &Path, id: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join("target").join("instances").join(format!("{id}.json"));
    let mut record: Value = serde_json::from_slice(&fs::read(&path).expect("the record")).expect("json");
    change(&mut record);
    fs::write(&path, record.to_string()).expect("written");
}

#[test]
fn running_instances_are_adopted_and_can_be_stopped() {
    let folder = tempfile::tempdir().expect("folder");
    let before = life(async {
        let target = open(folder.path());
        target.start(instance(folder.path(), "web-1", "serve")).await.expect("started");
        until_ready(&target, "web-1").await
    });
    let pid = before.pid.expect("it ran");
    assert!(is_alive(pid), "it outlives its control plane");
    life(async {
        let target = open(folder.path());
        let after = until_ready(&target, "web-1").await;
        assert!(after.adopted);
        assert_eq!((after.pid, after.address), (before.pid, before.address));
        target.start(instance(folder.path(), "web-1", "serve")).await.expect("known already");
        target.stop("web-1", Duration::from_secs(20)).await.expect("stopped");
        let ended = until(&target, "web-1", has_ended).await;
        assert_eq!(ended.phase, InstancePhase::Exited(Exit::Unknown));
    });
    assert!(!is_alive(pid));
    life(async {
        let target = open(folder.path());
        assert_eq!(target.observe()[0].phase, InstancePhase::Exited(Exit::Unknown), "its end is remembered");
        target.forget("web-1").await.expect("forgotten");
    });
    assert!(life(async { open(folder.path()).observe() }).is_empty());
}

#[test]
fn an_adopted_instance_that_dies_is_noticed() {
    let folder = tempfile::tempdir().expect("folder");
    life(async {
        let target = open(folder.path());
        target.start(instance(folder.path(), "web-1", "serve")).await.expect("started");
        until_ready(&target, "web-1").await;
    });
    life(async {
        let target = open(folder.path());
        let status = until_ready(&target, "web-1").await;
        let pid = rustix::process::Pid::from_raw(status.pid.expect("it runs")).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
        let ended = until(&target, "web-1", has_ended).await;
        assert_eq!(ended.phase, InstancePhase::Exited(Exit::Unknown));
        assert!(ended.last_lines.iter().any(|line| line.contains("serve speaks")), "{:?}", ended.last_lines);
    });
}

#[test]
fn an_adopted_instance_that_is_sick_becomes_unready() {
    let folder = tempfile::tempdir().expect("folder");
    life(async {
        let target = open(folder.path());
        target.start(instance(folder.path(), "web-1", "serve")).await.expect("started");
        until_ready(&target, "web-1").await;
    });
    fs::write(folder.path().join("artifact").join("down"), "").expect("written");
    life(async {
        let target = open(folder.path());
        until(&target, "web-1", |status| status.phase == InstancePhase::Unready).await;
        stop(&target).await;
    });
}

#[test]
fn a_pid_that_means_another_process_is_left_alone() {
    let folder = tempfile::tempdir().expect("folder");
    life(async {
        let target = open(folder.path());
        target.start(bash(folder.path(), "web-1", "sleep 1000")).await.expect("started");
        stop(&target).await;
    });
    // A bystander, of this test and not of the target, has the pid that the record names.
    #[expect(
        clippy::disallowed_methods,
        reason = "a process that is not the target's is what this test needs"
    )]
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().expect("a bystander");
    let pid = bystander.id() as i32;
    rewrite(folder.path(), "web-1", |record| {
        record["stage"] =
            json!({"is": "running", "pid": pid, "startTicks": 1, "boot": "x", "wasReady": true});
    });
    life(async {
        let target = open(folder.path());
        let status = &target.observe()[0];
        assert_eq!(status.phase, InstancePhase::Exited(Exit::Unknown));
        target.stop("web-1", Duration::ZERO).await.expect("nothing to stop");
        stop(&target).await;
    });
    assert!(is_alive(pid), "the bystander was not touched");
    bystander.kill().and_then(|()| bystander.wait()).expect("the bystander ends");
}

#[test]
fn a_start_that_was_not_recorded_is_found_by_its_mark() {
    let folder = tempfile::tempdir().expect("folder");
    let before = life(async {
        let target = open(folder.path());
        target.start(instance(folder.path(), "web-1", "serve")).await.expect("started");
        until_ready(&target, "web-1").await
    });
    rewrite(folder.path(), "web-1", |record| record["stage"] = json!({"is": "intended"}));
    life(async {
        let target = open(folder.path());
        let after = until_ready(&target, "web-1").await;
        assert_eq!(after.pid, before.pid);
        stop(&target).await;
    });
    rewrite(folder.path(), "web-1", |record| record["stage"] = json!({"is": "intended"}));
    let left = life(async { open(folder.path()).observe() });
    assert!(left.is_empty(), "what was never started is forgotten: {left:?}");
}

#[test]
fn a_record_that_cannot_be_read_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().expect("folder");
    life(async { drop(open(folder.path())) });
    fs::write(folder.path().join("target").join("instances").join("web-1.json"), "{").expect("written");
    let options =
        shipway_target::process::Options::new(folder.path().join("target"), crate::service::clock());
    let error = life(async { ProcessTarget::open(options).expect_err("refused") });
    let kind = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(error.to_string().contains("record") && kind.contains("web-1.json"), "{error}: {kind}");
}
