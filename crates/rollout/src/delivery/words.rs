//! What events and reasons say to people. One wording for pages, reports, logs and records.

use super::{
    AbortCause, Action, AnalysisScope, Event, Failure, FailureKind, PauseCause, Phase, Reason, Rollout,
    RolloutKind, StepEnd,
};
use crate::document::CanaryStep;
use shipway_base::{Share, human_duration};
use shipway_traffic::Split;
use std::fmt;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::RolloutStarted { rollout, release, kind, by } => {
                let way = match kind {
                    RolloutKind::First => "as the first version",
                    RolloutKind::Canary => "as a canary",
                    RolloutKind::Undo => "as a return to an earlier version",
                };
                let digest = release.digest.short();
                write!(f, "rollout {rollout} of {} ({digest}) began {way}, asked by {by}", release.version)
            }
            Event::StepEntered { step, because, .. } => write!(f, "step {} begins: {because}", step + 1),
            Event::WeightSet { share } => write!(f, "the weight was set to {share}"),
            Event::Paused { cause } => write!(f, "paused: {cause}"),
            Event::Resumed { by } => write!(f, "resumed by {by}"),
            Event::FullyPromoted { by } => write!(f, "all remaining steps were skipped by {by}"),
            Event::Aborted { cause, .. } => write!(f, "given up: {cause}"),
            Event::Promoted { .. } => f.write_str("promoted: it is the stable version now"),
            Event::Finished { report } => {
                write!(f, "{} {}: {}", report.version, report.outcome.verb(), report.reason)
            }
            Event::CountingBegan { epoch } => write!(f, "the router counts in epoch {epoch}"),
            Event::EvidenceLost { epoch, reason, .. } => {
                write!(f, "the evidence was lost and counting began anew in epoch {epoch}: {reason}")
            }
            Event::InstanceRequested { instance, .. } => write!(f, "{instance} was asked for"),
            Event::InstanceReady { instance } => write!(f, "{instance} is ready"),
            Event::InstanceUnready { instance, health: None } => {
                write!(f, "{instance} is not ready any more")
            }
            Event::InstanceUnready { instance, health: Some(health) } => {
                write!(f, "{instance} is not ready any more: {health}")
            }
            Event::InstanceFailed { instance, failure } => write!(f, "{instance} {failure}"),
            Event::InstanceDraining { instance } => {
                write!(f, "{instance} gets nothing new and finishes what it has")
            }
            Event::InstanceStopped { instance } => write!(f, "{instance} has stopped"),
        }
    }
}

impl Event {
    /// The sentences with the numbers behind what happened; a list shows the event without them.
    pub fn details(&self) -> &[String] {
        match self {
            Event::StepEntered { because: StepEnd::Healthy { words }, .. }
            | Event::Paused { cause: PauseCause::Inconclusive { words, .. } }
            | Event::Aborted { words, .. } => words,
            // The end repeats what decided; the event of the decision itself carries the numbers.
            Event::StepEntered { .. }
            | Event::Paused { .. }
            | Event::Finished { .. }
            | Event::Promoted { .. }
            | Event::RolloutStarted { .. }
            | Event::WeightSet { .. }
            | Event::Resumed { .. }
            | Event::FullyPromoted { .. }
            | Event::CountingBegan { .. }
            | Event::EvidenceLost { .. }
            | Event::InstanceRequested { .. }
            | Event::InstanceReady { .. }
            | Event::InstanceUnready { .. }
            | Event::InstanceFailed { .. }
            | Event::InstanceDraining { .. }
            | Event::InstanceStopped { .. } => &[],
        }
    }
}

impl fmt::Display for StepEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepEnd::WeightReached { share } => write!(f, "the router serves {share}"),
            StepEnd::PauseElapsed { duration } => {
                write!(f, "the pause of {} is over", human_duration(*duration))
            }
            StepEnd::Healthy { .. } => f.write_str("the analysis is satisfied"),
            StepEnd::Skipped { by } => write!(f, "the step before was skipped by {by}"),
        }
    }
}

impl fmt::Display for PauseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PauseCause::By { by } => write!(f, "by {by}"),
            PauseCause::Inconclusive { metric, .. } => {
                write!(f, "the metric {metric} ended without an answer; promote, resume or abort")
            }
        }
    }
}

impl fmt::Display for AbortCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AbortCause::By { by, reason: None } => write!(f, "aborted by {by}"),
            AbortCause::By { by, reason: Some(reason) } => write!(f, "aborted by {by}: {reason}"),
            AbortCause::Regressed { analysis, reason, .. } => write!(f, "{analysis}: {reason}"),
            AbortCause::CrashLoop { deaths } => write!(f, "its instances failed {deaths} times in a row"),
            AbortCause::NeverReady { within } => {
                write!(f, "no instance became ready within {}", human_duration(*within))
            }
            AbortCause::CannotStart { reason } => write!(f, "it cannot be started: {reason}"),
            AbortCause::ProgressDeadline { deadline, ready, wanted } => {
                let deadline = human_duration(*deadline);
                write!(f, "no progress for {deadline}: {ready} of {wanted} instances are ready")
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FailureKind::Exited(exit) => write!(f, "{exit}")?,
            FailureKind::CannotStart { reason } => write!(f, "cannot be started: {reason}")?,
            FailureKind::NeverReady { within } => {
                write!(f, "did not become ready within {}", human_duration(*within))?;
            }
            FailureKind::Unhealthy { lasted } => write!(f, "was unhealthy for {}", human_duration(*lasted))?,
            FailureKind::Lost => f.write_str("is not known to its target any more")?,
        }
        if let Some(health) = &self.health {
            write!(f, "; its last health check: {health}")?;
        }
        match self.last_lines.last() {
            Some(line) => write!(f, "; its last line: {line}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NothingDeployed => f.write_str("nothing was deployed yet"),
            Reason::Steady { version, ready } => {
                write!(f, "{version} serves everyone with {} ready", instances(*ready))
            }
            Reason::WaitsForInstances { version, ready, wanted, share, deadline, last } => {
                let wanted = instances(*wanted);
                write!(
                    f,
                    "{version} waits for instances: {ready} of {wanted} ready, wanted for {share} of the clients"
                )?;
                write!(f, "; given up at {deadline}")?;
                last.as_ref().map_or(Ok(()), |last| write!(f, "; last seen: {last}"))
            }
            Reason::WaitsForRouter { share } => {
                write!(f, "waits for the router to serve {share} by the version on trial")
            }
            Reason::Pausing { step, until: Some(until) } => {
                write!(f, "step {} pauses until {until}", step + 1)
            }
            Reason::Pausing { step, until: None } => {
                write!(f, "step {} pauses until somebody promotes", step + 1)
            }
            Reason::Held { cause, since } => write!(f, "held since {since}: {cause}"),
            Reason::WaitsForEvidence { analysis, words } if words.is_empty() => {
                write!(f, "the {analysis} has not said anything yet")
            }
            Reason::WaitsForEvidence { analysis: AnalysisScope::Background, words } => {
                write!(f, "beside the steps, the background analysis goes on: {}", words.join("; "))
            }
            Reason::WaitsForEvidence { analysis, words } => {
                write!(f, "the {analysis} has not got enough evidence: {}", words.join("; "))
            }
            Reason::Degraded { arm, version, ready, wanted } => {
                write!(f, "the {arm} {version} has {ready} of {} ready", instances(*wanted))
            }
            Reason::BackingOff { version, deaths, until } => {
                let times = if *deaths == 1 { "once".to_owned() } else { format!("{deaths} times in a row") };
                write!(f, "{version} failed {times}; the next instance is started at {until}")
            }
            Reason::CanaryDown { version, share } => {
                write!(
                    f,
                    "no instance of {version} is ready, so its {share} go to the stable version for now"
                )
            }
            Reason::StableDown { version } => {
                write!(
                    f,
                    "no instance of the stable {version} is ready, so the version on trial serves everyone for now"
                )
            }
            Reason::AllDown { version } => {
                write!(f, "no instance of {version} is ready; requests are refused")
            }
            Reason::StillRouted { instance } => {
                write!(f, "{instance} is retired and the router still routes to it")
            }
            Reason::Draining { instance, in_flight, until } => {
                let requests =
                    if *in_flight == 1 { "one request".to_owned() } else { format!("{in_flight} requests") };
                write!(f, "{instance} finishes {requests}, until {until} at most")
            }
            Reason::Stopping { instance } => write!(f, "{instance} was told to stop"),
            Reason::RollingBack { version, reason } => write!(f, "{version} is being taken back: {reason}"),
            Reason::Ended { version, outcome, reason } => write!(f, "{version} {}: {reason}", outcome.verb()),
            Reason::Flapping { version, times } => {
                write!(f, "instances of {version} became unready {times} times")
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Start { instance, release } => write!(f, "start {instance} of {}", release.version),
            Action::Route(route) => {
                write!(f, "route {}: ", route.service)?;
                match &route.split {
                    Split::Closed { reason } => write!(f, "closed, {reason}"),
                    Split::Single(arm) => write!(f, "{} on {}", arm.version, ids(arm)),
                    Split::Canary { stable, canary, share } => {
                        let (stable_ids, canary_ids) = (ids(stable), ids(canary));
                        let rest = share.complement();
                        write!(
                            f,
                            "{} {rest} on {stable_ids}, {} {share} on {canary_ids}",
                            stable.version, canary.version
                        )
                    }
                }
            }
            Action::Stop { instance, .. } => write!(f, "stop {instance}"),
            Action::Forget { instance } => write!(f, "forget {instance}"),
        }
    }
}

impl fmt::Display for CanaryStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CanaryStep::SetWeight(share) => write!(f, "setWeight {share}"),
            CanaryStep::Pause { duration: None } => f.write_str("pause"),
            CanaryStep::Pause { duration: Some(duration) } => {
                write!(f, "pause {}", human_duration(*duration))
            }
            CanaryStep::Analysis(_) => f.write_str("analysis"),
        }
    }
}

impl Rollout {
    /// Where it stands, as a few words: `step 2 of 5: analysis`, `promoting`, `rolling back`, `promoted`.
    pub fn headline(&self) -> String {
        let steps = &self.release.spec.service.canary.steps;
        match &self.phase {
            Phase::Step { index, .. } => match steps.get(*index) {
                Some(step) => format!("step {} of {}: {}", index + 1, steps.len(), step.value),
                None => format!("step {} of {}", index + 1, steps.len()),
            },
            Phase::Promoting { .. } if self.share == Share::ALL => "promoting".to_owned(),
            Phase::Promoting { .. } => "waiting for all instances".to_owned(),
            Phase::RollingBack { .. } => "rolling back".to_owned(),
            Phase::Finished { report } => report.outcome.to_string(),
        }
    }
}

fn instances(count: u32) -> String {
    if count == 1 { "one instance".to_owned() } else { format!("{count} instances") }
}

fn ids(arm: &shipway_traffic::Arm) -> String {
    let ids: Vec<&str> = arm.instances.iter().map(|instance| instance.id.as_str()).collect();
    if ids.is_empty() { "nothing".to_owned() } else { ids.join(" ") }
}
