//! The system behind the pages and the API: the store, the loops and the router as one [`Backend`].

use super::{
    asked::Asked,
    deliver::{Answered, Service},
    present,
    runpage::{self, run_id},
    runs::Runs,
    values::Values,
    world::{World, unavailable},
};
use crate::backend::{
    Actor, Answer, ArtifactBody, Backend, BackendError, BackendErrorKind, Change, Dispatched, Hook, LogRange,
    LogSlice, ValuePlace, Which,
};
use futures_util::StreamExt as _;
use shipway_api as api;
use shipway_base::{Id, Secret, Source};
use shipway_rollout::delivery::{Command, Release, Rollout, Spec};
use shipway_store::{
    LogName, Search, StoreError,
    models::{
        self, Paging,
        releases::ReleaseRow,
        rollouts::{RolloutFilter, RolloutRow},
    },
    rows,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::{Mutex, broadcast};

/// How long after a start clients wait at most for the instances of before, of which each has to be found healthy once.
const HOLD: Duration = Duration::from_secs(3);

/// The control plane.
pub(crate) struct Plane {
    world: Arc<World>,
    runs: Arc<Runs>,
    values: Arc<Values>,
    services: Mutex<BTreeMap<String, Service>>,
    /// The hosts that each service's newest release claims; an empty list claims whatever nobody else does.
    hosts: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Plane {
    /// A control plane of these parts, with the loops of all services that were ever deployed.
    pub(crate) async fn start(
        world: Arc<World>,
        runs: Arc<Runs>,
        values: Arc<Values>,
    ) -> Result<Arc<Plane>, StoreError> {
        let mut services = BTreeMap::new();
        let mut hosts = BTreeMap::new();
        for row in world.store.deliveries().await? {
            let newest = world.store.releases(Some(&row.service), Paging::first(1)).await?;
            let read = |row: &ReleaseRow| {
                let source = Source::new(row.spec_name.as_str(), row.spec.as_str());
                Spec::parse(&source, &row.service).ok()
            };
            if let Some(spec) = newest.items.first().and_then(read) {
                hosts.insert(row.service.clone(), spec.service.route.hosts);
            }
            let service = Service::start(world.clone(), &row.service).await?;
            services.insert(row.service, service);
        }
        Ok(Arc::new(Plane { world, runs, values, services: Mutex::new(services), hosts: Mutex::new(hosts) }))
    }

    /// Lets the router take connections once every service is where it was before the start, and after [`HOLD`] anyhow: what
    /// has died meanwhile takes its time, in which its clients are told so.
    pub(crate) async fn open_router(self: Arc<Plane>) {
        let (mut traffic, mut instances) = (self.world.router.watch(), self.world.target.watch());
        let services: Vec<Service> = self.services.lock().await.values().cloned().collect();
        let settled = async {
            while !services.iter().all(|service| service.is_back(&self.world)) {
                tokio::select! {
                    _ = traffic.changed() => {}
                    _ = instances.changed() => {}
                }
            }
        };
        tokio::select! {
            () = self.world.stopping.cancelled() => return,
            _ = tokio::time::timeout(HOLD, settled) => {}
        }
        self.world.router.open();
    }

    /// The loop of a service, started when this is its first deployment.
    async fn service(&self, name: &str) -> Result<Service, StoreError> {
        let mut services = self.services.lock().await;
        if let Some(service) = services.get(name) {
            return Ok(service.clone());
        }
        let service = Service::start(self.world.clone(), name).await?;
        services.insert(name.to_owned(), service.clone());
        Ok(service)
    }

    /// Takes the hosts of a service's new release, unless another service has one of them: two routes for one host
    /// would make a table that the router refuses.
    async fn claim(&self, service: &str, wanted: &[String]) -> Result<(), String> {
        let mut hosts = self.hosts.lock().await;
        for (other, taken) in hosts.iter().filter(|(other, _)| *other != service) {
            let clash = match (wanted, taken.as_slice()) {
                ([], []) => Some("every host that no other service names"),
                (wanted, taken) => wanted.iter().find(|host| taken.contains(host)).map(String::as_str),
            };
            if let Some(host) = clash {
                return Err(format!(
                    "the services {other} and {service} both claim {host}; give each its own under `route.hosts`"
                ));
            }
        }
        hosts.insert(service.to_owned(), wanted.to_vec());
        Ok(())
    }

    async fn begin(
        &self,
        request: api::DeployRequest,
        key: Option<String>,
        by: Actor,
    ) -> Result<api::Deployed, BackendError> {
        let context = format!("deploying {}", request.service);
        let stored = |error| unavailable(&context, error);
        let asked = key.map(|key| Asked::new("deploy", &key, &request));
        if let Some(asked) = &asked {
            asked.earlier(&self.world, &context).await?;
        }
        let run = run_id(request.run_id);
        let row = self.world.store.run(run).await.map_err(stored)?;
        let row = row.ok_or_else(|| BackendError::not_found(&context, format!("run {run}")))?;
        let artifact = self.world.store.artifact(run, &request.artifact, u32::MAX).await.map_err(stored)?;
        let artifact = artifact.ok_or_else(|| {
            let what = format!(
                "artifact `{}` of run {run}; a job uploads it with actions/upload-artifact",
                request.artifact
            );
            BackendError::not_found(&context, what)
        })?;
        let source = Source::new(request.spec_name.as_str(), request.spec.as_str());
        let spec = Spec::parse(&source, &request.service).map_err(|found| BackendError {
            context: context.clone(),
            kind: BackendErrorKind::Document(found.iter().map(ToString::to_string).collect()),
        })?;
        self.claim(&request.service, &spec.service.route.hosts)
            .await
            .map_err(|why| BackendError::conflict(&context, why))?;
        let version = request.version.clone().unwrap_or_else(|| row.sha.chars().take(7).collect());
        let release = Release { id: self.world.id(), version, digest: artifact.digest, spec: Arc::new(spec) };
        let made = ReleaseRow {
            id: release.id,
            service: request.service.clone(),
            version: release.version.clone(),
            digest: release.digest,
            sha: Some(row.sha),
            run: Some(run),
            spec_name: request.spec_name.clone(),
            spec: request.spec.clone(),
            created_at: self.world.clock.now(),
        };
        let service = self.service(&request.service).await.map_err(stored)?;
        let command = Command::Deploy { rollout: self.world.id(), release, by: by.to_string() };
        let mut models = vec![models::releases::insert(&made)];
        models.extend(asked.as_ref().map(|asked| asked.keep(&self.world, "deployed")));
        let once = asked.as_ref().map(|asked| asked.once.clone());
        let Answered { rollout, repeated, words } = service.command(command, models, once).await?;
        if let Some(asked) = asked.filter(|_| repeated) {
            // Another request may have come in between.
            asked.earlier(&self.world, &context).await?;
        }
        let rollout = rollout.ok_or_else(|| BackendError::conflict(&context, words))?;
        // What the service is at may be a rollout that was under way with the same release already.
        let page = self.rollout_page(rollout).await?;
        Ok(api::Deployed {
            rollout: page.summary.id,
            service: page.summary.service,
            release: page.summary.release,
            path: format!("/rollouts/{rollout}"),
            repeated,
        })
    }

    async fn rollout_page(&self, id: Id<Rollout>) -> Result<api::Rollout, BackendError> {
        let context = format!("reading rollout {id}");
        let row = self.rollout_row(id, &context).await?;
        let live = self.services.lock().await.get(&row.service).and_then(Service::view);
        let mut page = match live {
            Some(page) if page.summary.id.number() == id.number() => page,
            newest => present::past(read_page(&row, &context)?, newest.as_ref()),
        };
        page.events = self.events(&row, 0, u32::MAX).await.map_err(|error| unavailable(&context, error))?;
        page.events.reverse();
        page.events.truncate(50);
        Ok(page)
    }

    async fn rollout_row(&self, id: Id<Rollout>, context: &str) -> Result<RolloutRow, BackendError> {
        let row = self.world.store.rollout(id).await.map_err(|error| unavailable(context, error))?;
        row.ok_or_else(|| BackendError::not_found(context, format!("rollout {id}")))
    }

    async fn events(
        &self,
        row: &RolloutRow,
        after: u64,
        limit: u32,
    ) -> Result<Vec<api::RolloutEvent>, StoreError> {
        let from = row.first_version.max(after + 1);
        let mut events = Vec::new();
        let mut specs = rows::Specs::new();
        for event in self.world.store.read(&rows::delivery::stream(&row.service), from).await? {
            if row.last_version.is_some_and(|last| event.version > last) || events.len() >= limit as usize {
                break;
            }
            let decoded = rows::delivery::decode(&event.kind, &event.data, &mut specs)?;
            events.push(present::event(event.version, event.at, &decoded));
        }
        Ok(events)
    }

    async fn steer(
        &self,
        id: Id<Rollout>,
        command: api::RolloutCommand,
        request: api::CommandRequest,
        by: Actor,
    ) -> Result<api::RolloutId, BackendError> {
        let context = format!("{} of rollout {id}", command.segment());
        let row = self.rollout_row(id, &context).await?;
        let service = self.service(&row.service).await.map_err(|error| unavailable(&context, error))?;
        let latest = service.view().map(|page| page.summary.id.number());
        let begins_anew = matches!(command, api::RolloutCommand::Retry | api::RolloutCommand::Undo);
        if latest.is_some_and(|latest| latest != id.number()) && !begins_anew {
            let why = format!(
                "it is over; the newest rollout of {} is {}",
                row.service,
                latest.unwrap_or_default()
            );
            return Err(BackendError::conflict(context, why));
        }
        let name = match (&request.reason, command) {
            // An abort has a place of its own for the reason; for the others the record keeps it beside the name.
            (Some(reason), command) if command != api::RolloutCommand::Abort => format!("{by} ({reason})"),
            (Some(_) | None, _) => by.to_string(),
        };
        let step = request.step.map(|step| usize::try_from(step).unwrap_or(usize::MAX));
        let command = match command {
            api::RolloutCommand::Promote => Command::Promote { full: false, step, by: name },
            api::RolloutCommand::PromoteFull => Command::Promote { full: true, step, by: name },
            api::RolloutCommand::Pause => Command::Pause { by: name },
            api::RolloutCommand::Resume => Command::Resume { by: name },
            api::RolloutCommand::Abort => Command::Abort { by: name, reason: request.reason },
            api::RolloutCommand::Retry => Command::Retry { rollout: self.world.id(), by: name },
            api::RolloutCommand::Undo => {
                let to = match request.to {
                    None => None,
                    Some(to) => Some(self.digest_of(to, &context).await?),
                };
                Command::Undo { rollout: self.world.id(), to, by: name }
            }
        };
        let answered = service.command(command, Vec::new(), None).await?;
        Ok(self.rollout_page(answered.rollout.unwrap_or(id)).await?.summary.id)
    }

    /// The digest of a release, which is how a delivery knows its earlier ones.
    async fn digest_of(&self, id: api::ReleaseId, context: &str) -> Result<String, BackendError> {
        let missing = || BackendError::not_found(context, format!("release {id}"));
        let id = Id::from_number(id.number()).ok_or_else(missing)?;
        let row = self.world.store.release_row(id).await.map_err(|error| unavailable(context, error))?;
        row.map(|row| row.digest.to_string()).ok_or_else(missing)
    }

    /// The log of a job's attempt in force; `None` for a job that has not begun.
    async fn log_of(&self, which: Which, job: &api::JobKey) -> Result<(Option<LogName>, bool), BackendError> {
        let context = format!("reading the log of {job}");
        let attempt = runpage::row(&self.world, which).await?.0.id;
        let found = self.world.store.job(attempt, job.as_str()).await;
        let Some((row, _)) = found.map_err(|error| unavailable(&context, error))? else {
            return Err(BackendError::not_found(context, format!("job {job} in run {}", which.run)));
        };
        Ok((row.log, row.status == models::Status::Completed))
    }
}

impl Backend for Plane {
    fn runs(&self, query: api::RunQuery) -> Answer<'_, api::Page<api::RunSummary>> {
        Box::pin(async move {
            let (filter, paging) = (runpage::filter(&query), paging(&query.page)?);
            let page = self
                .world
                .store
                .runs(filter, paging)
                .await
                .map_err(|error| unavailable("listing runs", error))?;
            Ok(api::Page {
                items: page.items.iter().map(runpage::summary).collect(),
                next: page.next.map(|next| next.to_string()),
                total: page.total,
            })
        })
    }

    fn run(&self, which: Which) -> Answer<'_, api::Run> {
        Box::pin(async move {
            runpage::read(&self.world, which, |attempt| self.runs.is_cancelling(attempt)).await
        })
    }

    fn cancel_run(&self, id: api::RunId, force: bool, by: Actor) -> Answer<'_, ()> {
        Box::pin(async move { self.runs.cancel(run_id(id), force, &by).await })
    }

    fn rerun(&self, id: api::RunId, request: api::RerunRequest, by: Actor) -> Answer<'_, u32> {
        Box::pin(async move { self.runs.rerun(run_id(id), &request, &by).await })
    }

    fn workflows(&self, git_ref: Option<String>) -> Answer<'_, api::Workflows> {
        Box::pin(async move { self.runs.workflows(git_ref.as_deref()).await })
    }

    fn dispatch(
        &self,
        file: String,
        request: api::DispatchRequest,
        key: Option<String>,
        by: Actor,
    ) -> Answer<'_, Dispatched> {
        Box::pin(async move { self.runs.dispatch(&file, &request, key.as_deref(), &by).await })
    }

    fn values(&self, kind: api::ValueKind) -> Answer<'_, api::NamedValues> {
        Box::pin(self.values.list(kind))
    }

    fn set_value(&self, place: ValuePlace, value: Secret, by: Actor) -> Answer<'_, api::NamedValue> {
        Box::pin(async move {
            let ValuePlace { kind, environment, name } = place;
            self.values.set(kind, environment.as_deref(), &name, &value, &by).await
        })
    }

    fn remove_value(&self, place: ValuePlace, by: Actor) -> Answer<'_, ()> {
        Box::pin(async move {
            let ValuePlace { kind, environment, name } = place;
            self.values.remove(kind, environment.as_deref(), &name, &by).await
        })
    }

    fn hook(&self, hook: Hook) -> Answer<'_, api::HookOutcome> {
        Box::pin(async move { self.runs.hook(hook).await })
    }

    fn log(&self, which: Which, job: api::JobKey, range: LogRange) -> Answer<'_, LogSlice> {
        Box::pin(async move {
            let (name, complete) = self.log_of(which, &job).await?;
            let Some(name) = name else { return Ok(LogSlice { lines: Vec::new(), total: 0, complete }) };
            let world = self.world.clone();
            let read = move || {
                let mut reader = world.store.logs().reader(&name)?;
                let lines = reader.range(range.from, range.count as usize)?;
                Ok::<_, StoreError>((lines, reader.lines()))
            };
            let (lines, total) = blocking("reading a log", read).await?;
            let raw =
                |line: shipway_store::LogLine| api::RawLine { at: line.at, step: line.step, text: line.text };
            Ok(LogSlice { lines: lines.into_iter().map(raw).collect(), total, complete })
        })
    }

    fn summary(&self, which: Which, job: api::JobKey) -> Answer<'_, Option<String>> {
        Box::pin(runpage::summary_of(&self.world, which, job))
    }

    fn search_log(
        &self,
        which: Which,
        job: api::JobKey,
        search: api::LogSearch,
    ) -> Answer<'_, api::LogMatches> {
        Box::pin(async move {
            let (name, _) = self.log_of(which, &job).await?;
            let Some(name) = name else {
                return Ok(api::LogMatches { total: 0, before: 0, matches: Vec::new(), lines: 0 });
            };
            let world = self.world.clone();
            let limit = search.count as usize;
            // Looking back needs all matches before a line, of which the last ones are listed.
            let (from, most) = if search.backward { (0, usize::MAX) } else { (search.from, limit) };
            let wanted = Search { text: search.q, from, limit: most };
            let mut found =
                blocking("searching a log", move || world.store.logs().reader(&name)?.search(&wanted))
                    .await?;
            if search.backward {
                found.lines.retain(|number| *number < search.from);
                let unlisted = found.lines.len().saturating_sub(limit);
                found.lines.drain(..unlisted);
                found.before = unlisted as u64;
            }
            Ok(api::LogMatches {
                total: found.total,
                before: found.before,
                matches: found.lines.into_iter().map(|n| api::LogMatch { n }).collect(),
                lines: found.searched,
            })
        })
    }

    fn artifact(&self, which: Which, name: String) -> Answer<'_, ArtifactBody> {
        Box::pin(async move {
            let context = format!("reading artifact {name}");
            let (attempt, _) = runpage::row(&self.world, which).await?;
            let run = attempt.run;
            let row = self.world.store.artifact(run, &name, attempt.attempt).await;
            let row = row.map_err(|error| unavailable(&context, error))?;
            let missing = || BackendError::not_found(&context, format!("artifact {name} in run {run}"));
            let row = row.ok_or_else(missing)?;
            let file = tokio::fs::File::open(self.world.store.blobs().path(&row.digest))
                .await
                .map_err(|error| BackendError::internal(&context, error))?;
            let stream = tokio_util::io::ReaderStream::new(file).boxed();
            let file_name = match row.mime.as_str() {
                "application/zip" => format!("{name}.zip"),
                // What was uploaded before artifacts had types.
                "application/x-tar" => format!("{name}.tar"),
                _ => name,
            };
            Ok(ArtifactBody { bytes: row.bytes, file_name, stream })
        })
    }

    fn releases(&self, service: Option<String>, page: api::PageQuery) -> Answer<'_, api::Page<api::Release>> {
        Box::pin(async move {
            let context = "listing releases";
            let rows = self.world.store.releases(service.as_deref(), paging(&page)?).await;
            let rows = rows.map_err(|error| unavailable(context, error))?;
            let views: Vec<api::Rollout> =
                self.services.lock().await.values().filter_map(Service::view).collect();
            let live = |id: i64| {
                views.iter().any(|view| {
                    let promoted = view.summary.phase == api::RolloutPhase::Promoted;
                    let stable =
                        if promoted { Some(&view.summary.release) } else { view.summary.from.as_ref() };
                    stable.is_some_and(|stable| stable.id.number() == id)
                })
            };
            let items = rows.items.iter().map(|row| api::Release {
                release: api::ReleaseRef {
                    id: row.id.into(),
                    version: row.version.clone(),
                    digest: row.digest,
                },
                service: row.service.clone(),
                run: row.run.map(Into::into),
                sha: row.sha.clone(),
                created_at: row.created_at,
                live: live(row.id.number()),
            });
            Ok(api::Page {
                items: items.collect(),
                next: rows.next.map(|next| next.to_string()),
                total: rows.total,
            })
        })
    }

    fn deploy(
        &self,
        request: api::DeployRequest,
        key: Option<String>,
        by: Actor,
    ) -> Answer<'_, api::Deployed> {
        Box::pin(self.begin(request, key, by))
    }

    fn rollouts(&self, query: api::RolloutQuery) -> Answer<'_, api::Page<api::RolloutSummary>> {
        Box::pin(async move {
            let context = "listing rollouts";
            let word =
                |phase| serde_json::to_string(&phase).ok().map(|text| text.trim_matches('"').to_owned());
            let filter = RolloutFilter {
                service: query.service.clone(),
                phase: query.phase.and_then(word),
                in_flight: query.in_flight,
                ..RolloutFilter::default()
            };
            let rows = self.world.store.rollouts(filter, paging(&query.page)?).await;
            let rows = rows.map_err(|error| unavailable(context, error))?;
            let views: BTreeMap<i64, api::RolloutSummary> = self
                .services
                .lock()
                .await
                .values()
                .filter_map(Service::view)
                .map(|view| (view.summary.id.number(), view.summary))
                .collect();
            let mut items = Vec::new();
            for row in &rows.items {
                items.push(match views.get(&row.id.number()) {
                    Some(summary) => summary.clone(),
                    None => read_page(row, context)?.summary,
                });
            }
            Ok(api::Page { items, next: rows.next.map(|next| next.to_string()), total: rows.total })
        })
    }

    fn rollout(&self, id: api::RolloutId) -> Answer<'_, api::Rollout> {
        Box::pin(async move { self.rollout_page(rollout_id(id)).await })
    }

    fn rollout_events(
        &self,
        id: api::RolloutId,
        after: u64,
        limit: u32,
    ) -> Answer<'_, Vec<api::RolloutEvent>> {
        Box::pin(async move {
            let context = format!("reading the events of rollout {id}");
            let row = self.rollout_row(rollout_id(id), &context).await?;
            self.events(&row, after, limit).await.map_err(|error| unavailable(&context, error))
        })
    }

    fn command(
        &self,
        id: api::RolloutId,
        command: api::RolloutCommand,
        request: api::CommandRequest,
        by: Actor,
    ) -> Answer<'_, api::RolloutId> {
        Box::pin(self.steer(rollout_id(id), command, request, by))
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.world.changes.subscribe()
    }

    fn metrics(&self) -> String {
        self.world.router.metrics()
    }

    fn health(&self) -> Answer<'_, api::Health> {
        Box::pin(async move { Ok(self.world.health()) })
    }
}

/// The page that was stored with a rollout's last event.
fn read_page(row: &RolloutRow, context: &str) -> Result<api::Rollout, BackendError> {
    let text = row.report.as_deref().unwrap_or_default();
    serde_json::from_str(text).map_err(|error| BackendError::internal(context, error))
}

fn paging(query: &api::PageQuery) -> Result<Paging, BackendError> {
    let before = match &query.after {
        None => None,
        Some(after) => Some(after.parse().map_err(|_| BackendError {
            context: "reading a page".to_owned(),
            kind: BackendErrorKind::Invalid(format!("`{after}` is not the `next` of a page")),
        })?),
    };
    Ok(Paging { before, limit: query.limit.clamp(1, api::PageQuery::MAX) })
}

async fn blocking<T: Send + 'static>(
    context: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, BackendError> {
    let done =
        tokio::task::spawn_blocking(work).await.map_err(|error| BackendError::internal(context, error))?;
    done.map_err(|error| unavailable(context, error))
}

/// An id of the API as the store's; both are positive by construction.
fn rollout_id(id: api::RolloutId) -> Id<Rollout> {
    Id::from_number(id.number()).unwrap_or_else(|| unreachable!("ids of the API are positive"))
}
