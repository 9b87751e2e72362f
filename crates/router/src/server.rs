//! The threads of a router: each worker has an event loop of its own and keeps its connections for life, so that no
//! request ever crosses threads. Worker 0 also accepts, and deals new connections to the least busy worker.

use crate::{
    RouterError,
    connection::{Connection, Worker},
    forward,
    peek::{Intake, Peeked},
    shared::Shared,
};
use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    future::poll_fn,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, Sleep},
};
use tokio_util::sync::CancellationToken;

/// How the threads of a router are told to begin and to end.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Begin to accept.
    pub(crate) opened: CancellationToken,
    /// Accept nothing more and let requests in flight finish.
    pub(crate) soft: CancellationToken,
    /// Cut everything.
    pub(crate) hard: CancellationToken,
    /// Connections open now.
    pub(crate) open: Arc<AtomicUsize>,
}

/// A connection on its way to its worker.
type Dealt = (TcpStream, SocketAddr, OwnedSemaphorePermit);

/// A worker as the acceptor sees it.
#[derive(Debug)]
struct Hand {
    deal: mpsc::Sender<Dealt>,
    open: Arc<AtomicUsize>,
}

/// How long the acceptor waits when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The limit that hyper has of itself: it then keeps headers on the stack as they come, and prepares a list of any other length
/// for each request.
const HEADERS_OF_HYPER: usize = 100;
/// How often resting connections are looked at, as a fraction of their time limit.
const SWEEPS: u32 = 4;

/// Starts the workers. Each ends when its connections have ended after a soft stop, or on a hard stop; the receivers
/// hear of it.
pub(crate) fn start(
    shared: &Arc<Shared>,
    listener: TcpListener,
    stop: &Stop,
) -> Result<Vec<oneshot::Receiver<()>>, RouterError> {
    let mut hands = Vec::new();
    let mut inboxes = Vec::new();
    for _ in 0..shared.workers {
        let (deal, inbox) = mpsc::channel(1_024);
        hands.push(Hand { deal, open: Arc::default() });
        inboxes.push(inbox);
    }
    let opens: Vec<_> = hands.iter().map(|hand| Arc::clone(&hand.open)).collect();
    let mut accepting = Some((listener, hands));
    let mut ended = Vec::new();
    for (index, (inbox, open)) in inboxes.into_iter().zip(opens).enumerate() {
        let fail = |cause| RouterError::Worker { worker: index, cause };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
        let worker = Arc::new(Worker::new(index, Arc::clone(shared)));
        let life = Life {
            worker,
            inbox,
            open,
            soft: stop.soft.clone(),
            hard: stop.hard.clone(),
            all_open: Arc::clone(&stop.open),
        };
        let (done, end) = oneshot::channel();
        ended.push(end);
        let (accepting, opened) = (accepting.take(), stop.opened.clone());
        let run = move || {
            runtime.block_on(async move {
                if let Some((listener, hands)) = accepting {
                    let limit = life.worker.shared.options.limits.connections;
                    tokio::spawn(accept(listener, hands, limit, (opened, life.soft.clone())));
                    tokio::spawn(keep_time(Arc::clone(&life.worker.shared)));
                }
                tokio::spawn(Arc::clone(&life.worker.outbox).empty());
                life.run().await;
            });
            // Whatever is left is cut here, before anybody hears that the worker has ended.
            drop(runtime);
            drop(done);
        };
        thread::Builder::new().name(format!("router-{index}")).spawn(run).map_err(fail)?;
    }
    Ok(ended)
}

/// Accepts from the beginning until the soft stop.
async fn accept(
    listener: TcpListener,
    hands: Vec<Hand>,
    limit: usize,
    (opened, stop): (CancellationToken, CancellationToken),
) {
    let room = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot watch the router's listener");
            return;
        }
    };
    let accepting = async {
        opened.cancelled().await;
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            match accept_one(&listener).await {
                Ok((stream, peer)) => {
                    let Some(hand) = hands.iter().min_by_key(|hand| hand.open.load(Relaxed)) else { return };
                    hand.open.fetch_add(1, Relaxed);
                    if hand.deal.send((stream, peer, permit)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
}

/// Accepts one connection and frees it from this thread's event loop.
async fn accept_one(listener: &tokio::net::TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream.into_std()?, peer))
}

/// Ends the windows of latency and tells watchers of traffic that brought no first failure.
async fn keep_time(shared: Arc<Shared>) {
    let window = shared.options.limits.window.max(Duration::from_millis(1));
    let mut ticks = tokio::time::interval(window);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        for (_, service) in shared.services() {
            service.current_epoch().end_window();
        }
        shared.changed();
    }
}

/// One worker's life.
struct Life {
    worker: Arc<Worker>,
    inbox: mpsc::Receiver<Dealt>,
    open: Arc<AtomicUsize>,
    soft: CancellationToken,
    hard: CancellationToken,
    all_open: Arc<AtomicUsize>,
}

/// Counts an open connection until it is dropped.
struct Open {
    here: Arc<AtomicUsize>,
    all: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Life {
    async fn run(mut self) {
        let limits = self.worker.shared.options.limits.clone();
        let mut sweeps = tokio::time::interval((limits.idle_timeout / SWEEPS).max(Duration::from_millis(1)));
        loop {
            tokio::select! {
                dealt = self.inbox.recv() => match dealt {
                    Some(dealt) => self.take(dealt),
                    None => break,
                },
                _ = sweeps.tick() => self.sweep(limits.idle_timeout),
                () = self.soft.cancelled() => break,
            }
        }
        self.inbox.close();
        while let Ok(dealt) = self.inbox.try_recv() {
            self.take(dealt);
        }
        self.worker.tasks.close();
        self.hard.run_until_cancelled(self.worker.tasks.wait()).await;
    }

    fn take(&self, (stream, peer, permit): Dealt) {
        let connection = Arc::new(Connection::new(Arc::clone(&self.worker), peer));
        self.all_open.fetch_add(1, Relaxed);
        let open = Open { here: Arc::clone(&self.open), all: Arc::clone(&self.all_open), _permit: permit };
        let soft = self.soft.clone();
        let serving = async move {
            if let Err(error) = converse(stream, connection, soft).await {
                tracing::debug!(%peer, %error, "client connection ended");
            }
            drop(open);
        };
        drop(self.worker.tasks.spawn(serving));
    }

    fn sweep(&self, limit: Duration) {
        let since = self.worker.shared.now() - limit;
        for instance in self.worker.shared.all_instances() {
            instance.sweep(self.worker.index, since);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.here.fetch_sub(1, Relaxed);
        self.all.fetch_sub(1, Relaxed);
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Speaks with one client until either side has enough.
async fn converse(
    stream: TcpStream,
    connection: Arc<Connection>,
    stop: CancellationToken,
) -> Result<(), BoxError> {
    let limits = connection.worker.shared.options.limits.clone();
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let intake = Arc::<Intake>::default();
    let first = stop.run_until_cancelled(tokio::time::timeout(
        limits.head_timeout,
        Peeked::new(stream, &connection.worker.outbox, Arc::clone(&intake)),
    ));
    let Some(first) = first.await else { return Ok(()) };
    let stream = first.map_err(|_| "the client sent nothing")??;
    let http2 = stream.is_http2();
    let io = TokioIo::new(stream);
    let patience = Patience { connection: Arc::clone(&connection), intake, limit: limits.head_timeout, stop };
    let handler = Arc::clone(&connection);
    let service = service_fn(move |request| forward::serve(Arc::clone(&handler), request));
    if http2 {
        let mut builder = http2::Builder::new(Streams(Arc::clone(&connection.worker)));
        builder.timer(TokioTimer::new());
        builder.max_concurrent_streams(limits.streams);
        builder.max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX));
        let serving = builder.serve_connection(io, service);
        patience.apply(serving, |serving| serving.graceful_shutdown()).await
    } else {
        let mut builder = http1::Builder::new();
        if limits.headers != HEADERS_OF_HYPER {
            builder.max_headers(limits.headers);
        }
        builder.max_buf_size(limits.head_bytes.max(8 * 1_024));
        let serving = builder.serve_connection(io, service).with_upgrades();
        patience.apply(serving, |serving| serving.graceful_shutdown()).await
    }
}

/// Runs the streams of HTTP/2 connections on their worker.
#[derive(Clone)]
struct Streams(Arc<Worker>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, future: F) {
        drop(self.0.tasks.spawn(future));
    }
}

/// Ends a connection that idles, sends its head too slowly or takes nothing of its answer, and lets it finish on a
/// soft stop. The clock is looked at once in a while, not for each request: a client has between one and two times the
/// limit.
struct Patience {
    connection: Arc<Connection>,
    intake: Arc<Intake>,
    limit: Duration,
    stop: CancellationToken,
}

/// What a connection had done when it was looked at.
struct Seen {
    /// Requests that had begun.
    begun: u64,
    /// Writes that had been taken while another one waited.
    waiting: Option<u64>,
}

impl Patience {
    async fn apply<C>(self, serving: C, finish: impl Fn(Pin<&mut C>)) -> Result<(), BoxError>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut serving = pin!(serving);
        let mut stopping = pin!(self.stop.cancelled());
        let mut timer = pin!(tokio::time::sleep(self.limit));
        let mut before = Seen { begun: 0, waiting: None };
        // A task is woken by the same waker all its life, so the token and the timer hear of it once; later they are
        // only looked at.
        let (mut registered, mut finishing) = (false, false);
        poll_fn(|context| {
            if let Poll::Ready(ended) = serving.as_mut().poll(context) {
                return Poll::Ready(ended.map_err(BoxError::from));
            }
            let first = !std::mem::replace(&mut registered, true);
            let asked = first || self.connection.worker.shared.ending.load(Relaxed);
            if !finishing && asked && stopping.as_mut().poll(context).is_ready() {
                finishing = true;
                finish(serving.as_mut());
                if let Poll::Ready(ended) = serving.as_mut().poll(context) {
                    return Poll::Ready(ended.map_err(BoxError::from));
                }
            }
            if (first || timer.is_elapsed()) && self.is_over(timer.as_mut(), &mut before, context) {
                return Poll::Ready(Err("the client was idle or too slow".into()));
            }
            Poll::Pending
        })
        .await
    }

    fn is_over(&self, mut timer: Pin<&mut Sleep>, before: &mut Seen, context: &mut Context<'_>) -> bool {
        while timer.as_mut().poll(context).is_ready() {
            let now = Seen { begun: self.connection.begun(), waiting: self.intake.waiting_after() };
            let idle = !self.connection.is_busy() && now.begun == before.begun;
            let stuck = now.waiting.is_some() && now.waiting == before.waiting;
            if idle || stuck {
                return true;
            }
            *before = now;
            timer.as_mut().reset(Instant::now() + self.limit);
        }
        false
    }
}
