//! Called workflows of other repositories that are slow to come, or never do.

use super::Yard;
use shipway_api::{Conclusion, RunSummary, Status};
use shipway_server::backend::Actor;
use std::time::Duration;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

const FAR: &str = "\
name: far
run-name: far away on ${{ github.ref_name }}
on: push
jobs:
  here: {uses: ./.github/workflows/inner.yml}
  call: {needs: here, uses: acme/shared/.github/workflows/w.yml@v1}
";

const INNER: &str = "on: workflow_call\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";

const NEAR: &str = "name: near\non: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";

const FILES: [(&str, &str); 3] = [
    (".github/workflows/far.yml", FAR),
    (".github/workflows/inner.yml", INNER),
    (".github/workflows/near.yml", NEAR),
];

/// A server that takes every connection and answers none; its connections end when they are dropped.
async fn silent() -> (std::net::SocketAddr, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, taken) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if sender.send(stream).await.is_err() {
                return;
            }
        }
    });
    (address, taken)
}

/// A yard whose other repositories are never heard of.
async fn yard(proxy: std::net::SocketAddr, patience: Duration) -> Yard {
    let mut yard = Yard::new(&FILES).await;
    yard.stop().await;
    yard.proxy = Some(proxy);
    yard.fetch_patience = patience;
    yard.start().await;
    yard
}

/// The runs of a workflow, the oldest first, when there are so many and `is_so` is true of all of them.
async fn all(yard: &Yard, name: &str, count: usize, is_so: impl Fn(&RunSummary) -> bool) -> Vec<RunSummary> {
    let is_so = &is_so;
    yard.wait(|| async move {
        let runs = yard.runs().await.into_iter().filter(|run| run.workflow == name);
        let runs: Vec<RunSummary> = runs.collect();
        (runs.len() == count && runs.iter().all(is_so)).then_some(runs)
    })
    .await
}

fn is_over(run: &RunSummary) -> bool {
    run.status == Status::Completed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_never_answers_holds_up_nothing_else() {
    let (proxy, mut taken) = silent().await;
    let mut yard = yard(proxy, Duration::from_secs(100_000)).await;
    let mut held = Vec::new();
    for count in 1..=2 {
        yard.commit("another", &[("count", &count.to_string())]);
        let near = all(&yard, "near", count, is_over).await;
        assert!(near.iter().all(|run| run.conclusion == Some(Conclusion::Success)));
        let far = all(&yard, "far", count, |run| run.status == Status::Queued).await;
        assert_eq!(far[0].title, "another");
        held.push(taken.recv().await.expect("somebody asks"));
    }
    // One is given up by hand, the other goes on after a restart, and asks anew.
    let far = all(&yard, "far", 2, |run| run.status == Status::Queued).await;
    yard.backend().cancel_run(far[0].id, false, Actor::Operator).await.expect("it is cancelled");
    let cancelled = yard.over(far[0].id).await.summary;
    assert_eq!(cancelled.conclusion, Some(Conclusion::Cancelled));
    assert!(cancelled.failed.is_some_and(|why| why.contains("cancelled by operator")));
    yard.stop().await;
    held.clear();
    yard.start().await;
    let asked = taken.recv().await.expect("somebody asks");
    assert_eq!(yard.runs().await.iter().filter(|run| !is_over(run)).count(), 1);
    // Its repository goes away while it is asked.
    drop((asked, taken));
    let failed = yard.over(far[1].id).await;
    assert_eq!(failed.summary.conclusion, Some(Conclusion::Failure));
    let why = failed.summary.failed.expect("a reason");
    assert!(why.contains("far.yml:6") && why.contains("acme/shared") && why.contains("SW0121"), "{why}");
    assert_eq!(failed.annotations.len(), 1, "{:?}", failed.annotations);
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_has_an_end_and_a_repository_that_is_there_again_is_used() {
    let (proxy, _taken) = silent().await;
    let mut yard = yard(proxy, Duration::from_millis(50)).await;
    yard.commit("second", &[("count", "2")]);
    let far = all(&yard, "far", 1, is_over).await.remove(0);
    let why = far.failed.expect("a reason");
    assert!(why.contains("its repository did not answer within 50 ms"), "{why}");
    let notes = yard.backend().run(far.id.into()).await.expect("the run").annotations;
    assert!(notes[0].message.contains("--action-mirror DIR"), "{notes:?}");

    yard.stop().await;
    yard.fetch_patience = Duration::from_secs(100_000);
    yard.start().await;
    yard.commit("third", &[("count", "3")]);
    yard.wait(|| async { (yard.runs().await.len() == 4).then_some(()) }).await;
    yard.stop().await;
    // The next start finds it in a folder, and the run that was left has it.
    let there = yard.mirror().join("acme/shared");
    std::fs::create_dir_all(there.join(".github/workflows")).expect("folders");
    std::fs::write(there.join(".github/workflows/w.yml"), INNER).expect("a file");
    let folder = there.display().to_string();
    for arguments in [
        &["init", "--quiet", "--initial-branch=v1"][..],
        &["add", "--all"],
        &["commit", "--quiet", "--message", "shared"],
    ] {
        yard.git(&[&["-C", &folder], arguments].concat());
    }
    yard.proxy = None;
    yard.start().await;
    let far = all(&yard, "far", 2, is_over).await.remove(1);
    assert_eq!((far.conclusion, far.title.as_str()), (Some(Conclusion::Success), "far away on main"));
    let jobs = yard.backend().run(far.id.into()).await.expect("the run").jobs;
    let keys: Vec<&str> = jobs.iter().map(|job| job.key.as_str()).collect();
    assert!(keys.contains(&"here/a") && keys.contains(&"call/a"), "{keys:?}");
    // It has what it has: a restart in the middle of nothing changes no end.
    yard.stop().await;
    yard.start().await;
    assert_eq!(yard.runs().await.len(), 4);
    yard.stop().await;
}
