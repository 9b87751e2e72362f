//! The handle that the control plane holds.

use crate::{Options, RouterError, ServiceStats};
use shipway_analysis::Evidence;
use shipway_traffic::Table;
use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch};

/// A running data plane. Cheap to clone; all clones are the same router.
#[derive(Clone, Debug)]
pub struct Router {
    address: SocketAddr,
    table: Arc<RwLock<Arc<Table>>>,
    changes: watch::Sender<u64>,
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
    /// Connections that were cut with a request unanswered when the grace was over.
    pub cut: usize,
}

impl Router {
    /// Listens and obeys `table`.
    ///
    /// # Errors
    /// The address is in use or refused, the table contradicts itself, or a worker cannot be started.
    pub async fn start(options: Options, table: Table) -> Result<Router, RouterError> {
        let generation = table.generation;
        table.validate().map_err(|cause| RouterError::Table { generation, cause })?;
        let address = options.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|cause| RouterError::Listen { address, cause })?;
        let address = listener.local_addr().map_err(|cause| RouterError::Listen { address, cause })?;
        Ok(Router { address, table: Arc::new(RwLock::new(Arc::new(table))), changes: watch::Sender::new(0) })
    }

    /// Where the router listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Obeys `table` for every request that is routed after this returns; requests routed before finish where they
    /// are, and [`Router::in_flight`] counts them.
    ///
    /// # Errors
    /// The table contradicts itself, or differs from the current one under the same generation.
    pub fn apply(&self, table: Table) -> Result<Applied, RouterError> {
        let generation = table.generation;
        table.validate().map_err(|cause| RouterError::Table { generation, cause })?;
        let mut current = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if generation < current.generation {
            return Ok(Applied::Stale { current: current.generation });
        }
        if **current == table {
            return Ok(Applied::Unchanged);
        }
        if generation == current.generation {
            return Err(RouterError::GenerationReused { generation });
        }
        *current = Arc::new(table);
        Ok(Applied::Changed)
    }

    /// The table obeyed.
    pub fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was observed of a service's arms in the current epoch; `None` when no table ever named the service.
    pub fn evidence(&self, _service: &str) -> Option<Evidence> {
        None
    }

    /// Notified when evidence changes (at once for a first failure, a few times a second for the rest) and when an
    /// instance has no more requests in flight. The value only grows.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Requests and upgraded connections that an instance is serving; 0 when it is unknown.
    pub fn in_flight(&self, _instance: &str) -> u32 {
        0
    }

    /// Returns when an instance has nothing in flight. It stays so only when the table no longer lets it receive
    /// requests.
    pub async fn drained(&self, _instance: &str) {}

    /// What a service's requests came to since the start; `None` when no table ever named it.
    pub fn stats(&self, _service: &str) -> Option<ServiceStats> {
        None
    }

    /// Requests that matched no route since the start.
    pub fn unrouted(&self) -> u64 {
        0
    }

    /// Everything counted, in Prometheus' text format.
    pub fn metrics(&self) -> String {
        String::new()
    }

    /// Stops accepting, lets requests in flight finish for up to `grace`, then cuts what is left. A router whose
    /// last clone is dropped without it cuts at once.
    pub async fn shutdown(&self, _grace: Duration) -> Shutdown {
        Shutdown::default()
    }
}
