//! Runs that are cancelled, again, and with force.

use super::Yard;
use shipway_api::{Conclusion, RunAction, RunId, Status};
use shipway_server::backend::Actor;
use std::time::Duration;

const CANCELLING: [RunAction; 2] = [RunAction::Cancel, RunAction::ForceCancel];

/// A workflow whose clean-up waits until the test lets it go on. `{begun}` and `{go}` are files.
const STEPS: &str = "\
on: push
jobs:
  a:
    runs-on: x
    steps:
      - run: touch '{begun}.0'; sleep 600
      - {if: always(), run: \"touch '{begun}'; until [ -e '{go}' ]; do sleep 0.05; done; echo cleaned\"}
";

/// The same with a job that cleans up.
const JOBS: &str = "\
on: push
jobs:
  a: {runs-on: x, steps: [{run: \"touch '{begun}.0'; sleep 600\"}]}
  b:
    needs: a
    if: always()
    runs-on: x
    steps: [{run: \"touch '{begun}'; until [ -e '{go}' ]; do sleep 0.05; done; echo cleaned\"}]
";

impl Yard {
    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Waits for a file that a step makes.
    async fn comes(&self, name: &str) {
        let there = async {
            while !std::path::Path::new(&self.file(name)).exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(super::PATIENCE, there).await.expect("it comes");
    }

    /// A run of this workflow whose first step runs.
    async fn begun(workflow: &str) -> (Yard, RunId) {
        let yard = Yard::new(&[("a", "a")]).await;
        let workflow = workflow.replace("{begun}", &yard.file("begun")).replace("{go}", &yard.file("go"));
        yard.commit("second", &[(".github/workflows/ci.yml", &workflow)]);
        yard.comes("begun.0").await;
        let id = yard.runs().await[0].id;
        (yard, id)
    }

    async fn actions(&self, id: RunId) -> Vec<RunAction> {
        self.backend().run(id.into()).await.expect("the run").actions
    }

    async fn cancel(&self, id: RunId) {
        self.backend().cancel_run(id, false, Actor::Operator).await.expect("it is asked to stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cancelled_twice_still_cleans_up() {
    let (mut yard, id) = Yard::begun(STEPS).await;
    assert_eq!(yard.actions(id).await, [RunAction::Cancel]);
    yard.cancel(id).await;
    assert_eq!(yard.actions(id).await, CANCELLING);
    tokio::time::sleep(Duration::from_millis(300)).await;
    yard.cancel(id).await;
    yard.comes("begun").await;
    yard.cancel(id).await;
    std::fs::write(yard.file("go"), "").expect("a file");
    let over = yard.over(id).await;
    assert_eq!(over.summary.conclusion, Some(Conclusion::Cancelled));
    assert!(yard.log(id, "a").await.contains("\ncleaned\n"), "{}", yard.log(id, "a").await);
    assert_eq!(over.actions, [RunAction::RerunFailed, RunAction::Rerun]);
    let late = yard.backend().cancel_run(id, true, Actor::Operator).await.expect_err("it is over");
    assert!(late.to_string().contains("over already"), "{late}");
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_run_that_cleans_up_can_be_forced() {
    for workflow in [STEPS, JOBS] {
        let (mut yard, id) = Yard::begun(workflow).await;
        yard.cancel(id).await;
        yard.comes("begun").await;
        yard.backend().cancel_run(id, true, Actor::Operator).await.expect("it is forced");
        let over = yard.over(id).await;
        assert_eq!(over.summary.conclusion, Some(Conclusion::Cancelled));
        for job in &over.jobs {
            assert_eq!(job.conclusion, Some(Conclusion::Cancelled), "{over:#?}");
            assert!(!yard.log(id, job.key.as_str()).await.contains("\ncleaned\n"));
        }
        yard.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cancelled_before_a_restart_is_not_cancelled_harder_after_it() {
    let (mut yard, id) = Yard::begun(JOBS).await;
    yard.cancel(id).await;
    yard.comes("begun").await;
    yard.stop().await;
    std::fs::remove_file(yard.file("begun")).expect("it was there");
    yard.start().await;
    yard.comes("begun").await;
    assert_eq!(yard.actions(id).await, CANCELLING);
    yard.cancel(id).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(yard.backend().run(id.into()).await.expect("the run").summary.status, Status::InProgress);
    std::fs::write(yard.file("go"), "").expect("a file");
    let over = yard.over(id).await;
    assert_eq!(over.summary.conclusion, Some(Conclusion::Cancelled));
    let cleaned = over.jobs.iter().find(|job| job.key.as_str() == "b").and_then(|job| job.conclusion);
    assert_eq!(cleaned, Some(Conclusion::Success), "{over:#?}");
    yard.stop().await;
}

/// A job of one run takes the place of that of another: the one that goes names it, in its steps and in its own place on the page.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_displaced_names_what_took_its_place() {
    let yard = Yard::new(&[("a", "a")]).await;
    let workflow = "\
name: CI
on: push
jobs:
  a:
    name: deploy
    concurrency: {group: G, cancel-in-progress: true}
    runs-on: x
    steps:
      - run: \"[ -e '{go}' ] || { touch '{begun}'; sleep 600; }\"
";
    let workflow = workflow.replace("{begun}", &yard.file("begun")).replace("{go}", &yard.file("go"));
    yard.commit("one", &[(".github/workflows/ci.yml", &workflow)]);
    yard.comes("begun").await;
    std::fs::write(yard.file("go"), "").expect("a file");
    yard.commit("two", &[]);
    let runs = yard.all_over(2).await;
    assert_eq!(runs[1].conclusion, Some(Conclusion::Success));
    let gone = yard.over(runs[0].id).await;
    let why = "a newer one entered the concurrency group \"g\": deploy of CI #2";
    assert_eq!(gone.summary.conclusion, Some(Conclusion::Cancelled));
    assert_eq!(gone.jobs[0].reason.as_deref(), Some(why), "{gone:#?}");
    let log = yard.log(gone.summary.id, "a").await;
    assert!(log.contains(&format!("the job was cancelled: {why}")), "{log}");
    let mut yard = yard;
    yard.stop().await;
}
