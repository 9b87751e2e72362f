//! A look at a sequential metric.

use super::{Case, Outcome, words};
use crate::{
    ArmCount, Cause, Evidence, Metric, MetricReport, Needed, Otherwise, Phase, Promote, Promotion,
    Sequential, Signal, SignalReport, Test, sequential,
};

/// Judges all signals of the metric: the whole rollout for a regression, what was gained since the analysis began for
/// promotion.
pub(super) fn look(metric: &Metric, settings: &Sequential, case: &Case<'_>, gained: &Evidence) -> Outcome {
    let signals: Vec<SignalReport> =
        reported(settings).into_iter().map(|signal| report(signal, settings, case, gained)).collect();
    let regressed = signals.iter().find(|report| report.regression.is_reached());
    let passed = signals.iter().filter_map(|report| report.promotion).all(|promotion| promotion.passes());
    let cause = Cause::Signal(regressed.map_or(Signal::Failure, |report| report.signal));
    let (mut needed, mut wake) = (None, None);
    let (phase, message) = match (regressed, &settings.promote) {
        (Some(report), _) => (Phase::Failed, words::regressed(report)),
        (None, None) => (Phase::Running, words::guarding(&signals)),
        (None, Some(promote)) if passed => (Phase::Successful, words::promoted(promote, &signals)),
        (None, Some(promote)) => {
            let deadline = promote.at_most.map(|limit| case.waits_since + limit);
            let waited = case.now.since(case.waits_since);
            match (deadline.filter(|at| case.now >= *at), promote.otherwise) {
                (Some(_), Otherwise::Pause) => {
                    (Phase::Inconclusive, words::too_late(promote, &signals, waited))
                }
                (Some(_), Otherwise::Promote) => {
                    (Phase::Successful, words::passed_by(promote, &signals, waited))
                }
                (None, _) => {
                    needed = still_needed(promote, &signals, case, gained);
                    wake = deadline.map(|at| (at, "the time given to gather evidence ends"));
                    (Phase::Running, words::not_yet(&signals, needed))
                }
            }
        }
    };
    let report = MetricReport {
        name: metric.name.clone(),
        phase,
        dry_run: metric.dry_run,
        message,
        signals,
        measured: None,
    };
    Outcome { report, cause, needed, guard: metric.is_guard(), wake }
}

/// The signals that can roll back, then those that only promote.
fn reported(settings: &Sequential) -> Vec<Signal> {
    let mut signals: Vec<Signal> = settings.signals.iter().map(|weighted| weighted.signal).collect();
    for signal in settings.promote.iter().flat_map(|promote| &promote.signals) {
        if !signals.contains(signal) {
            signals.push(*signal);
        }
    }
    signals
}

fn report(signal: Signal, settings: &Sequential, case: &Case<'_>, gained: &Evidence) -> SignalReport {
    let events = case.total.first(signal);
    let weight =
        settings.signals.iter().find(|weighted| weighted.signal == signal).map_or(0.0, |found| found.weight);
    // What cannot roll back has no part of the error rate, and is described at the whole of it.
    let alpha = if weight > 0.0 { settings.alpha * weight } else { settings.alpha };
    let clients = ArmCount { stable: case.total.stable.clients, canary: case.total.canary.clients };
    let hit = events.sum();
    let promotion =
        settings.promote.as_ref().filter(|promote| promote.signals.contains(&signal)).map(|promote| {
            let log_bound = -promote.alpha.ln();
            let new = gained.first(signal);
            let absolute = promote.max_failure_rate.filter(|_| signal == Signal::Failure).map(|rate| {
                let failing = failing_at_worst(case, gained);
                let log_e = sequential::absolute_bound(gained.canary.clients, failing, rate);
                (Test { log_e, log_bound }, rate)
            });
            Promotion {
                non_inferiority: Test { log_e: sequential::non_inferiority(&new, promote.margin), log_bound },
                margin: promote.margin,
                absolute,
                too_common: sequential::is_too_common(clients.stable, hit.stable, promote.margin),
            }
        });
    SignalReport {
        signal,
        clients,
        hit,
        share: case.share,
        ratio: sequential::confidence_sequence(&events, alpha),
        regression: Test {
            log_e: sequential::regression(&events),
            log_bound: -(settings.alpha * weight).ln(),
        },
        promotion,
    }
}

/// How many of the clients that the canary gained may have failed. A client whose first failure was served by the
/// stable version counts no more when it fails again, so one that a raised share has moved to the canary since could
/// fail there unseen: all that failed on the stable version at a lower share are taken to have moved and to fail.
fn failing_at_worst(case: &Case<'_>, gained: &Evidence) -> u64 {
    let before = case.total.first(Signal::Failure);
    let moved: u64 = before.by_share.range(..case.share).map(|(_, count)| count.stable).sum();
    gained.first(Signal::Failure).sum().canary.saturating_add(moved)
}

/// The traffic that the slowest signal still needs, by its quickest claim.
fn still_needed(
    promote: &Promote,
    signals: &[SignalReport],
    case: &Case<'_>,
    gained: &Evidence,
) -> Option<Needed> {
    let elapsed = case.now.since(case.began).as_secs_f64();
    let needed = |clients: Option<f64>, seen: u64| {
        clients.map(|clients| {
            let seconds = clients * elapsed / seen as f64;
            let time = (seen > 0).then(|| std::time::Duration::try_from_secs_f64(seconds).ok()).flatten();
            Needed { clients: clients.ceil() as u64, time }
        })
    };
    let slowest =
        |a: Option<Needed>, b: Option<Needed>| a.zip(b).map(|(a, b)| if longer(a, b) { a } else { b });
    signals
        .iter()
        .filter_map(|report| report.promotion.filter(|p| !p.passes()).map(|p| (report.signal, p)))
        .map(|(signal, p)| {
            let events = gained.first(signal).sum();
            let gap = |test: Test| test.log_bound - test.log_e;
            let by_ratio = (!p.too_common)
                .then(|| sequential::events_needed(gap(p.non_inferiority), case.share, promote.margin))
                .flatten();
            let by_ratio = needed(by_ratio, events.total());
            let by_bound = p.absolute.and_then(|(test, rate)| {
                let clients = gained.canary.clients;
                let failing = failing_at_worst(case, gained);
                needed(sequential::clients_needed(gap(test), clients, failing, rate), clients)
            });
            match (by_ratio, by_bound) {
                (Some(a), Some(b)) => Some(if longer(a, b) { b } else { a }),
                (a, b) => a.or(b),
            }
        })
        .reduce(slowest)
        .flatten()
}

/// Whether the first takes longer than the second; an unknown time is the longest.
fn longer(a: Needed, b: Needed) -> bool {
    match (a.time, b.time) {
        (None, Some(_)) => true,
        (_, None) => false,
        (Some(a), Some(b)) => a > b,
    }
}
