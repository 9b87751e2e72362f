//! Documents that were damaged, and fixes that must hold: nothing panics, what is mended stays valid, and a second look
//! finds nothing more to mend.

use proptest::prelude::*;
use shipway_base::{Severity, Source};
use shipway_workflow::{
    document::Workflow,
    lint::{Finding, Interfaces, Kind, Options, apply, lint},
};

const DOCUMENT: &str = r#"name: CI
on:
  push: {branches: [main, 'v*']}
  pull_request_target:
  workflow_dispatch:
    inputs: {target: {type: choice, options: [a, b]}}
permissions: write-all
env: {A: '1'}
jobs:
  build:
    runs-on: ${{ matrix.os }}
    strategy:
      matrix: {os: [ubuntu-latest, windows-latest], include: [{extra: x}], exclude: [{os: none}]}
    outputs: {tag: '${{ steps.tag.outputs.tag }}'}
    steps:
      - uses: actions/checkout@v4
        with: {ref: '${{ github.head_ref }}'}
      - id: tag
        run: |
          echo "::set-output name=tag::$A"
          echo "${{ github.event.pull_request.title }}"
        if: contains('a b', github.ref) && matrix.none
        shell: bash
      - uses: actions/github-script@v7
        with:
          script: console.log("${{ github.head_ref }}")
  deploy: # shipway-lint: ignore missing-timeout because it is a test
    needs: [build]
    runs-on: [self-hosted]
    if: needs.build.result == 'ok' || inputs.target
    steps:
      - run: echo "T=$T" >> $GITHUB_ENV
        env:
          T: ${{ github.event.issue.title }}
      - uses: actions/upload-artifact@v3
        with: {path: .}
"#;

fn look(text: &str, kind: Kind) -> Vec<Finding> {
    lint(&Source::new("ci.yml", text), kind, &Interfaces::new().whole(), Options { pedantic: true })
}

fn errors(text: &str) -> Vec<&'static str> {
    let (_, found) = Workflow::parse(&Source::new("ci.yml", text));
    found.iter().filter(|found| found.severity == Severity::Error).map(|found| found.code).collect()
}

/// Replaces, doubles or removes a piece of the document.
fn damaged() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(String::new()),
        Just("${{".to_owned()),
        Just("}}".to_owned()),
        Just(": ".to_owned()),
        Just("\n".to_owned()),
        Just("${{ github.head_ref }}".to_owned()),
        Just("é\"'".to_owned()),
        Just("- ".to_owned()),
        Just("&a *a".to_owned()),
        any::<String>(),
    ];
    proptest::collection::vec((0..DOCUMENT.len(), 0..12_usize, piece), 1..6).prop_map(|cuts| {
        let mut text = DOCUMENT.to_owned();
        for (at, length, piece) in cuts {
            let boundary = |at: usize, text: &str| {
                (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
            };
            let (from, to) = (boundary(at, &text), boundary(at + length, &text));
            text.replace_range(from..to.max(from), &piece);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_documents_never_make_it_panic(text in damaged()) {
        for kind in [Kind::Workflow, Kind::Action] {
            for finding in look(&text, kind) {
                let range = finding.source.byte_range(finding.span);
                prop_assert!(text.get(range).is_some());
            }
        }
    }

    #[test]
    fn fixes_end_and_make_nothing_worse(text in damaged()) {
        let before = errors(&text);
        let mut now = text;
        for _ in 0..20 {
            let found = look(&now, Kind::Workflow);
            let fixable = found.iter().filter(|finding| finding.fix.is_some()).count();
            let (next, count) = apply(&now, &found);
            prop_assert!(count <= fixable);
            if count == 0 {
                prop_assert_eq!(fixable, 0);
                return Ok(());
            }
            prop_assert_eq!(errors(&next), before.clone(), "{}", next);
            let left = look(&next, Kind::Workflow).iter().filter(|finding| finding.fix.is_some()).count();
            prop_assert!(left < fixable, "{} fixes before, {} after\n{}\n---\n{}", fixable, left, now, next);
            now = next;
        }
        prop_assert!(false, "it never ends");
    }

    #[test]
    fn any_text_is_taken(text: String) {
        look(&text, Kind::Workflow);
        look(&text, Kind::Action);
    }
}
