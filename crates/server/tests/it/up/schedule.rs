//! Schedules: the clock is moved by the test.

use super::{START, Yard};
use shipway_base::Timestamp;
use shipway_store::Store;
use std::time::Duration;

const NIGHTLY: &str = "\
name: nightly
on:
  schedule:
    - cron: '*/10 * * * *'
    - {cron: '30 12 * * *', timezone: Asia/Kolkata}
jobs:
  a:
    runs-on: x
    steps:
      - run: echo \"by ${{ github.event.schedule }} on $GITHUB_REF at $GITHUB_EVENT_NAME\"
";

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn each_instant_makes_one_run_and_what_was_missed_makes_one() {
    // 10:00 UTC, half past three in the afternoon in Kolkata.
    assert_eq!(START.to_string(), "2026-11-26T10:00:00.000Z");
    let mut yard = Yard::new(&[(".github/workflows/nightly.yml", NIGHTLY)]).await;
    yard.seen_schedules(2).await;
    yard.clock.advance(10 * MINUTE);
    let first = yard.all_over(1).await.remove(0);
    assert_eq!((first.event.as_str(), first.branch.as_str()), ("schedule", "main"));
    let log = yard.log(first.id, "a").await;
    assert!(log.contains("by */10 * * * * on refs/heads/main at schedule"), "{log}");
    yard.clock.advance(9 * MINUTE);
    yard.clock.advance(MINUTE);
    yard.all_over(2).await;

    // Three hours go by with nobody there: eighteen instants, of which the last counts.
    yard.stop().await;
    yard.clock.advance(180 * MINUTE);
    yard.start().await;
    yard.all_over(3).await;

    // A process that was killed before it wrote down what it had done asks for the same run again, and gets none.
    yard.stop().await;
    let store = Store::open(&yard.data(), yard.clock.clock()).expect("the store");
    let handled = store.setting("schedule.handled").await.expect("an answer").expect("it is stored");
    let text = String::from_utf8(handled).expect("text");
    let before = START.as_micros() + 20 * 60_000_000;
    let older: String = text
        .lines()
        .map(|line| line.split_once('\t').expect("a line").1)
        .map(|key| format!("{before}\t{key}\n"))
        .collect();
    store.put_setting("schedule.handled", older.into_bytes()).await.expect("stored");
    drop(store);
    yard.start().await;
    yard.seen_schedules(2).await;
    yard.clock.advance(10 * MINUTE);
    yard.all_over(4).await;

    // Until half past twelve of the next day in Kolkata: one run by it, one by the other line.
    yard.stop().await;
    yard.clock.advance(Duration::from_secs(18 * 3_600));
    yard.start().await;
    let runs = yard.all_over(6).await;
    let logs = [yard.log(runs[4].id, "a").await, yard.log(runs[5].id, "a").await].concat();
    assert!(logs.contains("by 30 12 * * *") && logs.contains("by */10"), "{logs}");
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_default_branch_has_schedules_and_they_count_from_when_they_are_seen() {
    let mut yard = Yard::new(&[("README", "nothing yet")]).await;
    yard.git(&["checkout", "--quiet", "-b", "work"]);
    yard.commit("on a branch", &[(".github/workflows/nightly.yml", NIGHTLY)]);
    yard.clock.advance(60 * MINUTE);
    let sentinel = "on: workflow_dispatch\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";
    yard.git(&["checkout", "--quiet", "main"]);
    yard.commit("something else", &[(".github/workflows/by-hand.yml", sentinel)]);
    yard.clock.advance(60 * MINUTE);
    yard.git(&["merge", "--quiet", "work"]);
    yard.seen_schedules(2).await;
    assert!(yard.runs().await.is_empty(), "neither the other branch nor the time before counts");
    yard.clock.advance(10 * MINUTE);
    yard.all_over(1).await;
    // Taken away and put back, it counts anew.
    yard.git(&["rm", "--quiet", ".github/workflows/nightly.yml"]);
    // Another schedule, far away, tells that the commit without the first was seen.
    let yearly = sentinel.replace("workflow_dispatch", "{schedule: [{cron: 0 0 1 1 *}]}");
    yard.commit("gone", &[(".github/workflows/yearly.yml", &*yearly)]);
    yard.seen_schedules(1).await;
    yard.clock.advance(30 * MINUTE);
    yard.commit("back", &[(".github/workflows/nightly.yml", NIGHTLY)]);
    yard.seen_schedules(3).await;
    assert_eq!(yard.runs().await.len(), 1);
    let listed = yard.backend().workflows(None).await.expect("workflows");
    let nightly = listed.items.iter().find(|workflow| workflow.file == "nightly.yml").expect("it is listed");
    let next: Vec<Option<Timestamp>> = nightly.schedules.iter().map(|schedule| schedule.next_at).collect();
    let at = |minutes: u64| Some(START + Duration::from_secs(minutes * 60));
    assert_eq!(next, [at(170), at(21 * 60)]);
    yard.stop().await;
}
