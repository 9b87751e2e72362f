//! The planner: from the state, what is observed, and the time, to an immutable plan with its reasons.
//!
//! Events are derived one at a time and applied to a copy of the state until nothing more follows; then the actions
//! are the difference between what the state wants and what is observed. So an action that was lost in a crash is
//! planned again, and a world that is as it should be plans nothing.

mod actions;
mod capacity;
mod forward;
mod instances;
mod reasons;
mod route;

use super::{
    AnalysisKey, AnalysisScope, Delivery, Event, InstancePhase, Observed, ObservedInstance, Phase, Plan,
    Release, Rollout, Stage,
};
use crate::document::{Background, CanaryStep};
pub use capacity::replicas_for;
pub use route::route;
use shipway_analysis::{Evidence, Verdict};
use shipway_base::{Id, Share, Timestamp};
use std::collections::BTreeMap;

/// Events of one plan are bounded, so that a mistake here shows as a plan that goes on later, never as a hang.
const EVENTS: usize = 1_000;

/// Plans what to do next for one delivery.
pub fn plan(delivery: &Delivery, observed: &Observed, now: Timestamp) -> Plan {
    let mut world = World::new(delivery.clone(), observed, now);
    let mut events = Vec::new();
    while let Some(event) = world.next_event().filter(|_| events.len() < EVENTS) {
        world.state.evolve(&event, now);
        events.push(event);
    }
    let actions = world.actions();
    let (reasons, wake) = world.reasons();
    Plan { generation: world.state.version, events, actions, reasons, wake }
}

/// Everything a decision may look at.
struct World<'a> {
    state: Delivery,
    observed: &'a Observed,
    by_id: BTreeMap<&'a str, &'a ObservedInstance>,
    evidence: Option<&'a Evidence>,
    now: Timestamp,
}

impl<'a> World<'a> {
    fn new(state: Delivery, observed: &'a Observed, now: Timestamp) -> World<'a> {
        let by_id = observed.instances.iter().map(|instance| (instance.id.as_str(), instance)).collect();
        let evidence = observed.evidence.as_ref().filter(|evidence| evidence.epoch == state.epoch);
        World { state, observed, by_id, evidence, now }
    }

    /// The next thing that happened or is decided: facts about instances first, then the rollout, then what has to be
    /// started.
    fn next_event(&self) -> Option<Event> {
        self.instance_fact().or_else(|| self.forward()).or_else(|| self.wanted_instance())
    }

    /// Instances of a release that may receive requests now.
    fn ready(&self, release: Id<Release>) -> u32 {
        count(self.ready_instances(release).count())
    }

    fn ready_instances(&self, release: Id<Release>) -> impl Iterator<Item = &'a ObservedInstance> {
        self.live(release)
            .filter_map(|id| self.by_id.get(id).copied())
            .filter(|instance| instance.is_ready())
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Instances of a release that are wanted, whatever they do.
    fn live(&self, release: Id<Release>) -> impl Iterator<Item = &str> {
        let live = self.state.instances.iter().filter(move |(_, instance)| {
            instance.release == release && !matches!(instance.stage, Stage::Retired { .. })
        });
        live.map(|(id, _)| id.as_str())
    }

    /// How many instances the version on trial should have now.
    fn wanted_for_trial(&self, rollout: &Rollout) -> u32 {
        let service = &rollout.release.spec.service;
        let share = match &rollout.phase {
            Phase::Step { index, .. } => match service.canary.steps.get(*index).map(|step| &step.value) {
                Some(CanaryStep::SetWeight(share)) => rollout.largest_share.max(*share),
                Some(CanaryStep::Pause { .. } | CanaryStep::Analysis(_)) | None => rollout.largest_share,
            },
            Phase::Promoting { .. } => Share::ALL,
            Phase::RollingBack { .. } | Phase::Finished { .. } => Share::ZERO,
        };
        replicas_for(service.replicas, share)
    }

    /// Whether the router obeys the route that the state wants, at least in who serves which share.
    fn router_obeys(&self) -> bool {
        match (&self.observed.routed, self.route()) {
            (Some(routed), Some(wanted)) => {
                routed.epoch == wanted.epoch
                    && routed.split.canary_share() == wanted.split.canary_share()
                    && routed.split.arms().iter().map(|(name, arm)| (*name, &arm.release)).eq(wanted
                        .split
                        .arms()
                        .iter()
                        .map(|(name, arm)| (*name, &arm.release)))
            }
            (None | Some(_), _) => false,
        }
    }

    fn verdict(&self, key: AnalysisKey) -> Option<&'a Verdict> {
        self.observed.judged.iter().find(|judged| judged.key == key).map(|judged| &judged.verdict)
    }
}

impl Rollout {
    /// The run of the background analysis that counts now; `None` before it starts and once it has no say any more.
    pub fn background_key(&self, epoch: u64) -> Option<AnalysisKey> {
        let background = self.release.spec.service.canary.background.as_ref()?;
        let runs = self.exposure.is_some()
            && match &self.phase {
                Phase::Step { index, .. } => *index >= background.starting_step,
                Phase::Promoting { full, .. } => full.is_none(),
                Phase::RollingBack { .. } | Phase::Finished { .. } => false,
            };
        runs.then_some(AnalysisKey { scope: AnalysisScope::Background, ..self.key(epoch) })
    }

    /// The run of the present step's analysis, when it is one.
    pub fn step_key(&self, epoch: u64) -> Option<AnalysisKey> {
        let Phase::Step { index, .. } = &self.phase else { return None };
        match &self.release.spec.service.canary.steps.get(*index)?.value {
            CanaryStep::Analysis(_) => {
                Some(AnalysisKey { scope: AnalysisScope::Step(*index), ..self.key(epoch) })
            }
            CanaryStep::SetWeight(_) | CanaryStep::Pause { .. } => None,
        }
    }

    /// The evidence to compare with when `step` begins and is an analysis.
    pub(super) fn baseline_for(&self, step: usize, evidence: Option<&Evidence>) -> Option<Box<Evidence>> {
        match &self.release.spec.service.canary.steps.get(step)?.value {
            CanaryStep::Analysis(_) => evidence.cloned().map(Box::new),
            CanaryStep::SetWeight(_) | CanaryStep::Pause { .. } => None,
        }
    }

    /// The background analysis of its strategy.
    pub fn background(&self) -> Option<&Background> {
        self.release.spec.service.canary.background.as_ref()
    }

    fn key(&self, epoch: u64) -> AnalysisKey {
        AnalysisKey { rollout: self.id, epoch, scope: AnalysisScope::Background, attempt: self.attempt }
    }
}

/// Whether an observed instance has ended.
fn has_ended(instance: &ObservedInstance) -> bool {
    match instance.phase {
        InstancePhase::Exited(_) | InstancePhase::CannotStart { .. } => true,
        InstancePhase::Starting | InstancePhase::Ready | InstancePhase::Unready | InstancePhase::Stopping => {
            false
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
