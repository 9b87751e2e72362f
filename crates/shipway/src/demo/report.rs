//! What the demo came to: the same facts as lines and as JSON.

use crate::render::wrapped;
use serde_json::{Value, json};
use shipway_api::{ArmReport, Rollout, RolloutPhase};
use shipway_base::human_duration;
use std::{collections::BTreeMap, time::Duration};

/// The demo's outcome.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The rollouts in order, as they stood when they were over.
    pub(crate) rollouts: Vec<Rollout>,
    /// What every request came to, seen by the clients: version to answers and failures by cause.
    pub(crate) seen: BTreeMap<String, Seen>,
    /// Requests failed by the shifting itself: by the router, or by a connection that was refused or closed.
    pub(crate) dropped: u64,
    /// From the first commit to the end of the last rollout.
    pub(crate) took: Duration,
}

/// What clients saw of one version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Requests answered or failed.
    pub(crate) requests: u64,
    /// Failures by cause.
    pub(crate) failures: BTreeMap<String, u64>,
}

/// How each version must end for the demo to have shown what it promises.
const PROMISED: [RolloutPhase; 3] =
    [RolloutPhase::Promoted, RolloutPhase::Promoted, RolloutPhase::RolledBack];

impl Report {
    /// Whether the good versions are live, the bad one was brought back, and no request was lost by the shifting.
    pub(crate) fn is_as_promised(&self) -> bool {
        self.dropped == 0 && self.rollouts.iter().map(|rollout| rollout.summary.phase).eq(PROMISED)
    }

    /// As JSON, for scripts.
    pub(crate) fn to_json(&self) -> Value {
        let versions: Vec<Value> = self
            .rollouts
            .iter()
            .map(|rollout| {
                let nothing = ArmReport::default();
                let canary = rollout.canary.as_ref().unwrap_or(&nothing);
                json!({
                    "version": rollout.summary.release.version,
                    "digest": rollout.summary.release.digest,
                    "outcome": outcome(rollout.summary.phase),
                    "reason": rollout.summary.headline,
                    "canary_requests": canary.requests,
                    "canary_errors": canary.failures,
                    "canary_errors_by_cause": canary.causes,
                    "verdict_after_ms": rollout.verdict_after_ms,
                })
            })
            .collect();
        let seen: BTreeMap<&String, Value> = self
            .seen
            .iter()
            .map(|(version, seen)| (version, json!({ "requests": seen.requests, "failures": seen.failures })))
            .collect();
        json!({
            "versions": versions,
            "dropped_requests": self.dropped,
            "clients_saw": seen,
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// As lines, for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![String::new(), "What happened".to_owned()];
        for rollout in &self.rollouts {
            let summary = &rollout.summary;
            let outcome = outcome(summary.phase).replace('_', " ");
            let first = format!("  {:<4} {outcome:<12} ", summary.release.version);
            lines.extend(wrapped(&first, first.chars().count(), &summary.headline));
            if let Some(canary) = &rollout.canary {
                let share =
                    if canary.requests == 0 { 0.0 } else { canary.failures as f64 / canary.requests as f64 };
                let causes: Vec<String> =
                    canary.causes.iter().map(|(cause, count)| format!("{count} x {cause}")).collect();
                let causes =
                    if causes.is_empty() { String::new() } else { format!(": {}", causes.join(", ")) };
                let after = rollout
                    .verdict_after_ms
                    .map(|millis| {
                        format!(", verdict after {}", human_duration(Duration::from_millis(millis)))
                    })
                    .unwrap_or_default();
                lines.push(format!(
                    "       as a canary it served {} requests, {} failed ({:.1} %{causes}){after}",
                    canary.requests,
                    canary.failures,
                    share * 100.0
                ));
            }
            if summary.phase == RolloutPhase::RolledBack {
                for instance in rollout.instances.iter().filter(|instance| instance.canary).take(1) {
                    lines.push(format!("       the last lines of {}:", instance.id));
                    lines.extend(
                        instance.last_lines.iter().rev().take(3).rev().map(|line| format!("         {line}")),
                    );
                }
            }
        }
        lines.push(String::new());
        lines.push("What clients saw".to_owned());
        for (version, seen) in &self.seen {
            let failed: u64 = seen.failures.values().sum();
            let causes: Vec<String> =
                seen.failures.iter().map(|(cause, count)| format!("{count} x {cause}")).collect();
            lines.push(
                format!(
                    "  {version:<12} {:>7} requests, {failed} failed  {}",
                    seen.requests,
                    causes.join(", ")
                )
                .trim_end()
                .to_owned(),
            );
        }
        lines.push(format!("  failed by the shifting itself: {}", self.dropped));
        lines.push(String::new());
        lines.push(format!("All of it took {}. Try next:", human_duration(self.took)));
        for (command, does) in NEXT {
            lines.push(format!("  {command:<38} {does}"));
        }
        lines
    }
}

/// The next five commands.
const NEXT: [(&str, &str); 5] = [
    ("shipway demo --keep", "the same, and leaves the pages up to look around"),
    ("shipway run", "run your own repository's workflows here and now"),
    ("shipway up", "watch your repository: run, deploy, judge, roll back"),
    ("shipway rollout watch", "follow the newest rollout of a running server"),
    ("shipway expr \"1 < 2\"", "try an expression of a workflow out"),
];

/// The outcome's name in JSON.
fn outcome(phase: RolloutPhase) -> &'static str {
    match phase {
        RolloutPhase::Progressing => "progressing",
        RolloutPhase::Paused => "paused",
        RolloutPhase::RollingBack => "rolling_back",
        RolloutPhase::Promoted => "promoted",
        RolloutPhase::RolledBack => "rolled_back",
        RolloutPhase::Failed => "failed",
        RolloutPhase::Superseded => "superseded",
    }
}
