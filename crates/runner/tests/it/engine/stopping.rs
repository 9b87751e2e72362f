//! Cancellation and limits reach what runs in a container.

use super::{boxed, image, world};
use shipway_runner::Level;
use shipway_workflow::run::Conclusion;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_limit_ends_the_whole_tree_and_later_steps_run() {
    let world = world().await;
    let story = world
        .run(&boxed(
            r#"
      - run: |
          trap '' INT TERM
          setsid sh -c "trap '' INT TERM; sleep 1000" &
          echo going; sleep 1000
        timeout-minutes: 0.03
      - if: always()
        run: |
          ps | grep -c '[s]leep 1000' || echo none is left
"#,
        ))
        .await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    story.expect_line("going").expect_line("none is left");
    let errors = story.annotations(Level::Error).join("\n");
    assert!(errors.contains("took longer than its timeout-minutes"), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_cancelled_job_leaves_no_process_and_no_container() {
    let world = world().await;
    let story = world
        .watch(
            &boxed("      - run: echo going; trap 'echo told' INT; sleep 1000 & wait; sleep 1000\n"),
            |report, cancel| {
                if report.kind.lines().any(|line| line == "going") {
                    cancel.ask();
                }
            },
        )
        .await;
    assert_eq!(story.conclusion, Conclusion::Cancelled, "{}", story.log());
    story.expect_line("told");
}

/// Root in such a container has no right to see the environments of others, by which the processes of a step are found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_limit_ends_a_step_of_another_user_than_root() {
    let world = world().await;
    let workflow = format!(
        "on: push\njobs:\n  job:\n    runs-on: box\n    container: {{image: {}, options: --user 1000}}\n    steps:\n      - run: \"echo as $(id -u); sleep 4000 & sleep 4000\"\n        timeout-minutes: 0.03\n      - {{if: always(), run: \"ps | grep -c '[s]leep 4000' || echo none is left\"}}\n",
        image::NAME
    );
    let story = world.run(&workflow).await;
    assert_eq!(story.conclusion, Conclusion::Failure, "{}", story.log());
    story.expect_line("as 1000").expect_line("none is left");
}
