//! A container that is being put together: from a specification, from options and from the runner itself, until the
//! engine is asked for it.

use super::ports::Port;
use crate::env::passed_to_engine;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, Mount, MountType, NetworkingConfig,
    PortBinding,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Ports are published here when nothing else is written: not beyond this machine.
const LOOPBACK: &str = "127.0.0.1";

/// What is known of a container to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Draft {
    /// What `docker create` calls the configuration, as far as it is not below.
    pub(super) body: ContainerCreateBody,
    /// What it calls the host's configuration, as far as it is not below.
    pub(super) host: HostConfig,
    /// How it takes part in the network of the job.
    pub(super) endpoint: EndpointSettings,
    /// Names it is known by in the network.
    pub(super) aliases: Vec<String>,
    /// The health check, when something about it is said.
    pub(super) health: Option<HealthConfig>,
    /// The environment; a later value replaces an earlier one.
    pub(super) env: BTreeMap<String, String>,
    /// Variables of the image that it is to be without; what is in `env` counts before.
    pub(super) without: BTreeSet<String>,
    /// Labels.
    pub(super) labels: BTreeMap<String, String>,
    /// Ports to publish.
    pub(super) ports: Vec<Port>,
    /// Ports that are only declared.
    pub(super) exposed: Vec<String>,
    /// Volumes without a name, by their place in the container.
    pub(super) anonymous: Vec<String>,
    /// Folders of this machine, mounted by the runner.
    pub(super) mounts: Vec<Mount>,
    /// The name of the container.
    pub(super) name: Option<String>,
    /// The platform of the image.
    pub(super) platform: Option<String>,
    /// When the image is pulled.
    pub(super) pull: Pull,
    /// What has no effect, and why.
    pub(super) warnings: Vec<&'static str>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pull {
    /// When the engine does not have it.
    #[default]
    Missing,
    /// In any case.
    Always,
    /// Never.
    Never,
}

impl Draft {
    /// Mounts a folder of this machine.
    pub(super) fn mount(&mut self, outside: &Path, inside: &Path, read_only: bool) {
        self.mounts.push(Mount {
            target: Some(inside.to_string_lossy().into_owned()),
            source: Some(outside.to_string_lossy().into_owned()),
            typ: Some(MountType::BIND),
            read_only: Some(read_only),
            ..Mount::default()
        });
    }

    /// What the engine is asked for, in a network of the job.
    pub(super) fn finish(self, network: Option<&str>) -> ContainerCreateBody {
        let Draft { mut body, mut host, mut endpoint, .. } = self;
        let mut env = passed_to_engine(&self.env);
        // A name alone takes the image's away.
        env.extend(self.without.into_iter().filter(|name| !self.env.contains_key(name)));
        body.env = Some(env);
        body.labels = Some(self.labels.into_iter().collect());
        body.healthcheck = self.health;
        let mut exposed = self.exposed;
        exposed.extend(self.ports.iter().map(Port::key));
        exposed.sort();
        exposed.dedup();
        body.exposed_ports = Some(exposed);
        if !self.anonymous.is_empty() {
            body.volumes = Some(self.anonymous);
        }
        let mut bindings: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
        for port in &self.ports {
            bindings.entry(port.key()).or_default().push(PortBinding {
                host_ip: Some(port.address.clone().unwrap_or_else(|| LOOPBACK.to_owned())),
                host_port: port.host.map(|host| host.to_string()),
            });
        }
        host.port_bindings = Some(bindings.into_iter().map(|(key, value)| (key, Some(value))).collect());
        host.mounts.get_or_insert_default().extend(self.mounts);
        if let Some(network) = network {
            host.network_mode = Some(network.to_owned());
            endpoint.aliases = Some(self.aliases);
            body.networking_config = Some(NetworkingConfig {
                endpoints_config: Some([(network.to_owned(), endpoint)].into_iter().collect()),
            });
        }
        body.host_config = Some(host);
        body
    }
}
