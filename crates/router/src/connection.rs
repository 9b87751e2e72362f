//! What is known of one client connection: its worker, its peer, and the client that used it last.

use crate::{
    clients::Mark, epoch::Epoch, shared::Shared, snapshot::Routed, snapshot::Snapshot, socket::Outbox,
};
use hyper::{
    HeaderMap,
    header::{COOKIE, HeaderValue},
};
use shipway_base::Bucket;
use shipway_traffic::{Affinity, COOKIE as AFFINITY, Client, ClientKey, cookie_values, fingerprint};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};
use tokio_util::task::TaskTracker;

/// One worker thread, as its connections see it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    /// The snapshot this worker used last; only this thread takes the lock.
    snapshot: Mutex<Arc<Snapshot>>,
    turn: AtomicUsize,
    /// What this worker's connections send in this turn.
    pub(crate) outbox: Arc<Outbox>,
    /// The tunnels and HTTP/2 streams that have tasks of their own.
    pub(crate) tasks: TaskTracker,
}

/// One client connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) worker: Arc<Worker>,
    pub(crate) peer: SocketAddr,
    /// The peer's address as `x-forwarded-for` shows it.
    pub(crate) forwarded_for: HeaderValue,
    /// Requests that are not answered to the end.
    busy: AtomicU32,
    /// Requests that have begun.
    begun: AtomicU64,
    /// The latest client: on a connection kept alive it is always the same.
    latest: Mutex<Option<Latest>>,
}

/// A request that is not answered to the end.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Connection>);

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) fingerprint: u64,
    pub(crate) bucket: Bucket,
    /// The new name of a client that had none; its answer sets the cookie.
    pub(crate) named: Option<Affinity>,
}

#[derive(Debug)]
struct Latest {
    cookie: Option<HeaderValue>,
    header: Option<HeaderValue>,
    client: Client,
    salt: String,
    identity: Identity,
    epoch: u64,
    marks: Mark,
}

impl Worker {
    pub(crate) fn new(index: usize, shared: Arc<Shared>) -> Worker {
        let snapshot = Mutex::new(shared.snapshot());
        Worker {
            index,
            shared,
            snapshot,
            turn: AtomicUsize::new(index),
            outbox: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// The snapshot in force, or one that was a moment ago.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let mut cached = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.shared.is_current(&cached) {
            *cached = self.shared.snapshot();
        }
        Arc::clone(&cached)
    }

    /// Lets equally busy instances take turns.
    pub(crate) fn turn(&self) -> usize {
        self.turn.fetch_add(1, Relaxed)
    }
}

impl Connection {
    pub(crate) fn new(worker: Arc<Worker>, peer: SocketAddr) -> Connection {
        let text = peer.ip().to_canonical().to_string();
        // The text of an address is always a valid header.
        let forwarded_for = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"));
        let (busy, begun, latest) = (AtomicU32::new(0), AtomicU64::new(0), Mutex::new(None));
        Connection { worker, peer, forwarded_for, busy, begun, latest }
    }

    /// A request has begun; it is under way until the value is dropped.
    pub(crate) fn begin(self: &Arc<Connection>) -> Busy {
        self.busy.fetch_add(1, Relaxed);
        self.begun.fetch_add(1, Relaxed);
        Busy(Arc::clone(self))
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Relaxed) > 0
    }

    /// How many requests have begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Who sent a request, in the words of its route.
    pub(crate) fn identify(&self, routed: &Routed, headers: &HeaderMap) -> Identity {
        let route = &routed.route;
        let cookie = headers.get(COOKIE);
        let header = route.client.header.as_deref().and_then(|name| headers.get(name));
        let one_cookie = headers.get_all(COOKIE).iter().nth(1).is_none();
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = latest.as_ref().filter(|_| one_cookie)
            && latest.cookie.as_ref() == cookie
            && latest.header.as_ref() == header
            && latest.salt == route.salt
            && latest.client == route.client
        {
            return latest.identity;
        }
        let identity = self.identify_anew(routed, headers, header);
        // A client that got its name just now will not come without it again; were it remembered, another client
        // without a cookie on the same connection would be taken for it.
        if one_cookie && identity.named.is_none() {
            *latest = Some(Latest {
                cookie: cookie.cloned(),
                header: header.cloned(),
                client: route.client.clone(),
                salt: route.salt.clone(),
                identity,
                epoch: 0,
                marks: 0,
            });
        }
        identity
    }

    fn identify_anew(&self, routed: &Routed, headers: &HeaderMap, header: Option<&HeaderValue>) -> Identity {
        let shared = &self.worker.shared;
        let client = &routed.route.client;
        let values = headers.get_all(COOKIE).iter().flat_map(|line| cookie_values(line.as_bytes(), AFFINITY));
        // The cookie tells clients apart only where the router gives it.
        let mut known = values.filter(|_| client.cookie).filter_map(|value| shared.signer.verify(value));
        let mut named = None;
        let key = if let Some(name) = known.next() {
            ClientKey::Cookie(name)
        } else if let Some(value) = header {
            ClientKey::Header(value.as_bytes())
        } else if client.cookie {
            let name = shared.new_name();
            named = Some(name);
            ClientKey::Cookie(name)
        } else {
            ClientKey::Address(self.peer.ip())
        };
        let bytes = key.bytes();
        Identity {
            fingerprint: fingerprint(&bytes, shared.fingerprint_seed),
            bucket: routed.route.bucket(&bytes),
            named,
        }
    }

    /// Runs `observe` with the marks remembered of a client in an epoch, and remembers what it makes of them.
    pub(crate) fn with_marks<T>(
        &self,
        epoch: &Epoch,
        fingerprint: u64,
        observe: impl FnOnce(&mut Mark) -> T,
    ) -> T {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match latest.as_mut().filter(|latest| latest.identity.fingerprint == fingerprint) {
            Some(latest) => {
                if latest.epoch != epoch.serial {
                    (latest.epoch, latest.marks) = (epoch.serial, 0);
                }
                observe(&mut latest.marks)
            }
            None => observe(&mut 0),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Relaxed);
        let shared = &self.0.worker.shared;
        if shared.stopping.load(Relaxed) {
            shared.cut.fetch_add(1, Relaxed);
        }
    }
}
