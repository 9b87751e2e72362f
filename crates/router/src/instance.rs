//! One instance as the router holds it: requests in flight, connections at rest, a short memory of refusals.

use crate::upstream::Upstream;
use shipway_base::Timestamp;
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicI64, AtomicU32,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// One instance, shared by all tables that name it.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) address: SocketAddr,
    in_flight: AtomicU32,
    idle: Notify,
    /// Whether the current table lets it receive requests; connections come back to rest only then.
    accepting: AtomicBool,
    /// Whether it is being stopped: what it leaves unanswered is not its own failure.
    stopping: AtomicBool,
    /// Passed over until then, in microseconds, because it refused a connection.
    ejected_until: AtomicI64,
    /// Connections at rest, for each worker, the latest used on top: a connection lives on its worker's event loop.
    resting: Box<[Mutex<Vec<Upstream>>]>,
    changes: watch::Sender<u64>,
}

/// A request or a tunnel on its way; counts for its instance while it lives.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Instance>);

impl Instance {
    pub(crate) fn new(
        id: &str,
        address: SocketAddr,
        workers: usize,
        changes: watch::Sender<u64>,
    ) -> Instance {
        Instance {
            id: id.to_owned(),
            address,
            in_flight: AtomicU32::new(0),
            idle: Notify::new(),
            accepting: AtomicBool::new(true),
            stopping: AtomicBool::new(false),
            ejected_until: AtomicI64::new(i64::MIN),
            resting: (0..workers).map(|_| Mutex::default()).collect(),
            changes,
        }
    }

    /// Counts a request. Sequentially consistent: whoever made a table without this instance obeyed and then reads
    /// no requests in flight will see none that was routed by the table before.
    pub(crate) fn enter(self: &Arc<Instance>) -> InFlight {
        self.in_flight.fetch_add(1, SeqCst);
        InFlight(Arc::clone(self))
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(SeqCst)
    }

    /// Returns when nothing is in flight.
    pub(crate) async fn drained(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Says whether the instance may receive requests; when it may not, its resting connections are closed.
    pub(crate) fn accept(&self, accepting: bool) {
        self.accepting.store(accepting, SeqCst);
        if accepting {
            self.stopping.store(false, SeqCst);
        } else {
            self.resting.iter().for_each(|pool| lock(pool).clear());
        }
    }

    /// Notes that it is about to be stopped.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// The usable connection that was used last on this worker.
    pub(crate) fn take(&self, worker: usize) -> Option<Upstream> {
        let pool = self.resting.get(worker)?;
        loop {
            let mut latest = lock(pool).pop()?;
            if latest.is_still_usable() {
                return Some(latest);
            }
        }
    }

    /// Brings a connection to rest, or closes it when the instance receives no more requests.
    pub(crate) fn rest(&self, worker: usize, upstream: Upstream) {
        if !self.accepting.load(SeqCst) {
            return;
        }
        if let Some(pool) = self.resting.get(worker) {
            lock(pool).push(upstream);
        }
        // The table may have changed in between; then it did not see this connection.
        if !self.accepting.load(SeqCst) {
            self.accept(false);
        }
    }

    /// Closes this worker's connections that the instance closed, and those at rest since before `since`.
    pub(crate) fn sweep(&self, worker: usize, since: Timestamp) {
        if let Some(pool) = self.resting.get(worker) {
            lock(pool).retain_mut(|upstream| upstream.rested_at >= since && upstream.is_still_usable());
        }
    }

    pub(crate) fn eject(&self, now: Timestamp, duration: Duration) {
        self.ejected_until.store((now + duration).as_micros(), Relaxed);
    }

    pub(crate) fn is_ejected(&self, now: Timestamp) -> bool {
        now.as_micros() < self.ejected_until.load(Relaxed)
    }
}

impl InFlight {
    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let instance = &self.0;
        if instance.in_flight.fetch_sub(1, SeqCst) == 1 && !instance.accepting.load(SeqCst) {
            instance.changes.send_modify(|version| *version += 1);
            instance.idle.notify_waiters();
        } else if instance.in_flight() == 0 {
            instance.idle.notify_waiters();
        }
    }
}

fn lock(pool: &Mutex<Vec<Upstream>>) -> std::sync::MutexGuard<'_, Vec<Upstream>> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}
