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
    /// A host is empty, has a port or upper-case letters, so that no request could ever match it.
    HostForm {
        /// The service.
        service: String,
        /// The host.
        host: String,
    },
    /// A route stands under another name than its service's.
    Misnamed {
        /// The name it stands under.
        name: String,
        /// The service it is for.
        service: String,
    },
}

impl Table {
    /// The route that serves requests for `host` (without port, lower case): the one that names it, else the
    /// default route.
    pub fn select(&self, host: &str) -> Option<&Route> {
        let default = || self.routes.values().find(|route| route.hosts.is_empty());
        self.routes.values().find(|route| route.hosts.iter().any(|named| named == host)).or_else(default)
    }

    /// Checks what the types cannot: hosts can match and are claimed once, instance ids are unique within a route.
    ///
    /// # Errors
    /// The first conflict.
    pub fn validate(&self) -> Result<(), RouteError> {
        let mut hosts: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, route) in &self.routes {
            if *name != route.service {
                return Err(RouteError::Misnamed { name: name.clone(), service: route.service.clone() });
            }
            if let Some(host) = route.hosts.iter().find(|host| !is_host(host)) {
                return Err(RouteError::HostForm { service: name.clone(), host: host.clone() });
            }
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

/// Whether a request's host, brought into its plain form, can ever equal `host`.
fn is_host(host: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !c.is_ascii_uppercase() && !matches!(c, '/' | '@' | '*');
    let address = host.starts_with('[') && host.ends_with(']');
    !host.is_empty() && host.chars().all(plain) && (address || !host.contains(':'))
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
            RouteError::HostForm { service, host } => {
                write!(
                    f,
                    "the service {service} claims the host {host:?}, which no request can name; write it in lower \
                     case and without a port"
                )
            }
            RouteError::Misnamed { name, service } => {
                write!(f, "the route of the service {service} stands under the name {name}")
            }
        }
    }
}

impl std::error::Error for RouteError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use shipway_base::BUCKETS;

    fn arm(release: &str, instances: &[&str]) -> Arm {
        let instance = |id: &&str| Instance {
            id: (*id).to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 80)),
            state: InstanceState::Ready,
        };
        Arm {
            release: release.to_owned(),
            version: release.to_owned(),
            digest: Digest::of(release.as_bytes()),
            instances: instances.iter().map(instance).collect(),
        }
    }

    fn route(service: &str, hosts: &[&str], split: Split) -> Route {
        Route {
            service: service.to_owned(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            client: Client::default(),
            salt: "salt".to_owned(),
            epoch: 1,
            split,
            response_timeout: Duration::from_secs(1),
        }
    }

    fn table(routes: Vec<Route>) -> Table {
        Table {
            generation: 1,
            routes: routes.into_iter().map(|route| (route.service.clone(), route)).collect(),
        }
    }

    fn closed() -> Split {
        Split::Closed { reason: "not deployed".to_owned() }
    }

    fn canary(share: Share) -> Split {
        Split::Canary { stable: arm("v1", &["a", "b"]), canary: arm("v2", &["c"]), share }
    }

    #[test]
    fn validate_finds_what_the_types_allow() {
        let check = |routes: Vec<Route>, expect: Option<&str>| {
            let found = table(routes).validate().err().map(|error| error.to_string());
            match (&found, expect) {
                (None, None) => {}
                (Some(text), Some(part)) => assert!(text.contains(part), "{text} lacks {part}"),
                _ => panic!("{found:?} is not {expect:?}"),
            }
        };
        check(vec![], None);
        check(vec![route("a", &["a.local", "[::1]"], closed()), route("b", &[], canary(Share::ALL))], None);
        check(vec![route("a", &[], closed()), route("b", &[], closed())], Some("both claim the host *"));
        check(
            vec![route("a", &["x"], closed()), route("b", &["x"], closed())],
            Some("both claim the host x"),
        );
        check(vec![route("a", &["X"], closed())], Some("lower case"));
        check(vec![route("a", &["x:80"], closed())], Some("without a port"));
        check(vec![route("a", &[""], closed())], Some("no request can name"));
        check(vec![route("a", &["x", "x"], closed())], Some("a and a both claim"));
        let twice =
            Split::Canary { stable: arm("v1", &["a"]), canary: arm("v2", &["a"]), share: Share::ZERO };
        check(vec![route("a", &[], twice)], Some("instance a stands twice"));
        let mut misnamed = table(vec![route("a", &[], closed())]);
        let moved = misnamed.routes.remove("a").expect("a route");
        misnamed.routes.insert("b".to_owned(), moved);
        assert!(misnamed.validate().is_err());
    }

    #[test]
    fn select_prefers_the_host_over_the_default() {
        let table = table(vec![route("any", &[], closed()), route("web", &["web.localhost"], closed())]);
        let check = |host: &str, expect: &str| {
            assert_eq!(table.select(host).map(|route| route.service.as_str()), Some(expect), "{host}");
        };
        check("web.localhost", "web");
        check("other", "any");
        check("", "any");
    }

    /// The reference: a wheel of 10,000 places of which the canary holds the first `share`.
    fn model(share: u16) -> Vec<ArmName> {
        let place = |place| if place < share { ArmName::Canary } else { ArmName::Stable };
        (0..BUCKETS).map(place).collect()
    }

    proptest! {
        #[test]
        fn choose_agrees_with_a_wheel(share in 0_u16..=10_000, buckets in vec(0_u16..10_000, 1..64)) {
            let route = route("web", &[], canary(Share::basis_points(share)));
            let wheel = model(share);
            for number in buckets {
                let (name, arm) = route.choose(Bucket::new(number)).expect("an open route");
                prop_assert_eq!(name, wheel[usize::from(number)]);
                prop_assert_eq!(arm.release.as_str(), if name == ArmName::Canary { "v2" } else { "v1" });
            }
        }

        #[test]
        fn raising_the_share_moves_clients_one_way_only(key: Vec<u8>, shares in vec(0_u16..=10_000, 2..12)) {
            let mut shares = shares;
            shares.sort_unstable();
            let mut before = ArmName::Stable;
            for share in shares {
                let route = route("web", &[], canary(Share::basis_points(share)));
                let (name, _) = route.choose(route.bucket(&key)).expect("an open route");
                prop_assert!(name >= before, "moved back to stable at {}", share);
                before = name;
            }
        }

        #[test]
        fn a_closed_route_serves_nobody_and_a_single_one_everybody(number: u16) {
            prop_assert!(route("web", &[], closed()).choose(Bucket::new(number)).is_none());
            let single = route("web", &[], Split::Single(arm("v1", &["a"])));
            prop_assert_eq!(single.choose(Bucket::new(number)).map(|(name, _)| name), Some(ArmName::Stable));
            prop_assert_eq!(single.split.canary_share(), Share::ZERO);
        }
    }
}
