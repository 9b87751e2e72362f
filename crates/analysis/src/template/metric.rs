//! One metric of a template.

use super::provider;
use crate::{
    Condition, Limits, Metric, Provider,
    fields::{Fields, SHAPE},
};
use shipway_base::{Diagnostic, Diagnostics, Source, Span, Spanned, yaml::Node};
use std::time::Duration;

/// Numbers of a metric contradict each other.
const LIMITS: &str = "SW0402";

/// A condition cannot be read.
const CONDITION: &str = "SW0404";

/// How many measurements of a metric are kept unless a rule says otherwise; Argo's number.
const RETENTION: u32 = 10;

const KEYS: &[&str] = &[
    "name",
    "provider",
    "interval",
    "initialDelay",
    "count",
    "successCondition",
    "failureCondition",
    "failureLimit",
    "inconclusiveLimit",
    "consecutiveErrorLimit",
    "consecutiveSuccessLimit",
];

/// Reads metrics; names must be unique.
pub(crate) fn read_all(nodes: &[(Node, Source)], found: &mut Diagnostics) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    for (node, source) in nodes {
        let Some(metric) = read(node, source, found) else { continue };
        if metrics.iter().any(|other| other.name == metric.name) {
            let message = format!("two metrics have the same name `{}`", metric.name);
            found.push(Diagnostic::error(LIMITS, source, metric.span, message));
        }
        metrics.push(metric);
    }
    metrics
}

fn read(node: &Node, source: &Source, found: &mut Diagnostics) -> Option<Metric> {
    let fields = Fields::open(node, "a metric", KEYS, source, found)?;
    fields.required("name", found);
    let name = fields.text("name", found);
    let provider = match fields.required("provider", found) {
        Some(node) => provider::read(node, source, found),
        None => None,
    };
    let interval = fields.duration("interval", found);
    let initial_delay = fields.duration("initialDelay", found);
    let success_condition = condition(&fields, "successCondition", source, found);
    let failure_condition = condition(&fields, "failureCondition", source, found);
    let limits = limits(&fields, interval.is_some(), source, found);
    let metric = Metric {
        name: name?.value,
        span: node.span,
        provider: provider?,
        interval: interval.map(|interval| interval.value),
        initial_delay: initial_delay.map_or(Duration::ZERO, |delay| delay.value),
        success_condition,
        failure_condition,
        limits,
        retention: RETENTION,
        dry_run: false,
    };
    match &metric.provider {
        Provider::Sequential(_) => refuse_measuring(&fields, source, found),
        Provider::Router(_) => {}
    }
    Some(metric)
}

/// Reads a condition; where the text stands in the source as it is, the place is the exact character.
fn condition(
    fields: &Fields<'_>,
    key: &'static str,
    source: &Source,
    found: &mut Diagnostics,
) -> Option<Condition> {
    let text = fields.text(key, found)?;
    match Condition::parse(&text.value) {
        Ok(condition) => Some(condition),
        Err(error) => {
            let plain = fields.get(key).and_then(|node| node.as_scalar()).is_some_and(|scalar| scalar.plain);
            let one_line = text.span.start.line == text.span.end.line;
            let span = match error.at.filter(|_| plain && one_line) {
                Some(at) => {
                    let mut start = text.span.start;
                    start.column += at as u32;
                    Span::new(start, text.span.end)
                }
                None => text.span,
            };
            found.push(Diagnostic::error(CONDITION, source, span, format!("`{key}`: {}", error.message)));
            None
        }
    }
}

fn limits(fields: &Fields<'_>, has_interval: bool, source: &Source, found: &mut Diagnostics) -> Limits {
    let mut read = |key: &'static str, least: i64| {
        let number = fields.integer(key, found)?;
        if (least..=1_000_000).contains(&number.value) {
            return Some(number);
        }
        let message = match least {
            -1 => format!("`{key}` must be at least 0, or -1 to switch it off"),
            _ => format!("`{key}` must be at least {least}"),
        };
        found.push(Diagnostic::error(LIMITS, source, number.span, message));
        None
    };
    let count = read("count", 0);
    let failure = read("failureLimit", -1);
    let inconclusive = read("inconclusiveLimit", 0);
    let consecutive_error = read("consecutiveErrorLimit", 0);
    let consecutive_success = read("consecutiveSuccessLimit", 0);
    let or =
        |number: &Option<Spanned<i64>>, default: i64| number.as_ref().map_or(default, |number| number.value);
    let (total, failures, successes) = (or(&count, 0), or(&failure, 0), or(&consecutive_success, 0));
    let mut refuse = |message: String| found.push(Diagnostic::error(LIMITS, source, fields.span, message));
    if total > 1 && !has_interval {
        refuse("`interval` must be given when `count` is above 1".to_owned());
    }
    if total > 0 && failures >= 0 && total < failures.max(0) + successes {
        refuse(format!(
            "`count` ({total}) is below `failureLimit` + `consecutiveSuccessLimit` ({failures} + {successes}), so one of \
             them can never be reached"
        ));
    }
    if total > 0 && total < or(&inconclusive, 0) {
        refuse(format!("`count` ({total}) is below `inconclusiveLimit`, which can then never be reached"));
    }
    if failures < 0 && successes == 0 && (failure.is_some() && consecutive_success.is_some()) {
        refuse("`failureLimit` and `consecutiveSuccessLimit` cannot both be switched off".to_owned());
    }
    Limits {
        count: total as u32,
        failure: u32::try_from(failures).ok(),
        inconclusive: or(&inconclusive, 0) as u32,
        consecutive_error: or(&consecutive_error, 4) as u32,
        consecutive_success: successes as u32,
    }
}

/// A sequential metric is looked at continuously: what belongs to single measurements has no meaning there.
fn refuse_measuring(fields: &Fields<'_>, source: &Source, found: &mut Diagnostics) {
    for key in KEYS.iter().filter(|key| !["name", "provider"].contains(key)) {
        if let Some(node) = fields.get(key) {
            let message =
                format!("`{key}` has no meaning for shipway/sequential, which is looked at all the time");
            found.push(
                Diagnostic::error(SHAPE, source, node.span, message)
                    .with_help("remove it; see `alpha` and `promote`"),
            );
        }
    }
}
