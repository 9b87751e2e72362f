//! Rollouts as text: the same facts as the page, in plain lines.

use crate::render::shortened;
use shipway_api::{Rollout, RolloutEvent, RolloutPhase, RolloutSummary, StepKind, StepState};
use shipway_base::human_duration;
use std::time::Duration;

/// The most characters of a headline in a list; `rollout get` shows it whole.
const HEADLINE: usize = 72;

/// One line a rollout, in columns.
pub(super) fn list(rollouts: &[RolloutSummary]) -> Vec<String> {
    let width = |text: fn(&RolloutSummary) -> String| {
        rollouts.iter().map(|r| text(r).chars().count()).max().unwrap_or(0)
    };
    let (service, version) = (width(|r| r.service.clone()), width(|r| r.release.version.clone()));
    rollouts
        .iter()
        .map(|r| {
            format!(
                "{}  {:<service$}  {:<version$}  {:<12}  {}",
                r.id,
                r.service,
                r.release.version,
                phase(r.phase),
                shortened(&r.headline, HEADLINE)
            )
        })
        .collect()
}

/// One line: what, where it stands, why.
pub(super) fn headline(summary: &RolloutSummary) -> String {
    format!("{} {}: {}. {}", summary.service, summary.release.version, phase(summary.phase), summary.headline)
}

/// One line for an event, and one for each sentence with the numbers behind it.
pub(super) fn event(event: &RolloutEvent) -> String {
    let mut text = format!("{}  {}", event.at, event.text);
    // Most sentences name who asked already.
    if let Some(by) = event.by.as_deref().filter(|by| !event.text.contains(by)) {
        text.push_str(&format!(" (by {by})"));
    }
    for detail in &event.details {
        text.push_str("\n    ");
        text.push_str(detail);
    }
    text
}

/// Everything about a rollout.
pub(super) fn rollout(rollout: &Rollout) -> Vec<String> {
    let summary = &rollout.summary;
    let mut lines = vec![headline(summary), String::new()];
    lines.push(format!("release   {} ({})", summary.release.version, summary.release.digest));
    if let Some(from) = &summary.from {
        lines.push(format!("from      {} ({})", from.version, from.digest));
    }
    // A version that was promoted is no canary any more and serves everyone.
    let share = if summary.phase == RolloutPhase::Promoted { summary.share } else { rollout.split.canary };
    lines.push(format!("traffic   {} to the new version", percent(share)));
    for (number, step) in rollout.steps.iter().enumerate() {
        let mark = match step.state {
            StepState::Done => "done",
            StepState::Current => "now",
            StepState::Ahead => "",
            StepState::Failed => "failed",
            StepState::Skipped => "skipped",
        };
        lines.push(
            format!("step {:<4} {:<28} {mark}", number + 1, step_name(&step.kind)).trim_end().to_owned(),
        );
    }
    for reason in &rollout.waiting {
        lines.push(format!("waiting   {}", reason.text));
    }
    for (name, arm) in [("stable", &rollout.stable), ("canary", &rollout.canary)] {
        let Some(arm) = arm else { continue };
        let causes: Vec<String> =
            arm.causes.iter().map(|(cause, count)| format!("{count} x {cause}")).collect();
        let causes = if causes.is_empty() { String::new() } else { format!(" ({})", causes.join(", ")) };
        let latency = arm.latency_us.map_or(String::new(), |[p50, p95, p99]| {
            let ms = |us: u64| format!("{:.1}", us as f64 / 1_000.0);
            format!(", p50/p95/p99 {}/{}/{} ms", ms(p50), ms(p95), ms(p99))
        });
        lines.push(format!(
            "{name:<9} {}: {} requests, {} failed{causes}, {} clients{latency}",
            arm.version, arm.requests, arm.failures, arm.clients
        ));
    }
    if let Some(verdict) = &rollout.verdict {
        lines.extend(verdict.words.iter().map(|words| format!("verdict   {words}")));
        lines.extend(verdict.fixed_threshold.iter().map(|words| format!("otherwise {words}")));
    }
    for instance in &rollout.instances {
        let detail = instance.detail.as_deref().map(|detail| format!(", {detail}")).unwrap_or_default();
        let health = format!("{:?}", instance.health).to_lowercase();
        lines.push(format!("instance  {} {} {health}{detail}", instance.id, instance.version));
        lines.extend(instance.last_lines.iter().map(|line| format!("          | {line}")));
    }
    lines
}

fn step_name(kind: &StepKind) -> String {
    match kind {
        StepKind::SetWeight { share } => format!("set weight {}", percent(*share)),
        StepKind::Pause { duration_ms: Some(millis) } => {
            format!("pause {}", human_duration(Duration::from_millis(*millis)))
        }
        StepKind::Pause { duration_ms: None } => "pause until promoted".to_owned(),
        StepKind::Analysis { templates } => format!("analysis {}", templates.join(", ")),
    }
}

fn phase(phase: RolloutPhase) -> &'static str {
    match phase {
        RolloutPhase::Progressing => "progressing",
        RolloutPhase::Paused => "paused",
        RolloutPhase::RollingBack => "rolling back",
        RolloutPhase::Promoted => "promoted",
        RolloutPhase::RolledBack => "rolled back",
        RolloutPhase::Failed => "failed",
        RolloutPhase::Superseded => "superseded",
    }
}

fn percent(basis_points: u32) -> String {
    format!("{} %", f64::from(basis_points) / 100.0)
}
