//! Processes: what they inherit, and that none of them outlives its job.

use crate::world::{PATIENT, World};
use shipway_workflow::run::Conclusion;
use std::{fs, path::Path, sync::Arc, time::Duration};

/// A step that starts a child that ignores all polite signals, one that leaves the session and its parents, and one
/// that also cleans its environment; all write their pids down.
fn stubborn(pids: &Path) -> String {
    let pids = pids.display();
    format!(
        r#"
      - run: |
          bash -c 'trap "" INT TERM; echo $$ >> {pids}; while :; do sleep 0.05; done' &
          setsid bash -c 'trap "" INT TERM HUP; (echo $BASHPID >> {pids}; while :; do sleep 0.05; done) & exit' > /dev/null 2>&1
          env -i "$BASH" -c 'trap "" INT TERM; echo $$ >> {pids}; while :; do sleep 0.05; done' &
          while [ "$(wc -l < {pids})" -lt 3 ]; do sleep 0.02; done
          echo all there
          trap "" INT TERM
          while :; do sleep 0.05; done
      - {{if: always(), run: echo afterwards}}
"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_leaves_no_process() {
    let world = World::new();
    let pids = world.dir.path().join("pids");
    fs::write(&pids, "").expect("the file of pids");
    let workflow = format!("on: push\njobs:\n  job:\n    runs-on: host\n    steps:{}", stubborn(&pids));
    let story = world
        .watch(&workflow, |report, cancel| {
            if report.kind.lines().any(|line| line == "all there") {
                cancel.ask_because("the test says so");
            }
        })
        .await;
    assert_eq!(story.conclusion, Conclusion::Cancelled, "{}", story.log());
    assert_eq!(story.conclusions(), "cancelled success");
    story.expect_line("afterwards");
    let pids = fs::read_to_string(&pids).expect("pids");
    assert_eq!(pids.lines().count(), 3);
    for pid in pids.lines() {
        assert!(!alive(pid), "process {pid} is still there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_in_the_background_lives_until_the_job_ends() {
    let world = World::new();
    let pids = world.dir.path().join("pids");
    let pid_file = pids.display();
    let story = world
        .steps(&format!(
            r#"
      - run: |
          bash -c 'while :; do echo chatter; sleep 0.02; done' & echo $! > {pid_file}
          echo first done
      - run: kill -0 "$(cat {pid_file})" && echo still there
"#
        ))
        .await;
    story.expect_success().expect_line("first done").expect_line("still there");
    assert!(!alive(fs::read_to_string(&pids).expect("pid").trim()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_dropped_leaves_no_process() {
    let world = World::new();
    let pids = world.dir.path().join("pids");
    let workflow = format!(
        "on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n    - run: echo $$ > {}.new; mv {0}.new {0}; sleep 1000\n",
        pids.display()
    );
    let run = world.plan(&workflow);
    {
        let mut journal = shipway_runner::MemoryJournal::default();
        let driving = world.drive(run, &mut journal, |_, _| {});
        tokio::select! {
            _ = driving => panic!("it cannot end"),
            () = appears(&pids) => {}
        }
    }
    let pid = fs::read_to_string(&pids).expect("pid");
    until(|| !alive(pid.trim())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaks_from_the_environment_of_the_server() {
    let mut world = World::new();
    let tools = world.dir.path().join("tools");
    Arc::make_mut(&mut world.context.path_prefix).push(tools.clone());
    Arc::make_mut(&mut world.context.extra_env)
        .insert("SHIPWAY_URL".to_owned(), "http://127.0.0.1:1".to_owned());
    let story =
        world.steps("      - run: env | cut -d= -f1 | sort | sed 's/^/var /'; echo \"path $PATH\"\n").await;
    let known = ["CI", "HOME", "LANG", "PATH", "PWD", "SHLVL", "TMPDIR", "SHIPWAY_URL", "OLDPWD", "_"];
    let log = story.expect_success().log();
    let names: Vec<&str> = log.lines().filter_map(|line| line.strip_prefix("var ")).collect();
    assert!(names.contains(&"RUNNER_TEMP") && names.contains(&"GITHUB_OUTPUT"), "{log}");
    for name in names {
        let expected = known.contains(&name) || name.starts_with("GITHUB_") || name.starts_with("RUNNER_");
        assert!(expected, "{name} came from nowhere");
    }
    assert!(log.contains(&format!("path {}:", tools.display())), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attempt_has_folders_of_its_own_that_go_with_it() {
    let world = World::new();
    let story = world
        .steps(
            r#"
      - run: |
          test -z "$(ls -A)" && echo empty workspace
          echo x > "$HOME/x"; mkdir d; echo y > d/y; chmod 500 d
          case "$HOME$RUNNER_TEMP$GITHUB_WORKSPACE" in *"/work/"*"/work/"*"/work/"*) echo own folders;; esac
"#,
        )
        .await;
    story.expect_success().expect_line("empty workspace").expect_line("own folders");
    let left: Vec<_> = fs::read_dir(world.dir.path().join("work"))
        .expect("work")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert_eq!(left, ["_tools"]);
    assert_eq!(fs::read_dir(world.dir.path().join("records")).expect("records").count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_output_arrives_whole() {
    let story = World::new()
        .steps("      - run: seq 1 20000; head -c 200000 /dev/zero | tr '\\0' x; echo end\n")
        .await;
    story.expect_success();
    let log = story.log();
    assert_eq!(log.lines().filter(|line| line.parse::<u32>().is_ok()).count(), 20_000);
    assert!(log.bytes().filter(|byte| *byte == b'x').count() >= 200_000);
}

pub(crate) fn alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    !state.is_empty() && !state.starts_with('Z')
}

pub(crate) async fn appears(path: &Path) {
    until(|| path.exists()).await;
}

/// Waits for something that only the operating system knows.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    let look = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENT, look).await.expect("it comes about");
}
