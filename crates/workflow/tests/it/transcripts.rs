//! Scripted runs as golden transcripts: each line of a script is one input, one second after the one before.

use crate::worlds::{run, second};
use shipway_base::human_duration;
use shipway_workflow::{
    Texts,
    run::{Conclusion, Effect, Input, JobKey, JobRequest, JobView, Run},
};
use std::fmt::Write;

/// Plays a script: `start`, `started JOB`, `ok JOB [NAME=TEXT..]`, `fail JOB`, `stopped JOB`, `lost JOB`, `cancel`.
fn transcript(document: &str, script: &str) -> String {
    play(run(document), script)
}

pub(crate) fn play(mut run: Run, script: &str) -> String {
    let mut out = String::new();
    for (at, line) in script.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        writeln!(out, "{at:>2} {line}").expect("a string takes it");
        for effect in run.apply(&input(&run, line), second(at as i64)) {
            writeln!(out, "     {}", show_effect(&effect)).expect("a string takes it");
        }
    }
    out.push('\n');
    for view in run.jobs() {
        writeln!(out, "{}", show_view(&view)).expect("a string takes it");
    }
    writeln!(out, "run: {}", run.conclusion().map_or("goes on", Conclusion::as_str))
        .expect("a string takes it");
    out
}

fn input(run: &Run, line: &str) -> Input {
    let mut words = line.split_whitespace();
    let verb = words.next().unwrap_or_default();
    let job = JobKey(words.next().unwrap_or_default().to_owned());
    let attempt = run.jobs().iter().find(|view| view.key == job).map_or(0, |view| view.attempt);
    let outputs: Texts = words
        .filter_map(|word| word.split_once('='))
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .collect();
    let finished = |conclusion| Input::JobFinished { job: job.clone(), attempt, conclusion, outputs };
    match verb {
        "start" => Input::Start,
        "started" => Input::JobStarted { job, attempt },
        "ok" => finished(Conclusion::Success),
        "fail" => finished(Conclusion::Failure),
        "stopped" => finished(Conclusion::Cancelled),
        "lost" => Input::JobLost { job, attempt, reason: "its runner is gone".to_owned() },
        "cancel" => Input::Cancel { reason: "mona asked".to_owned() },
        other => panic!("no such verb: {other}"),
    }
}

fn show_effect(effect: &Effect) -> String {
    match effect {
        Effect::StartJob(request) => format!("-> start {}", show_request(request)),
        Effect::CancelJob { job, attempt } => format!("-> stop {job} attempt {attempt}"),
        Effect::Finish { conclusion } => format!("-> finish: {conclusion}"),
    }
}

fn show_request(request: &JobRequest) -> String {
    let mut out = format!("{} {:?} attempt {}", request.key, request.name, request.attempt);
    let mut add = |name: &str, value: String| write!(out, ", {name} {value}").expect("a string takes it");
    if request.runs_on != ["here"] {
        add("on", request.runs_on.join("+"));
    }
    if request.timeout.as_secs() != 360 * 60 {
        add("limit", human_duration(request.timeout));
    }
    for (name, value) in [("matrix", &request.matrix), ("needs", &request.needs)] {
        let json = value.to_json().to_string();
        if json != "null" && json != "{}" {
            add(name, json);
        }
    }
    if let Some(reference) = &request.workflow_ref {
        add("inputs", request.inputs.to_json().to_string());
        add("of", reference.clone());
        let permissions: Vec<String> =
            request.permissions.iter().map(|(scope, level)| format!("{scope}={level}")).collect();
        add("may", permissions.join("+"));
    }
    if let Some(environment) = &request.environment {
        add("environment", environment.clone());
    }
    if let Some(group) = &request.concurrency {
        add("group", format!("{} cancel {}", group.group, group.cancel_in_progress));
    }
    if request.continue_on_error {
        add("may", "fail".to_owned());
    }
    out
}

fn show_view(view: &JobView) -> String {
    let state = match view.conclusion {
        Some(conclusion) => conclusion.to_string(),
        None => format!("{:?}", view.state).split(' ').next().unwrap_or_default().to_lowercase(),
    };
    let mut out = format!("{} {:?}: {state}", view.key, view.name);
    if view.attempt > 1 {
        out += &format!(", attempt {}", view.attempt);
    }
    if let Some(reason) = &view.reason {
        out += &format!(" ({reason})");
    }
    out
}

#[test]
fn labels_of_an_array_take_the_place_of_its_expression() {
    let check = |written: &str, expect: &str| {
        let text = format!("on: push\njobs: {{a: {{runs-on: {written}, steps: [{{run: make}}]}}}}");
        let mut run = run(&text);
        let found = match run.apply(&Input::Start, second(0)).0.first() {
            Some(Effect::StartJob(request)) => request.runs_on.join("+"),
            _ => run.jobs()[0].reason.clone().unwrap_or_default(),
        };
        assert_eq!(found, expect, "{written}");
    };
    check("[big, \"${{ fromJSON('[\\\"linux\\\", 22, true]') }}\", x]", "big+linux+22+true+x");
    check("\"${{ fromJSON('[\\\"linux\\\", 22]') }}\"", "linux+22");
    check("{labels: [big, \"${{ fromJSON('[1]') }}\"]}", "big+1");
    check(
        "[big, \"${{ fromJSON('[[1]]') }}\"]",
        "w.yml:2:21: error[SW0117]: runs-on must give labels, that is, texts",
    );
    check(
        "[\"${{ fromJSON('[null]') }}\"]",
        "w.yml:2:21: error[SW0117]: runs-on gives an empty label (look at the values that its expression uses)",
    );
}

#[test]
fn outputs_flow_along_needs() {
    let document = r"
on: push
jobs:
  version:
    runs-on: here
    outputs: {tag: '${{ steps.v.outputs.tag }}'}
    steps: [{run: make}]
  build:
    name: Build ${{ needs.version.outputs.tag }}
    needs: version
    runs-on: [here, '${{ github.actor }}']
    timeout-minutes: ${{ fromJSON(vars.LIMIT) }}
    steps: [{run: make}]
  deploy:
    needs: [version, BUILD]
    if: github.ref == 'refs/heads/main'
    environment: {name: 'prod-${{ needs.version.outputs.tag }}', url: 'https://${{ steps.x.outputs.host }}'}
    concurrency: {group: 'Deploy-${{ github.ref }}', cancel-in-progress: true}
    runs-on: here
    steps: [{run: make}]
  docs:
    needs: version
    if: github.ref == 'refs/heads/other'
    runs-on: here
    steps: [{run: make}]
";
    insta::assert_snapshot!(transcript(
        document,
        "start\nstarted version\nok version tag=v7\nok build\nstarted deploy\nok deploy"
    ));
}

#[test]
fn outputs_are_seen_in_the_order_in_which_they_were_written() {
    let document = r"
on: push
jobs:
  zoo:
    runs-on: here
    strategy: {matrix: {x: [1, 2]}}
    steps: [{run: make}]
  ape: {runs-on: here, steps: [{run: make}]}
  last:
    name: ${{ join(needs.zoo.outputs.*) }} ${{ join(needs.*.result) }}
    needs: [zoo, ape]
    runs-on: here
    steps: [{run: make}]
";
    let played = transcript(document, "start\nok zoo/1 z=1 m=2\nok zoo/0 b=3 z=4 a=5\nok ape");
    let asked = played.lines().find(|line| line.contains("-> start last")).expect("it starts");
    assert_eq!(
        asked.trim(),
        r#"-> start last "4,2,3,5 success,success" attempt 1, needs {"zoo":{"result":"success","outputs":{"z":"4","m":"2","b":"3","a":"5"}},"ape":{"result":"success","outputs":{}}}"#
    );
}

#[test]
fn a_failure_skips_what_follows_but_not_what_asks() {
    let document = r"
on: push
jobs:
  lint: {runs-on: here, steps: [{run: make}]}
  test: {runs-on: here, needs: lint, steps: [{run: make}]}
  build: {runs-on: here, needs: test, steps: [{run: make}]}
  report: {runs-on: here, needs: build, if: failure(), steps: [{run: make}]}
  named: {runs-on: here, needs: [lint, build], if: success('LINT'), steps: [{run: make}]}
  clean: {runs-on: here, needs: [lint, build], if: always(), steps: [{run: make}]}
  after: {runs-on: here, needs: clean, steps: [{run: make}]}
";
    insta::assert_snapshot!(transcript(
        document,
        "start\nok lint\nstarted test\nfail test\nok report\nok named\nok clean"
    ));
}

#[test]
fn a_failed_leg_ends_its_siblings() {
    let document = r"
on: push
jobs:
  test:
    runs-on: ${{ matrix.os }}
    strategy:
      max-parallel: 2
      matrix:
        os: [linux, mac]
        version: [1.10, 2]
        exclude: [{os: mac, version: 2}]
        include: [{os: linux, extra: yes}, {os: bsd, version: 9}]
    steps: [{run: make}]
  all: {runs-on: here, needs: test, steps: [{run: make}]}
";
    insta::assert_snapshot!(transcript(
        document,
        "start\nstarted test/0\nok test/0\nstarted test/1\nfail test/1\nstopped test/2"
    ));
}

#[test]
fn a_leg_that_may_fail_ends_nothing() {
    let document = r"
on: push
jobs:
  test:
    name: Test
    runs-on: here
    continue-on-error: ${{ matrix.nightly == true }}
    strategy:
      matrix: {toolchain: [stable], include: [{toolchain: nightly, nightly: true}]}
    steps: [{run: make}]
  deploy: {runs-on: here, needs: test, steps: [{run: make}]}
";
    insta::assert_snapshot!(transcript(document, "start\nfail test/1\nok test/0\nok deploy"));
}

#[test]
fn a_matrix_comes_from_a_job_and_its_outputs_gather() {
    let document = r"
on: push
jobs:
  plan: {runs-on: here, steps: [{run: make}]}
  build:
    needs: plan
    runs-on: here
    strategy: {fail-fast: false, matrix: '${{ fromJSON(needs.plan.outputs.matrix) }}'}
    steps: [{run: make}]
  join: {runs-on: here, needs: build, if: '!cancelled()', steps: [{run: make}]}
";
    insta::assert_snapshot!(transcript(
        document,
        "start
         ok plan matrix={\"part\":[\"a\",\"b\",\"c\"]}
         ok build/1 last=b b=1 a=
         ok build/0 last=a a=1 b=
         fail build/2 last= c=1
         ok join"
    ));
}

#[test]
fn a_lost_job_is_tried_three_times() {
    let document = "
on: push
jobs:
  one: {runs-on: here, steps: [{run: make}]}
  two: {runs-on: here, steps: [{run: make}]}
";
    insta::assert_snapshot!(transcript(
        document,
        "start
         started one
         lost one
         started one
         lost two
         lost one
         ok two
         lost one"
    ));
}

#[test]
fn a_cancelled_run_keeps_what_always_runs() {
    let document = r"
on: push
jobs:
  build: {runs-on: here, steps: [{run: make}]}
  watch: {runs-on: here, if: always(), steps: [{run: make}]}
  legs:
    runs-on: here
    strategy: {max-parallel: 1, matrix: {n: [1, 2]}}
    steps: [{run: make}]
  deploy: {runs-on: here, needs: build, steps: [{run: make}]}
  report: {runs-on: here, needs: build, if: failure(), steps: [{run: make}]}
  clean: {runs-on: here, needs: [build, watch], if: always(), steps: [{run: make}]}
";
    insta::assert_snapshot!(transcript(
        document,
        "start\nstarted build\nstarted watch\ncancel\nstopped build\nlost legs/0\nok watch\nok clean"
    ));
    insta::assert_snapshot!(
        "cancelled_twice",
        transcript(
            document,
            "start\nstarted watch\ncancel\nstopped build\ncancel\nstopped legs/0\nstopped watch"
        )
    );
}

#[test]
fn what_cannot_be_evaluated_fails_with_its_place() {
    let document = r"
on: push
jobs:
  empty:
    runs-on: here
    strategy: {matrix: {part: '${{ fromJSON(''[]'') }}'}}
    steps: [{run: make}]
  limit:
    runs-on: here
    timeout-minutes: ${{ vars.LIMIT }}
    steps: [{run: make}]
  label:
    runs-on: ${{ vars.NOWHERE }}
    steps: [{run: make}]
  condition:
    if: fromJSON('no json')
    runs-on: here
    steps: [{run: make}]
  half:
    strategy: {matrix: {minutes: [5, soon]}}
    runs-on: here
    timeout-minutes: ${{ matrix.minutes }}
    steps: [{run: make}]
";
    insta::assert_snapshot!(transcript(document, "start"));
}
