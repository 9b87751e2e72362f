//! Events of a forge beside pushes and pull requests, and pushes that are told while the process is killed.

use super::Yard;
use serde_json::{Value, json};
use shipway_api::{HookOutcome, RerunRequest, Status};
use shipway_base::Digest;
use shipway_server::backend::{Actor, BackendError, BackendErrorKind, Hook};

const EVENTS: &str = "\
on:
  issues: {types: [opened]}
  issue_comment:
  repository_dispatch: {types: [deploy]}
  release: {types: [published]}
  create:
  delete:
  watch:
  deployment:
  pull_request_review:
jobs:
  a:
    runs-on: x
    steps:
      - run: echo \"${{ github.event_name }} ${{ github.event.action }} at $GITHUB_REF $GITHUB_SHA by $GITHUB_ACTOR ${{ github.event.client_payload.to }}\"
";

async fn hear(
    yard: &Yard,
    event: &str,
    delivery: &str,
    mut payload: Value,
) -> Result<HookOutcome, BackendError> {
    if payload.is_object() {
        payload["repository"] = json!({ "full_name": "acme/web", "default_branch": "main" });
        payload["sender"] = json!({ "login": "ada" });
    }
    let hook = Hook::read(event.to_owned(), Some(delivery.to_owned()), payload.to_string()).expect("JSON");
    yard.backend().hook(hook).await
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_forge_start_the_workflows_that_name_them() {
    let mut yard = Yard::new(&[(".github/workflows/events.yml", EVENTS)]).await;
    yard.stop().await;
    yard.is_told = true;
    yard.start().await;
    yard.git(&["tag", "--annotate", "--message", "one", "v1"]);
    yard.git(&["branch", "work"]);
    let sha = yard.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let said = async |event: &str, payload: Value| -> Option<String> {
        let heard = hear(&yard, event, "d", payload).await.expect("it is heard");
        let run = *heard.runs.first()?;
        assert_eq!((heard.runs.len(), yard.over(run).await.summary.event.as_str()), (1, event));
        Some(yard.log(run, "a").await.lines().last().unwrap_or_default().to_owned())
    };
    let on = |event: &str, action: &str, reference: &str, to: &str| {
        Some(format!("{event} {action} at {reference} {sha} by ada {to}"))
    };
    let main = "refs/heads/main";
    assert_eq!(said("issues", json!({ "action": "opened" })).await, on("issues", "opened", main, ""));
    assert_eq!(said("issues", json!({ "action": "closed" })).await, None);
    let comment = json!({ "action": "created", "comment": { "id": 1 } });
    assert_eq!(said("issue_comment", comment).await, on("issue_comment", "created", main, ""));
    assert_eq!(
        said("delete", json!({ "ref": "gone", "ref_type": "branch" })).await,
        on("delete", "", main, "")
    );
    let create = json!({ "ref": "work", "ref_type": "branch" });
    assert_eq!(said("create", create).await, on("create", "", "refs/heads/work", ""));
    let release = |draft: bool, action: &str| json!({ "action": action, "release": { "tag_name": "v1", "draft": draft } });
    assert_eq!(
        said("release", release(false, "published")).await,
        on("release", "published", "refs/tags/v1", "")
    );
    assert_eq!(said("release", release(true, "created")).await, None);
    assert_eq!(said("watch", json!({ "action": "started" })).await, on("watch", "started", main, ""));
    let deployment = json!({ "deployment": { "ref": "work", "sha": sha } });
    assert_eq!(said("deployment", deployment).await, on("deployment", "", "refs/heads/work", ""));
    assert_eq!(said("star", json!({ "action": "created" })).await, None);
    assert_eq!(said("workflow_run", json!({ "action": "completed" })).await, None);
    let gone =
        hear(&yard, "create", "d", json!({ "ref": "nowhere", "ref_type": "tag" })).await.expect("heard");
    assert!(gone.ignored.is_some_and(|why| why.contains("there is no refs/tags/nowhere")));

    // Two of these may be alike; each delivery is one.
    let dispatch = || json!({ "action": "deploy", "client_payload": { "to": "moon" } });
    let runs = async |delivery: &str| {
        hear(&yard, "repository_dispatch", delivery, dispatch()).await.expect("heard").runs.len()
    };
    assert_eq!((runs("1").await, runs("1").await, runs("2").await), (1, 0, 1));
    let last = yard.all_over(9).await.pop().expect("a run");
    assert!(yard.log(last.id, "a").await.contains("repository_dispatch deploy at refs/heads/main"));
    let other = json!({ "action": "destroy" });
    assert_eq!(hear(&yard, "repository_dispatch", "3", other).await.expect("heard").runs.len(), 0);

    for (event, payload) in [
        ("create", json!({ "ref": "a b", "ref_type": "branch" })),
        ("create", json!({ "ref": "main" })),
        ("release", json!({ "action": "published", "release": [] })),
        ("deployment", json!({ "deployment": { "ref": "--upload-pack=x", "sha": "x" } })),
        ("pull_request_review", json!({ "action": "submitted" })),
    ] {
        let error = hear(&yard, event, "d", payload).await.expect_err("a refusal");
        assert!(matches!(error.kind, BackendErrorKind::Invalid(_)), "{error}");
    }
    yard.stop().await;

    // Where webhooks are taken they are not named as events that never come.
    let unheard = async |yard: &Yard| {
        let listed = yard.backend().workflows(None).await.expect("workflows").items;
        listed.into_iter().flat_map(|workflow| workflow.unheard).count()
    };
    yard.is_told = false;
    yard.start().await;
    assert_eq!(unheard(&yard).await, 7);
    yard.stop().await;
    yard.is_told = true;
    yard.start().await;
    assert_eq!(unheard(&yard).await, 0);
    yard.stop().await;
}

const LARGE: &str = "\
on: issues
jobs:
  a:
    runs-on: x
    steps:
      - run: |
          echo \"${{ github.event.objects[29999].name }} of ${{ github.event.issue.title }}\"
          sha256sum < \"$GITHUB_EVENT_PATH\"
";

/// The body of an event is kept once, and shared; each job sees all of it, also of a run that was written down before.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_reaches_a_job_whole() {
    let mut yard = Yard::new(&[(".github/workflows/large.yml", LARGE)]).await;
    let objects: Vec<Value> =
        (0..30_000).map(|id| json!({ "id": id, "name": format!("object {id}"), "on": true })).collect();
    let body = json!({
        "action": "opened", "issue": { "title": "many", "body": "ä\n\"".repeat(1 << 20), "score": 1.5, "user": null },
        "objects": objects, "repository": { "full_name": "acme/web", "default_branch": "main" },
        "sender": { "login": "ada" },
    });
    let body = body.to_string();
    let hook = Hook::read("issues".to_owned(), None, body.clone()).expect("JSON");
    let run = yard.backend().hook(hook).await.expect("it is heard").runs[0];
    yard.over(run).await;
    let expected = ["object 29999 of many", &Digest::of(body.as_bytes()).hex()].map(str::to_owned);
    let log = yard.log(run, "a").await;
    assert!(expected.iter().all(|line| log.contains(line)), "{log}");

    yard.stop().await;
    yard.start().await;
    yard.backend().rerun(run, RerunRequest::default(), Actor::Operator).await.expect("an attempt");
    yard.attempt_over(run, 2).await;
    let log = yard.log(run, "a").await;
    assert!(expected.iter().all(|line| log.contains(line)), "{log}");
    yard.stop().await;
}

const CI: &str = "on: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";

/// Two quick pushes are told; the process is killed at a write of the second, which one is drawn. Found as one push at the next
/// start, they are two none the less, and each of them made its run once.
#[tokio::test(flavor = "multi_thread")]
async fn two_pushes_that_are_told_make_two_runs_wherever_it_is_killed() {
    // The writes of a push: that it begins, its runs, that it was told.
    for point in 0..4 {
        let mut yard = Yard::new(&[(".github/workflows/a.yml", CI), (".github/workflows/b.yml", CI)]).await;
        let first = yard.git(&["rev-parse", "HEAD"]).trim().to_owned();
        // Where the pushes come to first, so that who watches sees none of them before it is started again.
        yard.git(&["checkout", "--quiet", "--detach"]);
        let one = yard.commit("one", &[("word", "1")]);
        let two = yard.commit("two", &[("word", "2")]);
        let push =
            |before: &str, after: &str| json!({ "ref": "refs/heads/main", "before": before, "after": after });
        let heard = hear(&yard, "push", "1", push(&first, &one)).await.expect("it is heard");
        assert_eq!(heard.runs.len(), 2);
        yard.all_over(2).await;
        // Each write from the chosen one on fails, as after a kill.
        yard.sql(&format!(
            "CREATE TABLE fault (left INTEGER); INSERT INTO fault VALUES ({point});
             CREATE TRIGGER fault_setting BEFORE INSERT ON settings WHEN NEW.name LIKE 'hook.%' BEGIN
                SELECT RAISE(ABORT, 'killed') FROM fault WHERE left = 0; UPDATE fault SET left = left - 1; END;
             CREATE TRIGGER fault_run BEFORE INSERT ON runs BEGIN
                SELECT RAISE(ABORT, 'killed') FROM fault WHERE left = 0; UPDATE fault SET left = left - 1; END;"
        ));
        let refused = hear(&yard, "push", "2", push(&one, &two)).await;
        assert!(refused.is_err(), "the write {point} failed: {refused:?}");
        yard.stop().await;
        yard.sql("DROP TRIGGER fault_setting; DROP TRIGGER fault_run; DROP TABLE fault");
        yard.git(&["update-ref", "refs/heads/main", &two]);
        yard.start().await;
        yard.all_over(4).await;
        // Whoever tells again, and whoever looks again, makes no more of them.
        let again = hear(&yard, "push", "2", push(&one, &two)).await.expect("it is heard");
        assert_eq!(again.runs.len(), 0, "killed at {point}");
        yard.git(&["checkout", "--quiet", "main"]);
        yard.commit("three", &[("word", "3")]);
        let runs = yard.all_over(6).await;
        let of = |sha: &str| runs.iter().filter(|run| run.commit.sha == sha).count();
        assert_eq!((of(&one), of(&two)), (2, 2), "killed at {point}: {runs:#?}");
        assert!(runs.iter().all(|run| run.status == Status::Completed));
        yard.stop().await;
    }
}
