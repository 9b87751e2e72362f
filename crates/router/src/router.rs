//! The handle that the control plane holds.

use crate::{
    Options, RouterError, ServiceStats, metrics,
    server::{self, Stop},
    shared::Shared,
};
use shipway_analysis::Evidence;
use shipway_traffic::Table;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// A running data plane. Cheap to clone; all clones are the same router. It has threads of its own, so it needs no
/// runtime of its caller's, and a busy caller does not slow it down.
#[derive(Clone, Debug)]
pub struct Router {
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Stop,
    /// Heard from when the workers have ended.
    ended: Mutex<Vec<oneshot::Receiver<()>>>,
}

/// What became of a table.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Every request routed from now on obeys it.
    Changed,
    /// It is the table already obeyed.
    Unchanged,
    /// It is older than the table obeyed, of this generation, and was ignored.
    Stale {
        /// The generation obeyed.
        current: u64,
    },
}

/// How a shutdown ended.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// Requests that were cut, unanswered or in the middle of their answer, when the grace was over.
    pub cut: usize,
}

impl Router {
    /// Listens and obeys `table`.
    ///
    /// # Errors
    /// The address is in use or refused, the table contradicts itself, or a worker cannot be started.
    pub async fn start(options: Options, table: Table) -> Result<Router, RouterError> {
        let workers = match options.workers {
            0 => thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let asked = options.listen;
        let refused = |cause: io::Error| {
            if cause.kind() == io::ErrorKind::AddrInUse {
                RouterError::AddressInUse { address: asked }
            } else {
                RouterError::Listen { address: asked, cause }
            }
        };
        let opened = CancellationToken::new();
        if !options.held {
            opened.cancel();
        }
        let shared = Arc::new(Shared::new(options, workers, table)?);
        let listener = TcpListener::bind(asked).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (soft, hard) = (CancellationToken::new(), CancellationToken::new());
        let stop = Stop { opened, soft, hard, open: Arc::default() };
        // Should one worker not start, those before it end when the tokens are dropped with `Running`.
        let running = Running { address, shared, stop, ended: Mutex::default() };
        let ended = server::start(&running.shared, listener, &running.stop)?;
        *running.ended.lock().unwrap_or_else(PoisonError::into_inner) = ended;
        tracing::info!(%address, workers, "the router listens");
        Ok(Router { running: Arc::new(running) })
    }

    /// Takes connections from now on, also those that waited since a start with [`held`](Options::held).
    pub fn open(&self) {
        self.running.stop.opened.cancel();
    }

    /// Where the router listens.
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// Obeys `table` for every request that is routed after this returns; requests routed before finish where they
    /// are, and [`Router::in_flight`] counts them.
    ///
    /// # Errors
    /// The table contradicts itself, or differs from the current one under the same generation.
    pub fn apply(&self, table: Table) -> Result<Applied, RouterError> {
        self.running.shared.apply(table)
    }

    /// The table obeyed.
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.running.shared.snapshot().table)
    }

    /// What was observed of a service's arms in the current epoch; `None` when no table ever named the service.
    pub fn evidence(&self, service: &str) -> Option<Evidence> {
        Some(self.running.shared.service(service)?.current_epoch().evidence())
    }

    /// Notified when evidence changes (at once for a client's first failure, at the end of each window for the rest),
    /// when a table is obeyed, and when an instance that receives no more requests has finished those it had. The
    /// value only grows.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.running.shared.changes.subscribe()
    }

    /// Requests and tunnels that an instance is serving; 0 when it is unknown.
    pub fn in_flight(&self, instance: &str) -> u32 {
        self.running.shared.instances(instance).iter().map(|instance| instance.in_flight()).sum()
    }

    /// Returns when an instance has nothing in flight. It stays so only when the table no longer lets it receive
    /// requests.
    pub async fn drained(&self, instance: &str) {
        for instance in self.running.shared.instances(instance) {
            instance.drained().await;
        }
    }

    /// Says that an instance, which the table no longer lets receive requests, is stopped now although it may not have
    /// finished: what it leaves unanswered counts as [dropped](crate::Dropped::DrainTimeout), and not as its failure,
    /// until a table lets it receive requests again. One that is unknown has nothing to finish.
    pub fn stopping(&self, instance: &str) {
        self.running.shared.instances(instance).iter().for_each(|instance| instance.stop());
    }

    /// What a service's requests came to since the start; `None` when no table ever named it.
    pub fn stats(&self, service: &str) -> Option<ServiceStats> {
        Some(self.running.shared.service(service)?.stats())
    }

    /// Requests that matched no route since the start.
    pub fn unrouted(&self) -> u64 {
        self.running.shared.unrouted.load(Relaxed)
    }

    /// Client connections open now.
    pub fn connections(&self) -> usize {
        self.running.stop.open.load(Relaxed)
    }

    /// Everything counted, in Prometheus' text format.
    pub fn metrics(&self) -> String {
        metrics::render(&self.running.shared, self.connections())
    }

    /// Stops accepting, lets requests in flight finish for up to `grace`, then cuts what is left. A router whose
    /// last clone is dropped without it cuts at once.
    pub async fn shutdown(&self, grace: Duration) -> Shutdown {
        let stop = &self.running.stop;
        self.running.shared.ending.store(true, Relaxed);
        stop.soft.cancel();
        let ended = std::mem::take(&mut *self.running.ended.lock().unwrap_or_else(PoisonError::into_inner));
        let all_ended = async {
            for end in ended {
                // The sender is dropped at the end of its worker, never used.
                let _ = end.await;
            }
        };
        let mut all_ended = std::pin::pin!(all_ended);
        if tokio::time::timeout(grace, all_ended.as_mut()).await.is_err() {
            self.running.shared.stopping.store(true, Relaxed);
            stop.hard.cancel();
            all_ended.await;
        }
        Shutdown { cut: self.running.shared.cut.load(Relaxed) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.ending.store(true, Relaxed);
        self.stop.soft.cancel();
        self.stop.hard.cancel();
    }
}
