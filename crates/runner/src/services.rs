//! The services that actions talk to, as far as a job needs to know of them.

use crate::{
    error::{ErrorKind, RunnerError},
    executor::{BoxFuture, ContainerNetwork, JobIdentity},
    job::Job,
    report::{Annotation, Level},
};
use shipway_base::Secret;
use shipway_workflow::run::JobRequest;
use std::{any::Any, collections::BTreeMap, fmt, net::TcpListener, path::PathBuf};

/// Lets jobs use caches, artifacts and identity tokens.
pub trait JobServices: Send + Sync + fmt::Debug {
    /// Lets a job in and says how its actions reach the services.
    fn open<'a>(
        &'a self,
        request: &'a JobRequest,
        job: &'a JobIdentity,
    ) -> BoxFuture<'a, Result<ServiceAccess, RunnerError>>;

    /// Lets what runs in a job that was let in reach the services by a further door.
    fn reach<'a>(
        &'a self,
        job: &'a JobIdentity,
        door: Door,
    ) -> BoxFuture<'a, Result<ServiceAccess, RunnerError>>;

    /// Looks for a cache that the job may read, for the built-in actions: the first key as it is, then all as prefixes.
    fn find_cache<'a>(
        &'a self,
        job: &'a JobIdentity,
        keys: &'a [String],
        version: &'a str,
    ) -> BoxFuture<'a, Result<Option<FoundCache>, CacheRefusal>>;

    /// Removes a cache that was found and cannot be restored by anybody. Whether that was done: a job only removes what it might
    /// have saved itself.
    fn forget_cache<'a>(
        &'a self,
        job: &'a JobIdentity,
        found: &'a FoundCache,
    ) -> BoxFuture<'a, Result<bool, CacheRefusal>>;

    /// Reserves a key and says where the content is to be written.
    fn begin_cache<'a>(
        &'a self,
        job: &'a JobIdentity,
        key: &'a str,
        version: &'a str,
    ) -> BoxFuture<'a, Result<CachePlace, CacheRefusal>>;

    /// Makes what was written a cache; with `whole` false the key is free again.
    fn end_cache<'a>(
        &'a self,
        job: &'a JobIdentity,
        place: CachePlace,
        whole: bool,
    ) -> BoxFuture<'a, Result<(), CacheRefusal>>;

    /// Ends what the job may do. Called once for each job that was let in.
    fn close<'a>(&'a self, job: &'a JobIdentity) -> BoxFuture<'a, ()>;
}

/// A way by which the programs of one job alone reach this machine, where they do not reach its loopback device.
#[derive(Debug)]
pub enum Door {
    /// The network that its containers are in.
    Network(ContainerNetwork),
    /// A listener on the loopback device of the job.
    Listener(TcpListener),
}

/// A cache that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCache {
    /// Its key.
    pub key: String,
    /// The files whose bytes, one after the other, are its archive.
    pub parts: Vec<PathBuf>,
    /// How many bytes these are.
    pub size: u64,
    /// What whoever found it knows it by.
    pub place: String,
}

/// Where the archive of a new cache is to be written.
#[derive(Debug)]
pub struct CachePlace {
    /// The file, which is not there yet.
    pub file: PathBuf,
    /// How many bytes it may have.
    pub most: u64,
    /// What whoever gave it knows it by.
    pub handle: Box<dyn Any + Send + Sync>,
}

/// Why a cache cannot be had or kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRefusal {
    /// A sentence.
    pub message: String,
    /// Whether what was asked for can never be had, such as a key that is too long.
    pub is_the_askers: bool,
}

/// How a job reaches the services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceAccess {
    /// Variables of JavaScript and container actions. `run` steps do not get them, as on GitHub.
    pub actions: BTreeMap<String, String>,
    /// Variables of `run` steps: those of identity tokens, for a job with `id-token: write`.
    pub scripts: BTreeMap<String, String>,
    /// What must never be seen in a log.
    pub masks: Vec<Secret>,
}

impl ServiceAccess {
    /// Whether anything of the job has a use for the services.
    fn is_needed(&self) -> bool {
        !self.actions.is_empty() || !self.scripts.is_empty()
    }
}

impl Job<'_> {
    /// Opens the services for this job and masks its tokens.
    pub(crate) async fn enter_services(&mut self) -> Result<(), RunnerError> {
        let Some(services) = self.context.services.clone().filter(|_| self.executor.is_real()) else {
            return Ok(());
        };
        self.services = services.open(self.request, &self.identity).await?;
        for mask in &self.services.masks {
            self.log.masker.add(mask.expose());
        }
        if !self.services.is_needed() {
            return Ok(());
        }
        if let Some(listener) = self.executor.door(&self.identity).await? {
            self.services = services.reach(&self.identity, Door::Listener(listener)).await?;
            for mask in &self.services.masks {
                self.log.masker.add(mask.expose());
            }
        }
        if self.base.is_some() {
            // Its actions and scripts are in a container themselves.
            self.services = self.services_inside(None).await;
        }
        Ok(())
    }

    /// How containers of this job reach the services. Where they cannot, the job is told once, and they get nothing: an
    /// action that knows of no service says so at once, and one that waits for an answer says nothing for long.
    pub(crate) async fn services_inside(&mut self, step: Option<usize>) -> ServiceAccess {
        if let Some(known) = &self.services_inside {
            return known.clone();
        }
        let reached = match self.context.services.clone() {
            Some(services) if self.services.is_needed() => self.reach(services.as_ref()).await,
            Some(_) | None => Ok(ServiceAccess::default()),
        };
        let access = match reached {
            Ok(access) => access,
            Err(error) => {
                let error =
                    error.with_help("run the job on the machine itself, or see the page of this code");
                let message = format!(
                    "caches, artifacts and identity tokens are out of reach for the containers of this job: {error}"
                );
                self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, message) }).await;
                ServiceAccess::default()
            }
        };
        for mask in &access.masks {
            self.log.masker.add(mask.expose());
        }
        self.services_inside = Some(access.clone());
        access
    }

    async fn reach(&self, services: &dyn JobServices) -> Result<ServiceAccess, RunnerError> {
        match self.executor.network(&self.identity).await? {
            Some(network) => services.reach(&self.identity, Door::Network(network)).await,
            None => Err(RunnerError::new(
                ErrorKind::ServicesUnreachable,
                "their engine names no address of this machine in their network",
            )),
        }
    }

    /// Closes them again.
    pub(crate) async fn leave_services(&self) {
        if let Some(services) = self.context.services.as_ref().filter(|_| self.executor.is_real()) {
            services.close(&self.identity).await;
        }
    }
}
