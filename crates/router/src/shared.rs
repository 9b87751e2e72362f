//! What all threads of one router share, and how a new table takes effect.

use crate::{
    Applied, Options, RouterError,
    epoch::Epoch,
    instance::Instance,
    service::Service,
    snapshot::{Routed, RoutedArm, Snapshot},
};
use shipway_base::Timestamp;
use shipway_traffic::{Affinity, Arm, ArmName, InstanceState, Names, Route, Signer, Split, Table};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
};
use tokio::sync::watch;

/// What all threads of one router share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    /// Worker threads, at least one.
    pub(crate) workers: usize,
    pub(crate) signer: Signer,
    /// Keys the fingerprints of clients.
    pub(crate) fingerprint_seed: u64,
    /// The version of the snapshot in force; read for each request.
    version: AtomicU64,
    snapshot: RwLock<Arc<Snapshot>>,
    registry: Mutex<Registry>,
    names: Names,
    /// How many names were given.
    named: AtomicU64,
    pub(crate) unrouted: AtomicU64,
    /// A shutdown has begun; set before its token, so that whoever the token wakes sees it.
    pub(crate) ending: AtomicBool,
    /// The grace of a shutdown is over: whatever ends now is cut.
    pub(crate) stopping: AtomicBool,
    /// Requests that were cut.
    pub(crate) cut: AtomicUsize,
    pub(crate) changes: watch::Sender<u64>,
}

/// Everything a table ever named; held while a table is applied.
#[derive(Debug, Default)]
struct Registry {
    services: BTreeMap<String, Arc<Service>>,
    /// By id and address, so that a table that moves an id loses no count.
    instances: BTreeMap<(String, SocketAddr), Arc<Instance>>,
    epochs: u64,
}

impl Shared {
    pub(crate) fn new(options: Options, workers: usize, table: Table) -> Result<Shared, RouterError> {
        check(&table)?;
        let mut word = [0_u8; 8];
        word.copy_from_slice(&options.seed[..8]);
        let changes = watch::Sender::new(0);
        let mut registry = Registry::default();
        let snapshot = registry.compile(table, 1, &options, workers, &changes);
        registry.settle(&snapshot);
        let signer = Signer::new(&options.affinity_key);
        Ok(Shared {
            workers,
            names: signer.names(&options.seed),
            signer,
            fingerprint_seed: u64::from_le_bytes(word),
            version: AtomicU64::new(1),
            snapshot: RwLock::new(Arc::new(snapshot)),
            registry: Mutex::new(registry),
            named: AtomicU64::new(0),
            unrouted: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            cut: AtomicUsize::new(0),
            changes,
            options,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    pub(crate) fn apply(&self, table: Table) -> Result<Applied, RouterError> {
        check(&table)?;
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.snapshot();
        if table.generation < current.table.generation {
            return Ok(Applied::Stale { current: current.table.generation });
        }
        if *current.table == table {
            return Ok(Applied::Unchanged);
        }
        if table.generation == current.table.generation {
            return Err(RouterError::GenerationReused { generation: table.generation });
        }
        let version = current.version + 1;
        let next = Arc::new(registry.compile(table, version, &self.options, self.workers, &self.changes));
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        // A request counts for its instance first and reads this version second; whoever applies a table writes the
        // version first and reads the counts second. So either the request sees the new version and routes anew, or
        // its count is seen.
        self.version.store(version, SeqCst);
        registry.settle(&next);
        drop(registry);
        self.changed();
        Ok(Applied::Changed)
    }

    /// The snapshot in force.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a snapshot is the one in force.
    pub(crate) fn is_current(&self, snapshot: &Snapshot) -> bool {
        self.version.load(SeqCst) == snapshot.version
    }

    /// Runs `route` on a snapshot that is in force and stays so until it returns.
    pub(crate) fn with_current<T>(&self, route: impl FnOnce(&Snapshot) -> T) -> T {
        route(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn service(&self, name: &str) -> Option<Arc<Service>> {
        self.lock().services.get(name).cloned()
    }

    pub(crate) fn services(&self) -> Vec<(String, Arc<Service>)> {
        self.lock().services.iter().map(|(name, service)| (name.clone(), Arc::clone(service))).collect()
    }

    /// The instances with this id: one, unless a table moved the id to another address.
    pub(crate) fn instances(&self, id: &str) -> Vec<Arc<Instance>> {
        let registry = self.lock();
        let same = registry.instances.iter().filter(|((known, _), _)| known == id);
        same.map(|(_, instance)| Arc::clone(instance)).collect()
    }

    pub(crate) fn all_instances(&self) -> Vec<Arc<Instance>> {
        self.lock().instances.values().cloned().collect()
    }

    /// A name that no client has yet.
    pub(crate) fn new_name(&self) -> Affinity {
        self.names.name(self.named.fetch_add(1, Relaxed))
    }

    /// Tells those who watch that there is something new.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn compile(
        &mut self,
        table: Table,
        version: u64,
        options: &Options,
        workers: usize,
        changes: &watch::Sender<u64>,
    ) -> Snapshot {
        let (mut by_service, mut by_host) = (BTreeMap::new(), BTreeMap::new());
        let mut default = None;
        for (name, route) in &table.routes {
            let routed = Arc::new(self.route(name, route, options, workers, changes));
            for host in &route.hosts {
                by_host.insert(host.clone(), Arc::clone(&routed));
            }
            if route.hosts.is_empty() {
                default = Some(Arc::clone(&routed));
            }
            by_service.insert(name.clone(), routed);
        }
        Snapshot { version, table: Arc::new(table), by_service, by_host, default }
    }

    fn route(
        &mut self,
        name: &str,
        route: &Route,
        options: &Options,
        workers: usize,
        changes: &watch::Sender<u64>,
    ) -> Routed {
        let capacity = options.limits.clients;
        let serial = &mut self.epochs;
        let mut make = || {
            *serial += 1;
            Epoch::new(route.epoch, *serial, capacity)
        };
        let service = match self.services.get(name) {
            Some(service) => Arc::clone(service),
            None => {
                let service = Arc::new(Service::new(Arc::new(make())));
                self.services.insert(name.to_owned(), Arc::clone(&service));
                service
            }
        };
        let epoch = service.epoch(route.epoch, make);
        let mut arm = |name: ArmName, arm: &Arm| RoutedArm {
            counters: service.counters(name, arm, workers),
            ready: self.ready(arm, workers, changes),
        };
        let arms = match &route.split {
            Split::Closed { .. } => [None, None],
            Split::Single(single) => [Some(arm(ArmName::Stable, single)), None],
            Split::Canary { stable, canary, .. } => {
                [Some(arm(ArmName::Stable, stable)), Some(arm(ArmName::Canary, canary))]
            }
        };
        if let [Some(stable), canary] = &arms {
            epoch.show(&stable.counters, canary.as_ref().map(|canary| &canary.counters));
        }
        Routed { route: route.clone(), service, epoch, arms }
    }

    fn ready(&mut self, arm: &Arm, workers: usize, changes: &watch::Sender<u64>) -> Vec<Arc<Instance>> {
        let mut ready = Vec::new();
        for instance in &arm.instances {
            let key = (instance.id.clone(), instance.address);
            let make = || Arc::new(Instance::new(&instance.id, instance.address, workers, changes.clone()));
            let known = self.instances.entry(key).or_insert_with(make);
            if instance.state == InstanceState::Ready {
                ready.push(Arc::clone(known));
            }
        }
        ready
    }

    /// Once a table is obeyed: opens and closes instances, and forgets those that are gone and idle.
    fn settle(&mut self, snapshot: &Snapshot) {
        let mut named = BTreeMap::new();
        for route in snapshot.table.routes.values() {
            for instance in route.split.arms().into_iter().flat_map(|(_, arm)| &arm.instances) {
                named.insert((instance.id.clone(), instance.address), instance.state == InstanceState::Ready);
            }
        }
        for (key, instance) in &self.instances {
            instance.accept(named.get(key).copied().unwrap_or(false));
        }
        self.instances.retain(|key, instance| named.contains_key(key) || instance.in_flight() > 0);
    }
}

fn check(table: &Table) -> Result<(), RouterError> {
    let generation = table.generation;
    table.validate().map_err(|cause| RouterError::Table { generation, cause })
}
