//! What a router is started with.

use shipway_base::Clock;
use shipway_traffic::AffinityKey;
use std::{net::SocketAddr, time::Duration};

/// What a router is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one, see [`Router::address`](crate::Router::address).
    pub listen: SocketAddr,
    /// Measures latencies; must not go back.
    pub clock: Clock,
    /// Signs affinity cookies; the same after a restart, or every client is dealt anew.
    pub affinity_key: AffinityKey,
    /// Fresh random bytes for each start: the names of new clients are derived from them.
    pub seed: [u8; 32],
    /// Worker threads; 0 means one for each processor.
    pub workers: usize,
    /// Take connections only after [`Router::open`](crate::Router::open); until then they wait in the system's queue.
    pub held: bool,
    /// What clients and instances may cost.
    pub limits: Limits,
}

/// What clients and instances may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open client connections; further ones wait in the system's queue.
    pub connections: usize,
    /// Bytes of a request head; a longer one is answered 431.
    pub head_bytes: usize,
    /// Header fields of a request; more are answered 431.
    pub headers: usize,
    /// How long a client may take to send a request head, how long a connection may stay idle, and how long a client
    /// may take nothing of its answer.
    pub head_timeout: Duration,
    /// How long a client may pause while it sends a request body.
    pub body_timeout: Duration,
    /// How long connecting to an instance may take.
    pub connect_timeout: Duration,
    /// How long an unused connection to an instance is kept.
    pub idle_timeout: Duration,
    /// Streams of one HTTP/2 connection.
    pub streams: u32,
    /// Clients remembered for each service and epoch; later ones are not counted, and the evidence says so.
    pub clients: usize,
    /// How long an instance that refused a connection is passed over while others of its arm are ready.
    pub ejection: Duration,
    /// The length of the windows from which latency thresholds are taken.
    pub window: Duration,
}

impl Options {
    /// Options with default limits, a worker for each processor, and open from the start.
    pub fn new(listen: SocketAddr, clock: Clock, affinity_key: AffinityKey, seed: [u8; 32]) -> Options {
        Options { listen, clock, affinity_key, seed, workers: 0, held: false, limits: Limits::default() }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 20_000,
            head_bytes: 32 * 1024,
            headers: 100,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(30),
            streams: 200,
            clients: 1_000_000,
            ejection: Duration::from_secs(1),
            window: Duration::from_secs(1),
        }
    }
}
