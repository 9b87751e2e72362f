//! Scripts of the operator around a job with containers: as with GitHub's runner the first comes before they are there, the
//! last when they are gone.

use super::world;
use crate::hooks::hooks;
use shipway_runner::Level;
use shipway_workflow::run::Conclusion;

const JOB: &str = "on: push\njobs:\n  job:\n    runs-on: box\n    services:\n      web:\n        image: shipway-test\n        entrypoint: /bin/sh\n        command: -c \"echo serving; sleep 1000\"\n    steps:\n      - run: echo \"in $PWD with $FROM_HOOK\"; cat \"$GITHUB_EVENT_PATH\" > event\n      - if: always()\n        run: echo always\n";

fn job() -> String {
    JOB.replace("shipway-test", super::image::NAME)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn the_first_script_runs_before_the_containers_and_the_last_one_after_them() {
    let mut world = world().await;
    hooks(
        &mut world,
        Some(
            "echo first; echo FROM_HOOK=greetings >> \"$GITHUB_ENV\"; test -f \"$GITHUB_EVENT_PATH\" && echo has the event\n",
        ),
        Some("echo last; test -s \"$GITHUB_WORKSPACE/event\" && echo has the files\n"),
    );
    let story = world.run(&job()).await;
    story.expect_success().expect_line("has the event").expect_line("has the files");
    let log = story.log();
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("no {text} in {log}"));
    let order = [
        at("first"),
        at("Start the container of the job"),
        at("with greetings"),
        at("Log of the service web"),
        at("last"),
    ];
    assert!(order.is_sorted(), "{order:?} {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn no_container_starts_after_a_first_script_that_failed() {
    let mut world = world().await;
    hooks(&mut world, Some("echo not today; exit 3\n"), Some("echo last\n"));
    let story = world.run(&job()).await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    let (log, errors) = (story.log(), story.annotations(Level::Error).join("\n"));
    assert!(errors.contains("[SW0517]") && errors.contains("not today"), "{errors}");
    // A step that runs in any case would do so outside of its container.
    assert!(!log.contains("Start the") && !log.contains("always"), "{log}");
    story.expect_line("last");
}
