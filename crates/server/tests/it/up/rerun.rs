//! Runs that are run again, whole and in part.

use super::Yard;
use futures_util::TryStreamExt as _;
use serde_json::json;
use shipway_api::{Conclusion, Job, JobKey, RerunRequest, Run, RunAction, RunId, Status};
use shipway_base::Digest;
use shipway_server::backend::{Actor, BackendError, BackendErrorKind, Hook, Which};

const CI: &str = "\
name: ci
on: push
jobs:
  build:
    runs-on: x
    outputs: {made: '${{ steps.s.outputs.made }}'}
    steps:
      - id: s
        run: |
          echo \"build in $GITHUB_RUN_ATTEMPT\"
          echo \"made=in $GITHUB_RUN_ATTEMPT\" >> \"$GITHUB_OUTPUT\"
          echo '::notice::built'
          echo '# Built' >> \"$GITHUB_STEP_SUMMARY\"
          mkdir out && echo \"bytes of $GITHUB_RUN_ATTEMPT\" > out/a
      - uses: actions/upload-artifact@v4
        with: {name: made, path: out}
  test:
    needs: build
    strategy: {fail-fast: false, matrix: {leg: [one, two]}}
    runs-on: x
    steps:
      - run: echo \"run $GITHUB_RUN_ID number $GITHUB_RUN_NUMBER attempt $GITHUB_RUN_ATTEMPT ${{ matrix.leg }}\"
      - uses: actions/download-artifact@v4
        with: {name: made, path: got}
      - run: cat got/a
      - run: ${{ matrix.leg == 'one' || github.run_attempt > 1 }}
      - uses: actions/upload-artifact@v4
        with: {name: 'of-${{ matrix.leg }}', path: got}
  after:
    needs: [build, test]
    runs-on: x
    steps: [{run: 'echo \"after ${{ needs.build.outputs.made }}\"'}]
";

fn failed() -> RerunRequest {
    RerunRequest { only_failed: true, ..RerunRequest::default() }
}

fn find<'r>(run: &'r Run, key: &str) -> &'r Job {
    run.jobs.iter().find(|job| job.key.as_str() == key).unwrap_or_else(|| panic!("no {key} in {run:#?}"))
}

/// The run of a push to a branch that only the forge has, so that nobody else sees it.
async fn pushed(yard: &Yard) -> RunId {
    let after = yard.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let payload = json!({ "ref": "refs/heads/told", "before": "0".repeat(40), "after": after });
    let hook = Hook::read("push".to_owned(), None, payload.to_string()).expect("JSON");
    yard.backend().hook(hook).await.expect("it is heard").runs[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_failed_runs_again_and_the_run_stays_the_same() {
    let mut yard = Yard::new(&[(".github/workflows/ci.yml", CI)]).await;
    let id = pushed(&yard).await;
    let first = yard.over(id).await;
    assert_eq!(first.summary.conclusion, Some(Conclusion::Failure), "{first:#?}");
    assert_eq!((first.summary.failed_jobs, first.attempts), (1, 1));
    assert_eq!(first.actions, [RunAction::RerunFailed, RunAction::Rerun]);
    assert_eq!(yard.backend().rerun(id, failed(), Actor::Operator).await.expect("an attempt"), 2);

    let second = yard.attempt_over(id, 2).await;
    assert_eq!(second.summary.conclusion, Some(Conclusion::Success), "{second:#?}");
    assert_eq!((second.summary.number, second.attempts, second.summary.failed_jobs), (1, 2, 0));
    let kept: Vec<(&str, Option<u32>)> =
        second.jobs.iter().map(|job| (job.key.as_str(), job.kept_from)).collect();
    assert_eq!(kept, [("build", Some(1)), ("test/0", Some(1)), ("test/1", None), ("after", None)]);
    let log = yard.log(id, "test/1").await;
    assert!(log.contains(&format!("run {id} number 1 attempt 2 two")), "{log}");
    assert!(log.contains("bytes of 1"), "the artifact of the first attempt is there: {log}");
    assert!(yard.log(id, "after").await.contains("after in 1"), "outputs are kept");
    // What is kept has its log, its steps, its summary and its annotations.
    assert!(yard.log(id, "build").await.contains("build in 1"));
    let build = find(&second, "build");
    assert_eq!((build.steps.len(), build.step_summary.as_deref()), (2, Some("# Built\n")), "{build:#?}");
    assert_eq!(build.started_at, find(&first, "build").started_at);
    assert!(second.annotations.iter().any(|note| note.message == "built"), "{:#?}", second.annotations);
    let names = |run: &Run| run.artifacts.iter().map(|found| found.name.clone()).collect::<Vec<_>>();
    assert_eq!(
        (names(&first), names(&second)),
        (
            vec!["made".to_owned(), "of-one".to_owned()],
            vec!["made".to_owned(), "of-one".to_owned(), "of-two".to_owned()],
        )
    );

    // The first attempt is as it was, and nothing can be done with it.
    let before = Which { run: id, attempt: Some(1) };
    let earlier = yard.backend().run(before).await.expect("the first attempt");
    assert_eq!(
        (earlier.summary.attempt, earlier.summary.conclusion, earlier.attempts),
        (1, Some(Conclusion::Failure), 2)
    );
    assert!(earlier.actions.is_empty() && find(&earlier, "after").conclusion == Some(Conclusion::Skipped));
    assert!(yard.log(before, "test/1").await.contains("attempt 1 two"));

    // Nothing failed now, so that nothing of it runs again by itself.
    let error = yard.backend().rerun(id, failed(), Actor::Operator).await.expect_err("nothing failed");
    assert!(
        matches!(error.kind, BackendErrorKind::Conflict(ref why) if why.contains("none of its jobs failed")),
        "{error}"
    );
    // A form that is sent twice does it once.
    let late = RerunRequest { attempt: Some(1), ..failed() };
    assert_eq!(yard.backend().rerun(id, late, Actor::Operator).await.expect("it was done"), 2);

    // One job alone, and what needs it; it uploads under a name that an earlier attempt took.
    let one = RerunRequest { job: Some(JobKey::new("test/0").expect("a key")), ..RerunRequest::default() };
    assert_eq!(yard.backend().rerun(id, one, Actor::Operator).await.expect("an attempt"), 3);
    let third = yard.attempt_over(id, 3).await;
    assert_eq!(third.summary.conclusion, Some(Conclusion::Success), "{third:#?}");
    let kept: Vec<Option<u32>> = third.jobs.iter().map(|job| job.kept_from).collect();
    assert_eq!(kept, [Some(1), None, Some(2), None]);
    assert_eq!(names(&third).len(), 3);
    assert!(yard.log(id, "test/1").await.contains("attempt 2 two"));
    let nobody = RerunRequest { job: Some(JobKey::new("nobody").expect("a key")), ..RerunRequest::default() };
    let error = yard.backend().rerun(id, nobody, Actor::Operator).await.expect_err("no such job");
    assert!(error.to_string().contains("it has no job nobody"), "{error}");

    // All of it: nothing is kept, and it uploads its artifacts once more.
    assert_eq!(
        yard.backend().rerun(id, RerunRequest::default(), Actor::Operator).await.expect("an attempt"),
        4
    );
    let fourth = yard.attempt_over(id, 4).await;
    assert_eq!(fourth.summary.conclusion, Some(Conclusion::Success), "{fourth:#?}");
    assert!(fourth.jobs.iter().all(|job| job.kept_from.is_none()));
    assert!(yard.log(id, "after").await.contains("after in 4"));
    assert!(yard.log(id, "test/0").await.contains("bytes of 4"));
    // What an attempt names is what one gets.
    let bytes = async |attempt: Option<u32>, name: &str| {
        let found = yard.backend().artifact(Which { run: id, attempt }, name.to_owned()).await?;
        let parts: Vec<_> = found.stream.try_collect().await.expect("it is read");
        Ok::<_, BackendError>((found.bytes, Digest::of(&parts.concat())))
    };
    for (attempt, run) in [(Some(1), &first), (Some(2), &second), (Some(4), &fourth), (None, &fourth)] {
        for named in &run.artifacts {
            let (size, digest) = bytes(attempt, &named.name).await.expect("it is there");
            assert_eq!(
                (size, digest.to_string()),
                (named.bytes, named.digest.clone()),
                "{attempt:?} {}",
                named.name
            );
        }
    }
    let made =
        |run: &Run| run.artifacts.iter().find(|found| found.name == "made").map(|found| found.digest.clone());
    assert!(made(&first).is_some() && made(&first) != made(&fourth), "both made one of this name");
    bytes(Some(1), "of-two").await.expect_err("the first attempt has not made it");
    bytes(Some(9), "made").await.expect_err("there is no such attempt");
    assert_eq!(yard.runs().await.len(), 1);
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_is_not_run_again() {
    let waits = "on: push\njobs:\n  a: {runs-on: x, steps: [{run: 'echo up; sleep 600'}]}\n";
    let mut yard = Yard::new(&[(".github/workflows/ci.yml", waits)]).await;
    pushed(&yard).await;
    let run = yard
        .wait(|| async {
            let runs = yard.runs().await;
            runs.into_iter().find(|run| run.status == Status::InProgress)
        })
        .await;
    for request in [failed(), RerunRequest::default()] {
        let error = yard.backend().rerun(run.id, request, Actor::Operator).await.expect_err("it goes on");
        assert!(error.to_string().contains("not over yet"), "{error}");
    }
    yard.backend().cancel_run(run.id, false, Actor::Operator).await.expect("cancelled");
    let over = yard.over(run.id).await;
    assert_eq!(over.actions, [RunAction::RerunFailed, RunAction::Rerun], "what was cancelled can run again");
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_with_errors_has_no_jobs_to_run_again() {
    let bad = "on: push\njobs:\n  a: {runs-on: x, stpes: []}\n";
    let mut yard = Yard::new(&[(".github/workflows/ci.yml", bad)]).await;
    let id = pushed(&yard).await;
    let run = yard.over(id).await;
    assert_eq!(
        (run.summary.conclusion, run.actions.as_slice()),
        (Some(Conclusion::Failure), &[RunAction::Rerun][..])
    );
    let error = yard.backend().rerun(id, failed(), Actor::Operator).await.expect_err("it has no jobs");
    assert!(error.to_string().contains("run all of it again"), "{error}");
    assert_eq!(
        yard.backend().rerun(id, RerunRequest::default(), Actor::Operator).await.expect("an attempt"),
        2
    );
    // Both are told by numbers that people know.
    let ended = yard.attempt_over(id, 2).await;
    let error =
        yard.backend().rerun(id, failed(), Actor::Operator).await.expect_err("it has no jobs").to_string();
    assert!(error.contains(&format!("run {id} again: ")) && error.contains("attempt 2: "), "{error}");
    assert_eq!(ended.summary.conclusion, Some(Conclusion::Failure));
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_goes_on_after_a_restart_with_what_it_kept() {
    let ci = "\
on: push
jobs:
  good: {runs-on: x, outputs: {a: '${{ steps.s.outputs.a }}'}, steps: [{id: s, run: 'echo a=kept >> $GITHUB_OUTPUT'}]}
  bad: {runs-on: x, steps: [{run: '[ $GITHUB_RUN_ATTEMPT = 2 ] && sleep 1'}]}
  after: {needs: [good, bad], runs-on: x, steps: [{run: 'echo after ${{ needs.good.outputs.a }}'}]}
";
    let mut yard = Yard::new(&[(".github/workflows/ci.yml", ci)]).await;
    let id = pushed(&yard).await;
    assert_eq!(yard.over(id).await.summary.conclusion, Some(Conclusion::Failure));
    yard.backend().rerun(id, failed(), Actor::Operator).await.expect("an attempt");
    // It is under way or over when it is stopped; either way it ends well.
    yard.stop().await;
    yard.start().await;
    let second = yard.attempt_over(id, 2).await;
    assert_eq!(second.summary.conclusion, Some(Conclusion::Success), "{second:#?}");
    assert_eq!(find(&second, "good").kept_from, Some(1));
    assert!(yard.log(id, "after").await.contains("after kept"));
    yard.stop().await;
}
