//! How events make the state. Total: any event can be applied to any state, and the same events give the same state.

use super::{
    ArmReport, Crashes, Delivery, Event, Exit, Exposure, Failure, FailureKind, Instance, PauseCause, Phase,
    Promoted, Release, Rollout, RolloutKind, Stage, StepEnd,
};
use crate::document::Service;
use shipway_base::{Id, Share, Timestamp};
use std::time::Duration;

/// Former stable releases, and failures of one rollout, that are kept.
const KEPT: usize = 10;

impl Delivery {
    /// A service of which nothing is known.
    pub fn new(service: impl Into<String>) -> Delivery {
        Delivery { service: service.into(), ..Delivery::default() }
    }

    /// The state that a history amounts to.
    pub fn replay<'a>(
        service: impl Into<String>,
        events: impl IntoIterator<Item = (Timestamp, &'a Event)>,
    ) -> Delivery {
        let mut delivery = Delivery::new(service);
        for (at, event) in events {
            delivery.evolve(event, at);
        }
        delivery
    }

    /// Applies one event that happened at `at`.
    pub fn evolve(&mut self, event: &Event, at: Timestamp) {
        self.version += 1;
        match event {
            Event::RolloutStarted { rollout, release, kind, by } => {
                self.epoch += 1;
                self.crashes.remove(&release.id);
                self.rollout = Some(Rollout::begin(*rollout, release, *kind, by, at));
                self.retire_unneeded();
            }
            Event::InstanceRequested { instance, release } => {
                self.requested += 1;
                let fresh =
                    Instance { release: *release, requested_at: at, stage: Stage::Starting, flaps: 0 };
                self.instances.insert(instance.clone(), fresh);
            }
            Event::InstanceReady { instance } => self.instance_ready(instance, at),
            Event::InstanceUnready { instance, .. } => self.instance_unready(instance, at),
            Event::InstanceFailed { instance, failure } => self.instance_failed(instance, failure, at),
            Event::InstanceDraining { instance } => {
                if let Some(instance) = self.instances.get_mut(instance) {
                    instance.stage = Stage::Retired { draining_since: Some(at) };
                }
            }
            Event::InstanceStopped { instance } => {
                self.instances.remove(instance);
            }
            Event::Promoted { .. } => self.promoted(at),
            Event::EvidenceLost { epoch, known, .. } => {
                self.epoch = *epoch;
                if let Some(rollout) = &mut self.rollout {
                    rollout.evidence_lost += 1;
                    if let Some(known) = known {
                        rollout.served_before.0.add(&known.canary);
                        rollout.served_before.1.add(&known.stable);
                    }
                    if let Some(exposure) = &mut rollout.exposure {
                        exposure.counting = None;
                    }
                    if let Phase::Step { baseline, .. } = &mut rollout.phase {
                        *baseline = None;
                    }
                }
            }
            Event::StepEntered { .. }
            | Event::WeightSet { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::FullyPromoted { .. }
            | Event::Aborted { .. }
            | Event::CountingBegan { .. }
            | Event::Finished { .. } => {
                if let Some(rollout) = &mut self.rollout {
                    rollout.evolve(event, at);
                }
                self.retire_unneeded();
            }
        }
    }

    /// The rollout that may still go forward.
    pub fn active(&self) -> Option<&Rollout> {
        self.rollout.as_ref().filter(|rollout| rollout.is_active())
    }

    /// The service as the version that is stable, or on its way to be the first, describes it.
    pub fn service(&self) -> Option<&Service> {
        let release = self.stable.as_ref().or(self.rollout.as_ref().map(|rollout| &rollout.release));
        release.map(|release| &release.spec.service)
    }

    /// A release that is known by its id.
    pub fn release(&self, id: Id<Release>) -> Option<&Release> {
        let rolling = self.rollout.as_ref().map(|rollout| &rollout.release);
        let before = self.history.iter().map(|promoted| &promoted.release);
        self.stable.iter().chain(rolling).chain(before).find(|release| release.id == id)
    }

    /// Whether an instance goes, if it goes, because its release neither serves nor is on trial any more, and not because
    /// of what became of the instance itself.
    pub fn has_no_use_for(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(|instance| !self.needs(instance.release))
    }

    fn needs(&self, release: Id<Release>) -> bool {
        let stable = self.stable.as_ref().map(|release| release.id);
        let trial = self.active().map(|rollout| rollout.release.id);
        Some(release) == stable || Some(release) == trial
    }

    fn instance_ready(&mut self, id: &str, at: Timestamp) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if !matches!(instance.stage, Stage::Retired { .. }) {
            instance.stage = Stage::Ready { since: at };
        }
        if let Some(rollout) = self.rollout.as_mut().filter(|rollout| rollout.release.id == instance.release)
        {
            rollout.was_ready = true;
            rollout.progress_at = at;
        }
    }

    fn instance_unready(&mut self, id: &str, at: Timestamp) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.flaps += 1;
        let ready_for = instance.ready_for(at);
        if !matches!(instance.stage, Stage::Retired { .. }) {
            instance.stage = Stage::Unready { since: at, ready_for };
        }
        if let Some(rollout) = self.rollout.as_mut().filter(|rollout| rollout.release.id == instance.release)
        {
            rollout.flaps += 1;
        }
    }

    fn instance_failed(&mut self, id: &str, failure: &Failure, at: Timestamp) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let release = instance.release;
        match failure.kind {
            FailureKind::Exited(_) | FailureKind::CannotStart { .. } | FailureKind::Lost => {
                self.instances.remove(id);
            }
            FailureKind::NeverReady { .. } | FailureKind::Unhealthy { .. } => {
                instance.stage = Stage::Retired { draining_since: None };
            }
        }
        let reset_after = self.release(release).map(|release| release.spec.service.restart.reset_after);
        let crashes = self.crashes.entry(release).or_insert(Crashes { in_a_row: 0, last: at });
        let lasted = reset_after.is_some_and(|reset| failure.ready_for >= reset);
        let unseen = matches!(failure.kind, FailureKind::Lost | FailureKind::Exited(Exit::Unknown));
        crashes.in_a_row = match (lasted, unseen) {
            // An end that nobody saw, as when the machine was restarted, says nothing about the release.
            (_, true) => crashes.in_a_row,
            (true, false) => 1,
            (false, false) => crashes.in_a_row + 1,
        };
        crashes.last = at;
        if let Some(rollout) = self.rollout.as_mut().filter(|rollout| rollout.release.id == release) {
            rollout.failures.push(failure.clone());
            let surplus = rollout.failures.len().saturating_sub(KEPT);
            rollout.failures.drain(..surplus);
        }
    }

    fn promoted(&mut self, at: Timestamp) {
        let Some(rollout) = &self.rollout else { return };
        let release = rollout.release.clone();
        self.history.retain(|before| before.release.id != release.id);
        if let Some(before) = self.stable.replace(release) {
            self.history.push(Promoted { release: before, at });
            let surplus = self.history.len().saturating_sub(KEPT);
            self.history.drain(..surplus);
        }
        let known: Vec<Id<Release>> = self.history.iter().map(|promoted| promoted.release.id).collect();
        let stable = self.stable.as_ref().map(|release| release.id);
        self.crashes.retain(|release, _| Some(*release) == stable || known.contains(release));
        self.retire_unneeded();
    }

    /// Retires the instances of releases that neither serve nor are on trial.
    fn retire_unneeded(&mut self) {
        let stable = self.stable.as_ref().map(|release| release.id);
        let trial = self.active().map(|rollout| rollout.release.id);
        for instance in self.instances.values_mut() {
            let needed = Some(instance.release) == stable || Some(instance.release) == trial;
            if !needed && !matches!(instance.stage, Stage::Retired { .. }) {
                instance.stage = Stage::Retired { draining_since: None };
            }
        }
    }
}

impl Instance {
    /// How long it has been ready without a break.
    pub fn ready_for(&self, now: Timestamp) -> Duration {
        match self.stage {
            Stage::Ready { since } => now.since(since),
            Stage::Unready { ready_for, .. } => ready_for,
            Stage::Starting | Stage::Retired { .. } => Duration::ZERO,
        }
    }
}

impl Rollout {
    fn begin(id: Id<Rollout>, release: &Release, kind: RolloutKind, by: &str, at: Timestamp) -> Rollout {
        let steps = &release.spec.service.canary.steps;
        let phase = match kind {
            RolloutKind::Canary if !steps.is_empty() => {
                Phase::Step { index: 0, entered_at: at, baseline: None }
            }
            RolloutKind::Canary | RolloutKind::First | RolloutKind::Undo => {
                Phase::Promoting { entered_at: at, full: None }
            }
        };
        Rollout {
            id,
            release: release.clone(),
            kind,
            by: by.to_owned(),
            started_at: at,
            phase,
            reached: 0,
            share: Share::ZERO,
            largest_share: Share::ZERO,
            exposure: None,
            attempt: 0,
            renewed_at: None,
            paused: None,
            progress_at: at,
            was_ready: false,
            verdict: None,
            served_before: (ArmReport::default(), ArmReport::default()),
            failures: Vec::new(),
            flaps: 0,
            evidence_lost: 0,
        }
    }

    /// Whether it may still go forward.
    pub fn is_active(&self) -> bool {
        match self.phase {
            Phase::Step { .. } | Phase::Promoting { .. } => true,
            Phase::RollingBack { .. } | Phase::Finished { .. } => false,
        }
    }

    fn evolve(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::StepEntered { step, because, baseline } => {
                let last = self.release.spec.service.canary.steps.len();
                self.phase = if *step < last {
                    Phase::Step { index: *step, entered_at: at, baseline: baseline.clone() }
                } else {
                    Phase::Promoting { entered_at: at, full: None }
                };
                self.reached = (*step).min(last);
                self.paused = None;
                self.progress_at = at;
                if let StepEnd::Healthy { words } = because {
                    self.verdict = Some((at, words.clone()));
                }
            }
            Event::WeightSet { share } => {
                self.share = *share;
                self.largest_share = self.largest_share.max(*share);
                if *share > Share::ZERO && self.exposure.is_none() {
                    self.exposure = Some(Exposure { since: at, counting: None });
                }
            }
            Event::CountingBegan { epoch } => {
                if let Some(exposure) = &mut self.exposure {
                    exposure.counting = Some(*epoch);
                }
            }
            Event::Paused { cause } => self.paused = Some((cause.clone(), at)),
            Event::Resumed { .. } => {
                if let Some((PauseCause::Inconclusive { .. }, _)) = self.paused.take() {
                    self.attempt += 1;
                    self.renewed_at = Some(at);
                }
                self.progress_at = at;
            }
            Event::FullyPromoted { by } => {
                self.phase = Phase::Promoting { entered_at: at, full: Some(by.clone()) };
                self.paused = None;
                self.progress_at = at;
            }
            Event::Aborted { cause, words } => {
                self.phase = Phase::RollingBack { since: at, cause: cause.clone(), words: words.clone() };
                self.share = Share::ZERO;
                self.paused = None;
                if matches!(cause, super::AbortCause::Regressed { .. }) {
                    self.verdict = Some((at, words.clone()));
                }
            }
            Event::Finished { report } => {
                self.phase = Phase::Finished { report: report.clone() };
                self.share = Share::ZERO;
                self.paused = None;
            }
            Event::RolloutStarted { .. }
            | Event::Promoted { .. }
            | Event::EvidenceLost { .. }
            | Event::InstanceRequested { .. }
            | Event::InstanceReady { .. }
            | Event::InstanceUnready { .. }
            | Event::InstanceFailed { .. }
            | Event::InstanceDraining { .. }
            | Event::InstanceStopped { .. } => {}
        }
    }
}
