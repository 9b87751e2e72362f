//! Containers beside the machine's own executor, where this program supports them.

use crate::{
    executor::{Executor, Patience},
    host::HostExecutor,
};
use std::{path::PathBuf, sync::Arc};

/// What the surroundings say about the engine. Read by the binary, once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineSettings {
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `CONTAINER_HOST`, Podman's word for it.
    pub container_host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub docker_context: Option<String>,
    /// `DOCKER_TLS_VERIFY` is set and not empty.
    pub tls: bool,
    /// `DOCKER_CONFIG`, or `.docker` in the home folder: where `config.json` and the contexts are.
    pub config: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime: Option<PathBuf>,
    /// The home folder.
    pub home: Option<PathBuf>,
    /// The number of the user.
    pub user: u32,
}

/// An executor that runs jobs on this machine, and in containers of an engine where they want them. Without the feature
/// `docker` it is that of the machine, which refuses containers.
pub fn with_containers(
    host: HostExecutor,
    settings: EngineSettings,
    patience: Patience,
) -> Arc<dyn Executor> {
    #[cfg(feature = "docker")]
    return Arc::new(crate::docker::DockerExecutor::new(host, settings, patience));
    #[cfg(not(feature = "docker"))]
    {
        let _ = (settings, patience);
        Arc::new(host)
    }
}
