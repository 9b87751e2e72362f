//! Pushes that are found in the repository: what is told of them, and what path filters go by.

use super::Yard;
use shipway_api::RunSummary;

const TELL: &str = "\
on: push
jobs:
  a:
    runs-on: x
    steps:
      - run: |
          echo \"commits ${{ join(github.event.commits.*.message) }} new ${{ join(github.event.commits.*.distinct) }} \
head ${{ github.event.head_commit.message }} of ${{ github.event.base_ref }}\"
          echo \"created ${{ github.event.created }} forced ${{ github.event.forced }} deleted ${{ github.event.deleted }}\"
";

const OF_PATHS: &str = "\
on: {push: {paths: [src/**]}}
jobs: {a: {runs-on: x, steps: [{run: 'true'}]}}
";

/// The paths of the workflows that ran beside the first ones, and the two last lines of the one that tells.
async fn said(yard: &Yard, before: usize, count: usize) -> (Vec<String>, String) {
    let runs = yard.all_over(before + count).await.split_off(before);
    let mut paths: Vec<String> = runs.iter().map(|run| run.path.clone()).collect();
    paths.sort();
    let teller = runs.iter().find(|run| run.path.ends_with("tell.yml")).expect("one that tells");
    let log = yard.log(teller.id, "a").await;
    let lines: Vec<&str> = log.lines().collect();
    (paths, lines[lines.len() - 2..].join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_tells_all_its_commits() {
    let files = [(".github/workflows/tell.yml", TELL), (".github/workflows/paths.yml", OF_PATHS)];
    let mut yard = Yard::new(&files).await;
    let both = [".github/workflows/paths.yml", ".github/workflows/tell.yml"];
    let one = &both[1..];
    // All of these are found at once, as what is pushed together is.
    yard.stop().await;
    yard.commit("c1", &[("src/a", "1")]);
    yard.commit("c2", &[("b", "2")]);
    yard.commit("c3", &[("b", "3")]);
    yard.start().await;
    let (paths, lines) = said(&yard, 0, 2).await;
    assert_eq!(paths, both, "the paths of all commits count");
    assert_eq!(
        lines,
        "commits c1,c2,c3 new true,true,true head c3 of \ncreated false forced false deleted false"
    );
    // A branch that is new, from one that is there.
    yard.stop().await;
    yard.git(&["checkout", "--quiet", "-b", "work"]);
    yard.commit("d1", &[("b", "4")]);
    yard.commit("d2", &[("b", "5")]);
    yard.start().await;
    let (paths, lines) = said(&yard, 2, 1).await;
    assert_eq!(paths, one);
    assert_eq!(lines, "commits d1,d2 new true,true head d2 of \ncreated true forced false deleted false");
    // Its commits come to main, and are not new there; a tag of the same has none of its own, and no paths.
    yard.stop().await;
    yard.git(&["branch", "--force", "main", "work"]);
    yard.git(&["tag", "v1"]);
    yard.start().await;
    let runs = yard.all_over(6).await;
    let log = async |branch: &str| {
        let tells = |run: &&RunSummary| run.branch == branch && run.path.ends_with("tell.yml");
        let run = runs.iter().skip(3).find(tells).expect("its run");
        yard.log(run.id, "a").await
    };
    let main = log("main").await;
    assert!(main.contains("commits d1,d2 new false,false head d2 of \n"), "{main}");
    let tag = log("v1").await;
    assert!(tag.contains("commits  new  head d2 of refs/heads/main\ncreated true"), "{tag}");
    // Back by two, and one elsewhere.
    yard.stop().await;
    yard.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    yard.commit("e1", &[("src/a", "6")]);
    yard.start().await;
    let (paths, lines) = said(&yard, 6, 2).await;
    assert_eq!(paths, both);
    assert_eq!(lines, "commits e1 new true head e1 of \ncreated false forced true deleted false");
    yard.stop().await;
}
