//! What is started, and how it is.

use shipway_base::Timestamp;
use shipway_rollout::{
    delivery::{HealthResponse, InstancePhase, ObservedInstance, Release},
    document::HealthCheck,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// What is started. Everything a target needs, so that it never asks back.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceSpec {
    /// Unique over all time.
    pub id: String,
    /// The service it belongs to.
    pub service: String,
    /// The version as people call it.
    pub version: String,
    /// The unpacked artifact; the working directory.
    pub directory: PathBuf,
    /// The program, relative to `directory` when it holds a slash, and its arguments.
    pub command: Vec<String>,
    /// Its environment beside `PORT` and what the target adds; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// How it is asked whether it may serve.
    pub health_check: HealthCheck,
    /// How long it may take after TERM when the target itself has to stop it.
    pub stop_timeout: Duration,
}

/// How an instance is.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceStatus {
    /// Its id.
    pub id: String,
    /// The service it belongs to.
    pub service: String,
    /// How it is.
    pub phase: InstancePhase,
    /// Where it listens; `None` until it runs.
    pub address: Option<SocketAddr>,
    /// The process, while it runs.
    pub pid: Option<i32>,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// Since when it is watched: its start, or its adoption.
    pub watched_since: Timestamp,
    /// The last answer to a health check.
    pub health: Option<HealthResponse>,
    /// How often it became unready.
    pub flaps: u32,
    /// Whether it was found running after a restart of this program.
    pub adopted: bool,
    /// The last lines it wrote, at most 20.
    pub last_lines: Vec<String>,
    /// Where everything it wrote is.
    pub log: PathBuf,
}

impl InstanceSpec {
    /// The instance `id` of a release whose artifact is unpacked in `directory`.
    pub fn of(id: &str, release: &Release, directory: &Path) -> InstanceSpec {
        let service = &release.spec.service;
        InstanceSpec {
            id: id.to_owned(),
            service: service.name.value.clone(),
            version: release.version.clone(),
            directory: directory.to_owned(),
            command: service.command.clone(),
            env: service.env.clone(),
            health_check: service.health_check.clone(),
            stop_timeout: service.stop_timeout,
        }
    }
}

impl InstanceStatus {
    /// As a planner sees it.
    pub fn observed(&self) -> ObservedInstance {
        ObservedInstance {
            id: self.id.clone(),
            phase: self.phase.clone(),
            address: self.address,
            watched_since: self.watched_since,
            health: self.health.clone(),
            last_lines: self.last_lines.clone(),
        }
    }
}
