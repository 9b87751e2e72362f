//! Expressions, and what steps say to the runner by commands and files.

use crate::compatibility::row::{Area, Page, Probe, Row, Said, Test, works};

pub(super) fn rows() -> Vec<Row> {
    let works = |feature, probe| works(Area::Expressions, feature, probe);
    let value = |text, json| Probe::Value { text, json };
    vec![
        works(
            "operators, types, comparing as GitHub does",
            value("!(1 > 2) && 'A' == 'a' && null == 0 && fromJSON('[1,2]')[1]", "2"),
        )
        .suites(&["GitHub's expression cases"])
        .gitea(Said::Partly("only `always()`", Page::GiteaComparison))
        .forgejo(Said::Works(Page::ForgejoBasics)),
        works(
            "`contains`, `startsWith`, `endsWith`, `format`, `join`, `toJSON`, `fromJSON`",
            value("format('{0}-{1}', join(fromJSON('[1,2]'), '+'), contains('Abc', 'B'))", "\"1+2-true\""),
        )
        .suites(&["GitHub's expression cases", "act's table of functions"])
        .gitea(Said::Partly("only `always()`", Page::GiteaComparison))
        .forgejo(Said::Works(Page::ForgejoBasics)),
        works("`case`", value("case(false, 1, 2 > 1, 'b', 'c')", "\"b\""))
            .suites(&["GitHub's expression cases"])
            .gitea(Said::Partly("only `always()`", Page::GiteaComparison)),
        works("`hashFiles` with GitHub's digest", Probe::Run)
            .suites(&["the runner's hash-files"])
            .gitea(Said::Partly("only `always()`", Page::GiteaComparison))
            .forgejo(Said::Partly("needs Node in the container", Page::ForgejoBasics)),
        works(
            "`success`, `failure`, `cancelled`, `always`, with ids of jobs",
            Probe::Plan {
                event: "push",
                text: "on: push\njobs:
  a: {runs-on: x, steps: [{run: make}, {if: '!cancelled()', run: make}]}
  b: {needs: a, if: failure('a'), runs-on: x, steps: [{run: make}]}",
            },
        )
        .suites(&["the runner's status functions", "the runner's status-functions"])
        .gitea(Said::Partly("only `always()`", Page::GiteaComparison))
        .forgejo(Said::Partly("`success`, `always`, `failure`", Page::ForgejoBasics)),
        works("contexts and functions are checked key by key", Probe::Run)
            .suites(&["GitHub's schemas, contexts and functions"])
            .gitea(Said::Missing("not checked", Page::GiteaComparison))
            .forgejo(Said::Works(Page::ForgejoReference)),
        works("the contexts `github`, `env`, `vars`, `job`, `steps`, `runner`, `secrets`, `strategy`, `matrix`, `needs`, `inputs`", Probe::Run)
            .tests(&[
                Test("runner/tests/it/language.rs", "hash_files_and_contexts_are_those_of_the_workspace"),
                Test("runner/tests/it/language.rs", "values_travel_from_step_to_step_and_job_to_job"),
            ])
            .act(Said::Partly("`github` is incomplete", Page::ActUnsupported))
            .forgejo(Said::Partly("`github` lacks some keys", Page::ForgejoDifferences)),
    ]
}

pub(super) fn commands() -> Vec<Row> {
    let works = |feature| works(Area::Commands, feature, Probe::Run);
    vec![
        works("`GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_PATH`, `GITHUB_STATE`")
            .suites(&[
                "the runner's file-command-env",
                "the runner's file-command-output",
                "the runner's file-command-state",
            ])
            .forgejo(Said::Partly("without `STATE`", Page::ForgejoReference)),
        works("`GITHUB_STEP_SUMMARY`")
            .suites(&["the runner's step-summary"])
            .act(Said::Missing("discarded", Page::ActUnsupported)),
        works("`::commands::` and `##[...]`, `stop-commands`").suites(&[
            "the runner's command-parse",
            "the runner's command-session",
            "the runner's output-stream",
        ]),
        works("annotations with file, line and column")
            .suites(&["the runner's annotation-properties"])
            .act(Said::Missing("ignored", Page::ActUnsupported))
            .gitea(Said::Missing("ignored", Page::GiteaComparison)),
        works("problem matchers, with `fromPath` and loops")
            .suites(&[
                "the runner's problem-matcher-config",
                "the runner's problem-matcher-lines",
                "the runner's problem-matcher-files",
            ])
            .act(Said::Missing("ignored", Page::ActUnsupported))
            .gitea(Said::Missing("ignored", Page::GiteaComparison)),
        works("masks: secrets, their lines, and their base64, URL, JSON, XML and shell forms")
            .suites(&["the runner's masking"])
            .tests(&[
                Test("runner/tests/it/masks.rs", "no_report_shows_a_secret"),
                Test("runner/src/mask.rs", "an_endless_line_cannot_hide_a_secret_at_a_cut"),
            ]),
    ]
}
