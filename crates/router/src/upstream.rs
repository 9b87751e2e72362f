//! One HTTP/1.1 connection to an instance.
//!
//! No task drives it: whoever uses the connection polls it, first the request's future, then the body of the answer.
//! So a client that goes away takes its upstream connection with it, nothing wakes another task for each request, and
//! a connection at rest costs nothing.

use crate::{
    body::RequestBody,
    socket::{Ear, Outbox, Socket},
};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{self, Connection, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use shipway_base::Timestamp;
use std::{
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    time::{Instant, Sleep},
};

/// One connection to an instance.
pub(crate) struct Upstream {
    sender: SendRequest<RequestBody>,
    connection: Box<Connection<TokioIo<Socket>, RequestBody>>,
    ear: Ear,
    /// Whether it has served a request before.
    pub(crate) reused: bool,
    pub(crate) alarm: Alarm,
    /// When it came to rest.
    pub(crate) rested_at: Timestamp,
}

/// Ends the waiting for answers: one timer for the life of a connection. It is left running when an answer has come and
/// put off when it goes off, so that most requests leave the event loop's timers alone.
#[derive(Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

/// Why a request got no answer.
pub(crate) struct SendError {
    pub(crate) error: hyper::Error,
    /// The request, when not a byte of it was written.
    pub(crate) unsent: Option<Box<Request<RequestBody>>>,
}

impl Upstream {
    /// Connects within `timeout`.
    pub(crate) async fn connect(
        address: SocketAddr,
        timeout: Duration,
        outbox: &Arc<Outbox>,
    ) -> io::Result<Upstream> {
        let connecting = tokio::time::timeout(timeout, TcpStream::connect(address));
        let stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        let socket = Socket::new(stream, outbox);
        let ear = socket.ear();
        let handshake = http1::Builder::new().handshake(TokioIo::new(socket)).await;
        let (sender, connection) = handshake.map_err(io::Error::other)?;
        let connection = Box::new(connection);
        Ok(Upstream {
            sender,
            connection,
            ear,
            reused: false,
            alarm: Alarm::default(),
            rested_at: Timestamp::EPOCH,
        })
    }

    /// Whether a connection that came to rest may still be used. Almost always nothing has happened to it, and there is
    /// nothing for it to take in.
    pub(crate) fn is_still_usable(&mut self) -> bool {
        self.ear.is_silent() && self.sender.is_ready() || self.is_usable()
    }

    /// Whether a request may be sent now: the instance has not closed the connection and no request is under way.
    pub(crate) fn is_usable(&mut self) -> bool {
        // Nobody waits here: what the event loop knows of the connection is taken in.
        let mut context = Context::from_waker(Waker::noop());
        let open = Pin::new(&mut *self.connection).poll(&mut context).is_pending();
        open && self.sender.is_ready()
    }

    /// Sends a request and waits for the head of its answer. The body's owner goes on with [`Upstream::drive`].
    pub(crate) async fn send(
        &mut self,
        request: Box<Request<RequestBody>>,
    ) -> Result<Response<Incoming>, SendError> {
        let mut answer = pin!(self.sender.try_send_request(*request));
        let connection = &mut *self.connection;
        let result = poll_fn(|context| {
            // Only the connection moves the answer on, so it alone needs to be woken for.
            let mut quiet = Context::from_waker(Waker::noop());
            let driven = Pin::new(&mut *connection).poll(context);
            match answer.as_mut().poll(&mut quiet) {
                // A connection that has ended has said what became of its request; should it not have, the waker of
                // this task brings us back to ask again.
                Poll::Pending if driven.is_ready() => answer.as_mut().poll(context),
                Poll::Pending => Poll::Pending,
                Poll::Ready(result) => Poll::Ready(result),
            }
        });
        result.await.map_err(SendError::from)
    }

    /// Moves bytes in both directions; ready when the connection has ended.
    pub(crate) fn drive(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut *self.connection).poll(context).map(drop)
    }

    /// Parts the connection from its driver, which needs a task of its own, for a request that may make a tunnel of it.
    pub(crate) fn into_task(
        self,
    ) -> (SendRequest<RequestBody>, impl Future<Output = hyper::Result<()>> + Send + 'static) {
        (self.sender, self.connection.with_upgrades())
    }
}

impl Alarm {
    /// Ready from `deadline` on.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl From<TrySendError<Request<RequestBody>>> for SendError {
    fn from(mut failed: TrySendError<Request<RequestBody>>) -> SendError {
        let unsent = failed.take_message().map(Box::new);
        SendError { error: failed.into_error(), unsent }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("reused", &self.reused).finish_non_exhaustive()
    }
}
