//! Branches and tags that come and go in a repository that no forge tells of.

use super::Yard;

const EVENTS: &str = "\
on: [create, delete]
jobs:
  a:
    runs-on: x
    steps:
      - run: echo \"${{ github.event_name }} ${{ github.event.ref_type }} ${{ github.event.ref }} at $GITHUB_REF $GITHUB_SHA\"
";

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_starts_workflows_once() {
    let mut yard = Yard::new(&[(".github/workflows/refs.yml", EVENTS)]).await;
    let sha = yard.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let said = async |yard: &Yard, count: usize| {
        let run = yard.all_over(count).await.pop().expect("a run");
        yard.log(run.id, "a").await.lines().last().unwrap_or_default().to_owned()
    };
    yard.git(&["branch", "work"]);
    assert_eq!(said(&yard, 1).await, format!("create branch work at refs/heads/work {sha}"));
    // What was seen to is not seen to again after a restart, and what came and went meanwhile is.
    yard.stop().await;
    yard.git(&["tag", "v1"]);
    yard.start().await;
    assert_eq!(said(&yard, 2).await, format!("create tag v1 at refs/tags/v1 {sha}"));
    yard.git(&["branch", "--delete", "work"]);
    assert_eq!(said(&yard, 3).await, format!("delete branch work at refs/heads/main {sha}"));
    let listed = yard.backend().workflows(None).await.expect("workflows").items;
    assert!(listed.iter().all(|workflow| workflow.unheard.is_empty()), "{listed:#?}");
    // Where a forge tells of them, it does.
    yard.stop().await;
    yard.is_told = true;
    yard.start().await;
    yard.git(&["branch", "other"]);
    yard.commit(
        "on",
        &[(".github/workflows/push.yml", "on: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n")],
    );
    let runs = yard.all_over(4).await;
    assert_eq!(runs[3].event, "push", "{runs:#?}");
    yard.stop().await;
}
