//! HTTP servers that behave as told: versions, errors, delays, held requests, broken connections, death.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// How a backend answers.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The status of good answers.
    pub status: u16,
    /// How many of a million requests fail with 500, chosen by the seed.
    pub errors_per_million: u32,
    /// How long every answer takes.
    pub delay: Duration,
    /// The length of the answer.
    pub body_bytes: usize,
    /// Whether each answer ends its connection.
    pub close: bool,
    /// Whether the connection breaks instead of an answer.
    pub break_off: bool,
}

/// One request as a backend saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its method.
    pub method: Method,
    /// Its target.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Its trailers.
    pub trailers: Option<HeaderMap>,
}

/// A server on a free port of the loopback interface. It dies when it is dropped.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    state: Arc<State>,
    listening: CancellationToken,
    living: CancellationToken,
}

#[derive(Debug)]
struct State {
    version: String,
    behaviour: Mutex<Behaviour>,
    random: Mutex<ChaCha8Rng>,
    /// The latest requests, at most `MEMORY`.
    seen: Mutex<VecDeque<Seen>>,
    arrived: watch::Sender<u64>,
    held: watch::Sender<bool>,
    connections: AtomicU64,
    served: AtomicU64,
}

const MEMORY: usize = 64;

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour {
            status: 200,
            errors_per_million: 0,
            delay: Duration::ZERO,
            body_bytes: 100,
            close: false,
            break_off: false,
        }
    }
}

impl Backend {
    /// Starts a server whose answers carry `version` in the header `x-version`.
    pub async fn start(version: &str, seed: u64) -> Backend {
        Backend::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), version, seed).await
    }

    /// Starts a server at an address, as a restarted instance would.
    pub async fn start_at(address: SocketAddr, version: &str, seed: u64) -> Backend {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let state = Arc::new(State {
            version: version.to_owned(),
            behaviour: Mutex::default(),
            random: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            seen: Mutex::default(),
            arrived: watch::Sender::new(0),
            held: watch::Sender::new(false),
            connections: AtomicU64::new(0),
            served: AtomicU64::new(0),
        });
        let address = listener.local_addr().expect("a bound port");
        let (listening, living) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(accept(listener, Arc::clone(&state), listening.clone(), living.clone()));
        Backend { address, state, listening, living }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it answers from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state.behaviour.lock().expect("no panic under the lock"));
    }

    /// Holds every request that arrives until [`Backend::release`].
    pub fn hold(&self) {
        self.state.held.send_replace(true);
    }

    /// Lets held requests be answered.
    pub fn release(&self) {
        self.state.held.send_replace(false);
    }

    /// Waits until `count` requests have arrived since the start.
    pub async fn arrived(&self, count: u64) {
        let mut arrived = self.state.arrived.subscribe();
        arrived.wait_for(|arrived| *arrived >= count).await.expect("the backend lives");
    }

    /// Requests that have arrived since the start.
    pub fn arrivals(&self) -> u64 {
        *self.state.arrived.borrow()
    }

    /// Requests answered since the start, with whatever status.
    pub fn served(&self) -> u64 {
        self.state.served.load(SeqCst)
    }

    /// Connections accepted since the start.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(SeqCst)
    }

    /// The latest request.
    pub fn last(&self) -> Seen {
        let seen = self.state.seen.lock().expect("no panic under the lock");
        seen.back().cloned().expect("a request")
    }

    /// Accepts no more connections; those that are open go on.
    pub fn stop_listening(&self) {
        self.listening.cancel();
    }

    /// Dies as by `kill -9`: nothing is answered any more, all connections break.
    pub fn die(&self) {
        self.listening.cancel();
        self.living.cancel();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.die();
    }
}

async fn accept(
    listener: TcpListener,
    state: Arc<State>,
    listening: CancellationToken,
    living: CancellationToken,
) {
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted.expect("a connection");
                    state.connections.fetch_add(1, SeqCst);
                    connections.spawn(converse(stream, Arc::clone(&state)));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    };
    listening.run_until_cancelled(accepting).await;
    drop(listener);
    living.cancelled().await;
    connections.shutdown().await;
}

async fn converse(stream: TcpStream, state: Arc<State>) {
    stream.set_nodelay(true).expect("a TCP stream");
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // Connections that break are what some tests are about.
    let _ = serving.await;
}

/// The connection is to break.
#[derive(Debug)]
struct BreakOff;

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, BreakOff> {
    let (head, body) = request.into_parts();
    // The request has arrived with its head: held requests with bodies are told apart by what they have sent.
    state.arrived.send_modify(|count| *count += 1);
    let collected = body.collect().await.map_err(|_| BreakOff)?;
    let trailers = collected.trailers().cloned();
    let seen = Seen {
        method: head.method,
        uri: head.uri,
        headers: head.headers,
        body: collected.to_bytes(),
        trailers,
    };
    {
        let mut latest = state.seen.lock().expect("no panic under the lock");
        latest.push_back(seen);
        if latest.len() > MEMORY {
            latest.pop_front();
        }
    }
    let mut held = state.held.subscribe();
    held.wait_for(|held| !held).await.map_err(|_| BreakOff)?;
    let behaviour = state.behaviour.lock().expect("no panic under the lock").clone();
    if behaviour.break_off {
        return Err(BreakOff);
    }
    if !behaviour.delay.is_zero() {
        tokio::time::sleep(behaviour.delay).await;
    }
    let chance = state.random.lock().expect("no panic under the lock").random_range(0..1_000_000_u32);
    let status = if chance < behaviour.errors_per_million { 500 } else { behaviour.status };
    let mut answer = Response::new(Full::new(Bytes::from(vec![b'x'; behaviour.body_bytes])));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    let version = HeaderValue::from_str(&state.version).expect("a plain version");
    answer.headers_mut().insert("x-version", version);
    if behaviour.close {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    state.served.fetch_add(1, SeqCst);
    Ok(answer)
}

impl std::fmt::Display for BreakOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is to break")
    }
}

impl std::error::Error for BreakOff {}
