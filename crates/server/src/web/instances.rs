//! Instances, with the last lines of each; those of a failed release are kept.

use super::{ansi, marks::of_health, parts};
use maud::{Markup, PreEscaped, html};
use shipway_api::{InstanceHealth, InstanceReport};
use shipway_base::Timestamp;

/// The most instances that are listed.
const MOST: usize = 30;

/// The section.
pub(super) fn section(instances: &[InstanceReport], now: Timestamp) -> Markup {
    html! {
        @if !instances.is_empty() {
            h2 { "Instances" }
            ul class="instances" {
                @for instance in instances.iter().take(MOST) { li { (one(instance, now)) } }
            }
            @if instances.len() > MOST { p class="dim" { (instances.len() - MOST) " more." } }
        }
    }
}

fn one(instance: &InstanceReport, now: Timestamp) -> Markup {
    let telling = match instance.health {
        InstanceHealth::Unhealthy | InstanceHealth::Exited => true,
        InstanceHealth::Starting
        | InstanceHealth::Ready
        | InstanceHealth::Draining
        | InstanceHealth::Stopping
        | InstanceHealth::Stopped => false,
    };
    html! {
        div class="jobrow" {
            (of_health(instance.health).badge())
            span class={ "tag " (if instance.canary { "canary" } else { "stable" }) } { (instance.version) }
            code { (instance.id) }
            @if let Some(address) = &instance.address { code class="dim" { (address) } }
            @if instance.restarts > 0 { span class="why" { (parts::plural(u64::from(instance.restarts), "restart")) } }
            @if let Some(started) = instance.started_at { span class="num dim" { (parts::ago(started, now)) } }
        }
        @if let Some(detail) = &instance.detail { p class=(if telling { "why" } else { "dim" }) { (detail) } }
        @if !instance.last_lines.is_empty() {
            details id={ "lines-" (instance.id) } open[telling] {
                summary { "Last " (parts::plural(instance.last_lines.len() as u64, "line")) }
                pre class="lines" tabindex="0" aria-label={ "Last lines of " (instance.id) } {
                    @for line in instance.last_lines.iter().take(30) { (ansi::line(line)) (PreEscaped("\n")) }
                }
            }
        }
    }
}
