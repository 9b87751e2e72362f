//! What has to be done so that the world becomes what the state wants.

use super::{World, has_ended};
use crate::delivery::{Action, InstancePhase, Stage};
use shipway_base::Timestamp;
use std::time::Duration;

impl World<'_> {
    /// Starts first, then the route, then stops: what takes over is there before what is replaced goes.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = self.starts();
        actions.extend(
            self.route()
                .filter(|route| self.observed.routed.as_ref() != Some(route))
                .map(|route| Action::Route(Box::new(route))),
        );
        actions.extend(self.stops());
        actions.extend(self.unasked());
        actions
    }

    fn starts(&self) -> Vec<Action> {
        let unseen = self.state.instances.iter().filter(|(id, instance)| {
            !matches!(instance.stage, Stage::Retired { .. }) && !self.by_id.contains_key(id.as_str())
        });
        unseen
            .filter_map(|(id, instance)| {
                let release = self.state.release(instance.release)?.clone();
                Some(Action::Start { instance: id.clone(), release: Box::new(release) })
            })
            .collect()
    }

    /// Retired instances that the router has let go and that have finished their requests, or had their time.
    fn stops(&self) -> Vec<Action> {
        let mut stops = Vec::new();
        for (id, instance) in &self.state.instances {
            let Stage::Retired { draining_since: Some(since) } = instance.stage else { continue };
            let running = self
                .by_id
                .get(id.as_str())
                .is_some_and(|seen| !has_ended(seen) && seen.phase != InstancePhase::Stopping);
            let drained = self.in_flight(id) == 0 || self.now >= self.drained_by(since);
            if running && drained && !self.is_routed(id) {
                stops.push(Action::Stop { instance: id.clone(), grace: self.grace() });
            }
        }
        stops
    }

    /// Instances that nobody asked for (a start that outlived its record) are stopped, and those that ended and are
    /// recorded are forgotten.
    fn unasked(&self) -> Vec<Action> {
        let unknown =
            self.observed.instances.iter().filter(|seen| !self.state.instances.contains_key(&seen.id));
        unknown
            .filter_map(|seen| {
                let instance = seen.id.clone();
                match seen.phase {
                    InstancePhase::Exited(_) | InstancePhase::CannotStart { .. } => {
                        Some(Action::Forget { instance })
                    }
                    InstancePhase::Stopping => None,
                    InstancePhase::Starting | InstancePhase::Ready | InstancePhase::Unready => {
                        let idle = self.in_flight(&seen.id) == 0 && !self.is_routed(&seen.id);
                        idle.then(|| Action::Stop { instance, grace: self.grace() })
                    }
                }
            })
            .collect()
    }

    /// Whether the router may still send requests to an instance.
    pub(super) fn is_routed(&self, id: &str) -> bool {
        self.observed.routed.as_ref().is_some_and(|route| {
            route.split.arms().iter().flat_map(|(_, arm)| &arm.instances).any(|instance| instance.id == id)
        })
    }

    pub(super) fn in_flight(&self, id: &str) -> u32 {
        self.observed.in_flight.get(id).copied().unwrap_or_default()
    }

    /// When a retired instance is stopped even though it has requests left.
    pub(super) fn drained_by(&self, since: Timestamp) -> Timestamp {
        since + self.state.service().map_or(Duration::ZERO, |service| service.drain_timeout)
    }

    fn grace(&self) -> Duration {
        self.state.service().map_or(Duration::ZERO, |service| service.stop_timeout)
    }
}
