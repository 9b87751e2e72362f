//! Built-in actions: what they leave to the real ones.

use super::{contains, events, expect, log, on_push, repository};
use crate::support::Folder;

/// What stands for the real checkout: it says what it was given.
const STAND_IN: &str = "name: checkout
inputs:
  sparse-checkout: {}
  repository: {default: '${{ github.repository }}'}
  submodules: {default: 'false'}
runs:
  using: composite
  steps:
    - shell: bash
      run: echo \"real [${{ inputs.sparse-checkout }}] [${{ inputs.repository }}] [${{ inputs.submodules }}]\"
    - uses: actions/checkout/inner@main
";

/// What it names in turn, which nobody could know of when the job was set up.
const INNER: &str = "name: inner\nruns: {using: composite, steps: [{shell: bash, run: echo from within}]}\n";

const JOBS: &str = r#"  a:
    runs-on: x
    env: {OTHER: you/other, NO: 'false', NONE: ''}
    steps:
      - uses: actions/checkout@main
        with: {submodules: '${{ env.NO }}', sparse-checkout: '${{ env.NONE }}', repository: '${{ github.repository }}'}
      - run: test -e .github/workflows/ci.yml
      - {uses: actions/checkout@main, with: {sparse-checkout: docs}}
      - {uses: actions/checkout@main, with: {repository: '${{ env.OTHER }}', path: other}}
      - {uses: Actions/Checkout@main, with: {submodules: recursive}}
"#;

#[test]
fn what_a_built_in_action_does_not_do_the_real_one_does() {
    let folder = repository(&on_push(JOBS));
    let (real, mirror) =
        (Folder::repository(&[("action.yml", STAND_IN), ("inner/action.yml", INNER)]), Folder::new());
    std::fs::create_dir(mirror.path().join("actions")).expect("a folder");
    std::os::unix::fs::symlink(real.path(), mirror.path().join("actions/checkout")).expect("a link");
    let mirror = mirror.path().to_string_lossy().into_owned();
    let answer = expect(&folder, &["--json", "--action-mirror", &mirror], 0);
    let events = events(&answer);
    let log = log(&events);
    let said: Vec<&str> = log.iter().copied().filter(|line| line.starts_with("real [")).collect();
    assert_eq!(said.len(), 3, "{log:#?}");
    assert_eq!(log.iter().filter(|line| **line == "from within").count(), 3, "{log:#?}");
    assert!(said[0].starts_with("real [docs] ["), "{said:?}");
    assert_eq!(said[1], "real [] [you/other] [false]");
    assert!(said[2].ends_with("[recursive]"), "{said:?}");
    for told in ["has no input sparse-checkout", "does not check out you/other", "does not do submodules"] {
        assert!(
            log.iter().any(|line| line.contains(told) && line.ends_with("itself is used")),
            "{told}: {log:#?}"
        );
    }
    assert_eq!(log.iter().filter(|line| line.contains("The built-in checkout is used")).count(), 1);
}

#[test]
fn a_real_action_that_cannot_be_had_is_told_with_the_reason_for_it() {
    let jobs = "  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n        with:\n          lfs: true\n";
    let folder = repository(&on_push(jobs));
    std::fs::create_dir(folder.path().join("mirror")).expect("a folder");
    let answer = expect(&folder, &["--action-mirror", "mirror"], 1);
    contains(
        &answer,
        &[
            "ci.yml:6:",
            "the built-in checkout does not do lfs",
            "no repository actions/checkout",
            "git clone --mirror",
        ],
    );
}
