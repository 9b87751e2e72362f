//! From evidence to a verdict: one look.

mod measured;
mod sequential;
mod words;

use crate::{
    Cause, Decision, Evidence, Exposure, Level, Measurements, Metric, MetricReport, Needed, Phase, Provider,
    Signal, Thresholds, Verdict,
};
use shipway_base::{Share, Timestamp};

/// Everything one look depends on.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The metrics of the analysis.
    pub metrics: &'a [Metric],
    /// Evidence since the rollout began: decides about rolling back.
    pub total: &'a Evidence,
    /// The evidence as it was when this analysis began: what came since decides about promotion.
    pub baseline: &'a Evidence,
    /// The canary's share now.
    pub share: Share,
    /// When this analysis began.
    pub began: Timestamp,
    /// When it began, or when a person let it begin anew: `atMost` counts from then.
    pub waits_since: Timestamp,
    /// What earlier looks measured.
    pub measurements: &'a Measurements,
    /// The present instant.
    pub now: Timestamp,
}

/// What one look gives: the verdict, and the measurements to hand in at the next look.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Judgement {
    /// What to do and why.
    pub verdict: Verdict,
    /// The measurements so far, those of this look included.
    pub measurements: Measurements,
}

/// One metric's outcome at this look.
struct Outcome {
    report: MetricReport,
    cause: Cause,
    needed: Option<Needed>,
    guard: bool,
    wake: Option<(Timestamp, &'static str)>,
}

/// Looks at the evidence once. Looking more often changes no error rate.
pub fn judge(case: &Case<'_>) -> Judgement {
    let gained = case.total.since(case.baseline);
    let mut measurements = case.measurements.clone();
    let outcomes: Vec<Outcome> = case
        .metrics
        .iter()
        .map(|metric| match &metric.provider {
            Provider::Sequential(settings) => sequential::look(metric, settings, case, &gained),
            Provider::Router(query) => measured::look(metric, *query, case, &mut measurements),
        })
        .collect();
    let decision = decide(&outcomes);
    let exposure = Exposure {
        requests: case.total.canary.requests,
        failed_requests: case.total.canary.failures,
        clients: case.total.canary.clients,
        failing_clients: case.total.first(Signal::Failure).sum().canary,
    };
    let wake = outcomes.iter().filter_map(|outcome| outcome.wake).min();
    let metrics: Vec<MetricReport> = outcomes.into_iter().map(|outcome| outcome.report).collect();
    let thresholds = thresholds(case.total);
    let words = words::verdict(&decision, &metrics, &exposure, &thresholds, case.total);
    Judgement { verdict: Verdict { decision, metrics, exposure, thresholds, words, wake }, measurements }
}

/// The worst outcome decides, in Argo's order: failed, error, inconclusive; then what still runs.
fn decide(outcomes: &[Outcome]) -> Decision {
    let counting = || outcomes.iter().filter(|outcome| !outcome.report.dry_run);
    let worst = Phase::worst(counting().map(|outcome| outcome.report.phase));
    if let Some(bad) = counting().find(|outcome| outcome.report.phase == worst) {
        let (metric, reason) = (bad.report.name.clone(), bad.report.message.clone());
        match worst {
            Phase::Failed | Phase::Error => return Decision::Regressed { metric, cause: bad.cause, reason },
            Phase::Inconclusive => return Decision::Inconclusive { metric, reason },
            Phase::Pending | Phase::Running | Phase::Successful => {}
        }
    }
    let open = |outcome: &&Outcome| matches!(outcome.report.phase, Phase::Pending | Phase::Running);
    let waiting = counting().find(|outcome| open(outcome) && !outcome.guard);
    let finished = counting().any(|outcome| outcome.report.phase == Phase::Successful);
    match waiting.or_else(|| counting().find(open).filter(|_| !finished)) {
        Some(outcome) => {
            let reason = format!("{}: {}", outcome.report.name, outcome.report.message);
            Decision::NotYet { reason, needed: outcome.needed }
        }
        None => {
            let reasons: Vec<String> = counting()
                .filter(|outcome| outcome.report.phase == Phase::Successful)
                .map(|outcome| format!("{}: {}", outcome.report.name, outcome.report.message))
                .collect();
            let nothing = "no metric that counts speaks against it".to_owned();
            Decision::Healthy { reason: if reasons.is_empty() { nothing } else { reasons.join("; ") } }
        }
    }
}

fn thresholds(total: &Evidence) -> Thresholds {
    let success_rate = total.canary.error_rate().map(|rate| 1.0 - rate);
    let level =
        |least: f64| success_rate.map(|rate| if rate >= least { Level::Within } else { Level::Breached });
    Thresholds { success_rate, argo: level(0.95), flagger: level(0.99) }
}

#[cfg(test)]
mod tests;
