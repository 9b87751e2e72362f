//! What a job and its steps come to: failures, cancellations, expressions that cannot be evaluated, switches of debug logging.

use crate::world::World;
use shipway_runner::{Cancel, Level, Report, ReportKind};
use shipway_workflow::run::Conclusion;

/// Cancels when this line is seen.
fn at(line: &'static str) -> impl FnMut(&Report, &Cancel) {
    move |report, cancel| {
        if report.kind.lines().any(|seen| seen == line) {
            cancel.ask_because("the test says so");
        }
    }
}

const ALL: &str = r#"
      - {if: failure(), run: echo saw failure}
      - {if: cancelled(), run: 'echo saw cancelled, ${{ job.status }}'}
      - {if: '!cancelled()', run: echo saw not cancelled}
      - {if: "always() && job.status == 'cancelled'", run: echo saw status}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_is_cancelled_whatever_failed() {
    for steps in [
        // Failed before.
        "      - run: exit 1\n      - {if: always(), run: 'echo now; sleep 20'}\n      - {if: always(), run: echo after}",
        // Fails afterwards.
        "      - run: echo first\n      - {if: always(), run: 'echo now; sleep 1; exit 4'}\n      - {if: always(), run: echo after}",
    ] {
        let workflow = format!(
            "on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n{steps}{ALL}  next:\n    needs: job\n    if: cancelled()\n    runs-on: host\n    steps:\n      - run: echo ${{{{ needs.job.result }}}}\n"
        );
        let story = World::new().watch(&workflow, at("now")).await;
        assert_eq!(story.conclusion, Conclusion::Cancelled, "{}", story.log());
        story.expect_line("after").expect_line("saw cancelled, cancelled").expect_line("saw status");
        for line in ["saw failure", "saw not cancelled"] {
            assert!(!story.log().lines().any(|seen| seen == line), "{line}: {}", story.log());
        }
    }
}

const NOTIFY: &str = r#"
name: notify
inputs: {status: {description: how it went, default: '${{ job.status }}'}}
runs:
  using: composite
  steps:
  - {shell: bash, run: 'echo "status ${{ job.status }} ${{ inputs.status }} ${{ github.action_status }}"'}
  - {shell: bash, if: job.status == 'failure', run: echo told of the failure}
  - {shell: bash, if: failure(), run: echo the action failed}
  - {shell: bash, if: cancelled(), run: echo the job is cancelled}
  - {shell: bash, if: success(), run: echo the action goes well}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_an_action_the_status_of_the_job_is_that_of_the_job() {
    let mut world = World::new();
    world.file("notify/action.yml", NOTIFY);
    world.file(
        "nested/action.yml",
        "name: nested\nruns:\n  using: composite\n  steps:\n  - {uses: ./notify}\n  - {shell: bash, run: exit 1}\n  - {shell: bash, if: always(), run: 'echo \"inner ${{ job.status }} ${{ github.action_status }}\"'}\n",
    );
    world.commit();
    let story = world
        .steps(
            "      - uses: actions/checkout@v4\n      - run: exit 1\n      - {if: always(), uses: ./notify}\n",
        )
        .await;
    story
        .expect_line("status failure failure success")
        .expect_line("told of the failure")
        .expect_line("the action goes well");
    assert!(!story.log().lines().any(|line| line == "the action failed"), "{}", story.log());
    let story = world.steps("      - uses: actions/checkout@v4\n      - uses: ./nested\n").await;
    story.expect_line("status success success success").expect_line("inner success failure");

    // One that is begun in a cancelled job carries out its steps.
    let steps = "      - uses: actions/checkout@v4\n      - run: 'echo now; sleep 20'\n      - {if: always(), uses: ./notify}\n";
    let workflow = format!("on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n{steps}");
    let story = world.watch(&workflow, at("now")).await;
    assert_eq!(story.conclusion, Conclusion::Cancelled, "{}", story.log());
    story
        .expect_line("status cancelled cancelled success")
        .expect_line("the job is cancelled")
        .expect_line("the action goes well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_evaluated_is_not_tolerated() {
    let mut world = World::new();
    world.file(
        "bad/action.yml",
        "name: bad\nruns:\n  using: composite\n  steps:\n  - {shell: bash, if: fromJSON(github.ref), run: echo never, continue-on-error: true}\n  - {shell: bash, if: always(), run: echo past the end}\n",
    );
    world.commit();
    let check = async |steps: &str| {
        let story = world.steps(&format!("      - uses: actions/checkout@v4\n{steps}")).await;
        assert_eq!(story.conclusion, Conclusion::Failure, "{}", story.log());
        story
    };
    check("      - {if: fromJSON(github.ref), run: echo x, continue-on-error: true}\n      - {if: failure(), run: echo seen}")
        .await
        .expect_line("seen");
    check("      - {env: {Q: '${{ fromJSON(github.ref) }}'}, run: echo x, continue-on-error: true}").await;
    let story = check("      - {uses: ./bad}").await;
    assert!(!story.log().lines().any(|line| line == "past the end"), "{}", story.log());
    // A script whose own text cannot be evaluated has begun.
    let story =
        world.steps("      - {run: 'echo ${{ fromJSON(github.ref) }}', continue-on-error: true}\n").await;
    story.expect_success();
    // A limit that cannot be evaluated is none.
    let story =
        world.steps("      - {timeout-minutes: '${{ fromJSON(github.ref) }}', run: echo without}\n").await;
    story.expect_success().expect_line("without");
    assert!(story.annotations(Level::Error)[0].contains("without a limit"), "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_of_a_job_are_all_or_none() {
    let story = World::new()
        .run(
            "on: push\njobs:\n  job:\n    runs-on: host\n    outputs: {p: 1, q: '${{ fromJSON(github.ref) }}'}\n    steps:\n      - run: echo x\n  next:\n    needs: job\n    if: always()\n    runs-on: host\n    steps:\n      - run: 'echo \"[${{ needs.job.outputs.p }}] ${{ needs.job.result }}\"'\n",
        )
        .await;
    story.expect_line("[] failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_switches_of_debug_logging_are_no_secrets() {
    let mut world = World::new();
    world.secret("ACTIONS_STEP_DEBUG", "true");
    world.secret("actions_runner_debug", "true");
    let story = world
        .steps("      - {id: a, run: 'echo \"changed=true\" >> $GITHUB_OUTPUT; echo it is true; echo ::debug::shown'}\n      - {if: \"steps.a.outputs.changed == 'true'\", run: 'echo ran ${{ runner.debug }}'}\n")
        .await;
    story.expect_success().expect_line("it is true").expect_line("ran 1");
    assert!(story.log().contains("shown"), "{}", story.log());
    let ended = story.reports.iter().filter(|report| matches!(report.kind, ReportKind::JobFinished { .. }));
    assert_eq!(ended.count(), 1);
}
