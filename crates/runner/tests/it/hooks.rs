//! Scripts of the operator around each job.

use crate::{remote::names, world::World};
use shipway_runner::{Hooks, Level};
use shipway_workflow::run::Conclusion;
use std::sync::Arc;

/// Gives the world scripts with these texts.
pub(crate) fn hooks(world: &mut World, started: Option<&str>, completed: Option<&str>) {
    let place = |name: &str, text: &str| {
        let path = world.dir.path().join(name);
        std::fs::write(&path, text).expect("a script");
        path
    };
    let hooks = Hooks {
        started: started.map(|text| place("started.sh", text)),
        completed: completed.map(|text| place("completed.sh", text)),
    };
    world.context.hooks = Arc::new(hooks);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_of_the_operator_run_first_and_last() {
    let mut world = World::new();
    hooks(
        &mut world,
        Some(
            "echo \"begins $GITHUB_JOB in $PWD ${GITHUB_ACTION-without a step}, ${MINE-nothing of the workflow}\"\n\
             test \"$PWD\" = \"$GITHUB_WORKSPACE\" && test -f \"$GITHUB_EVENT_PATH\" && echo at home\n\
             echo FROM_HOOK=yes >> \"$GITHUB_ENV\"; echo \"::warning::this pool goes away\"; echo x=1 >> \"$GITHUB_OUTPUT\"\n",
        ),
        Some("echo \"ends with [$FROM_HOOK]\"; test \"$(cat made)\" = text && echo sees files\n"),
    );
    let story = world
        .run("on: push\nenv: {MINE: 1}\njobs:\n  job:\n    runs-on: host\n    steps:\n      - run: echo \"hook $FROM_HOOK\"; echo text > made\n")
        .await;
    story.expect_success().expect_line("at home").expect_line("hook yes").expect_line("sees files");
    // What the workflow and the steps set is nothing to the operator.
    story.expect_line("ends with []");
    let log = story.log();
    assert!(log.contains("without a step, nothing of the workflow"), "{log}");
    assert_eq!(names(&story).first().copied(), Some("Set up runner"));
    assert_eq!(names(&story).last().copied(), Some("Complete runner"));
    assert_eq!(story.annotations(Level::Warning), ["this pool goes away"]);
    assert_eq!(story.conclusions(), "success success success");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_fails_fails_the_job_and_the_last_one_runs_all_the_same() {
    let mut world = World::new();
    hooks(&mut world, Some("echo not today; exit 3\n"), Some("echo cleans up\n"));
    let story =
        world.steps("      - run: echo never\n      - run: echo always\n        if: always()\n").await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    assert_eq!(story.conclusions(), "failure skipped success success");
    story.expect_line("always").expect_line("cleans up");
    let errors = story.annotations(Level::Error).join("\n");
    assert!(
        errors.contains("[SW0517]") && errors.contains("exit code 3; its last line was: not today"),
        "{errors}"
    );
    // One that fails at the end fails a job that went well.
    hooks(&mut world, None, Some("exit 1\n"));
    let story = world.steps("      - run: echo fine\n").await;
    assert_eq!((story.conclusion, &*story.conclusions()), (Conclusion::Failure, "success failure"));
    std::fs::remove_file(world.dir.path().join("completed.sh")).expect("removed");
    let story = world.steps("      - run: echo fine\n").await;
    let errors = story.annotations(Level::Error).join("\n");
    assert!(story.conclusion == Conclusion::Failure && errors.contains("there is no such file"), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_script_runs_in_a_cancelled_job() {
    let mut world = World::new();
    hooks(&mut world, None, Some("echo cleans up\n"));
    let story = world
        .watch(
            "on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n      - run: echo begun; sleep 1000\n",
            |report, cancel| {
                if report.kind.lines().any(|line| line == "begun") {
                    cancel.ask();
                }
            },
        )
        .await;
    assert_eq!(story.conclusion, Conclusion::Cancelled, "{}", story.log());
    story.expect_line("cleans up");
}
