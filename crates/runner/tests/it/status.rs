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
async fn a_step_of_an_action_runs_without_an_environment_that_cannot_be_evaluated() {
    let mut world = World::new();
    let broken = "env: {A: set, Q: '${{ fromJSON(github.ref) }}'}";
    world.file(
        "bad/action.yml",
        &format!(
            "name: bad\noutputs: {{o: {{value: '${{{{ steps.s.outputs.o }}}}'}}}}\nruns:\n  using: composite\n  steps:\n  \
             - {{shell: bash, {broken}, if: false, run: echo never}}\n  \
             - {{shell: bash, run: 'echo all is well'}}\n  \
             - {{id: s, shell: bash, {broken}, run: 'echo \"A is [$A]\"; echo o=1 >> $GITHUB_OUTPUT'}}\n  \
             - {{shell: bash, run: echo never}}\n  \
             - {{shell: bash, if: always(), run: 'echo s ${{{{ steps.s.outcome }}}}'}}\n"
        ),
    );
    world.commit();
    let steps = "      - uses: actions/checkout@v4\n      - {id: bad, uses: ./bad}\n      - {if: always(), run: 'echo o=${{ steps.bad.outputs.o }}'}\n";
    let story = world.steps(steps).await;
    assert_eq!(story.conclusions(), "success failure success", "{}", story.log());
    story.expect_line("all is well").expect_line("A is []").expect_line("s failure").expect_line("o=1");
    assert!(!story.log().lines().any(|line| line == "never"), "{}", story.log());
    assert_eq!(story.annotations(Level::Error).iter().filter(|text| text.contains("fromJSON")).count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_is_neither_true_nor_a_number() {
    let world = World::new();
    let check = async |tolerant: &str| {
        let story = world
            .steps(&format!("      - {{continue-on-error: '${{{{ {tolerant} }}}}', run: exit 1}}\n"))
            .await;
        (story.conclusion, story.annotations(Level::Error).join("\n"))
    };
    let (conclusion, errors) = check("github.ref == github.ref").await;
    assert_eq!(conclusion, Conclusion::Success, "{errors}");
    let (conclusion, errors) = check("format(''{0}'', true)").await;
    assert_eq!(conclusion, Conclusion::Failure, "{errors}");
    assert!(errors.contains("must be true or false") && errors.contains("fromJSON(..)"), "{errors}");
    let (conclusion, errors) = check("github.none").await;
    assert_eq!(conclusion, Conclusion::Failure, "{errors}");

    // A limit that is text is none, as one that cannot be evaluated.
    let limit = "      - {timeout-minutes: '${{ format(''{0}'', 0.001) }}', run: sleep 0.5; echo without}\n";
    let story = world.steps(limit).await;
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

const PROBE: &str = r#"
name: probe
inputs:
  x: {description: x, default: '${{ github.job }}-${{ job.status }}'}
  y: {description: y}
runs: {using: node20, main: main.js, post: post.js}
"#;

/// A world with an action that tells what it is given, and a composite action around it.
fn probed() -> World {
    let mut world = World::new();
    world.file("p/action.yml", PROBE);
    let tell = |part: &str| {
        format!(
            "console.log(`{part} x=${{process.env.INPUT_X}} y=${{process.env.INPUT_Y}} se=${{process.env.SE}} action=${{process.env.GITHUB_ACTION}}`)\n"
        )
    };
    world.file("p/main.js", &tell("main"));
    world.file("p/post.js", &tell("post"));
    world.file(
        "around/action.yml",
        "name: around\ninputs: {s: {description: s, default: '${{ job.status }}'}}\nruns:\n  using: composite\n  steps:\n  - {id: inner, uses: ./p, with: {y: '${{ inputs.s }}-${{ steps.late.outputs.q }}'}, env: {SE: '${{ env.LATE }}'}}\n  - {id: late, shell: bash, run: echo q=Q >> $GITHUB_OUTPUT}\n",
    );
    world.commit();
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn post_parts_see_what_has_become_of_the_job() {
    let world = probed();
    let late =
        "      - {id: later, run: 'echo q=Q >> $GITHUB_OUTPUT; echo LATE=late >> $GITHUB_ENV; exit 1'}\n";
    let story = world
        .steps(&format!(
            "      - uses: actions/checkout@v4\n      - {{id: own, uses: ./p, with: {{y: '${{{{ env.LATE }}}}-${{{{ steps.later.outputs.q }}}}'}}, env: {{SE: 'e-${{{{ env.LATE }}}}'}}}}\n{late}"
        ))
        .await;
    story
        .expect_line("main x=job-success y=- se=e- action=own")
        .expect_line("post x=job-failure y=late-Q se=e-late action=own");
    // Within a composite action its inputs and its steps are those that they have become.
    let story = world
        .steps(&format!("      - uses: actions/checkout@v4\n      - {{id: outer, uses: ./around}}\n{late}"))
        .await;
    story
        .expect_line("main x=job-success y=success- se= action=outer")
        .expect_line("post x=job-failure y=failure-Q se=late action=outer");
    // What cannot be evaluated by then fails the post part, and is not tolerated where it is the environment.
    let wrong = "      - uses: actions/checkout@v4\n      - {uses: ./p, continue-on-error: true, env: {SE: \"${{ fromJSON(env.LATE || '1') }}\"}}\n      - {run: 'echo LATE=late >> $GITHUB_ENV'}\n";
    let story = world.steps(wrong).await;
    assert_eq!(story.conclusions(), "success success success failure", "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_an_action_are_under_the_limit_of_its_step() {
    let mut world = World::new();
    world.file("p/action.yml", "name: slow\nruns: {using: node20, main: main.js, post: post.js}\n");
    world.file("p/main.js", "");
    world.file("p/post.js", "setTimeout(() => console.log('too late'), 20000)\n");
    world.commit();
    let story = world
        .steps("      - uses: actions/checkout@v4\n      - {uses: ./p, timeout-minutes: 0.02}\n      - run: sleep 2\n")
        .await;
    assert_eq!(story.conclusions(), "success success success failure", "{}", story.log());
    let errors = story.annotations(Level::Error).join("\n");
    assert!(errors.contains("took longer than"), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tolerance_sees_the_outputs_of_the_step() {
    let step = |value: &str| {
        format!(
            "      - {{id: x, continue-on-error: \"${{{{ steps.x.outputs.ok == 'yes' }}}}\", run: 'echo ok={value} >> $GITHUB_OUTPUT; exit 1'}}\n"
        )
    };
    World::new().steps(&step("yes")).await.expect_success();
    assert_eq!(World::new().steps(&step("no")).await.conclusion, Conclusion::Failure);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_of_an_action_see_the_environment_of_its_step() {
    let mut world = World::new();
    world.file(
        "act/action.yml",
        "name: act\noutputs: {a: {description: a, value: '${{ env.OWN }}'}, b: {description: b, value: '${{ env.JOBS }}'}}\nruns:\n  using: composite\n  steps:\n  - {shell: bash, run: 'echo JOBS=changed >> $GITHUB_ENV'}\n",
    );
    world.commit();
    let story = world
        .run("on: push\njobs:\n  job:\n    runs-on: host\n    env: {JOBS: job}\n    steps:\n      - uses: actions/checkout@v4\n      - {id: c, uses: ./act, env: {OWN: own}}\n      - run: 'echo \"${{ steps.c.outputs.a }} ${{ steps.c.outputs.b }} $JOBS\"'\n")
        .await;
    story.expect_success().expect_line("own job changed");
}
