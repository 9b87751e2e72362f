//! The first bytes of a connection, read to tell HTTP/2 from HTTP/1.1 and then given back.

use crate::socket::{Outbox, Socket};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A connection whose first bytes are read again.
#[derive(Debug)]
pub(crate) struct Peeked {
    stream: Socket,
    first: [u8; PREFACE.len()],
    /// The part of `first` that is still to be read again.
    unread: std::ops::Range<usize>,
    http2: bool,
    intake: Arc<Intake>,
}

/// How well a client takes what is sent to it.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Writes that the system took.
    writes: AtomicU64,
    /// The latest write had to wait.
    waits: AtomicBool,
}

/// What every HTTP/2 connection with prior knowledge begins with (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Peeked {
    /// Reads until it is clear what the client speaks; that is one byte for almost every HTTP/1.1 client.
    pub(crate) async fn new(
        mut stream: TcpStream,
        outbox: &Arc<Outbox>,
        intake: Arc<Intake>,
    ) -> io::Result<Peeked> {
        let mut first = [0; PREFACE.len()];
        let mut length = 0;
        while length < PREFACE.len() && first[..length] == PREFACE[..length] {
            let read = stream.read(&mut first[length..]).await?;
            if read == 0 {
                break;
            }
            length += read;
        }
        Ok(Peeked {
            stream: Socket::new(stream, outbox),
            first,
            unread: 0..length,
            http2: length == PREFACE.len() && first == *PREFACE,
            intake,
        })
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http2
    }
}

impl Intake {
    fn note(&self, taken: bool) {
        if taken {
            self.writes.fetch_add(1, Relaxed);
        }
        self.waits.store(!taken, Relaxed);
    }

    /// The number of writes taken so far, while another one waits.
    pub(crate) fn waiting_after(&self) -> Option<u64> {
        self.waits.load(Relaxed).then(|| self.writes.load(Relaxed))
    }
}

impl AsyncRead for Peeked {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unread.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let length = this.unread.len().min(buffer.remaining());
        buffer.put_slice(&this.first[this.unread.start..this.unread.start + length]);
        this.unread.start += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peeked {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.intake.note(written.is_ready());
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, parts);
        this.intake.note(written.is_ready());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
