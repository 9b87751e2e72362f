//! Single measurements: when one is due, what it says, and what all of them together mean for a metric.
//!
//! The rules are those of Argo's analysis runs.

use crate::{
    ArmTotals, Limits, Measurement, MeasurementPhase, Metric, MetricState, Phase, Query, condition::Value,
};
use shipway_base::Timestamp;
use std::time::Duration;

/// How soon a measurement is tried again after an error, whatever the interval; Argo's number.
const RETRY: Duration = Duration::from_secs(10);

/// When the next measurement is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once.
    Now,
    /// Not before that instant, for that reason.
    At(Timestamp, &'static str),
    /// Never: there were enough.
    Never,
}

/// When a metric that has not ended is to be measured next; `first_at` is when it is to be measured for the first time.
pub fn due(metric: &Metric, state: &MetricState, first_at: Timestamp, now: Timestamp) -> Due {
    let at = |at: Timestamp, why: &'static str| if now >= at { Due::Now } else { Due::At(at, why) };
    let Some(last) = state.last.last() else {
        return at(first_at, "the first measurement is due");
    };
    let wanted = effective_count(&metric.limits, metric.interval.is_some());
    if wanted.is_some_and(|wanted| state.count >= wanted) {
        return Due::Never;
    }
    match (last.phase, metric.interval) {
        (MeasurementPhase::Error, _) => at(last.at + RETRY, "a failed measurement is tried again"),
        (_, Some(interval)) => at(last.at + interval, "the next measurement is due"),
        (_, None) => Due::Now,
    }
}

/// Adds a measurement to a metric's counters, keeping the last few.
pub fn record(state: &mut MetricState, measurement: Measurement, retention: u32) {
    state.count += u32::from(measurement.phase != MeasurementPhase::Error);
    let (mut successes, mut errors) = (0, 0);
    match measurement.phase {
        MeasurementPhase::Successful => {
            state.successful += 1;
            successes = state.consecutive_success + 1;
        }
        MeasurementPhase::Failed => state.failed += 1,
        MeasurementPhase::Inconclusive => state.inconclusive += 1,
        MeasurementPhase::Error => {
            state.error += 1;
            errors = state.consecutive_error + 1;
        }
    }
    state.consecutive_success = successes;
    state.consecutive_error = errors;
    state.last.push(measurement);
    let surplus = state.last.len().saturating_sub(retention.max(1) as usize);
    state.last.drain(..surplus);
}

/// How a metric stands by its counters, and why if not well. `terminating`: no more measurements will come, so what
/// has not gone wrong is successful.
pub fn assess(
    limits: &Limits,
    has_interval: bool,
    state: &MetricState,
    terminating: bool,
) -> (Phase, Option<String>) {
    if state.last.is_empty() {
        return (if terminating { Phase::Successful } else { Phase::Pending }, None);
    }
    let over = |what: &str, count: u32, name: &str, limit: u32| {
        (count > limit).then(|| format!("{what} ({count}) > {name} ({limit})"))
    };
    if let Some(limit) = limits.failure
        && let Some(reason) = over("failed", state.failed, "failureLimit", limit)
    {
        return (Phase::Failed, Some(reason));
    }
    if let Some(reason) = over("inconclusive", state.inconclusive, "inconclusiveLimit", limits.inconclusive) {
        return (Phase::Inconclusive, Some(reason));
    }
    let (name, limit) = ("consecutiveErrorLimit", limits.consecutive_error);
    if let Some(reason) = over("consecutiveErrors", state.consecutive_error, name, limit) {
        return (Phase::Error, Some(reason));
    }
    let in_a_row = limits.consecutive_success;
    if in_a_row > 0 && state.consecutive_success >= in_a_row {
        return (Phase::Successful, None);
    }
    if effective_count(limits, has_interval).is_some_and(|wanted| state.count >= wanted) {
        let seen = state.consecutive_success;
        let reason =
            format!("consecutiveSuccessLimit ({in_a_row}) was not reached, there were {seen} in a row");
        return match (limits.failure, in_a_row) {
            (Some(_), 0) => (Phase::Successful, None),
            (Some(_), _) => (Phase::Inconclusive, Some(reason)),
            (None, _) => (Phase::Failed, Some(reason)),
        };
    }
    (if terminating { Phase::Successful } else { Phase::Running }, None)
}

/// The value of a query over what an arm served; `None` when it served nothing and the query needs requests.
pub fn value(query: Query, served: &ArmTotals) -> Option<Value> {
    let latency = |rank: f64| served.latency.quantile(rank).map(|micros| micros as f64 / 1e6);
    let number = match query {
        Query::Requests => return Some(Value::Int(i64::try_from(served.requests).unwrap_or(i64::MAX))),
        Query::ErrorRate => served.error_rate(),
        Query::SuccessRate => served.error_rate().map(|rate| 1.0 - rate),
        Query::P50 => latency(0.5),
        Query::P95 => latency(0.95),
        Query::P99 => latency(0.99),
    };
    number.map(Value::Float)
}

/// How many measurements end the metric: `count`, or one when neither count nor interval nor a success in a row is
/// asked for.
fn effective_count(limits: &Limits, has_interval: bool) -> Option<u32> {
    match limits.count {
        0 if has_interval => None,
        0 => Some(1),
        count => Some(count),
    }
}
