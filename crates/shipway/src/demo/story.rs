//! The demo's story: three commits, each from its workflow to its verdict, under steady load.

use super::{
    report::{Report, Seen},
    repository::{Repository, VERSIONS, Version},
};
use crate::{
    commands::up,
    environment::Environment,
    exit::{Exit, Failure},
    narrator::Narrator,
    stop::Stop,
};
use shipway_api::{PageQuery, Rollout, RolloutPhase, RolloutQuery, RunQuery, Status};
use shipway_base::Timestamp;
use shipway_router::load::{Identity, Load, Plan};
use shipway_server::{
    backend::{Backend, Change},
    up::{Up, UpOptions},
};
use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{broadcast::error::RecvError, watch};

/// Requests in a second.
const RATE: f64 = 1_000.0;

/// Clients; more than can all come in the demo's time, as on a public site.
const CLIENTS: u32 = 60_000;

/// How long one version may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long the next chapter waits for the last lines of the one before.
const PAUSE: Duration = Duration::from_secs(5);

/// What the demo is told with.
pub(crate) struct Story<'a> {
    /// The surroundings.
    pub(crate) environment: &'a Environment,
    /// Where it plays.
    pub(crate) folder: &'a Folder,
    /// The seed of the load.
    pub(crate) seed: u64,
    /// Whether everything is left up at the end.
    pub(crate) keep: bool,
    /// Where the story goes.
    pub(crate) tell: fn(&str),
}

/// The folder that the demo owns, removed with it.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder; one that exists is not touched.
    pub(crate) fn create(environment: &Environment, asked: Option<PathBuf>) -> Result<Folder, Failure> {
        let temporary = environment.variable("TMPDIR").filter(|_| asked.is_none());
        let path = match asked {
            Some(asked) => environment.folder.join(asked),
            None => Path::new(temporary.unwrap_or("/tmp"))
                .join(format!("shipway-demo-{}", environment.clock.now().as_micros())),
        };
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Folder { path }),
            Err(error) => Err(no_folder(&path, temporary, &error)),
        }
    }
}

/// The demo's folder cannot be made; `temporary` is the value of TMPDIR when it lies there.
fn no_folder(path: &Path, temporary: Option<&str>, error: &io::Error) -> Failure {
    let is = |kind| error.kind() == kind;
    let exit = if is(io::ErrorKind::AlreadyExists) {
        Exit::Conflict
    } else if is(io::ErrorKind::StorageFull) || is(io::ErrorKind::QuotaExceeded) {
        Exit::Failed
    } else {
        Exit::Usage
    };
    let help = match (temporary, path.parent()) {
        (Some(temporary), _) => {
            format!("TMPDIR is {temporary}: set it to a folder to write in, or name one with --folder")
        }
        (None, Some(parent)) if is(io::ErrorKind::NotFound) => {
            format!("make {} first, or name another one with --folder", parent.display())
        }
        (None, _) => "name another one with --folder".to_owned(),
    };
    Failure::new(exit, format!("cannot make the demo's folder {}: {error}", path.display())).with_help(help)
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left where temporary files are; there is nobody to tell any more.
        let _left = fs::remove_dir_all(&self.path);
    }
}

impl Story<'_> {
    /// Plays the story to its end and gives the report.
    pub(crate) async fn tell(&self) -> Result<Report, Failure> {
        let mut stop = Stop::listen()?;
        match self.tell_until(&mut stop).await {
            // What an interrupt made fail is no failure of its own.
            Err(failure) if failure.exit != Exit::Interrupted && stop.was_told().await => Err(interrupted()),
            outcome => outcome,
        }
    }

    async fn tell_until(&self, stop: &mut Stop) -> Result<Report, Failure> {
        let tell = self.tell;
        let repository = Repository::create(&self.folder.path.join("repository"))?;
        let up = up::start(UpOptions {
            repository: repository.folder.clone(),
            data: self.folder.path.join("data"),
            run_existing: true,
            ..up::defaults(self.environment)
        })
        .await?;
        tell(&format!(
            "A repository with a small web service, its workflow and its delivery document: {}",
            repository.folder.display()
        ));
        tell(&format!("Pages on {}, the router on {}", up.url(), up.router_url()));
        let narrator = Narrator::new(up.backend(), Timestamp::EPOCH);
        let told = narrator.runs_over();
        let narrator = tokio::spawn(narrator.tell(move |line| tell(&line)));
        let outcome = tokio::select! {
            biased;
            () = stop.told() => Err(interrupted()),
            outcome = self.play(&up, &repository, told) => outcome,
        };
        narrator.abort();
        if let (true, Ok(report)) = (self.keep, &outcome) {
            report.lines().iter().for_each(|line| tell(line));
            tell(&format!("\nEverything is left up. Sign in: {}", sign_in(&up)?));
            tell(&format!("  SHIPWAY_DATA={} shipway rollout list", self.folder.path.join("data").display()));
            tell("Ctrl-C ends it and removes its folder.");
            stop.told().await;
        }
        up.shutdown().await;
        outcome
    }

    async fn play(
        &self,
        up: &Up,
        repository: &Repository,
        mut told: watch::Receiver<usize>,
    ) -> Result<Report, Failure> {
        let tell = self.tell;
        let backend = up.backend();
        let began = self.environment.clock.now();
        let mut rollouts = Vec::new();
        let mut load = None;
        for (number, version) in VERSIONS.iter().enumerate() {
            tell("");
            tell(match number {
                0 => "1. The first version is committed; its workflow tests, builds and deploys it.",
                1 => "2. A healthy new version under steady load: the canary advances on evidence.",
                _ => "3. A version that fails five requests in a hundred and is slower.",
            });
            let rollout = self.deliver(&backend, repository, version).await?;
            // The next chapter begins when this one was told to its end; one that never ends does not hold it up.
            let _late = tokio::time::timeout(PAUSE, told.wait_for(|over| *over > number)).await;
            if load.is_none() {
                tell(&format!(
                    "    load: {RATE} requests a second from {CLIENTS} clients, seed {}",
                    self.seed
                ));
                load = Some(Load::start(self.plan(up)?, self.environment.clock.clone(), None));
            }
            rollouts.push(rollout);
        }
        let mut seen = std::collections::BTreeMap::new();
        let mut dropped = up.dropped("web");
        if let Some(load) = load {
            let report = load.stop().await;
            dropped = dropped.max(report.dropped);
            for (version, counts) in report.versions {
                let failures = counts.failures;
                seen.insert(version, Seen { requests: counts.requests, failures });
            }
        }
        Ok(Report { rollouts, seen, dropped, took: self.environment.clock.now().since(began) })
    }

    /// Commits a version and waits for the end of its rollout.
    async fn deliver(
        &self,
        backend: &Arc<dyn Backend>,
        repository: &Repository,
        version: &Version,
    ) -> Result<Rollout, Failure> {
        // Subscribed before the commit, so that no change is missed.
        let mut changes = backend.changes();
        let sha = repository.commit(version)?;
        let wait = async {
            loop {
                if let Some(rollout) = finished(backend, version).await? {
                    return Ok(rollout);
                }
                if let Some(why) = run_failed(backend, &sha).await? {
                    return Err(Failure::new(
                        Exit::Failed,
                        format!("the workflow of {} failed: {why}", version.name),
                    ));
                }
                match changes.recv().await {
                    Ok(Change::Log(..) | Change::Run(_) | Change::Rollout(_) | Change::Workflows)
                    | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => {
                        return Err(Failure::new(Exit::Failed, "the control plane is gone"));
                    }
                }
            }
        };
        let late = || {
            Failure::new(Exit::TimedOut, format!("{} did not come to an end in three minutes", version.name))
        };
        tokio::time::timeout(PATIENCE, wait).await.map_err(|_| late())?
    }

    fn plan(&self, up: &Up) -> Result<Plan, Failure> {
        let target: SocketAddr = up
            .router_url()
            .trim_start_matches("http://")
            .parse()
            .map_err(|error| Failure::new(Exit::Failed, format!("the router's address: {error}")))?;
        Ok(Plan {
            target,
            host: "web.localhost".to_owned(),
            path: "/".to_owned(),
            clients: CLIENTS,
            identity: Identity::Cookies,
            lanes: 32,
            rate: Some(RATE),
            requests: None,
            seed: self.seed,
            patience: Duration::from_secs(10),
            version_header: "x-version".to_owned(),
        })
    }
}

fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted")
}

fn sign_in(up: &Up) -> Result<String, Failure> {
    up.sign_in_url().map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// The rollout of a version once it is over.
async fn finished(backend: &Arc<dyn Backend>, version: &Version) -> Result<Option<Rollout>, Failure> {
    let query = RolloutQuery {
        service: Some("web".to_owned()),
        page: PageQuery::first(1),
        ..RolloutQuery::default()
    };
    let page = backend.rollouts(query).await.map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    let Some(newest) = page.items.first() else { return Ok(None) };
    let over = match newest.phase {
        RolloutPhase::Progressing | RolloutPhase::Paused | RolloutPhase::RollingBack => false,
        RolloutPhase::Promoted
        | RolloutPhase::RolledBack
        | RolloutPhase::Failed
        | RolloutPhase::Superseded => true,
    };
    if newest.release.version != version.name || !over {
        return Ok(None);
    }
    let rollout =
        backend.rollout(newest.id).await.map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    Ok(Some(rollout))
}

/// Why the run of a commit ended without a rollout, when it did.
async fn run_failed(backend: &Arc<dyn Backend>, sha: &str) -> Result<Option<String>, Failure> {
    let page = backend.runs(RunQuery { page: PageQuery::first(5), ..RunQuery::default() }).await;
    let page = page.map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    let Some(run) = page.items.iter().find(|run| run.commit.sha == sha && run.status == Status::Completed)
    else {
        return Ok(None);
    };
    let whole =
        backend.run(run.id.into()).await.map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    // A run whose rollout was taken back fails as well; then the rollout is the story.
    if !whole.rollouts.is_empty() {
        return Ok(None);
    }
    Ok(whole.failure.map(|failure| {
        let lines: Vec<&str> = failure.lines.iter().map(|line| line.text.as_str()).collect();
        format!("{}: {}\n{}", failure.job_name, failure.message, lines.join("\n"))
    }))
}
