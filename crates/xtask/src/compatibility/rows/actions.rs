//! Actions.

use crate::compatibility::row::{Area, Page, Probe, Row, Said, Test, works};

pub(super) fn rows() -> Vec<Row> {
    let works = |feature, probe| works(Area::Actions, feature, probe);
    vec![
        works(
            "from `./`, `owner/repo/path@ref`, `docker://` and `$/`",
            Probe::Plan {
                event: "push",
                text: "on: push\njobs: {a: {runs-on: x, steps: [{uses: ./own}, {uses: o/r/p@v1}, {uses: 'docker://alpine:3'}, {uses: $/own}]}}",
            },
        )
        .tests(&[
            Test("runner/src/remote/tests.rs", "a_reference_is_a_tag_a_branch_or_a_whole_commit"),
            Test("runner/tests/it/engine/actions.rs", "an_image_is_a_step_and_its_failure_and_limit_are_told"),
        ])
        .note("fetched with git, or from `--action-mirror`")
        .gitea(Said::Works(Page::GiteaComparison))
        .forgejo(Said::Works(Page::ForgejoReference)),
        works(
            "composite, nested, with inputs, outputs and conditions",
            Probe::Action(
                "name: x
inputs: {who: {required: true, default: '${{ github.actor }}', deprecationMessage: old}}
outputs: {o: {value: '${{ steps.s.outputs.v }}'}}
runs:
  using: composite
  steps: [{id: s, run: make, shell: bash, continue-on-error: true}, {uses: ./other, if: failure()}]",
            ),
        )
        .suites(&["the runner's manifests", "the runner's manifest expressions"])
        .tests(&[Test("runner/tests/it/actions.rs", "a_composite_action_has_inputs_and_outputs_of_its_own")])
        .act(Said::Works(Page::ActMatrix))
        .forgejo(Said::Works(Page::ForgejoActions)),
        works(
            "JavaScript on Node 20 and 24, `pre`, `post` and their conditions",
            Probe::Action(
                "name: x
runs: {using: node24, main: index.js, pre: pre.js, pre-if: always(), post: post.js, post-if: success()}",
            ),
        )
        .tests(&[
            Test("runner/tests/it/remote.rs", "pre_main_and_post_share_state_and_run_in_order"),
            Test("runner/tests/it/remote.rs", "conditions_of_pre_and_post_see_how_the_job_stands"),
        ])
        .act(Said::Partly("`node12` and `node16` are named", Page::ActMatrix))
        .gitea(Said::Partly("`pre` and `post` have no part of their own in logs", Page::GiteaComparison))
        .forgejo(Said::Partly("`node20` is named", Page::ForgejoActions)),
        works("JavaScript in job containers whose image has no Node", Probe::Run)
            .suites(&["the runner's node-in-container"])
            .tests(&[Test(
                "runner/tests/it/engine/nodes.rs",
                "actions_run_by_the_node_of_the_machine_in_an_image_without_anything",
            )])
            .act(Said::Missing("the container must have it", Page::ActUnsupported))
            .forgejo(Said::Missing("the image must have it", Page::ForgejoActions)),
        works(
            "Docker: image or Dockerfile, `entrypoint`, `args`, `env`, pre and post parts",
            Probe::Action(
                "name: x
inputs: {who: {default: me}}
runs: {using: docker, image: Dockerfile, entrypoint: /run, args: ['${{ inputs.who }}'], env: {A: b}, pre-entrypoint: /pre, post-entrypoint: /post, post-if: always()}",
            ),
        )
        .suites(&["the runner's docker-image-path"])
        .tests(&[
            Test("runner/tests/it/engine/actions.rs", "an_action_with_a_dockerfile_runs_for_a_job_on_the_machine"),
            Test("runner/tests/it/engine/actions.rs", "an_action_with_a_dockerfile_runs_for_a_job_in_a_container"),
            Test(
                "runner/tests/it/engine/actions.rs",
                "pre_main_and_post_of_docker_actions_share_state_and_run_in_order",
            ),
        ])
        .act(Said::Partly("no word of the parts", Page::ActMatrix))
        .forgejo(Said::Partly("no word of the parts", Page::ForgejoActions)),
        works(
            "`plugin`, a part of GitHub's own runner",
            Probe::Action("name: x\nruns: {plugin: checkout}"),
        )
        .refused("SW0105"),
        works(
            "`.github/workflows/actions.lock`, enforced",
            Probe::Lock(
                "version: v0.0.2
workflows: {.github/workflows/ci.yml: ['a/b@v1']}
dependencies:
  a/b@v1: {ref: v1, commit: sha1-0123456789abcdef0123456789abcdef01234567, owner_id: 1, repo_id: 2}",
            ),
        )
        .tests(&[Test("runner/tests/it/remote.rs", "a_lock_file_decides_which_commit_runs")]),
        works("GitHub's own actions as they are: checkout, cache, artifacts, setup-node, github-script", Probe::Run)
            .tests(&[
                Test("shipway/tests/it/run/official.rs", "checkout_github_script_and_setup_node_for_node_24"),
                Test("shipway/tests/it/run/official.rs", "caches_for_node_24"),
                Test("shipway/tests/it/run/official.rs", "artifacts_for_node_24"),
            ])
            .note("tested where their repositories are given (`cargo xtask actions-mirror`)"),
    ]
}
