//! A seeded, bounded source of load over HTTP: the demo's users, and those of the tests.
//!
//! Clients are dealt to lanes, each lane is one connection with one request at a time. Which client sends when depends
//! on the seed alone, so two runs with one seed differ only in what they meet.

mod lane;
mod report;

pub use report::{Report, VersionReport};

use lane::Lane;
use report::Ledger;
use shipway_base::Clock;
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What load to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to send requests.
    pub target: SocketAddr,
    /// The `Host` they name.
    pub host: String,
    /// The path they ask for.
    pub path: String,
    /// How many clients there are.
    pub clients: u32,
    /// How a client makes itself known.
    pub identity: Identity,
    /// Connections, which is also the limit of requests at one time; no more than there are clients.
    pub lanes: u32,
    /// Requests in a second, evenly spread; `None` sends as fast as the lanes get answers.
    pub rate: Option<f64>,
    /// Ends after this many requests; `None` goes on until stopped.
    pub requests: Option<u64>,
    /// Which client sends when.
    pub seed: u64,
    /// How long a client waits for an answer to its end.
    pub patience: Duration,
    /// The header of an answer that names the version that gave it.
    pub version_header: String,
}

/// How a client makes itself known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It keeps cookies, as browsers do.
    Cookies,
    /// It sends `client-<number>` in this header.
    Header(String),
    /// It does neither.
    Nothing,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which client sent it, `0..clients`.
    pub client: u32,
    /// The status of the answer, when there was one.
    pub status: Option<u16>,
    /// The version that answered, when the answer says.
    pub version: Option<String>,
    /// How it failed; `None` when it was answered below 500 and to the end.
    pub failure: Option<Failure>,
    /// Time to the end of the answer, or until it failed, in microseconds.
    pub micros: u64,
}

/// How a request failed, as its client sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// An answer of 500 and above.
    Status(u16),
    /// The router's own answer, with the reason it gives.
    Router(String),
    /// The target could not be connected to.
    Connect,
    /// The connection ended before the answer.
    Closed,
    /// The answer broke off.
    Cut,
    /// The client lost patience.
    Timeout,
}

/// Hears of every outcome as it happens; called from many tasks.
pub type Observer = Arc<dyn Fn(&Outcome) + Send + Sync>;

/// Load that is being made.
pub struct Load {
    ledger: Arc<Ledger>,
    stop: CancellationToken,
    lanes: JoinSet<()>,
}

impl Load {
    /// Starts to make load, on the runtime of the caller.
    pub fn start(plan: Plan, clock: Clock, observer: Option<Observer>) -> Load {
        let ledger = Arc::new(Ledger::new(observer));
        let stop = CancellationToken::new();
        let count = plan.lanes.clamp(1, plan.clients.max(1));
        let plan = Arc::new(Plan { lanes: count, clients: plan.clients.max(1), ..plan });
        let mut lanes = JoinSet::new();
        for number in 0..count {
            let lane = Lane::new(number, Arc::clone(&plan), clock.clone(), Arc::clone(&ledger));
            let stop = stop.clone();
            lanes.spawn(lane.run(stop));
        }
        Load { ledger, stop, lanes }
    }

    /// What became of the requests so far.
    pub fn report(&self) -> Report {
        self.ledger.report()
    }

    /// Waits until the planned number of requests is over.
    pub async fn finished(mut self) -> Report {
        while self.lanes.join_next().await.is_some() {}
        self.ledger.report()
    }

    /// Sends nothing more, waits for the answers still due, and reports.
    pub async fn stop(self) -> Report {
        self.stop.cancel();
        self.finished().await
    }
}

impl Failure {
    /// Whether the router or the shifting failed the request, not an instance.
    pub fn is_dropped(&self) -> bool {
        match self {
            Failure::Router(cause) => !matches!(cause.as_str(), "timeout" | "no-answer"),
            Failure::Connect | Failure::Closed => true,
            Failure::Status(_) | Failure::Cut | Failure::Timeout => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Status(status) => write!(f, "status {status}"),
            Failure::Router(cause) => write!(f, "router: {cause}"),
            Failure::Connect => f.write_str("connection refused"),
            Failure::Closed => f.write_str("connection closed"),
            Failure::Cut => f.write_str("answer cut"),
            Failure::Timeout => f.write_str("timeout"),
        }
    }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("report", &self.report()).finish_non_exhaustive()
    }
}
