//! Reusable workflows: what a plan refuses, in golden words, and how their jobs run, as golden transcripts.

use crate::{
    conformance::{Tally, folder},
    transcripts::play,
    worlds::{called, push, run_calling, second, workflow},
};
use proptest::prelude::*;
use shipway_base::{Secret, Source};
use shipway_workflow::{
    Secrets, Texts,
    document::Workflow,
    plan::{CallLimits, Called, RunPlan},
    run::{Conclusion, Effect, Input, Run},
};
use std::{collections::BTreeMap, sync::Arc};

const BUILD: &str = "
on:
  workflow_call:
    inputs:
      target: {type: string, required: true}
      count: {type: number, default: 2}
      fast: {type: boolean}
    outputs:
      tag: {value: '${{ jobs.make.outputs.tag }}-${{ inputs.count }}'}
permissions: {contents: read}
env: {A: b}
jobs:
  make: {runs-on: here, outputs: {tag: '${{ steps.x.outputs.y }}'}, steps: [{run: make}]}
  test:
    needs: make
    runs-on: '${{ inputs.target }}'
    strategy: {matrix: {n: [1, 2]}}
    steps: [{run: make}]
";

const OUTER: &str = "
on: workflow_call
jobs:
  inner:
    name: Inner
    uses: ./build.yml
    with: {target: here, fast: true}
  last: {needs: inner, runs-on: here, steps: [{run: make}]}
";

fn refused(text: &str, files: &[(&str, &str)]) -> String {
    let workflow = workflow(text);
    let called = called(&workflow, files, Called::new());
    let event = push("refs/heads/main", None);
    match RunPlan::calling(Arc::new(workflow), event, &BTreeMap::new(), &called) {
        Ok(_) => panic!("{text} was planned"),
        Err(found) => found.to_string(),
    }
}

#[test]
fn a_group_inside_itself_fails_at_once() {
    let text = "
on: push
concurrency: 'X-${{ github.event_name }}'
jobs:
  own: {runs-on: here, concurrency: x-push, steps: [{run: make}]}
  call: {uses: ./plain.yml, concurrency: x-PUSH}
  callee: {uses: ./grouped.yml}
  inner: {uses: ./outer.yml, concurrency: z}
  fine: {uses: ./plain.yml, concurrency: y}
  same: {uses: ./zed.yml, concurrency: Z}
";
    let plain = "on: workflow_call\njobs:\n  a: {runs-on: here, steps: [{run: make}]}\n";
    let grouped = plain.replace("jobs:", "concurrency: x-${{ github.event_name }}\njobs:");
    let zed = plain.replace("jobs:", "concurrency: z\njobs:");
    let outer = "on: workflow_call\njobs:\n  b: {uses: ./zed.yml}\n";
    let files = [("plain.yml", plain), ("grouped.yml", &*grouped), ("outer.yml", outer), ("zed.yml", &*zed)];
    let run = run_calling(text, &files);
    insta::assert_snapshot!(play(run, "start"));
}

#[test]
fn a_call_runs_the_jobs_of_the_called_workflow() {
    let text = "
on: push
jobs:
  first: {runs-on: here, steps: [{run: make}]}
  build:
    needs: first
    uses: ./build.yml
    with: {target: 'on-${{ needs.first.outputs.x }}', count: 3}
  after: {needs: build, runs-on: here, steps: [{run: make}]}
";
    let run = run_calling(text, &[("build.yml", BUILD)]);
    insta::assert_snapshot!(play(
        run,
        "start\nok first x=7\nstarted build/make\nok build/make tag=v1\nok build/test/1\nlost build/test/0\n\
         ok build/test/0\nok after"
    ));
}

#[test]
fn legs_of_a_call_are_sub_runs() {
    let text = "
on: push
permissions: write-all
jobs:
  build:
    strategy: {max-parallel: 1, matrix: {target: [x, y, z]}}
    permissions: {contents: write, issues: read}
    uses: ./build.yml
    with: {target: '${{ matrix.target }}'}
  after: {needs: build, if: always(), runs-on: here, steps: [{run: make}]}
";
    let run = run_calling(text, &[("build.yml", BUILD)]);
    insta::assert_snapshot!(play(
        run,
        "start\nok build/0/make tag=a\nok build/0/test/0\nok build/0/test/1\nfail build/1/make\nok after"
    ));
}

#[test]
fn calls_nest_and_are_cancelled_whole() {
    let text = "
on: push
jobs:
  outer: {uses: ./outer.yml}
  clean: {needs: outer, if: always(), runs-on: here, steps: [{run: make}]}
";
    let files = [("outer.yml", OUTER), ("build.yml", BUILD)];
    insta::assert_snapshot!(play(
        run_calling(text, &files),
        "start\nok outer/inner/make tag=q\nok outer/inner/test/0\nok outer/inner/test/1\nok outer/last\nok clean"
    ));
    insta::assert_snapshot!(
        "cancelled",
        play(run_calling(text, &files), "start\ncancel\nstopped outer/inner/make\nok clean")
    );
}

#[test]
fn an_input_of_another_kind_fails_the_call() {
    let text = "
on: push
jobs:
  build: {uses: ./build.yml, with: {target: x, count: '${{ github.actor }}'}}
  after: {needs: build, if: failure(), runs-on: here, steps: [{run: make}]}
";
    insta::assert_snapshot!(play(run_calling(text, &[("build.yml", BUILD)]), "start\nok after"));
}

#[test]
fn a_default_of_a_text_may_be_any_scalar() {
    let inputs = "{v: {type: string, default: 3.10}, w: {type: string, default: TRUE}, x: {type: string, default: '${{ 1.50 }}'}, y: {type: string, default: }}";
    let callee = format!(
        "on: {{workflow_call: {{inputs: {inputs}}}}}\njobs: {{a: {{runs-on: here, steps: [{{run: make}}]}}}}"
    );
    let mut run = run_calling("on: push\njobs: {c: {uses: ./callee.yml}}", &[("callee.yml", &callee)]);
    let asked = run.apply(&Input::Start, second(0));
    let [Effect::StartJob(request)] = asked.0.as_slice() else { panic!("{asked:?}") };
    let expect = r#"{"v":"3.1","w":"true","x":"1.5","y":""}"#;
    assert_eq!(request.inputs.to_json().to_string(), expect);
    // Nothing is turned into another kind.
    let callee = callee.replace("{type: string, default: 3.10}", "{type: boolean, default: 'true'}");
    let (_, found) = Workflow::parse(&Source::new("callee.yml", callee));
    assert!(found.to_string().contains("error[SW0103]: this default of \"v\" of inputs is no boolean"));
}

#[test]
fn what_cannot_be_called_is_refused_with_its_place() {
    let text = "
on: push
permissions: {contents: none}
jobs:
  nowhere: {uses: ./nowhere.yml}
  far: {uses: o/r/w.yml@v1}
  plain: {uses: ./plain.yml}
  broken: {uses: ./broken.yml}
  ring: {uses: ./ring.yml}
  wrong: {uses: ./build.yml, with: {tarjet: x, count: many}, secrets: {S: x}}
  group: {uses: ./outer.yml, concurrency: x}
  needy: {uses: ./needy.yml}
";
    let files = [
        ("plain.yml", "on: push\njobs: {a: {runs-on: x, steps: [{run: x}]}}"),
        ("broken.yml", "on: workflow_call\njobs: {a: {run-on: x}}"),
        ("ring.yml", "on: workflow_call\njobs: {a: {uses: ./back.yml}}"),
        ("back.yml", "on: workflow_call\njobs: {a: {uses: ./ring.yml}}"),
        ("build.yml", BUILD),
        ("outer.yml", OUTER),
        (
            "needy.yml",
            "on: {workflow_call: {secrets: {S: {required: true}}}}\njobs: {a: {runs-on: x, steps: [{run: x}]}}",
        ),
    ];
    insta::assert_snapshot!(refused(text, &files));
}

#[test]
fn a_called_workflow_sees_the_secrets_that_it_is_given() {
    let inner = "
on: {workflow_call: {secrets: {TOKEN: {}, MADE: {}}}}
jobs: {a: {runs-on: here, steps: [{run: x}]}, again: {uses: ./all.yml, secrets: inherit}}
";
    let all = "on: workflow_call\njobs: {b: {runs-on: here, steps: [{run: x}]}}";
    let text = "
on: push
jobs:
  some: {uses: ./inner.yml, secrets: {TOKEN: '${{ secrets.MINE }}', MADE: '${{ secrets.NONE }}'}}
  every: {uses: ./all.yml, secrets: inherit}
  none: {uses: ./all.yml}
";
    let mut run = run_calling(text, &[("inner.yml", inner), ("all.yml", all)]);
    let secrets = Secrets::from(
        [("MINE", "m"), ("OTHER", "o"), ("GITHUB_TOKEN", "t")].map(|(a, b)| (a.to_owned(), Secret::new(b))),
    );
    let mut seen = String::new();
    for effect in run.apply(&Input::Start, second(0)) {
        let Effect::StartJob(request) = effect else { panic!("{effect:?}") };
        let secrets = request.secrets.of(&secrets).expect("they can be evaluated");
        let pairs: Vec<String> =
            secrets.iter().map(|(name, secret)| format!("{name}={}", secret.expose())).collect();
        seen += &format!("{}: {}\n", request.key, pairs.join(" "));
    }
    insta::assert_snapshot!(seen, @r"
    some/a: GITHUB_TOKEN=t TOKEN=m
    some/again/b: GITHUB_TOKEN=t TOKEN=m
    every/b: MINE=m OTHER=o GITHUB_TOKEN=t
    none/b: GITHUB_TOKEN=t
    ");
}

#[test]
fn calls_do_not_multiply_without_end() {
    let matrix: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let level = |next: &str| {
        let call = format!("uses: ./{next}.yml, strategy: {{matrix: {{n: [{}]}}}}", matrix.join(", "));
        format!("on: workflow_call\njobs: {{a: {{{call}}}}}")
    };
    let text = level("one").replace("workflow_call", "push");
    let (one, two) = (level("two"), level("three"));
    let three = "on: workflow_call\njobs: {a: {runs-on: here, steps: [{run: x}]}}";
    let mut run = run_calling(&text, &[("one.yml", &one), ("two.yml", &two), ("three.yml", three)]);
    let effects = run.apply(&Input::Start, second(0));
    assert!(effects.0.len() <= 5_000 + 5_000, "{} jobs were asked for", effects.0.len());
    assert!(run.jobs().iter().any(|job| job.reason.as_ref().is_some_and(|why| why.contains("5000"))));
}

/// A random tree of calls with random answers: it always ends, replays the same, and ends as a plain graph would.
fn check(shape: &[(u8, bool)], answers: &[bool]) {
    let mut files: Vec<(String, String)> = Vec::new();
    let mut text = String::from("on: push\njobs:\n");
    for (at, (kind, matrix)) in shape.iter().enumerate() {
        let needs = if at > 0 && kind % 2 == 0 { format!("needs: j{}, ", at - 1) } else { String::new() };
        let legs = if *matrix { "strategy: {fail-fast: false, matrix: {n: [1, 2]}}, " } else { "" };
        let body = if *kind < 2 {
            "runs-on: here, steps: [{run: x}]".to_owned()
        } else {
            let inner = "{runs-on: here, steps: [{run: x}]}";
            let document = format!("on: workflow_call\njobs: {{a: {inner}, b: {{needs: a, {}", &inner[1..]);
            files.push((format!("f{at}.yml"), format!("{document}}}")));
            format!("uses: ./f{at}.yml")
        };
        text += &format!("  j{at}: {{{needs}{legs}{body}}}\n");
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let begin = || run_calling(&text, &files);
    let mut run = begin();
    let mut log = vec![Input::Start];
    let mut open = started(&mut run, &Input::Start);
    let mut failed = false;
    let mut answers = answers.iter().cycle();
    while let Some(key) = open.pop() {
        let well = *answers.next().unwrap_or(&true);
        failed |= !well;
        let conclusion = if well { Conclusion::Success } else { Conclusion::Failure };
        let input = Input::JobFinished { job: key, attempt: 1, conclusion, outputs: Texts::new() };
        open.extend(started(&mut run, &input));
        log.push(input);
    }
    let expected = if failed { Conclusion::Failure } else { Conclusion::Success };
    assert_eq!(run.conclusion(), Some(expected), "{text}");
    let keys: std::collections::BTreeSet<_> = run.jobs().into_iter().map(|job| job.key).collect();
    assert_eq!(keys.len(), run.jobs().len(), "keys are unique");
    let mut again = begin();
    for input in &log {
        let _effects = started(&mut again, input);
    }
    assert_eq!(format!("{:?}", run.jobs()), format!("{:?}", again.jobs()));
}

fn started(run: &mut Run, input: &Input) -> Vec<shipway_workflow::run::JobKey> {
    let effects = run.apply(input, second(0)).0.into_iter();
    effects
        .filter_map(|effect| match effect {
            Effect::StartJob(request) => Some(request.key),
            Effect::CancelJob { .. } | Effect::Finish { .. } => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn trees_of_calls_end_as_their_jobs(
        shape in prop::collection::vec((0_u8..4, any::<bool>()), 1..5),
        answers in prop::collection::vec(prop::bool::weighted(0.8), 1..12),
    ) {
        check(&shape, &answers);
    }
}

/// The field's cases in which called workflows are loaded: accepted or refused as there, with the same place.
#[test]
fn conformance_reader_calls() {
    let Some(folder) = folder("github-actions/workflow-parser/testdata/reader") else { return };
    let mut tally = Tally::new("GitHub workflow-parser, called workflows");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let calls = text.split("\n---\n").nth(1).is_some_and(crate::documents::calls_others);
        if !calls && !name.contains("reusable-workflow") {
            continue;
        }
        if name == "errors-reusable-workflow-max-result-size.yml" {
            tally.leave_out(&name, crate::documents::RESULT_SIZE);
        } else if text.contains("permissions-policy: Write") {
            tally.leave_out(&name, "sets the old, wide default of permissions, which is no setting here");
        } else {
            tally.record(&name, case(&text));
        }
    }
    tally.finish(40);
}

fn case(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split("\n---\n").collect();
    let (options, document, expected) = (parts[0], parts[1], parts[parts.len() - 1]);
    let files: Vec<(&str, &str)> =
        parts[2..parts.len() - 1].chunks(2).map(|pair| (pair[0].trim(), pair[1])).collect();
    let option = |name: &str| -> Option<usize> {
        options.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    let usual = CallLimits::default();
    let limits = CallLimits {
        levels: option("max-nested-reusable-workflows-depth:").map_or(usual.levels, |depth| depth + 1),
        jobs: option("max-job-limit:").unwrap_or(usual.jobs),
        ..usual
    };
    let planned = match Workflow::parse(&Source::new("w.yml", document)) {
        (None, found) => Err(found),
        // The case asks for the document alone.
        (Some(_), _) if options.contains("skip-reusable-workflows: true") => Ok(()),
        (Some(workflow), _) => {
            let called = called(&workflow, &files, Called::within(limits));
            let event = push("refs/heads/main", None);
            RunPlan::calling(Arc::new(workflow), event, &BTreeMap::new(), &called).map(drop)
        }
    };
    let expected: serde_json::Value = serde_json::from_str(expected.trim()).map_err(|e| e.to_string())?;
    let Some(errors) = expected["errors"].as_array() else {
        return planned.map_err(|found| format!("was refused: {found}"));
    };
    let Err(found) = planned else { return Err("was planned".to_owned()) };
    for error in errors {
        let message = error["Message"].as_str().unwrap_or_default();
        let number = |before: &str| -> Option<u32> {
            message.split_once(before)?.1.split([',', ')']).next()?.trim().parse().ok()
        };
        let Some(place) = number("(Line:").zip(number("Col:")) else { continue };
        if !found.iter().any(|own| (own.span.start.line, own.span.start.column) == place) {
            return Err(format!("expected {message}\nfound {found}"));
        }
    }
    if found.iter().count() == errors.len() {
        Ok(())
    } else {
        Err(format!("{} errors: {found}", errors.len()))
    }
}
