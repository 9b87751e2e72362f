//! Who serves: the route that the state and the instances' health call for.

use super::World;
use crate::delivery::{Delivery, Observed, Release};
use shipway_base::{Share, Timestamp};
use shipway_traffic::{Arm, Instance, InstanceState, Route, Split};

/// The route that a delivery wants; `None` while nothing was ever deployed.
///
/// Weights are the rollout's, with two exceptions that keep requests from being refused: a version on trial without a
/// ready instance serves nobody for the moment, and when no stable instance is ready, a version that serves already
/// serves everyone. Both leave the evidence valid, because shares enter it as they were in force.
pub fn route(delivery: &Delivery, observed: &Observed) -> Option<Route> {
    World::new(delivery.clone(), observed, Timestamp::EPOCH).route()
}

impl World<'_> {
    pub(super) fn route(&self) -> Option<Route> {
        let spec = &self.state.service()?.route;
        let rollout = self.state.rollout.as_ref();
        Some(Route {
            service: self.state.service.clone(),
            hosts: spec.hosts.clone(),
            client: spec.client.clone(),
            salt: rollout.map_or_else(String::new, |rollout| rollout.id.to_string()),
            epoch: self.state.epoch,
            split: self.split(),
            response_timeout: spec.response_timeout,
        })
    }

    fn split(&self) -> Split {
        let trial = self.state.active();
        let stable = self.state.stable.as_ref();
        let ready = |release: &Release| self.ready(release.id) > 0;
        match (stable, trial) {
            (Some(stable), Some(trial)) if trial.share > Share::ZERO && stable.id != trial.release.id => {
                let share = match (ready(stable), ready(&trial.release)) {
                    (true, true) => trial.share,
                    (false, true) => Share::ALL,
                    (true, false) => return Split::Single(self.arm(stable)),
                    (false, false) => return closed(stable),
                };
                Split::Canary { stable: self.arm(stable), canary: self.arm(&trial.release), share }
            }
            (Some(stable), _) if ready(stable) => Split::Single(self.arm(stable)),
            (Some(stable), _) => closed(stable),
            (None, Some(first)) if first.share > Share::ZERO && ready(&first.release) => {
                Split::Single(self.arm(&first.release))
            }
            (None, _) => {
                Split::Closed { reason: format!("no version of {} is live yet", self.state.service) }
            }
        }
    }

    /// A release with its ready instances. Others are not listed: a retired one gets nothing new and finishes what it
    /// has, and an unready one gets nothing until it is ready again.
    fn arm(&self, release: &Release) -> Arm {
        let instances = self
            .ready_instances(release.id)
            .filter_map(|seen| {
                let address = seen.address?;
                Some(Instance { id: seen.id.clone(), address, state: InstanceState::Ready })
            })
            .collect();
        Arm {
            release: release.id.to_string(),
            version: release.version.clone(),
            digest: release.digest,
            instances,
        }
    }
}

fn closed(release: &Release) -> Split {
    Split::Closed { reason: format!("no instance of {} is ready", release.version) }
}
