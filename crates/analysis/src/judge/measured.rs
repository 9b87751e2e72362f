//! A look at a metric that is measured at intervals.

use super::{Case, Outcome};
use crate::{
    Cause, Measurements, Metric, MetricReport, MetricState, Phase, RouterQuery, condition,
    measure::{self, Due},
};
use shipway_base::human_duration;
use std::time::Duration;

/// What a measurement covers that is taken once and says nothing of a time.
const WINDOW: Duration = Duration::from_secs(10);

/// Takes the measurement that is due, if any, and judges all of them.
pub(super) fn look(
    metric: &Metric,
    query: RouterQuery,
    case: &Case<'_>,
    measurements: &mut Measurements,
) -> Outcome {
    let totals = case.total.arm(query.arm);
    // The first measurement is about what comes from the first look on, which is when the analysis begins, begins anew, or
    // is found under way by a new process.
    let fresh = || MetricState { since: case.now, totals: totals.clone(), ..MetricState::default() };
    let mut state = measurements.metrics.entry(metric.name.clone()).or_insert_with(fresh).clone();
    let first_at = state.since + first_window(metric);
    let assess =
        |state: &MetricState| measure::assess(&metric.limits, metric.interval.is_some(), state, false);
    let (mut phase, mut reason) = assess(&state);
    let (mut wake, mut idle) = (None, false);
    if matches!(phase, Phase::Pending | Phase::Running) {
        match measure::due(metric, &state, first_at, case.now) {
            Due::Now => match measure::value(query.query, &totals.since(&state.totals)) {
                Some(value) => {
                    let (success, failure) = (&metric.success_condition, &metric.failure_condition);
                    let taken = condition::assess(success.as_ref(), failure.as_ref(), &value, case.now);
                    measure::record(&mut state, taken, metric.retention);
                    state.totals = totals.clone();
                    measurements.metrics.insert(metric.name.clone(), state.clone());
                    (phase, reason) = assess(&state);
                    if let Due::At(at, why) = measure::due(metric, &state, first_at, case.now) {
                        wake = matches!(phase, Phase::Running).then_some((at, why));
                    }
                }
                // A rate over no requests says nothing, so it is not a measurement; evidence will wake the caller.
                None => idle = true,
            },
            Due::At(at, why) => wake = Some((at, why)),
            Due::Never => {}
        }
    }
    let report = MetricReport {
        name: metric.name.clone(),
        phase,
        dry_run: metric.dry_run,
        message: message(metric, query, &state, phase, reason, idle),
        signals: Vec::new(),
        measured: Some(state),
    };
    let cause = if phase == Phase::Error { Cause::Error } else { Cause::Condition };
    Outcome { report, cause, needed: None, guard: false, wake }
}

/// What the first measurement covers: as much as the others, unless the document says otherwise.
fn first_window(metric: &Metric) -> Duration {
    if metric.initial_delay.is_zero() { metric.interval.unwrap_or(WINDOW) } else { metric.initial_delay }
}

fn message(
    metric: &Metric,
    query: RouterQuery,
    state: &MetricState,
    phase: Phase,
    reason: Option<String>,
    idle: bool,
) -> String {
    let what = format!("{} of the {}", query.query.name(), query.arm);
    let Some(last) = state.last.last() else {
        return if idle {
            format!("{what}: no requests to measure yet")
        } else {
            let window = human_duration(first_window(metric));
            format!("{what}: not measured yet; the first measurement is about {window}")
        };
    };
    let mut text = format!("{what} was {}", last.value);
    for (name, condition) in
        [("successCondition", &metric.success_condition), ("failureCondition", &metric.failure_condition)]
    {
        if let Some(condition) = condition {
            text += &format!(", {name} `{}`", condition.text());
        }
    }
    text += &format!("; {} of {} measurements were successful", state.successful, state.count + state.error);
    if let Some(problem) = &last.message {
        text += &format!("; {problem}");
    }
    match (reason, phase) {
        (Some(reason), _) => text + "; " + &reason,
        (None, Phase::Running) if idle => text + "; no requests to measure since",
        (None, _) => text,
    }
}
