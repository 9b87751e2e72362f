//! Branches and tags that come and go in a repository that no forge tells of.

use super::Yard;
use std::os::unix::ffi::OsStrExt as _;

const EVENTS: &str = "\
on: [create, delete]
jobs:
  a:
    runs-on: x
    steps:
      - run: echo \"${{ github.event_name }} ${{ github.event.ref_type }} ${{ github.event.ref }} at $GITHUB_REF $GITHUB_SHA\"
";

/// A tag may name a file, as the one of a public key does; it is nothing to run, and no reason to run nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_a_file_and_an_odd_name_hold_nobody_up() {
    let push = "on: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";
    let mut yard = Yard::new(&[(".github/workflows/ci.yml", push)]).await;
    yard.git(&["tag", "key", "HEAD:.github/workflows/ci.yml"]);
    yard.git(&["tag", "--annotate", "--message", "x", "told", "HEAD:.github/workflows/ci.yml"]);
    // Nor does a workflow whose name is no text, or that is a submodule or a folder.
    let elsewhere = format!("160000,{},.github/workflows/module.yml", "1".repeat(40));
    yard.git(&["update-index", "--add", "--cacheinfo", &elsewhere]);
    yard.git(&["commit", "--quiet", "--message", "module"]);
    assert_eq!(yard.all_over(1).await[0].title, "module");
    yard.git(&["rm", "--quiet", "--cached", ".github/workflows/module.yml"]);
    let name = std::ffi::OsStr::from_bytes(b"\xff.yml");
    std::fs::write(yard.repository().join(".github/workflows").join(name), push).expect("a file");
    yard.commit("next", &[(".github/workflows/folder.yml/x", "")]);
    assert_eq!(yard.all_over(2).await[1].title, "next");
    yard.stop().await;
}

/// A branch whose files are not there is told as trouble, and holds up no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_branch_holds_nobody_up() {
    let push = "on: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";
    let mut yard = Yard::new(&[(".github/workflows/ci.yml", push)]).await;
    let person = "T <t@example.com> 1700000000 +0000";
    let text = format!("tree {}\nauthor {person}\ncommitter {person}\n\nbroken\n", "1".repeat(40));
    std::fs::write(yard.repository().join("broken"), text).expect("a file");
    let broken = yard.git(&["hash-object", "-t", "commit", "-w", "--literally", "broken"]);
    // Before main by its name.
    yard.git(&["update-ref", "refs/heads/a", broken.trim()]);
    yard.in_trouble().await;
    yard.commit("next", &[]);
    assert_eq!(yard.all_over(1).await[0].title, "next");
    yard.git(&["update-ref", "-d", "refs/heads/a"]);
    yard.commit("last", &[]);
    assert_eq!(yard.all_over(2).await[1].title, "last");
    yard.stop().await;
}

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
