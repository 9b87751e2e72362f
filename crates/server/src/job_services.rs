//! The services of actions, for the jobs of runs: who a job is, what its workflow lets it do, and where its artifacts are.
//!
//! The runner and the services do not know each other. This is where a job request becomes a grant, and where the artifacts of a run
//! look like what the services want to see.

use crate::source;
use serde_json::{Map, Value as Json, json};
use shipway_runner::{
    Artifact, ArtifactError, Artifacts, BoxFuture, CachePlace, CacheRefusal, ContainerNetwork, Door,
    ErrorKind, FoundCache, JobIdentity, JobServices, NewArtifact, RunnerError, ServiceAccess,
};
use shipway_services::{
    Access, ArtifactInfo, ArtifactStore, CacheAccess, CacheMode, Grant, Identity, KeepError, LocalCache,
    LocalRefusal, LocalUpload, Options, Origin, ServiceError, Services,
};
use shipway_workflow::{
    document::{CacheMode as Asked, Step, StepKind},
    expr::Value,
    run::JobRequest,
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::OnceCell;

/// Tokens outlive their job by so much: its post steps, and the waiting for processes that do not want to end.
const MARGIN: Duration = Duration::from_secs(15 * 60);

/// Services that start when somebody first needs them: most jobs only run scripts.
#[derive(Debug)]
pub struct LazyServices {
    options: Options,
    started: OnceCell<Services>,
}

impl LazyServices {
    /// Services that will be started so.
    pub fn new(options: Options) -> LazyServices {
        LazyServices { options, started: OnceCell::new() }
    }

    /// The services, started now if they are not.
    ///
    /// # Errors
    /// When they cannot be started; it is tried again the next time.
    pub async fn get(&self) -> Result<&Services, ServiceError> {
        self.started.get_or_try_init(|| Services::start(self.options.clone())).await
    }

    /// Stops them where they run.
    pub fn stop(&self) {
        if let Some(services) = self.started.get() {
            services.stop();
        }
    }
}

/// The services as the jobs of one run see them.
#[derive(Clone, Debug)]
pub struct RunServices {
    services: Arc<LazyServices>,
    artifacts: Arc<dyn Artifacts>,
    /// Whose caches these are.
    namespace: String,
}

impl RunServices {
    /// For a run with these artifacts. `namespace` is who shares its caches: one repository.
    pub fn new(
        services: Arc<LazyServices>,
        artifacts: Arc<dyn Artifacts>,
        namespace: impl Into<String>,
    ) -> RunServices {
        RunServices { services, artifacts, namespace: namespace.into() }
    }
}

impl JobServices for RunServices {
    fn open<'a>(
        &'a self,
        request: &'a JobRequest,
        job: &'a JobIdentity,
    ) -> BoxFuture<'a, Result<ServiceAccess, RunnerError>> {
        Box::pin(async move {
            let grant = grant(request, job, self);
            let only_scripts = !request.body.steps.iter().any(has_action);
            if only_scripts && grant.identity.is_none() {
                return Ok(ServiceAccess::default());
            }
            let failed = |error: ServiceError| RunnerError::new(ErrorKind::Folder, error.to_string());
            let access = self.services.get().await.map_err(failed)?.grant(grant).map_err(failed)?;
            Ok(shown(access))
        })
    }

    fn reach<'a>(
        &'a self,
        job: &'a JobIdentity,
        door: Door,
    ) -> BoxFuture<'a, Result<ServiceAccess, RunnerError>> {
        Box::pin(async move {
            let failed =
                |error: ServiceError| RunnerError::new(ErrorKind::ServicesUnreachable, error.to_string());
            let services = self.services.get().await.map_err(failed)?;
            let access = match door {
                Door::Network(ContainerNetwork { address, prefix }) => {
                    let network = shipway_services::Network::new(address, prefix);
                    services.open_door(&job.tracking, network).await
                }
                Door::Listener(listener) => services.listen_for(&job.tracking, listener),
            };
            access.map(shown).map_err(failed)
        })
    }

    fn find_cache<'a>(
        &'a self,
        job: &'a JobIdentity,
        keys: &'a [String],
        version: &'a str,
    ) -> BoxFuture<'a, Result<Option<FoundCache>, CacheRefusal>> {
        Box::pin(async move {
            let services = self.services.get().await.map_err(|error| broken(&error))?;
            let found = services.find_cache(&job.tracking, keys, version).await.map_err(refused)?;
            Ok(found.map(|LocalCache { key, parts, size, place }| FoundCache { key, parts, size, place }))
        })
    }

    fn forget_cache<'a>(
        &'a self,
        job: &'a JobIdentity,
        found: &'a FoundCache,
    ) -> BoxFuture<'a, Result<bool, CacheRefusal>> {
        Box::pin(async move {
            let services = self.services.get().await.map_err(|error| broken(&error))?;
            services.forget_cache(&job.tracking, &found.place).await.map_err(refused)
        })
    }

    fn begin_cache<'a>(
        &'a self,
        job: &'a JobIdentity,
        key: &'a str,
        version: &'a str,
    ) -> BoxFuture<'a, Result<CachePlace, CacheRefusal>> {
        Box::pin(async move {
            let services = self.services.get().await.map_err(|error| broken(&error))?;
            let upload = services.begin_cache(&job.tracking, key, version).await.map_err(refused)?;
            Ok(CachePlace { file: upload.file.clone(), most: upload.most, handle: Box::new(upload) })
        })
    }

    fn end_cache<'a>(
        &'a self,
        job: &'a JobIdentity,
        place: CachePlace,
        whole: bool,
    ) -> BoxFuture<'a, Result<(), CacheRefusal>> {
        Box::pin(async move {
            let services = self.services.get().await.map_err(|error| broken(&error))?;
            let CachePlace { handle, .. } = place;
            let upload = handle.downcast::<LocalUpload>().map_err(|_| CacheRefusal {
                message: "the place of the cache comes from elsewhere".to_owned(),
                is_the_askers: false,
            })?;
            services.end_cache(&job.tracking, *upload, whole).await.map_err(refused)
        })
    }

    fn close<'a>(&'a self, job: &'a JobIdentity) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some(services) = self.services.started.get() {
                services.revoke(&job.tracking);
            }
        })
    }
}

fn broken(error: &ServiceError) -> CacheRefusal {
    CacheRefusal { message: error.to_string(), is_the_askers: false }
}

fn refused(refusal: LocalRefusal) -> CacheRefusal {
    CacheRefusal { message: refusal.message, is_the_askers: refusal.is_the_askers }
}

fn shown(access: Access) -> ServiceAccess {
    ServiceAccess { actions: access.actions, scripts: access.scripts, masks: access.masks }
}

fn grant(request: &JobRequest, job: &JobIdentity, run: &RunServices) -> Grant {
    let github = facts(&request.github);
    let text = |name: &str| github.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let happened = request.github.get("event").unwrap_or(&Value::Null);
    let default_branch = happened.pointer("/repository/default_branch");
    let default_branch = default_branch.and_then(Value::as_str).unwrap_or("main").to_owned();
    let (event, reference, base_ref) = (text("event_name"), text("ref"), text("base_ref"));
    let origin =
        Origin { event: &event, reference: &reference, base_ref: &base_ref, default_branch: &default_branch };
    let mode = request.cache_mode.map(|mode| match mode {
        Asked::Write => CacheMode::Write,
        Asked::Read => CacheMode::Read,
        Asked::WriteOnly => CacheMode::WriteOnly,
        Asked::None => CacheMode::None,
    });
    // Only when the workflow says so, and no caller of it says otherwise.
    let fork = source::comes_from_fork(&event, happened);
    let permissions = if fork { reading(&request.permissions) } else { request.permissions.clone() };
    let may_identify = permissions.get("id-token").is_some_and(|level| level == "write");
    let identity = may_identify.then(|| Identity {
        environment: request.environment.clone(),
        github: github.clone(),
        job_workflow_ref: request.workflow_ref.clone(),
        job_workflow_sha: request.workflow_origin.as_ref().and_then(|origin| origin.commit.clone()),
    });
    Grant {
        run: text("run_id"),
        job: job.tracking.clone(),
        repository: text("repository"),
        namespace: run.namespace.clone(),
        caches: CacheAccess::new(origin, mode),
        permissions,
        identity,
        artifacts: Arc::new(Shared(run.artifacts.clone())),
        lifetime: request.timeout + MARGIN,
    }
}

/// The `github` context as far as an identity is made of it: of the event, whose body may be large, only the repository. There is always
/// a github context; without one the job is nobody in particular.
fn facts(github: &Value) -> Map<String, Json> {
    let mut facts = Map::new();
    for (name, value) in github.as_object().iter().flat_map(|github| github.iter()) {
        let value = match value.as_object().filter(|_| name == "event") {
            Some(event) => json!({ "repository": event.get("repository").map(Value::to_json) }),
            None => value.to_json(),
        };
        facts.insert(name.to_owned(), value);
    }
    facts
}

/// What is left of permissions for a fork's changes: reading, and no identity.
fn reading(permissions: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let kept = permissions.iter().filter(|(name, _)| *name != "id-token");
    kept.map(|(name, level)| {
        let level = if level == "write" { "read" } else { level.as_str() };
        (name.clone(), level.to_owned())
    })
    .collect()
}

/// Whether a step is, or holds, an action.
fn has_action(step: &Step) -> bool {
    match &step.kind {
        StepKind::Uses(_) => true,
        StepKind::Run(_) | StepKind::Wait(_) | StepKind::WaitAll | StepKind::Cancel(_) => false,
        StepKind::Parallel(steps) => steps.iter().any(has_action),
    }
}

/// The artifacts of a run as the services see them.
#[derive(Debug)]
struct Shared(Arc<dyn Artifacts>);

impl ArtifactStore for Shared {
    fn put(
        &self,
        artifact: shipway_services::NewArtifact,
    ) -> shipway_services::BoxFuture<'_, Result<ArtifactInfo, KeepError>> {
        let shipway_services::NewArtifact { name, file, size, digest, mime_type } = artifact;
        let new = NewArtifact { name, file, size, digest, mime_type };
        Box::pin(async move { self.0.put(new, false).await.map(info).map_err(kept) })
    }

    fn list(&self) -> shipway_services::BoxFuture<'_, Result<Vec<ArtifactInfo>, KeepError>> {
        Box::pin(async move { Ok(self.0.list().await.map_err(kept)?.into_iter().map(info).collect()) })
    }

    fn file<'a>(&'a self, name: &'a str) -> shipway_services::BoxFuture<'a, Result<PathBuf, KeepError>> {
        Box::pin(async move { self.0.get(name).await.map(|(_, file)| file).map_err(kept) })
    }

    fn delete<'a>(
        &'a self,
        name: &'a str,
    ) -> shipway_services::BoxFuture<'a, Result<ArtifactInfo, KeepError>> {
        Box::pin(async move { self.0.delete(name).await.map(info).map_err(kept) })
    }
}

fn info(artifact: Artifact) -> ArtifactInfo {
    let Artifact { id, name, size, digest, mime_type, created } = artifact;
    ArtifactInfo { id, name, size, digest, mime_type, created }
}

fn kept(error: ArtifactError) -> KeepError {
    match error {
        ArtifactError::Exists { .. } => KeepError::Exists,
        ArtifactError::Missing { .. } => KeepError::Missing,
        error @ (ArtifactError::OtherRun { .. }
        | ArtifactError::NotPermitted { .. }
        | ArtifactError::Io { .. }
        | ArtifactError::Other(_)) => KeepError::Other(Box::new(error)),
    }
}
