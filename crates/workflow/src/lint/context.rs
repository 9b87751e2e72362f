//! References to `matrix`, `inputs`, `secrets`, `env` and the fixed contexts that can only be empty.

use super::{
    File, Kind, Level, Rule,
    finding::Findings,
    shape::Shape,
    view::{At, JobView, Site, Slot, Target, View},
};
use crate::expr::{Node, Reference};
use shipway_base::yaml::{self, closest};

pub(super) const UNKNOWN_MATRIX_KEY: Rule = Rule {
    id: "unknown-matrix-key",
    level: Level::Error,
    pedantic: false,
    what: "A job refers to a key of `matrix` that its own matrix does not have; the value is always empty.",
    example: "run: make ${{ matrix.service }} # in a job without that matrix",
    fix: "add the key to this job's `strategy.matrix`, or hand the value over as an output of the job that has it",
    zizmor: &[],
};

pub(super) const UNKNOWN_INPUT: Rule = Rule {
    id: "unknown-input",
    level: Level::Error,
    pedantic: false,
    what: "An expression refers to an input that the workflow or action does not declare.",
    example: "run: ./deploy ${{ inputs.enviroment }}",
    fix: "declare the input, or spell it as it is declared",
    zizmor: &[],
};

pub(super) const UNKNOWN_SECRET: Rule = Rule {
    id: "unknown-secret",
    level: Level::Warning,
    pedantic: false,
    what: "A reusable workflow that names its secrets refers to one that it does not name.",
    example: "token: ${{ secrets.DEPLOY_KEY }} # not under on.workflow_call.secrets",
    fix: "declare it under `on.workflow_call.secrets`",
    zizmor: &[],
};

pub(super) const UNKNOWN_PROPERTY: Rule = Rule {
    id: "unknown-property",
    level: Level::Warning,
    pedantic: false,
    what: "A property of `github`, `runner`, `job` or `strategy` that GitHub does not have; the value is always empty.",
    example: "if: github.branch == 'main'",
    fix: "use a property that exists, such as `github.ref_name`",
    zizmor: &[],
};

pub(super) const UNDEFINED_ENV: Rule = Rule {
    id: "undefined-env",
    level: Level::Note,
    pedantic: true,
    what: "An expression refers to an `env` variable that nothing before it sets in this file.",
    example: "if: env.DEPLOY == 'yes' # DEPLOY is set nowhere",
    fix: "set it under `env`, or write it to `$GITHUB_ENV` in an earlier step",
    zizmor: &[],
};

const GITHUB: &[&str] = &[
    "action",
    "action_path",
    "action_ref",
    "action_repository",
    "action_status",
    "actor",
    "actor_id",
    "api_url",
    "artifact_cache_size_limit",
    "base_ref",
    "env",
    "event",
    "event_name",
    "event_path",
    "graphql_url",
    "head_ref",
    "job",
    "job_workflow_sha",
    "output",
    "path",
    "ref",
    "ref_name",
    "ref_protected",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "repository_visibility",
    "repositoryUrl",
    "retention_days",
    "run_attempt",
    "run_id",
    "run_number",
    "secret_source",
    "server_url",
    "sha",
    "state",
    "step_summary",
    "token",
    "triggering_actor",
    "workflow",
    "workflow_ref",
    "workflow_sha",
    "workspace",
];
const RUNNER: &[&str] = &["name", "os", "arch", "temp", "tool_cache", "debug", "environment", "workspace"];
const JOB: &[&str] = &[
    "status",
    "container",
    "services",
    "check_run_id",
    "workflow_ref",
    "workflow_sha",
    "workflow_repository",
    "workflow_file_path",
];
const STRATEGY: &[&str] = &["fail-fast", "job-index", "job-total", "max-parallel"];

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    let view = file.view;
    let inputs = declared(view, "inputs");
    let secrets = called_secrets(view);
    for site in &view.sites {
        for (reference, at) in site.references() {
            match reference.context.to_ascii_lowercase().as_str() {
                "matrix" => matrix(view, site, reference, at, out),
                "inputs" => {
                    if let Some(inputs) = &inputs {
                        input(view, inputs, reference, at, out);
                    }
                }
                "secrets" => {
                    if let Some(secrets) = &secrets {
                        secret(secrets, reference, at, out);
                    }
                }
                "github" => fixed(GITHUB, reference, at, out),
                "runner" => fixed(RUNNER, reference, at, out),
                "job" => fixed(JOB, reference, at, out),
                "strategy" => fixed(STRATEGY, reference, at, out),
                "env" => env(view, site, reference, at, out),
                _ => {}
            }
        }
    }
}

fn matrix(view: &View<'_>, site: &Site<'_>, reference: &Reference, at: At<'_>, out: &mut Findings<'_>) {
    let (Some(job), Some(key)) = (view.job(site), reference.name(0)) else { return };
    let id = job.id.value;
    let known = match &job.matrix {
        Shape::Unknown => return,
        Shape::None => None,
        Shape::Keys(keys) if keys.contains_key(&key.to_lowercase()) => return,
        Shape::Keys(keys) => Some(keys.values().map(|key| key.written).collect::<Vec<_>>()),
    };
    let message = match &known {
        None => format!("the job {id:?} has no matrix, so {} is always empty", reference.text()),
        Some(_) => format!(
            "the matrix of the job {id:?} has no key {key:?}, so {} is always empty",
            reference.text()
        ),
    };
    let found = out.report(&UNKNOWN_MATRIX_KEY, at.span(), message);
    if falls_back(site, reference) {
        found.level(Level::Warning);
    }
    let has = |other: &&JobView<'_>| match &other.matrix {
        Shape::Keys(keys) => keys.contains_key(&key.to_lowercase()),
        Shape::None | Shape::Unknown => false,
    };
    let known = known.unwrap_or_default();
    if let Some(close) = closest(key, known.iter().copied()) {
        found.help(format!("did you mean matrix.{close}?"));
    } else if let Some(other) = view.jobs.iter().find(has) {
        let other = other.id.value;
        found.help(format!(
            "the job {other:?} has such a matrix, and a matrix is not passed on through needs; give {id:?} one of \
             its own"
        ));
    } else if !known.is_empty() {
        found.help(format!("its keys: {}", known.join(", ")));
    }
}

/// Whether something else is taken where a value is empty: `matrix.x || 'y'`.
fn falls_back(site: &Site<'_>, reference: &Reference) -> bool {
    let mut found = false;
    for written in site.expressions() {
        written.expr.root.visit(&mut |node| {
            if let Node::Or(operands) = node {
                let all_but_last = &operands[..operands.len().saturating_sub(1)];
                found |= all_but_last
                    .iter()
                    .filter_map(Node::as_reference)
                    .any(|other| other.context == reference.context && other.keys == reference.keys);
            }
        });
    }
    found
}

/// The names of all inputs, where they are known to be all.
fn declared<'a>(view: &View<'a>, key: &str) -> Option<Vec<&'a str>> {
    let names = |map: Option<&'a shipway_base::yaml::Mapping>| -> Vec<&'a str> {
        let inner = map.and_then(|map| map.get(key)).and_then(yaml::Node::as_mapping);
        inner.iter().flat_map(|map| map.iter()).map(|(name, _)| name.value.as_str()).collect()
    };
    Some(match view.kind {
        Kind::Action => names(Some(view.root)),
        Kind::Workflow => view
            .triggers
            .iter()
            .filter(|(event, _)| matches!(event.value, "workflow_dispatch" | "workflow_call"))
            .flat_map(|(_, map)| names(*map))
            .collect(),
    })
}

fn input(view: &View<'_>, inputs: &[&str], reference: &Reference, at: At<'_>, out: &mut Findings<'_>) {
    let Some(name) = reference.name(0) else { return };
    if inputs.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return;
    }
    let place = match view.kind {
        Kind::Action => "this action declares",
        Kind::Workflow if view.started_by(&["workflow_call", "workflow_dispatch"]) => {
            "this workflow declares"
        }
        Kind::Workflow => "a workflow without workflow_call or workflow_dispatch has",
    };
    let message = format!("{place} no input {name:?}, so {} is always empty", reference.text());
    let found = out.report(&UNKNOWN_INPUT, at.span(), message);
    if let Some(close) = closest(name, inputs.iter().copied()) {
        found.help(format!("did you mean inputs.{close}?"));
    } else if !inputs.is_empty() {
        found.help(format!("its inputs: {}", inputs.join(", ")));
    }
}

/// The secrets of a workflow that can only be called, when it names them.
fn called_secrets<'a>(view: &View<'a>) -> Option<Vec<&'a str>> {
    let call = view.trigger("workflow_call")??;
    let secrets = call.get("secrets")?.as_mapping()?;
    (view.triggers.len() == 1).then(|| secrets.iter().map(|(name, _)| name.value.as_str()).collect())
}

fn secret(secrets: &[&str], reference: &Reference, at: At<'_>, out: &mut Findings<'_>) {
    let Some(name) = reference.name(0) else { return };
    let own = ["GITHUB_TOKEN", "ACTIONS_STEP_DEBUG", "ACTIONS_RUNNER_DEBUG"];
    if secrets.iter().chain(&own).any(|known| known.eq_ignore_ascii_case(name)) {
        return;
    }
    let message = format!("{name} is not among the secrets that this workflow names under workflow_call");
    let found = out.report(&UNKNOWN_SECRET, at.span(), message);
    match closest(name, secrets.iter().copied()) {
        Some(close) => found.help(format!("did you mean secrets.{close}?")),
        None => found.help("it is there only when the caller hands down all of its secrets; declare it"),
    };
}

fn fixed(known: &[&str], reference: &Reference, at: At<'_>, out: &mut Findings<'_>) {
    let Some(name) = reference.name(0) else { return };
    let context = reference.context.to_ascii_lowercase();
    if known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        // Of these contexts' properties only some are objects.
        let object = matches!(name.to_ascii_lowercase().as_str(), "event" | "container" | "services");
        if !object && let Some(inner) = reference.name(1) {
            let message = format!(
                "{context}.{name} is no object, so it has no {inner:?} and {} is empty",
                reference.text()
            );
            out.report(&UNKNOWN_PROPERTY, at.span(), message);
        }
        return;
    }
    let message = format!("{context} has no property {name:?}, so {} is always empty", reference.text());
    let found = out.report(&UNKNOWN_PROPERTY, at.span(), message);
    let alike = match (context.as_str(), name) {
        ("github", "branch") => Some("ref_name"),
        ("github", "commit") => Some("sha"),
        ("github", "owner") => Some("repository_owner"),
        ("github", "pull_request") => Some("event.pull_request"),
        _ => closest(name, known.iter().copied()),
    };
    match alike {
        Some(close) => found.help(format!("did you mean {context}.{close}?")),
        None => found.help(format!("its properties: {}", known.join(", "))),
    };
}

/// Among more names none is looked for that is like another.
const MOST_ALIKE: usize = 1_000;

/// Actions that set no variables of the environment.
const QUIET: &[&str] =
    &["actions/checkout", "actions/cache", "actions/upload-artifact", "actions/download-artifact"];

fn env(view: &View<'_>, site: &Site<'_>, reference: &Reference, at: At<'_>, out: &mut Findings<'_>) {
    let (Some(job), Some(name)) = (view.job(site), reference.name(0)) else { return };
    // A composite action sees what its caller sets, and an action can set anything.
    let before = job.steps_before(site.step);
    let open = before.iter().any(|step| match &step.uses {
        Some((target, _)) => !QUIET.iter().any(|name| target.is(name)),
        None => {
            step.script().is_some_and(|script| script.contains("GITHUB_ENV") || script.contains("set-env"))
        }
    });
    if view.kind == Kind::Action || open || matches!(site.slot, Slot::Env(_)) && site.step.is_none() {
        return;
    }
    let step = site.step.and_then(|step| view.set.variables(site.job, Some(step)));
    let seen = [view.set.variables(None, None), view.set.variables(site.job, None), step];
    let mut known = Vec::new();
    for variables in seen.into_iter().flatten() {
        let Some(names) = &variables.names else { return };
        known.push(names);
    }
    let automatic = ["CI", "HOME", "PATH"];
    let own = |name: &str| {
        let upper = name.to_ascii_uppercase();
        automatic.contains(&upper.as_str()) || upper.starts_with("GITHUB_") || upper.starts_with("RUNNER_")
    };
    if known.iter().any(|names| names.contains(name)) || own(name) {
        return;
    }
    let message = format!("nothing before this sets {name} in env, so {} is empty", reference.text());
    let found = out.report(&UNDEFINED_ENV, at.span(), message);
    // Of many there is always one that is like it, and each would have to be looked at.
    let few = known.iter().map(|names| names.len()).sum::<usize>() <= MOST_ALIKE;
    let alike = known.iter().flat_map(|names| names.iter().copied());
    if let Some(close) = closest(name, alike.filter(|_| few)) {
        found.help(format!("did you mean env.{close}?"));
    }
}

/// Whether a target is a local action or workflow.
pub(super) fn local<'a>(target: &Target<'a>) -> Option<&'a str> {
    match target {
        Target::Local(path) => Some(path),
        Target::Repository { .. } | Target::Docker(_) | Target::Other => None,
    }
}
