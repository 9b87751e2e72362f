//! TCP connections whose small writes go out together.
//!
//! A worker takes up many requests between two looks at its event loop. Were each passed on at once, the programs at the
//! other ends would be woken one by one, each time at the cost of a switch, and the paths of receiving and of sending
//! would push each other out of the processor's caches. So what is short waits in an [`Outbox`] until everything that
//! was ready has had its turn. Nothing waits for more to come: that is the next turn of the same loop.

use std::{
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// A TCP connection of one worker.
#[derive(Debug)]
pub(crate) struct Socket {
    incoming: OwnedReadHalf,
    outgoing: Arc<Outgoing>,
    outbox: Arc<Outbox>,
}

/// Tells of a socket that is in use elsewhere.
#[derive(Debug)]
pub(crate) struct Ear(Arc<Outgoing>);

/// The connections of one worker on which something waits to be sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    connections: Vec<Arc<Outgoing>>,
    /// Wakes whoever empties the box.
    postman: Option<Waker>,
}

/// The sending side of a connection.
struct Outgoing {
    letter: Mutex<Letter>,
    /// The postman could not send everything: the user has to see to it.
    stuck: AtomicBool,
}

struct Letter {
    stream: OwnedWriteHalf,
    /// Taken from the connection's user, and not yet by the system.
    bytes: Vec<u8>,
    listed: bool,
    /// Why the bytes could not be sent; the user's next call tells.
    error: Option<io::Error>,
    /// Wakes the user.
    user: Waker,
}

/// What is longer than this is not copied but sent at once.
const SMALL: usize = 2_048;

impl Outbox {
    /// Sends what waits, again and again. The task is woken by the first write of a turn and so comes after all tasks
    /// that were ready before it.
    pub(crate) async fn empty(self: Arc<Outbox>) {
        let mut sending = Vec::new();
        poll_fn(|context| {
            {
                let mut waiting = lock(&self.0);
                if !waiting.postman.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
                    waiting.postman = Some(context.waker().clone());
                }
                mem::swap(&mut waiting.connections, &mut sending);
            }
            for outgoing in sending.drain(..) {
                outgoing.try_send();
            }
            Poll::<()>::Pending
        })
        .await;
    }

    fn add(&self, outgoing: &Arc<Outgoing>) {
        let mut waiting = lock(&self.0);
        waiting.connections.push(Arc::clone(outgoing));
        if waiting.connections.len() == 1
            && let Some(postman) = &waiting.postman
        {
            postman.wake_by_ref();
        }
    }
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, outbox: &Arc<Outbox>) -> Socket {
        let (incoming, stream) = stream.into_split();
        let user = Waker::noop().clone();
        let letter = Letter { stream, bytes: Vec::new(), listed: false, error: None, user };
        Socket {
            incoming,
            outgoing: Arc::new(Outgoing { letter: Mutex::new(letter), stuck: AtomicBool::new(false) }),
            outbox: Arc::clone(outbox),
        }
    }

    pub(crate) fn ear(&self) -> Ear {
        Ear(Arc::clone(&self.outgoing))
    }

    /// Takes parts that are short together.
    fn post(
        &self,
        mut letter: MutexGuard<'_, Letter>,
        parts: &[IoSlice<'_>],
        context: &Context<'_>,
    ) -> usize {
        let before = letter.bytes.len();
        for part in parts {
            letter.bytes.extend_from_slice(part);
        }
        let taken = letter.bytes.len() - before;
        letter.user.clone_from(context.waker());
        if !mem::replace(&mut letter.listed, true) {
            drop(letter);
            self.outbox.add(&self.outgoing);
        }
        taken
    }
}

impl Ear {
    /// Whether nothing came in, as far as the event loop knows, not even the end; whoever waited for it is forgotten.
    pub(crate) fn is_silent(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        self.0.lock().stream.as_ref().poll_read_ready(&mut context).is_pending()
    }
}

impl Outgoing {
    fn lock(&self) -> MutexGuard<'_, Letter> {
        lock(&self.letter)
    }

    /// Sends what waits as far as the system takes it; whatever hinders it is the user's to deal with.
    fn try_send(&self) {
        let mut letter = self.lock();
        letter.listed = false;
        if letter.bytes.is_empty() || letter.error.is_some() {
            return;
        }
        match letter.stream.try_write(&letter.bytes) {
            Ok(sent) if sent == letter.bytes.len() => return letter.bytes.clear(),
            Ok(sent) => drop(letter.bytes.drain(..sent)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => letter.error = Some(error),
        }
        self.stuck.store(true, Relaxed);
        letter.user.wake_by_ref();
    }
}

impl Letter {
    /// Ready when nothing waits any more.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Err(error));
        }
        while !self.bytes.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.bytes))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.bytes.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().incoming).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut letter = self.outgoing.lock();
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let fits = letter.error.is_none() && letter.bytes.len() + length <= SMALL;
        if !fits {
            ready!(letter.poll_send(context))?;
        }
        if length > SMALL {
            return Pin::new(&mut letter.stream).poll_write_vectored(context, parts);
        }
        Poll::Ready(Ok(self.post(letter, parts, context)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What waits will be sent in this turn; only what could not be sent then is waited for.
        if !self.outgoing.stuck.load(Relaxed) {
            return Poll::Ready(Ok(()));
        }
        ready!(self.outgoing.lock().poll_send(context))?;
        self.outgoing.stuck.store(false, Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut letter = self.outgoing.lock();
        ready!(letter.poll_send(context))?;
        Pin::new(&mut letter.stream).poll_shutdown(context)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.outgoing.try_send();
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    /// A socket whose box is emptied, and the other end.
    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let outbox = Arc::<Outbox>::default();
        drop(tokio::spawn(Arc::clone(&outbox).empty()));
        (Socket::new(near.expect("a connection"), &outbox), far.expect("its other end").0)
    }

    fn within<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let limit = std::time::Duration::from_secs(30);
        runtime.block_on(async { tokio::time::timeout(limit, test).await }).expect("in time")
    }

    async fn is_stuck(socket: &mut Socket) -> bool {
        poll_fn(|context| Poll::Ready(Pin::new(&mut *socket).poll_flush(context).is_pending())).await
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn everything_arrives_in_order(
            pieces in vec((vec(any::<u8>(), 0..4_000), any::<bool>()), 0..12),
            ends_by_drop: bool,
        ) {
            let received = within(async {
                let (mut socket, mut far) = pair().await;
                for (piece, pause) in &pieces {
                    let (front, back) = piece.split_at(piece.len() / 3);
                    let written = socket.write_vectored(&[IoSlice::new(front), IoSlice::new(back)]).await;
                    let written = written.expect("taken");
                    socket.write_all(&piece[written..]).await.expect("taken");
                    if *pause {
                        tokio::task::yield_now().await;
                    }
                }
                if !ends_by_drop {
                    socket.shutdown().await.expect("an end");
                }
                drop(socket);
                let mut received = Vec::new();
                far.read_to_end(&mut received).await.expect("bytes");
                received
            });
            let sent: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece).copied().collect();
            prop_assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
        }
    }

    #[test]
    fn what_is_short_is_sent_within_the_turn_without_a_flush() {
        within(async {
            let (mut socket, mut far) = pair().await;
            for _ in 0..3 {
                socket.write_all(b"ping").await.expect("taken");
                let mut word = [0; 4];
                far.read_exact(&mut word).await.expect("a word");
                assert_eq!(&word, b"ping");
            }
        });
    }

    /// Short writes to somebody who takes nothing: they are held up, nothing is lost, and they go on by themselves.
    #[test]
    fn who_takes_nothing_holds_up_the_writer() {
        within(async {
            let (mut socket, mut far) = pair().await;
            let mut sent = Vec::new();
            while !is_stuck(&mut socket).await {
                let piece = [(sent.len() / 1_000 % 251) as u8; 1_000];
                socket.write_all(&piece).await.expect("taken");
                sent.extend_from_slice(&piece);
                assert!(sent.len() < 1 << 28, "nothing held the writer up");
                tokio::task::yield_now().await;
            }
            let writing = async move {
                socket.flush().await.expect("sent");
                socket.write_all(b"the end").await.expect("taken");
            };
            let mut received = Vec::new();
            let (_, read) = tokio::join!(writing, far.read_to_end(&mut received));
            read.expect("bytes");
            sent.extend_from_slice(b"the end");
            assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
        });
    }

    #[test]
    fn the_loss_of_the_other_end_is_told() {
        within(async {
            let (mut socket, far) = pair().await;
            drop(far);
            let told = async {
                loop {
                    if let Err(error) = socket.write_all(b"anybody there?").await {
                        return error;
                    }
                    tokio::task::yield_now().await;
                }
            };
            let kind = told.await.kind();
            assert!(matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{kind:?}");
        });
    }

    #[test]
    fn an_ear_hears_bytes_and_the_end() {
        within(async {
            let (mut socket, mut far) = pair().await;
            let ear = socket.ear();
            assert!(ear.is_silent());
            far.write_all(b"x").await.expect("sent");
            while ear.is_silent() {
                tokio::task::yield_now().await;
            }
            let mut byte = [0; 8];
            assert_eq!(socket.read(&mut byte).await.expect("a byte"), 1);
            assert!(ear.is_silent());
            drop(far);
            while ear.is_silent() {
                tokio::task::yield_now().await;
            }
        });
    }
}
