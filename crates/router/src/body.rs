//! The bodies that pass through, chunk by chunk: neither side is read faster than the other one takes.

use crate::{connection::Busy, flight::Flight, upstream::Upstream};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::time::Sleep;

/// What is read of a body that nobody wants, so that its connection can serve the next request.
const UNWANTED_BYTES: u64 = 64 * 1_024;
const UNWANTED_TIME: Duration = Duration::from_secs(1);

/// What a client sends, on its way to an instance.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    Streaming {
        body: Incoming,
        upload: Arc<Upload>,
        /// How long the client may pause.
        patience: Duration,
        pause: Option<Pin<Box<Sleep>>>,
    },
}

/// How far a request's body has come, for the one who waits for the answer.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    frames: AtomicU64,
    failed: AtomicBool,
    complete: AtomicBool,
}

/// Why a request's body ended early; the client is at fault.
#[derive(Debug)]
pub(crate) enum UploadError {
    Broken(hyper::Error),
    TooSlow,
}

/// The body of an answer; while it lives its connection is busy.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    content: Content,
    _busy: Busy,
}

/// What an instance, or the router itself, answers.
#[derive(Debug)]
pub(crate) enum Content {
    /// The router's own words, or nothing.
    Own(Option<Bytes>),
    /// An instance's answer.
    Proxied(Proxied),
}

/// The body of an instance's answer together with the connection that brings it.
#[derive(Debug)]
pub(crate) struct Proxied {
    body: Incoming,
    /// Until the body is complete or the connection ends.
    upstream: Option<Upstream>,
    flight: Flight,
    /// How the answer broke off; told only after what came before has gone out.
    broken: Option<hyper::Error>,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, patience: Duration) -> (RequestBody, Option<Arc<Upload>>) {
        if body.is_end_stream() {
            return (RequestBody::Empty, None);
        }
        let upload = Arc::new(Upload::default());
        let streaming = RequestBody::Streaming { body, upload: Arc::clone(&upload), patience, pause: None };
        (streaming, Some(upload))
    }

    /// Reads on when the rest is small and comes soon: a connection whose request was not read to its end has to be
    /// closed.
    pub(crate) async fn discard(&mut self) {
        if self.is_end_stream() || self.size_hint().lower() > UNWANTED_BYTES {
            return;
        }
        let reading = async {
            let mut read = 0;
            while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut *self).poll_frame(context)).await {
                read += frame.data_ref().map_or(0, |data| data.len() as u64);
                if read > UNWANTED_BYTES {
                    return;
                }
            }
        };
        // Whether it came to its end is asked of the upload.
        let _in_time = tokio::time::timeout(UNWANTED_TIME, reading).await;
    }
}

impl Upload {
    /// The number of frames that went to the instance so far.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }

    /// Whether all of it was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Relaxed)
    }

    /// Whether the client broke off or paused for too long.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Relaxed)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let RequestBody::Streaming { body, upload, patience, pause } = self.get_mut() else {
            return Poll::Ready(None);
        };
        let fail = |error| {
            upload.failed.store(true, Relaxed);
            Poll::Ready(Some(Err(error)))
        };
        match Pin::new(&mut *body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                *pause = None;
                upload.frames.fetch_add(1, Relaxed);
                // Whoever knows the length asks no further.
                upload.complete.store(body.is_end_stream(), Relaxed);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => fail(UploadError::Broken(error)),
            Poll::Ready(None) => {
                upload.complete.store(true, Relaxed);
                Poll::Ready(None)
            }
            Poll::Pending => {
                let pause = pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(*patience)));
                match pause.as_mut().poll(context) {
                    Poll::Ready(()) => fail(UploadError::TooSlow),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Streaming { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Streaming { body, .. } => body.size_hint(),
        }
    }
}

impl ResponseBody {
    pub(crate) fn new(content: Content, busy: Busy) -> ResponseBody {
        ResponseBody { content, _busy: busy }
    }
}

impl Content {
    /// The body of an answer whose head has come; `upstream` unless another task drives the connection. An empty body
    /// frees the connection at once.
    pub(crate) fn proxied(body: Incoming, upstream: Option<Upstream>, flight: Flight) -> Content {
        let ended = body.is_end_stream();
        let mut proxied = Proxied { body, upstream, flight, broken: None };
        if ended {
            proxied.finish();
            return Content::Own(None);
        }
        Content::Proxied(proxied)
    }
}

impl Proxied {
    /// The answer is complete: the connection rests until the next request.
    fn finish(&mut self) {
        if let Some(upstream) = self.upstream.take() {
            self.flight.rest(upstream);
        }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        // What has arrived is taken without asking to be woken: only the connection brings more.
        let mut quiet = Context::from_waker(Waker::noop());
        let mut frame = Pin::new(&mut self.body).poll_frame(&mut quiet);
        if frame.is_pending() {
            let ended = match &mut self.upstream {
                Some(upstream) => upstream.drive(context).is_ready(),
                None => true,
            };
            if ended {
                self.upstream = None;
                frame = Pin::new(&mut self.body).poll_frame(context);
            } else {
                frame = Pin::new(&mut self.body).poll_frame(&mut quiet);
            }
        }
        match frame {
            Poll::Ready(Some(Err(error))) => {
                self.flight.cut();
                self.broken = Some(error);
                // The server writes what it has while the body pends, and comes back at once.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(None) => self.finish(),
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.finish(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        frame
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.get_mut().content {
            Content::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Content::Proxied(proxied) => proxied.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(text) => text.is_none(),
            Content::Proxied(proxied) => proxied.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Content::Proxied(proxied) => proxied.body.size_hint(),
        }
    }
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UploadError::Broken(error) => write!(f, "the client broke off its request: {error}"),
            UploadError::TooSlow => f.write_str("the client paused for too long in its request"),
        }
    }
}

impl std::error::Error for UploadError {}
