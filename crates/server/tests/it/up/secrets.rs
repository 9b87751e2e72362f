//! Secrets and variables: who gets them, what is on the disk, what happens without the key.

use super::Yard;
use shipway_api::{Conclusion, DispatchRequest, RerunRequest, RunId, ValueKind};
use shipway_base::Secret;
use shipway_server::backend::{Actor, BackendError, BackendErrorKind, ValuePlace};

/// What it expects is spelt in two parts, so that the document does not hold what is looked for on the disk.
const MAIN: &str = "\
on: workflow_dispatch
jobs:
  plain:
    runs-on: x
    steps:
      - run: |
          echo \"token [${{ secrets.TOKEN }}] region [${{ vars.REGION }}] only [${{ secrets.ONLY }}]\"
          [ '${{ secrets.token }}' = repository-''token ] && [ -z '${{ secrets.ONLY }}' ] && [ '${{ vars.REGION }}' = eu ]
  staged:
    runs-on: x
    environment: {name: 'Sta${{ vars.PART }}'}
    steps:
      - run: |
          echo \"token [$TOKEN] region [${{ vars.REGION }}] only [${{ secrets.ONLY }}]\"
          [ \"$TOKEN\" = staging-''token ] && [ '${{ secrets.ONLY }}' = only-''staging ] && [ '${{ vars.REGION }}' = us ]
        env: {TOKEN: '${{ secrets.TOKEN }}'}
  inherits:
    uses: ./.github/workflows/called.yml
    with: {expect: \"${{ format('{0}-token', 'repository') }}\"}
    secrets: inherit
  maps:
    uses: ./.github/workflows/called.yml
    with: {expect: \"${{ format('mapped-{0}-token', 'repository') }}\"}
    secrets:
      TOKEN: mapped-${{ secrets.TOKEN }}
  none:
    uses: ./.github/workflows/called.yml
    with: {expect: ''}
";

const CALLED: &str = "\
on:
  workflow_call:
    inputs: {expect: {type: string}}
    secrets: {TOKEN: {required: false}}
jobs:
  own:
    runs-on: x
    steps:
      - run: |
          [ '${{ secrets.TOKEN }}' = '${{ inputs.expect }}' ] && [ -z '${{ secrets.ONLY }}' ]
  staged:
    runs-on: x
    environment: staging
    steps:
      - run: |
          [ '${{ secrets.TOKEN }}' = staging-''token ] && [ '${{ secrets.ONLY }}' = only-''staging ]
";

fn place(kind: ValueKind, environment: Option<&str>, name: &str) -> ValuePlace {
    ValuePlace { kind, environment: environment.map(str::to_owned), name: name.to_owned() }
}

async fn set(yard: &Yard, kind: ValueKind, environment: Option<&str>, name: &str, value: &str) {
    let place = place(kind, environment, name);
    yard.backend().set_value(place, Secret::new(value), Actor::Operator).await.expect("it is set");
}

async fn start(yard: &Yard) -> RunId {
    let request = DispatchRequest::default();
    let started = yard.backend().dispatch("main.yml".to_owned(), request, None, Actor::Operator).await;
    started.expect("a run").run
}

/// Whether a text is in any file of the data folder.
fn on_disk(folder: &std::path::Path, text: &str) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return on_disk(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_get_what_is_theirs_and_the_disk_holds_none_of_it() {
    let files = [(".github/workflows/main.yml", MAIN), (".github/workflows/called.yml", CALLED)];
    let mut yard = Yard::new(&files).await;
    set(&yard, ValueKind::Secret, None, "Token", "repository-token").await;
    set(&yard, ValueKind::Secret, Some("STAGING"), "TOKEN", "staging-token").await;
    set(&yard, ValueKind::Secret, Some("staging"), "ONLY", "only-staging").await;
    set(&yard, ValueKind::Variable, None, "REGION", "eu").await;
    set(&yard, ValueKind::Variable, None, "PART", "ging").await;
    set(&yard, ValueKind::Variable, Some("staging"), "REGION", "us").await;
    // What they are is not known to the next process but by the key in the folder.
    yard.stop().await;
    yard.start().await;
    let run = start(&yard).await;
    let over = yard.over(run).await;
    let plain = yard.log(run, "plain").await;
    let staged = yard.log(run, "staged").await;
    assert_eq!(over.summary.conclusion, Some(Conclusion::Success), "{:#?}\n{plain}\n{staged}", over.jobs);
    assert!(plain.contains("token [***] region [eu] only []"), "{plain}");
    assert!(staged.contains("token [***] region [us] only [***]"), "{staged}");

    let listed = yard.backend().values(ValueKind::Secret).await.expect("secrets").items;
    let names: Vec<(&str, Option<&str>)> =
        listed.iter().map(|item| (item.name.as_str(), item.environment.as_deref())).collect();
    assert_eq!(names, [("TOKEN", None), ("ONLY", Some("staging")), ("TOKEN", Some("staging"))]);
    assert!(listed.iter().all(|item| item.value.is_none()));
    yard.stop().await;
    for secret in ["repository-token", "staging-token", "only-staging"] {
        assert!(!on_disk(&yard.data(), secret), "{secret} is in the data folder");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_holds_a_secret_is_masked_in_rows_too() {
    let file = "on: workflow_dispatch\njobs:\n  a:\n    name: at ${{ vars.PLACE }}\n    runs-on: x\n    steps: [{run: exit 1, name: 'in ${{ vars.PLACE }}'}]\n  \
                b: {name: 'then ${{ vars.PLACE }}', needs: a, runs-on: x, steps: [{run: 'true'}]}\n";
    let mut yard = Yard::new(&[(".github/workflows/main.yml", file)]).await;
    set(&yard, ValueKind::Secret, None, "PLACE", "hidden-place").await;
    set(&yard, ValueKind::Variable, None, "PLACE", "hidden-place").await;
    let run = start(&yard).await;
    let over = format!("{:?}", yard.over(run).await);
    assert!(!over.contains("hidden-place"), "{over}");
    for name in ["at ***", "in ***"] {
        assert!(over.contains(name), "{name}: {over}");
    }
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_it_does_not_start_until_the_secrets_are_given_up() {
    let mut yard = Yard::new(&[("README", "nothing")]).await;
    set(&yard, ValueKind::Secret, None, "TOKEN", "x").await;
    yard.stop().await;
    let key = yard.data().join("secrets.key");
    let text = std::fs::read_to_string(&key).expect("the key");
    std::fs::remove_file(&key).expect("it was there");
    let refused = yard.try_start(false).await.expect_err("no key");
    assert_eq!(
        (refused.code, refused.message.contains("cannot read the key")),
        ("SW0918", true),
        "{refused:?}"
    );
    assert!(!key.exists(), "no other key is made");
    yard.key = Some(Secret::new("ab".repeat(32)));
    let refused = yard.try_start(false).await.expect_err("another key");
    assert!(
        refused.message.contains("opens 0 of 1 secrets") && refused.message.contains("TOKEN"),
        "{refused}"
    );
    // From outside, nothing of it is in the folder.
    yard.key = Some(Secret::new(text));
    yard.start().await;
    yard.stop().await;
    assert!(!key.exists());
    yard.key = None;
    yard.try_start(true).await.expect("it starts");
    assert!(yard.backend().values(ValueKind::Secret).await.expect("secrets").items.is_empty());
    set(&yard, ValueKind::Secret, None, "TOKEN", "y").await;
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_is_refused() {
    let mut yard = Yard::new(&[("README", "nothing")]).await;
    let refused = async |environment: Option<&str>, name: &str, value: &str| -> BackendError {
        let place = place(ValueKind::Variable, environment, name);
        yard.backend().set_value(place, Secret::new(value), Actor::Operator).await.expect_err("a refusal")
    };
    let large = "x".repeat(48 * 1_024 + 1);
    for (name, value, part) in [
        ("1A", "x", "is not a name"),
        ("GITHUB_X", "x", "GITHUB_"),
        ("A", "", "is empty"),
        ("A", large.as_str(), "49153 bytes"),
    ] {
        let error = refused(None, name, value).await;
        assert!(
            matches!(error.kind, BackendErrorKind::Invalid(_)) && error.to_string().contains(part),
            "{error}"
        );
    }
    for number in 0..500 {
        set(&yard, ValueKind::Variable, None, &format!("V{number}"), "x").await;
    }
    let full = refused(None, "ONE_MORE", "x").await;
    assert!(full.to_string().contains("500 variables already"), "{full}");
    set(&yard, ValueKind::Variable, None, "V7", "another value is fine").await;
    set(&yard, ValueKind::Variable, Some("e"), "ONE_MORE", "another place is fine").await;
    let gone = place(ValueKind::Variable, Some("e"), "one_more");
    yard.backend().remove_value(gone.clone(), Actor::Operator).await.expect("it is removed");
    let missing = yard.backend().remove_value(gone, Actor::Operator).await.expect_err("it is gone");
    assert!(missing.to_string().contains("there is no variable ONE_MORE of the environment e"), "{missing}");
    yard.stop().await;
}

/// There is no forge here that makes a token for each run: the operator gives one, which is `github.token` too, and who asks without one
/// is told.
#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_forge_is_what_the_operator_gives() {
    let text = "\
on: workflow_dispatch
jobs:
  a:
    runs-on: x
    steps:
      - run: |
          echo \"token [${{ github.token }}] secret [${{ secrets.GITHUB_TOKEN }}]\"
          [ '${{ github.token }}' = '${{ secrets.GITHUB_TOKEN }}' ]
      - run: \"[ -z '${{ github.token }}' ] || [ '${{ github.token }}' = forge-''token ]\"
  calls: {uses: ./.github/workflows/called.yml}
";
    let called = "\
on: workflow_call
jobs:
  b: {runs-on: x, steps: [{run: 'echo \"called [${{ github.token }}] [${{ secrets.github_token }}]\"'}]}
";
    let mut yard =
        Yard::new(&[(".github/workflows/main.yml", text), (".github/workflows/called.yml", called)]).await;
    let run = start(&yard).await;
    let over = yard.over(run).await;
    assert_eq!(over.summary.conclusion, Some(Conclusion::Success), "{}", yard.log(run, "a").await);
    assert!(yard.log(run, "a").await.contains("token [] secret []"));
    let notes: Vec<_> = over.annotations.iter().map(|note| (note.message.as_str(), note.line)).collect();
    assert!(
        matches!(notes[..], [(message, Some(7))] if message.contains("shipway secret set GITHUB_TOKEN")),
        "{notes:?}"
    );

    set(&yard, ValueKind::Secret, None, "GITHUB_TOKEN", "forge-token").await;
    let run = start(&yard).await;
    let over = yard.over(run).await;
    assert_eq!(over.summary.conclusion, Some(Conclusion::Success), "{}", yard.log(run, "a").await);
    assert!(yard.log(run, "a").await.contains("token [***] secret [***]"));
    assert!(yard.log(run, "calls/b").await.contains("called [***] [***]"));
    assert!(over.annotations.is_empty(), "{:?}", over.annotations);
    yard.stop().await;
    assert!(!on_disk(&yard.data(), "forge-token"));
}

/// As on GitHub, whose attempts read secrets when they are queued.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_runs_again_with_the_secrets_of_now() {
    let text = "\
on: workflow_dispatch
jobs:
  a:
    runs-on: x
    steps: [{run: \"[ '${{ secrets.KEY }} ${{ vars.PLACE }}' = 'right-''key eu' ]\"}]
";
    let mut yard = Yard::new(&[(".github/workflows/main.yml", text)]).await;
    set(&yard, ValueKind::Secret, None, "KEY", "wrong-key").await;
    let run = start(&yard).await;
    assert_eq!(yard.over(run).await.summary.conclusion, Some(Conclusion::Failure));
    set(&yard, ValueKind::Secret, None, "KEY", "right-key").await;
    set(&yard, ValueKind::Variable, None, "PLACE", "eu").await;
    let failed = RerunRequest { only_failed: true, ..RerunRequest::default() };
    yard.backend().rerun(run, failed, Actor::Operator).await.expect("an attempt");
    assert_eq!(yard.attempt_over(run, 2).await.summary.conclusion, Some(Conclusion::Success));
    yard.stop().await;
}
