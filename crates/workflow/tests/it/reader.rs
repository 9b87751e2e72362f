//! GitHub's own parser cases: what a file is read to, as far as the model shows it.

use crate::conformance::{Tally, folder};
use serde_json::{Map, Value as Json, json};
use shipway_base::Source;
use shipway_workflow::{
    document::{
        Concurrency, Container, Credentials, Defaults, Environment, Fields, Items, Job, Maybe, Permissions,
        RunsOn, Services, Step, StepKind, StepsJob, Strategy, Workflow,
    },
    expr::{Condition, Template, Value},
    matrix::Tree,
};

/// Keys of the expected documents that the model does not keep.
const NOT_KEPT: &[(&str, &str)] =
    &[("type", "told apart by the kind of the job"), ("snapshot", "refused, so there is no model of it")];

/// What stands within `${{ }}`, and text with several of them, as GitHub's parser writes them.
fn template(template: &Template) -> Json {
    let text = template.text();
    if let Some(literal) = template.as_literal() {
        return json!(literal);
    }
    let (mut format, mut arguments, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, behind)) = rest.split_once("${{") {
        let Some((inside, after)) = closed(behind) else { break };
        format += &before.replace('\'', "''").replace('{', "{{").replace('}', "}}");
        format += &format!("{{{}}}", arguments.len());
        arguments.push(inside.trim());
        rest = after;
    }
    match (format.as_str(), rest) {
        ("{0}", "") => match arguments[0].strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            // A lone text in quotes is that text.
            Some(text) if !text.replace("''", "").contains('\'') => json!(text.replace("''", "'")),
            _ => json!(format!("${{{{ {} }}}}", arguments[0])),
        },
        _ => {
            format += &rest.replace('\'', "''").replace('{', "{{").replace('}', "}}");
            json!(format!("${{{{ format('{format}', {}) }}}}", arguments.join(", ")))
        }
    }
}

/// What stands before and behind the `}}` that closes an expression.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = text.char_indices().position(|(at, c)| {
        quoted ^= c == '\'';
        !quoted && text[at..].starts_with("}}")
    })?;
    let at = text.char_indices().nth(at)?.0;
    Some((&text[..at], &text[at + 2..]))
}

fn condition(condition: &Condition) -> Json {
    let Some(written) = condition.written() else { return json!("${{ success() }}") };
    let text = written.text().trim();
    let whole = match text.contains("${{") {
        true => template(written).as_str().unwrap_or_default().to_owned(),
        false => text.to_owned(),
    };
    let bare = whole.strip_prefix("${{").and_then(|text| text.strip_suffix("}}")).unwrap_or(&whole).trim();
    match condition.asks_status() {
        true => json!(format!("${{{{ {bare} }}}}")),
        false => json!(format!("${{{{ success() && ({bare}) }}}}")),
    }
}

fn maybe<T>(value: &Maybe<T>, literal: impl Fn(&T) -> Json) -> Json {
    match value {
        Maybe::Literal(value) => literal(&value.value),
        Maybe::Expression(expression) => template(expression),
    }
}

fn number(value: &f64) -> Json {
    scalar(&Value::Number(*value))
}

/// A scalar; numbers that JSON lacks are told by their names.
fn scalar(value: &Value) -> Json {
    match value {
        Value::Number(number) if !number.is_finite() => json!(&*value.to_text()),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value.to_json(),
    }
}

fn fields(fields: &Fields) -> Json {
    match fields {
        Fields::Entries(entries) => {
            entries.iter().map(|(key, value)| (key.value.clone(), template(value))).collect()
        }
        Fields::Keyed(entries) => {
            entries.iter().map(|(key, value)| (key.written().to_owned(), template(value))).collect()
        }
        Fields::Expression(expression) => template(expression),
    }
}

fn items(items: &Items) -> Json {
    match items {
        Items::Entries(entries) => entries.iter().map(template).collect(),
        Items::Expression(expression) => template(expression),
    }
}

fn tree(node: &Tree) -> Json {
    match node {
        Tree::Scalar(value) => scalar(&value.value),
        Tree::Template(value) => template(value),
        Tree::Sequence(items, _) => items.iter().map(tree).collect(),
        Tree::Mapping(pairs, _) => {
            pairs.iter().map(|(key, value)| (key.written().to_owned(), tree(value))).collect()
        }
    }
}

/// An object of what is there.
fn object<const N: usize>(entries: [(&str, Option<Json>); N]) -> Json {
    let entries = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Json::Object(entries.collect::<Map<String, Json>>())
}

fn strategy(strategy: &Strategy) -> Json {
    object([
        ("matrix", strategy.matrix.as_ref().map(|matrix| tree(&matrix.tree))),
        ("fail-fast", strategy.fail_fast.as_ref().map(|value| maybe(value, |value| json!(value)))),
        ("max-parallel", strategy.max_parallel.as_ref().map(|value| maybe(value, number))),
    ])
}

fn concurrency(written: &Concurrency) -> Json {
    if written.cancel_in_progress.is_none() && written.queue.is_none() {
        return template(&written.group);
    }
    object([
        ("group", Some(template(&written.group))),
        (
            "cancel-in-progress",
            written.cancel_in_progress.as_ref().map(|value| maybe(value, |value| json!(value))),
        ),
        (
            "queue",
            written
                .queue
                .as_ref()
                .map(|queue| maybe(queue, |queue| json!(format!("{queue:?}").to_lowercase()))),
        ),
    ])
}

fn environment(written: &Environment) -> Json {
    if written.url.is_none() && written.deployment.is_none() {
        return template(&written.name);
    }
    object([
        ("name", Some(template(&written.name))),
        ("url", written.url.as_ref().map(template)),
        ("deployment", written.deployment.as_ref().map(|value| maybe(value, |value| json!(value)))),
    ])
}

fn defaults(defaults: &Defaults) -> Json {
    json!({"run": object([
        ("shell", defaults.shell.as_ref().map(template)),
        ("working-directory", defaults.working_directory.as_ref().map(template)),
    ])})
}

fn runs_on(written: &RunsOn) -> Json {
    let labels: Vec<Json> = written.labels.iter().map(template).collect();
    let labels = match labels.as_slice() {
        [one] => one.clone(),
        _ => json!(labels),
    };
    match &written.group {
        None => labels,
        Some(group) => object([
            ("group", Some(template(group))),
            ("labels", (!written.labels.is_empty()).then_some(labels)),
        ]),
    }
}

fn container(written: &Container) -> Json {
    let mapping = match written {
        Container::Image(image) => return template(image),
        Container::Mapping(mapping) => mapping,
    };
    let filled = |value: Json| Some(value).filter(|value| *value != json!([]) && *value != json!({}));
    object([
        ("image", Some(template(&mapping.image))),
        ("env", filled(fields(&mapping.env))),
        ("ports", filled(items(&mapping.ports))),
        ("volumes", filled(items(&mapping.volumes))),
        ("options", mapping.options.as_ref().map(template)),
        ("entrypoint", mapping.entrypoint.as_ref().map(template)),
        ("command", mapping.command.as_ref().map(template)),
        (
            "credentials",
            mapping.credentials.as_ref().map(|credentials| match credentials {
                Credentials::Entries { username, password } => object([
                    ("username", username.as_ref().map(template)),
                    ("password", password.as_ref().map(template)),
                ]),
                Credentials::Expression(expression) => template(expression),
            }),
        ),
    ])
}

fn services(services: &Services) -> Json {
    match services {
        Services::Entries(entries) => {
            entries.iter().map(|(key, service)| (key.written().to_owned(), container(service))).collect()
        }
        Services::Expression(expression) => template(expression),
    }
}

fn step(step: &Step) -> Json {
    let filled = |written: &Fields| (!written.is_empty()).then(|| fields(written));
    let (name, control) = match &step.kind {
        StepKind::Run(_) | StepKind::Uses(_) => (None, false),
        StepKind::Wait(_) => (Some("Wait"), true),
        StepKind::WaitAll => (Some("Wait for all"), true),
        StepKind::Cancel(_) => (Some("Cancel"), true),
        StepKind::Parallel(_) => (Some("Parallel group"), true),
    };
    let (run, uses) = match &step.kind {
        StepKind::Run(run) => (Some(run), None),
        StepKind::Uses(uses) => (None, Some(uses)),
        StepKind::Wait(_) | StepKind::WaitAll | StepKind::Cancel(_) | StepKind::Parallel(_) => (None, None),
    };
    object([
        ("id", step.id.as_ref().map(|id| json!(id.value))),
        ("name", step.name.as_ref().map(template).or(name.map(|name| json!(name)))),
        ("if", (!control).then(|| condition(&step.condition))),
        ("env", filled(&step.env)),
        (
            "continue-on-error",
            step.continue_on_error.as_ref().map(|value| maybe(value, |value| json!(value))),
        ),
        ("timeout-minutes", step.timeout_minutes.as_ref().map(|value| maybe(value, number))),
        ("background", step.background.then(|| json!(true))),
        ("run", run.map(|run| template(&run.run))),
        ("shell", run.and_then(|run| run.shell.as_ref()).map(template)),
        ("working-directory", run.and_then(|run| run.working_directory.as_ref()).map(template)),
        ("uses", uses.map(|step| json!(step.uses.value.to_string()))),
        ("with", uses.and_then(|step| filled(&step.with))),
        (
            "wait",
            match &step.kind {
                StepKind::Wait(ids) => Some(ids.iter().map(|id| json!(id.value)).collect()),
                StepKind::Run(_)
                | StepKind::Uses(_)
                | StepKind::WaitAll
                | StepKind::Cancel(_)
                | StepKind::Parallel(_) => None,
            },
        ),
        ("wait-all", matches!(step.kind, StepKind::WaitAll).then(|| json!(true))),
        (
            "cancel",
            match &step.kind {
                StepKind::Cancel(id) => Some(json!(id.value)),
                StepKind::Run(_)
                | StepKind::Uses(_)
                | StepKind::Wait(_)
                | StepKind::WaitAll
                | StepKind::Parallel(_) => None,
            },
        ),
    ])
}

fn permissions(written: &Permissions) -> Json {
    match written {
        // Written out by GitHub, scope by scope, as of when the cases were made: see `compare`.
        Permissions::ReadAll => json!("read"),
        Permissions::WriteAll => json!("write"),
        Permissions::Scopes(scopes) => {
            let given = scopes.iter().filter(|(_, level)| *level != "none");
            given.map(|(scope, level)| (scope.clone(), json!(level))).collect()
        }
    }
}

fn job(workflow: &Workflow, job: &Job, body: &StepsJob) -> Json {
    let needs: Vec<&str> = job.needs.iter().map(|need| need.value.as_str()).collect();
    let name = job.name.as_ref().map_or_else(|| json!(job.id.value), template);
    object([
        ("id", Some(json!(job.id.value))),
        ("name", Some(if name == json!("") { json!(job.id.value) } else { name })),
        ("needs", (!needs.is_empty()).then(|| json!(needs))),
        ("if", Some(condition(&job.condition))),
        ("strategy", job.strategy.as_ref().map(strategy)),
        ("permissions", job.permissions.as_ref().or(workflow.permissions.as_ref()).map(permissions)),
        ("concurrency", job.concurrency.as_ref().map(concurrency)),
        ("runs-on", Some(runs_on(&body.runs_on))),
        ("timeout-minutes", body.timeout_minutes.as_ref().map(|value| maybe(value, number))),
        ("cancel-timeout-minutes", body.cancel_timeout_minutes.as_ref().map(|value| maybe(value, number))),
        (
            "continue-on-error",
            body.continue_on_error.as_ref().map(|value| maybe(value, |value| json!(value))),
        ),
        ("env", (!body.env.is_empty()).then(|| fields(&body.env))),
        ("environment", body.environment.as_ref().map(environment)),
        (
            "outputs",
            (!body.outputs.is_empty()).then(|| {
                body.outputs.iter().map(|(key, value)| (key.value.clone(), template(value))).collect()
            }),
        ),
        (
            "defaults",
            (body.defaults.shell.is_some() || body.defaults.working_directory.is_some())
                .then(|| defaults(&body.defaults)),
        ),
        ("container", body.container.as_ref().map(container)),
        ("services", body.services.as_ref().map(services)),
        ("steps", Some(body.steps.iter().map(step).collect())),
    ])
}

/// The tokens of GitHub's parser as plain JSON.
fn plain(token: &Json) -> Json {
    match token {
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(map) if map.contains_key("type") && map.contains_key("expr") => {
            json!(format!("${{{{ {} }}}}", map["expr"].as_str().unwrap_or_default().trim()))
        }
        Json::Object(map) if map.contains_key("seq") => plain(&map["seq"]),
        Json::Object(map) if map.contains_key("map") => {
            let pairs = map["map"].as_array().into_iter().flatten();
            pairs.map(|pair| (key(&pair["Key"]), plain(&pair["Value"]))).collect()
        }
        Json::Object(map) => map.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => token.clone(),
    }
}

/// A key: a name, an expression or a directive.
fn key(token: &Json) -> String {
    let inner = ["directive", "expr"].iter().find_map(|word| token[word].as_str());
    match inner {
        Some(inner) => format!("${{{{ {} }}}}", inner.trim()),
        None => token.as_str().unwrap_or_default().to_owned(),
    }
}

/// Each expected key that the model keeps, compared.
fn compare(place: &str, expected: &Json, found: &Json, wrong: &mut Vec<String>) {
    for (key, value) in expected.as_object().into_iter().flatten() {
        if NOT_KEPT.iter().any(|(known, _)| known == key) {
            continue;
        }
        let place = format!("{place}.{key}");
        let found = &found[key];
        match (key.as_str(), value.as_array(), found.as_array()) {
            ("jobs" | "steps", Some(expected), Some(found)) if expected.len() == found.len() => {
                for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                    compare(&format!("{place}[{at}]"), expected, found, wrong);
                }
            }
            // Ids are made up for steps without one, and nothing refers to those here.
            ("id", _, _) if value.as_str().is_some_and(|id| id.starts_with("__")) && found.is_null() => {}
            ("permissions", _, _)
                if found.is_string()
                    && value.as_object().is_some_and(|all| all.values().all(|level| level == found)) => {}
            // An environment without a name is none.
            ("environment", _, _) if value == "" && found.is_null() => {}
            // Several spellings of one number, of which texts keep the first.
            _ if *value == *found || same_number(value, found) => {}
            _ if value.is_array()
                && value.as_array().map(Vec::as_slice) == Some(std::slice::from_ref(found)) => {}
            _ => wrong.push(format!("{place}: {value} was expected, and it is {found}")),
        }
    }
}

fn same_number(a: &Json, b: &Json) -> bool {
    a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a == b)
}

/// Cases whose expected document differs here, with the reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("preserves-source-info-basic.yml", "about places, which another suite holds"),
    ("preserves-source-info-simple.yml", "about places, which another suite holds"),
    ("mvp.yml", "a block at the very end of a file without a line break gets one here"),
];

#[test]
fn conformance_github_workflow_parser_documents() {
    let Some(folder) = folder("github-actions/workflow-parser/testdata/reader") else { return };
    let mut tally = Tally::new("GitHub workflow-parser documents");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{name}: {e}"));
        let parts: Vec<&str> = text.split("\n---\n").collect();
        let [_, workflow, .., outcome] = parts.as_slice() else { panic!("{name}: no case") };
        let expected: Json = serde_json::from_str(outcome).unwrap_or_default();
        // Which errors are found, and where, is the business of other suites.
        if expected.get("errors").is_some() {
            continue;
        }
        if let Some((_, why)) = DIFFERENT.iter().find(|(known, _)| *known == name) {
            tally.leave_out(&name, why);
            continue;
        }
        let (workflow, _) = Workflow::parse(&Source::new("w.yml", *workflow));
        let Some(workflow) = workflow else {
            tally.leave_out(&name, "refused here, which another suite counts with the reason");
            continue;
        };
        let bodies: Option<Vec<Json>> =
            workflow.jobs.values().map(|of| of.steps().map(|body| job(&workflow, of, body))).collect();
        let Some(jobs) = bodies else {
            tally.leave_out(&name, "calls other files, which another suite loads");
            continue;
        };
        let found = object([
            ("jobs", Some(json!(jobs))),
            ("env", Some(fields(&workflow.env))),
            ("defaults", Some(defaults(&workflow.defaults))),
            ("concurrency", workflow.concurrency.as_ref().map(concurrency)),
            ("permissions", workflow.permissions.as_ref().map(permissions)),
        ]);
        let mut wrong = Vec::new();
        let mut expected = plain(&expected);
        if let Some(expected) = expected.as_object_mut() {
            // The event's filters and inputs are held by the schema suites; the table belongs to loading files.
            ["events", "input-types", "file-table"].iter().for_each(|key| {
                expected.remove(*key);
            });
        }
        compare("", &expected, &found, &mut wrong);
        tally.record(&name, if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n  ")) });
    }
    tally.finish(60);
}
