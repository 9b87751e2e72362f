//! The rollout: whether it goes on, waits, is given up, or is done.

use super::World;
use crate::delivery::{
    AbortCause, Event, FailureKind, Outcome, PauseCause, Phase, Report, Rollout, RolloutKind, StepEnd,
};
use crate::document::CanaryStep;
use shipway_analysis::{Decision, Verdict};
use shipway_base::{Share, Timestamp};

impl World<'_> {
    /// The next event of the rollout.
    pub(super) fn forward(&self) -> Option<Event> {
        let rollout = self.state.rollout.as_ref()?;
        match &rollout.phase {
            Phase::Finished { .. } => None,
            Phase::RollingBack { .. } => self.rolled_back(rollout),
            Phase::Step { .. } | Phase::Promoting { .. } => {
                let danger = self.failed_for_good(rollout).or_else(|| self.regressed(rollout));
                danger
                    .or_else(|| self.counting(rollout))
                    .or_else(|| self.out_of_time(rollout))
                    .or_else(|| if rollout.paused.is_some() { None } else { self.undecided(rollout) })
                    .or_else(|| if rollout.paused.is_some() { None } else { self.next_step(rollout) })
            }
        }
    }

    fn rolled_back(&self, rollout: &Rollout) -> Option<Event> {
        let gone = !self.state.instances.values().any(|instance| instance.release == rollout.release.id);
        gone.then(|| Report::after_abort(&self.state, rollout, self.evidence, self.now))
    }

    /// Instances that fail in a way, or so often, that trying again has no point.
    fn failed_for_good(&self, rollout: &Rollout) -> Option<Event> {
        if self.state.stable.as_ref().is_some_and(|stable| stable.id == rollout.release.id) {
            return None;
        }
        let last = rollout.failures.last()?;
        let crashes = self.state.crashes.get(&rollout.release.id).map_or(0, |crashes| crashes.in_a_row);
        let limit = rollout.release.spec.service.restart.limit;
        let cause = match &last.kind {
            FailureKind::CannotStart { reason } => AbortCause::CannotStart { reason: reason.clone() },
            FailureKind::NeverReady { within } if !rollout.was_ready => {
                AbortCause::NeverReady { within: *within }
            }
            FailureKind::NeverReady { .. }
            | FailureKind::Exited(_)
            | FailureKind::Unhealthy { .. }
            | FailureKind::Lost
                if crashes >= limit =>
            {
                AbortCause::CrashLoop { deaths: crashes }
            }
            FailureKind::NeverReady { .. }
            | FailureKind::Exited(_)
            | FailureKind::Unhealthy { .. }
            | FailureKind::Lost => return None,
        };
        let mut words = vec![format!("its last instance {last}")];
        words.extend(last.last_lines.iter().map(|line| format!("log: {line}")));
        Some(Event::Aborted { cause, words })
    }

    fn regressed(&self, rollout: &Rollout) -> Option<Event> {
        self.verdicts(rollout).into_iter().find_map(|(analysis, verdict)| match &verdict.decision {
            Decision::Regressed { metric, reason, .. } => {
                let cause =
                    AbortCause::Regressed { analysis, metric: metric.clone(), reason: reason.clone() };
                Some(Event::Aborted { cause, words: verdict.words.clone() })
            }
            Decision::Healthy { .. } | Decision::Inconclusive { .. } | Decision::NotYet { .. } => None,
        })
    }

    fn undecided(&self, rollout: &Rollout) -> Option<Event> {
        self.verdicts(rollout).into_iter().find_map(|(_, verdict)| match &verdict.decision {
            Decision::Inconclusive { metric, .. } => {
                let cause = PauseCause::Inconclusive { metric: metric.clone(), words: verdict.words.clone() };
                Some(Event::Paused { cause })
            }
            Decision::Healthy { .. } | Decision::Regressed { .. } | Decision::NotYet { .. } => None,
        })
    }

    /// Whether the router counts, and whether it still knows what it had counted.
    fn counting(&self, rollout: &Rollout) -> Option<Event> {
        let exposure = rollout.exposure?;
        let obeyed = self.observed.routed.as_ref().map(|route| route.epoch);
        match (exposure.counting, obeyed) {
            (Some(counting), obeyed) if counting == self.state.epoch && obeyed != Some(counting) => {
                let reason = match obeyed {
                    None => "the router was started anew".to_owned(),
                    Some(other) => format!("the router counts in epoch {other}"),
                };
                let known = self.observed.saved.clone().filter(|saved| saved.epoch == counting).map(Box::new);
                Some(Event::EvidenceLost { epoch: counting + 1, reason, known })
            }
            (counting, Some(obeyed)) if obeyed == self.state.epoch && counting != Some(obeyed) => {
                Some(Event::CountingBegan { epoch: obeyed })
            }
            (Some(_) | None, Some(_) | None) => None,
        }
    }

    fn out_of_time(&self, rollout: &Rollout) -> Option<Event> {
        let wanted = self.waits_for(rollout)?;
        if self.now < self.deadline(rollout) {
            return None;
        }
        let deadline = rollout.release.spec.service.progress_deadline;
        let ready = self.ready(rollout.release.id);
        let cause = AbortCause::ProgressDeadline { deadline, ready, wanted };
        let words = rollout.failures.last().map(|last| format!("its last instance {last}"));
        Some(Event::Aborted { cause, words: words.into_iter().collect() })
    }

    /// How many instances the rollout waits for, when it is that what it waits for.
    pub(super) fn waits_for(&self, rollout: &Rollout) -> Option<u32> {
        if rollout.paused.is_some() {
            return None;
        }
        let wanted = self.wanted_for_trial(rollout);
        let step = self.step(rollout);
        let needs_them = match step {
            Some(CanaryStep::SetWeight(_)) | None => true,
            Some(CanaryStep::Pause { .. } | CanaryStep::Analysis(_)) => false,
        };
        (needs_them && self.ready(rollout.release.id) < wanted).then_some(wanted)
    }

    pub(super) fn deadline(&self, rollout: &Rollout) -> Timestamp {
        rollout.progress_at + rollout.release.spec.service.progress_deadline
    }

    fn next_step(&self, rollout: &Rollout) -> Option<Event> {
        match (&rollout.phase, self.step(rollout)) {
            (Phase::Step { index, .. }, Some(CanaryStep::SetWeight(share))) => {
                self.weigh(rollout, *share, || {
                    self.enter(rollout, index + 1, StepEnd::WeightReached { share: *share })
                })
            }
            (Phase::Step { index, entered_at, .. }, Some(CanaryStep::Pause { duration })) => {
                let duration = (*duration)?;
                let over = self.now >= *entered_at + duration;
                over.then(|| self.enter(rollout, index + 1, StepEnd::PauseElapsed { duration }))
            }
            (Phase::Step { index, .. }, Some(CanaryStep::Analysis(_))) => {
                let verdict = self.verdict(rollout.step_key(self.state.epoch)?)?;
                match &verdict.decision {
                    Decision::Healthy { .. } => {
                        let words = verdict.words.clone();
                        Some(self.enter(rollout, index + 1, StepEnd::Healthy { words }))
                    }
                    Decision::Regressed { .. } | Decision::Inconclusive { .. } | Decision::NotYet { .. } => {
                        None
                    }
                }
            }
            (Phase::Promoting { .. }, _) => {
                if self.state.stable.as_ref().is_some_and(|stable| stable.id == rollout.release.id) {
                    return Some(self.promoted(rollout));
                }
                self.weigh(rollout, Share::ALL, || Event::Promoted {
                    words: rollout.verdict.as_ref().map(|(_, words)| words.clone()).unwrap_or_default(),
                })
            }
            // A step that the strategy does not have cannot be entered; an older log may still hold one.
            (Phase::Step { index, .. }, None) => {
                Some(self.enter(rollout, index + 1, StepEnd::WeightReached { share: rollout.share }))
            }
            (Phase::RollingBack { .. } | Phase::Finished { .. }, _) => None,
        }
    }

    /// Sets a share once enough instances are ready and the router is up to date, and goes on once the router serves
    /// it. A share is only raised onto instances that are ready now, and, short of all, only beside a stable version
    /// that can take it back.
    fn weigh(&self, rollout: &Rollout, share: Share, reached: impl FnOnce() -> Event) -> Option<Event> {
        if self.waits_for(rollout).is_some() || !self.router_obeys() {
            return None;
        }
        let first = self.state.stable.is_none();
        let served = self.observed.routed.as_ref().map(|route| route.split.canary_share());
        let as_set = first || served == Some(rollout.share);
        if rollout.share != share {
            (as_set || share == Share::ALL).then_some(Event::WeightSet { share })
        } else if as_set {
            Some(reached())
        } else {
            None
        }
    }

    fn promoted(&self, rollout: &Rollout) -> Event {
        let version = &rollout.release.version;
        let reason = match (&rollout.phase, rollout.kind, rollout.release.spec.service.canary.steps.len()) {
            (Phase::Promoting { full: Some(by), .. }, _, _) => format!("{by} skipped the remaining steps"),
            (_, RolloutKind::First, _) => {
                "all its instances are ready and nothing was live before".to_owned()
            }
            (_, RolloutKind::Undo, _) => format!("{} went back to it", rollout.by),
            (_, RolloutKind::Canary, 0) => {
                "all its instances are ready and the strategy has no steps".to_owned()
            }
            (_, RolloutKind::Canary, 1) => format!("{version} passed its step"),
            (_, RolloutKind::Canary, steps) => format!("{version} passed all {steps} steps"),
        };
        let words = rollout.verdict.as_ref().map(|(_, words)| words.clone()).unwrap_or_default();
        Report::finished(rollout, Outcome::Promoted, reason, words, self.evidence, self.now)
    }

    fn enter(&self, rollout: &Rollout, step: usize, because: StepEnd) -> Event {
        Event::StepEntered { step, because, baseline: rollout.baseline_for(step, self.evidence) }
    }

    /// The step of the strategy that the rollout is in.
    pub(super) fn step<'r>(&self, rollout: &'r Rollout) -> Option<&'r CanaryStep> {
        match &rollout.phase {
            Phase::Step { index, .. } => {
                rollout.release.spec.service.canary.steps.get(*index).map(|step| &step.value)
            }
            Phase::Promoting { .. } | Phase::RollingBack { .. } | Phase::Finished { .. } => None,
        }
    }

    /// The verdicts that count now, with the analysis in words.
    fn verdicts(&self, rollout: &Rollout) -> Vec<(String, &Verdict)> {
        let epoch = self.state.epoch;
        let keys = rollout.background_key(epoch).into_iter().chain(rollout.step_key(epoch));
        keys.filter_map(|key| Some((key.scope.to_string(), self.verdict(key)?))).collect()
    }
}
