//! From start to end: ready, sick, flapping, dying, stubborn, and what never was a program.

use crate::service::{bash, has_ended, instance, is_alive, open, script, until, until_ready};
use shipway_rollout::delivery::{Exit, InstancePhase};
use shipway_target::{InstanceStatus, Target as _};
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

const GRACE: Duration = Duration::from_secs(20);

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("folder")
}

#[tokio::test(flavor = "multi_thread")]
async fn becomes_ready_serves_and_stops() {
    let folder = folder();
    let target = open(folder.path());
    let spec = instance(folder.path(), "web-1", "serve");
    target.start(spec.clone()).await.expect("started");
    let ready = until_ready(&target, "web-1").await;
    assert_eq!(ready.health.as_ref().map(ToString::to_string).as_deref(), Some("status 200: fine"));
    assert!(ready.address.is_some_and(|address| address.port() > 0));
    target.start(spec).await.expect("starting again does nothing");
    assert_eq!(target.observe().len(), 1);
    assert!(
        target.last_lines("web-1").iter().any(|line| line.contains("as v1")),
        "{:?}",
        target.last_lines("web-1")
    );
    target.forget("web-1").await.expect("what runs is not forgotten");
    assert_eq!(target.observe().len(), 1);
    target.stop("web-1", GRACE).await.expect("stopped");
    let ended = until(&target, "web-1", has_ended).await;
    assert_eq!(ended.phase, InstancePhase::Exited(Exit::Signal(15)));
    assert!(!is_alive(ready.pid.expect("it ran")));
    target.forget("web-1").await.expect("forgotten");
    assert!(target.observe().is_empty());
    assert!(ended.log.exists(), "its log is kept for a while");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_healthy_shows_its_answer_and_its_lines() {
    let folder = folder();
    let target = open(folder.path());
    target.start(instance(folder.path(), "web-1", "sick")).await.expect("started");
    let answered =
        |status: &InstanceStatus| status.health.as_ref().is_some_and(|health| health.status.is_some());
    let sick = until(&target, "web-1", answered).await;
    assert_eq!(sick.phase, InstancePhase::Starting);
    assert_eq!(
        sick.health.as_ref().map(ToString::to_string).as_deref(),
        Some("status 503: still warming up")
    );
    assert!(sick.last_lines.iter().any(|line| line.contains("sick speaks")), "{:?}", sick.last_lines);
    target.stop_all(GRACE).await;
    assert!(target.observe().iter().all(has_ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exits_at_once_keeps_its_code_and_last_words() {
    let folder = folder();
    let target = open(folder.path());
    target
        .start(bash(folder.path(), "web-1", "echo hello; echo no config >&2; exit 3"))
        .await
        .expect("started");
    let ended = until(&target, "web-1", has_ended).await;
    assert_eq!(ended.phase, InstancePhase::Exited(Exit::Code(3)));
    assert_eq!(ended.last_lines, ["hello", "no config"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_program_says_why() {
    let folder = folder();
    let target = open(folder.path());
    let artifact = folder.path().join("artifact");
    fs::create_dir_all(artifact.join("sub")).expect("folder");
    fs::write(artifact.join("plain"), "echo hi").expect("written");
    let write = |name: &str, text: &str| {
        fs::write(artifact.join(name), text).expect("written");
        fs::set_permissions(artifact.join(name), fs::Permissions::from_mode(0o755)).expect("executable");
    };
    write("orphan", "#!/no/such/interpreter\n");
    write("noise", "\u{1}\u{2}\u{3}");
    for (command, words) in [
        ("./web", "there is no `./web` in the artifact; it holds noise, orphan, plain, sub"),
        ("./plain", "not executable"),
        ("./sub", "is a folder"),
        ("./orphan", "the interpreter that its first line names is not there"),
        ("./noise", "is not a program"),
        ("no-such-program", "there is no program `no-such-program` in PATH"),
    ] {
        let id = format!("x{}", command.replace(['.', '/'], ""));
        target
            .start(script(folder.path(), &id, vec![command.to_owned()]))
            .await
            .expect("no fault of the target");
        let status = until(&target, &id, has_ended).await;
        match status.phase {
            InstancePhase::CannotStart { reason } => assert!(reason.contains(words), "{command}: {reason}"),
            other @ (InstancePhase::Starting
            | InstancePhase::Ready
            | InstancePhase::Unready
            | InstancePhase::Stopping
            | InstancePhase::Exited(_)) => panic!("{command}: {other:?}"),
        }
    }
    let mut spec = bash(folder.path(), "gone", "true");
    spec.directory = folder.path().join("nowhere");
    target.start(spec).await.expect("no fault of the target");
    let status = until(&target, "gone", has_ended).await;
    assert!(matches!(status.phase, InstancePhase::CannotStart { reason } if reason.contains("nowhere")));
    assert!(target.start(bash(folder.path(), "../evil", "true")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flapping_health_check_is_seen_and_counted() {
    let folder = folder();
    let target = open(folder.path());
    target.start(instance(folder.path(), "web-1", "serve")).await.expect("started");
    until_ready(&target, "web-1").await;
    let down = folder.path().join("artifact").join("down");
    for flaps in 1..=2 {
        fs::write(&down, "").expect("written");
        let unready = until(&target, "web-1", |status| status.phase == InstancePhase::Unready).await;
        assert_eq!(unready.flaps, flaps);
        assert_eq!(unready.health.and_then(|health| health.status), Some(503));
        fs::remove_file(&down).expect("removed");
        until_ready(&target, "web-1").await;
    }
    target.stop_all(GRACE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ignores_term_is_killed_with_all_its_children() {
    let folder = folder();
    let target = open(folder.path());
    let text = "trap '' TERM; sleep 1000 & setsid sleep 1000 & echo $! > far; echo ready; \
                while true; do sleep 1000; done";
    target.start(bash(folder.path(), "web-1", text)).await.expect("started");
    let far = folder.path().join("artifact").join("far");
    let lines = until(&target, "web-1", |status| status.last_lines.iter().any(|line| line == "ready")).await;
    let far = child(&far);
    assert!(is_alive(far));
    target.stop("web-1", Duration::from_millis(50)).await.expect("stopped");
    let ended = until(&target, "web-1", has_ended).await;
    assert_eq!(ended.phase, InstancePhase::Exited(Exit::Signal(9)));
    assert!(!is_alive(lines.pid.expect("it ran")));
    assert!(!is_alive(far), "a child that left the group is ended as well");
}

fn child(path: &Path) -> i32 {
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).expect("the pid of a child")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_child_is_noticed_and_leaves_no_children() {
    let folder = folder();
    let target = open(folder.path());
    target
        .start(bash(folder.path(), "web-1", "sleep 1000 & echo $! > near; echo ready; wait"))
        .await
        .expect("started");
    let running =
        until(&target, "web-1", |status| status.last_lines.iter().any(|line| line == "ready")).await;
    let near = child(&folder.path().join("artifact").join("near"));
    let pid = rustix::process::Pid::from_raw(running.pid.expect("it runs")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    let ended = until(&target, "web-1", has_ended).await;
    assert_eq!(ended.phase, InstancePhase::Exited(Exit::Signal(9)));
    assert!(!is_alive(near));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_exchanged() {
    let folder = folder();
    let target = open(folder.path());
    target.start(instance(folder.path(), "web-1", "unlucky")).await.expect("started");
    let artifact = folder.path().join("artifact");
    let given = artifact.join("given");
    // Refused health checks do not change anything, so the file is what is waited for.
    let port: u16 = tokio::task::spawn_blocking(move || {
        loop {
            match fs::read_to_string(&given) {
                Ok(text) => return text.parse().expect("a port"),
                Err(_) => std::thread::yield_now(),
            }
        }
    })
    .await
    .expect("the service wrote its port");
    let _thief = std::net::TcpListener::bind(("127.0.0.1", port)).expect("the port is taken");
    fs::write(artifact.join("taken"), "").expect("written");
    let ready = until_ready(&target, "web-1").await;
    assert_ne!(ready.address.map(|address| address.port()), Some(port));
    target.stop_all(GRACE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_bounded_and_keep_their_end() {
    let folder = folder();
    let target = open(folder.path());
    target.start(instance(folder.path(), "web-1", "chatty")).await.expect("started");
    let ready = until_ready(&target, "web-1").await;
    assert!(target.last_lines("web-1").iter().any(|line| line == "line 39999"));
    target.stop_all(GRACE).await;
    let taken = fs::metadata(&ready.log).map_or(0, |data| data.blocks() * 512);
    assert!(taken <= 64 * 1024 + 8_192, "{taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_this_programs_environment_leaks() {
    let folder = folder();
    let target = open(folder.path());
    target
        .start(bash(folder.path(), "web-1", "env | cut -d= -f1 | sort | tr '\\n' ' '"))
        .await
        .expect("started");
    let ended = until(&target, "web-1", has_ended).await;
    let names = "PATH PORT PWD SHIPWAY_INSTANCE SHIPWAY_MARK SHIPWAY_SERVICE SHIPWAY_VERSION SHLVL _ ";
    assert_eq!(ended.last_lines, [names.trim_end_matches('\n')]);
}
