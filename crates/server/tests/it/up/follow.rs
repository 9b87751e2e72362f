//! Runs that follow runs.

use super::Yard;
use serde_json::json;
use shipway_api::{Conclusion, DispatchRequest, RerunRequest, RunId};
use shipway_server::backend::Actor;

const CI: &str = "\
name: CI
on: workflow_dispatch
jobs: {a: {runs-on: x, steps: [{run: '[ $GITHUB_RUN_ATTEMPT = 2 ]'}]}}
";

const AFTER: &str = "\
name: After
on:
  workflow_run: {workflows: [CI], types: [completed], branches: [main]}
jobs:
  tell:
    runs-on: x
    steps:
      - run: |
          echo \"of ${{ github.event.workflow_run.name }} ${{ github.event.workflow_run.id }}\"
          echo \"${{ github.event.action }} ${{ github.event.workflow_run.conclusion }}\"
          echo \"on ${{ github.event.workflow_run.head_branch }} at ${{ github.event.workflow_run.head_sha }}\"
          echo \"by ${{ github.event.workflow_run.event }}, attempt ${{ github.event.workflow_run.run_attempt }}\"
          echo \"at $GITHUB_REF $GITHUB_SHA\"
";

async fn start(yard: &Yard, file: &str, git_ref: Option<&str>) -> RunId {
    let request = DispatchRequest { git_ref: git_ref.map(str::to_owned), ..DispatchRequest::default() };
    yard.backend().dispatch(file.to_owned(), request, None, Actor::Operator).await.expect("a run").run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_follows_the_end_of_another() {
    let mut yard = Yard::new(&[
        (".github/workflows/ci.yml", CI),
        (".github/workflows/after.yml", AFTER),
        (".github/workflows/other.yml", &AFTER.replace("[CI]", "[Other]")),
    ])
    .await;
    yard.git(&["branch", "work"]);
    let sha = yard.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let first = start(&yard, "ci.yml", None).await;
    let both = yard.all_over(2).await;
    let (ci, after) = (&both[0], &both[1]);
    assert_eq!((ci.id, ci.conclusion), (first, Some(Conclusion::Failure)));
    assert_eq!(
        (after.workflow.as_str(), after.event.as_str(), after.branch.as_str()),
        ("After", "workflow_run", "main")
    );
    let log = yard.log(after.id, "tell").await;
    for part in [
        format!("of CI {first}"),
        "completed failure".to_owned(),
        format!("on main at {sha}"),
        "by workflow_dispatch, attempt 1".to_owned(),
        format!("at refs/heads/main {sha}"),
    ] {
        assert!(log.contains(&part), "no {part} in {log}");
    }
    // What runs on another branch is left out, and an attempt is told as a run is.
    let work = start(&yard, "ci.yml", Some("work")).await;
    yard.over(work).await;
    yard.backend().rerun(first, RerunRequest::default(), Actor::Operator).await.expect("an attempt");
    let all = yard.all_over(4).await;
    let second =
        all.iter().find(|run| run.event == "workflow_run" && run.id != after.id).expect("it follows");
    let log = yard.log(second.id, "tell").await;
    assert!(log.contains("completed success") && log.contains("attempt 2"), "{log}");
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_happens_to_a_run_is_told_in_order() {
    let after = "\
on:
  workflow_run: {workflows: [CI]}
jobs: {a: {runs-on: x, steps: [{run: 'echo ${{ github.event.action }} ${{ github.event.workflow_run.status }} [${{ github.event.workflow_run.conclusion }}]'}]}}
";
    let files = [
        (".github/workflows/ci.yml", CI),
        (".github/workflows/after.yml", after),
        // It is told to whoever pushes it, and not at each run.
        (".github/workflows/broken.yml", "on: {workflow_run: ["),
    ];
    let mut yard = Yard::new(&files).await;
    start(&yard, "ci.yml", None).await;
    // All but those that are not asked for by `types`: the default is all of them.
    let runs = yard.all_over(4).await;
    let mut said = Vec::new();
    for run in runs.iter().filter(|run| run.event == "workflow_run") {
        let log = yard.log(run.id, "a").await;
        said.push(log.lines().last().unwrap_or_default().to_owned());
    }
    assert_eq!(
        said,
        ["requested requested []", "in_progress in_progress []", "completed completed [failure]"]
    );
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_runs_follow_one_another_and_no_more() {
    let link = |name: &str, before: &str| {
        format!(
            "name: {name}\non: {{workflow_run: {{workflows: [{before}], types: [completed]}}}}\n\
             jobs: {{a: {{runs-on: x, steps: [{{run: 'true'}}]}}}}\n"
        )
    };
    let names = ["A", "B", "C", "D", "E"];
    let mut files = vec![(".github/workflows/a.yml".to_owned(), CI.replace("name: CI", "name: A"))];
    for pair in names.windows(2) {
        files.push((format!(".github/workflows/{}.yml", pair[1].to_lowercase()), link(pair[1], pair[0])));
    }
    files.push((".github/workflows/z.yml".to_owned(), link("Z", "Z, A")));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let mut yard = Yard::new(&files).await;
    start(&yard, "a.yml", None).await;
    // B, C and D; and the one that follows itself, three times.
    let runs = yard.all_over(7).await;
    let count = |name: &str| runs.iter().filter(|run| run.workflow == name).count();
    assert_eq!(names.map(count), [1, 1, 1, 1, 0]);
    assert_eq!(count("Z"), 3);
    // A run that nobody follows shows that all was told before it.
    yard.stop().await;
    yard.start().await;
    start(&yard, "a.yml", None).await;
    assert_eq!(yard.all_over(14).await.iter().filter(|run| run.workflow == "E").count(), 0);
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_written_down_as_told_is_told_once() {
    let mut yard =
        Yard::new(&[(".github/workflows/ci.yml", CI), (".github/workflows/after.yml", AFTER)]).await;
    // The run that follows is made, and that it was made cannot be written down: what a kill between the two leaves.
    yard.sql("CREATE TRIGGER fault BEFORE UPDATE OF told ON runs WHEN NEW.told = 3 BEGIN SELECT RAISE(ABORT, 'killed'); END");
    start(&yard, "ci.yml", None).await;
    yard.all_over(2).await;
    yard.stop().await;
    assert!(yard.sql_number("SELECT count(*) FROM runs WHERE told < 3") > 0);
    yard.sql("DROP TRIGGER fault");
    yard.start().await;
    // What was left is told before anything that comes later.
    start(&yard, "ci.yml", None).await;
    let runs = yard.all_over(4).await;
    assert_eq!(runs.iter().filter(|run| run.workflow == "After").count(), 2, "{runs:#?}");
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_waits_for_a_run_is_not_named_as_one_that_nothing_tells() {
    let mut yard =
        Yard::new(&[(".github/workflows/ci.yml", CI), (".github/workflows/after.yml", AFTER)]).await;
    let listed = yard.backend().workflows(None).await.expect("workflows").items;
    assert!(listed.iter().all(|workflow| workflow.unheard.is_empty()), "{listed:#?}");
    assert_eq!(json!(listed[0].events), json!(["workflow_run"]));
    yard.stop().await;
}

const MAKES: &str = "\
name: CI
on: workflow_dispatch
jobs:
  a:
    runs-on: x
    steps:
      - run: mkdir out && echo 17 > out/number && echo none > out/other
      - {uses: actions/upload-artifact@v4, with: {name: pr, path: out}}
      - {uses: actions/upload-artifact@v4, with: {name: more, path: out/other}}
";

/// The pattern of GitHub's own page, and what must not be had.
const TAKES: &str = "\
name: After
on:
  workflow_run: {workflows: [CI], types: [completed]}
jobs:
  take:
    runs-on: x
    steps:
      - uses: actions/download-artifact@v4
        with:
          name: pr
          path: got
          run-id: ${{ github.event.workflow_run.id }}
          github-token: ${{ github.token }}
      - run: echo \"number $(cat got/number)\"
      - uses: actions/download-artifact@v4
        with: {path: all, run-id: '${{ github.event.workflow_run.id }}', github-token: '', repository: '${{ github.repository }}'}
      - run: echo \"all $(cd all && find . -type f | sort | tr '\\n' ' ')\"
      - run: echo own > own
      - {uses: actions/upload-artifact@v4, with: {name: pr, path: own}}
      - uses: actions/download-artifact@v4
        with: {name: pr, path: mine, run-id: '${{ github.run_id }}', github-token: ''}
      - run: echo \"mine $(cat mine/own)\"
      - {id: none, continue-on-error: true, uses: actions/download-artifact@v4, with: {name: pr, run-id: '12', github-token: ''}}
      - {id: bad, continue-on-error: true, uses: actions/download-artifact@v4, with: {name: pr, run-id: '../1', github-token: ''}}
      - {id: lost, continue-on-error: true, uses: actions/download-artifact@v4, with: {name: nix, run-id: '${{ github.event.workflow_run.id }}', github-token: ''}}
      - {id: alone, continue-on-error: true, uses: actions/download-artifact@v4, with: {name: more, run-id: '${{ github.event.workflow_run.id }}'}}
      - run: echo \"${{ steps.none.outcome }} ${{ steps.bad.outcome }} ${{ steps.lost.outcome }} ${{ steps.alone.outcome }}\"
";

#[tokio::test(flavor = "multi_thread")]
async fn the_artifacts_of_the_run_that_is_followed_are_taken() {
    let files = [(".github/workflows/ci.yml", MAKES), (".github/workflows/after.yml", TAKES)];
    let mut yard = Yard::new(&files).await;
    start(&yard, "ci.yml", None).await;
    let both = yard.all_over(2).await;
    let log = yard.log(both[1].id, "take").await;
    assert_eq!(both[1].conclusion, Some(Conclusion::Success), "{log}");
    for part in [
        "number 17",
        "all ./more/other ./pr/number ./pr/other",
        "mine own",
        "does not have the artifacts of run 12 (this server has no such run of this repository)",
        "does not have the artifacts of run ../1",
        "there is no artifact named \"nix\" in the run, which has more, pr (check the name, and that run",
        "the input run-id counts only beside github-token",
        "failure failure failure failure",
    ] {
        assert!(log.contains(part), "no {part} in {log}");
    }
    yard.stop().await;
}

const NARROWED: &str = "\
name: After
on:
  workflow_run: {workflows: [CI], types: [completed]}
permissions: {contents: read}
jobs:
  narrow:
    runs-on: x
    steps:
      - {id: own, continue-on-error: true, uses: actions/download-artifact@v4, with: {name: pr, run-id: '${{ github.event.workflow_run.id }}', github-token: '${{ github.token }}'}}
      - {uses: actions/download-artifact@v4, with: {name: pr, run-id: '${{ github.event.workflow_run.id }}', github-token: of somebody}}
      - run: echo \"${{ steps.own.outcome }} $(cat number)\"
  wide:
    runs-on: x
    permissions: {actions: read}
    steps:
      - {uses: actions/download-artifact@v4, with: {name: pr, run-id: '${{ github.event.workflow_run.id }}', github-token: '${{ github.token }}'}}
      - run: echo \"number $(cat number)\"
";

/// As on GitHub: once `permissions` are written the token of a job reads other runs with `actions: read` alone. Another token is not the
/// job's, and its rights are not either.
#[tokio::test(flavor = "multi_thread")]
async fn permissions_decide_whether_another_run_is_read() {
    let files = [(".github/workflows/ci.yml", MAKES), (".github/workflows/after.yml", NARROWED)];
    let mut yard = Yard::new(&files).await;
    start(&yard, "ci.yml", None).await;
    let both = yard.all_over(2).await;
    let log = yard.log(both[1].id, "narrow").await;
    assert_eq!(both[1].conclusion, Some(Conclusion::Success), "{log}");
    let refused = format!(
        "the artifacts of run {} cannot be had: the permissions of this job leave out actions: read",
        both[0].id
    );
    for part in [refused.as_str(), "add actions: read to the permissions of the job", "failure 17"] {
        assert!(log.contains(part), "no {part} in {log}");
    }
    let log = yard.log(both[1].id, "wide").await;
    assert!(log.contains("number 17"), "{log}");
    yard.stop().await;
}
