//! Deliveries as pages and clients see them.

use super::judged::{self, History};
use shipway_analysis::Verdict;
use shipway_api as api;
use shipway_base::{Share, Timestamp};
use shipway_rollout::{
    delivery::{
        self, Command, Delivery, Event, InstancePhase, Observed, Outcome, PauseCause, Phase, Reason, Release,
        Rollout, Stage, decide,
    },
    document::CanaryStep,
};
use shipway_store::{Statement, StoreError, models, models::rollouts::RolloutRow};
use shipway_target::InstanceStatus;
use std::{collections::BTreeMap, time::Duration};

/// What the loop knows beside the state.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    /// The last looks of all analyses that had a say.
    pub(super) verdicts: &'a [Verdict],
    /// How the evidence grew.
    pub(super) history: &'a History,
    /// Why the delivery stands where it stands.
    pub(super) reasons: &'a [Reason],
    /// How the instances of the version on trial were last seen.
    pub(super) kept: &'a BTreeMap<String, api::InstanceReport>,
    /// Requests that were failed by the shifting itself.
    pub(super) dropped: u64,
}

/// The rollout under way or the last one; `None` before the first.
pub(super) fn rollout(
    delivery: &Delivery,
    observed: &Observed,
    statuses: &[InstanceStatus],
    shown: Shown<'_>,
    now: Timestamp,
) -> Option<api::Rollout> {
    let rollout = delivery.rollout.as_ref()?;
    let summary = summary(delivery, rollout, shown.reasons);
    let routed = observed.routed.as_ref();
    let canary = routed.map_or(Share::ZERO, |route| served_share(&route.split, rollout));
    let wanted = if summary.phase == api::RolloutPhase::Promoted { Share::ALL } else { rollout.share };
    let closed = routed.and_then(|route| match &route.split {
        shipway_traffic::Split::Closed { reason } => Some(reason.clone()),
        shipway_traffic::Split::Single(_) | shipway_traffic::Split::Canary { .. } => None,
    });
    let (canary_arm, stable_arm) = arms(delivery, rollout, observed);
    Some(api::Rollout {
        steps: steps(rollout),
        waiting: waiting(rollout, shown.reasons),
        split: api::TrafficSplit {
            canary: points(canary),
            wanted: points(wanted),
            closed,
            dropped: shown.dropped,
        },
        stable: stable_arm,
        canary: canary_arm,
        verdict: verdict(rollout, shown),
        instances: instances(delivery, rollout, statuses, observed, shown.kept),
        events: Vec::new(),
        commands: offers(delivery, now),
        verdict_after_ms: verdict_after(rollout)
            .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        summary,
    })
}

/// The share of clients that the version on trial serves; everyone once it is the only one.
fn served_share(split: &shipway_traffic::Split, rollout: &Rollout) -> Share {
    match split {
        shipway_traffic::Split::Single(arm) if arm.release == rollout.release.id.to_string() => Share::ALL,
        shipway_traffic::Split::Closed { .. }
        | shipway_traffic::Split::Single(_)
        | shipway_traffic::Split::Canary { .. } => split.canary_share(),
    }
}

/// What the analyses say, or said before the end. A first version has nothing to be compared with.
fn verdict(rollout: &Rollout, shown: Shown<'_>) -> Option<api::VerdictReport> {
    let mut verdict = judged::verdict(shown.verdicts, shown.history)
        .filter(|_| rollout.kind != delivery::RolloutKind::First)?;
    let Some(report) = report(rollout) else { return Some(verdict) };
    verdict.needed = None;
    if report.outcome == Outcome::Promoted && !report.words.is_empty() {
        verdict.words.clone_from(&report.words);
    } else if verdict.decision != api::Decision::Regressed && !verdict.words.is_empty() {
        // The first sentence says what to do next, and nothing is to be done any more.
        verdict.words.remove(0);
    }
    Some(verdict)
}

/// The page of a rollout that is no longer its service's newest: its instances are those that still run now, as
/// `newest` has them, and those that were kept.
pub(super) fn past(mut page: api::Rollout, newest: Option<&api::Rollout>) -> api::Rollout {
    for instance in &mut page.instances {
        let now = newest.into_iter().flat_map(|newest| &newest.instances).find(|one| one.id == instance.id);
        match (instance.health, now) {
            (_, Some(now)) => {
                *instance = api::InstanceReport { canary: instance.canary, ..now.clone() };
            }
            (api::InstanceHealth::Exited | api::InstanceHealth::Stopped, None) => {}
            (
                api::InstanceHealth::Starting
                | api::InstanceHealth::Ready
                | api::InstanceHealth::Unhealthy
                | api::InstanceHealth::Draining
                | api::InstanceHealth::Stopping,
                None,
            ) => {
                instance.health = api::InstanceHealth::Stopped;
                (instance.address, instance.detail) = (None, None);
            }
        }
    }
    page
}

/// Remembers how the instances of the version on trial are, as long as they are there.
pub(super) fn keep(
    delivery: &Delivery,
    statuses: &[InstanceStatus],
    kept: &mut BTreeMap<String, api::InstanceReport>,
) {
    let Some(rollout) = &delivery.rollout else { return };
    let observed = Observed::default();
    for instance in instances(delivery, rollout, statuses, &observed, &BTreeMap::new()) {
        if instance.canary && statuses.iter().any(|status| status.id == instance.id) {
            kept.insert(instance.id.clone(), instance);
        }
    }
}

/// The read model of the rollout that a delivery is at.
pub(super) fn row(
    delivery: &Delivery,
    observed: &Observed,
    statuses: &[InstanceStatus],
    shown: Shown<'_>,
    first_version: u64,
    now: Timestamp,
) -> Result<Option<Statement>, StoreError> {
    let (Some(rollout), Some(page)) =
        (&delivery.rollout, self::rollout(delivery, observed, statuses, shown, now))
    else {
        return Ok(None);
    };
    let report = report(rollout);
    let row = RolloutRow {
        id: rollout.id,
        service: delivery.service.clone(),
        release: rollout.release.id,
        from: before(delivery, rollout).map(|release| release.id),
        run: run_of(&rollout.by),
        by: rollout.by.clone(),
        phase: word(page.summary.phase)?,
        step: page.summary.steps_done,
        steps: page.summary.steps,
        share: page.summary.share,
        headline: page.summary.headline.clone(),
        needs_you: page.summary.needs_you,
        outcome: report.map(|report| report.outcome.name().to_owned()),
        reason: report.map(|report| report.reason.clone()),
        started_at: rollout.started_at,
        finished_at: report.map(|report| report.finished_at),
        first_version,
        last_version: report.map(|_| delivery.version),
        report: Some(json(&page)?),
    };
    Ok(Some(models::rollouts::put(&row)))
}

/// A value of the API as the text that the store keeps.
fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::invalid("a rollout's page", error))
}

/// The one word that an enumeration of the API serialises to.
fn word(value: impl serde::Serialize) -> Result<String, StoreError> {
    Ok(json(&value)?.trim_matches('"').to_owned())
}

/// An event as pages list it.
pub(super) fn event(seq: u64, at: Timestamp, event: &Event) -> api::RolloutEvent {
    use api::RolloutEventKind as Kind;
    let (kind, by) = match event {
        Event::RolloutStarted { by, .. } => (Kind::Started, Some(by.clone())),
        Event::StepEntered { .. } => (Kind::Step, None),
        Event::WeightSet { .. } => (Kind::Traffic, None),
        Event::Paused { cause: PauseCause::By { by } }
        | Event::Resumed { by }
        | Event::FullyPromoted { by } => (Kind::Command, Some(by.clone())),
        Event::Paused { cause: PauseCause::Inconclusive { .. } } => (Kind::Verdict, None),
        Event::Aborted { cause: delivery::AbortCause::By { by, .. }, .. } => {
            (Kind::Command, Some(by.clone()))
        }
        Event::Aborted { cause: delivery::AbortCause::Regressed { .. }, .. } => (Kind::Verdict, None),
        Event::Aborted { .. } => (Kind::Instance, None),
        Event::Promoted { .. } => (Kind::Promoted, None),
        Event::Finished { report } => match report.outcome {
            Outcome::Promoted => (Kind::Promoted, None),
            Outcome::RolledBack => (Kind::RolledBack, None),
            Outcome::Failed => (Kind::Failed, None),
            Outcome::Superseded => (Kind::Superseded, None),
        },
        Event::CountingBegan { .. } | Event::EvidenceLost { .. } => (Kind::Traffic, None),
        Event::InstanceRequested { .. }
        | Event::InstanceReady { .. }
        | Event::InstanceUnready { .. }
        | Event::InstanceFailed { .. }
        | Event::InstanceDraining { .. }
        | Event::InstanceStopped { .. } => (Kind::Instance, None),
    };
    api::RolloutEvent { seq, at, kind, text: event.to_string(), details: event.details().to_vec(), by }
}

/// The run whose step asked, when it was one.
pub(super) fn run_of(by: &str) -> Option<models::runs::RunId> {
    by.strip_prefix("run ")?.parse().ok()
}

fn summary(delivery: &Delivery, rollout: &Rollout, reasons: &[Reason]) -> api::RolloutSummary {
    let steps = rollout.release.spec.service.canary.steps.len();
    let paused = rollout.paused.is_some();
    let waits_for_person =
        paused || reasons.iter().any(|reason| matches!(reason, Reason::Pausing { until: None, .. }));
    let pausing = reasons.iter().any(|reason| matches!(reason, Reason::Pausing { .. }));
    let report = report(rollout);
    let (phase, done) = match &rollout.phase {
        Phase::Step { index, .. } if paused || pausing => (api::RolloutPhase::Paused, *index),
        Phase::Step { index, .. } => (api::RolloutPhase::Progressing, *index),
        Phase::Promoting { .. } if paused => (api::RolloutPhase::Paused, steps),
        Phase::Promoting { .. } => (api::RolloutPhase::Progressing, steps),
        Phase::RollingBack { .. } => (api::RolloutPhase::RollingBack, 0),
        Phase::Finished { report } => match report.outcome {
            Outcome::Promoted => (api::RolloutPhase::Promoted, steps),
            Outcome::RolledBack => (api::RolloutPhase::RolledBack, 0),
            Outcome::Failed => (api::RolloutPhase::Failed, 0),
            Outcome::Superseded => (api::RolloutPhase::Superseded, 0),
        },
    };
    let headline = match (&rollout.phase, report) {
        (_, Some(report)) => report.reason.clone(),
        (Phase::RollingBack { cause, .. }, None) => cause.to_string(),
        (Phase::Step { .. } | Phase::Promoting { .. } | Phase::Finished { .. }, None) => {
            let why = reasons.iter().find(|reason| reason.explains());
            why.map_or_else(|| rollout.headline(), |why| format!("{}: {why}", rollout.headline()))
        }
    };
    api::RolloutSummary {
        id: rollout.id.into(),
        service: delivery.service.clone(),
        release: reference(&rollout.release),
        from: before(delivery, rollout).map(reference),
        phase,
        steps_done: number(done),
        steps: number(steps),
        share: match phase {
            api::RolloutPhase::Promoted => points(Share::ALL),
            api::RolloutPhase::Progressing
            | api::RolloutPhase::Paused
            | api::RolloutPhase::RollingBack
            | api::RolloutPhase::RolledBack
            | api::RolloutPhase::Failed
            | api::RolloutPhase::Superseded => points(rollout.share),
        },
        headline,
        needs_you: waits_for_person && !phase.is_over(),
        run: run_of(&rollout.by).map(Into::into),
        created_at: rollout.started_at,
        finished_at: report.map(|report| report.finished_at),
    }
}

/// What everyone got before this rollout: the stable version, or the one before it once this one is stable.
fn before<'a>(delivery: &'a Delivery, rollout: &Rollout) -> Option<&'a Release> {
    match &delivery.stable {
        Some(stable) if stable.id != rollout.release.id => Some(stable),
        Some(_) => delivery.history.last().map(|promoted| &promoted.release),
        None => None,
    }
}

/// A release by its name.
pub(super) fn reference(release: &Release) -> api::ReleaseRef {
    api::ReleaseRef { id: release.id.into(), version: release.version.clone(), digest: release.digest }
}

fn report(rollout: &Rollout) -> Option<&delivery::Report> {
    match &rollout.phase {
        Phase::Finished { report } => Some(report),
        Phase::Step { .. } | Phase::Promoting { .. } | Phase::RollingBack { .. } => None,
    }
}

fn verdict_after(rollout: &Rollout) -> Option<Duration> {
    match report(rollout) {
        Some(report) => report.verdict_after,
        None => {
            rollout.verdict.as_ref().zip(rollout.exposure).map(|((at, _), exposure)| at.since(exposure.since))
        }
    }
}

fn steps(rollout: &Rollout) -> Vec<api::RolloutStep> {
    let steps = &rollout.release.spec.service.canary.steps;
    let (current, entered) = match &rollout.phase {
        Phase::Step { index, entered_at, .. } => (*index, Some(*entered_at)),
        Phase::Promoting { .. } => (steps.len(), None),
        Phase::RollingBack { .. } => (rollout.reached, None),
        Phase::Finished { report } if report.outcome == Outcome::Promoted => (steps.len(), None),
        Phase::Finished { .. } => (rollout.reached, None),
    };
    let over_badly =
        !rollout.is_active() && report(rollout).is_none_or(|report| report.outcome != Outcome::Promoted);
    let promoted = report(rollout).is_some_and(|report| report.outcome == Outcome::Promoted);
    // A first version and a return to an earlier one take no steps, and a full promotion passes over those ahead.
    let passed_over = |index: usize| match rollout.kind {
        delivery::RolloutKind::First | delivery::RolloutKind::Undo => true,
        delivery::RolloutKind::Canary => promoted && index > rollout.reached,
    };
    let state = |index: usize| match index.cmp(&current) {
        _ if passed_over(index) => api::StepState::Skipped,
        std::cmp::Ordering::Less => api::StepState::Done,
        std::cmp::Ordering::Equal if over_badly => api::StepState::Failed,
        std::cmp::Ordering::Equal => api::StepState::Current,
        std::cmp::Ordering::Greater if over_badly => api::StepState::Skipped,
        std::cmp::Ordering::Greater => api::StepState::Ahead,
    };
    let kind = |step: &CanaryStep| match step {
        CanaryStep::SetWeight(share) => api::StepKind::SetWeight { share: points(*share) },
        CanaryStep::Pause { duration } => api::StepKind::Pause {
            duration_ms: duration.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        },
        CanaryStep::Analysis(analysis) => api::StepKind::Analysis {
            templates: analysis.templates.iter().map(|template| template.value.clone()).collect(),
        },
    };
    let step = |(index, step): (usize, &shipway_base::Spanned<CanaryStep>)| api::RolloutStep {
        kind: kind(&step.value),
        state: state(index),
        entered_at: entered.filter(|_| index == current),
        left_at: None,
    };
    steps.iter().enumerate().map(step).collect()
}

fn waiting(rollout: &Rollout, reasons: &[Reason]) -> Vec<api::WaitReason> {
    if report(rollout).is_some() {
        return Vec::new();
    }
    let until = |reason: &Reason| match reason {
        Reason::Pausing { until, .. } => *until,
        Reason::WaitsForInstances { deadline, .. } => Some(*deadline),
        Reason::BackingOff { until, .. } | Reason::Draining { until, .. } => Some(*until),
        Reason::NothingDeployed
        | Reason::Steady { .. }
        | Reason::WaitsForRouter { .. }
        | Reason::Held { .. }
        | Reason::WaitsForEvidence { .. }
        | Reason::Degraded { .. }
        | Reason::CanaryDown { .. }
        | Reason::StableDown { .. }
        | Reason::AllDown { .. }
        | Reason::Stopping { .. }
        | Reason::StillRouted { .. }
        | Reason::RollingBack { .. }
        | Reason::Ended { .. }
        | Reason::Flapping { .. } => None,
    };
    reasons.iter().map(|reason| api::WaitReason { text: reason.to_string(), until: until(reason) }).collect()
}

/// What both arms served since the rollout began: the canary, the stable version.
fn arms(
    delivery: &Delivery,
    rollout: &Rollout,
    observed: &Observed,
) -> (Option<api::ArmReport>, Option<api::ArmReport>) {
    let stable_version = before(delivery, rollout).map(|release| release.version.clone()).unwrap_or_default();
    let (mut canary, mut stable) = match report(rollout) {
        Some(report) => (report.canary.clone(), report.stable.clone()),
        None => rollout.served_before.clone(),
    };
    if report(rollout).is_none()
        && let Some(evidence) = observed.evidence.as_ref().filter(|evidence| evidence.epoch == delivery.epoch)
    {
        canary.add(&evidence.canary);
        stable.add(&evidence.stable);
    }
    let shown = |version: &str, arm: &delivery::ArmReport| api::ArmReport {
        version: version.to_owned(),
        requests: arm.requests,
        failures: arm.errors,
        clients: arm.clients,
        causes: arm.causes.clone(),
        latency_us: (arm.requests > 0).then_some(arm.latency_us),
    };
    let was_beside = rollout.kind != delivery::RolloutKind::First;
    (
        was_beside.then(|| shown(&rollout.release.version, &canary)),
        was_beside.then(|| shown(&stable_version, &stable)),
    )
}

fn instances(
    delivery: &Delivery,
    rollout: &Rollout,
    statuses: &[InstanceStatus],
    observed: &Observed,
    kept: &BTreeMap<String, api::InstanceReport>,
) -> Vec<api::InstanceReport> {
    let mut shown: Vec<api::InstanceReport> = statuses
        .iter()
        .filter_map(|status| {
            let instance = delivery.instances.get(&status.id)?;
            let release = delivery.release(instance.release)?;
            let retired = matches!(instance.stage, Stage::Retired { .. });
            let health = match status.phase {
                InstancePhase::Starting => api::InstanceHealth::Starting,
                InstancePhase::Ready if retired => api::InstanceHealth::Draining,
                InstancePhase::Ready => api::InstanceHealth::Ready,
                InstancePhase::Unready => api::InstanceHealth::Unhealthy,
                InstancePhase::Stopping => api::InstanceHealth::Stopping,
                InstancePhase::Exited(_) if retired => api::InstanceHealth::Stopped,
                InstancePhase::Exited(_) | InstancePhase::CannotStart { .. } => api::InstanceHealth::Exited,
            };
            let in_flight = observed.in_flight.get(&status.id).filter(|_| retired);
            let detail = match (&status.phase, in_flight) {
                (InstancePhase::Exited(exit), _) => Some(exit.to_string()),
                (InstancePhase::CannotStart { reason }, _) => Some(reason.clone()),
                (_, Some(requests)) => Some(format!("{requests} requests in flight")),
                _ => status.health.as_ref().filter(|health| !health.healthy).map(ToString::to_string),
            };
            Some(api::InstanceReport {
                id: status.id.clone(),
                version: release.version.clone(),
                canary: instance.release == rollout.release.id,
                health,
                detail,
                address: status.address.map(|address| address.to_string()),
                started_at: status.started_at,
                restarts: 0,
                last_lines: status.last_lines.clone(),
            })
        })
        .collect();
    if !rollout.is_active() {
        let gone = kept.values().filter(|kept| statuses.iter().all(|status| status.id != kept.id));
        shown.extend(gone.cloned().map(|instance| api::InstanceReport {
            health: api::InstanceHealth::Stopped,
            address: None,
            detail: None,
            ..instance
        }));
    }
    let failures = report(rollout).map_or(&rollout.failures, |report| &report.failures);
    for (index, failure) in failures.iter().enumerate() {
        shown.push(api::InstanceReport {
            id: format!("{}-failed-{}", rollout.release.version, index + 1),
            version: rollout.release.version.clone(),
            canary: true,
            health: api::InstanceHealth::Exited,
            detail: Some(failure.to_string()),
            address: None,
            started_at: None,
            restarts: 0,
            last_lines: failure.last_lines.clone(),
        });
    }
    shown
}

/// What each command would do now, found out by deciding it without committing anything.
fn offers(delivery: &Delivery, now: Timestamp) -> Vec<api::CommandOffer> {
    let Some(rollout) = &delivery.rollout else { return Vec::new() };
    let by = || "operator".to_owned();
    api::RolloutCommand::ALL
        .into_iter()
        .map(|command| {
            let asked = match command {
                api::RolloutCommand::Promote => Command::Promote { full: false, step: None, by: by() },
                api::RolloutCommand::PromoteFull => Command::Promote { full: true, step: None, by: by() },
                api::RolloutCommand::Pause => Command::Pause { by: by() },
                api::RolloutCommand::Resume => Command::Resume { by: by() },
                api::RolloutCommand::Abort => Command::Abort { by: by(), reason: None },
                api::RolloutCommand::Retry => Command::Retry { rollout: rollout.id, by: by() },
                api::RolloutCommand::Undo => Command::Undo { rollout: rollout.id, to: None, by: by() },
            };
            match decide(delivery, &asked, None, now) {
                Ok(decided) => {
                    api::CommandOffer { command, effect: decided.words, possible: !decided.events.is_empty() }
                }
                Err(refusal) => api::CommandOffer { command, effect: refusal.to_string(), possible: false },
            }
        })
        .collect()
}

fn points(share: Share) -> u32 {
    u32::from(share.as_basis_points())
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
