//! Instances as local processes.
//!
//! An instance is a process group that writes to a log file of its own and listens on a port that is chosen for it.
//! It outlives this program: records on disk say which process (pid and start time) is which instance, and
//! [`ProcessTarget::open`] takes up again whatever still runs. A pid is signalled only while it is certain that it
//! still means that process.

mod exit;
mod health;
mod log;
mod procfs;
mod record;
mod spawn;
mod supervise;

use crate::{InstanceSpec, InstanceStatus, Target, TargetError, TargetErrorKind, TargetFuture};
use procfs::Identity;
use record::{Record, RecordStage};
use shipway_base::{Clock, Digest, Timestamp};
use shipway_rollout::delivery::{Exit, InstancePhase};
use spawn::SpawnError;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use supervise::{Leader, Supervisor};
use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;

/// Logs of instances that were forgotten and are kept all the same.
const LOGS_KEPT: usize = 50;

/// How a [`ProcessTarget`] works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it keeps its records and logs.
    pub directory: PathBuf,
    /// The clock.
    pub clock: Clock,
    /// What every instance finds in its environment beside its own: `PATH` and little else.
    pub env: BTreeMap<String, String>,
    /// The size in bytes beyond which an instance's log is cut.
    pub log_limit: u64,
}

/// Runs instances as processes of this machine.
#[derive(Debug)]
pub struct ProcessTarget {
    shared: Arc<Shared>,
}

/// What supervisors share with the target.
#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    /// What tells the processes of this folder from those of another target on the same machine.
    home: String,
    clock: Clock,
    env: BTreeMap<String, String>,
    log_limit: u64,
    instances: Mutex<BTreeMap<String, Entry>>,
    changed: watch::Sender<u64>,
    closed: CancellationToken,
}

#[derive(Debug)]
struct Entry {
    status: InstanceStatus,
    stop: watch::Sender<Option<Duration>>,
}

impl Options {
    /// Options with logs of up to 8 MiB and an empty environment.
    pub fn new(directory: impl Into<PathBuf>, clock: Clock) -> Options {
        Options { directory: directory.into(), clock, env: BTreeMap::new(), log_limit: 8 << 20 }
    }
}

impl ProcessTarget {
    /// Opens the folder and takes up the instances that still run from before. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A folder or record that cannot be used. One target may use a folder at a time; the caller sees to that.
    pub fn open(options: Options) -> Result<ProcessTarget, TargetError> {
        let Options { directory, clock, env, log_limit } = options;
        for folder in ["instances", "logs"] {
            let path = directory.join(folder);
            fs::create_dir_all(&path).map_err(|error| file("open the target's folder", &path, error))?;
        }
        let absolute =
            directory.canonicalize().map_err(|error| file("open the target's folder", &directory, error))?;
        let (changed, _) = watch::channel(0);
        let shared = Arc::new(Shared {
            directory,
            home: Digest::of(absolute.as_os_str().as_encoded_bytes()).short(),
            clock,
            env,
            log_limit: log_limit.max(4_096),
            instances: Mutex::new(BTreeMap::new()),
            changed,
            closed: CancellationToken::new(),
        });
        let target = ProcessTarget { shared };
        target.take_up()?;
        Ok(target)
    }

    /// Stops everything, for a shutdown that shall leave nothing behind, and returns when all have ended.
    pub async fn stop_all(&self, grace: Duration) {
        let mut watch = self.watch();
        for status in self.observe() {
            self.order_stop(&status.id, grace);
        }
        while self.observe().iter().any(|status| !has_ended(&status.phase)) {
            if watch.changed().await.is_err() {
                return;
            }
        }
    }

    /// The last lines that an instance has written, read now.
    pub fn last_lines(&self, id: &str) -> Vec<String> {
        log::last_lines(&self.shared.log(id))
    }

    /// Reads the records: what runs is adopted, what has ended is reported as ended, what was never started is
    /// forgotten.
    fn take_up(&self) -> Result<(), TargetError> {
        let folder = self.shared.directory.join("instances");
        let failed = |error| file("read the records of instances", &folder, error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let record = Record::load(&path)
                    .map_err(|error| file("read the record of an instance", &path, error))?;
                self.take_up_one(record, &path)?;
            }
        }
        Ok(())
    }

    fn take_up_one(&self, mut record: Record, path: &Path) -> Result<(), TargetError> {
        let id = record.spec.id.clone();
        let found = match &record.stage {
            RecordStage::Ended { phase, last_lines } => {
                let (phase, lines) = (phase.clone(), last_lines.clone());
                self.shared.insert(self.status(&record, phase, None, lines));
                return Ok(());
            }
            RecordStage::Running { identity, was_ready } if identity.is_running() => {
                Some((identity.clone(), *was_ready))
            }
            RecordStage::Running { .. } => None,
            // The crash came between the record and the start, or between the start and its record.
            RecordStage::Intended => {
                let pids = procfs::marked(&spawn::marker(&self.shared.home, &id));
                let identity = pids.first().and_then(|pid| Identity::of(*pid).ok());
                if identity.is_none() {
                    return fs::remove_file(path).map_err(|error| file("remove a record", path, error));
                }
                identity.map(|identity| (identity, false))
            }
        };
        let Some((identity, was_ready)) = found else {
            let phase = InstancePhase::Exited(Exit::Unknown);
            let lines = log::last_lines(&self.shared.log(&id));
            record.stage = RecordStage::Ended { phase: phase.clone(), last_lines: lines.clone() };
            record.save(path).map_err(|error| file("write the record of an instance", path, error))?;
            self.shared.insert(self.status(&record, phase, None, lines));
            return Ok(());
        };
        let mut status = self.status(&record, InstancePhase::Starting, Some(identity.pid), Vec::new());
        status.adopted = true;
        record.stage = RecordStage::Running { identity: identity.clone(), was_ready };
        self.supervise(status, record, Leader::Adopted, identity, was_ready);
        Ok(())
    }

    fn start_one(&self, spec: InstanceSpec) -> Result<(), TargetError> {
        let id = spec.id.clone();
        if !is_plain(&id) {
            let error = io::Error::new(
                io::ErrorKind::InvalidInput,
                "the id of an instance must be a plain file name",
            );
            return Err(file("start an instance", Path::new(&id), error));
        }
        if self.shared.status(&id).is_some() {
            return Ok(());
        }
        let context = || format!("cannot start {id}");
        let port = self
            .shared
            .free_port()
            .map_err(|error| TargetError { context: context(), kind: TargetErrorKind::NoPort(error) })?;
        let now = self.shared.clock.now();
        let mut record = Record { spec, port, started_at: now, stage: RecordStage::Intended };
        let path = self.shared.record(&id);
        let save = |record: &Record| record.save(&path).map_err(|error| file("write a record", &path, error));
        save(&record)?;
        match spawn::spawn(&record.spec, port, &self.shared.home, &self.shared.env, &self.shared.log(&id)) {
            Ok((child, identity)) => {
                record.stage = RecordStage::Running { identity: identity.clone(), was_ready: false };
                let status = self.status(&record, InstancePhase::Starting, Some(identity.pid), Vec::new());
                let saved = save(&record);
                self.supervise(status, record, Leader::Child(child), identity, false);
                // It runs and is supervised; without the record it is still found by its mark.
                saved
            }
            Err(SpawnError::Instance(reason)) => {
                let phase = InstancePhase::CannotStart { reason };
                record.stage = RecordStage::Ended { phase: phase.clone(), last_lines: Vec::new() };
                save(&record)?;
                self.shared.insert(self.status(&record, phase, None, Vec::new()));
                Ok(())
            }
            Err(SpawnError::System(error)) => {
                fs::remove_file(&path).map_err(|error| file("remove a record", &path, error))?;
                Err(TargetError {
                    context: context(),
                    kind: TargetErrorKind::Process { what: "start it", error },
                })
            }
        }
    }

    fn supervise(
        &self,
        status: InstanceStatus,
        record: Record,
        leader: Leader,
        identity: Identity,
        resumes: bool,
    ) {
        let stop = self.shared.insert(status);
        let supervisor =
            Supervisor { shared: Arc::clone(&self.shared), record, leader, identity, resumes, stop };
        Handle::current().spawn(supervisor.run());
    }

    fn status(
        &self,
        record: &Record,
        phase: InstancePhase,
        pid: Option<i32>,
        last_lines: Vec<String>,
    ) -> InstanceStatus {
        InstanceStatus {
            id: record.spec.id.clone(),
            service: record.spec.service.clone(),
            phase,
            address: Some(spawn::address(record.port)),
            pid,
            started_at: Some(record.started_at).filter(|at| *at > Timestamp::EPOCH),
            watched_since: self.shared.clock.now(),
            health: None,
            flaps: 0,
            adopted: false,
            last_lines,
            log: self.shared.log(&record.spec.id),
        }
    }

    fn order_stop(&self, id: &str, grace: Duration) {
        if let Some(entry) = self.shared.lock().get(id) {
            // The first order counts; a supervisor that has ended needs none.
            entry.stop.send_if_modified(|order| {
                let first = order.is_none();
                order.get_or_insert(grace);
                first
            });
        }
    }

    fn forget_one(&self, id: &str) -> Result<(), TargetError> {
        let ended = self.shared.status(id).is_some_and(|status| has_ended(&status.phase));
        if !ended {
            return Ok(());
        }
        let path = self.shared.record(id);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(file("remove a record", &path, error)),
        }
        self.shared.lock().remove(id);
        self.shared.notify();
        self.keep_few_logs()
    }

    /// Removes the oldest logs of instances that were forgotten.
    fn keep_few_logs(&self) -> Result<(), TargetError> {
        let folder = self.shared.directory.join("logs");
        let entries = fs::read_dir(&folder).map_err(|error| file("look at the logs", &folder, error))?;
        let mut logs: Vec<_> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .filter(|path| {
                let id = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                id.is_none_or(|id| self.shared.status(&id).is_none())
            })
            .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
            .collect();
        logs.sort_unstable();
        let surplus = logs.len().saturating_sub(LOGS_KEPT);
        for (_, path) in logs.drain(..surplus) {
            for path in [log::previous(&path), path] {
                match fs::remove_file(&path) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(file("remove an old log", &path, error)),
                }
            }
        }
        Ok(())
    }
}

impl Target for ProcessTarget {
    fn start(&self, spec: InstanceSpec) -> TargetFuture<'_, ()> {
        Box::pin(async move { self.start_one(spec) })
    }

    fn stop<'a>(&'a self, id: &'a str, grace: Duration) -> TargetFuture<'a, ()> {
        Box::pin(async move {
            self.order_stop(id, grace);
            Ok(())
        })
    }

    fn forget<'a>(&'a self, id: &'a str) -> TargetFuture<'a, ()> {
        Box::pin(async move { self.forget_one(id) })
    }

    fn observe(&self) -> Vec<InstanceStatus> {
        self.shared.lock().values().map(|entry| entry.status.clone()).collect()
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }
}

impl Drop for ProcessTarget {
    /// Supervisors end; the instances go on and are taken up by the next target of this folder.
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        // Nothing that holds the lock can leave the map half changed.
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, status: InstanceStatus) -> watch::Receiver<Option<Duration>> {
        let (stop, orders) = watch::channel(None);
        self.lock().insert(status.id.clone(), Entry { status, stop });
        self.notify();
        orders
    }

    fn status(&self, id: &str) -> Option<InstanceStatus> {
        self.lock().get(id).map(|entry| entry.status.clone())
    }

    fn update(&self, id: &str, tell: bool, change: impl FnOnce(&mut InstanceStatus)) {
        if let Some(entry) = self.lock().get_mut(id) {
            change(&mut entry.status);
        }
        if tell {
            self.notify();
        }
    }

    fn notify(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    fn record(&self, id: &str) -> PathBuf {
        self.directory.join("instances").join(format!("{id}.json"))
    }

    fn log(&self, id: &str) -> PathBuf {
        self.directory.join("logs").join(format!("{id}.log"))
    }

    /// A free port that no instance of this target was given.
    fn free_port(&self) -> io::Result<u16> {
        let given: Vec<u16> =
            self.lock().values().filter_map(|entry| entry.status.address).map(|a| a.port()).collect();
        for _ in 0..100 {
            let port = spawn::free_port()?;
            if !given.contains(&port) {
                return Ok(port);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "every port that the system offered was given to an instance",
        ))
    }
}

fn has_ended(phase: &InstancePhase) -> bool {
    match phase {
        InstancePhase::Exited(_) | InstancePhase::CannotStart { .. } => true,
        InstancePhase::Starting | InstancePhase::Ready | InstancePhase::Unready | InstancePhase::Stopping => {
            false
        }
    }
}

fn is_plain(id: &str) -> bool {
    let letters = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    letters && !id.is_empty() && !id.starts_with('.')
}

fn file(what: &str, path: &Path, error: io::Error) -> TargetError {
    TargetError {
        context: format!("cannot {what}"),
        kind: TargetErrorKind::File { path: path.to_owned(), error },
    }
}
