//! What is known of actions that many workflows use: their inputs and outputs, which versions still run, and which are
//! no longer looked after. Kept small on purpose; what is not here is let pass.

use super::view::Target;
use std::ops::RangeInclusive;

struct Known {
    name: &'static str,
    /// The major versions whose inputs these are.
    versions: RangeInclusive<u32>,
    inputs: &'static [&'static str],
    outputs: &'static [&'static str],
}

/// Inputs and outputs over all of the given versions, from the actions' own manifests.
const KNOWN: &[Known] = &[
    Known {
        name: "8398a7/action-slack",
        versions: 3..=3,
        inputs: &[
            "author_name",
            "cancelled_message",
            "channel",
            "custom_payload",
            "failure_message",
            "fields",
            "github_base_url",
            "github_token",
            "icon_emoji",
            "icon_url",
            "if_mention",
            "job_name",
            "mention",
            "status",
            "success_message",
            "text",
            "username",
        ],
        outputs: &[],
    },
    Known {
        name: "actions/cache",
        versions: 4..=5,
        inputs: &[
            "enableCrossOsArchive",
            "fail-on-cache-miss",
            "key",
            "lookup-only",
            "path",
            "restore-keys",
            "save-always",
            "upload-chunk-size",
        ],
        outputs: &["cache-hit"],
    },
    Known {
        name: "actions/checkout",
        versions: 4..=6,
        inputs: &[
            "clean",
            "fetch-depth",
            "fetch-tags",
            "filter",
            "github-server-url",
            "lfs",
            "path",
            "persist-credentials",
            "ref",
            "repository",
            "set-safe-directory",
            "show-progress",
            "sparse-checkout",
            "sparse-checkout-cone-mode",
            "ssh-key",
            "ssh-known-hosts",
            "ssh-strict",
            "ssh-user",
            "submodules",
            "token",
        ],
        outputs: &["commit", "ref"],
    },
    Known {
        name: "actions/download-artifact",
        versions: 4..=8,
        inputs: &[
            "artifact-ids",
            "digest-mismatch",
            "github-token",
            "merge-multiple",
            "name",
            "path",
            "pattern",
            "repository",
            "run-id",
            "skip-decompress",
        ],
        outputs: &["download-path"],
    },
    Known {
        name: "actions/github-script",
        versions: 7..=8,
        inputs: &[
            "base-url",
            "debug",
            "github-token",
            "previews",
            "result-encoding",
            "retries",
            "retry-exempt-status-codes",
            "script",
            "user-agent",
        ],
        outputs: &["result"],
    },
    Known {
        name: "actions/setup-go",
        versions: 5..=6,
        inputs: &[
            "architecture",
            "cache",
            "cache-dependency-path",
            "check-latest",
            "go-download-base-url",
            "go-version",
            "go-version-file",
            "token",
        ],
        outputs: &["cache-hit", "go-version"],
    },
    Known {
        name: "actions/setup-java",
        versions: 4..=5,
        inputs: &[
            "architecture",
            "cache",
            "cache-dependency-path",
            "check-latest",
            "distribution",
            "gpg-passphrase",
            "gpg-private-key",
            "java-package",
            "java-version",
            "java-version-file",
            "jdkFile",
            "job-status",
            "mvn-toolchain-id",
            "mvn-toolchain-vendor",
            "overwrite-settings",
            "server-id",
            "server-password",
            "server-username",
            "settings-path",
            "token",
        ],
        outputs: &["cache-hit", "distribution", "path", "version"],
    },
    Known {
        name: "actions/setup-node",
        versions: 4..=6,
        inputs: &[
            "always-auth",
            "architecture",
            "cache",
            "cache-dependency-path",
            "check-latest",
            "mirror",
            "mirror-token",
            "node-version",
            "node-version-file",
            "package-manager-cache",
            "registry-url",
            "scope",
            "token",
        ],
        outputs: &["cache-hit", "node-version"],
    },
    Known {
        name: "actions/setup-python",
        versions: 5..=6,
        inputs: &[
            "allow-prereleases",
            "architecture",
            "cache",
            "cache-dependency-path",
            "check-latest",
            "freethreaded",
            "pip-install",
            "pip-version",
            "python-version",
            "python-version-file",
            "token",
            "update-environment",
        ],
        outputs: &["cache-hit", "python-path", "python-version"],
    },
    Known {
        name: "actions/upload-artifact",
        versions: 4..=7,
        inputs: &[
            "archive",
            "compression-level",
            "if-no-files-found",
            "include-hidden-files",
            "name",
            "overwrite",
            "path",
            "retention-days",
        ],
        outputs: &["artifact-digest", "artifact-id", "artifact-url"],
    },
    Known {
        name: "codecov/codecov-action",
        versions: 4..=6,
        inputs: &[
            "base_sha",
            "binary",
            "codecov_yml_path",
            "commit_parent",
            "directory",
            "disable_file_fixes",
            "disable_safe_directory",
            "disable_search",
            "disable_telem",
            "dry_run",
            "env_vars",
            "exclude",
            "fail_ci_if_error",
            "file",
            "files",
            "flags",
            "force",
            "gcov_args",
            "gcov_executable",
            "gcov_ignore",
            "gcov_include",
            "git_service",
            "handle_no_reports_found",
            "job_code",
            "name",
            "network_filter",
            "network_prefix",
            "os",
            "override_branch",
            "override_build",
            "override_build_url",
            "override_commit",
            "override_pr",
            "plugin",
            "plugins",
            "recurse_submodules",
            "report_code",
            "report_type",
            "root_dir",
            "run_command",
            "skip_validation",
            "slug",
            "swift_project",
            "token",
            "url",
            "use_legacy_upload_endpoint",
            "use_oidc",
            "use_pypi",
            "verbose",
            "version",
            "working-directory",
        ],
        outputs: &[],
    },
    Known {
        name: "docker/build-push-action",
        versions: 5..=7,
        inputs: &[
            "add-hosts",
            "allow",
            "annotations",
            "attests",
            "build-args",
            "build-contexts",
            "builder",
            "cache-from",
            "cache-to",
            "call",
            "cgroup-parent",
            "context",
            "file",
            "github-token",
            "labels",
            "load",
            "network",
            "no-cache",
            "no-cache-filters",
            "outputs",
            "platforms",
            "provenance",
            "pull",
            "push",
            "sbom",
            "secret-envs",
            "secret-files",
            "secrets",
            "shm-size",
            "ssh",
            "tags",
            "target",
            "ulimit",
        ],
        outputs: &["digest", "imageid", "metadata"],
    },
    Known {
        name: "docker/login-action",
        versions: 3..=4,
        inputs: &["ecr", "logout", "password", "registry", "registry-auth", "scope", "username"],
        outputs: &[],
    },
    Known {
        name: "docker/metadata-action",
        versions: 5..=6,
        inputs: &[
            "annotations",
            "bake-target",
            "context",
            "flavor",
            "github-token",
            "images",
            "labels",
            "sep-annotations",
            "sep-labels",
            "sep-tags",
            "tags",
        ],
        outputs: &[
            "annotations",
            "bake-file",
            "bake-file-annotations",
            "bake-file-labels",
            "bake-file-tags",
            "json",
            "labels",
            "tag-names",
            "tags",
            "version",
        ],
    },
    Known {
        name: "docker/setup-buildx-action",
        versions: 3..=4,
        inputs: &[
            "append",
            "buildkitd-config",
            "buildkitd-config-inline",
            "buildkitd-flags",
            "cache-binary",
            "cleanup",
            "config",
            "config-inline",
            "driver",
            "driver-opts",
            "endpoint",
            "install",
            "keep-state",
            "name",
            "platforms",
            "use",
            "version",
        ],
        outputs: &["driver", "endpoint", "flags", "name", "nodes", "platforms", "status"],
    },
];

/// The first major version that runs on a Node that GitHub still has; those before it use Node 12 or 16.
const LIVING: &[(&str, u32)] = &[
    ("actions/cache", 4),
    ("actions/cache/restore", 4),
    ("actions/cache/save", 4),
    ("actions/checkout", 4),
    ("actions/configure-pages", 4),
    ("actions/delete-package-versions", 5),
    ("actions/dependency-review-action", 4),
    ("actions/deploy-pages", 3),
    ("actions/download-artifact", 4),
    ("actions/github-script", 7),
    ("actions/labeler", 5),
    ("actions/setup-dotnet", 4),
    ("actions/setup-go", 5),
    ("actions/setup-java", 4),
    ("actions/setup-node", 4),
    ("actions/setup-python", 5),
    ("actions/stale", 9),
    ("actions/upload-artifact", 4),
    ("aws-actions/configure-aws-credentials", 4),
    ("azure/aks-set-context", 4),
    ("azure/login", 2),
    ("codecov/codecov-action", 4),
    ("docker/build-push-action", 5),
    ("docker/login-action", 3),
    ("docker/metadata-action", 5),
    ("docker/setup-buildx-action", 3),
    ("docker/setup-qemu-action", 3),
    ("dorny/paths-filter", 3),
    ("github/codeql-action/analyze", 3),
    ("github/codeql-action/autobuild", 3),
    ("github/codeql-action/init", 3),
    ("github/codeql-action/upload-sarif", 3),
    ("golangci/golangci-lint-action", 4),
    ("google-github-actions/auth", 2),
    ("google-github-actions/setup-gcloud", 2),
    ("goreleaser/goreleaser-action", 5),
    ("gradle/wrapper-validation-action", 2),
    ("peaceiris/actions-gh-pages", 4),
    ("peter-evans/create-or-update-comment", 4),
    ("peter-evans/create-pull-request", 6),
    ("release-drafter/release-drafter", 6),
    ("shivammathur/setup-php", 2),
    ("softprops/action-gh-release", 2),
    ("swatinem/rust-cache", 2),
];

/// Versions that GitHub has switched off: every use of them fails there.
const SWITCHED_OFF: &[(&str, u32)] = &[
    ("actions/cache", 2),
    ("actions/download-artifact", 3),
    ("actions/upload-artifact", 3),
    ("github/codeql-action/analyze", 2),
    ("github/codeql-action/autobuild", 2),
    ("github/codeql-action/init", 2),
    ("github/codeql-action/upload-sarif", 2),
];

/// Repositories that are archived, and what people use instead.
const ARCHIVED: &[(&str, &str)] = &[
    ("8398a7/action-slack", "slackapi/slack-github-action"),
    ("actions-rs/audit-check", "rustsec/audit-check"),
    ("actions-rs/cargo", "cargo in a `run` step"),
    ("actions-rs/clippy-check", "cargo clippy in a `run` step"),
    ("actions-rs/toolchain", "dtolnay/rust-toolchain"),
    ("actions/create-release", "`gh release create` in a `run` step"),
    ("actions/setup-ruby", "ruby/setup-ruby"),
    ("actions/upload-release-asset", "`gh release upload` in a `run` step"),
    ("azure/container-scan", "a scanner such as aquasecurity/trivy-action"),
    ("gradle/gradle-build-action", "gradle/actions/setup-gradle"),
    ("grafana/k6-action", "grafana/setup-k6-action with grafana/run-k6-action"),
    ("marvinpinto/action-automatic-releases", "`gh release create` in a `run` step"),
    ("semgrep/semgrep-action", "semgrep in a `run` step"),
    ("sonarsource/sonarcloud-github-action", "SonarSource/sonarqube-scan-action"),
];

/// The outputs of an action; none when it is not known.
pub(super) fn outputs(target: &Target<'_>) -> Option<&'static [&'static str]> {
    KNOWN.iter().find(|known| target.is(known.name)).map(|known| known.outputs)
}

/// The inputs of an action in the version that is named; none when it is not known.
pub(super) fn inputs(target: &Target<'_>) -> Option<&'static [&'static str]> {
    let known = KNOWN.iter().find(|known| target.is(known.name))?;
    known.versions.contains(&major(target)?).then_some(known.inputs)
}

/// The first version that still runs, when the one that is named is older.
pub(super) fn outdated(target: &Target<'_>) -> Option<u32> {
    let living = LIVING.iter().find(|(name, _)| target.is(name)).map(|(_, version)| *version)?;
    let version = major(target)?;
    // That one is no program of Node: it is a part of the runner, which has it to this day.
    let built_in = version == 1 && target.is("actions/checkout");
    (version < living && !built_in).then_some(living)
}

/// Whether GitHub has switched the named version off.
pub(super) fn switched_off(target: &Target<'_>) -> bool {
    let last = SWITCHED_OFF.iter().find(|(name, _)| target.is(name)).map(|(_, version)| *version);
    last.zip(major(target)).is_some_and(|(last, version)| version <= last)
}

/// What to use instead of an action that nobody looks after any more.
pub(super) fn archived(target: &Target<'_>) -> Option<&'static str> {
    let name = target.name().to_ascii_lowercase();
    let fits =
        |known: &str| name == known || name.strip_prefix(known).is_some_and(|rest| rest.starts_with('/'));
    ARCHIVED.iter().find(|(known, _)| fits(known)).map(|(_, instead)| *instead)
}

/// The major version of a tag such as `v4` or `v4.1.2`.
pub(super) fn major(target: &Target<'_>) -> Option<u32> {
    let Target::Repository { reference, .. } = target else { return None };
    let version = reference.strip_prefix('v')?;
    let (major, rest) = version.split_once('.').unwrap_or((version, "0"));
    rest.chars().all(|c| c.is_ascii_digit() || c == '.').then(|| major.parse().ok())?
}
