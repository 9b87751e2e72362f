//! Runs that are run again in part: what is kept, and what runs.

use crate::{
    run_model::{JobSpec, document, job, needs},
    transcripts::play,
    worlds::{context, plan, run, run_calling, run_calling_and_keeping, second},
};
use proptest::prelude::*;
use shipway_workflow::{
    Texts,
    run::{Again, Conclusion, Effect, Input, JobKey, JobView, Run},
};
use std::collections::BTreeSet;

/// Drives a run to its end; each job that is asked for ends as said, and hands on who it is and in which round.
fn drive(run: &mut Run, round: u32, mut end: impl FnMut(&JobKey) -> Conclusion) -> BTreeSet<JobKey> {
    let mut asked = BTreeSet::new();
    let mut inputs = vec![Input::Start];
    let mut now = i64::from(round) * 10_000;
    while let Some(input) = inputs.pop() {
        now += 1;
        for effect in run.apply(&input, second(now)) {
            match effect {
                Effect::StartJob(request) => {
                    assert!(asked.insert(request.key.clone()), "{} was asked for twice", request.key);
                    let outputs = Texts::from_iter([(format!("o{round}"), request.key.0.clone())]);
                    let (job, attempt) = (request.key.clone(), request.attempt);
                    let conclusion = end(&job);
                    inputs.insert(0, Input::JobFinished { job, attempt, conclusion, outputs });
                }
                Effect::CancelJob { .. } | Effect::Finish { .. } => {}
            }
        }
    }
    assert!(run.conclusion().is_some());
    asked
}

fn fails(conclusion: Conclusion) -> bool {
    matches!(conclusion, Conclusion::Failure | Conclusion::Cancelled)
}

/// What may be kept, told from afar: jobs that ended well and have nothing before them that did not.
fn model(jobs: &[JobSpec], views: &[JobView]) -> BTreeSet<JobKey> {
    let mut anew: Vec<bool> = Vec::new();
    let mut kept = BTreeSet::new();
    for at in 0..jobs.len() {
        let follows = needs(jobs, at).iter().any(|need| anew[*need]);
        let own: Vec<&JobView> = views.iter().filter(|view| view.job_id == format!("j{at}")).collect();
        let failed = |view: &&&JobView| view.conclusion.is_none_or(fails);
        if !follows {
            kept.extend(own.iter().filter(|view| !failed(view)).map(|view| view.key.clone()));
        }
        anew.push(follows || own.iter().any(|view| failed(&view)));
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn only_what_failed_and_what_needs_it_runs_again(
        jobs in prop::collection::vec(job(), 1..9),
        ends in prop::collection::vec(0_u8..4, 40),
        rounds in 1_u32..4,
    ) {
        let plan = plan(&document(&jobs));
        let mut ends = ends.into_iter().cycle();
        let mut end = |_: &JobKey| match ends.next() {
            Some(0) => Conclusion::Failure,
            Some(1) => Conclusion::Cancelled,
            Some(_) | None => Conclusion::Success,
        };
        let mut run = Run::new(plan.clone(), context(&plan));
        drive(&mut run, 0, &mut end);
        for round in 1..=rounds {
            let views = run.jobs();
            let expect = model(&jobs, &views);
            let Some(kept) = run.keep(&Again::Failed, round) else {
                prop_assert!(!views.iter().any(|view| view.conclusion.is_some_and(fails)));
                break;
            };
            prop_assert_eq!(kept.keys().cloned().collect::<BTreeSet<_>>(), expect);
            let mut next = Run::keeping(plan.clone(), context(&plan), kept.clone());
            let last = round == rounds;
            let asked = drive(&mut next, round, |key| if last { Conclusion::Success } else { end(key) });
            prop_assert!(asked.iter().all(|key| !kept.contains_key(key)));
            // What is kept is as it was, and says where it comes from.
            for before in views.iter().filter(|view| kept.contains_key(&view.key)) {
                let after = next.jobs().into_iter().find(|view| view.key == before.key).expect("it is kept");
                prop_assert!(after.kept.is_some_and(|from| from <= round));
                prop_assert_eq!(after.conclusion, before.conclusion);
                prop_assert_eq!(after.outputs, before.outputs.clone());
                prop_assert_eq!((after.started, after.finished), (before.started, before.finished));
            }
            for view in next.jobs().iter().filter(|view| !kept.contains_key(&view.key)) {
                prop_assert_eq!(view.kept, None);
            }
            run = next;
        }
    }

    #[test]
    fn a_named_job_runs_again_with_what_needs_it(
        jobs in prop::collection::vec(job(), 1..9),
        which in any::<prop::sample::Index>(),
    ) {
        let plan = plan(&document(&jobs));
        let mut run = Run::new(plan.clone(), context(&plan));
        drive(&mut run, 0, |_| Conclusion::Success);
        let views = run.jobs();
        let chosen = views[which.index(views.len())].key.clone();
        let kept = run.keep(&Again::Job(chosen.clone()), 1).expect("it runs again");
        prop_assert!(!kept.contains_key(&chosen));
        let mut next = Run::keeping(plan.clone(), context(&plan), kept.clone());
        let asked = drive(&mut next, 1, |_| Conclusion::Success);
        let ran = |view: &JobView| view.started.is_some() || view.attempt > 0;
        let was_run = views.iter().any(|view| view.key == chosen && ran(view));
        prop_assert_eq!(asked.contains(&chosen), was_run);
        prop_assert!(run.keep(&Again::Job(JobKey("nobody".to_owned())), 1).is_none());
    }
}

fn again(run: &Run, again: &Again) -> Run {
    let kept = run.keep(again, 1).expect("something runs again");
    Run::keeping(run.plan().clone(), context(run.plan()), kept)
}

fn apply(run: &mut Run, inputs: &[(&str, Conclusion, &str)]) {
    let _effects = run.apply(&Input::Start, second(0));
    for (at, (job, conclusion, output)) in inputs.iter().enumerate() {
        let outputs = output.split_once('=').map(|(name, text)| (name.to_owned(), text.to_owned()));
        let attempt = run.jobs().iter().find(|view| view.key.0 == **job).map_or(0, |view| view.attempt);
        let input = Input::JobFinished {
            job: JobKey((*job).to_owned()),
            attempt,
            conclusion: *conclusion,
            outputs: outputs.into_iter().collect(),
        };
        let _effects = run.apply(&input, second(at as i64 + 1));
    }
}

const MATRIX: &str = "
on: push
jobs:
  first: {runs-on: here, steps: [{run: make}]}
  never: {if: false, runs-on: here, steps: [{run: make}]}
  test:
    needs: first
    strategy: {fail-fast: false, matrix: {leg: [a, b, c]}}
    runs-on: here
    steps: [{run: make}]
  after: {needs: test, runs-on: here, steps: [{run: make}]}
  apart: {needs: first, runs-on: here, steps: [{run: make}]}
  always: {needs: [test, apart], if: always(), runs-on: here, steps: [{run: make}]}
";

#[test]
fn legs_that_failed_run_again_and_the_others_hand_on_what_they_did() {
    use Conclusion::{Failure, Success};
    let mut first = run(MATRIX);
    apply(
        &mut first,
        &[
            ("first", Success, "x=1"),
            ("test/2", Success, "c=old"),
            ("test/0", Success, "a=0"),
            ("test/1", Failure, "b=1"),
            ("apart", Success, ""),
            ("always", Success, ""),
        ],
    );
    assert_eq!(first.conclusion(), Some(Failure));
    insta::assert_snapshot!(play(again(&first, &Again::Failed), "start\nok test/1 b=2\nok after\nok always"));
    let named = Again::Job(JobKey("apart".to_owned()));
    insta::assert_snapshot!("named", play(again(&first, &named), "start\nok apart\nok always"));
    // All legs, by the key of the whole.
    let whole = first.keep(&Again::Job(JobKey("test".to_owned())), 1).expect("it runs again");
    let kept: Vec<&str> = whole.keys().map(|key| key.0.as_str()).collect();
    assert_eq!(kept, ["apart", "first", "never"]);
}

#[test]
fn what_is_kept_stays_when_the_attempt_is_cancelled() {
    use Conclusion::{Cancelled, Failure, Success};
    let mut first = run(MATRIX);
    apply(&mut first, &[("first", Success, ""), ("test/0", Success, ""), ("test/1", Failure, "")]);
    let _effects = first.apply(&Input::Cancel { reason: "it is late".to_owned() }, second(50));
    let _effects = first.apply(&Input::Cancel { reason: "it is late".to_owned() }, second(51));
    apply(&mut first, &[("test/2", Cancelled, ""), ("apart", Cancelled, "")]);
    assert_eq!(first.conclusion(), Some(Cancelled));
    for script in [
        "cancel\nstart\nok always",
        "cancel\ncancel\nstart",
        "start\ncancel\nstopped test/1\nstopped test/2\nstopped apart\nok always",
    ] {
        let mut next = again(&first, &Again::Failed);
        let shown = play(next.clone(), script);
        assert!(shown.contains("test/0 \"test (a)\": success"), "{shown}");
        assert!(shown.contains("run: cancelled"), "{shown}");
        // And is kept once more after that.
        let (mut asked, mut now) = (BTreeSet::new(), 100);
        for line in script.lines() {
            let input = match line.split_once(' ') {
                None if line == "start" => Input::Start,
                None => Input::Cancel { reason: "no".to_owned() },
                Some((_, job)) => Input::JobFinished {
                    job: JobKey(job.to_owned()),
                    attempt: 1,
                    conclusion: Cancelled,
                    outputs: Texts::new(),
                },
            };
            now += 1;
            for effect in next.apply(&input, second(now)) {
                if let Effect::StartJob(request) = effect {
                    asked.insert(request.key);
                }
            }
        }
        let kept = next.keep(&Again::Failed, 2).expect("something runs again");
        let from = |key: &str| kept.get(&JobKey(key.to_owned())).map(|job| job.from);
        assert_eq!((from("first"), from("test/0"), from("test/1")), (Some(1), Some(1), None), "{script}");
    }
}

#[test]
fn jobs_of_called_workflows_run_again_one_by_one() {
    use Conclusion::{Failure, Success};
    let text = "
on: push
jobs:
  build:
    strategy: {fail-fast: false, max-parallel: 1, matrix: {target: [x, y]}}
    uses: ./build.yml
  after: {needs: build, runs-on: here, steps: [{run: make}]}
";
    let build = "
on: {workflow_call: {outputs: {tag: {value: '${{ jobs.make.outputs.tag }}'}}}}
jobs:
  make: {runs-on: here, steps: [{run: make}]}
  test: {needs: make, runs-on: here, steps: [{run: make}]}
";
    let files = [("build.yml", build)];
    let mut first = run_calling(text, &files);
    apply(
        &mut first,
        &[
            ("build/0/make", Success, "tag=t"),
            ("build/0/test", Failure, ""),
            ("build/1/make", Success, "tag=u"),
            ("build/1/test", Success, ""),
        ],
    );
    assert_eq!(first.conclusion(), Some(Failure));
    let kept = first.keep(&Again::Failed, 1).expect("something runs again");
    insta::assert_snapshot!(play(
        run_calling_and_keeping(text, &files, kept),
        "start\nok build/0/test\nok after"
    ));
}
