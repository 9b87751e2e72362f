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
