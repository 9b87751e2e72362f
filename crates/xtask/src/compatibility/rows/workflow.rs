//! Events and filters, and the keys of a workflow.

use crate::compatibility::row::{Area, Page, Probe, Row, Said, Test, works};

pub(super) fn triggers() -> Vec<Row> {
    let works = |feature, probe| works(Area::Triggers, feature, probe);
    vec![
        works(
            "every event of GitHub's, with `types`",
            Probe::Plan {
                event: "pull_request",
                text: "on: {pull_request: {types: [labeled, opened, synchronize, reopened]}, issues: , gollum: }
jobs: {a: {runs-on: x, steps: [{run: make}]}}",
            },
        )
        .suites(&["GitHub's schemas, events"])
        .note("`shipway run` takes any event; `shipway up` makes runs of pushes, by hand and by the clock")
        .act(Said::Partly("basic support; what the local repository tells", Page::ActUsage))
        .gitea(Said::Partly("14 events are listed", Page::GiteaFaq))
        .forgejo(Said::Partly("8 events are described", Page::ForgejoReference)),
        works(
            "`branches`, `tags`, `paths` and their `-ignore` forms, with `!`",
            Probe::Plan {
                event: "push",
                text: "on: {push: {branches: ['**', '!old/**'], paths: ['src/**', '!**.md'], tags-ignore: [x]}}
jobs: {a: {runs-on: x, steps: [{run: make}]}}",
            },
        )
        .suites(&["act filter patterns"])
        .forgejo(Said::Works(Page::ForgejoReference)),
        works(
            "`schedule` with `timezone`",
            Probe::Plan {
                event: "schedule",
                text: "on: {schedule: [{cron: '30 5 * * 1-5', timezone: Europe/Berlin}]}
jobs: {a: {runs-on: x, steps: [{run: make}]}}",
            },
        )
        .tests(&[Test("workflow/src/event/cron.rs", "clocks_are_put_forward_and_back")])
        .act(Said::Partly("started by hand: `act schedule`", Page::ActUsage))
        .gitea(Said::Partly("takes `@daily` and the like as well; no word of zones", Page::GiteaComparison))
        .forgejo(Said::Partly("another rule when clocks change", Page::ForgejoReference)),
        works(
            "`workflow_dispatch` with typed inputs",
            Probe::Plan {
                event: "workflow_dispatch",
                text: "on: {workflow_dispatch: {inputs: {level: {type: choice, options: [a, b], default: a}, fast: {type: boolean}}}}
jobs: {a: {runs-on: x, steps: [{run: 'echo ${{ inputs.level }}'}]}}",
            },
        )
        .tests(&[Test("workflow/tests/it/triggers.rs", "inputs_are_typed_and_defaulted")])
        .act(Said::Works(Page::ActUsage))
        .gitea(Said::Works(Page::GiteaFaq))
        .forgejo(Said::Works(Page::ForgejoReference)),
    ]
}

pub(super) fn keys() -> Vec<Row> {
    let works = |feature, probe| works(Area::Workflow, feature, probe);
    let plan = |text| Probe::Plan { event: "push", text };
    vec![
        works(
            "`run-name`",
            plan("on: push\nrun-name: Build of ${{ github.ref }}\njobs: {a: {runs-on: x, steps: [{run: make}]}}"),
        )
        .suites(&["GitHub workflow-parser cases"])
        .act(Said::Missing("ignored", Page::ActUnsupported))
        .forgejo(Said::Partly("named in the table of contexts", Page::ForgejoReference)),
        works(
            "`permissions`, narrowed by jobs and calls",
            plan(
                "on: push\npermissions: {contents: write, id-token: write}
jobs: {a: {runs-on: x, permissions: {contents: read}, steps: [{run: make}]}}",
            ),
        )
        .suites(&["GitHub workflow-parser, called workflows"])
        .note("in the claims of tokens and of services; there is no API of GitHub's to guard")
        .act(Said::Missing("of jobs: ignored", Page::ActUnsupported))
        .gitea(Said::Partly("scopes of its own; no `id-token`, `checks` and others", Page::GiteaPermissions))
        .forgejo(Said::Missing("of jobs: ignored", Page::ForgejoDifferences)),
        works(
            "`concurrency` of a workflow and of jobs, `cancel-in-progress`",
            plan(
                "on: push\nconcurrency: {group: 'ci-${{ github.ref }}', cancel-in-progress: true}
jobs: {a: {runs-on: x, concurrency: deploy, steps: [{run: make}]}}",
            ),
        )
        .tests(&[
            Test("runner/tests/it/driving.rs", "jobs_of_one_concurrency_group_never_run_at_once"),
            Test("runner/src/groups.rs", "one_runs_one_waits_the_newest_displaces"),
        ])
        .act(Said::Missing("ignored", Page::ActUnsupported))
        .forgejo(Said::Partly("of workflows only", Page::ForgejoReference)),
        works(
            "`concurrency` with `queue: max`",
            plan(
                "on: push\nconcurrency: {group: line, queue: max}
jobs: {a: {runs-on: x, steps: [{run: make}]}}",
            ),
        )
        .tests(&[Test("runner/src/groups.rs", "with_a_long_queue_all_take_turns_and_the_last_is_turned_away")])
        .act(Said::Missing("ignored", Page::ActUnsupported)),
        works(
            "`env` and `defaults`",
            plan(
                "on: push\nenv: {A: b}\ndefaults: {run: {shell: bash, working-directory: src}}
jobs: {a: {runs-on: x, env: {C: '${{ github.sha }}'}, defaults: {run: {shell: sh}}, steps: [{run: make}]}}",
            ),
        )
        .suites(&["the runner's step-env"])
        .act(Said::Works(Page::ActMatrix))
        .forgejo(Said::Works(Page::ForgejoReference)),
        works(
            "`cache-mode`",
            plan("on: push\ncache-mode: read\njobs: {a: {runs-on: x, cache-mode: none, steps: [{run: make}]}}"),
        )
        .tests(&[Test("services/tests/it/caches.rs", "the_mode_is_enforced_here_whatever_the_client_does")]),
        works(
            "YAML anchors and aliases",
            plan("on: push\njobs: {a: &a {runs-on: x, steps: [{run: make}]}, b: *a}"),
        ),
        works("merge keys (`<<`), which GitHub refuses too", plan("on: push\njobs: {a: {<<: {}, runs-on: x, steps: [{run: make}]}}"))
            .refused("SW0101"),
        works("everything wrong in a file is told in one pass, with its place", Probe::Run)
            .suites(&["GitHub's schemas, keys", "GitHub workflow-parser places", "SchemaStore workflows, invalid"]),
    ]
}
