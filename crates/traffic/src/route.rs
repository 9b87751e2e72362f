//! Tables of routes and the one decision they contain: which arm serves a client.

use shipway_base::{Bucket, Digest, Share, bucket};
use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

/// All routes of a router, by service name. Tables are compared, never patched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Grows with every change; a router ignores a table that is older than the one it obeys.
    pub generation: u64,
    /// The routes by service name.
    pub routes: BTreeMap<String, Route>,
}

/// How requests of one service are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The service.
    pub service: String,
    /// The `Host` names (without port, lower case) that select this route; empty for the default route.
    pub hosts: Vec<String>,
    /// Who counts as one client.
    pub client: Client,
    /// The salt of the buckets. It changes with every rollout, so that not always the same clients go first, and
    /// stays while one rollout lasts, so that raising a weight never moves a client back.
    pub salt: String,
    /// The rollout whose evidence is being gathered; a change starts new counts and new sets of clients.
    pub epoch: u64,
    /// Who serves which share.
    pub split: Split,
    /// How long a request may wait for the first byte of an answer.
    pub response_timeout: Duration,
}

/// How a request's client is told apart, best first: the signed affinity cookie, then this header, then the address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The name of a request header that names the client (a user id, an API key), lower case.
    pub header: Option<String>,
    /// Whether the router sets its signed cookie on answers to clients that have none.
    pub cookie: bool,
}

/// Which arms there are and what share the canary serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// Nothing can serve yet; requests are answered 503 with this reason.
    Closed {
        /// Why, for people.
        reason: String,
    },
    /// One version serves everyone.
    Single(Arm),
    /// Two versions share the clients.
    Canary {
        /// The version that is known to be good.
        stable: Arm,
        /// The version on trial.
        canary: Arm,
        /// The share of clients that the canary serves.
        share: Share,
    },
}

/// Which of the two arms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArmName {
    /// The version that is known to be good; also the only version.
    Stable,
    /// The version on trial.
    Canary,
}

/// One version and the instances that serve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// The release, for labels and reports.
    pub release: String,
    /// The version as people call it.
    pub version: String,
    /// What runs there.
    pub digest: Digest,
    /// The instances, ready and draining.
    pub instances: Vec<Instance>,
}

/// One running copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Unique over all time, so that counters never mix.
    pub id: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it may receive new requests.
    pub state: InstanceState,
}

/// Whether an instance may receive new requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// It may.
    Ready,
    /// It finishes what it has and receives nothing new.
    Draining,
}

/// Why a table cannot be obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// Two routes claim the same host, or two claim to be the default.
    HostTaken {
        /// The host, or `*` for the default route.
        host: String,
        /// The two services.
        services: [String; 2],
    },
    /// The same instance id stands twice in a route.
    InstanceTwice {
        /// The instance.
        instance: String,
    },
}

impl Table {
    /// Checks what the types cannot: hosts are claimed once, instance ids are unique within a route.
    ///
    /// # Errors
    /// The first conflict.
    pub fn validate(&self) -> Result<(), RouteError> {
        let mut hosts: BTreeMap<&str, &str> = BTreeMap::new();
        for route in self.routes.values() {
            let named = route.hosts.iter().map(String::as_str);
            let default = route.hosts.is_empty().then_some("*");
            for host in named.chain(default) {
                if let Some(other) = hosts.insert(host, &route.service) {
                    let services = [other.to_owned(), route.service.clone()];
                    return Err(RouteError::HostTaken { host: host.to_owned(), services });
                }
            }
            let mut ids = std::collections::BTreeSet::new();
            for instance in route.split.arms().into_iter().flat_map(|(_, arm)| &arm.instances) {
                if !ids.insert(&instance.id) {
                    return Err(RouteError::InstanceTwice { instance: instance.id.clone() });
                }
            }
        }
        Ok(())
    }
}

impl Route {
    /// The bucket of a client of this route.
    pub fn bucket(&self, client_key: &[u8]) -> Bucket {
        bucket(&self.salt, client_key)
    }

    /// The arm that serves a bucket; `None` when the route is closed.
    pub fn choose(&self, bucket: Bucket) -> Option<(ArmName, &Arm)> {
        match &self.split {
            Split::Closed { .. } => None,
            Split::Single(arm) => Some((ArmName::Stable, arm)),
            Split::Canary { canary, share, .. } if bucket.is_within(*share) => {
                Some((ArmName::Canary, canary))
            }
            Split::Canary { stable, .. } => Some((ArmName::Stable, stable)),
        }
    }
}

impl Split {
    /// The arms in order.
    pub fn arms(&self) -> Vec<(ArmName, &Arm)> {
        match self {
            Split::Closed { .. } => Vec::new(),
            Split::Single(arm) => vec![(ArmName::Stable, arm)],
            Split::Canary { stable, canary, .. } => {
                vec![(ArmName::Stable, stable), (ArmName::Canary, canary)]
            }
        }
    }

    /// The share of clients that the canary serves.
    pub fn canary_share(&self) -> Share {
        match self {
            Split::Closed { .. } | Split::Single(_) => Share::ZERO,
            Split::Canary { share, .. } => *share,
        }
    }
}

impl fmt::Display for ArmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ArmName::Stable => "stable",
            ArmName::Canary => "canary",
        })
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::HostTaken { host, services: [a, b] } => {
                write!(
                    f,
                    "the services {a} and {b} both claim the host {host}; give each its own under `route.hosts`"
                )
            }
            RouteError::InstanceTwice { instance } => {
                write!(f, "the instance {instance} stands twice in one route")
            }
        }
    }
}

impl std::error::Error for RouteError {}
