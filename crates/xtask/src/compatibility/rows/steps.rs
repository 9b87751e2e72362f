//! Steps.

use crate::compatibility::row::{Area, Page, Probe, Row, Said, Test, works};

pub(super) fn rows() -> Vec<Row> {
    let works = |feature, probe| works(Area::Steps, feature, probe);
    let plan = |text| Probe::Plan { event: "push", text };
    vec![
        works(
            "`run`, `id`, `name`, `if`, `env`, `working-directory`",
            plan(
                "on: push\njobs: {a: {runs-on: x, steps: [{id: s, name: Build, if: success(), run: make, env: {A: b}, working-directory: src}]}}",
            ),
        )
        .suites(&["the runner's steps", "the runner's step-env"])
        .act(Said::Works(Page::ActMatrix))
        .forgejo(Said::Works(Page::ForgejoReference)),
        works(
            "`shell`: bash, sh, pwsh, python and own ones with `{0}`",
            plan(
                "on: push\njobs: {a: {runs-on: x, steps: [{run: make, shell: bash}, {run: '1', shell: python}, {run: x, shell: 'perl -w {0}'}]}}",
            ),
        )
        .tests(&[
            Test("runner/src/shell.rs", "starts_shells_as_github_does"),
            Test("runner/tests/it/language.rs", "shells_and_directories_are_those_asked_for"),
        ])
        .note("those that are on the machine")
        .act(Said::Works(Page::ActMatrix))
        .forgejo(Said::Works(Page::ForgejoReference)),
        works(
            "`continue-on-error`, `timeout-minutes`",
            plan("on: push\njobs: {a: {runs-on: x, steps: [{run: make, continue-on-error: true, timeout-minutes: 0.5}]}}"),
        )
        .suites(&["the runner's steps"])
        .tests(&[Test("runner/tests/it/language.rs", "limits_end_steps_and_jobs")])
        .forgejo(Said::Works(Page::ForgejoReference)),
        works(
            "`background`, `wait`, `wait-all`, `cancel`, `parallel`",
            plan(
                "on: push\njobs: {a: {runs-on: x, steps: [{id: s, run: make, background: true}, {id: t, run: make, background: true}, {wait: [s]}, {cancel: t}, {parallel: [{run: a}, {run: b}]}, {wait-all: }]}}",
            ),
        )
        .suites(&["the runner's background-steps"])
        .tests(&[Test("runner/tests/it/background.rs", "no_more_than_ten_run_at_once_and_lines_belong_to_their_steps")]),
        works("cancelling: INT, TERM and KILL to the whole tree; `always()` and post steps still run", Probe::Run)
            .tests(&[
                Test("runner/tests/it/processes.rs", "a_cancelled_job_leaves_no_process"),
                Test("runner/tests/it/driving.rs", "forcing_the_end_ends_also_what_always_runs"),
            ])
            .act(Said::Missing("steps are not cancelled", Page::ActUnsupported)),
    ]
}
