//! Argo's assessment of metrics and runs, and when measurements are due.

use crate::cases::{Outcome, Tally, cases, expect, json};
use serde_json::Value as Json;
use shipway_analysis::{
    Arm, Limits, Measurement, MeasurementPhase, Metric, MetricState, Phase, Provider, Query, RouterQuery,
    measure::{self, Due},
};
use shipway_base::{Span, Timestamp, parse_duration};
use std::time::Duration;

fn count(json: &Json) -> u32 {
    json.as_u64().map_or(0, |count| u32::try_from(count).expect("small"))
}

fn limits(metric: &Json) -> Limits {
    let or = |key: &str, default: u32| if metric[key].is_null() { default } else { count(&metric[key]) };
    Limits {
        count: or("count", 0),
        failure: (metric["failureLimit"] != -1).then(|| or("failureLimit", 0)),
        inconclusive: or("inconclusiveLimit", 0),
        consecutive_error: or("consecutiveErrorLimit", 4),
        consecutive_success: or("consecutiveSuccessLimit", 0),
    }
}

/// The counters of a metric's result; `None` when a measurement is still in flight, which ours never are.
fn state(result: &Json) -> Option<MetricState> {
    let mut last = Vec::new();
    for measurement in result["measurements"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let phase = match measurement["phase"].as_str().unwrap_or_default() {
            "Successful" => MeasurementPhase::Successful,
            "Failed" => MeasurementPhase::Failed,
            "Inconclusive" => MeasurementPhase::Inconclusive,
            "Error" => MeasurementPhase::Error,
            _ => return None,
        };
        let finished = measurement["finishedAt"].as_str();
        if finished.is_none() && measurement["startedAt"].is_string() {
            return None;
        }
        let at = finished.map_or(Timestamp::EPOCH, |text| text.parse().expect("an instant"));
        last.push(Measurement { phase, value: String::new(), message: None, at });
    }
    Some(MetricState {
        count: count(&result["count"]),
        successful: count(&result["successful"]),
        failed: count(&result["failed"]),
        inconclusive: count(&result["inconclusive"]),
        error: count(&result["error"]),
        consecutive_success: count(&result["consecutiveSuccess"]),
        consecutive_error: count(&result["consecutiveError"]),
        last,
        ..MetricState::default()
    })
}

const IN_FLIGHT: Outcome = Outcome::LeftOut("measurements that take time");

#[test]
fn conformance_metric_assessment() {
    let Some(file) = json("argo-rollouts/metric_assessment.json") else { return };
    let mut tally = Tally::new("argo-rollouts/metric_assessment");
    for (name, input, wanted) in cases(&file) {
        let metric = &input["metric"];
        let outcome = match state(&input["result"]) {
            None => IN_FLIGHT,
            Some(state) => {
                let terminating = input["terminating"].as_bool().unwrap_or_default();
                let (phase, reason) =
                    measure::assess(&limits(metric), metric["interval"].is_string(), &state, terminating);
                let reasoned = wanted["reason"].is_null() || wanted["reason"].as_str() == reason.as_deref();
                expect(wanted["phase"] == format!("{phase:?}") && reasoned, || {
                    format!("{phase:?} {reason:?}")
                })
            }
        };
        tally.record(name, outcome);
    }
    tally.finish(55);
}

fn metric(json: &Json) -> Option<Metric> {
    let duration = |key: &str| json[key].as_str().map(parse_duration).transpose();
    Some(Metric {
        name: json["name"].as_str()?.to_owned(),
        span: Span::START,
        provider: Provider::Router(RouterQuery { query: Query::Requests, arm: Arm::Canary }),
        interval: duration("interval").ok()?,
        initial_delay: duration("initialDelay").ok()?.unwrap_or(Duration::ZERO),
        success_condition: None,
        failure_condition: None,
        limits: limits(json),
        retention: 10,
        dry_run: false,
    })
}

#[test]
fn conformance_due_measurements() {
    let Some(file) = json("argo-rollouts/due_measurements.json") else { return };
    let mut tally = Tally::new("argo-rollouts/due_measurements");
    for (name, input, wanted) in cases(&file) {
        tally.record(name, due(input, wanted));
    }
    tally.finish(10);
}

fn due(input: &Json, wanted: &Json) -> Outcome {
    let instant = |json: &Json| json.as_str().map(|text| text.parse::<Timestamp>().expect("an instant"));
    let now = instant(&input["now"]).expect("now");
    let (spec, status) = (&input["run"]["spec"], &input["run"]["status"]);
    let results = status["metricResults"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Once a metric has failed nothing is measured any more: the verdict is final.
    if results.iter().any(|result| result["phase"] == "Failed") {
        return expect(wanted["tasks"] == 0, || "a failed metric ends the run".to_owned());
    }
    let mut tasks = 0;
    for json in spec["metrics"].as_array().expect("metrics") {
        // A metric whose durations cannot be read is refused with its document, so it is never due.
        let Some(metric) = metric(json) else { continue };
        let result = results.iter().find(|result| result["name"] == json["name"]).unwrap_or(&Json::Null);
        let Some(state) = state(result) else { return IN_FLIGHT };
        let began = instant(&status["startedAt"]).unwrap_or(now);
        // What comes after the first measurement is Argo's; the first one waits, here, for something to measure.
        let first_at = began + metric.initial_delay;
        tasks += u64::from(measure::due(&metric, &state, first_at, now) == Due::Now);
    }
    expect(wanted["tasks"] == tasks, || format!("{tasks} tasks"))
}

#[test]
fn conformance_run_assessment() {
    let Some(file) = json("argo-rollouts/run_assessment.json") else { return };
    let mut tally = Tally::new("argo-rollouts/run_assessment");
    for (name, input, wanted) in cases(&file) {
        let results = input["run"]["status"]["metricResults"].as_array().expect("results");
        let in_flight = results.iter().any(|result| state(result).is_none());
        // Given phases: only how the worst of them decides is ours to check.
        let phase = worst(results);
        let outcome = if in_flight && name == "AssessRunStatusUpdateResult" {
            IN_FLIGHT
        } else {
            expect(wanted["phase"] == format!("{phase:?}"), || format!("{phase:?}"))
        };
        tally.record(name, outcome);
    }
    tally.finish(8);
}

/// The phase of a run by our order of phases.
fn worst(results: &[Json]) -> Phase {
    let phases = results.iter().filter(|result| result["dryRun"] != true).map(|result| match result["phase"]
        .as_str()
        .unwrap_or_default()
    {
        "Failed" => Phase::Failed,
        "Error" => Phase::Error,
        "Inconclusive" => Phase::Inconclusive,
        "Running" => Phase::Running,
        "Pending" => Phase::Pending,
        _ => Phase::Successful,
    });
    Phase::worst(phases)
}
