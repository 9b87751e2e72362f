//! Where jobs run, and the services that official actions need.

use crate::compatibility::row::{Area, Page, Probe, Row, Said, Test, works};

pub(super) fn rows() -> Vec<Row> {
    let works = |feature, probe| works(Area::Places, feature, probe);
    let plan = |text| Probe::Plan { event: "push", text };
    vec![
        works("jobs on the machine itself", Probe::Run)
            .tests(&[Test("runner/tests/it/processes.rs", "a_run_that_is_dropped_leaves_no_process")])
            .act(Said::Works(Page::ActRunners))
            .gitea(Said::Works(Page::GiteaRunner))
            .forgejo(Said::Works(Page::ForgejoReference)),
        works("jobs that are [kept apart](isolation.md) by the kernel, without containers", Probe::Run)
            .tests(&[Test("runner/src/sandbox/filter.rs", "the_filter_can_be_made_here")]),
        works(
            "`container`: image, credentials, `env`, `ports`, `volumes`, `options`",
            plan(
                "on: push\njobs: {a: {runs-on: x, container: {image: 'alpine:3', env: {A: b}, ports: [80], volumes: ['/a:/b'], options: --cpus 1, credentials: {username: u, password: '${{ secrets.P }}'}}, steps: [{run: make}]}}",
            ),
        )
        .suites(&["the runner's docker-image-field", "the runner's docker-registry-host"])
        .tests(&[
            Test("runner/tests/it/engine/jobs.rs", "steps_run_in_the_container_with_the_paths_of_github"),
            Test("runner/tests/it/engine/images.rs", "volumes_and_options_reach_the_container"),
        ])
        .act(Said::Partly("image and credentials; `--hostname` of the options", Page::ActMatrix))
        .forgejo(Said::Partly("some options; volumes from a list that is allowed", Page::ForgejoReference)),
        works(
            "`services` with health, ports, `entrypoint` and `command`",
            plan(
                "on: push\njobs: {a: {runs-on: x, services: {db: {image: 'postgres:17', ports: ['5432:5432'], options: --health-cmd pg_isready, entrypoint: /run, command: -v}}, steps: [{run: make}]}}",
            ),
        )
        .suites(&["the runner's docker-port-output"])
        .tests(&[
            Test("runner/tests/it/engine/services.rs", "a_job_in_a_container_reaches_its_service_by_name"),
            Test("runner/tests/it/engine/services.rs", "a_service_that_fails_its_check_is_shown_with_its_last_lines"),
        ])
        .gitea(Said::Partly("they have no part of their own in logs", Page::GiteaComparison))
        .forgejo(Said::Partly("some options; `cmd` in the place of `command`", Page::ForgejoReference)),
    ]
}

pub(super) fn services() -> Vec<Row> {
    let works = |feature| works(Area::Services, feature, Probe::Run);
    vec![
        works("caches, version 2 and version 1")
            .suites(&["the runner's action-runtime-env", "the runner's action-runtime-env, as served"])
            .tests(&[
                Test("services/tests/it/caches.rs", "a_cache_is_saved_in_blocks_and_restored_in_ranges"),
                Test("services/tests/it/caches_v1.rs", "a_cache_goes_round_in_chunks"),
            ])
            .gitea(Said::Partly("to be set up when the runner is a container", Page::GiteaRunner))
            .forgejo(Said::Works(Page::ForgejoAdvanced)),
        works("scopes of caches: own ref, base, default branch; pull requests only read").tests(&[
            Test("services/tests/it/caches.rs", "keys_are_searched_as_on_github"),
            Test("services/tests/it/caches.rs", "a_pull_request_cannot_write_for_others"),
        ]),
        works("artifacts, version 4 and newer, with digests")
            .tests(&[
                Test("services/tests/it/artifacts.rs", "an_artifact_goes_round"),
                Test("services/tests/it/artifacts.rs", "a_wrong_digest_or_size_gives_no_artifact"),
            ])
            .note("within a run")
            .act(Said::Partly("with a flag, within a run", Page::ActUsage))
            .forgejo(Said::Works(Page::ForgejoAdvanced)),
        works("identity tokens (OIDC) with discovery and keys")
            .tests(&[
                Test("services/src/oidc/key.rs", "a_key_is_made_once_and_its_tokens_can_be_checked"),
                Test("services/src/oidc/claims.rs", "all_claims_are_announced_and_there"),
            ])
            .act(Said::Missing("there is no address", Page::ActUnsupported))
            .gitea(Said::Missing("`id-token` is not supported", Page::GiteaPermissions))
            .forgejo(Said::Partly(
                "by `enable-openid-connect` instead of `permissions`",
                Page::ForgejoDifferences,
            )),
        works("tool cache, one for each job, with the Node and the Go of the machine").tests(&[
            Test("runner/src/host/tools.rs", "each_job_has_one_for_itself_and_the_first_is_used_again"),
            Test(
                "runner/src/host/installed.rs",
                "what_is_offered_is_found_and_goes_again_and_what_was_installed_stays",
            ),
        ]),
    ]
}
