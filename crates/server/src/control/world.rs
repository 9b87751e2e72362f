//! What every loop of the control plane shares.

use crate::backend::Change;
use shipway_api as api;
use shipway_base::{Clock, Id};
use shipway_router::Router;
use shipway_store::{IdSequence, Store, StoreError};
use shipway_target::Target;
use shipway_traffic::{Route, Table};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Handles to everything the loops read and change.
pub(crate) struct World {
    /// The event log, logs and blobs.
    pub(crate) store: Store,
    /// The data plane.
    pub(crate) router: Router,
    /// Where instances run.
    pub(crate) target: Arc<dyn Target>,
    /// The time.
    pub(crate) clock: Clock,
    /// Who wants to know what changes.
    pub(crate) changes: broadcast::Sender<Change>,
    /// The folder of everything.
    pub(crate) data: PathBuf,
    /// Cancelled when the process is to stop.
    pub(crate) stopping: CancellationToken,
    /// Held while the artifacts of a run change, so that a name is taken once.
    pub(crate) artifacts: tokio::sync::Mutex<()>,
    /// The tasks that must end before the process does.
    pub(crate) tasks: TaskTracker,
    ids: Mutex<IdSequence>,
    routing: Mutex<()>,
    troubles: Mutex<Troubles>,
}

/// What is wrong at the moment, by who found it; for the health page.
#[derive(Debug, Default)]
struct Troubles(std::collections::BTreeMap<String, String>);

impl World {
    /// A world of these parts.
    pub(crate) fn new(
        store: Store,
        router: Router,
        target: Arc<dyn Target>,
        clock: Clock,
        data: PathBuf,
        node: u16,
    ) -> World {
        World {
            store,
            router,
            target,
            clock,
            changes: broadcast::channel(1_024).0,
            data,
            stopping: CancellationToken::new(),
            artifacts: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
            ids: Mutex::new(IdSequence::new(node)),
            routing: Mutex::default(),
            troubles: Mutex::default(),
        }
    }

    /// A new id.
    pub(crate) fn id<T>(&self) -> Id<T> {
        let now = self.clock.now();
        lock(&self.ids).next(now)
    }

    /// Tells everyone who listens; nobody listening is fine.
    pub(crate) fn changed(&self, change: Change) {
        let _nobody_listens = self.changes.send(change);
    }

    /// Puts one service's route into the router's table.
    pub(crate) fn route(&self, route: Route) -> Result<(), shipway_router::RouterError> {
        // The table is the router's own, so that two services cannot overwrite each other's routes.
        let _turn = lock(&self.routing);
        let mut table: Table = (*self.router.table()).clone();
        if table.routes.get(&route.service) == Some(&route) {
            return Ok(());
        }
        table.generation += 1;
        table.routes.insert(route.service.clone(), route);
        self.router.apply(table).map(drop)
    }

    /// Remembers that something is wrong until [`World::well`] is told about the same thing.
    pub(crate) fn trouble(&self, what: &str, error: impl std::fmt::Display) {
        let error = error.to_string();
        let before = lock(&self.troubles).0.insert(what.to_owned(), error.clone());
        // Told once: what is tried again every second fails every second.
        if before.as_ref() != Some(&error) {
            tracing::error!("{what}: {error}");
        }
    }

    /// The thing works again.
    pub(crate) fn well(&self, what: &str) {
        if lock(&self.troubles).0.remove(what).is_some() {
            tracing::warn!("{what}: works again");
        }
    }

    /// What is wrong now.
    pub(crate) fn health(&self) -> api::Health {
        let problems: Vec<String> =
            lock(&self.troubles).0.iter().map(|(what, error)| format!("{what}: {error}")).collect();
        api::Health { healthy: problems.is_empty(), problems }
    }
}

/// Locks a mutex; a panic elsewhere leaves values whole, since every change of them is one assignment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A store's failure as an answer to whoever asked.
pub(crate) fn unavailable(context: &str, error: StoreError) -> crate::backend::BackendError {
    use crate::backend::{BackendError, BackendErrorKind};
    if let StoreError::Full { .. } = error {
        let kind = BackendErrorKind::Unavailable(error.to_string());
        return BackendError { context: context.to_owned(), kind };
    }
    BackendError::internal(context, error)
}
