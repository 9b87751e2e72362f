//! Verdicts in words and numbers.

use crate::{
    ArmCount, Decision, Evidence, Exposure, Interval, Level, MetricReport, Needed, Promote, Promotion,
    Signal, SignalReport, Test, Thresholds,
};
use shipway_base::human_duration;
use std::time::Duration;

/// The whole verdict, one sentence a fact: the decision, each metric, each signal, exposure, fixed thresholds.
pub(super) fn verdict(
    decision: &Decision,
    metrics: &[MetricReport],
    exposure: &Exposure,
    thresholds: &Thresholds,
    total: &Evidence,
) -> Vec<String> {
    let mut words = vec![match decision {
        Decision::Regressed { metric, reason, .. } => format!("Roll back: {metric}: {reason}."),
        Decision::Healthy { reason } => format!("Go on: {reason}."),
        Decision::Inconclusive { metric, reason } => format!("Pause: {metric}: {reason}."),
        Decision::NotYet { reason, .. } => format!("Wait: {reason}."),
    }];
    for report in metrics {
        if report.signals.is_empty() {
            words.push(format!("{}: {}.", report.name, report.message));
        }
        words.extend(report.signals.iter().map(signal));
    }
    words.push(format!(
        "The canary has served {} of {}; {} failed, and {} saw their first failure there.",
        several(exposure.requests, "request"),
        several(exposure.clients, "client"),
        several(exposure.failed_requests, "request"),
        several(exposure.failing_clients, "client")
    ));
    words.extend(fixed(thresholds));
    if total.excluded > 0 {
        words.push(format!(
            "{} requests are left out because their version was not chosen by the split (a header, or no ready instance).",
            count(total.excluded)
        ));
    }
    if total.uncounted > 0 {
        words.push(format!(
            "{} first events are left out because the memory of known clients was full.",
            count(total.uncounted)
        ));
    }
    words
}

/// One signal with all its numbers.
fn signal(report: &SignalReport) -> String {
    let mut text = format!(
        "{}: {} of {} clients on the canary and {} of {} on the stable version {}, at a share of {} now; {}. Evidence \
         of a regression: {}.",
        report.signal,
        count(report.hit.canary),
        count(report.clients.canary),
        count(report.hit.stable),
        count(report.clients.stable),
        verb(report.signal),
        report.share,
        ratio(report.ratio),
        evidence(report.regression)
    );
    if let Some(promotion) = report.promotion {
        text += &format!(" Evidence for promotion since the step began: {}.", claims(promotion));
    }
    text
}

/// Why a metric calls for a roll back.
pub(super) fn regressed(report: &SignalReport) -> String {
    let ArmCount { stable, canary } = report.hit;
    format!(
        "the canary is worse: {} of its {} clients {} against {} of {} on the stable version ({}); {}",
        count(canary),
        count(report.clients.canary),
        verb(report.signal),
        count(stable),
        count(report.clients.stable),
        ratio(report.ratio),
        evidence(report.regression)
    )
}

/// A guard that has nothing to say against the canary.
pub(super) fn guarding(signals: &[SignalReport]) -> String {
    let parts: Vec<String> =
        signals.iter().map(|report| format!("{} {}", report.signal, evidence(report.regression))).collect();
    format!("no evidence of a regression ({})", parts.join(", "))
}

/// What promoted, claim by claim.
pub(super) fn promoted(promote: &Promote, signals: &[SignalReport]) -> String {
    let claim = |report: &SignalReport| {
        let promotion = report.promotion?;
        let by_ratio = promotion.non_inferiority.is_reached() && !promotion.too_common;
        match promotion.absolute.filter(|(test, _)| test.is_reached() && !by_ratio) {
            Some((test, rate)) => Some(format!(
                "it is ruled out that {} or more of the clients fail on the canary ({})",
                percent(rate),
                evidence(test)
            )),
            None => Some(format!(
                "it is ruled out that {} times as many clients {} on the canary ({})",
                promote.margin,
                would(report.signal),
                evidence(promotion.non_inferiority)
            )),
        }
    };
    signals.iter().filter_map(claim).collect::<Vec<_>>().join("; ")
}

/// What is still missing.
pub(super) fn not_yet(signals: &[SignalReport], needed: Option<Needed>) -> String {
    let more = match needed {
        Some(Needed { clients, time: Some(time) }) => {
            format!("about {}, {} at the present rate", several(clients, "more client"), human_duration(time))
        }
        Some(Needed { clients, time: None }) => {
            format!("about {}, and none came yet", several(clients, "more client"))
        }
        None => "nothing points to an end of it at the present rate".to_owned(),
    };
    format!("{}; {more}", missing(signals))
}

/// The time is over and a person has to decide.
pub(super) fn too_late(promote: &Promote, signals: &[SignalReport], waited: Duration) -> String {
    let limit = promote.at_most.map(human_duration).unwrap_or_default();
    format!("{} after {}, and the limit is {limit}", missing(signals), human_duration(waited))
}

fn missing(signals: &[SignalReport]) -> String {
    let parts: Vec<String> = signals
        .iter()
        .filter_map(|report| Some((report.signal, report.promotion.filter(|p| !p.passes())?)))
        .map(|(signal, promotion)| format!("{signal} {}", claims(promotion)))
        .collect();
    format!("not enough evidence yet ({})", parts.join(", "))
}

/// The time is over and the document says to go on.
pub(super) fn passed_by(promote: &Promote, signals: &[SignalReport], waited: Duration) -> String {
    format!(
        "{}, but nothing speaks against the canary and `otherwise` is promote",
        too_late(promote, signals, waited)
    )
}

/// What both claims of a promotion have come to.
fn claims(promotion: Promotion) -> String {
    let by_ratio = if promotion.too_common {
        "so many clients of the stable version are hit that their ratio says nothing".to_owned()
    } else {
        format!("that it is not {} times as bad: {}", promotion.margin, evidence(promotion.non_inferiority))
    };
    match promotion.absolute {
        Some((test, rate)) => {
            format!("{by_ratio}; that fewer than {} of clients fail: {}", percent(rate), evidence(test))
        }
        None => by_ratio,
    }
}

/// What fixed thresholds say of the same requests.
fn fixed(thresholds: &Thresholds) -> Option<String> {
    let said = |level: Level, name: &str, least: &str| match level {
        Level::Within => format!("{name}'s documented rule (at least {least}) would not act"),
        Level::Breached => format!("{name}'s documented rule (at least {least}) would count failed checks"),
    };
    Some(format!(
        "Fixed thresholds on the same requests: the success rate is {}; {}; {}.",
        percent(thresholds.success_rate?),
        said(thresholds.argo?, "Argo", "95 %, more than 3 failures"),
        said(thresholds.flagger?, "Flagger", "99 %, 5 failures")
    ))
}

fn verb(signal: Signal) -> String {
    match signal {
        Signal::Failure => "saw a failure".to_owned(),
        Signal::AboveP50 | Signal::AboveP95 | Signal::AboveP99 => {
            format!("waited noticeably longer than the stable {signal}")
        }
    }
}

fn would(signal: Signal) -> String {
    match signal {
        Signal::Failure => "see a failure".to_owned(),
        Signal::AboveP50 | Signal::AboveP95 | Signal::AboveP99 => {
            format!("wait longer than the stable {signal}")
        }
    }
}

fn ratio(ratio: Interval) -> String {
    let Some(estimate) = ratio.estimate else { return "no ratio can be told yet".to_owned() };
    let each = if ratio.low >= 0.005 && ratio.high.is_finite() { ", each" } else { "" };
    // Below 0.005 the lower end would print as zero and says nothing.
    let bounds = match (ratio.low >= 0.005, ratio.high.is_finite()) {
        (true, true) => format!("between {} and {}", significant(ratio.low), significant(ratio.high)),
        (true, false) => format!("at least {}", significant(ratio.low)),
        (false, true) => format!("at most {}", significant(ratio.high)),
        (false, false) => "anything is possible".to_owned(),
    };
    let times =
        if estimate.is_finite() { format!("{} times", significant(estimate)) } else { "only".to_owned() };
    let most = if estimate.is_finite() { " as many" } else { " the canary" };
    format!("{times}{most}, {bounds}{each} with {} confidence at every look", percent(ratio.confidence))
}

fn evidence(test: Test) -> String {
    format!("e-value {} of {}", e_value(test.log_e), e_value(test.log_bound))
}

fn e_value(log: f64) -> String {
    if log.is_infinite() {
        "no bound".to_owned()
    } else if log > 1e6_f64.ln() {
        format!("about 10^{}", (log / std::f64::consts::LN_10).floor())
    } else if log < 0.01_f64.ln() {
        "below 0.01".to_owned()
    } else {
        significant(log.exp())
    }
}

/// Two significant digits below 100, whole numbers above.
fn significant(number: f64) -> String {
    match number {
        _ if number >= 99.5 => count(number.round() as u64),
        _ if number >= 9.95 => format!("{number:.0}"),
        _ if number >= 0.995 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// A fraction as a percentage, without digits that say nothing.
fn percent(fraction: f64) -> String {
    let text = format!("{:.3}", fraction * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A count with its noun.
fn several(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Digits in groups of three.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!((count(0).as_str(), count(1_234_567).as_str()), ("0", "1,234,567"));
        assert_eq!((percent(0.99).as_str(), percent(0.97834).as_str()), ("99 %", "97.834 %"));
        let short: Vec<String> = [0.031, 1.24, 17.8, 1_204.4].map(significant).to_vec();
        assert_eq!(short, ["0.03", "1.2", "18", "1,204"]);
        assert_eq!((e_value(3.0_f64.ln()).as_str(), e_value(150.0).as_str()), ("3.0", "about 10^65"));
    }
}
