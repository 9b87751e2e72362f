//! A table as the hot path reads it: hosts resolved, instances and counters at hand, nothing to allocate.

use crate::{
    counters::ArmCounters,
    epoch::Epoch,
    instance::{InFlight, Instance},
    service::Service,
};
use shipway_base::{Bucket, Share, Timestamp};
use shipway_traffic::{ArmName, Route, Split, Table};
use std::{collections::BTreeMap, sync::Arc};

/// The table obeyed, ready for use.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Grows with every table obeyed, also when generations stay.
    pub(crate) version: u64,
    pub(crate) table: Arc<Table>,
    pub(crate) by_service: BTreeMap<String, Arc<Routed>>,
    pub(crate) by_host: BTreeMap<String, Arc<Routed>>,
    pub(crate) default: Option<Arc<Routed>>,
}

/// One route, ready for use.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) route: Route,
    pub(crate) service: Arc<Service>,
    pub(crate) epoch: Arc<Epoch>,
    /// Stable and canary, as far as the split has them.
    pub(crate) arms: [Option<RoutedArm>; 2],
}

/// One arm, ready for use.
#[derive(Debug)]
pub(crate) struct RoutedArm {
    pub(crate) counters: Arc<ArmCounters>,
    pub(crate) ready: Vec<Arc<Instance>>,
}

/// Where a request goes.
#[derive(Debug)]
pub(crate) struct Picked {
    /// The arm that the client's bucket chose.
    pub(crate) assigned: ArmName,
    /// Whether the other arm serves it.
    pub(crate) stray: bool,
    pub(crate) instance: InFlight,
}

/// Why a request goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPick {
    /// The route is closed.
    Closed,
    /// The client's arm has no ready instance that was not tried.
    Empty(ArmName),
}

impl Snapshot {
    /// The route for a host in its plain form.
    pub(crate) fn select(&self, host: &str) -> Option<&Arc<Routed>> {
        self.by_host.get(host).or(self.default.as_ref())
    }
}

impl Routed {
    pub(crate) fn arm(&self, name: ArmName) -> Option<&RoutedArm> {
        self.arms.get(name as usize).and_then(Option::as_ref)
    }

    /// Why the route is closed; empty when it is not.
    pub(crate) fn closed_reason(&self) -> &str {
        match &self.route.split {
            Split::Closed { reason } => reason,
            Split::Single(_) | Split::Canary { .. } => "",
        }
    }

    /// The canary's share where there is a canary.
    pub(crate) fn share(&self) -> Option<Share> {
        match &self.route.split {
            Split::Canary { share, .. } => Some(*share),
            Split::Closed { .. } | Split::Single(_) => None,
        }
    }

    /// Chooses an instance of the client's arm, passing over those already `tried`, and counts the request for it.
    pub(crate) fn pick(
        &self,
        bucket: Bucket,
        tried: &[Arc<Instance>],
        turn: usize,
        now: Timestamp,
    ) -> Result<Picked, NoPick> {
        let (assigned, _) = self.route.choose(bucket).ok_or(NoPick::Closed)?;
        match self.arm(assigned).and_then(|arm| arm.least_busy(tried, turn, now)) {
            Some(instance) => Ok(Picked { assigned, stray: false, instance: instance.enter() }),
            None => Err(NoPick::Empty(assigned)),
        }
    }

    /// Chooses an instance of the other arm, when none of the client's arm can serve it.
    pub(crate) fn pick_other(
        &self,
        assigned: ArmName,
        tried: &[Arc<Instance>],
        turn: usize,
        now: Timestamp,
    ) -> Option<Picked> {
        let other = match assigned {
            ArmName::Stable => ArmName::Canary,
            ArmName::Canary => ArmName::Stable,
        };
        let instance = self.arm(other)?.least_busy(tried, turn, now)?;
        Some(Picked { assigned, stray: true, instance: instance.enter() })
    }
}

impl RoutedArm {
    /// The instance with the fewest requests in flight; among equals the one whose `turn` it is. Instances that
    /// refused a connection lately come last.
    fn least_busy(&self, tried: &[Arc<Instance>], turn: usize, now: Timestamp) -> Option<&Arc<Instance>> {
        let count = self.ready.len();
        let start = if count == 0 { 0 } else { turn % count };
        let in_turn = self.ready.iter().cycle().skip(start).take(count);
        let untried = in_turn.filter(|instance| !tried.iter().any(|tried| Arc::ptr_eq(tried, instance)));
        // `min_by_key` keeps the first of equals.
        untried.min_by_key(|instance| (instance.is_ejected(now), instance.in_flight()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::sync::watch;

    fn arm(count: usize) -> RoutedArm {
        let instance = |index: usize| {
            let address = ([127, 0, 0, 1], 80).into();
            Arc::new(Instance::new(&index.to_string(), address, 1, watch::Sender::new(0)))
        };
        let counters = Arc::new(ArmCounters::new("r", ArmName::Stable, 1));
        RoutedArm { counters, ready: (0..count).map(instance).collect() }
    }

    #[test]
    fn the_least_busy_untried_instance_in_turn() {
        let arm = arm(3);
        let now = Timestamp::from_millis(5);
        let check = |tried: &[usize], turn, expect: Option<&str>| {
            let tried: Vec<_> = tried.iter().map(|index| Arc::clone(&arm.ready[*index])).collect();
            assert_eq!(arm.least_busy(&tried, turn, now).map(|instance| instance.id.as_str()), expect);
        };
        check(&[], 0, Some("0"));
        check(&[], 4, Some("1"));
        check(&[1], 1, Some("2"));
        check(&[0, 1, 2], 0, None);
        let busy = (arm.ready[0].enter(), arm.ready[1].enter());
        check(&[], 0, Some("2"));
        arm.ready[2].eject(now, Duration::from_millis(1));
        check(&[], 0, Some("0"));
        check(&[0, 1], 0, Some("2"));
        drop(busy);
        check(&[], 2, Some("0"));
    }

    #[test]
    fn an_empty_arm_has_nobody() {
        assert!(arm(0).least_busy(&[], 7, Timestamp::EPOCH).is_none());
    }
}
