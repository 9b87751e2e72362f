//! The place of one job that has containers: its network, its services, its own container.

use super::{
    Ends,
    engine::Engine,
    exec::Exec,
    health,
    image::path_of,
    network::Network,
    owners::Owners,
    prepare,
    reclaim::Left,
    started::{Start, Started, last_lines, say},
    sweep::sweep,
};
use crate::{
    error::{Part, RunnerError},
    executor::{Chunk, Ending, Folders, JobIdentity, Patience, Program, SCRIPT_ENV},
    host::StepFiles,
    nodes::PlacedNode,
    place::{PathMap, Wants},
    process::{TRACKING_ENV, tracking_of},
};
use bollard::query_parameters::ContainerArchiveInfoOptions;
use shipway_workflow::expr::{Object, Value};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, atomic::Ordering},
};
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

/// Lines of a service's log that are shown when the job ends.
const LINES: usize = 100;

/// Where engines look for programs when the image does not say.
const ENGINE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a job has in an engine.
#[derive(Debug)]
pub(super) struct Place {
    /// The engine.
    pub(super) engine: Engine,
    /// The text in the labels.
    pub(super) tracking: String,
    /// The network that all its containers are in; made when the first of them is.
    network: OnceCell<Network>,
    /// The container that its steps run in.
    pub(super) container: Option<Started>,
    /// Its services.
    pub(super) services: Vec<Started>,
    /// Where the programs of its steps see the folders.
    pub(super) paths: PathMap,
    /// The Nodes that were chosen for it, by the version that was wanted.
    pub(super) nodes: tokio::sync::Mutex<BTreeMap<u32, PlacedNode>>,
    /// The folders of the job as its container sees them.
    pub(super) own: Vec<PathBuf>,
    /// Whom its files belong to, where that is asked.
    pub(super) owners: OnceCell<Option<Owners>>,
    /// The folder of the job on this machine, and the images of its containers.
    left: Mutex<Left>,
    /// Programs that were looked for in the container.
    known: Mutex<BTreeMap<String, bool>>,
}

impl Place {
    /// A place without a network, for Docker actions of a job on the machine.
    pub(super) fn bare(engine: Engine, tracking: &str, left: Left) -> Place {
        Place {
            engine,
            tracking: tracking.to_owned(),
            network: OnceCell::new(),
            container: None,
            services: Vec::new(),
            paths: PathMap::default(),
            nodes: tokio::sync::Mutex::default(),
            own: Vec::new(),
            owners: OnceCell::new(),
            left: Mutex::new(left),
            known: Mutex::default(),
        }
    }

    /// What is known of its files, and of who may give them back.
    pub(super) fn left(&self) -> Left {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the image of a container that sees the folders of the job.
    pub(super) fn note_image(&self, image: &str) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.images.retain(|known| known != image);
        left.images.push(image.to_owned());
    }

    /// Makes everything that a job wants. After an error it has what could be made, also a service that is not healthy.
    pub(super) async fn fill(
        &mut self,
        job: &JobIdentity,
        wants: &Wants,
        folders: &Folders,
        config: Option<&Path>,
        output: &mpsc::Sender<Chunk>,
        stop: &CancellationToken,
    ) -> Result<(), RunnerError> {
        // All drafts first: what cannot be honoured is told before anything is pulled.
        let mut services = Vec::new();
        for (name, spec) in &wants.services {
            services.push((Part::Service(name.clone()), prepare::service(name, spec, &job.tracking)?, spec));
        }
        let container = match &wants.container {
            Some(spec) => Some((prepare::job_container(spec, wants, folders, &job.tracking)?, spec)),
            None => None,
        };
        let network = self.network().await?.name.clone();
        if let Some((_, spec)) = &container {
            self.note_image(&spec.image);
            self.paths = prepare::paths(folders, wants);
            self.own = prepare::own(folders).map(|folder| self.paths.inside(&folder)).collect();
        }
        let engine = self.engine.clone();
        let start = Start { engine: &engine, network: &network, config, output, stop };
        for (part, draft, spec) in services {
            let service = Box::pin(start.container(part, draft, spec.credentials.as_ref())).await?;
            self.services.push(service);
        }
        if let Some((draft, spec)) = container {
            let own = start.container(Part::Container, draft, spec.credentials.as_ref());
            self.container = Some(Box::pin(own).await?);
        }
        health::wait(&engine, &self.services, output, stop).await
    }

    /// The network of the job.
    pub(super) async fn network(&self) -> Result<&Network, RunnerError> {
        self.network.get_or_try_init(|| Network::make(&self.engine, &self.tracking)).await
    }

    /// The environment of the job's container.
    pub(super) fn env(&self) -> Option<BTreeMap<String, String>> {
        let container = self.container.as_ref()?;
        let pairs = container.env.iter().filter_map(|variable| variable.split_once('='));
        let mut env: BTreeMap<_, _> =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        // Of several the first counts, as for GitHub's runner.
        match path_of(&container.env) {
            "" => env.insert("PATH".to_owned(), ENGINE_PATH.to_owned()),
            path => env.insert("PATH".to_owned(), path.to_owned()),
        };
        Some(env)
    }

    /// `container` and `services` of the `job` context.
    pub(super) fn contexts(&self) -> Object {
        let network = self.network.get().map(|network| network.name.clone()).unwrap_or_default();
        let mut container = Object::new();
        if let Some(own) = &self.container {
            container.insert("id", own.id.as_str());
        }
        container.insert("network", network.as_str());
        let mut services = Object::new();
        for service in &self.services {
            let Part::Service(name) = &service.part else { continue };
            let ports = super::ports::context(&service.ports);
            let ports: Object = ports.iter().map(|(port, host)| (port.as_str(), host.as_str())).collect();
            let mut entry = Object::new();
            entry.insert("id", service.id.as_str());
            entry.insert("network", network.as_str());
            entry.insert("ports", ports);
            services.insert(name.as_str(), entry);
        }
        [("container", Value::from(container)), ("services", Value::from(services))].into_iter().collect()
    }

    /// Runs a program of a step in the job's container.
    pub(super) async fn exec(
        &self,
        container: &Started,
        program: &Program,
        files: &StepFiles,
        patience: &Patience,
        ends: Ends,
        stop: &CancellationToken,
    ) -> Result<Ending, RunnerError> {
        let (step, mut env, script) = self.surroundings(program, files);
        let argv = match (&ends, &script) {
            (Ends::Pipe(_), Some(script)) => {
                program.argv.iter().map(|argument| argument.replace("{0}", script)).collect()
            }
            (Ends::Pipe(_) | Ends::Terminal(_), _) => program.argv.clone(),
        };
        if let (Ends::Terminal(_), Some(script)) = (&ends, &script) {
            env.insert(SCRIPT_ENV.to_owned(), script.clone());
        }
        let exec = Exec {
            engine: &self.engine,
            container,
            argv: &argv,
            directory: &program.directory,
            env: &env,
            step: &step,
            streams: &program.streams,
            patience,
            is_script: script.is_some(),
        };
        match ends {
            Ends::Pipe(output) => exec.run(output, stop).await,
            Ends::Terminal(terminal) => exec.interact(terminal, stop).await,
        }
    }

    /// The text that the processes of a program carry, its environment, and the path of its script, all as it sees them.
    fn surroundings(
        &self,
        program: &Program,
        files: &StepFiles,
    ) -> (String, BTreeMap<String, String>, Option<String>) {
        let step = tracking_of(&self.tracking, files.number);
        let mut env = program.env.clone();
        env.extend(files.env().map(|(name, path)| (name.to_owned(), self.paths.inside_text(&path))));
        env.insert(TRACKING_ENV.to_owned(), step.clone());
        let script = files.script.as_deref().map(|script| self.paths.inside_text(script));
        (step, env, script)
    }

    /// Whether a program is in one of the folders of `path` in the job's container.
    pub(super) async fn has_program(&self, name: &str, path: &str, directory: &Path) -> bool {
        let Some(container) = &self.container else { return false };
        let key = format!("{name}\n{path}\n{}", directory.display());
        if let Some(known) = self.known().get(&key) {
            return *known;
        }
        let candidates: Vec<_> = if name.contains('/') {
            vec![directory.join(name)]
        } else {
            path.split(':').filter(|dir| !dir.is_empty()).map(|dir| directory.join(dir).join(name)).collect()
        };
        let mut found = false;
        for candidate in candidates {
            let options = ContainerArchiveInfoOptions { path: candidate.to_string_lossy().into_owned() };
            if self.engine.api.get_container_archive_info(&container.id, Some(options)).await.is_ok() {
                found = true;
                break;
            }
        }
        self.known().insert(key, found);
        found
    }

    /// Nothing panics while it holds the lock, so what is behind a poisoned one is whole.
    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, bool>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what the services printed, gives files back and removes everything.
    pub(super) async fn close(&self, output: &mpsc::Sender<Chunk>) -> Closed {
        for service in &self.services {
            let Part::Service(name) = &service.part else { continue };
            if service.told.load(Ordering::Relaxed) {
                continue;
            }
            say(output, &format!("##[group]Log of the service {name} (last {LINES} lines)")).await;
            for line in last_lines(&self.engine, &service.id, LINES).await {
                say(output, &line).await;
            }
            say(output, "##[endgroup]").await;
        }
        let given = self.give_back().await;
        Closed { given, swept: sweep(&self.engine, &self.tracking).await }
    }
}

/// How the end of a place went.
#[derive(Debug)]
pub(super) struct Closed {
    /// Whether the runner may remove the files of the job.
    pub(super) given: Result<(), RunnerError>,
    /// Whether nothing is left in the engine.
    pub(super) swept: Result<(), RunnerError>,
}
