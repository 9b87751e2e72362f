//! Releases and the deployments that make them live.

use crate::{ReleaseId, RolloutId, RunId};
use serde::{Deserialize, Serialize};
use shipway_base::{Digest, Timestamp};

/// Enough of a release to name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRef {
    /// The release.
    pub id: ReleaseId,
    /// The version as people call it.
    pub version: String,
    /// What it consists of.
    pub digest: Digest,
}

/// An artifact of a service that can be deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its name.
    pub release: ReleaseRef,
    /// The service.
    pub service: String,
    /// The run that built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The commit it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// When it was first deployed.
    #[serde(with = "crate::time")]
    pub created_at: Timestamp,
    /// Whether it is what everyone gets now.
    pub live: bool,
}

/// `POST /api/v1/deployments`. Send an `Idempotency-Key`: the same key with the same body answers the same rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployRequest {
    /// The service, as `metadata.name` in the spec.
    pub service: String,
    /// The name of the artifact within the run.
    pub artifact: String,
    /// The run that uploaded the artifact.
    pub run_id: RunId,
    /// The text of the delivery document (`shipway.yaml`) at the run's commit.
    pub spec: String,
    /// The name of that document, for messages about it.
    pub spec_name: String,
    /// The version as people call it; else the commit's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What a deployment began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// The rollout.
    pub rollout: RolloutId,
    /// The service.
    pub service: String,
    /// The release.
    pub release: ReleaseRef,
    /// The path of its page.
    pub path: String,
    /// Whether this request was answered before, with the same `Idempotency-Key`.
    pub repeated: bool,
}
