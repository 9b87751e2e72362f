//! The executor that starts processes on this machine, without containers and without a daemon.

mod files;
mod installed;
mod output;
mod program;
mod remove;
mod terminal;
mod tools;

use crate::{
    error::{ErrorKind, RunnerError},
    executor::{
        BoxFuture, Chunk, CommandFileNames, Executor, Finished, Folders, Hands, JobIdentity, Patience,
        Program, ProgramPlace, Script, Terminal,
    },
    process::{OrphanRecord, Scope, end_tree, forks},
    sandbox::{Sandbox, Session},
};
pub(crate) use files::StepFiles;
pub(crate) use installed::Installed;
pub(crate) use program::find_program;
use remove::{remove_folders, remove_tree};
use rustix::process::{Pid, Signal};
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tools::Lease;

/// What is known of an open job.
#[derive(Debug)]
struct OpenJob {
    /// How many processes the machine had started when it was opened.
    forks: Option<u64>,
}

/// Runs steps as process groups on this machine.
#[derive(Debug)]
pub struct HostExecutor {
    work: PathBuf,
    records: PathBuf,
    patience: Patience,
    steps: AtomicU64,
    /// The folder of tool caches.
    tools: PathBuf,
    /// The folder of the folders of jobs that have the same paths in later runs.
    places: Option<PathBuf>,
    /// The tool caches that jobs have, which nobody else has meanwhile. An isolated job has one in its own folder, and of these
    /// only the number.
    leases: Mutex<BTreeMap<String, Lease>>,
    /// What is known of each open job.
    opened: Mutex<BTreeMap<String, OpenJob>>,
    /// How jobs are isolated; they are not when it is absent.
    sandbox: Option<Sandbox>,
    /// The isolated jobs that are open.
    sessions: Mutex<BTreeMap<String, Arc<Inside>>>,
}

/// Removes the folders in `places` of jobs whose runner is gone, as [`HostExecutor::with_places`] does. `tools` is the folder of
/// tool caches, by which it is known who is there still.
///
/// # Errors
/// When the folder cannot be read.
pub fn sweep_places(tools: &Path, places: &Path) -> Result<(), RunnerError> {
    tools::sweep(tools, places, remove_tree)
}

/// An isolated job.
#[derive(Debug)]
struct Inside {
    session: Session,
    /// Whether a program of the job has run. From then on nothing in its folders can be trusted to be what it seems.
    touched: AtomicBool,
}

impl HostExecutor {
    /// An executor that makes the folders of jobs in `work` and keeps a record of running jobs in `records`, for
    /// [`reap_orphans`](crate::reap_orphans). Both are made when they are not there.
    pub fn new(work: &Path, records: &Path, patience: Patience) -> Result<HostExecutor, RunnerError> {
        for dir in [work, records] {
            fs::create_dir_all(dir).map_err(|error| RunnerError::io("make", dir, error))?;
        }
        let work = fs::canonicalize(work).map_err(|error| RunnerError::io("open", work, error))?;
        Ok(HostExecutor {
            records: records.to_owned(),
            patience,
            steps: AtomicU64::new(0),
            tools: work.join("_tools"),
            places: None,
            leases: Mutex::default(),
            work,
            opened: Mutex::default(),
            sandbox: None,
            sessions: Mutex::default(),
        })
    }

    /// Keeps tool caches in another folder, where they outlive this executor. Several may share it.
    #[must_use]
    pub fn with_tools(mut self, tools: PathBuf) -> HostExecutor {
        self.tools = tools;
        self
    }

    /// What containers are lent lies beside the tool caches, since both outlive jobs.
    #[cfg(feature = "docker")]
    pub(crate) fn externals(&self) -> PathBuf {
        let name = self.tools.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
        self.tools.with_file_name(if name.starts_with('_') { "_externals" } else { "externals" })
    }

    /// Lets jobs work in `places/0`, `places/1` and so on, the first that is free, so that a later run
    /// has the same paths. The folder is for those alone who share the folder of tool caches, which is to be set before. What
    /// killed ones left in it is removed; their processes must be gone.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn with_places(self, places: &Path) -> Result<HostExecutor, RunnerError> {
        let places = fs::canonicalize(places).map_err(|error| RunnerError::io("open", places, error))?;
        sweep_places(&self.tools, &places)?;
        Ok(HostExecutor { places: Some(places), ..self })
    }

    /// The same executor, with every job isolated.
    #[must_use]
    pub fn isolated(self, sandbox: Sandbox) -> HostExecutor {
        HostExecutor { sandbox: Some(sandbox), ..self }
    }

    /// Refuses containers for jobs that are isolated: an engine is not held by the namespaces of a job.
    #[cfg(feature = "docker")]
    pub(crate) fn allow_containers(&self) -> Result<(), RunnerError> {
        match &self.sandbox {
            None => Ok(()),
            Some(_) => Err(RunnerError::new(
                ErrorKind::Isolation,
                "an isolated job has no containers, since their engine could be made to do anything on the machine",
            )
            .with_help("run this job without --isolate, or take its container, services and Docker actions out")),
        }
    }
}

impl Executor for HostExecutor {
    fn name(&self) -> &'static str {
        "host"
    }

    fn is_real(&self) -> bool {
        true
    }

    fn folders(&self, job: &JobIdentity) -> Folders {
        // One that cannot be had is told of when the job is opened.
        let leased = self.lease(job).ok().flatten();
        let root = match (&self.places, &leased) {
            (Some(places), Some((_, number))) => places.join(number.to_string()),
            (None, _) | (_, None) => self.work.join(&job.folder),
        };
        let (tools, beside) = match &self.sandbox {
            None => (leased.map(|(path, _)| path), None),
            // A tool cache that other jobs use would let an isolated job change what they run.
            Some(_) => (None, Some(&root)),
        };
        let place = |name: &str| match beside {
            None => root.join(name),
            Some(root) => tools::beside(root, name),
        };
        Folders {
            actions: place("actions"),
            scratch: place("scratch"),
            workspace: root.join("workspace"),
            home: root.join("home"),
            temp: root.join("temp"),
            tools: tools.unwrap_or_else(|| root.join("tools")),
            workflow: root.clone(),
            root,
        }
    }

    fn forget(&self, job: &JobIdentity) {
        self.leases().remove(&job.folder);
    }

    fn open<'a>(&'a self, job: &'a JobIdentity) -> BoxFuture<'a, Result<Folders, RunnerError>> {
        Box::pin(async move {
            self.lease(job)?;
            let folders = self.folders(job);
            // What a killed server left of an earlier attempt of the same name.
            remove_folders(&folders)?;
            for dir in [&folders.workspace, &folders.home, &folders.temp, &folders.tools] {
                fs::create_dir_all(dir).map_err(|error| RunnerError::io("make", dir, error))?;
            }
            installed::withdraw(&folders.tools)?;
            OrphanRecord::create(&self.records, job)?;
            if let Some(sandbox) = &self.sandbox {
                // What it is shown is there before it begins.
                let made = fs::create_dir_all(&folders.actions);
                made.map_err(|error| RunnerError::io("make", &folders.actions, error))?;
                let session = Session::start(sandbox, &folders).await?;
                let inside = Arc::new(Inside { session, touched: AtomicBool::new(false) });
                self.sessions().insert(job.folder.clone(), inside);
            }
            let forks = forks().map(|(forks, _)| forks);
            self.opened().insert(job.folder.clone(), OpenJob { forks });
            Ok(folders)
        })
    }

    fn has_program<'a>(
        &'a self,
        _job: &'a JobIdentity,
        name: &'a str,
        path: &'a str,
        directory: &'a Path,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move { find_program(name, path, directory).is_some() })
    }

    fn command_files(&self, _job: &JobIdentity, folders: &Folders) -> Option<CommandFileNames> {
        Some(self.file_names(&folders.root, |path| path.to_string_lossy().into_owned()))
    }

    fn run<'a>(
        &'a self,
        program: &'a Program,
        output: mpsc::Sender<Chunk>,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Finished, RunnerError>> {
        Box::pin(async move {
            let files = self.step_files(&program.folders.root, program.script.as_ref(), program.files)?;
            let inside = self.inside(&program.job).filter(|_| program.place != ProgramPlace::Machine);
            if let Some(inside) = inside.as_ref().filter(|_| program.place == ProgramPlace::Job) {
                inside.touched.store(true, Ordering::Relaxed);
                for file in files.command_files() {
                    inside.session.give(&file)?;
                }
            }
            if inside.is_none() {
                // An earlier step may have cleaned up after itself thoroughly; GitHub's runner makes it anew as well.
                let temp = &program.folders.temp;
                fs::create_dir_all(temp).map_err(|error| RunnerError::io("make", temp, error))?;
            }
            let session = inside.as_ref().map(|inside| &inside.session);
            files.around(self.run_process(program, &files, session, output, stop)).await
        })
    }

    fn interact<'a>(
        &'a self,
        program: &'a Program,
        terminal: Terminal,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Finished, RunnerError>> {
        Box::pin(async move {
            if self.inside(&program.job).is_some() {
                return Err(RunnerError::new(
                    ErrorKind::Isolation,
                    "a shell on a terminal is not isolated from the machine yet, as the step is",
                )
                .with_help("stop at failed steps in a run without --isolate"));
            }
            let files = self.step_files(&program.folders.root, program.script.as_ref(), program.files)?;
            files.around(self.run_on_terminal(program, &files, terminal, stop)).await
        })
    }

    fn hands(&self, job: &JobIdentity) -> Hands {
        // An isolated job may have put a link in the way to what only the runner may read or write.
        self.inside(job).map_or(Hands::Runner, |_| Hands::Helper)
    }

    fn door<'a>(&'a self, job: &'a JobIdentity) -> BoxFuture<'a, Result<Option<TcpListener>, RunnerError>> {
        Box::pin(async move {
            match self.inside(job) {
                Some(inside) => inside.session.door().await,
                None => Ok(None),
            }
        })
    }

    fn may_write(&self, job: &JobIdentity) -> bool {
        self.inside(job).is_none_or(|inside| !inside.touched.load(Ordering::Relaxed))
    }

    fn after_own_work<'a>(
        &'a self,
        job: &'a JobIdentity,
        folders: &'a Folders,
        _tree: &'a Path,
    ) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async move {
            match self.inside(job) {
                Some(inside) => inside.session.give(&folders.workspace),
                None => Ok(()),
            }
        })
    }

    fn close<'a>(
        &'a self,
        job: &'a JobIdentity,
        folders: &'a Folders,
        _output: mpsc::Sender<Chunk>,
    ) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async move {
            let record = OrphanRecord::of(&self.records, job);
            // Its tool cache and its folder are free only once its processes are gone.
            let _lease = self.leases().remove(&job.folder);
            let open = self.opened().remove(&job.folder);
            if let Some(mut scope) = record.scope()? {
                scope.follows = open.as_ref().and_then(|open| open.first_pid(&scope));
                let stuck = end_tree(&scope, Signal::TERM, &self.patience).await;
                if !stuck.is_empty() {
                    tracing::warn!(job = job.folder, ?stuck, "processes of the job cannot be killed");
                }
            }
            let inside = self.sessions().remove(&job.folder);
            if let Some(inside) = inside.and_then(Arc::into_inner) {
                inside.session.end().await?;
            }
            let folders = folders.clone();
            let removed = tokio::task::spawn_blocking(move || remove_folders(&folders));
            removed.await.map_err(|error| {
                RunnerError::new(ErrorKind::Folder, format!("removing stopped: {error}"))
            })??;
            record.remove()
        })
    }
}

impl OpenJob {
    /// The first process of a job, when so few were started since that their pids cannot have gone round.
    fn first_pid(&self, scope: &Scope) -> Option<Pid> {
        /// More pids than this are never in use at once on a machine that is still alive.
        const IN_USE: u64 = 8_192;
        let before = self.forks?;
        let (now, pids) = forks()?;
        let first = scope.leaders.iter().min_by_key(|leader| leader.start)?;
        (now.saturating_sub(before) + IN_USE < pids).then_some(first.pid)
    }
}

impl HostExecutor {
    /// Writes down that the job has containers in the engine at this address.
    #[cfg(feature = "docker")]
    pub(crate) fn note_engine(&self, job: &JobIdentity, address: &str) -> Result<(), RunnerError> {
        OrphanRecord::note_engine(&self.records, job, address)
    }

    /// Writes down that a container of this image sees the folder of the job.
    #[cfg(feature = "docker")]
    pub(crate) fn note_image(&self, job: &JobIdentity, root: &Path, image: &str) -> Result<(), RunnerError> {
        OrphanRecord::note_image(&self.records, job, root, image)
    }

    /// The files of a program of a step, beside those of others in this folder.
    pub(crate) fn step_files(
        &self,
        dir: &Path,
        script: Option<&Script>,
        number: Option<u64>,
    ) -> Result<StepFiles, RunnerError> {
        StepFiles::create(dir, number.unwrap_or_else(|| self.number()), script)
    }

    /// A number for the files of a program, unlike all others.
    fn number(&self) -> u64 {
        self.steps.fetch_add(1, Ordering::Relaxed)
    }

    /// A number for the files of a program, and what they will be called as `seen` by the program.
    pub(crate) fn file_names(&self, dir: &Path, seen: impl Fn(&Path) -> String) -> CommandFileNames {
        let number = self.number();
        let paths = StepFiles::names(dir, number).map(|(name, path)| (name, seen(&path))).collect();
        CommandFileNames { number, paths }
    }

    /// The tool cache of a job and its number, taken when it is first asked for.
    fn lease(&self, job: &JobIdentity) -> Result<Option<(PathBuf, u32)>, RunnerError> {
        if self.sandbox.is_some() && self.places.is_none() {
            // It is only wanted for the number of its place.
            return Ok(None);
        }
        let mut leases = self.leases();
        if !leases.contains_key(&job.folder) {
            let place = |number: u32| Some(self.places.as_ref()?.join(number.to_string()));
            let in_use = |number| place(number).is_some_and(|place| fs::symlink_metadata(place).is_ok());
            leases.insert(job.folder.clone(), tools::lease(&self.tools, in_use)?);
        }
        Ok(leases.get(&job.folder).map(|lease| (lease.path.clone(), lease.number)))
    }

    fn leases(&self) -> MutexGuard<'_, BTreeMap<String, Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing panics while it holds the lock, so what is behind a poisoned one is whole.
    fn opened(&self) -> MutexGuard<'_, BTreeMap<String, OpenJob>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Inside>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inside(&self, job: &JobIdentity) -> Option<Arc<Inside>> {
        self.sessions().get(&job.folder).cloned()
    }
}
