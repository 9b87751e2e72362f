//! Why the delivery stands where it stands, and when to look again.

use super::{World, instances::give_up_at};
use crate::delivery::{
    AnalysisKey, Instance, InstancePhase, ObservedInstance, Phase, Reason, Rollout, Stage, Wake,
};
use crate::document::CanaryStep;
use shipway_analysis::Decision;
use shipway_base::{Share, Timestamp};
use shipway_traffic::ArmName;

/// Reasons and the times that matter, as they are gathered.
#[derive(Default)]
struct Gathered {
    reasons: Vec<Reason>,
    wakes: Vec<(Timestamp, String)>,
}

impl World<'_> {
    pub(super) fn reasons(&self) -> (Vec<Reason>, Option<Wake>) {
        let mut gathered = Gathered::default();
        match &self.state.rollout {
            None if self.state.stable.is_none() => gathered.reasons.push(Reason::NothingDeployed),
            None => {}
            Some(rollout) => self.of_rollout(rollout, &mut gathered),
        }
        self.of_arms(&mut gathered);
        for (id, instance) in &self.state.instances {
            self.of_instance(id, instance, &mut gathered);
        }
        let first = gathered.wakes.into_iter().filter(|(at, _)| *at > self.now).min();
        (gathered.reasons, first.map(|(at, why)| Wake { at, why }))
    }

    fn of_rollout(&self, rollout: &Rollout, gathered: &mut Gathered) {
        let version = rollout.release.version.clone();
        match &rollout.phase {
            Phase::Finished { report } => {
                let reason = report.reason.clone();
                let steady = self.state.stable.as_ref().filter(|stable| stable.id == rollout.release.id);
                if steady.is_none() {
                    gathered.reasons.push(Reason::Ended { version, outcome: report.outcome, reason });
                }
            }
            Phase::RollingBack { cause, .. } => {
                gathered.reasons.push(Reason::RollingBack { version, reason: cause.to_string() });
            }
            Phase::Step { index, entered_at, .. } => {
                self.of_trial(rollout, gathered);
                if let Some(key) = rollout.step_key(self.state.epoch) {
                    self.of_analysis(key, gathered);
                }
                if let (Some(CanaryStep::Pause { duration }), None) = (self.step(rollout), &rollout.paused) {
                    let until = duration.map(|duration| *entered_at + duration);
                    gathered.reasons.push(Reason::Pausing { step: *index, until });
                    gathered
                        .wakes
                        .extend(until.map(|until| (until, format!("the pause of step {} ends", index + 1))));
                }
            }
            Phase::Promoting { .. } => self.of_trial(rollout, gathered),
        }
        // Last, because nothing waits for it.
        if let Some(key) = rollout.background_key(self.state.epoch) {
            self.of_analysis(key, gathered);
        }
    }

    fn of_trial(&self, rollout: &Rollout, gathered: &mut Gathered) {
        if let Some((cause, since)) = &rollout.paused {
            gathered.reasons.push(Reason::Held { cause: cause.to_string(), since: *since });
        }
        if let Some(wanted) = self.waits_for(rollout) {
            let deadline = self.deadline(rollout);
            gathered.reasons.push(Reason::WaitsForInstances {
                version: rollout.release.version.clone(),
                ready: self.ready(rollout.release.id),
                wanted,
                share: self.wanted_share(rollout),
                deadline,
                last: self.last_seen(rollout),
            });
            gathered.wakes.push((deadline, "the progress deadline".to_owned()));
        } else if !self.router_obeys() {
            gathered.reasons.push(Reason::WaitsForRouter { share: rollout.share });
        }
    }

    fn of_analysis(&self, key: AnalysisKey, gathered: &mut Gathered) {
        let words = match self.verdict(key) {
            None => Some(Vec::new()),
            Some(verdict) => {
                let wake = verdict.wake.map(|(at, why)| (at, why.to_owned()));
                gathered.wakes.extend(wake);
                match &verdict.decision {
                    Decision::NotYet { .. } => Some(verdict.words.clone()),
                    Decision::Healthy { .. } | Decision::Regressed { .. } | Decision::Inconclusive { .. } => {
                        None
                    }
                }
            }
        };
        gathered.reasons.extend(words.map(|words| Reason::WaitsForEvidence { analysis: key.scope, words }));
    }

    /// What a person should know of the versions that serve, whatever the rollout does.
    fn of_arms(&self, gathered: &mut Gathered) {
        let trial = self.state.active();
        let exposed = trial.filter(|rollout| rollout.share > Share::ZERO);
        if let Some(stable) = &self.state.stable {
            let (ready, wanted) = (self.ready(stable.id), stable.spec.service.replicas);
            let version = stable.version.clone();
            let rescued = exposed.is_some_and(|rollout| self.ready(rollout.release.id) > 0);
            match ready {
                0 if rescued => gathered.reasons.push(Reason::StableDown { version }),
                0 => gathered.reasons.push(Reason::AllDown { version }),
                _ if ready < wanted => {
                    gathered.reasons.push(Reason::Degraded { arm: ArmName::Stable, version, ready, wanted });
                }
                _ if trial.is_none() => gathered.reasons.push(Reason::Steady { version, ready }),
                _ => {}
            }
        }
        if let Some(rollout) = exposed {
            let (ready, wanted) = (self.ready(rollout.release.id), self.wanted_for_trial(rollout));
            let version = rollout.release.version.clone();
            if ready == 0 && self.state.stable.is_some() {
                gathered.reasons.push(Reason::CanaryDown { version, share: rollout.share });
            } else if ready < wanted && self.waits_for(rollout).is_none() {
                gathered.reasons.push(Reason::Degraded { arm: ArmName::Canary, version, ready, wanted });
            }
        }
        for (release, wanted) in self.wanted() {
            let until = self.start_at(release);
            let missing = self.live(release.id).count() < wanted as usize;
            if let (true, true, Some(crashes)) =
                (missing, until > self.now, self.state.crashes.get(&release.id))
            {
                let version = release.version.clone();
                gathered.reasons.push(Reason::BackingOff { version, deaths: crashes.in_a_row, until });
                gathered.wakes.push((until, "an instance is replaced".to_owned()));
            }
            let flaps =
                |(_, instance): (_, &Instance)| (instance.release == release.id).then_some(instance.flaps);
            let times: u32 = self.state.instances.iter().filter_map(flaps).sum();
            if times > 0 {
                gathered.reasons.push(Reason::Flapping { version: release.version.clone(), times });
            }
        }
    }

    fn of_instance(&self, id: &str, instance: &Instance, gathered: &mut Gathered) {
        let Some(seen) = self.by_id.get(id).copied() else { return };
        let patience = self.patience(instance.release);
        match instance.stage {
            Stage::Starting => {
                let at = give_up_at(instance, seen, patience);
                gathered.wakes.push((at, format!("{id} had its time to become ready")));
            }
            Stage::Unready { since, .. } => {
                let at = since.max(seen.watched_since) + patience;
                gathered.wakes.push((at, format!("{id} had its time to recover")));
            }
            Stage::Ready { .. } if seen.phase == InstancePhase::Starting => {
                let at = seen.watched_since + patience;
                gathered.wakes.push((at, format!("{id} had its time to become ready again")));
            }
            Stage::Ready { .. } => {}
            Stage::Retired { draining_since: None } => {
                gathered.reasons.push(Reason::StillRouted { instance: id.to_owned() });
            }
            Stage::Retired { draining_since: Some(since) } => {
                let (in_flight, until) = (self.in_flight(id), self.drained_by(since));
                if seen.phase == InstancePhase::Stopping {
                    gathered.reasons.push(Reason::Stopping { instance: id.to_owned() });
                } else if in_flight > 0 && until > self.now {
                    gathered.reasons.push(Reason::Draining { instance: id.to_owned(), in_flight, until });
                    gathered.wakes.push((until, format!("the drain timeout of {id}")));
                }
            }
        }
    }

    fn wanted_share(&self, rollout: &Rollout) -> Share {
        match self.step(rollout) {
            Some(CanaryStep::SetWeight(share)) => *share,
            Some(CanaryStep::Pause { .. } | CanaryStep::Analysis(_)) => rollout.share,
            None => Share::ALL,
        }
    }

    /// The last thing seen of instances that are not ready: a health response, or else the last failure.
    fn last_seen(&self, rollout: &Rollout) -> Option<String> {
        let unready = |seen: &&ObservedInstance| !seen.is_ready();
        let seen = self.live(rollout.release.id).filter_map(|id| self.by_id.get(id).copied()).filter(unready);
        let health = seen.filter_map(|seen| seen.health.as_ref()).max_by_key(|health| health.at);
        health.map(ToString::to_string).or_else(|| rollout.failures.last().map(ToString::to_string))
    }
}
