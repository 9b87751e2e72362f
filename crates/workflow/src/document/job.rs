//! Reading `jobs.<id>`.

use super::{
    Defaults, Fields, Job, JobKind, RunsOn, StepsJob, Strategy, StrategyMatrix, call, containers,
    reader::Reader, step, values,
};
use crate::{
    expr::{self, Condition, Template},
    matrix,
};
use shipway_base::{
    Span, Spanned,
    yaml::{Mapping, Node},
};
use std::sync::Arc;

const KEYS: &[&str] = &[
    "name",
    "needs",
    "if",
    "runs-on",
    "strategy",
    "timeout-minutes",
    "cancel-timeout-minutes",
    "continue-on-error",
    "env",
    "environment",
    "permissions",
    "concurrency",
    "outputs",
    "defaults",
    "steps",
    "container",
    "services",
    "snapshot",
    "cache-mode",
    "uses",
    "with",
    "secrets",
];

/// The keys of a job that calls a workflow.
const CALL_KEYS: &[&str] = &[
    "name",
    "uses",
    "with",
    "secrets",
    "needs",
    "if",
    "permissions",
    "concurrency",
    "strategy",
    "cache-mode",
];

/// Reads one job; `None` when it is not a mapping, or calls something that is no workflow.
pub(super) fn read(reader: &mut Reader<'_>, id: &Spanned<String>, node: &Node) -> Option<Job> {
    let mapping = reader.mapping(node, &format!("the job {:?}", id.value))?;
    let uses = mapping.iter().find(|(key, _)| key.value == "uses").map(|(key, _)| key.span);
    let calls = uses.is_some();
    let mut job = Job {
        id: id.clone(),
        name: None,
        needs: Vec::new(),
        condition: Condition::success(),
        strategy: None,
        permissions: None,
        concurrency: None,
        cache_mode: None,
        kind: JobKind::Steps(Arc::new(StepsJob::empty(node.span))),
        span: node.span,
    };
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            word if calls && KEYS.contains(&word) && !CALL_KEYS.contains(&word) => {
                let message = format!("a job with `uses` cannot have the key {:?}", key.value);
                // The later of the two is the one too many.
                let span = uses.filter(|uses| uses.start > key.span.start).unwrap_or(key.span);
                reader.error("SW0110", span, message);
            }
            "name" => job.name = reader.template(value, "name", &expr::JOB),
            "needs" => job.needs = reader.names(value, "needs"),
            "if" => {
                if let Some(condition) = reader.condition(value, "if", &expr::JOB_IF) {
                    job.condition = condition;
                }
            }
            "strategy" => job.strategy = read_strategy(reader, value),
            "permissions" => job.permissions = values::permissions(reader, value),
            "concurrency" => job.concurrency = values::concurrency(reader, value, &expr::JOB),
            "cache-mode" => job.cache_mode = values::cache_mode(reader, value),
            // The rest is read with its kind.
            word if KEYS.contains(&word) => {}
            _ if calls => reader.unknown_key(key, "a job with `uses`", CALL_KEYS),
            _ => reader.unknown_key(key, "a job", KEYS),
        }
    }
    job.kind = match calls {
        true => JobKind::Call(Arc::new(call::read(reader, mapping)?)),
        false => JobKind::Steps(Arc::new(read_steps_job(reader, id, node.span, mapping))),
    };
    Some(job)
}

impl StepsJob {
    fn empty(span: Span) -> StepsJob {
        StepsJob {
            runs_on: RunsOn { labels: Vec::new(), group: None, span },
            timeout_minutes: None,
            cancel_timeout_minutes: None,
            continue_on_error: None,
            env: Fields::default(),
            environment: None,
            outputs: Vec::new(),
            defaults: Defaults::default(),
            container: None,
            services: None,
            steps: Vec::new(),
        }
    }
}

fn read_steps_job(reader: &mut Reader<'_>, id: &Spanned<String>, span: Span, mapping: &Mapping) -> StepsJob {
    let mut job = StepsJob::empty(span);
    for (key, value) in mapping.iter() {
        let word = key.value.as_str();
        match word {
            "runs-on" => job.runs_on = read_runs_on(reader, value),
            "timeout-minutes" => job.timeout_minutes = values::minutes(reader, value, word, &expr::JOB),
            "cancel-timeout-minutes" => {
                job.cancel_timeout_minutes = values::minutes(reader, value, word, &expr::JOB);
            }
            "continue-on-error" => job.continue_on_error = reader.maybe_bool(value, word, &expr::JOB),
            "env" => job.env = reader.fields(value, "env", &expr::JOB_ENV),
            "environment" => job.environment = values::environment(reader, value),
            "outputs" => job.outputs = read_outputs(reader, value),
            "defaults" => job.defaults = values::defaults(reader, value, Some(&expr::JOB_DEFAULTS)),
            "steps" => job.steps = step::read_steps(reader, value, step::Home::Job),
            "container" => job.container = containers::container(reader, value),
            "services" => job.services = containers::services(reader, value),
            "snapshot" => containers::refuse_snapshot(reader, key, value),
            "with" | "secrets" => {
                let message = format!("{word:?} belongs to a job that calls a reusable workflow with `uses`");
                reader.error("SW0110", key.span, message);
            }
            // Every job has these, or they are told of already.
            _ => {}
        }
    }
    if mapping.get("runs-on").is_none() {
        reader.missing(id.span, &format!("the job {:?}", id.value), "runs-on");
    }
    job
}

fn read_runs_on(reader: &mut Reader<'_>, node: &Node) -> RunsOn {
    let Some(mapping) = node.as_mapping() else {
        return RunsOn { labels: labels(reader, node), group: None, span: node.span };
    };
    let mut found = RunsOn { labels: Vec::new(), group: None, span: node.span };
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "labels" => found.labels = labels(reader, value),
            "group" => found.group = read_group(reader, value),
            _ => reader.unknown_key(key, "runs-on", &["group", "labels"]),
        }
    }
    if mapping.get("labels").is_none() && mapping.get("group").is_none() {
        reader.missing(node.span, "runs-on", "labels");
    }
    found
}

/// A group of runners: a name, or one behind `org/`, `organization/`, `ent/` or `enterprise/`.
fn read_group(reader: &mut Reader<'_>, node: &Node) -> Option<Template> {
    let group = reader.filled(node, "runs-on.group", &expr::JOB)?;
    if let Some((owner, name)) = group.as_literal().and_then(|text| text.split_once('/')) {
        let known = matches!(owner, "org" | "organization" | "ent" | "enterprise");
        if !known || name.is_empty() || name.contains('/') {
            let message = format!("{:?} is not the name of a group of runners", group.text());
            let help = "write its name alone, or behind organization/ or enterprise/";
            reader.error_with_help("SW0104", node.span, message, help);
        }
    }
    Some(group)
}

fn labels(reader: &mut Reader<'_>, node: &Node) -> Vec<Template> {
    match node.as_sequence() {
        Some([]) => {
            reader.error("SW0113", node.span, "runs-on needs at least one label");
            Vec::new()
        }
        Some(items) => {
            items.iter().filter_map(|item| reader.filled(item, "a label of runs-on", &expr::JOB)).collect()
        }
        None => reader.filled(node, "runs-on", &expr::JOB).into_iter().collect(),
    }
}

fn read_strategy(reader: &mut Reader<'_>, node: &Node) -> Option<Strategy> {
    let mut strategy =
        Strategy { matrix: None, fail_fast: None, max_parallel: None, whole: None, span: node.span };
    let Some(mapping) = node.as_mapping() else {
        let whole = reader.whole(node, "strategy", "a mapping or an expression", &expr::STRATEGY)?;
        return Some(Strategy { whole: Some(whole), ..strategy });
    };
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "matrix" => {
                strategy.matrix =
                    matrix::read(reader, value).map(|tree| StrategyMatrix { tree, span: value.span });
            }
            "fail-fast" => strategy.fail_fast = reader.maybe_bool(value, "fail-fast", &expr::STRATEGY),
            "max-parallel" => {
                strategy.max_parallel = reader.maybe_number(value, "max-parallel", &expr::STRATEGY);
                let number = value.as_number();
                if number.is_some_and(|number| number.fract() != 0.0) {
                    reader.error("SW0104", value.span, "max-parallel must be a whole number");
                }
            }
            _ => reader.unknown_key(key, "strategy", &["matrix", "fail-fast", "max-parallel"]),
        }
    }
    Some(strategy)
}

fn read_outputs(reader: &mut Reader<'_>, node: &Node) -> Vec<(Spanned<String>, Template)> {
    let Some(mapping) = reader.mapping(node, "outputs") else { return Vec::new() };
    reader.entries(mapping, "outputs", &expr::JOB_OUTPUTS)
}
