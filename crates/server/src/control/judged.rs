//! Verdicts in the words of the API.

use shipway_analysis::{Decision, Level, MetricReport, Needed, Phase, SignalReport, Verdict};
use shipway_api as api;
use shipway_base::Timestamp;
use std::{collections::BTreeMap, f64::consts::LN_10};

/// How the evidence of each signal grew while this process looked at it; at most [`History::POINTS`] points each.
#[derive(Clone, Debug, Default)]
pub(super) struct History(BTreeMap<api::SignalKind, Vec<api::EvidencePoint>>);

impl History {
    /// The most points of one signal.
    const POINTS: usize = 200;

    /// Adds the present state of the verdicts. When a signal has too many points every second one is dropped, so that
    /// the whole course stays visible.
    pub(super) fn record(&mut self, verdicts: &[Verdict], at: Timestamp) {
        for (signal, report) in signals(verdicts) {
            let points = self.0.entry(signal).or_default();
            let point = api::EvidencePoint {
                at,
                log10_e: finite(report.regression.log_e / LN_10),
                log10_promote: report.promotion.as_ref().map(|p| finite(p.non_inferiority.log_e / LN_10)),
            };
            match points.last_mut() {
                Some(last) if last.log10_e == point.log10_e && last.log10_promote == point.log10_promote => {
                    last.at = at
                }
                Some(_) | None => points.push(point),
            }
            if points.len() > History::POINTS {
                let mut index = 0;
                points.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
            }
        }
    }
}

/// What the analyses say together, for pages and clients: the words of the one that decides, the signals and metrics of
/// all; `None` when none was asked.
pub(super) fn verdict(verdicts: &[Verdict], history: &History) -> Option<api::VerdictReport> {
    let weight = |verdict: &&Verdict| match verdict.decision {
        Decision::Regressed { .. } => 3,
        Decision::Inconclusive { .. } => 2,
        Decision::NotYet { .. } => 1,
        Decision::Healthy { .. } => 0,
    };
    // Of two that say the same the later one, the step's, is closer to a decision.
    let deciding = verdicts.iter().max_by_key(weight)?;
    let (decision, needed) = match &deciding.decision {
        Decision::Regressed { .. } => (api::Decision::Regressed, None),
        Decision::Healthy { .. } => (api::Decision::Healthy, None),
        Decision::Inconclusive { .. } => (api::Decision::Inconclusive, None),
        Decision::NotYet { needed, .. } => (api::Decision::NotYet, needed.as_ref().map(self::needed)),
    };
    let metrics =
        verdicts.iter().flat_map(|verdict| &verdict.metrics).filter(|metric| metric.signals.is_empty());
    let exposure = &deciding.exposure;
    Some(api::VerdictReport {
        decision,
        words: deciding.words.clone(),
        signals: signals(verdicts).into_values().map(|report| signal(report, history)).collect(),
        metrics: metrics.map(metric).collect(),
        exposure: api::Exposure {
            requests: exposure.requests,
            failed_requests: exposure.failed_requests,
            clients: exposure.clients,
            failed_clients: exposure.failing_clients,
        },
        needed,
        fixed_threshold: fixed_threshold(deciding),
    })
}

/// The reports by signal. The same signal may be asked twice, once for promotion; that one says more.
fn signals(verdicts: &[Verdict]) -> BTreeMap<api::SignalKind, &SignalReport> {
    let mut signals: BTreeMap<api::SignalKind, &SignalReport> = BTreeMap::new();
    for report in verdicts.iter().flat_map(|verdict| &verdict.metrics).flat_map(|metric| &metric.signals) {
        let known = signals.entry(kind(report.signal)).or_insert(report);
        if report.promotion.is_some() {
            *known = report;
        }
    }
    signals
}

fn signal(report: &SignalReport, history: &History) -> api::SignalReport {
    let side = |with_event, clients| api::ArmSide { with_event, clients };
    let kind = kind(report.signal);
    api::SignalReport {
        signal: kind,
        stable: side(report.hit.stable, report.clients.stable),
        canary: side(report.hit.canary, report.clients.canary),
        log10_e: finite(report.regression.log_e / LN_10),
        log10_bound: finite(report.regression.log_bound / LN_10),
        alpha: (-report.regression.log_bound).exp(),
        promote: report
            .promotion
            .as_ref()
            .map(|p| (finite(p.non_inferiority.log_e / LN_10), finite(p.non_inferiority.log_bound / LN_10))),
        ratio: Some(api::Ratio {
            estimate: report.ratio.estimate.filter(|estimate| estimate.is_finite()),
            low: report.ratio.low,
            high: Some(report.ratio.high).filter(|high| high.is_finite()),
            confidence: report.ratio.confidence,
        }),
        history: history.0.get(&kind).cloned().unwrap_or_default(),
    }
}

fn metric(report: &MetricReport) -> api::MetricReport {
    let measured = report.measured.as_ref();
    let last = measured.map(|state| &state.last[..]).unwrap_or_default();
    api::MetricReport {
        name: report.name.clone(),
        condition: String::new(),
        outcome: match report.phase {
            Phase::Pending | Phase::Running => api::MetricOutcome::Running,
            Phase::Successful => api::MetricOutcome::Successful,
            Phase::Failed => api::MetricOutcome::Failed,
            Phase::Error => api::MetricOutcome::Error,
            Phase::Inconclusive => api::MetricOutcome::Inconclusive,
        },
        values: last.iter().filter_map(|measurement| measurement.value.parse().ok()).collect(),
        successful: measured.map_or(0, |state| state.successful),
        failed: measured.map_or(0, |state| state.failed),
        words: report.message.clone(),
    }
}

fn needed(needed: &Needed) -> api::Needed {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    api::Needed { clients: needed.clients, duration_ms: needed.time.map(millis) }
}

fn kind(signal: shipway_analysis::Signal) -> api::SignalKind {
    match signal {
        shipway_analysis::Signal::Failure => api::SignalKind::Failure,
        shipway_analysis::Signal::AboveP50 => api::SignalKind::AboveP50,
        shipway_analysis::Signal::AboveP95 => api::SignalKind::AboveP95,
        shipway_analysis::Signal::AboveP99 => api::SignalKind::AboveP99,
    }
}

fn fixed_threshold(verdict: &Verdict) -> Option<String> {
    let rate = verdict.thresholds.success_rate?;
    let says = |level: Option<Level>| match level {
        Some(Level::Breached) => "would count a failure",
        Some(Level::Within) | None => "sees nothing wrong",
    };
    Some(format!(
        "{:.2} % of its requests succeed: a fixed threshold of 95 % {}, one of 99 % {}",
        rate * 100.0,
        says(verdict.thresholds.argo),
        says(verdict.thresholds.flagger)
    ))
}

/// JSON has no infinities; an e-value beyond 10^300 says no more than one at 10^300.
fn finite(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(-300.0, 300.0) }
}
