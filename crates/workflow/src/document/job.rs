//! Reading `jobs.<id>`.

use super::{
    Defaults, Fields, Job, RunsOn, Strategy, StrategyMatrix, containers, reader::Reader, step, values,
};
use crate::{
    expr::{self, Condition, Template},
    matrix,
};
use shipway_base::{
    Spanned,
    yaml::{Mapping, Node},
};

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

/// Reads one job; `None` when it is not a mapping or calls a reusable workflow.
pub(super) fn read(reader: &mut Reader<'_>, id: &Spanned<String>, node: &Node) -> Option<Job> {
    let mapping = reader.mapping(node, &format!("the job {:?}", id.value))?;
    if let Some((uses, target)) = mapping.iter().find(|(key, _)| key.value == "uses") {
        call(reader, uses, target, mapping);
        return None;
    }
    let mut job = Job {
        id: id.clone(),
        name: None,
        needs: Vec::new(),
        condition: Condition::success(),
        strategy: None,
        runs_on: RunsOn { labels: Vec::new(), span: node.span },
        timeout_minutes: None,
        continue_on_error: None,
        env: Fields::default(),
        environment: None,
        permissions: None,
        concurrency: None,
        outputs: Vec::new(),
        defaults: Defaults::default(),
        steps: Vec::new(),
        span: node.span,
    };
    let mut runs_on = false;
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "name" => job.name = reader.template(value, "name", &expr::JOB),
            "needs" => job.needs = reader.names(value, "needs"),
            "if" => {
                if let Some(condition) = reader.condition(value, "if", &expr::JOB_IF) {
                    job.condition = condition;
                }
            }
            "runs-on" => {
                runs_on = true;
                job.runs_on = read_runs_on(reader, value);
            }
            "strategy" => job.strategy = read_strategy(reader, value),
            "timeout-minutes" => {
                job.timeout_minutes = values::minutes(reader, value, "timeout-minutes", &expr::JOB);
            }
            "continue-on-error" => {
                job.continue_on_error = reader.maybe_bool(value, "continue-on-error", &expr::JOB);
            }
            "env" => job.env = reader.fields(value, "env", &expr::JOB_ENV),
            "environment" => job.environment = values::environment(reader, value),
            "permissions" => job.permissions = values::permissions(reader, value),
            "concurrency" => job.concurrency = values::concurrency(reader, value, &expr::JOB),
            "outputs" => job.outputs = read_outputs(reader, value),
            "defaults" => job.defaults = values::defaults(reader, value, Some(&expr::JOB_DEFAULTS)),
            "steps" => job.steps = step::read_steps(reader, value, step::Home::Job),
            "container" | "services" | "snapshot" => containers::refuse(reader, key, value),
            "cancel-timeout-minutes" | "cache-mode" => reader.not_supported(key.span, &key.value),
            "with" | "secrets" => {
                let message =
                    format!("{:?} belongs to a job that calls a reusable workflow with `uses`", key.value);
                reader.error("SW0110", key.span, message);
            }
            _ => reader.unknown_key(key, "a job", KEYS),
        }
    }
    if !runs_on {
        reader.missing(id.span, &format!("the job {:?}", id.value), "runs-on");
    }
    Some(job)
}

/// A job with `uses`: recognised, checked for keys that contradict it, and refused.
fn call(reader: &mut Reader<'_>, uses: &Spanned<String>, target: &Node, mapping: &Mapping) {
    const CALL_KEYS: &[&str] =
        &["name", "uses", "with", "secrets", "needs", "if", "permissions", "concurrency", "strategy"];
    for (key, _) in mapping.iter() {
        if CALL_KEYS.contains(&key.value.as_str()) {
            continue;
        }
        if KEYS.contains(&key.value.as_str()) {
            let message = format!("a job with `uses` cannot have the key {:?}", key.value);
            reader.error("SW0110", key.span, message);
        } else {
            reader.unknown_key(key, "a job with `uses`", CALL_KEYS);
        }
    }
    if let Some(path) = reader.name(target, "uses") {
        let (file, reference) = path.value.split_once('@').unwrap_or((&path.value, ""));
        let local = file.starts_with("./") || file.starts_with("$/");
        let remote = file.split('/').filter(|part| !part.is_empty()).count() > 2 && !reference.is_empty();
        let named = file.ends_with(".yml") || file.ends_with(".yaml");
        if !(named && (local || remote)) {
            let help = "write ./.github/workflows/FILE.yml or OWNER/REPO/.github/workflows/FILE.yml@REF";
            reader.error_with_help("SW0112", path.span, "this does not name a reusable workflow", help);
            return;
        }
        reader.not_supported(uses.span, "calling a reusable workflow");
    }
}

fn read_runs_on(reader: &mut Reader<'_>, node: &Node) -> RunsOn {
    let Some(mapping) = node.as_mapping() else {
        return RunsOn { labels: labels(reader, node), span: node.span };
    };
    let mut found = Vec::new();
    let mut any = false;
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "labels" => {
                any = true;
                found = labels(reader, value);
            }
            "group" => {
                any = true;
                reader.not_supported(key.span, "a runner group");
            }
            _ => reader.unknown_key(key, "runs-on", &["group", "labels"]),
        }
    }
    if !any {
        reader.missing(node.span, "runs-on", "labels");
    }
    RunsOn { labels: found, span: node.span }
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
    let mapping = reader.mapping(node, "strategy")?;
    let mut strategy = Strategy { matrix: None, fail_fast: None, max_parallel: None, span: node.span };
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
                if number.is_some_and(|number| number < 1.0 || number.fract() != 0.0) {
                    reader.error("SW0104", value.span, "max-parallel must be a whole number of at least 1");
                }
            }
            _ => reader.unknown_key(key, "strategy", &["matrix", "fail-fast", "max-parallel"]),
        }
    }
    Some(strategy)
}

fn read_outputs(reader: &mut Reader<'_>, node: &Node) -> Vec<(Spanned<String>, Template)> {
    let Some(mapping) = reader.optional_mapping(node, "outputs") else { return Vec::new() };
    reader.entries(mapping, "outputs", &expr::JOB_OUTPUTS)
}
