//! Workflows that somebody starts by hand.

use super::Yard;
use serde_json::{Value, json};
use shipway_api::{Conclusion, DispatchRequest, Usual, WorkflowInputKind};
use shipway_server::backend::{Actor, BackendError, BackendErrorKind};
use std::time::Duration;

const DEPLOY: &str = "\
name: deploy
run-name: ${{ inputs.colour }} by ${{ github.actor }}
on:
  workflow_dispatch:
    inputs:
      colour: {description: Which colour, type: choice, options: [red, blue], required: true}
      loud: {type: boolean}
      times: {type: number, default: 3}
      note: {required: true}
jobs:
  show:
    runs-on: x
    steps:
      - run: |
          echo 'inputs ${{ toJSON(inputs) }}'
          echo 'event ${{ toJSON(github.event.inputs) }}'
          echo \"on $GITHUB_REF of ${{ github.event.repository.default_branch }} ${{ github.event_name }}\"
          echo \"attempt $GITHUB_RUN_ATTEMPT of $GITHUB_RUN_NUMBER\"
      - if: inputs.loud
        run: echo LOUD
";

fn ask(git_ref: Option<&str>, inputs: &[(&str, Value)]) -> DispatchRequest {
    let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    DispatchRequest { git_ref: git_ref.map(str::to_owned), inputs }
}

async fn refused(yard: &Yard, file: &str, request: DispatchRequest) -> BackendError {
    yard.backend().dispatch(file.to_owned(), request, None, Actor::Operator).await.expect_err("a refusal")
}

fn findings(error: BackendError) -> String {
    let BackendErrorKind::Document(findings) = error.kind else { panic!("{error:?}") };
    findings.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_is_started_by_hand_with_typed_inputs() {
    let mut yard = Yard::new(&[
        (".github/workflows/deploy.yml", DEPLOY),
        (".github/workflows/ci.yml", "on: push\njobs: {}\n"),
        (
            ".github/workflows/after.yml",
            "on:\n  push:\n  issues: {types: [opened]}\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n",
        ),
    ])
    .await;
    let listed = yard.backend().workflows(None).await.expect("workflows");
    assert_eq!(
        (listed.default_branch.as_str(), listed.git_ref.as_deref()),
        ("main", Some("refs/heads/main"))
    );
    let deploy = listed.items.iter().find(|workflow| workflow.file == "deploy.yml").expect("it is listed");
    let inputs = deploy.inputs.as_ref().expect("it can be started");
    assert_eq!(inputs[0].kind, WorkflowInputKind::Choice);
    assert_eq!(inputs[0].options, ["red", "blue"]);
    assert_eq!(inputs[2].default.as_deref(), Some("3"));
    assert!(listed.items.iter().any(|workflow| workflow.file == "ci.yml" && workflow.inputs.is_none()));
    let unheard: Vec<&String> = listed.items.iter().flat_map(|workflow| &workflow.unheard).collect();
    assert!(unheard.len() == 1 && unheard[0].starts_with(".github/workflows/after.yml:3:3: "), "{unheard:?}");

    let request = ask(None, &[("colour", json!("blue")), ("loud", json!(true)), ("note", json!("hi"))]);
    let started = yard.backend().dispatch("deploy.yml".to_owned(), request, None, Actor::Operator).await;
    let run = started.expect("a run").run;
    let over = yard.over(run).await;
    let log = yard.log(run, "show").await;
    assert_eq!(over.summary.conclusion, Some(Conclusion::Success), "{log}");
    assert_eq!(over.summary.title, "blue by operator");
    assert_eq!((over.summary.event.as_str(), over.summary.branch.as_str()), ("workflow_dispatch", "main"));
    for part in [
        "\"loud\": true",
        "\"times\": 3",
        "\"times\": \"3\"",
        "\"note\": \"hi\"",
        "on refs/heads/main of main workflow_dispatch",
        "LOUD",
    ] {
        assert!(log.contains(part), "no {part} in {log}");
    }

    let long = [("colour", json!("red")), ("note", json!("x".repeat(65_535)))];
    let told = findings(refused(&yard, "deploy.yml", ask(None, &long)).await);
    assert!(told.contains("error[SW0115]: the inputs are too large"), "{told}");

    // Run again, it has the inputs it had, also after a restart.
    yard.stop().await;
    yard.start().await;
    let again = yard.backend().rerun(run, Default::default(), Actor::Operator).await.expect("an attempt");
    assert_eq!((again, yard.over(run).await.summary.title.as_str()), (2, "blue by operator"));
    let log = yard.log(run, "show").await;
    assert!(log.contains("LOUD") && log.contains("attempt 2 of 1"), "{log}");
    let listed = yard.all_over(1).await;
    assert_eq!(listed.iter().map(|run| (run.number, run.attempt)).collect::<Vec<_>>(), [(1, 2)]);
    let request = ask(None, &[("colour", json!("red")), ("note", json!("hi"))]);
    let next = yard.backend().dispatch("deploy.yml".to_owned(), request, None, Actor::Operator).await;
    let next = yard.over(next.expect("a run").run).await.summary;
    assert_eq!((next.number, next.attempt), (2, 1));
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_cannot_be_made_is_told_and_runs_nothing() {
    let text = |on: &str| {
        format!(
            "name: titled\nrun-name: ${{{{ fromJSON('{{') }}}}\non: {on}\njobs: {{a: {{runs-on: x, steps: [{{run: 'true'}}]}}}}\n"
        )
    };
    let mut yard = Yard::new(&[
        (".github/workflows/hand.yml", &text("workflow_dispatch")),
        (".github/workflows/push.yml", "on: push\njobs: {}\n"),
    ])
    .await;
    let told = findings(refused(&yard, "hand.yml", ask(None, &[])).await);
    assert!(told.contains("hand.yml:2:") && told.contains("fromJSON"), "{told}");
    yard.commit("a title", &[(".github/workflows/push.yml", &text("push"))]);
    let run = yard.all_over(1).await.remove(0);
    assert_eq!((run.title.as_str(), run.conclusion), ("a title", Some(Conclusion::Failure)));
    let failed = run.failed.expect("a reason");
    assert!(failed.contains("push.yml:2:") && failed.contains("fromJSON"), "{failed}");
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_forgotten_after_a_month() {
    let mut yard = Yard::new(&[(
        ".github/workflows/ci.yml",
        "on: workflow_dispatch\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n",
    )])
    .await;
    let send = async |yard: &Yard| {
        let key = Some("ticket-17".to_owned());
        let backend = yard.backend();
        let started = backend.dispatch("ci.yml".to_owned(), ask(None, &[]), key, Actor::Operator).await;
        let started = started.expect("a run");
        yard.over(started.run).await;
        started.repeated
    };
    assert!(!send(&yard).await && send(&yard).await);
    let keys = "SELECT (SELECT count(*) FROM settings WHERE name LIKE 'asked %') + (SELECT count(*) FROM idempotency)";
    yard.stop().await;
    yard.clock.advance(Duration::from_secs(29 * 24 * 3_600));
    yard.start().await;
    assert!(send(&yard).await, "it is known for a month");
    yard.stop().await;
    assert_eq!(yard.sql_number(keys), 2);
    yard.clock.advance(Duration::from_secs(2 * 24 * 3_600));
    yard.start().await;
    // The keys go in the round of the one who watches that finds this.
    yard.commit(
        "look",
        &[
            ("word", "w"),
            (".github/workflows/push.yml", "on: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n"),
        ],
    );
    yard.all_over(2).await;
    yard.commit("look", &[("word", "x")]);
    yard.all_over(3).await;
    assert!(!send(&yard).await, "it is a new request");
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_starts_nothing() {
    let mut yard = Yard::new(&[
        (".github/workflows/deploy.yml", DEPLOY),
        (".github/workflows/ci.yml", "on: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n"),
        (".github/workflows/bad.yml", "on: workflow_dispatch\njobs: {a: {runs-on: x, stpes: []}}\n"),
    ])
    .await;
    let missing = findings(refused(&yard, "deploy.yml", ask(None, &[("colour", json!("red"))])).await);
    assert!(
        missing.contains("the input \"note\" is required") && missing.contains("deploy.yml:9"),
        "{missing}"
    );
    let wrong = ask(
        None,
        &[("colour", json!("green")), ("loud", json!("perhaps")), ("note", json!("x")), ("tims", json!(1))],
    );
    let wrong = findings(refused(&yard, "deploy.yml", wrong).await);
    for part in ["the options are: red, blue", "neither true nor false", "did you mean \"times\"?"] {
        assert!(wrong.contains(part), "no {part} in {wrong}");
    }
    assert!(findings(refused(&yard, "ci.yml", ask(None, &[])).await).contains("no `workflow_dispatch`"));
    assert!(findings(refused(&yard, "bad.yml", ask(None, &[])).await).contains("stpes"));
    let unknown = refused(&yard, "deploi.yml", ask(None, &[])).await.to_string();
    assert!(unknown.contains("did you mean deploy.yml?"), "{unknown}");
    let nowhere = refused(&yard, "deploy.yml", ask(Some("mian"), &[])).await.to_string();
    assert!(nowhere.contains("branch or tag mian; did you mean main?"), "{nowhere}");
    for file in ["../deploy.yml", "deploy.yml/../../x", "", "deploy"] {
        assert!(
            matches!(refused(&yard, file, ask(None, &[])).await.kind, BackendErrorKind::NotFound(_)),
            "{file}"
        );
    }
    assert!(yard.runs().await.is_empty());
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_the_one_of_the_branch_that_is_asked_for() {
    let other = DEPLOY.replace("echo LOUD", "echo LOUDER");
    let mut yard = Yard::new(&[(".github/workflows/deploy.yml", DEPLOY)]).await;
    yard.git(&["branch", "-m", "main", "trunk"]);
    yard.git(&["checkout", "--quiet", "-b", "work"]);
    yard.commit("another way", &[(".github/workflows/deploy.yml", &other)]);
    yard.git(&["config", "init.defaultBranch", "trunk"]);
    let request =
        |git_ref| ask(git_ref, &[("colour", json!("red")), ("loud", json!("true")), ("note", json!(""))]);
    for (git_ref, word, shown) in [
        (Some("work"), "LOUDER", "on refs/heads/work of trunk"),
        (None, "LOUD", "on refs/heads/trunk of trunk"),
    ] {
        let run = yard
            .backend()
            .dispatch("deploy.yml".to_owned(), request(git_ref), None, Actor::Operator)
            .await
            .expect("a run")
            .run;
        yard.over(run).await;
        let log = yard.log(run, "show").await;
        assert!(log.lines().any(|line| line == word) && log.contains(shown), "{log}");
    }
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_with_the_same_key_starts_one_run() {
    let mut yard = Yard::new(&[(".github/workflows/deploy.yml", DEPLOY)]).await;
    let request = |colour: &str| ask(None, &[("colour", json!(colour)), ("note", json!(""))]);
    let send = async |yard: &Yard, request, key: Option<&str>| {
        let (file, key) = ("deploy.yml".to_owned(), key.map(str::to_owned));
        yard.backend().dispatch(file, request, key, Actor::Operator).await
    };
    // Many at once, of which one starts it.
    let many = (0..8).map(|_| send(&yard, request("red"), Some("k")));
    let many: Vec<_> = futures_util::future::join_all(many).await;
    let many: Vec<_> = many.into_iter().map(|started| started.expect("a run")).collect();
    assert!(many.iter().all(|started| started.run == many[0].run), "{many:?}");
    assert_eq!(many.iter().filter(|started| !started.repeated).count(), 1, "{many:?}");
    yard.over(many[0].run).await;
    // It stands for no other request, and neither does it after a restart and another commit.
    yard.stop().await;
    yard.start().await;
    yard.commit("another", &[("x", "y")]);
    let again = send(&yard, request("red"), Some("k")).await.expect("the run");
    assert_eq!((again.run, again.repeated), (many[0].run, true));
    for other in [request("blue"), ask(Some("main"), &[("colour", json!("red")), ("note", json!(""))])] {
        let refused = send(&yard, other, Some("k")).await.expect_err("a refusal");
        assert!(matches!(refused.kind, BackendErrorKind::KeyReused), "{refused}");
    }
    // What started nothing takes no key, and without one each request is its own.
    let refused = send(&yard, request("green"), Some("l")).await.expect_err("a refusal");
    assert!(matches!(refused.kind, BackendErrorKind::Document(_)), "{refused}");
    let mended = send(&yard, request("blue"), Some("l")).await.expect("a run");
    let (one, two) = (send(&yard, request("blue"), None).await, send(&yard, request("blue"), None).await);
    let runs = [mended.run, one.expect("a run").run, two.expect("a run").run];
    assert!(runs[0] != runs[1] && runs[1] != runs[2]);
    assert_eq!(yard.all_over(4).await.len(), 4);
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_usually_takes_is_told_of_earlier_ones() {
    let text = "on: workflow_dispatch\njobs:\n  a: {runs-on: x, steps: [{run: 'true'}]}\n  b: {runs-on: x, steps: [{run: 'false'}]}\n";
    let mut yard = Yard::new(&[(".github/workflows/ci.yml", text)]).await;
    let start = async |yard: &Yard| {
        let request = DispatchRequest::default();
        let started = yard.backend().dispatch("ci.yml".to_owned(), request, None, Actor::Operator).await;
        yard.over(started.expect("a run").run).await
    };
    let first = start(&yard).await;
    assert_eq!((first.usual, first.jobs[0].usual), (None, None), "there is no history yet");
    // A job that succeeded counts in a run that failed.
    let second = start(&yard).await;
    assert_eq!(second.summary.conclusion, Some(Conclusion::Failure));
    let a = second.jobs.iter().find(|job| job.key.as_str() == "a").expect("a job");
    assert_eq!((second.usual, a.usual), (None, Some(Usual { took_ms: 0, times: 1 })));
    let b = second.jobs.iter().find(|job| job.key.as_str() == "b").expect("a job");
    assert_eq!(b.usual, None, "it has never succeeded");
    yard.stop().await;
}
