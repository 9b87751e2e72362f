//! The services that actions talk to, as far as a job needs to know of them.

use crate::{
    error::RunnerError,
    executor::{BoxFuture, JobIdentity},
    job::Job,
};
use shipway_base::Secret;
use shipway_workflow::run::JobRequest;
use std::{collections::BTreeMap, fmt};

/// Lets jobs use caches, artifacts and identity tokens.
pub trait JobServices: Send + Sync + fmt::Debug {
    /// Lets a job in and says how its actions reach the services.
    fn open<'a>(
        &'a self,
        request: &'a JobRequest,
        job: &'a JobIdentity,
    ) -> BoxFuture<'a, Result<ServiceAccess, RunnerError>>;

    /// Ends what the job may do. Called once for each job that was let in.
    fn close<'a>(&'a self, job: &'a JobIdentity) -> BoxFuture<'a, ()>;
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
        Ok(())
    }

    /// Closes them again.
    pub(crate) async fn leave_services(&self) {
        if let Some(services) = self.context.services.as_ref().filter(|_| self.executor.is_real()) {
            services.close(&self.identity).await;
        }
    }
}
