//! Instances: what became of them, and which have to be asked for.

use super::{World, count, has_ended};
use crate::delivery::{
    Event, Failure, FailureKind, Instance, InstancePhase, ObservedInstance, Release, Stage,
};
use shipway_base::{Id, Timestamp};
use std::time::Duration;

impl World<'_> {
    /// The first thing that is observed of an instance and not recorded.
    pub(super) fn instance_fact(&self) -> Option<Event> {
        self.state.instances.iter().find_map(|(id, instance)| self.fact(id, instance))
    }

    fn fact(&self, id: &str, instance: &Instance) -> Option<Event> {
        let seen = self.by_id.get(id).copied();
        let named = || id.to_owned();
        let Some(seen) = seen else {
            return match instance.stage {
                // It was recorded and the start has not been carried out: the actions ask again.
                Stage::Starting => None,
                Stage::Ready { .. } | Stage::Unready { .. } => {
                    Some(self.failed(id, instance, None, FailureKind::Lost))
                }
                Stage::Retired { .. } => Some(Event::InstanceStopped { instance: named() }),
            };
        };
        if let Stage::Retired { .. } = instance.stage {
            if has_ended(seen) {
                return Some(Event::InstanceStopped { instance: named() });
            }
            let let_go = instance.stage == Stage::Retired { draining_since: None } && !self.is_routed(id);
            return let_go.then(|| Event::InstanceDraining { instance: named() });
        }
        match &seen.phase {
            InstancePhase::Exited(exit) => {
                Some(self.failed(id, instance, Some(seen), FailureKind::Exited(*exit)))
            }
            InstancePhase::CannotStart { reason } => {
                let kind = FailureKind::CannotStart { reason: reason.clone() };
                Some(self.failed(id, instance, Some(seen), kind))
            }
            InstancePhase::Ready if !seen.is_ready() => None,
            InstancePhase::Ready => match instance.stage {
                Stage::Starting | Stage::Unready { .. } => Some(Event::InstanceReady { instance: named() }),
                Stage::Ready { .. } | Stage::Retired { .. } => None,
            },
            InstancePhase::Starting | InstancePhase::Unready | InstancePhase::Stopping => {
                self.fact_of_unready(id, instance, seen)
            }
        }
    }

    fn fact_of_unready(&self, id: &str, instance: &Instance, seen: &ObservedInstance) -> Option<Event> {
        let patience = self.patience(instance.release);
        match instance.stage {
            Stage::Starting if self.now >= give_up_at(instance, seen, patience) => {
                let kind = FailureKind::NeverReady { within: patience };
                Some(self.failed(id, instance, Some(seen), kind))
            }
            Stage::Ready { .. } if seen.phase == InstancePhase::Unready => {
                Some(Event::InstanceUnready { instance: id.to_owned(), health: seen.health.clone() })
            }
            // Found running after a restart of its target and not healthy since: then it does not count as ready.
            Stage::Ready { .. }
                if seen.phase == InstancePhase::Starting && self.now >= seen.watched_since + patience =>
            {
                Some(Event::InstanceUnready { instance: id.to_owned(), health: seen.health.clone() })
            }
            Stage::Unready { since, .. } if self.now >= since.max(seen.watched_since) + patience => {
                let kind = FailureKind::Unhealthy { lasted: self.now.since(since) };
                Some(self.failed(id, instance, Some(seen), kind))
            }
            Stage::Starting | Stage::Ready { .. } | Stage::Unready { .. } | Stage::Retired { .. } => None,
        }
    }

    fn failed(
        &self,
        id: &str,
        instance: &Instance,
        seen: Option<&ObservedInstance>,
        kind: FailureKind,
    ) -> Event {
        let failure = Failure {
            kind,
            health: seen.and_then(|seen| seen.health.clone()),
            last_lines: seen.map(|seen| seen.last_lines.clone()).unwrap_or_default(),
            ready_for: instance.ready_for(self.now),
        };
        Event::InstanceFailed { instance: id.to_owned(), failure: Box::new(failure) }
    }

    /// The next instance that has to be asked for: the stable version's first.
    pub(super) fn wanted_instance(&self) -> Option<Event> {
        self.wanted().into_iter().find_map(|(release, wanted)| {
            let missing = count(self.live(release.id).count()) < wanted && self.now >= self.start_at(release);
            missing.then(|| self.request(release))
        })
    }

    /// The releases that should run now, and in how many instances.
    pub(super) fn wanted(&self) -> Vec<(&Release, u32)> {
        let mut wanted = Vec::new();
        if let Some(stable) = &self.state.stable {
            wanted.push((stable, stable.spec.service.replicas));
        }
        if let Some(rollout) = self.state.active() {
            let instances = self.wanted_for_trial(rollout);
            match wanted.iter_mut().find(|(release, _)| release.id == rollout.release.id) {
                Some((_, number)) => *number = instances.max(*number),
                None => wanted.push((&rollout.release, instances)),
            }
        }
        wanted
    }

    /// When the next instance of a release may be started: at once, or after the pause that follows a death.
    pub(super) fn start_at(&self, release: &Release) -> Timestamp {
        let Some(crashes) = self.state.crashes.get(&release.id) else { return Timestamp::EPOCH };
        let restart = &release.spec.service.restart;
        let doublings = crashes.in_a_row.saturating_sub(1).min(20);
        crashes.last + restart.backoff.saturating_mul(1 << doublings).min(restart.max_backoff)
    }

    /// How long an instance may take to become ready, or stay unhealthy.
    pub(super) fn patience(&self, release: Id<Release>) -> Duration {
        match self.state.release(release) {
            Some(release) => release.spec.service.health_check.start_timeout,
            // Only instances of releases that are known are ever not retired.
            None => Duration::ZERO,
        }
    }

    fn request(&self, release: &Release) -> Event {
        let number = self.state.requested + 1;
        let instance = format!("{}-{}-{number}", self.state.service, release.digest.short());
        Event::InstanceRequested { instance, release: release.id }
    }
}

/// When an instance that was never ready is given up.
pub(super) fn give_up_at(instance: &Instance, seen: &ObservedInstance, patience: Duration) -> Timestamp {
    instance.requested_at.max(seen.watched_since) + patience
}
