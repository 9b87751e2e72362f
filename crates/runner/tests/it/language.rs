//! What steps can say and see.

use crate::world::World;
use shipway_runner::{Level, ReportKind};
use shipway_workflow::run::Conclusion;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_travel_from_step_to_step_and_job_to_job() {
    let story = World::new()
        .run(
            r###"
on: push
env: {FROM: workflow, SHARED: one}
jobs:
  first:
    runs-on: host
    env: {FROM: job}
    outputs:
      colour: ${{ steps.paint.outputs.colour }}-${{ env.ADDED }}
    steps:
    - id: paint
      env: {FROM: step, COPY: '${{ env.FROM }}'}
      run: |
        echo "colour=red" >> "$GITHUB_OUTPUT"
        { echo 'ADDED<<END'; echo a; echo b; echo END; } >> "$GITHUB_ENV"
        mkdir bin && printf '#!/bin/sh\necho tool-speaks\n' > bin/tool && chmod +x bin/tool
        echo "$PWD/bin" >> "$GITHUB_PATH"
        echo "FROM=$FROM COPY=$COPY SHARED=$SHARED"
        echo "# done" >> "$GITHUB_STEP_SUMMARY"
    - run: tool && echo "ADDED=$ADDED" && echo "${{ steps.paint.outcome }} ${{ job.status }} ${{ runner.os }}"
    - run: echo "$GITHUB_JOB $GITHUB_REPOSITORY $CI $GITHUB_ACTIONS" && test -f "$GITHUB_EVENT_PATH" && grep -q head_commit "$GITHUB_EVENT_PATH"
  second:
    needs: first
    runs-on: host
    steps:
    - run: |
        echo "got: ${{ needs.first.outputs.colour }} ${{ needs.first.result }}" | tr '\n' '|'
"###,
        )
        .await;
    story
        .expect_success()
        .expect_line("FROM=step COPY=job SHARED=one")
        .expect_line("tool-speaks")
        .expect_line("success success Linux")
        .expect_line("first me/it true true")
        .expect_line("got: red-a|b success|");
    assert_eq!(story.outputs("first")["colour"], "red-a\nb");
    let summaries: Vec<_> = story
        .reports
        .iter()
        .filter_map(|report| {
            let ReportKind::Summary { step, markdown } = &report.kind else { return None };
            Some((*step, markdown.as_str()))
        })
        .collect();
    assert_eq!(summaries, [(0, "# done\n")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_files_are_in_the_context_of_each_step() {
    let story = World::new()
        .run(
            r###"
on: push
jobs:
  first:
    runs-on: host
    steps:
    - id: s
      env: {FILE: '${{ github.env }}'}
      run: |
        mkdir bin && printf '#!/bin/sh\necho tool-speaks\n' > bin/tool && chmod +x bin/tool
        echo A=1 >> ${{ github.env }}
        echo B=2 >> "$FILE"
        echo o=3 >> ${{ github.output }}
        echo "$PWD/bin" >> ${{ github.path }}
        echo '# done' >> ${{ github.step_summary }}
        [ "$FILE $GITHUB_STATE" = "$GITHUB_ENV ${{ github.state }}" ] && echo same
        echo "FIRST=$GITHUB_ENV" >> "$GITHUB_ENV"
    - run: tool; echo "$A $B ${{ steps.s.outputs.o }}"; [ "$FIRST" != "${{ github.env }}" ] && echo another
"###,
        )
        .await;
    story
        .expect_success()
        .expect_line("same")
        .expect_line("tool-speaks")
        .expect_line("1 2 3")
        .expect_line("another");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_variables_and_inputs_may_be_expressions() {
    let story = World::new()
        .run(
            r###"
on: push
env: {'${{ github.event_name }}_W': workflow}
jobs:
  first:
    runs-on: host
    strategy: ${{ fromJSON('{"matrix":{"v":["NAME"]}}') }}
    env: {'${{ matrix.v }}_J': job, '${{ insert }}': "${{ fromJSON('{\"MORE\":1}') }}"}
    steps:
    - run: |
        mkdir act
        printf 'inputs: {a: {}, b: {}}\nruns:\n  using: composite\n  steps:\n  - {shell: bash, run: "echo got ${{ '${{' }} inputs.a }} ${{ '${{' }} inputs.b }}"}\n' > act/action.yml
    - run: echo "$push_W $NAME_J $MORE ${{ env.NAME_J }} $S_x"
      env: {"S_${{ env.NAME_J && 'x' }}": step}
    - uses: ./act
      with: {"${{ 'a' }}": one, '${{ insert }}': "${{ fromJSON('{\"b\":\"two\"}') }}"}
    - {run: 'true', env: {'${{ env.NONE }}': x}}
"###,
        )
        .await;
    story.expect_line("workflow job 1 job step").expect_line("got one two");
    assert_eq!(story.conclusions(), "success success success failure", "{}", story.log());
    let errors = story.annotations(Level::Error);
    assert!(errors.len() == 1 && errors[0].contains("this key comes out empty"), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contexts_are_in_the_order_in_which_they_were_written() {
    let mut world = World::new();
    for (name, value) in [("ZULU", "sesame"), ("GITHUB_TOKEN", "opener"), ("ALPHA", "barley")] {
        world.secret(name, value);
    }
    let story = world
        .run(
            r###"
on: push
env: {ZOO: 1, BAR: 2}
jobs:
  first:
    runs-on: host
    env: {YAK: 3, BAR: 4}
    outputs: {z: '${{ steps.s.outputs.z }}', none: '', m: last, a: '${{ steps.s.outputs.a }}'}
    steps:
    - id: s
      env: {XRAY: 5, ZOO: 6}
      run: |
        printf 'z=1\nm=2\n' >> "$GITHUB_OUTPUT"; echo '::set-output name=q::3'; echo a=4 >> "$GITHUB_OUTPUT"
        echo Z=5 >> "$GITHUB_OUTPUT"; echo ADDED=7 >> "$GITHUB_ENV"
        cat <<< '${{ format('env {0}', join(env.*)) }}'
    - run: cat <<< '${{ format('outputs {0} {1}', join(steps.s.outputs.*), join(env.*)) }}'
    - run: echo '${{ toJSON(steps.s.outputs) }}' | tr -d ' \n'
  second:
    needs: first
    runs-on: host
    strategy: {matrix: {zeta: [1], beta: [2], include: [{alpha: 3}]}}
    steps:
    - run: cat <<< '${{ format('needs {0} matrix {1}', join(needs.first.outputs.*), join(matrix.*)) }}'
    - run: |
        [ '${{ join(secrets.*) }}' = sesame,barley,opener ] && echo in order
        [ '${{ secrets.GITHUB_TOKEN }}' = opener ] && grep -o '"[A-Za-z_]*":' <<< '${{ toJSON(secrets) }}' | tr -d '\n'
"###,
        )
        .await;
    story
        .expect_success()
        .expect_line("env 6,4,3,5")
        // Commands come before files, and another spelling of a name is the same output.
        .expect_line("outputs 3,5,2,4 1,4,3,7")
        .expect_line(r#"{"q":"3","z":"5","m":"2","a":"4"}"#)
        .expect_line("needs 5,last,4 matrix 1,2,3")
        .expect_line("in order")
        .expect_line(r#""ZULU":"ALPHA":"github_token":"#);
    assert_eq!(story.outputs("first").into_keys().collect::<Vec<_>>(), ["z", "m", "a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashing_ends_with_its_step_and_its_job() {
    let text = |limit: &str, step: &str| {
        format!(
            "on: push\njobs:\n  job:\n    runs-on: host\n{limit}    steps:\n    - run: truncate -s 1T huge\n    - name: hash\n{step}      \
             run: echo ${{{{ hashFiles('huge') }}}}\n    - {{if: always(), run: echo cleaned up}}\n"
        )
    };
    let world = World::new();
    let step = world.run(&text("", "      timeout-minutes: 0.003\n")).await;
    step.expect_line("cleaned up");
    assert_eq!(step.conclusions(), "success failure success");
    let errors = step.annotations(Level::Error).join("\n");
    assert!(errors.contains("hashFiles") && errors.contains("the step took longer than"), "{errors}");
    let job = world.run(&text("    timeout-minutes: 0.02\n", "")).await;
    job.expect_line("cleaned up");
    assert_eq!(job.conclusion, Conclusion::Cancelled);
    // Where the machine is so slow that hashing has not begun by then, the program before it is stopped.
    let errors = job.annotations(Level::Error).join("\n");
    assert!(errors.contains("the job took longer than"), "{errors}");
    let mut asked = false;
    let cancelled = world
        .watch(&text("", ""), |report, cancel| {
            // Whether hashing has begun by then or not: it does not go on.
            if matches!(&report.kind, ReportKind::StepStarted { index: 1, .. }) && !asked {
                asked = true;
                cancel.ask();
            }
        })
        .await;
    assert_eq!(cancelled.conclusion, Conclusion::Cancelled, "{}", cancelled.log());
    cancelled.expect_line("cleaned up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_computed_for_a_step_is_under_its_limit() {
    let world = World::new();
    let run = async |step: &str| {
        let steps = format!(
            "      - run: truncate -s 1T huge\n{step}      - {{if: always(), run: echo cleaned up}}\n"
        );
        world.steps(&steps).await
    };
    // Any of these would hash for two minutes, which is longer than a test waits.
    for step in [
        "      - {timeout-minutes: 0.003, env: {H: \"${{ hashFiles('huge') }}\"}, run: 'true'}\n",
        "      - {timeout-minutes: 0.003, if: \"hashFiles('huge') != ''\", run: 'true'}\n",
        "      - {timeout-minutes: 0.003, run: \"true ${{ hashFiles('huge') }}\"}\n",
        "      - {timeout-minutes: \"${{ fromJSON('0.003') }}\", env: {H: \"${{ hashFiles('huge') }}\"}, run: 'true'}\n",
    ] {
        let story = run(step).await;
        story.expect_line("cleaned up");
        assert_eq!(story.conclusions(), "success failure success", "{step}");
        let errors = story.annotations(Level::Error).join("\n");
        assert!(
            errors.contains("hashFiles") && errors.contains("the step took longer than"),
            "{step}: {errors}"
        );
    }
    // A step whose name cannot be computed has that of its script; and its limit is over by then.
    let named =
        run("      - {timeout-minutes: 0.003, name: \"a ${{ hashFiles('huge') }}\", run: sleep 100}\n").await;
    assert_eq!(named.conclusions(), "success failure success");
    let names = |story: &crate::world::Story| -> Vec<String> {
        let name = |report: &shipway_runner::Report| {
            let ReportKind::StepStarted { name, .. } = &report.kind else { return None };
            Some(name.clone())
        };
        story.reports.iter().filter_map(name).collect()
    };
    assert_eq!(names(&named)[1], "Run sleep 100");
    // Composite steps and steps beside others have the same limits.
    let beside =
        run("      - {background: true, timeout-minutes: 0.003, run: \"true ${{ hashFiles('huge') }}\"}\n")
            .await;
    assert_eq!(beside.conclusion, Conclusion::Failure);
    let late =
        run("      - {timeout-minutes: \"${{ fromJSON(env.T) }}\", env: {T: '0.003'}, run: sleep 100}\n")
            .await;
    assert_eq!(late.conclusions(), "success failure success");
    let wrong = run("      - {timeout-minutes: \"${{ fromJSON('-1') }}\", run: 'true'}\n      - {if: false, timeout-minutes: \"${{ fromJSON('-1') }}\", run: 'true'}\n").await;
    // As on GitHub, what is no limit is told, and 0 is none.
    assert_eq!(wrong.conclusions(), "success success skipped success");
    assert!(wrong.annotations(Level::Error)[0].contains("runs without a limit"), "{}", wrong.log());
    let none = run("      - {timeout-minutes: \"${{ fromJSON('0') }}\", run: 'true'}\n      - {timeout-minutes: 0, run: 'true'}\n").await;
    assert_eq!(none.conclusions(), "success success success success");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_runs_in_a_cancelled_job_is_computed_to_its_end() {
    let run = async |size: &str, condition: &str| {
        let world = World::new();
        let steps = format!(
            "on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n    - run: truncate -s {size} huge\n    \
             - {{if: {condition}, env: {{H: \"${{{{ hashFiles('huge') }}}}\"}}, run: 'echo ${{#H}}'}}\n    \
             - {{if: always(), run: echo cleaned up}}\n"
        );
        let mut asked = false;
        let look = |report: &shipway_runner::Report, cancel: &shipway_runner::Cancel| {
            // The next step is prepared then, or is about to be.
            if matches!(&report.kind, ReportKind::StepFinished { index: 0, .. }) && !asked {
                asked = true;
                cancel.ask();
            }
        };
        world.watch(&steps, look).await
    };
    let story = run("700M", "always()").await;
    assert_eq!(story.conclusion, Conclusion::Cancelled, "{}", story.log());
    story.expect_line("64").expect_line("cleaned up");
    // One that does not run then is not computed to its end.
    for condition in ["success()", "failure()"] {
        let story = run("1T", condition).await;
        assert_eq!(story.conclusion, Conclusion::Cancelled, "{}", story.log());
        story.expect_line("cleaned up");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_annotation_of_several_lines_is_noted_in_the_log() {
    let story = World::new()
        .steps("      - run: for i in $(seq 11); do echo '::notice::one%0Atwo'; done; echo plain\n")
        .await;
    let (mut noted, mut lines) = (Vec::new(), Vec::new());
    for report in &story.reports {
        if let ReportKind::Noted { text, .. } = &report.kind {
            noted.push(text.as_str());
        } else {
            lines.extend(report.kind.lines());
        }
    }
    assert_eq!(noted, ["##[notice]one", "two"].repeat(10));
    // What no annotation says stays in the log as it is.
    assert!(lines.ends_with(&["##[endgroup]", "##[notice]one", "two", "plain"]), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_and_tolerance_follow_the_status() {
    let story = World::new()
        .steps(
            r###"
      - {id: soft, run: exit 3, continue-on-error: true}
      - if: steps.soft.outcome == 'failure' && steps.soft.conclusion == 'success'
        run: echo soft
      - run: exit 4
      - run: echo never
      - {if: failure(), run: echo after failure}
      - {if: always(), run: echo always}
      - {if: "cancelled()", run: echo cancelled}
"###,
        )
        .await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    assert_eq!(story.conclusions(), "success success failure skipped success success skipped");
    assert_eq!(story.steps()[0], (Conclusion::Failure, Conclusion::Success, Some(3)));
    assert_eq!(story.steps()[2].2, Some(4));
    story.expect_line("soft").expect_line("after failure").expect_line("always");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shells_and_directories_are_those_asked_for() {
    let mut world = World::new();
    world.file("sub/x", "");
    world.commit();
    let story = world
        .run(
            r###"
on: push
defaults: {run: {working-directory: sub}}
jobs:
  job:
    runs-on: host
    steps:
    - {uses: actions/checkout@v4}
    - {run: 'ls; false | true; echo default goes on'}
    - {shell: sh, run: 'echo "$0" | grep -q script.sh && echo from sh'}
    - {shell: 'bash -x {0}', working-directory: ., run: echo traced}
    - {shell: python, run: 'print("from python")'}
    - {shell: bash, run: 'false | true; echo not reached'}
"###,
        )
        .await;
    assert_eq!(story.conclusions(), "success success success success success failure", "{}", story.log());
    for line in ["x", "default goes on", "from sh", "+ echo traced", "from python"] {
        story.expect_line(line);
    }
    assert!(!story.log().lines().any(|line| line == "not reached"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defaults_are_those_of_the_job_as_it_began() {
    let mut world = World::new();
    world.file("sub/x", "");
    world.file("other/x", "");
    world.commit();
    let story = world
        .run(
            r###"
on: push
defaults: {run: {working-directory: sub, shell: 'bash -x {0}'}}
jobs:
  own:
    runs-on: host
    defaults: {run: {shell: sh}}
    steps:
    - {uses: actions/checkout@v4}
    - {run: 'echo "own in ${PWD##*/} $-"'}
  began:
    runs-on: host
    env: {DIR: sub}
    defaults: {run: {working-directory: '${{ env.DIR }}', shell: '${{ env.NONE }}'}}
    steps:
    - {uses: actions/checkout@v4}
    - {run: 'echo DIR=other >> $GITHUB_ENV'}
    - {run: 'echo "began in ${PWD##*/}, $DIR"', env: {DIR: step}}
    - {run: 'echo "then in ${PWD##*/}, $DIR"'}
  workflow:
    runs-on: host
    steps:
    - {uses: actions/checkout@v4}
    - {run: 'echo "whole in ${PWD##*/} $-"'}
"###,
        )
        .await;
    // As on GitHub, what a job says takes the place of all that the workflow says, and is evaluated once.
    for line in ["own in workspace e", "began in sub, step", "then in sub, other", "whole in sub hxB"] {
        story.expect_line(line);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_in_the_output_are_obeyed() {
    let story = World::new()
        .steps(
            r###"
      - id: old
        run: |
          echo "::set-output name=a::1"
          echo "::warning file=src/a.rs,line=3,title=Hm::careful"
          echo "::group::Part"
          echo "::debug::hidden"
          echo "::endgroup::"
          echo "::stop-commands::tok3n"
          echo "::error::not a command"
          echo "::tok3n::"
          echo "##[start-action display=x]"
      - run: echo "old says ${{ steps.old.outputs.a }}"
      - run: echo "::set-env name=A::b"
"###,
        )
        .await;
    story
        .expect_line("old says 1")
        .expect_line("##[group]Part")
        .expect_line("::error::not a command")
        .expect_line("##[\\start-action display=x]");
    assert!(!story.log().contains("##[debug]"), "{}", story.log());
    assert_eq!(story.conclusions(), "success success failure");
    let warnings = story.annotations(Level::Warning);
    assert!(warnings.iter().any(|text| text.starts_with("::set-output:: is deprecated")), "{warnings:?}");
    assert!(warnings.contains(&"careful".to_owned()));
    let errors = story.annotations(Level::Error);
    assert!(errors[0].contains("SW0512") && errors[0].contains("$GITHUB_ENV"), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_has_ten_annotations_of_a_kind() {
    let story = World::new()
        .steps("      - run: for i in $(seq 12); do echo \"::warning::w$i\"; done; printf '::notice::%05000d\\n' 1\n      - run: 'echo ::warning::other'\n")
        .await;
    let warnings = story.annotations(Level::Warning);
    assert_eq!((warnings.len(), warnings[9].as_str(), warnings[10].as_str()), (11, "w10", "other"));
    story.expect_line("##[warning]w12");
    assert_eq!(story.annotations(Level::Notice)[0].len(), 4_096);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_that_is_trusted_sets_variables_and_the_path() {
    let story = World::new()
        .steps(
            r###"
      - env: {ACTIONS_ALLOW_UNSECURE_COMMANDS: 'True'}
        run: |
          echo "::set-env name=A::b%0Ac"
          echo "::set-env name=NODE_OPTIONS::--inspect"
          echo "::add-path::/a/folder"
      - run: echo "$A / ${{ env.A }} / $NODE_OPTIONS / ${PATH%%:*}" | tr '\n' ' '
      - run: echo "::set-env name=A::c"
"###,
        )
        .await;
    assert_eq!(story.conclusions(), "success success failure", "{}", story.log());
    story.expect_line("b c / b c /  / /a/folder ");
    let errors = story.annotations(Level::Error);
    assert!(
        errors.iter().any(|text| text.contains("NODE_OPTIONS is not taken from ::set-env::")),
        "{errors:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problem_matchers_make_annotations_in_this_and_later_steps() {
    let mut world = World::new();
    world.file(
        ".github/tsc.json",
        r#"{"problemMatcher": [{"owner": "tsc", "pattern": [
            {"regexp": "^([^\\s].*)[\\(:](\\d+)[,:](\\d+)(?:\\):\\s+|\\s+-\\s+)(error|warning|info)\\s+TS(\\d+)\\s*:\\s*(.*)$",
             "file": 1, "line": 2, "column": 3, "severity": 4, "code": 5, "message": 6}]}]}"#,
    );
    world.file("src/a.ts", "");
    world.commit();
    let story = world
        .steps(
            r###"
      - uses: actions/checkout@v4
      - run: |
          echo "::add-matcher::.github/tsc.json"
          echo "src/a.ts(3,4): error TS2304: Cannot find name 'x'."
      - run: |
          echo "src/gone.ts(3,4): warning TS1: second"
          echo "::remove-matcher owner=tsc::"
          echo "src/a.ts(3,4): error TS3: third"
      - run: echo "::add-matcher::nothing.json"
"###,
        )
        .await;
    assert_eq!(story.conclusions(), "success success success failure", "{}", story.log());
    let annotations: Vec<_> = story
        .reports
        .iter()
        .filter_map(|report| {
            let ReportKind::Annotation(one) = &report.kind else { return None };
            Some((one.level, one.file.as_deref(), one.line, one.column, one.message.as_str()))
        })
        .collect();
    let file = Some("src/a.ts");
    assert_eq!(annotations[0], (Level::Error, file, Some(3), Some(4), "Cannot find name 'x'."));
    assert_eq!(annotations[1], (Level::Warning, None, Some(3), Some(4), "second"));
    assert!(annotations[2].4.contains("SW0512") && annotations[2].4.contains("nothing.json"));
    story.expect_line("##[error]src/a.ts(3,4): error TS2304: Cannot find name 'x'.");
    story.expect_line("src/a.ts(3,4): error TS3: third");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_end_steps_and_jobs() {
    let world = World::new();
    let story = world
        .steps(
            r###"
      - {run: sleep 100, timeout-minutes: 0.003}
      - {if: failure(), run: echo told}
"###,
        )
        .await;
    assert_eq!(story.conclusions(), "failure success");
    assert!(
        story.annotations(Level::Error)[0].contains("timeout-minutes"),
        "{:?}",
        story.annotations(Level::Error)
    );

    let story = world
        .run("on: push\njobs:\n  job:\n    runs-on: host\n    timeout-minutes: 0.005\n    steps:\n    - run: sleep 100\n    - run: echo no\n    - {if: always(), run: echo cleaned up}\n")
        .await;
    assert_eq!(story.conclusions(), "cancelled skipped success");
    assert_ne!(story.conclusion, Conclusion::Success);
    story.expect_line("cleaned up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hash_files_and_contexts_are_those_of_the_workspace() {
    let story = World::new()
        .steps(
            r###"
      - run: echo Hello > a.txt
      - run: echo "hash ${{ hashFiles('*.txt') }} ${{ hashFiles('nothing') }}."
      - run: echo "${{ toJSON(strategy.job-total) }} ${{ github.event.head_commit.id != '' }}"
"###,
        )
        .await;
    story.expect_success();
    assert!(
        story.log().contains("hash 31ff3fcb19566e855efbe0c4eb393d1a7807e08c4f1cf4f1a89e29d9d55968c5 ."),
        "{}",
        story.log()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_knows_the_file_it_stands_in() {
    let world = World::new();
    let step = "steps: [{run: 'echo \"${{ job.workflow_repository }} ${{ job.workflow_file_path }} ${{ job.workflow_ref }} ${{ job.workflow_sha == github.sha }}\"'}]";
    world.file("called.yml", &format!("on: workflow_call\njobs:\n  in: {{runs-on: host, {step}}}\n"));
    let story = world
        .run(&format!("on: push\njobs:\n  out: {{runs-on: host, {step}}}\n  call: {{uses: ./called.yml}}\n"))
        .await;
    story
        .expect_success()
        .expect_line("me/it .github/workflows/test.yml me/it/.github/workflows/test.yml@refs/heads/main true")
        .expect_line("me/it called.yml me/it/called.yml@refs/heads/main true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_tells_where_it_deployed() {
    let run = async |environment: &str, step: &str| {
        let mut world = World::new();
        world.secret("KEY", "hunter2");
        world
            .run(&format!(
                "on: push\nenv: {{K: '${{{{ secrets.KEY }}}}'}}\njobs:\n  job:\n    runs-on: host\n    environment: {environment}\n    steps:\n    - {{id: d, run: '{step}'}}\n"
            ))
            .await
    };
    let output = "echo at=https://web.test/7 >> $GITHUB_OUTPUT";
    for environment in [
        "{name: production, url: '${{ steps.d.outputs.at }}'}",
        r#"'${{ fromJSON(''{"name":"production","url":"https://web.test/7"}'') }}'"#,
    ] {
        let story = run(environment, output).await;
        let told = story.expect_success().annotations(Level::Notice);
        assert_eq!(told, ["the environment production is at https://web.test/7"]);
    }
    let story = run("{name: p, url: 'https://x/${{ env.K }}'}", "true").await;
    assert!(story.expect_success().annotations(Level::Warning)[0].contains("may hold a secret"));
    for quiet in ["p", "{name: p, url: '${{ steps.d.outputs.no }}'}"] {
        assert!(run(quiet, "true").await.expect_success().annotations(Level::Notice).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_that_differ_in_case_are_two() {
    let story = World::new()
        .run(
            r###"
on: push
env: {Foo: 1, plain: 0}
jobs:
  job:
    runs-on: host
    env: {FOO: 2}
    outputs: {all: "${{ env.Foo }}${{ env.FOO }}${{ env.upper }}${{ env.UPPER }}"}
    steps:
    - env: {foo: 3}
      run: |
        echo "${{ env.Foo }} ${{ env.FOO }} ${{ env.foo }} / $Foo $FOO $foo / ${{ env['fOO'] }}${{ env.PLAIN }}."
        echo 'json: ${{ join(env.*, ',') }} ${{ contains(toJSON(env), '"FOO": "2"') }}'
        printf 'UPPER=4\nupper=5\n' >> "$GITHUB_ENV"
    - if: env.UPPER == '4' && ENV.upper == '5' && env.Upper == ''
      run: echo "second ${{ env.UPPER }}${{ env.upper }} $UPPER$upper"
"###,
        )
        .await;
    story
        .expect_success()
        .expect_line("1 2 3 / 1 2 3 / .")
        .expect_line("json: 1,0,2,3 true")
        .expect_line("second 45 45");
    assert_eq!(story.outputs("job")["all"], "1254");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_step_wrote_before_a_mistake_counts() {
    let story = World::new()
        .run(
            r###"
on: push
jobs:
  job:
    runs-on: host
    steps:
    - id: c
      continue-on-error: true
      run: |
        printf 'good=1\nnothing\nbad=2\n' >> "$GITHUB_OUTPUT"
        printf 'EARLY=1\nnothing\nLATE=2\n' >> "$GITHUB_ENV"
    - run: echo "${{ steps.c.outcome }} ${{ toJSON(steps.c.outputs) }} $EARLY$LATE" | tr -d '\n '
"###,
        )
        .await;
    story.expect_success().expect_line("failure{good:1}1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nul_ends_the_value_of_a_variable() {
    let story = World::new()
        .run(
            r###"
on: push
jobs:
  job:
    runs-on: host
    steps:
    - run: printf 'V=nu\0l\nW\0X=1\n' >> "$GITHUB_ENV"
    - env: {Q: "${{ fromJSON('\"a\\u0000b\"') }}"}
      run: echo "$V $Q."
"###,
        )
        .await;
    story.expect_success().expect_line("nu a.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_is_named_on_one_line() {
    let world = World::new();
    let story = world
        .steps(
            r#"
      - name: |

          first ${{ github.job }}
          second
        run: "true"
      - name: "${{ fromJSON('\"a\\nb\"') }}"
        run: "true"
      - run: "\n\n  true\n  false || true"
"#,
        )
        .await;
    story.expect_success();
    assert_eq!(crate::remote::names(&story), ["first job", "a", "Run true"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_folder_for_temporary_files_comes_back() {
    let story = World::new()
        .steps("      - run: rm -rf \"$RUNNER_TEMP\"\n      - run: mktemp -p \"$RUNNER_TEMP\"\n")
        .await;
    story.expect_success();
}
