//! A TCP connection that sends what is small in one piece.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A TCP connection. A head with a short body comes as several parts; the system takes one buffer with less work than a
/// list of them, so that copying a few hundred bytes together is the cheaper way.
#[derive(Debug)]
pub(crate) struct Socket(pub(crate) TcpStream);

/// Parts of more bytes than this are not copied.
const SMALL: usize = 2_048;

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.get_mut().0);
        if let [only] = parts {
            return stream.poll_write(context, only);
        }
        let mut together = [0; SMALL];
        match gathered(parts, &mut together) {
            Some(bytes) => stream.poll_write(context, bytes),
            None => stream.poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}

/// The parts one behind the other in `space`; `None` when they do not fit.
fn gathered<'a>(parts: &[IoSlice<'_>], space: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut length = 0;
    for part in parts {
        space.get_mut(length..length + part.len())?.copy_from_slice(part);
        length += part.len();
    }
    Some(&space[..length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn what_fits_is_one_piece(parts in vec(vec(any::<u8>(), 0..20), 0..8)) {
            let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let whole = parts.concat();
            let mut space = [0; 64];
            let expect = (whole.len() <= space.len()).then_some(whole);
            prop_assert_eq!(gathered(&slices, &mut space).map(<[u8]>::to_vec), expect);
        }
    }
}
