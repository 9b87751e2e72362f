//! What the job token may do: too much, too little, or whatever the repository's settings say.

use super::{
    File, Kind, Level, Rule,
    finding::Findings,
    view::{JobView, StepView},
};
use shipway_base::{
    Span,
    yaml::{Mapping, Node},
};

pub(super) const EXCESSIVE_PERMISSIONS: Rule = Rule {
    id: "excessive-permissions",
    level: Level::Warning,
    pedantic: false,
    what: "The job token gets `write-all`, or a workflow with several jobs gives all of them a scope to write.",
    example: "permissions: write-all",
    fix: "`permissions: {}` or `contents: read` for the workflow, and what a job needs at that job",
    zizmor: &["excessive-permissions"],
};

pub(super) const MISSING_PERMISSION: Rule = Rule {
    id: "missing-permission",
    level: Level::Warning,
    pedantic: false,
    what: "A step needs a scope that `permissions` leaves out; or nothing is written and the scope is there only where \
           the repository is set to the old, wide default.",
    example: "uses: github/codeql-action/analyze@v3 # without `security-events: write`",
    fix: "give the job the scope",
    zizmor: &[],
};

pub(super) const IMPLICIT_PERMISSIONS: Rule = Rule {
    id: "implicit-permissions",
    level: Level::Note,
    pedantic: false,
    what: "No `permissions` anywhere: the job token may do what the repository's settings say, in older ones anything.",
    example: "jobs: ... # and no permissions",
    fix: "begin with `permissions: {contents: read}`",
    zizmor: &["excessive-permissions"],
};

pub(super) const UNUSED_ID_TOKEN: Rule = Rule {
    id: "unused-id-token",
    level: Level::Note,
    pedantic: false,
    what: "A job may ask for identity tokens (`id-token: write`), and no step of it does.",
    example: "permissions: {id-token: write} # and only actions/checkout",
    fix: "leave the scope out",
    zizmor: &[],
};

/// Steps that need a scope to write: the action, and the scope.
const NEEDS: &[(&str, &str)] = &[
    ("github/codeql-action/analyze", "security-events"),
    ("github/codeql-action/upload-sarif", "security-events"),
    ("actions/deploy-pages", "pages"),
    ("actions/deploy-pages", "id-token"),
    ("actions/attest-build-provenance", "id-token"),
    ("actions/attest-build-provenance", "attestations"),
    ("actions/attest-sbom", "id-token"),
    ("actions/attest-sbom", "attestations"),
    ("softprops/action-gh-release", "contents"),
    ("actions/create-release", "contents"),
    ("actions/labeler", "pull-requests"),
];

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    let view = file.view;
    if view.kind == Kind::Action || view.jobs.is_empty() {
        return;
    }
    let workflow = view.root.get("permissions");
    if let Some(node) = workflow {
        whole(node, out);
        if view.jobs.len() > 1
            && let Some(map) = node.as_mapping()
        {
            for (key, value) in map.iter().filter(|(_, value)| value.as_text() == Some("write")) {
                let message = format!("every job of this workflow gets {}: write", key.value);
                out.report(&EXCESSIVE_PERMISSIONS, Span::new(key.span.start, value.span.end), message)
                    .level(Level::Note)
                    .help("give it to the job that needs it");
            }
        }
    }
    let own = |job: &JobView<'_>| job.map.get("permissions").is_some();
    if workflow.is_none() && !view.jobs.iter().any(own) {
        let first = view.root.iter().find(|(key, _)| key.value == "jobs").map(|(key, _)| key.span);
        out.report(
            &IMPLICIT_PERMISSIONS,
            first.unwrap_or(Span::START),
            "nothing says what the job token may do, so the repository's settings decide",
        )
        .help("add `permissions: {contents: read}` above, and more to the jobs that need more");
    }
    for job in &view.jobs {
        if let Some(node) = job.map.get("permissions") {
            whole(node, out);
        }
        let given = job.map.get("permissions").or(workflow);
        scopes(job, given, out);
        id_token(job, given, out);
    }
}

fn whole(node: &Node, out: &mut Findings<'_>) {
    match node.as_text() {
        Some("write-all") => {
            out.report(&EXCESSIVE_PERMISSIONS, node.span, "the job token may write everything")
                .help("name the scopes that are needed, such as contents: read");
        }
        Some("read-all") => {
            out.report(&EXCESSIVE_PERMISSIONS, node.span, "the job token may read everything")
                .level(Level::Note)
                .help("name the scopes that are needed, such as contents: read");
        }
        Some(_) | None => {}
    }
}

/// Whether `permissions` let a scope be written; none when nothing is written.
fn may_write(given: Option<&Node>, scope: &str) -> Option<bool> {
    let node = given?;
    Some(match node.as_text() {
        Some(text) => text == "write-all",
        None => node.as_mapping().and_then(|map| map.get(scope)).and_then(Node::as_text) == Some("write"),
    })
}

fn scopes(job: &JobView<'_>, given: Option<&Node>, out: &mut Findings<'_>) {
    let mut told: Vec<&str> = Vec::new();
    for step in &job.steps {
        let Some((target, span)) = &step.uses else { continue };
        let mut needed: Vec<(&str, String)> = NEEDS
            .iter()
            .filter(|(name, _)| target.is(name) && own_token(step))
            .map(|(name, scope)| (*scope, (*name).to_owned()))
            .collect();
        if pushes_package(job, step) {
            needed.push(("packages", "pushing to ghcr.io with the job token".to_owned()));
        }
        for (scope, what) in needed {
            let told_before = told.contains(&scope);
            let level = match may_write(given, scope) {
                Some(true) => continue,
                Some(false) => Level::Error,
                None => Level::Warning,
            };
            if told_before {
                continue;
            }
            told.push(scope);
            let message = match level {
                Level::Error => format!("{what} needs {scope}: write, which permissions leave out"),
                Level::Warning | Level::Note => format!(
                    "{what} needs {scope}: write; without permissions it works only where the repository's default is \
                     to write"
                ),
            };
            // A pull request of a fork gets no more than reading anyway, and some steps may be made not to need it.
            out.report(&MISSING_PERMISSION, *span, message)
                .level(Level::Warning)
                .help(format!("give the job `permissions: {{contents: read, {scope}: write}}`"));
        }
    }
}

/// Whether a step works with the job token rather than with one of its own.
fn own_token(step: &StepView<'_>) -> bool {
    let given = ["token", "github_token", "repo-token"]
        .iter()
        .find_map(|name| step.with(name))
        .and_then(Node::as_text);
    given.is_none_or(|text| text.contains("GITHUB_TOKEN") || text.contains("github.token"))
}

/// Whether a step signs in to ghcr.io with the job token, and a later one pushes.
fn pushes_package(job: &JobView<'_>, step: &StepView<'_>) -> bool {
    let text = |name: &str| step.with(name).and_then(Node::as_text).unwrap_or_default();
    let registry = text("registry");
    let ghcr = registry.contains("ghcr.io") || registry.contains("env.");
    let own = text("password").contains("GITHUB_TOKEN") || text("password").contains("github.token");
    let pushes = job.steps.iter().any(|step| {
        let by_action = step.is_action("docker/build-push-action")
            && step.with("push").and_then(Node::as_text).is_some_and(|text| text != "false");
        by_action
            || step.script().is_some_and(|script| script.contains("docker push") || script.contains("--push"))
    });
    step.is_action("docker/login-action") && ghcr && own && pushes
}

/// Actions that never ask for an identity token; of all others it is not known.
const QUIET: &[&str] = &[
    "actions/checkout",
    "actions/cache",
    "actions/upload-artifact",
    "actions/download-artifact",
    "actions/setup-node",
    "actions/setup-python",
    "actions/setup-go",
    "actions/setup-java",
    "actions/setup-dotnet",
    "docker/setup-buildx-action",
    "docker/setup-qemu-action",
    "dtolnay/rust-toolchain",
    "swatinem/rust-cache",
];

fn id_token(job: &JobView<'_>, given: Option<&Node>, out: &mut Findings<'_>) {
    let Some(map) = job.map.get("permissions").and_then(Node::as_mapping) else { return };
    let Some(key) = writes(map, "id-token").filter(|_| given.is_some()) else { return };
    let quiet = |step: &StepView<'_>| match &step.uses {
        Some((target, _)) => QUIET.iter().any(|name| target.is(name)),
        // A script can start anything; those that are known to ask are let pass, and so are those that publish.
        None => step.script().is_some_and(|script| {
            let words = [
                "ID_TOKEN", "publish", "cosign", "oidc", "OIDC", "aws", "gcloud", "az ", "vault", "sh ",
                "./", "make",
            ];
            !words.iter().any(|word| script.contains(word))
        }),
    };
    if job.calls.is_none() && !job.steps.is_empty() && job.steps.iter().all(quiet) {
        out.report(&UNUSED_ID_TOKEN, key, "no step of this job asks for an identity token")
            .help("leave it out");
    }
}

fn writes(map: &Mapping, scope: &str) -> Option<Span> {
    map.iter()
        .find(|(key, value)| key.value == scope && value.as_text() == Some("write"))
        .map(|(key, value)| Span::new(key.span.start, value.span.end))
}
