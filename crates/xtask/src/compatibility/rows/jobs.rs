//! The keys of a job.

use crate::compatibility::row::{Area, Page, Probe, Row, Said, Test, works};

const CALLED: &str = "
on:
  workflow_call:
    inputs: {target: {type: string, required: true}}
    secrets: {token: {required: true}}
    outputs: {tag: {value: '${{ jobs.make.outputs.tag }}'}}
jobs:
  make: {runs-on: x, outputs: {tag: '${{ steps.s.outputs.t }}'}, steps: [{id: s, run: make}]}";

pub(super) fn rows() -> Vec<Row> {
    let works = |feature, probe| works(Area::Jobs, feature, probe);
    let plan = |text| Probe::Plan { event: "push", text };
    vec![
        works(
            "`needs`, `if`, `outputs`; a job starts the moment its own needs are done",
            plan(
                "on: push\njobs:
  a: {runs-on: x, outputs: {v: '${{ steps.s.outputs.v }}'}, steps: [{id: s, run: make}]}
  b: {needs: a, if: needs.a.outputs.v == '1', runs-on: x, steps: [{run: make}]}",
            ),
        )
        .suites(&["GitHub workflow-parser documents", "act job ids"])
        .act(Said::Works(Page::ActMatrix))
        .forgejo(Said::Works(Page::ForgejoReference)),
        works(
            "`strategy.matrix` with `include` and `exclude`, also from `needs`",
            plan(
                "on: push\njobs:
  a: {runs-on: x, outputs: {v: '${{ steps.s.outputs.v }}'}, steps: [{id: s, run: make}]}
  b:
    needs: a
    runs-on: x
    strategy: {matrix: {v: '${{ fromJSON(needs.a.outputs.v) }}', os: [p, q], include: [{os: r}], exclude: [{os: p}]}}
    steps: [{run: make}]",
            ),
        )
        .suites(&["act strategies"])
        .act(Said::Partly("resolved otherwise than GitHub does", Page::ActMatrix))
        .forgejo(Said::Works(Page::ForgejoReference)),
        works(
            "`fail-fast`, `max-parallel`",
            plan(
                "on: push\njobs: {a: {runs-on: x, strategy: {fail-fast: false, max-parallel: 2, matrix: {v: [1, 2, 3]}}, steps: [{run: make}]}}",
            ),
        )
        .tests(&[Test("workflow/tests/it/transcripts.rs", "a_failed_leg_ends_its_siblings")])
        .act(Said::Partly("does not fail fast; `max-parallel` is incomplete", Page::ActMatrix))
        .forgejo(Said::Partly("named in the table of contexts", Page::ForgejoReference)),
        works(
            "`runs-on`: labels, groups, expressions",
            plan(
                "on: push\njobs: {a: {runs-on: {group: g, labels: ['${{ github.ref }}', b]}, steps: [{run: make}]}}",
            ),
        )
        .note("all jobs run on this machine; [images](docker.md) may stand for labels")
        .act(Said::Works(Page::ActMatrix))
        .gitea(Said::Partly("one label only", Page::GiteaComparison))
        .forgejo(Said::Works(Page::ForgejoReference)),
        works(
            "`timeout-minutes`, `cancel-timeout-minutes`",
            plan(
                "on: push\njobs: {a: {runs-on: x, timeout-minutes: 5, cancel-timeout-minutes: '${{ 1 }}', steps: [{run: make}]}}",
            ),
        )
        .tests(&[Test("runner/tests/it/language.rs", "limits_end_steps_and_jobs")])
        .act(Said::Missing("`timeout-minutes`: ignored", Page::ActUnsupported))
        .forgejo(Said::Partly("`timeout-minutes`", Page::ForgejoReference)),
        works(
            "`continue-on-error`",
            plan("on: push\njobs: {a: {runs-on: x, continue-on-error: '${{ true }}', steps: [{run: make}]}}"),
        )
        .suites(&["GitHub workflow-parser documents"])
        .act(Said::Missing("ignored", Page::ActUnsupported))
        .forgejo(Said::Missing("ignored", Page::ForgejoDifferences)),
        works(
            "`environment` with `url` and `deployment: false`",
            plan(
                "on: push\njobs: {a: {runs-on: x, environment: {name: live, url: 'https://x', deployment: false}, steps: [{run: make}]}}",
            ),
        )
        .suites(&["GitHub workflow-parser documents"])
        .note("in identity tokens, and with secrets of its own under `shipway up`; no approvals")
        .act(Said::Missing("ignored", Page::ActUnsupported))
        .gitea(Said::Missing("ignored", Page::GiteaComparison))
        .forgejo(Said::Partly("named in the table of contexts", Page::ForgejoReference)),
        works(
            "called workflows: `with`, `secrets`, outputs, nested, in a matrix",
            Probe::Calls {
                text: "on: push\njobs:
  a:
    strategy: {matrix: {t: [p, q]}}
    uses: ./.github/workflows/called.yml
    with: {target: '${{ matrix.t }}'}
    secrets: {token: '${{ secrets.T }}'}
  b: {needs: a, runs-on: x, steps: [{run: 'echo ${{ needs.a.outputs.tag }}'}]}
  c: {uses: ./.github/workflows/called.yml, with: {target: z}, secrets: inherit}",
                called: CALLED,
            },
        )
        .suites(&["GitHub workflow-parser, called workflows"])
        .gitea(Said::Works(Page::GiteaScoped))
        .forgejo(Said::Works(Page::ForgejoReference)),
        works(
            "called workflows of other repositories",
            Probe::Calls {
                text: "on: push\njobs: {a: {uses: o/r/.github/workflows/called.yml@v1, with: {target: z}, secrets: inherit}}",
                called: CALLED,
            },
        )
        .note("fetched with git, or from `--action-mirror`")
        .gitea(Said::Works(Page::GiteaScoped))
        .forgejo(Said::Partly("of public repositories", Page::ForgejoReference)),
        works(
            "`concurrency` of a call as a whole",
            Probe::Calls {
                text: "on: push\njobs: {a: {uses: ./.github/workflows/called.yml, concurrency: g, with: {target: z}, secrets: inherit}}",
                called: CALLED,
            },
        )
        .tests(&[
            Test("runner/tests/it/driving.rs", "calls_of_one_group_take_turns_as_wholes_even_with_one_slot"),
            Test("runner/tests/it/driving.rs", "a_newer_call_ends_the_one_in_progress"),
        ])
        .act(Said::Missing("ignored", Page::ActUnsupported)),
        works(
            "`snapshot`, which asks for GitHub's own machines",
            plan("on: push\njobs: {a: {runs-on: x, snapshot: mine, steps: [{run: make}]}}"),
        )
        .refused("SW0105"),
        works(
            "expressions as keys where the keys are fixed, as in `strategy`",
            plan(
                "on: push\njobs: {a: {runs-on: x, strategy: {\"${{ github.ref }}\": 1}, steps: [{run: make}]}}",
            ),
        )
        .refused("SW0105"),
    ]
}
