//! The router's counters in Prometheus' text format.

use crate::{histogram::at_most, shared::Shared, stats::ServiceStats};
use std::{
    fmt::{self, Write as _},
    sync::atomic::Ordering::Relaxed,
};

/// Upper bounds of the latency buckets, in microseconds.
const BOUNDS_US: [u64; 12] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
];

/// A text inside a label, escaped as the format asks.
struct Label<'a>(&'a str);

pub(crate) fn render(shared: &Shared, connections: usize) -> String {
    let mut page = String::new();
    // Writing into a text cannot fail.
    let _ = write_page(&mut page, shared, connections);
    page
}

fn write_page(page: &mut String, shared: &Shared, connections: usize) -> fmt::Result {
    let services = shared.services();
    let stats: Vec<_> = services.iter().map(|(name, service)| (name.as_str(), service.stats())).collect();
    family(page, "shipway_router_connections", "gauge", "Client connections open now.")?;
    writeln!(page, "shipway_router_connections {connections}")?;
    family(page, "shipway_router_unrouted_total", "counter", "Requests that matched no route.")?;
    writeln!(page, "shipway_router_unrouted_total {}", shared.unrouted.load(Relaxed))?;
    requests(page, &stats)?;
    losses(page, &stats)?;
    family(page, "shipway_router_latency_seconds", "histogram", "Time to the head of the answer.")?;
    for (service, counters) in &services {
        for (release, latency) in counters.latencies() {
            let labels = format!("service=\"{}\",release=\"{}\"", Label(service), Label(&release));
            for bound in BOUNDS_US {
                let count = at_most(&latency.histogram, bound);
                let le = bound as f64 / 1e6;
                writeln!(page, "shipway_router_latency_seconds_bucket{{{labels},le=\"{le}\"}} {count}")?;
            }
            let total = latency.histogram.total();
            writeln!(page, "shipway_router_latency_seconds_bucket{{{labels},le=\"+Inf\"}} {total}")?;
            writeln!(page, "shipway_router_latency_seconds_sum{{{labels}}} {}", latency.sum_us as f64 / 1e6)?;
            writeln!(page, "shipway_router_latency_seconds_count{{{labels}}} {total}")?;
        }
    }
    family(page, "shipway_router_in_flight", "gauge", "Requests and tunnels an instance is serving.")?;
    for instance in shared.all_instances() {
        let id = Label(&instance.id);
        writeln!(page, "shipway_router_in_flight{{instance=\"{id}\"}} {}", instance.in_flight())?;
    }
    family(page, "shipway_router_canary_share", "gauge", "The share of clients that the canary serves.")?;
    for (service, route) in &shared.snapshot().table.routes {
        let share = route.split.canary_share().fraction();
        writeln!(page, "shipway_router_canary_share{{service=\"{}\"}} {share}", Label(service))?;
    }
    Ok(())
}

fn requests(page: &mut String, stats: &[(&str, ServiceStats)]) -> fmt::Result {
    family(page, "shipway_router_requests_total", "counter", "Requests answered, by class of status.")?;
    for (service, release) in releases(stats) {
        for (class, count) in release.classes.iter().enumerate().filter(|(_, count)| **count > 0) {
            let labels = labels(service, &release.release, &release.version);
            writeln!(page, "shipway_router_requests_total{{{labels},class=\"{}xx\"}} {count}", class + 1)?;
        }
    }
    family(page, "shipway_router_failures_total", "counter", "Requests failed by the instances, by cause.")?;
    for (service, release) in releases(stats) {
        for (cause, count) in &release.failures {
            let labels = labels(service, &release.release, &release.version);
            writeln!(page, "shipway_router_failures_total{{{labels},cause=\"{}\"}} {count}", Label(cause))?;
        }
    }
    family(page, "shipway_router_cancelled_total", "counter", "Requests whose client went away first.")?;
    for (service, release) in releases(stats) {
        let labels = labels(service, &release.release, &release.version);
        writeln!(page, "shipway_router_cancelled_total{{{labels}}} {}", release.cancelled)?;
    }
    Ok(())
}

fn losses(page: &mut String, stats: &[(&str, ServiceStats)]) -> fmt::Result {
    family(
        page,
        "shipway_router_dropped_total",
        "counter",
        "Requests failed by the router or the shifting.",
    )?;
    for (service, stats) in stats {
        for (why, count) in &stats.dropped {
            let labels = format!("service=\"{}\",cause=\"{}\"", Label(service), why.label());
            writeln!(page, "shipway_router_dropped_total{{{labels}}} {count}")?;
        }
    }
    family(page, "shipway_router_retries_total", "counter", "Requests tried again, unseen by the client.")?;
    for (service, stats) in stats {
        writeln!(page, "shipway_router_retries_total{{service=\"{}\"}} {}", Label(service), stats.retries)?;
    }
    family(
        page,
        "shipway_router_strays_total",
        "counter",
        "Requests served by the other arm than their client's.",
    )?;
    for (service, stats) in stats {
        writeln!(page, "shipway_router_strays_total{{service=\"{}\"}} {}", Label(service), stats.strays)?;
    }
    family(page, "shipway_router_ejections_total", "counter", "Times an instance refused a connection.")?;
    for (service, stats) in stats {
        for (instance, count) in &stats.ejections {
            let labels = format!("service=\"{}\",instance=\"{}\"", Label(service), Label(instance));
            writeln!(page, "shipway_router_ejections_total{{{labels}}} {count}")?;
        }
    }
    Ok(())
}

fn releases<'a>(
    stats: &'a [(&'a str, ServiceStats)],
) -> impl Iterator<Item = (&'a str, &'a crate::ReleaseStats)> {
    stats.iter().flat_map(|(service, stats)| stats.releases.iter().map(|release| (*service, release)))
}

fn labels(service: &str, release: &str, version: &str) -> String {
    let (service, release, version) = (Label(service), Label(release), Label(version));
    format!("service=\"{service}\",release=\"{release}\",version=\"{version}\"")
}

fn family(page: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(Label("a\"b\\c\nd").to_string(), "a\\\"b\\\\c\\nd");
        assert_eq!(labels("web", "r", "v\"1"), "service=\"web\",release=\"r\",version=\"v\\\"1\"");
    }

    #[test]
    fn no_two_bounds_share_a_place() {
        assert!(BOUNDS_US.is_sorted_by(|a, b| a < b));
    }
}
