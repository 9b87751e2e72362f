//! A killed server: what it left running is found and ended; a full disk is said. Both need a process of their own, so
//! the test program starts itself again with one of the ignored tests below.

use crate::{
    processes::{alive, appears, until},
    world::World,
};
use shipway_runner::{Level, Patience, reap_orphans};
use std::{
    fs,
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

/// The variable that carries a folder to the started test.
const FOLDER: &str = "SHIPWAY_TEST_FOLDER";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_of_a_killed_server_are_ended() {
    let world = World::new();
    let pids = world.dir.path().join("pids");
    let mut server = start_again("crash::run_a_long_job", &world, "");
    appears(&pids).await;
    server.kill().expect("killed");
    server.wait().expect("ended");
    let text = fs::read_to_string(&pids).expect("pids");
    assert!(text.lines().count() == 2 && text.lines().all(alive), "the orphans live on: {text}");

    let patience = Patience {
        term_after: Duration::from_millis(50),
        kill_after: Duration::from_millis(100),
        drain: Duration::from_millis(50),
    };
    let records = world.dir.path().join("records");
    assert_eq!(reap_orphans(&records, &patience).await.expect("reaped"), 1);
    until(|| !text.lines().any(alive)).await;
    assert_eq!(reap_orphans(&records, &patience).await.expect("nothing left"), 0);
}

#[tokio::test]
async fn a_full_disk_has_one_clear_message() {
    let world = World::new();
    // No file above a few hundred bytes can be written, by a process that survives the signal for it.
    let mut server = start_again("crash::run_a_job_that_writes", &world, "trap '' XFSZ; ulimit -f 1;");
    server.wait().expect("ended");
    let said = fs::read_to_string(world.dir.path().join("said")).expect("what was said");
    assert!(said.contains("[SW0508] cannot write") && said.contains("free some space"), "{said}");
}

#[tokio::test]
async fn an_archive_that_does_not_fit_has_one_clear_message() {
    let world = World::new();
    // Each of the files fits, and the archive of all does not.
    let mut server = start_again("crash::run_a_job_that_uploads", &world, "trap '' XFSZ; ulimit -f 200;");
    server.wait().expect("ended");
    let said = fs::read_to_string(world.dir.path().join("said")).expect("what was said");
    assert!(said.contains("[SW0508] cannot write the archive") && said.contains("free some space"), "{said}");
    let raw = fs::read_to_string(world.dir.path().join("raw")).expect("what stood on the terminal");
    assert!(!raw.contains("ZipWriter"), "{raw}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by an_archive_that_does_not_fit_has_one_clear_message"]
async fn run_a_job_that_uploads() {
    let Some(world) = world_from_outside() else { return };
    let story = world
        .steps(
            r#"
      - run: for i in 1 2 3 4 5 6 7 8; do head -c 100000 /dev/zero > f$i; done
      - {uses: actions/upload-artifact@v4, with: {path: f*}}
"#,
        )
        .await;
    fs::write(folder().expect("a folder").join("said"), story.annotations(Level::Error).join("\n"))
        .expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by orphans_of_a_killed_server_are_ended"]
async fn run_a_long_job() {
    let Some(world) = world_from_outside() else { return };
    let pids = folder().expect("a folder").join("pids");
    let text = pids.display();
    let steps = format!(
        "      - run: |\n          echo $$ >> {text}.new\n          setsid bash -c 'trap \"\" TERM; echo $$ >> {text}.new; mv {text}.new {text}; while :; do sleep 0.05; done' &\n          trap '' TERM\n          while :; do sleep 0.05; done\n"
    );
    world.steps(&steps).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by a_full_disk_has_one_clear_message"]
async fn run_a_job_that_writes() {
    let Some(world) = world_from_outside() else { return };
    let long = "x".repeat(4_000);
    let story = world.steps(&format!("      - run: echo {long}\n")).await;
    let said = story.annotations(Level::Error).join("\n");
    fs::write(folder().expect("a folder").join("said"), &said[..said.len().min(500)]).expect("written");
}

/// Starts this very program with one of its ignored tests, in the given world's folder.
#[expect(clippy::disallowed_methods, reason = "a server can only be killed when it is a process of its own")]
fn start_again(test: &str, world: &World, first: &str) -> Child {
    let own = std::env::current_exe().expect("this program");
    std::process::Command::new("bash")
        .arg("-c")
        .arg(format!("{first} exec \"$0\" --exact {test} --ignored"))
        .arg(own)
        .env(FOLDER, world.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(world.dir.path().join("raw")).expect("a file"))
        .spawn()
        .expect("started")
}

#[expect(clippy::disallowed_methods, reason = "the started test is told its folder through the environment")]
fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn world_from_outside() -> Option<World> {
    let folder = folder()?;
    let mut world = World::new();
    world.context = crate::world::context(&folder);
    world.executor = std::sync::Arc::new(crate::world::host(&folder));
    Some(world)
}
