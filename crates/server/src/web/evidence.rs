//! The evidence of both arms: what they served, how each signal grew against its bound, and the metrics.

use super::{chart, marks::of_outcome, parts};
use maud::{Markup, html};
use shipway_api::{ArmReport, Exposure, MetricReport, Ratio, Rollout, SignalKind, SignalReport};

/// The section.
pub(super) fn section(rollout: &Rollout) -> Markup {
    html! {
        @if rollout.stable.is_some() || rollout.canary.is_some() {
            h2 { "Evidence" }
            (arms(rollout))
            @if let Some(verdict) = &rollout.verdict {
                div class="signals" { @for signal in &verdict.signals { (self::signal(signal)) } }
                @if !verdict.metrics.is_empty() { (metrics(&verdict.metrics)) }
            }
        }
    }
}

/// What users saw of the new version, as one sentence.
pub(super) fn exposure(version: &str, exposure: &Exposure) -> String {
    format!(
        "Exposure: {version} served {} to {}; {} of them saw a failure, in {}.",
        parts::plural(exposure.requests, "request"),
        parts::plural(exposure.clients, "client"),
        parts::count(exposure.failed_clients),
        parts::plural(exposure.failed_requests, "request"),
    )
}

fn arms(rollout: &Rollout) -> Markup {
    let none = ArmReport::default();
    let stable = rollout.stable.as_ref();
    let canary = rollout.canary.as_ref().unwrap_or(&none);
    let arms: Vec<(&str, &ArmReport)> =
        std::iter::once(("canary", canary)).chain(stable.map(|arm| ("stable", arm))).collect();
    let quantile =
        |arm: &ArmReport, at: usize| arm.latency_us.map_or("-".to_owned(), |all| parts::micros(all[at]));
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="What both versions served" {
            table {
                thead {
                    tr {
                        td {}
                        @for (class, arm) in &arms {
                            th scope="col" { span class={ "key " (class) } {} (arm.version) " " span class="dim" { (if *class == "canary" { "new" } else { "before" }) } }
                        }
                    }
                }
                tbody {
                    (row("Clients", &arms, |arm| parts::count(arm.clients)))
                    (row("Requests", &arms, |arm| parts::count(arm.requests)))
                    (row("Failures", &arms, |arm| parts::count(arm.failures)))
                    (row("Failure rate", &arms, |arm| rate(arm.failures, arm.requests)))
                    (row("Latency p50", &arms, |arm| quantile(arm, 0)))
                    (row("Latency p95", &arms, |arm| quantile(arm, 1)))
                    (row("Latency p99", &arms, |arm| quantile(arm, 2)))
                    @for cause in causes(&arms) {
                        tr {
                            th scope="row" { "Failed with " (cause) }
                            @for (_, arm) in &arms { td { (parts::count(arm.causes.get(cause).copied().unwrap_or(0))) } }
                        }
                    }
                }
            }
        }
    }
}

fn row(name: &str, arms: &[(&str, &ArmReport)], value: impl Fn(&ArmReport) -> String) -> Markup {
    html! { tr { th scope="row" { (name) } @for (_, arm) in arms { td { (value(arm)) } } } }
}

/// The causes of failures in both arms, the most frequent first, at most eight.
fn causes<'a>(arms: &[(&str, &'a ArmReport)]) -> Vec<&'a str> {
    let mut totals: std::collections::BTreeMap<&str, u64> = Default::default();
    for (cause, count) in arms.iter().flat_map(|(_, arm)| &arm.causes) {
        *totals.entry(cause).or_default() += count;
    }
    let mut causes: Vec<(&str, u64)> = totals.into_iter().collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    causes.into_iter().take(8).map(|(cause, _)| cause).collect()
}

fn rate(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    if part == 0 {
        return "0 %".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        p if p < 0.1 => format!("{p:.3} %"),
        p if p < 10.0 => format!("{p:.2} %"),
        p => format!("{p:.1} %"),
    }
}

fn signal(signal: &SignalReport) -> Markup {
    let reached = signal.log10_e >= signal.log10_bound;
    html! {
        figure class={ "signal " (if reached { "bad" } else { "" }) } {
            figcaption {
                h3 { (name(signal.signal)) }
                p {
                    (parts::count(signal.canary.with_event)) " of " (parts::plural(signal.canary.clients, "client")) " of the new version, "
                    (parts::count(signal.stable.with_event)) " of " (parts::count(signal.stable.clients)) " before. "
                    @if let Some(ratio) = &signal.ratio { (self::ratio(ratio)) }
                }
            }
            (chart::evidence(signal))
            p class="dim" {
                "Evidence " strong { (e_value(signal.log10_e)) } " of " (e_value(signal.log10_bound))
                @if reached { ": the bound is reached." } @else { " at which it is rolled back." }
                " A false alarm has a chance of at most " (percent(signal.alpha)) ", however often one looks."
                @if let Some((now, bound)) = signal.promote { " Evidence for promotion " strong { (e_value(now)) } " of " (e_value(bound)) "." }
            }
        }
    }
}

fn name(signal: SignalKind) -> &'static str {
    match signal {
        SignalKind::Failure => "Failing clients",
        SignalKind::AboveP50 => "Clients slower than the median before",
        SignalKind::AboveP95 => "Clients slower than the p95 before",
        SignalKind::AboveP99 => "Clients slower than the p99 before",
    }
}

fn ratio(ratio: &Ratio) -> String {
    let confidence = percent(ratio.confidence);
    let estimate = ratio
        .estimate
        .map_or("Ratio not known yet".to_owned(), |estimate| format!("{estimate:.2} times as often"));
    match ratio.high {
        Some(high) => {
            format!(
                "{estimate} ({:.2} to {high:.2}, each with {confidence} confidence at every moment).",
                ratio.low
            )
        }
        None => {
            format!("{estimate} (at least {:.2} with {confidence} confidence at every moment).", ratio.low)
        }
    }
}

fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if (percent - percent.round()).abs() < 1e-9 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.2} %")
    }
}

/// An e-value out of its logarithm: as a number while it is one that people read, else as a power of ten.
fn e_value(log10: f64) -> String {
    match log10 {
        l if l < -3.0 => chart::power_of_ten(l),
        l if l < 1.0 => format!("{:.2}", 10_f64.powf(l)),
        l if l < 6.0 => parts::count(10_f64.powf(l).round() as u64),
        l => chart::power_of_ten(l),
    }
}

fn metrics(metrics: &[MetricReport]) -> Markup {
    html! {
        h3 { "Metrics" }
        div class="scroll" tabindex="0" role="region" aria-label="Metrics" {
            table {
                thead {
                    tr {
                        th scope="col" { "Metric" }
                        @for name in ["State", "Last", "Met", "Not met"] { th scope="col" { (name) } }
                    }
                }
                tbody {
                    @for metric in metrics.iter().take(20) {
                        tr {
                            th scope="row" class="text" {
                                (metric.name) " " code class="dim" { (metric.condition) }
                                p class="dim" { (metric.words) }
                            }
                            td { (of_outcome(metric.outcome).badge()) }
                            td {
                                (chart::sparkline(&metric.values))
                                @if let Some(last) = metric.values.last() { (number(*last)) }
                            }
                            td { (metric.successful) }
                            td { (metric.failed) }
                        }
                    }
                }
            }
        }
    }
}

fn number(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 { format!("{value}") } else { format!("{value:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_readable() {
        assert_eq!(e_value(0.0), "1.00");
        assert_eq!(e_value(2.0), "100");
        assert_eq!(e_value(12.3), "10¹²");
        assert_eq!(e_value(-40.0), "10⁻⁴⁰");
        assert_eq!(rate(0, 10), "0 %");
        assert_eq!(rate(1, 10_000), "0.010 %");
        assert_eq!(rate(1, 0), "-");
        assert_eq!(percent(0.01), "1 %");
        assert_eq!(percent(0.0033), "0.33 %");
    }
}
