//! Containers that were made and started, and what the engine says about them.

use super::{
    draft::Draft,
    engine::{Engine, failed, words},
    proxies,
    pull::{self, Wanted},
};
use crate::{
    error::{ErrorKind, Part, RunnerError},
    executor::Chunk,
};
use bollard::{
    models::ContainerInspectResponse,
    query_parameters::{CreateContainerOptions, LogsOptions},
};
use futures_util::StreamExt as _;
use shipway_base::Secret;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// How long an engine may take to tidy up behind a container.
const TIDYING: Duration = Duration::from_secs(10);
/// From one look to the next.
const LOOK: Duration = Duration::from_millis(50);

/// A container that runs, or did.
#[derive(Clone, Debug)]
pub(super) struct Started {
    /// Its id.
    pub(super) id: String,
    /// What part of the job it is.
    pub(super) part: Part,
    /// Its image.
    pub(super) image: String,
    /// The environment in its configuration.
    pub(super) env: Vec<String>,
    /// The user in its configuration, as it is written there; empty for root.
    pub(super) user: String,
    /// Where something is mounted in it.
    pub(super) mounts: Vec<PathBuf>,
    /// Whether it was told at length that it has ended, or is a service that is not healthy.
    pub(super) told: Arc<AtomicBool>,
    /// Ports in the container and of the machine.
    pub(super) ports: Vec<(String, u16)>,
}

/// What is needed to start a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start<'a> {
    /// The engine.
    pub(super) engine: &'a Engine,
    /// The network of the job.
    pub(super) network: &'a str,
    /// The folder of Docker's `config.json`.
    pub(super) config: Option<&'a Path>,
    /// Who is told.
    pub(super) output: &'a mpsc::Sender<Chunk>,
    /// When to give up.
    pub(super) stop: &'a CancellationToken,
}

impl Start<'_> {
    /// Gets the image, makes the container and starts it.
    pub(super) async fn container(
        self,
        part: Part,
        draft: Draft,
        credentials: Option<&(String, Secret)>,
    ) -> Result<Started, RunnerError> {
        let image = draft.body.image.clone().unwrap_or_default();
        let what = match &part {
            Part::Container => "container of the job".to_owned(),
            Part::Service(name) => format!("service {name}"),
        };
        say(self.output, &format!("##[group]Start the {what} from {image}")).await;
        let started = self.start(&part, &image, draft, credentials).await.map_err(|error| error.about(&part));
        say(self.output, "##[endgroup]").await;
        started
    }

    async fn start(
        self,
        part: &Part,
        image: &str,
        mut draft: Draft,
        credentials: Option<&(String, Secret)>,
    ) -> Result<Started, RunnerError> {
        proxies::add(&self.engine.proxies, &mut draft);
        let Start { engine, network, config, output, stop } = self;
        for warning in &draft.warnings {
            say(output, &format!("##[warning]{warning}")).await;
        }
        let platform = draft.platform.clone();
        let wanted = Wanted { image, platform: platform.as_deref(), credentials, pull: draft.pull, config };
        pull::ensure(engine, wanted, output, stop).await?;
        let options =
            CreateContainerOptions { name: draft.name.clone(), platform: platform.unwrap_or_default() };
        let body = draft.finish(Some(network));
        let doing = format!("cannot make the container from {image}");
        let made = engine.api.create_container(Some(options), body).await.map_err(failed(&doing))?;
        for warning in &made.warnings {
            say(output, &format!("##[warning]{warning}")).await;
        }
        if let Err(error) = engine.api.start_container(&made.id, None).await {
            let doing = format!("cannot start the container from {image}");
            let error = failed(&doing)(error);
            return Err(match part {
                Part::Container if error.message.contains("\"tail\"") => error.with_help(
                    "the container of a job is kept running by the program tail, which this image lacks; use an image with it (busybox and coreutils have it)",
                ),
                Part::Container | Part::Service(_) => error,
            });
        }
        let seen = inspect(engine, &made.id).await?;
        let config = seen.config.as_ref();
        let mounts = seen.mounts.iter().flatten().filter_map(|mount| mount.destination.as_ref());
        Ok(Started {
            id: made.id,
            part: part.clone(),
            image: image.to_owned(),
            env: config.and_then(|config| config.env.clone()).unwrap_or_default(),
            user: config.and_then(|config| config.user.clone()).unwrap_or_default(),
            mounts: mounts.map(PathBuf::from).collect(),
            told: Arc::default(),
            ports: ports(&seen),
        })
    }
}

/// What the engine knows of a container.
pub(super) async fn inspect(engine: &Engine, id: &str) -> Result<ContainerInspectResponse, RunnerError> {
    let began = Instant::now();
    loop {
        match engine.api.inspect_container(id, None).await {
            // Podman has a word of its own until it has tidied up behind a container, which the client does not know.
            Err(error) if words(&error).contains("`stopped`") && began.elapsed() < TIDYING => {
                sleep(LOOK).await
            }
            seen => return seen.map_err(failed("cannot look at the container")),
        }
    }
}

/// Whether a container runs; its exit code when it does not.
pub(super) fn running(seen: &ContainerInspectResponse) -> Result<(), i64> {
    match &seen.state {
        Some(state) if state.running != Some(true) => Err(state.exit_code.unwrap_or_default()),
        Some(_) | None => Ok(()),
    }
}

/// Ports in the container with their ports of the machine, in order.
fn ports(seen: &ContainerInspectResponse) -> Vec<(String, u16)> {
    let ports = seen.network_settings.as_ref().and_then(|settings| settings.ports.as_ref());
    let mut found: BTreeMap<String, u16> = BTreeMap::new();
    for (key, bindings) in ports.into_iter().flatten() {
        let host = bindings
            .iter()
            .flatten()
            .filter_map(|binding| binding.host_port.as_ref()?.parse().ok())
            .next_back();
        found.extend(host.map(|host| (key.clone(), host)));
    }
    found.into_iter().collect()
}

/// The last lines that a container printed.
pub(super) async fn last_lines(engine: &Engine, id: &str, count: usize) -> Vec<String> {
    let options =
        LogsOptions { stdout: true, stderr: true, tail: count.to_string(), ..LogsOptions::default() };
    let mut logs = Box::pin(engine.api.logs(id, Some(options)));
    let mut bytes = Vec::new();
    while let Some(next) = logs.next().await {
        match next {
            Ok(chunk) => bytes.extend_from_slice(&chunk.into_bytes()),
            Err(error) => {
                bytes.extend_from_slice(format!("\n(its log cannot be read: {})", words(&error)).as_bytes());
                break;
            }
        }
    }
    String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
}

/// Tells a line.
pub(super) async fn say(output: &mpsc::Sender<Chunk>, line: &str) {
    // Nobody listens any more; what is done is done all the same.
    let _ = output.send(format!("{line}\n").into_bytes()).await;
}

/// An error about a container.
pub(super) fn container_error(message: impl Into<String>) -> RunnerError {
    RunnerError::new(ErrorKind::Container, message)
}
