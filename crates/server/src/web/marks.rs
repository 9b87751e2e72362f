//! States as marks: a colour, a shape and a word, so that none of the three has to be seen to know it.

use super::icons::{self, Shape};
use maud::{Markup, html};
use shipway_api::{Conclusion, Decision, InstanceHealth, MetricOutcome, RolloutPhase, RunSummary, Status};
use std::borrow::Cow;

/// How it is going, as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Well.
    Good,
    /// Not well.
    Bad,
    /// Under way.
    Busy,
    /// Waiting for someone.
    Wait,
    /// Neither.
    Quiet,
}

/// A state as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) tone: Tone,
    pub(super) shape: Shape,
    pub(super) word: &'static str,
    /// How many jobs have failed of a run that goes on.
    failed: u32,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Busy => "busy",
            Tone::Wait => "wait",
            Tone::Quiet => "quiet",
        }
    }
}

impl Mark {
    const fn new(tone: Tone, shape: Shape, word: &'static str) -> Mark {
        Mark { tone, shape, word, failed: 0 }
    }

    /// The word, with what goes wrong already.
    pub(super) fn text(self) -> Cow<'static, str> {
        match self.failed {
            0 => Cow::Borrowed(self.word),
            failed => Cow::Owned(format!("{}, {failed} failed", self.word)),
        }
    }

    /// Shape and word.
    pub(super) fn badge(self) -> Markup {
        html! { span class={ "mark " (self.tone.class()) } { (icons::icon(self.shape)) (self.text()) } }
    }

    /// The shape alone where room is short; the word is there for those who cannot see it.
    pub(super) fn sign(self) -> Markup {
        html! {
            span class={ "sign " (self.tone.class()) } title=(self.word) {
                (icons::icon(self.shape)) span class="unseen" { (self.word) ": " }
            }
        }
    }
}

/// The mark of a run, a job or a step.
pub(super) fn of_status(status: Status, conclusion: Option<Conclusion>) -> Mark {
    match (status, conclusion) {
        (Status::Queued, _) => Mark::new(Tone::Quiet, Shape::Circle, "Queued"),
        (Status::InProgress, _) => Mark::new(Tone::Busy, Shape::Arc, "Running"),
        (Status::Completed, Some(Conclusion::Success)) => Mark::new(Tone::Good, Shape::Check, "Succeeded"),
        (Status::Completed, Some(Conclusion::Failure)) => Mark::new(Tone::Bad, Shape::Cross, "Failed"),
        (Status::Completed, Some(Conclusion::Cancelled)) => Mark::new(Tone::Quiet, Shape::Slash, "Cancelled"),
        (Status::Completed, Some(Conclusion::Skipped) | None) => {
            Mark::new(Tone::Quiet, Shape::Skip, "Skipped")
        }
    }
}

/// The mark of a run, which may go on after a job of it has failed.
pub(super) fn of_run(run: &RunSummary) -> Mark {
    let mark = of_status(run.status, run.conclusion);
    match run.status {
        Status::InProgress if run.failed_jobs > 0 => {
            Mark { tone: Tone::Bad, failed: run.failed_jobs, ..mark }
        }
        Status::Queued | Status::InProgress | Status::Completed => mark,
    }
}

/// The mark of a rollout.
pub(super) fn of_phase(phase: RolloutPhase) -> Mark {
    match phase {
        RolloutPhase::Progressing => Mark::new(Tone::Busy, Shape::Arc, "Progressing"),
        RolloutPhase::Paused => Mark::new(Tone::Wait, Shape::Bars, "Paused"),
        RolloutPhase::RollingBack => Mark::new(Tone::Bad, Shape::Back, "Rolling back"),
        RolloutPhase::Promoted => Mark::new(Tone::Good, Shape::Check, "Promoted"),
        RolloutPhase::RolledBack => Mark::new(Tone::Bad, Shape::Back, "Rolled back"),
        RolloutPhase::Failed => Mark::new(Tone::Bad, Shape::Cross, "Failed"),
        RolloutPhase::Superseded => Mark::new(Tone::Quiet, Shape::Skip, "Superseded"),
    }
}

/// The mark of an instance.
pub(super) fn of_health(health: InstanceHealth) -> Mark {
    match health {
        InstanceHealth::Starting => Mark::new(Tone::Busy, Shape::Arc, "Starting"),
        InstanceHealth::Ready => Mark::new(Tone::Good, Shape::Check, "Ready"),
        InstanceHealth::Unhealthy => Mark::new(Tone::Bad, Shape::Cross, "Unhealthy"),
        InstanceHealth::Draining => Mark::new(Tone::Wait, Shape::Bars, "Draining"),
        InstanceHealth::Stopping => Mark::new(Tone::Quiet, Shape::Slash, "Stopping"),
        InstanceHealth::Exited => Mark::new(Tone::Bad, Shape::Cross, "Exited"),
        InstanceHealth::Stopped => Mark::new(Tone::Quiet, Shape::Slash, "Stopped"),
    }
}

/// The mark of a decision.
pub(super) fn of_decision(decision: Decision) -> Mark {
    match decision {
        Decision::NotYet => Mark::new(Tone::Busy, Shape::Arc, "Not enough evidence yet"),
        Decision::Regressed => Mark::new(Tone::Bad, Shape::Cross, "Regressed"),
        Decision::Healthy => Mark::new(Tone::Good, Shape::Check, "Healthy"),
        Decision::Inconclusive => Mark::new(Tone::Wait, Shape::Circle, "Inconclusive"),
    }
}

/// The mark of a metric.
pub(super) fn of_outcome(outcome: MetricOutcome) -> Mark {
    match outcome {
        MetricOutcome::Running => Mark::new(Tone::Busy, Shape::Arc, "Measuring"),
        MetricOutcome::Successful => Mark::new(Tone::Good, Shape::Check, "Met"),
        MetricOutcome::Failed => Mark::new(Tone::Bad, Shape::Cross, "Not met"),
        MetricOutcome::Inconclusive => Mark::new(Tone::Wait, Shape::Circle, "Inconclusive"),
        MetricOutcome::Error => Mark::new(Tone::Bad, Shape::Slash, "Not measurable"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_of_a_run_that_goes_on_is_told() {
        let running = Mark::new(Tone::Busy, Shape::Arc, "Running");
        assert_eq!(running.text(), "Running");
        assert_eq!(Mark { failed: 2, ..running }.text(), "Running, 2 failed");
    }
}
