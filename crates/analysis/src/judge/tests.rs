//! Verdicts on small cases.

use super::*;
use crate::{ArmCount, FirstEvents, MeasurementPhase, template::AnalysisTemplate};
use shipway_base::{Source, yaml};
use std::time::Duration;

/// The metrics of an inline analysis.
fn metrics(text: &str) -> Vec<Metric> {
    let source = Source::new("t.yaml", format!("metrics:\n{text}"));
    let node = yaml::parse(&source, yaml::Limits::default()).expect("yaml").expect("content");
    let (template, found) = AnalysisTemplate::parse_inline(&node, "inline", &source);
    template.unwrap_or_else(|| panic!("{found}")).resolve(&[]).unwrap_or_else(|found| panic!("{found}"))
}

fn sequential(settings: &str) -> Vec<Metric> {
    metrics(&format!("- {{name: safe, provider: {{plugin: {{shipway/sequential: {{{settings}}}}}}}}}"))
}

/// Evidence with so many clients, and failing clients, of the stable arm and the canary at 10 %.
fn evidence(clients: [u64; 2], failing: [u64; 2]) -> Evidence {
    let mut evidence = Evidence { epoch: 1, ..Evidence::default() };
    for (arm, index) in [(&mut evidence.stable, 0), (&mut evidence.canary, 1)] {
        (arm.clients, arm.requests, arm.failures) = (clients[index], clients[index] * 10, failing[index]);
    }
    let mut events = FirstEvents::default();
    events.add(Share::percent(10), ArmCount { stable: failing[0], canary: failing[1] });
    evidence.first.insert(Signal::Failure, events);
    evidence
}

/// One look at so many milliseconds after the analysis began with nothing.
fn look_at(millis: u64, metrics: &[Metric], total: &Evidence, measurements: &Measurements) -> Judgement {
    judge(&Case {
        metrics,
        total,
        baseline: &Evidence { epoch: 1, ..Evidence::default() },
        share: Share::percent(10),
        began: Timestamp::EPOCH,
        waits_since: Timestamp::EPOCH,
        measurements,
        now: Timestamp::EPOCH + Duration::from_millis(millis),
    })
}

/// A look 60 s after the analysis began with nothing, and looked at that.
fn look(metrics: &[Metric], total: &Evidence) -> Judgement {
    let none = evidence([0, 0], [0, 0]);
    let opened = look_at(0, metrics, &none, &Measurements::default());
    look_at(60_000, metrics, total, &opened.measurements)
}

#[test]
fn a_bad_canary_is_rolled_back_with_its_numbers() {
    let verdict = look(&sequential("alpha: 0.01"), &evidence([9_000, 1_000], [9, 20])).verdict;
    let Decision::Regressed { metric, cause, reason } = verdict.decision else { panic!("{verdict:?}") };
    assert_eq!((metric.as_str(), cause), ("safe", Cause::Signal(Signal::Failure)));
    assert!(reason.contains("20 of its 1,000 clients saw a failure against 9 of 9,000"), "{reason}");
    let report = &verdict.metrics[0].signals[0];
    // 20 to 9 at 10 %: twenty times as many.
    assert!((report.ratio.estimate.unwrap_or(0.0) - 20.0).abs() < 1e-6, "{report:?}");
    assert!(report.ratio.low > 4.0 && report.ratio.high < 120.0, "{report:?}");
    assert_eq!(verdict.exposure.failing_clients, 20);
    let words = verdict.words.join("\n");
    assert!(words.contains("of 100") && words.contains("between"), "{words}");
    assert!(words.contains("Argo's documented rule") && words.contains("would not act"), "{words}");
}

#[test]
fn alpha_is_split_over_the_signals() {
    // The e-value lies between 100 and 200: enough alone, not enough for one of two signals.
    let total = evidence([9_000, 1_000], [9, 7]);
    let e = crate::sequential::regression(&total.first(Signal::Failure)).exp();
    assert!((100.0..200.0).contains(&e), "{e}");
    let regressed = |settings: &str| {
        matches!(look(&sequential(settings), &total).verdict.decision, Decision::Regressed { .. })
    };
    assert!(regressed("alpha: 0.01"));
    assert!(!regressed("alpha: 0.01, signals: [failure, p95]"));
    assert!(regressed("alpha: 0.01, signals: {failure: 9, p95: 0.1}"));
}

#[test]
fn a_healthy_canary_is_promoted_on_evidence() {
    let settings = "promote: {}";
    let verdict = look(&sequential(settings), &evidence([9_000, 1_000], [9, 1])).verdict;
    let Decision::NotYet { needed: Some(needed), reason } = verdict.decision else { panic!("{verdict:?}") };
    assert!(needed.clients > 50 && needed.time.is_some(), "{needed:?}");
    assert!(reason.contains("not enough evidence yet") && reason.contains("at the present rate"), "{reason}");
    let verdict = look(&sequential(settings), &evidence([90_000, 10_000], [180, 20])).verdict;
    let Decision::Healthy { reason } = verdict.decision else { panic!("{verdict:?}") };
    assert!(reason.contains("ruled out that 2 times as many clients see a failure"), "{reason}");
}

#[test]
fn promotion_uses_what_was_gained_since_the_step_began() {
    let total = evidence([90_000, 10_000], [180, 20]);
    let (list, measurements) = (sequential("promote: {}"), Measurements::default());
    let case = Case {
        metrics: &list,
        total: &total,
        baseline: &total,
        share: Share::percent(10),
        began: Timestamp::EPOCH,
        waits_since: Timestamp::EPOCH,
        measurements: &measurements,
        now: Timestamp::from_millis(1_000),
    };
    let verdict = judge(&case).verdict;
    assert!(matches!(verdict.decision, Decision::NotYet { .. }), "{verdict:?}");
    // Evidence of another epoch is no baseline.
    let other = Evidence { epoch: 7, ..total.clone() };
    let verdict = judge(&Case { baseline: &other, ..case }).verdict;
    assert!(matches!(verdict.decision, Decision::Healthy { .. }), "{verdict:?}");
}

#[test]
fn a_service_that_never_fails_is_promoted_by_an_absolute_bound() {
    let total = evidence([9_000, 1_000], [0, 0]);
    let verdict = look(&sequential("promote: {}"), &total).verdict;
    assert!(matches!(verdict.decision, Decision::NotYet { .. }), "{verdict:?}");
    let verdict = look(&sequential("promote: {maxFailureRate: 0.01}"), &total).verdict;
    let Decision::Healthy { reason } = verdict.decision else { panic!("{verdict:?}") };
    assert!(reason.contains("ruled out that 1 % or more of the clients fail"), "{reason}");
    let verdict =
        look(&sequential("promote: {maxFailureRate: 0.01}"), &evidence([9_000, 1_000], [90, 10])).verdict;
    assert!(matches!(verdict.decision, Decision::NotYet { .. }), "{verdict:?}");
}

/// Clients that failed on the stable version and were then moved to the canary count there no more, so the absolute
/// bound takes all of them to fail.
#[test]
fn clients_that_moved_are_taken_to_fail() {
    let total = evidence([9_000, 1_000], [30, 0]);
    let (list, measurements) = (sequential("promote: {maxFailureRate: 0.01}"), Measurements::default());
    let baseline = Evidence { epoch: 1, ..Evidence::default() };
    let decision = |share: Share| {
        let (began, now) = (Timestamp::EPOCH, Timestamp::from_millis(60_000));
        let metrics = &list;
        judge(&Case {
            metrics,
            total: &total,
            baseline: &baseline,
            share,
            began,
            waits_since: began,
            measurements: &measurements,
            now,
        })
        .verdict
        .decision
    };
    assert!(matches!(decision(Share::percent(10)), Decision::Healthy { .. }));
    assert!(matches!(decision(Share::percent(25)), Decision::NotYet { .. }));
}

#[test]
fn all_listed_signals_must_pass() {
    let mut total = evidence([90_000, 10_000], [180, 20]);
    let settings = "promote: {signals: [failure, p99]}";
    let verdict = look(&sequential(settings), &total).verdict;
    assert!(matches!(verdict.decision, Decision::NotYet { .. }), "{verdict:?}");
    let failures = total.first(Signal::Failure);
    total.first.insert(Signal::AboveP99, failures);
    assert!(matches!(look(&sequential(settings), &total).verdict.decision, Decision::Healthy { .. }));
    // When nearly every client waited long on either version, the ratio of clients cannot promote.
    let mut common = FirstEvents::default();
    common.add(Share::percent(10), ArmCount { stable: 80_000, canary: 8_900 });
    total.first.insert(Signal::AboveP99, common);
    let verdict = look(&sequential(settings), &total).verdict;
    let Decision::NotYet { reason, .. } = verdict.decision else { panic!("{verdict:?}") };
    assert!(reason.contains("their ratio says nothing"), "{reason}");
}

#[test]
fn time_runs_out_as_the_document_says() {
    let total = evidence([900, 100], [0, 0]);
    let verdict = look(&sequential("promote: {atMost: 1m}"), &total).verdict;
    let Decision::Inconclusive { reason, .. } = verdict.decision else { panic!("{verdict:?}") };
    assert!(reason.contains("the limit is 1 m 0 s"), "{reason}");
    let verdict = look(&sequential("promote: {atMost: 1m, otherwise: promote}"), &total).verdict;
    let Decision::Healthy { reason } = verdict.decision else { panic!("{verdict:?}") };
    assert!(reason.contains("not enough evidence") && reason.contains("otherwise"), "{reason}");
    let verdict = look(&sequential("promote: {atMost: 2m}"), &total).verdict;
    assert_eq!(verdict.wake.map(|(at, _)| at), Some(Timestamp::from_millis(120_000)));
}

const RATE: &str = "\
- name: success-rate
  interval: 10s
  count: 2
  successCondition: result >= 0.9
  provider: {plugin: {shipway/router: {query: success-rate}}}
";

#[test]
fn thresholds_are_measured_at_intervals_over_what_came_since() {
    let list = metrics(RATE);
    let none = evidence([0, 0], [0, 0]);
    let first = look(&list, &none);
    assert!(matches!(first.verdict.decision, Decision::NotYet { .. }), "{first:?}");
    assert_eq!(first.measurements.metrics["success-rate"].count, 0);
    let mut total = evidence([90, 10], [0, 0]);
    let second = look(&list, &total);
    let last = &second.measurements.metrics["success-rate"].last;
    assert_eq!((last.len(), last[0].phase, last[0].value.as_str()), (1, MeasurementPhase::Successful, "1"));
    assert_eq!(second.verdict.wake.map(|(at, _)| at), Some(Timestamp::from_millis(70_000)));
    // All ten requests since fail: over them the rate is 0, over everything it would be 0.91.
    total.canary.requests += 10;
    total.canary.failures += 10;
    let at = |now: u64, measurements: &Measurements| look_at(now, &list, &total, measurements);
    let early = at(69_999, &second.measurements);
    assert_eq!(early.measurements, second.measurements);
    let third = at(70_000, &second.measurements);
    let Decision::Regressed { cause, reason, .. } = &third.verdict.decision else { panic!("{third:?}") };
    assert_eq!(*cause, Cause::Condition);
    assert!(reason.contains("was 0") && reason.contains("failed (1) > failureLimit (0)"), "{reason}");
}

/// A first request that fails says nothing of a success rate: no measurement is about less than its time.
#[test]
fn the_first_measurement_covers_its_interval() {
    let check = |text: &str, query: &str, first_at: u64| {
        let condition = if query == "requests" { "result > 50" } else { "result >= 0.9" };
        let list = metrics(&format!(
            "- {{name: m, {text} successCondition: \"{condition}\", provider: {{plugin: {{shipway/router: {{query: {query}}}}}}}}}"
        ));
        let opened = look_at(7, &list, &evidence([0, 0], [0, 0]), &Measurements::default());
        assert!(matches!(opened.verdict.decision, Decision::NotYet { .. }), "{opened:?}");
        assert_eq!(
            opened.verdict.wake.map(|(at, _)| at),
            Some(Timestamp::EPOCH + Duration::from_millis(7 + first_at))
        );
        let mut one = evidence([0, 0], [0, 0]);
        (one.canary.requests, one.canary.failures) = (1, 1);
        let early = look_at(6 + first_at, &list, &one, &opened.measurements);
        assert!(matches!(early.verdict.decision, Decision::NotYet { .. }), "{early:?}");
        let due = look_at(7 + first_at, &list, &evidence([900, 100], [0, 1]), &early.measurements);
        let state = &due.measurements.metrics["m"];
        assert_eq!((state.count, state.successful), (1, 1), "{due:?}");
    };
    for query in ["success-rate", "requests"] {
        check("interval: 5s,", query, 5_000);
        check("interval: 5s, initialDelay: 2s,", query, 2_000);
        check("initialDelay: 30s,", query, 30_000);
        check("", query, 10_000);
    }
}

/// What was served before the first look, as before a restart of the server or a resume, is not measured as if it came since.
#[test]
fn what_came_before_the_first_look_is_not_measured() {
    let list = metrics(RATE);
    let mut total = evidence([90, 10], [0, 100]);
    let opened = look_at(50_000, &list, &total, &Measurements::default());
    total.canary.requests += 50;
    let due = look_at(60_000, &list, &total, &opened.measurements);
    assert_eq!(due.measurements.metrics["success-rate"].last[0].value, "1", "{due:?}");
}

#[test]
fn a_resumed_wait_for_evidence_begins_anew() {
    let (list, total) = (sequential("promote: {atMost: 1m}"), evidence([900, 100], [0, 0]));
    let (none, measurements) = (Evidence { epoch: 1, ..Evidence::default() }, Measurements::default());
    let at = |now: i64| {
        let (began, waits_since) = (Timestamp::EPOCH, Timestamp::from_millis(90_000));
        let (metrics, total, baseline, measurements) = (&list[..], &total, &none, &measurements);
        let (share, now) = (Share::percent(10), Timestamp::from_millis(now));
        judge(&Case { metrics, total, baseline, share, began, waits_since, measurements, now }).verdict
    };
    let waits = at(90_022);
    assert!(matches!(waits.decision, Decision::NotYet { .. }), "{waits:?}");
    assert_eq!(waits.wake.map(|(at, _)| at), Some(Timestamp::from_millis(150_000)));
    let Decision::Inconclusive { reason, .. } = at(150_000).decision else { panic!("{:?}", at(150_000)) };
    assert!(reason.contains("after 1 m 0 s"), "{reason}");
}

#[test]
fn a_dry_run_decides_nothing_and_guards_hold_nothing_up() {
    let mut list = metrics(RATE);
    list[0].limits.count = 1;
    list.extend(sequential("alpha: 0.01"));
    let good = evidence([90, 10], [0, 0]);
    assert!(matches!(look(&list, &good).verdict.decision, Decision::Healthy { .. }));
    let alone = look(&list[1..], &good).verdict.decision;
    assert!(matches!(alone, Decision::NotYet { .. }), "{alone:?}");
    list[0].success_condition = Some(crate::Condition::parse("result > 2").expect("valid"));
    assert!(matches!(look(&list, &good).verdict.decision, Decision::Regressed { .. }));
    list[0].dry_run = true;
    assert!(matches!(look(&list, &good).verdict.decision, Decision::NotYet { .. }));
}
