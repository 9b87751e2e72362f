//! A router with backends behind it, and a client that speaks plain bytes.

use shipway_base::{Digest, Share};
use shipway_router::{Applied, Limits, Options, Router};
use shipway_testkit::{
    backend::Backend,
    clock,
    load::{Identity, Plan},
};
use shipway_traffic::{AffinityKey, Arm, Client, Instance, InstanceState, Route, Split, Table};
use std::{net::SocketAddr, sync::atomic::AtomicU64, sync::atomic::Ordering::SeqCst, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A router and the number of its next table.
pub(crate) struct World {
    pub(crate) router: Router,
    generation: AtomicU64,
}

/// Nothing that a test waits for takes this long.
pub(crate) const LONG: Duration = Duration::from_secs(30);

impl World {
    pub(crate) async fn new(split: Split) -> World {
        World::with_limits(split, Limits::default()).await
    }

    pub(crate) async fn with_limits(split: Split, limits: Limits) -> World {
        World::with_route(route(split), limits).await
    }

    pub(crate) async fn with_route(route: Route, limits: Limits) -> World {
        let options = Options { workers: 2, limits, ..options() };
        let router = Router::start(options, table(1, route)).await.expect("a router");
        World { router, generation: AtomicU64::new(1) }
    }

    /// Obeys a split in the same epoch.
    pub(crate) fn shift(&self, split: Split) {
        let current = self.router.table().routes["web"].clone();
        self.apply(Route { split, ..current });
    }

    /// Obeys a split as the beginning of a new rollout.
    pub(crate) fn rollout(&self, split: Split) {
        let current = self.router.table().routes["web"].clone();
        let epoch = current.epoch + 1;
        self.apply(Route { split, epoch, salt: format!("salt {epoch}"), ..current });
    }

    pub(crate) fn apply(&self, route: Route) {
        let generation = self.generation.fetch_add(1, SeqCst) + 1;
        let applied = self.router.apply(table(generation, route)).expect("a good table");
        assert_eq!(applied, Applied::Changed);
    }

    /// A load with 200 clients on 16 lanes that keeps cookies.
    pub(crate) fn plan(&self, requests: u64) -> Plan {
        Plan {
            target: self.router.address(),
            host: "web.localhost".to_owned(),
            path: "/".to_owned(),
            clients: 200,
            identity: Identity::Cookies,
            lanes: 16,
            rate: None,
            requests: Some(requests),
            seed: 7,
            patience: LONG,
            version_header: "x-version".to_owned(),
        }
    }

    /// Sends bytes and reads to the end of the connection.
    pub(crate) async fn raw(&self, request: &str) -> String {
        raw(self.router.address(), request).await
    }
}

pub(crate) fn options() -> Options {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Options::new(listen, clock::real(), AffinityKey([7; 32]), [9; 32])
}

pub(crate) fn route(split: Split) -> Route {
    Route {
        service: "web".to_owned(),
        hosts: vec!["web.localhost".to_owned()],
        client: Client { header: None, cookie: true },
        salt: "salt 1".to_owned(),
        epoch: 1,
        split,
        response_timeout: LONG,
    }
}

pub(crate) fn table(generation: u64, route: Route) -> Table {
    Table { generation, routes: [(route.service.clone(), route)].into() }
}

pub(crate) fn closed() -> Split {
    Split::Closed { reason: "nothing is deployed yet".to_owned() }
}

pub(crate) fn single(arm: Arm) -> Split {
    Split::Single(arm)
}

pub(crate) fn canary(stable: Arm, canary: Arm, percent: u8) -> Split {
    Split::Canary { stable, canary, share: Share::percent(percent) }
}

/// An arm of ready backends.
pub(crate) fn arm(version: &str, backends: &[&Backend]) -> Arm {
    arm_at(version, &backends.iter().map(|backend| backend.address()).collect::<Vec<_>>())
}

/// An arm of ready instances at these addresses.
pub(crate) fn arm_at(version: &str, addresses: &[SocketAddr]) -> Arm {
    let instance = |address: &SocketAddr| Instance {
        id: id(version, *address),
        address: *address,
        state: InstanceState::Ready,
    };
    Arm {
        release: format!("release of {version}"),
        version: version.to_owned(),
        digest: Digest::of(version.as_bytes()),
        instances: addresses.iter().map(instance).collect(),
    }
}

/// The same arm with all its instances draining.
pub(crate) fn draining(mut arm: Arm) -> Arm {
    arm.instances.iter_mut().for_each(|instance| instance.state = InstanceState::Draining);
    arm
}

/// The name of an instance in tables.
pub(crate) fn id(version: &str, address: SocketAddr) -> String {
    format!("{version}-{}", address.port())
}

/// `count` backends of one version.
pub(crate) async fn backends(version: &str, count: u64) -> Vec<Backend> {
    let mut backends = Vec::new();
    for seed in 0..count {
        backends.push(Backend::start(version, seed).await);
    }
    backends
}

/// Sends bytes and reads to the end of the connection.
pub(crate) async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a listener");
    stream.write_all(request.as_bytes()).await.expect("an open connection");
    read_to_end(&mut stream).await
}

/// Reads what comes until the other side closes or breaks.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer ends it as well.
    let reading = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await;
    drop(reading.expect("an end in time"));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until `marker` has come, and returns everything up to there.
pub(crate) async fn read_until(stream: &mut TcpStream, marker: &str) -> String {
    let mut text = String::new();
    while !text.contains(marker) {
        let mut chunk = [0; 4_096];
        let read = tokio::time::timeout(LONG, stream.read(&mut chunk)).await.expect("data in time");
        let read = read.expect("an open connection");
        assert!(read > 0, "the connection ended after {text:?}");
        text.push_str(&String::from_utf8_lossy(&chunk[..read]));
    }
    text
}
