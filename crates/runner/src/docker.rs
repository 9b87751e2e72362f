//! Containers through the Engine API of Docker and Podman: the containers of jobs, service containers, Docker actions.
//!
//! [`DockerExecutor`] stands around the host's executor. A job that wants no container runs on the machine as before; its
//! services, its Docker actions and the container of a job that has one live in the engine, marked with the job's tracking
//! text. The record of the job on disk names the engine, so that what a killed runner left is found and removed.

mod address;
mod auth;
mod build;
mod buildkit;
mod check;
mod draft;
mod engine;
mod exec;
mod gone;
mod health;
mod ignore;
mod image;
mod inside;
mod label;
mod network;
mod node;
mod options;
mod own;
mod owners;
mod place;
mod ports;
mod prepare;
mod proxies;
mod pull;
mod reclaim;
mod started;
mod sweep;
mod terminal;
mod volumes;

pub(crate) use reclaim::Left;
pub(crate) use sweep::reap;

use crate::{
    containers::EngineSettings,
    error::RunnerError,
    executor::{
        BoxFuture, Chunk, CommandFileNames, ContainerNetwork, Executor, Finished, Folders, Hands,
        JobIdentity, Patience, Program, ProgramPlace, Script, Terminal,
    },
    host::{HostExecutor, StepFiles},
    nodes::{MachineNode, PlacedNode},
    place::{ImageSource, Mount, Opened, OwnContainer, Wants},
};
use draft::Pull;
use engine::Engine;
use gone::gone_by_now;
use node::Externals;
use place::{Closed, Place};
use pull::Wanted;
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

/// Runs jobs on this machine, and in containers of a local engine where they want them.
#[derive(Debug)]
pub struct DockerExecutor {
    host: HostExecutor,
    settings: EngineSettings,
    patience: Patience,
    engine: OnceCell<Engine>,
    places: Mutex<BTreeMap<String, Arc<Place>>>,
    externals: Externals,
}

impl DockerExecutor {
    /// An executor around that of the machine. The engine is looked for when the first job wants it.
    pub fn new(host: HostExecutor, settings: EngineSettings, patience: Patience) -> DockerExecutor {
        DockerExecutor {
            externals: Externals::new(host.externals()),
            host,
            settings,
            patience,
            engine: OnceCell::new(),
            places: Mutex::default(),
        }
    }

    async fn engine(&self) -> Result<Engine, RunnerError> {
        self.engine.get_or_try_init(|| Engine::find(&self.settings)).await.cloned()
    }

    /// Nothing panics while it holds the lock, so what is behind a poisoned one is whole.
    fn places(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, job: &JobIdentity) -> Option<Arc<Place>> {
        self.places().get(&job.folder).cloned()
    }

    /// What the job has in the engine; it gets a place there when it has none yet.
    async fn any_place(&self, job: &JobIdentity) -> Result<Arc<Place>, RunnerError> {
        if let Some(place) = self.place(job) {
            return Ok(place);
        }
        let engine = self.engine().await?;
        self.host.note_engine(job, &engine.address)?;
        let left = Left { root: self.host.folders(job).root, images: Vec::new() };
        let place = Arc::new(Place::bare(engine, &job.tracking, left));
        Ok(self.places().entry(job.folder.clone()).or_insert(place).clone())
    }

    async fn start_containers(
        &self,
        job: &JobIdentity,
        folders: &Folders,
        wants: &Wants,
        output: &mpsc::Sender<Chunk>,
        stop: &CancellationToken,
    ) -> Result<Opened, RunnerError> {
        let engine = self.engine().await?;
        // Before the first container is there, so that a runner that is killed leaves a trace of where to look.
        self.host.note_engine(job, &engine.address)?;
        if let Some(container) = &wants.container {
            self.host.note_image(job, &folders.root, &container.image)?;
        }
        let mut folders = folders.clone();
        if wants.container.is_some() {
            folders.workflow = folders.root.join("workflow");
            make_folders(&folders)?;
        }
        let externals = self
            .externals
            .folder()
            .map_err(|error| RunnerError::io("make", &self.host.externals(), error))?;
        let mut wants = wants.clone();
        wants.mounts.push(Mount {
            outside: externals.to_owned(),
            inside: node::EXTERNALS.into(),
            read_only: true,
        });
        let config = self.settings.config.as_deref();
        let left = Left { root: folders.root.clone(), images: Vec::new() };
        let mut place = Place::bare(engine, &job.tracking, left);
        let filled = Box::pin(place.fill(job, &wants, &folders, config, output, stop)).await;
        let has_place = wants.container.is_none() || place.container.is_some();
        let opened = match filled {
            Err(error) if !has_place || stop.is_cancelled() => Err(error),
            filled => Ok(Opened {
                folders,
                paths: place.paths.clone(),
                env: place.env(),
                job: place.contexts(),
                unready: filled.err(),
            }),
        };
        // What was begun is shown and removed when the job ends, also when it could not be finished.
        self.places().insert(job.folder.clone(), Arc::new(place));
        opened
    }

    /// The files of a program of a step, which every user of its container may use.
    fn step_files(
        &self,
        folders: &Folders,
        script: Option<&Script>,
        number: Option<u64>,
    ) -> Result<StepFiles, RunnerError> {
        let files = self.host.step_files(&prepare::files_folder(folders), script, number)?;
        files.open_to_all()?;
        Ok(files)
    }

    /// Runs a program in the container of its job, or on the machine where the job has none or the program belongs there.
    async fn start(
        &self,
        program: &Program,
        ends: Ends,
        stop: &CancellationToken,
    ) -> Result<Finished, RunnerError> {
        let place = self.place(&program.job).filter(|_| program.place == ProgramPlace::Job);
        let inside = place.as_ref().and_then(|place| Some((place, place.container.as_ref()?)));
        let Some((place, container)) = inside else {
            return match ends {
                Ends::Pipe(output) => self.host.run(program, output, stop).await,
                Ends::Terminal(terminal) => self.host.interact(program, terminal, stop).await,
            };
        };
        let files = self.step_files(&program.folders, program.script.as_ref(), program.files)?;
        let run = place.exec(container, program, &files, &self.patience, ends, stop);
        files.around(Box::pin(run)).await
    }

    /// Removes containers first, then folders. What cannot be removed from the engine keeps its record.
    async fn close_all(
        &self,
        job: &JobIdentity,
        folders: &Folders,
        place: Option<&Place>,
        output: &mpsc::Sender<Chunk>,
    ) -> Result<(), RunnerError> {
        let (swept, given) = match place {
            Some(place) => {
                let Closed { given, swept } = place.close(output).await;
                (swept, given)
            }
            None => (Ok(()), Ok(())),
        };
        let closed = self.host.close(job, folders, output.clone()).await;
        let closed = closed.map_err(|error| error.because(given.err()));
        if let (Err(_), Some(place)) = (&swept, place) {
            self.host.note_engine(job, &place.engine.address)?;
        }
        swept.and(closed)
    }
}

/// What the far ends of a program are: of its output, or of its terminal.
#[derive(Debug)]
enum Ends {
    Pipe(mpsc::Sender<Chunk>),
    Terminal(Terminal),
}

impl Executor for DockerExecutor {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn is_real(&self) -> bool {
        true
    }

    fn folders(&self, job: &JobIdentity) -> Folders {
        self.host.folders(job)
    }

    fn forget(&self, job: &JobIdentity) {
        self.host.forget(job);
    }

    fn open<'a>(&'a self, job: &'a JobIdentity) -> BoxFuture<'a, Result<Folders, RunnerError>> {
        self.host.open(job)
    }

    fn enter<'a>(
        &'a self,
        job: &'a JobIdentity,
        folders: &'a Folders,
        wants: &'a Wants,
        output: mpsc::Sender<Chunk>,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Opened, RunnerError>> {
        Box::pin(async move {
            if wants.container.is_none() && wants.services.is_empty() {
                return Ok(Opened::on_machine(folders.clone()));
            }
            self.host.allow_containers()?;
            Box::pin(self.start_containers(job, folders, wants, &output, stop)).await
        })
    }

    fn leave<'a>(
        &'a self,
        job: &'a JobIdentity,
        output: mpsc::Sender<Chunk>,
    ) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async move {
            let Some(place) = self.places().remove(&job.folder) else { return Ok(()) };
            let Closed { given, swept } = Box::pin(place.close(&output)).await;
            if given.is_err() || swept.is_err() {
                // What is left is removed with the folders, or the error about these names the cause.
                let rest = Place::bare(place.engine.clone(), &job.tracking, place.left());
                self.places().insert(job.folder.clone(), Arc::new(rest));
            }
            swept.and(given)
        })
    }

    fn has_program<'a>(
        &'a self,
        job: &'a JobIdentity,
        name: &'a str,
        path: &'a str,
        directory: &'a Path,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            match self.place(job).filter(|place| place.container.is_some()) {
                Some(place) => place.has_program(name, path, directory).await,
                None => self.host.has_program(job, name, path, directory).await,
            }
        })
    }

    fn node<'a>(
        &'a self,
        job: &'a JobIdentity,
        nodes: &'a [MachineNode],
        wanted: u32,
    ) -> BoxFuture<'a, Result<Option<PlacedNode>, RunnerError>> {
        Box::pin(async move {
            let Some(place) = self.place(job) else { return Ok(None) };
            let Some(container) = &place.container else { return Ok(None) };
            let mut known = place.nodes.lock().await;
            if let Some(node) = known.get(&wanted) {
                return Ok(Some(node.clone()));
            }
            let found =
                node::choose(&self.externals, &self.host, job, (&place, container), nodes, wanted).await;
            let found = match found {
                Ok(found) => found,
                Err(error) => return Err(gone_by_now(&place.engine, container).await.unwrap_or(error)),
            };
            known.insert(wanted, found.clone());
            Ok(Some(found))
        })
    }

    fn command_files(&self, job: &JobIdentity, folders: &Folders) -> Option<CommandFileNames> {
        match self.place(job).filter(|place| place.container.is_some()) {
            Some(place) => Some(
                self.host.file_names(&prepare::files_folder(folders), |path| place.paths.inside_text(path)),
            ),
            None => self.host.command_files(job, folders),
        }
    }

    fn run<'a>(
        &'a self,
        program: &'a Program,
        output: mpsc::Sender<Chunk>,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Finished, RunnerError>> {
        Box::pin(self.start(program, Ends::Pipe(output), stop))
    }

    fn network<'a>(
        &'a self,
        job: &'a JobIdentity,
    ) -> BoxFuture<'a, Result<Option<ContainerNetwork>, RunnerError>> {
        Box::pin(async move {
            let place = self.any_place(job).await?;
            Ok(place.network().await?.gateway)
        })
    }

    fn prepare_image<'a>(
        &'a self,
        job: &'a JobIdentity,
        image: &'a ImageSource,
        output: mpsc::Sender<Chunk>,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<String, RunnerError>> {
        Box::pin(async move {
            self.host.allow_containers()?;
            let place = self.any_place(job).await?;
            match image {
                ImageSource::Named { image, credentials } => {
                    let wanted = Wanted {
                        image,
                        platform: None,
                        credentials: credentials.as_ref(),
                        pull: Pull::Missing,
                        config: self.settings.config.as_deref(),
                    };
                    pull::ensure(&place.engine, wanted, &output, stop).await?;
                    Ok(image.clone())
                }
                ImageSource::Dockerfile { file, folder, scratch } => {
                    build::build(&place.engine, file, folder, scratch, &output, stop).await
                }
            }
        })
    }

    fn run_container<'a>(
        &'a self,
        container: &'a OwnContainer,
        output: mpsc::Sender<Chunk>,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Finished, RunnerError>> {
        Box::pin(async move {
            self.host.allow_containers()?;
            let place = self.any_place(&container.job).await?;
            place.note_image(&container.image);
            self.host.note_image(&container.job, &container.folders.root, &container.image)?;
            make_open_folder(&prepare::files_folder(&container.folders))?;
            let files = self.step_files(&container.folders, None, None)?;
            let run = own::run(&place, container, &files, &self.patience, output, stop);
            files.around(Box::pin(run)).await
        })
    }

    fn interact<'a>(
        &'a self,
        program: &'a Program,
        terminal: Terminal,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Finished, RunnerError>> {
        Box::pin(self.start(program, Ends::Terminal(terminal), stop))
    }

    fn hands(&self, job: &JobIdentity) -> Hands {
        self.host.hands(job)
    }

    fn door<'a>(&'a self, job: &'a JobIdentity) -> BoxFuture<'a, Result<Option<TcpListener>, RunnerError>> {
        self.host.door(job)
    }

    fn may_write(&self, job: &JobIdentity) -> bool {
        self.host.may_write(job)
    }

    fn before_own_work<'a>(
        &'a self,
        job: &'a JobIdentity,
        folders: &'a Folders,
        tree: &'a Path,
    ) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async move {
            match self.place(job) {
                // A Docker action has left files too, when there is no container of the job.
                Some(place) => place.take_tree(folders, tree).await,
                None => self.host.before_own_work(job, folders, tree).await,
            }
        })
    }

    fn after_own_work<'a>(
        &'a self,
        job: &'a JobIdentity,
        folders: &'a Folders,
        tree: &'a Path,
    ) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async move {
            match self.place(job).filter(|place| place.container.is_some()) {
                Some(place) => place.give_tree(folders, tree).await,
                None => self.host.after_own_work(job, folders, tree).await,
            }
        })
    }

    fn close<'a>(
        &'a self,
        job: &'a JobIdentity,
        folders: &'a Folders,
        output: mpsc::Sender<Chunk>,
    ) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async move {
            let place = self.places().remove(&job.folder);
            Box::pin(self.close_all(job, folders, place.as_deref(), &output)).await
        })
    }
}

/// Makes the folders that only a job in a container has. Its user may be any, and nobody else of this machine gets past the
/// folder around them.
fn make_folders(folders: &Folders) -> Result<(), RunnerError> {
    fs::create_dir_all(&folders.workflow)
        .map_err(|error| RunnerError::io("make", &folders.workflow, error))?;
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&folders.root, private)
        .map_err(|error| RunnerError::io("close", &folders.root, error))?;
    let files = prepare::files_folder(folders);
    for folder in [&folders.workspace, &folders.home, &folders.temp, &folders.actions, &files] {
        make_open_folder(folder)?;
    }
    Ok(())
}

/// Makes a folder that the users of containers may write to.
fn make_open_folder(folder: &Path) -> Result<(), RunnerError> {
    fs::create_dir_all(folder).map_err(|error| RunnerError::io("make", folder, error))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777))
        .map_err(|error| RunnerError::io("open", folder, error))
}
