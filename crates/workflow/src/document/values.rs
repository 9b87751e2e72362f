//! Reading the smaller values: ids, permissions, concurrency, defaults, environment, minutes.

use super::{
    CacheMode, Concurrency, ConcurrencyQueue, Defaults, Environment, Maybe, Permissions, reader::Reader,
};
use crate::expr::{self, AllowedNames};
use shipway_base::{Spanned, yaml::Node};
use std::collections::BTreeMap;

/// `environment.url`: as `outputs`, less the secrets.
const ENVIRONMENT_URL: AllowedNames<'static> = AllowedNames::new(
    &["github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env"],
    &[],
);

/// Whether an id of a job or step is well formed: letters, digits, `_` and `-`, beginning with a letter or one `_`, under
/// 100 characters.
pub(super) fn check_id(reader: &mut Reader<'_>, id: &Spanned<String>, owner: &str) -> bool {
    let text = id.value.as_str();
    let mut characters = text.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let rest = characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if expr::has_expression(text) {
        reader.error("SW0111", id.span, format!("the id of {owner} cannot be an expression"));
        return false;
    }
    if !first || !rest || text.len() >= 100 {
        let help = "use letters, digits, `_` and `-`, beginning with a letter or `_`, less than 100 of them";
        reader.error_with_help("SW0106", id.span, format!("{text:?} cannot be the id of {owner}"), help);
        return false;
    }
    if text.starts_with("__") {
        let message = format!("{text:?} cannot be the id of {owner}: ids that begin with `__` are reserved");
        reader.error("SW0106", id.span, message);
        return false;
    }
    true
}

/// The scopes of `permissions` and the levels each may have.
const SCOPES: &[(&str, &[&str])] = &[
    ("actions", ANY),
    ("artifact-metadata", ANY),
    ("attestations", ANY),
    ("checks", ANY),
    ("code-quality", ANY),
    ("contents", ANY),
    ("copilot-requests", WRITE),
    ("deployments", ANY),
    ("discussions", ANY),
    ("drives", ANY),
    ("id-token", WRITE),
    ("issues", ANY),
    ("models", READ),
    ("packages", ANY),
    ("pages", ANY),
    ("pull-requests", ANY),
    ("repository-projects", ANY),
    ("security-events", ANY),
    ("statuses", ANY),
    ("vulnerability-alerts", READ),
];
const ANY: &[&str] = &["read", "write", "none"];
const READ: &[&str] = &["read", "none"];
const WRITE: &[&str] = &["write", "none"];

impl Permissions {
    /// Every scope and its level, `none` for those that are left out.
    pub(crate) fn scopes(&self) -> BTreeMap<String, String> {
        let level = |scope: &str, levels: &[&str]| match self {
            Permissions::WriteAll if levels.contains(&"write") => "write".to_owned(),
            Permissions::WriteAll => "read".to_owned(),
            Permissions::ReadAll if levels.contains(&"read") => "read".to_owned(),
            Permissions::ReadAll => "none".to_owned(),
            Permissions::Scopes(scopes) => scopes.get(scope).cloned().unwrap_or_else(|| "none".to_owned()),
        };
        SCOPES.iter().map(|(scope, levels)| ((*scope).to_owned(), level(scope, levels))).collect()
    }
}

pub(super) fn permissions(reader: &mut Reader<'_>, node: &Node) -> Option<Permissions> {
    match node.as_text() {
        Some("read-all") => return Some(Permissions::ReadAll),
        Some("write-all") => return Some(Permissions::WriteAll),
        Some(_) => {
            let help = "write read-all, write-all or a mapping of scopes";
            reader.error_with_help("SW0104", node.span, "permissions has no such value", help);
            return None;
        }
        None => {}
    }
    let known: Vec<&str> = SCOPES.iter().map(|(scope, _)| *scope).collect();
    let mut scopes = BTreeMap::new();
    for (key, value) in reader.mapping(node, "permissions")?.iter() {
        let Some((scope, levels)) = SCOPES.iter().find(|(scope, _)| *scope == key.value) else {
            reader.unknown_key(key, "permissions", &known);
            continue;
        };
        match value.as_text().filter(|level| levels.contains(level)) {
            Some(level) => {
                scopes.insert((*scope).to_owned(), level.to_owned());
            }
            None => {
                let message = format!("permissions.{scope} must be one of: {}", levels.join(", "));
                reader.error("SW0104", value.span, message);
            }
        }
    }
    Some(Permissions::Scopes(scopes))
}

pub(super) fn concurrency(
    reader: &mut Reader<'_>,
    node: &Node,
    names: &AllowedNames<'_>,
) -> Option<Concurrency> {
    let Some(mapping) = node.as_mapping() else {
        let group = reader.filled(node, "concurrency", names)?;
        return Some(Concurrency { group, cancel_in_progress: None, queue: None, whole: true });
    };
    let (mut group, mut cancel_in_progress, mut named) = (None, None, false);
    let mut queue = None;
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "group" => {
                named = true;
                group = reader.filled(value, "concurrency.group", names);
            }
            "cancel-in-progress" => {
                cancel_in_progress = reader.maybe_bool(value, "concurrency.cancel-in-progress", names);
            }
            "queue" => queue = read_queue(reader, value, names),
            _ => reader.unknown_key(key, "concurrency", &["group", "cancel-in-progress", "queue"]),
        }
    }
    if !named {
        reader.missing(node.span, "concurrency", "group");
    }
    Some(Concurrency { group: group?, cancel_in_progress, queue, whole: false })
}

fn read_queue(
    reader: &mut Reader<'_>,
    node: &Node,
    names: &AllowedNames<'_>,
) -> Option<Maybe<ConcurrencyQueue>> {
    let text = node.as_text().unwrap_or_default();
    if let Some(queue) = ConcurrencyQueue::named(text) {
        return Some(Maybe::Literal(Spanned::new(queue, node.span)));
    }
    if expr::has_expression(text) {
        let whole = reader.whole(node, "concurrency.queue", "single, max or an expression", names);
        return whole.map(Maybe::Expression);
    }
    reader.error("SW0104", node.span, "concurrency.queue must be one of: single, max");
    None
}

/// `defaults`; without names no expression may stand in it.
pub(super) fn defaults(reader: &mut Reader<'_>, node: &Node, names: Option<&AllowedNames<'_>>) -> Defaults {
    let mut defaults = Defaults::default();
    // GitHub's schema offers no context at the workflow's defaults, yet an expression of literals may stand there.
    let names = names.unwrap_or(&expr::NOTHING);
    let Some(mapping) = reader.mapping(node, "defaults") else { return defaults };
    for (key, value) in mapping.iter() {
        if key.value != "run" {
            reader.unknown_key(key, "defaults", &["run"]);
            continue;
        }
        let Some(run) = reader.mapping(value, "defaults.run") else { continue };
        for (key, value) in run.iter() {
            match key.value.as_str() {
                "shell" => defaults.shell = reader.filled(value, "defaults.run.shell", names),
                "working-directory" => {
                    defaults.working_directory =
                        reader.filled(value, "defaults.run.working-directory", names);
                }
                _ => reader.unknown_key(key, "defaults.run", &["shell", "working-directory"]),
            }
        }
    }
    defaults
}

pub(super) fn environment(reader: &mut Reader<'_>, node: &Node) -> Option<Environment> {
    let Some(mapping) = node.as_mapping() else {
        // An empty name is no environment, as on GitHub.
        if node.is_null() || node.as_text() == Some("") {
            return None;
        }
        let name = reader.template(node, "environment", &expr::JOB)?;
        return Some(Environment { name, url: None, deployment: None, whole: true });
    };
    let (mut name, mut url, mut deployment, mut named) = (None, None, None, false);
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "name" => {
                named = true;
                name = reader.template(value, "environment.name", &expr::JOB);
            }
            "url" => url = reader.template(value, "environment.url", &ENVIRONMENT_URL),
            "deployment" => deployment = reader.maybe_bool(value, "environment.deployment", &expr::JOB),
            _ => reader.unknown_key(key, "environment", &["name", "url", "deployment"]),
        }
    }
    if !named {
        reader.missing(node.span, "environment", "name");
    }
    Some(Environment { name: name?, url, deployment, whole: false })
}

pub(super) fn cache_mode(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<CacheMode>> {
    let mode = CacheMode::ALL.into_iter().find(|mode| node.as_text() == Some(mode.as_str()));
    match mode {
        Some(mode) => Some(Spanned::new(mode, node.span)),
        None if node.as_text().is_some_and(expr::has_expression) => {
            reader.wrong_kind(node, "cache-mode", "one of: read, write, write-only, none");
            None
        }
        None => {
            let help = "use one of: read, write, write-only, none";
            reader.error_with_help("SW0104", node.span, "this is no cache-mode", help);
            None
        }
    }
}

/// The time limit of a step: a number of minutes, zero for none, or an expression that gives one.
pub(super) fn step_minutes(
    reader: &mut Reader<'_>,
    node: &Node,
    place: &str,
    names: &AllowedNames<'_>,
) -> Option<Maybe<f64>> {
    if node.as_number() == Some(0.0) {
        return reader.maybe_number(node, place, names);
    }
    minutes(reader, node, place, names)
}

/// A number of minutes above zero, or an expression that gives one.
pub(super) fn minutes(
    reader: &mut Reader<'_>,
    node: &Node,
    place: &str,
    names: &AllowedNames<'_>,
) -> Option<Maybe<f64>> {
    if node.as_number().is_some_and(|minutes| !(minutes.is_finite() && minutes > 0.0)) {
        let help = "leave it out for the usual limit, or write more minutes than it can take";
        reader.error_with_help("SW0104", node.span, format!("{place} must be above 0"), help);
        return None;
    }
    reader.maybe_number(node, place, names)
}
