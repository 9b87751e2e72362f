//! Steps that run beside others.

use crate::{
    remote::{names, publish},
    world::{World, has},
};
use shipway_runner::ReportKind;
use shipway_workflow::run::Conclusion;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_background_step_did_is_seen_once_somebody_waited() {
    let story = World::new()
        .steps(
            r#"
      - id: bg
        background: true
        run: |
          echo "FROM=bg" >> "$GITHUB_ENV"
          echo "/from/bg" >> "$GITHUB_PATH"
          echo "out=yes" >> "$GITHUB_OUTPUT"
          echo "::add-mask::hidden-word"
          touch "$RUNNER_TEMP/done"
      - run: while [ ! -e "$RUNNER_TEMP/done" ]; do sleep 0.05; done; echo "before [$FROM] [${{ steps.bg.outputs.out }}]"
      - {id: w, wait: [bg]}
      - run: echo "after [$FROM] [${{ steps.bg.outputs.out }}] ${PATH%%:*} ${{ steps.bg.conclusion }} hidden-word"
"#,
        )
        .await;
    story.expect_success().expect_line("before [] []").expect_line("after [bg] [yes] /from/bg success ***");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_ten_run_at_once_and_lines_belong_to_their_steps() {
    let mut steps = String::new();
    for number in 0..12 {
        steps += &format!(
            "      - {{background: true, id: s{number}, run: 'mkdir $RUNNER_TEMP/{number}; ls $RUNNER_TEMP | wc -l; sleep 0.5; rmdir $RUNNER_TEMP/{number}; echo own {number}'}}\n"
        );
    }
    let story = World::new().steps(&steps).await;
    story.expect_success();
    let (mut most, mut running) = (0, 0);
    for report in &story.reports {
        match &report.kind {
            ReportKind::StepStarted { .. } => running += 1,
            ReportKind::StepFinished { .. } => running -= 1,
            ReportKind::Lines { step, .. } => {
                for line in report.kind.lines().filter(|line| line.starts_with("own ")) {
                    assert_eq!(line, format!("own {}", step.expect("a step")));
                }
            }
            ReportKind::Noted { .. }
            | ReportKind::JobStarted { .. }
            | ReportKind::JobDisplaced { .. }
            | ReportKind::Annotation(_)
            | ReportKind::Summary { .. }
            | ReportKind::JobFinished { .. }
            | ReportKind::Within { .. }
            | ReportKind::Break { .. } => {}
        }
        most = most.max(running);
    }
    assert_eq!(most, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_cancelled_and_a_failure_that_nobody_waits_for_counts() {
    let story = World::new()
        .steps("      - {id: server, background: true, run: sleep 100}\n      - {cancel: server}\n      - run: echo went on\n")
        .await;
    story.expect_success().expect_line("went on");
    assert_eq!(story.conclusions(), "cancelled success success");
    // Who waits for a step that was cancelled is cancelled, and the job goes on.
    let story = World::new()
        .steps("      - {id: a, background: true, run: sleep 100}\n      - {cancel: a}\n      - {id: w, wait: a}\n      - run: echo \"${{ steps.w.outcome }} ${{ job.status }}\"\n")
        .await;
    story.expect_success().expect_line("cancelled success");
    let story =
        World::new().steps("      - {background: true, run: exit 3}\n      - run: echo still\n").await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    story.expect_line("still");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_steps_are_waited_for_together() {
    let story = World::new()
        .steps(
            r#"
      - parallel:
        - {id: a, run: 'while [ ! -e "$RUNNER_TEMP/b" ]; do sleep 0.05; done; echo "v=1" >> "$GITHUB_OUTPUT"'}
        - {id: b, run: 'touch "$RUNNER_TEMP/b"'}
      - run: echo "a gave ${{ steps.a.outputs.v }}"
      - parallel:
        - run: exit 4
        - run: echo fine
      - run: echo never
"#,
        )
        .await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    story.expect_line("a gave 1").expect_line("fine");
    assert!(!story.log().lines().any(|line| line == "never"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_ends_its_background_steps() {
    let story = World::new()
        .watch(
            "on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n    - {background: true, id: s, run: sleep 100}\n    - {background: true, if: always(), run: sleep 100}\n    - run: echo ready; sleep 100\n    - {if: always(), run: echo cleaned}\n",
            |report, cancel| {
                if report.kind.lines().any(|line| line == "ready") {
                    cancel.ask();
                }
            },
        )
        .await;
    assert_ne!(story.conclusion, Conclusion::Success);
    story.expect_line("cleaned");
    assert_eq!(story.steps().len(), 4);
    assert_eq!(story.conclusions().matches("cancelled").count(), 3, "{}", story.conclusions());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_a_step_does_not_touch_those_beside_it() {
    // Each starts processes all the while, so that some are younger than every step that is ended.
    let beside = "trap 'echo interrupted' INT TERM; while [ ! -e \"$RUNNER_TEMP/end\" ]; do sleep 0.01; done; echo went its way";
    let story = World::new()
        .steps(&format!(
            r#"
      - {{id: beside, background: true, run: {beside:?}}}
      - {{run: sleep 100, timeout-minutes: 0.002, continue-on-error: true}}
      - {{id: other, background: true, run: sleep 100}}
      - run: sleep 0.1
      - cancel: other
      - run: touch "$RUNNER_TEMP/end"
      - wait: beside
"#
        ))
        .await;
    story.expect_line("went its way");
    assert!(!story.log().lines().any(|line| line == "interrupted"), "{}", story.log());
    assert_eq!(story.conclusions(), "success success cancelled success success success success");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_waited_for_counts_in_the_order_of_its_names() {
    let story = World::new()
        .steps(
            r#"
      - {id: a, background: true, run: 'echo "X=a" >> "$GITHUB_ENV"'}
      - {id: b, background: true, run: 'echo "X=b" >> "$GITHUB_ENV"'}
      - wait: [b, a]
      - run: echo "it is $X"
"#,
        )
        .await;
    story.expect_success().expect_line("it is a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_background_step_that_cannot_begin_fails_at_once_and_a_skipped_one_is_told_to_nobody() {
    for broken in ["env: {A: '${{ fromJSON(github.ref) }}'}", "if: fromJSON(github.ref)"] {
        let story = World::new()
            .steps(&format!(
                "      - {{background: true, id: bg, {broken}, run: echo never}}\n      - run: echo never\n      - if: failure()\n        run: echo \"bg [${{{{ steps.bg.conclusion }}}}]\"\n"
            ))
            .await;
        assert_eq!(story.conclusions(), "failure skipped success", "{}", story.log());
        story.expect_line("bg []");
    }
    let story = World::new()
        .steps("      - {background: true, id: bg, if: false, run: echo never}\n      - wait-all: true\n      - run: echo \"bg [${{ steps.bg.conclusion }}]\"\n")
        .await;
    story.expect_success().expect_line("bg []");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn post_parts_run_against_the_order_in_which_their_steps_began() {
    if !has("node") {
        return;
    }
    let world = World::new();
    let main = "require('fs').writeFileSync(process.env.RUNNER_TEMP + '/' + process.env.INPUT_MARK, '')";
    for (name, pre) in [("some/plain", ""), ("some/early", "pre: post.js, ")] {
        let action = format!(
            "name: x\ninputs: {{mark: {{}}}}\nruns: {{using: node20, {pre}main: main.js, post: post.js}}\n"
        );
        publish(&world, name, &[("action.yml", &action), ("main.js", main), ("post.js", "")]);
    }
    // Nobody waits for the first before the second has ended.
    let story = world
        .steps(
            r#"
      - {name: one, background: true, uses: some/plain@v1, with: {mark: one}}
      - {name: early, background: true, uses: some/early@v1, with: {mark: early}}
      - run: while [ ! -e "$RUNNER_TEMP/one" ] || [ ! -e "$RUNNER_TEMP/early" ]; do sleep 0.05; done
      - {name: two, uses: some/plain@v1, with: {mark: two}}
      - wait-all: true
"#,
        )
        .await;
    story.expect_success();
    let posts: Vec<&str> = names(&story).into_iter().filter(|name| name.starts_with("Post ")).collect();
    assert_eq!(posts, ["Post two", "Post one", "Post early"], "{}", story.log());
}
