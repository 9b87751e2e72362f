//! Secrets do not leave the runner.

use crate::world::World;
use shipway_base::Secret;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_report_shows_a_secret() {
    let mut world = World::new();
    world.secret("PASS", "correct-horse");
    world.secret("KEY", "line-one-abc\nline-two-def");
    Arc::make_mut(&mut world.context.secret_env).insert("SHIPWAY_TOKEN".to_owned(), Secret::new("tok-12345"));
    let story = world
        .run(
            r##"
on: push
jobs:
  job:
    runs-on: host
    outputs:
      bad: ${{ steps.s.outputs.bad }}
      good: ${{ steps.s.outputs.good }}
    steps:
    - id: s
      name: with ${{ secrets.PASS }}
      env: {PASS: '${{ secrets.PASS }}', KEY: '${{ secrets.KEY }}'}
      run: |
        printf 'split: correct-'; sleep 0.1; printf 'horse.\n'
        printf 'user:%s' "$PASS" | base64
        echo "$KEY"
        echo "$SHIPWAY_TOKEN"
        echo "${{ secrets.PASS }}"
        echo "::add-mask::late-""secret"
        echo "now late-""secret"
        echo "::error::says correct-horse"
        echo "bad=x-$PASS" >> "$GITHUB_OUTPUT"
        echo "good=fine" >> "$GITHUB_OUTPUT"
        echo "# correct-horse" >> "$GITHUB_STEP_SUMMARY"
"##,
        )
        .await;
    story.expect_success().expect_line("split: ***.").expect_line("now ***");
    let everything = format!("{:?}", story.reports);
    for secret in
        ["correct-horse", "line-one-abc", "line-two-def", "tok-12345", "late-secret", "29ycmVjdC1ob3JzZ"]
    {
        assert!(!everything.contains(secret), "{secret} in {}", story.log());
    }
    assert_eq!(story.outputs("job").into_keys().collect::<Vec<_>>(), ["good"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_report_shows_a_secret_without_the_blanks_around_it() {
    let mut world = World::new();
    world.secret("PADDED", "  padded secret ");
    world.secret("KEY", "-----BEGIN\n   indented key line\n");
    let story = world
        .run(
            r##"
on: push
jobs:
  job:
    runs-on: host
    outputs:
      bad: ${{ steps.s.outputs.bad }}
      good: ${{ steps.s.outputs.good }}
    steps:
    - id: s
      env: {PADDED: '${{ secrets.PADDED }}', KEY: '${{ secrets.KEY }}'}
      run: |
        echo $PADDED
        echo "$KEY" | while read line; do echo "read: $line"; done
        echo "$KEY" | sed 's/^ *//' | tail -n 2 | head -c 12; sleep 0.1; echo "end"
        echo "::add-mask::  spaced ""val  "
        echo "::add-mask::line1 v""al%0A  line2 v""al  "
        echo "spaced ""val, line2 v""al"
        echo "bad=x$(echo $PADDED)y" >> "$GITHUB_OUTPUT"
        echo "good=fine" >> "$GITHUB_OUTPUT"
"##,
        )
        .await;
    story.expect_success().expect_line("read: ***").expect_line("***, ***");
    let everything = format!("{:?}", story.reports);
    for secret in ["padded secret", "indented key line", "spaced val", "line2 val"] {
        assert!(!everything.contains(secret), "{secret} in {}", story.log());
    }
    assert_eq!(story.outputs("job").into_keys().collect::<Vec<_>>(), ["good"]);
}
