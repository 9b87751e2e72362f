//! One request on its way to an instance: counted exactly once, however it ends.

use crate::{
    Dropped, answer,
    body::Content,
    connection::{Connection, Identity},
    counters::{ArmCounters, Cause},
    epoch::Observation,
    instance::{InFlight, Instance},
    snapshot::{Picked, Routed},
    upstream::Upstream,
};
use hyper::Response;
use shipway_base::Timestamp;
use shipway_traffic::ArmName;
use std::sync::{Arc, atomic::Ordering::Relaxed};
use tokio_util::task::TaskTracker;

/// One request on its way. Dropped before it was counted, its client has gone away (or the router is being stopped).
#[derive(Debug)]
pub(crate) struct Flight {
    connection: Arc<Connection>,
    routed: Arc<Routed>,
    arm: ArmName,
    stray: bool,
    fingerprint: u64,
    started: Timestamp,
    state: State,
    in_flight: InFlight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not counted yet.
    Open,
    /// Counted as answered well.
    Answered,
    /// Counted as failed, or to be counted elsewhere.
    Settled,
}

impl Flight {
    pub(crate) fn new(
        connection: &Arc<Connection>,
        routed: &Arc<Routed>,
        picked: Picked,
        identity: Identity,
        started: Timestamp,
    ) -> Flight {
        Flight {
            connection: Arc::clone(connection),
            routed: Arc::clone(routed),
            arm: picked.assigned,
            stray: picked.stray,
            fingerprint: identity.fingerprint,
            started,
            state: State::Open,
            in_flight: picked.instance,
        }
    }

    pub(crate) fn instance(&self) -> &Arc<Instance> {
        self.in_flight.instance()
    }

    /// Goes to another instance instead, uncounted so far.
    pub(crate) fn reroute(&mut self, routed: &Arc<Routed>, picked: Picked) {
        self.routed = Arc::clone(routed);
        (self.arm, self.stray, self.in_flight) = (picked.assigned, picked.stray, picked.instance);
        self.state = State::Open;
    }

    pub(crate) fn routed(&self) -> &Arc<Routed> {
        &self.routed
    }

    /// The tasks of this flight's worker.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.connection.worker.tasks
    }

    /// The head of an answer has come.
    pub(crate) fn answered(&mut self, status: u16) {
        let failed = status >= 500;
        self.state = if failed { State::Settled } else { State::Answered };
        let micros = self.micros();
        self.count(failed, Some(micros), |counters, worker| counters.answered(worker, status, micros));
    }

    /// There will be no answer, by the instance's fault or because the instance was stopped; gives what the client is
    /// told.
    pub(crate) fn failed(&mut self, cause: Cause) -> Response<Content> {
        self.state = State::Settled;
        let gone = match cause {
            Cause::Refused | Cause::Unreachable | Cause::Closed | Cause::Cut => true,
            Cause::Status(_) | Cause::Timeout | Cause::Invalid => false,
        };
        if gone && self.instance().is_stopping() {
            self.lost_by_stop();
            return answer::dropped(&self.routed.route.service, Dropped::DrainTimeout, "");
        }
        let micros = self.micros();
        let latency = (cause == Cause::Timeout).then_some(micros);
        self.count(true, latency, |counters, worker| counters.unanswered(worker, cause, micros));
        answer::failed(&self.routed.route.service, cause)
    }

    /// The instance broke off in its answer.
    pub(crate) fn cut(&mut self) {
        if self.state == State::Answered {
            self.state = State::Settled;
            if self.instance().is_stopping() {
                self.lost_by_stop();
            } else {
                self.count(true, None, |counters, _| counters.cause(Cause::Cut));
            }
        }
    }

    /// Its instance was stopped before the end of the answer.
    fn lost_by_stop(&self) {
        self.routed.service.count_drop(Dropped::DrainTimeout);
        self.connection.worker.shared.changed();
    }

    /// Brings a connection to rest at its instance.
    pub(crate) fn rest(&self, mut upstream: Upstream) {
        // Once more round, so that the end of the answer is taken in; a request still being sent, or an instance that
        // closed, leaves nothing to keep.
        if upstream.is_usable() {
            upstream.reused = true;
            upstream.rested_at = self.connection.worker.shared.now();
            self.instance().rest(self.connection.worker.index, upstream);
        }
    }

    fn micros(&self) -> u64 {
        let elapsed = self.connection.worker.shared.now().since(self.started);
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }

    fn count(&self, failed: bool, micros: Option<u64>, totals: impl FnOnce(&ArmCounters, usize)) {
        let routed = &self.routed;
        if self.stray {
            routed.epoch.exclude();
            routed.service.strays.fetch_add(1, Relaxed);
            return;
        }
        if let Some(arm) = routed.arm(self.arm) {
            totals(&arm.counters, self.connection.worker.index);
        }
        self.observe(failed, micros);
    }

    fn observe(&self, failed: bool, micros: Option<u64>) {
        let epoch = &self.routed.epoch;
        let fingerprint = self.fingerprint;
        let observation =
            Observation { arm: self.arm, share: self.routed.share(), fingerprint, failed, micros };
        let first =
            self.connection.with_marks(epoch, fingerprint, |known| epoch.observe(&observation, known));
        if first {
            self.connection.worker.shared.changed();
        }
    }

    fn give_up(&mut self) {
        self.state = State::Settled;
        let shared = &self.connection.worker.shared;
        if shared.stopping.load(Relaxed) {
            self.routed.service.count_drop(Dropped::Shutdown);
            return;
        }
        if let Some(arm) = self.routed.arm(self.arm).filter(|_| !self.stray) {
            arm.counters.cancelled(self.connection.worker.index);
            // How long it would have taken is unknown, but it took longer than this.
            self.observe(false, Some(self.micros()));
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.state == State::Open {
            self.give_up();
        }
    }
}
