//! What a job is given, and what the services give it.

use crate::{artifacts::ArtifactStore, scope::CacheAccess};
use serde_json::{Map, Value};
use shipway_base::Secret;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What one attempt of one job may do.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Names the run in the protocol of artifacts; without a colon or a space.
    pub run: String,
    /// Names this attempt of the job, as no other; without a colon or a space.
    pub job: String,
    /// `owner/name`.
    pub repository: String,
    /// Whose caches these are. Entries are never seen from another namespace.
    pub namespace: String,
    /// The caches that may be read and written.
    pub caches: CacheAccess,
    /// `permissions` of the job, by scope.
    pub permissions: BTreeMap<String, String>,
    /// What identity tokens say, for a job with `id-token: write`.
    pub identity: Option<Identity>,
    /// Where the artifacts of the run are.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// How long its tokens are good for.
    pub lifetime: Duration,
}

/// What identity tokens of a job say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// The `github` context.
    pub github: Map<String, Value>,
    /// The name of the job's `environment`.
    pub environment: Option<String>,
    /// The workflow that the job stands in, `owner/name/path@ref`, where it is not the one that was started.
    pub job_workflow_ref: Option<String>,
    /// The commit of that workflow.
    pub job_workflow_sha: Option<String>,
}

/// What a job needs to reach the services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Variables of JavaScript and container actions.
    pub actions: BTreeMap<String, String>,
    /// Variables of `run` steps: those of identity tokens, where the job may have them.
    pub scripts: BTreeMap<String, String>,
    /// What must never be seen in a log.
    pub masks: Vec<Secret>,
}
