//! Bodies to files and files to bodies, a piece at a time.

use crate::{
    error::{Refusal, RefusalKind},
    range::Wanted,
};
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use std::{
    io::{self, SeekFrom},
    path::Path,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, BufWriter},
};
use tokio_util::io::ReaderStream;

/// What is read from a file or written to one at once. Large, since each is a trip to another thread.
const PIECE: usize = 1 << 20;

/// A file of a content, and how long it is.
pub(crate) type Part = (File, u64);

/// Writes a body to a file and gives its length. `room` is asked before each piece and may refuse it.
pub(crate) async fn receive(
    body: Body,
    file: File,
    path: &Path,
    mut room: impl FnMut(u64) -> Result<(), Refusal>,
) -> Result<u64, Refusal> {
    let written = |error: io::Error| Refusal::io("write what was sent", path, &error);
    let mut body: BodyDataStream = body.into_data_stream();
    let mut file = BufWriter::with_capacity(PIECE, file);
    let mut length = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| {
            Refusal::new(RefusalKind::Mismatch, "the connection ended before all that was announced had come")
        })?;
        room(piece.len() as u64)?;
        length += piece.len() as u64;
        file.write_all(&piece).await.map_err(written)?;
    }
    file.flush().await.map_err(written)?;
    Ok(length)
}

/// The wanted bytes of a content that lies in several files.
pub(crate) fn send(parts: Vec<Part>, wanted: Wanted) -> Body {
    let (first, last) = match wanted {
        Wanted::All => (0, u64::MAX),
        Wanted::Part(first, last) => (first, last),
        Wanted::Beyond => return Body::empty(),
    };
    let mut start = 0_u64;
    let mut pieces = Vec::new();
    for (file, length) in parts {
        let end = start + length;
        if end > first && start <= last && length > 0 {
            let skip = first.saturating_sub(start);
            let take = end.min(last.saturating_add(1)) - start - skip;
            pieces.push((file, skip, take));
        }
        start = end;
    }
    Body::from_stream(stream::iter(pieces).flat_map(|(file, skip, take)| read(file, skip, take)))
}

/// Exactly these bytes of a file; a file that is shorter ends the body with an error, so that a client sees it.
fn read(mut file: File, skip: u64, take: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    file.set_max_buf_size(PIECE);
    let opened = async move {
        file.seek(SeekFrom::Start(skip)).await?;
        Ok::<_, io::Error>(ReaderStream::with_capacity(file.take(take), PIECE))
    };
    let mut left = take;
    stream::once(opened)
        .flat_map(|opened| match opened {
            Ok(pieces) => pieces.map(Some).chain(stream::iter([None])).boxed(),
            Err(error) => stream::iter([Some(Err(error))]).boxed(),
        })
        .filter_map(move |piece| {
            let piece = match piece {
                Some(Ok(bytes)) => {
                    left -= bytes.len() as u64;
                    Some(Ok(bytes))
                }
                Some(Err(error)) => Some(Err(error)),
                None if left > 0 => Some(Err(io::ErrorKind::UnexpectedEof.into())),
                None => None,
            };
            std::future::ready(piece)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn sent(lengths: &[usize], claimed: &[u64], wanted: Wanted) -> Result<Vec<u8>, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let mut next = 0_u8;
        let mut parts = Vec::new();
        for (number, length) in lengths.iter().enumerate() {
            let path = dir.path().join(number.to_string());
            let bytes: Vec<u8> = (0..*length)
                .map(|_| {
                    next = next.wrapping_add(1);
                    next
                })
                .collect();
            std::fs::write(&path, bytes).expect("a part");
            parts.push((File::open(&path).await.expect("a part"), claimed[number]));
        }
        let bytes = axum::body::to_bytes(send(parts, wanted), usize::MAX).await;
        bytes.map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_part_that_is_too_short_is_an_error() {
        assert!(sent(&[3, 2], &[3, 4], Wanted::All).await.is_err());
        assert_eq!(sent(&[3, 2], &[3, 2], Wanted::All).await, Ok(vec![1, 2, 3, 4, 5]));
        assert_eq!(sent(&[], &[], Wanted::All).await, Ok(Vec::new()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_range_over_parts_is_the_range_of_the_whole(lengths in proptest::collection::vec(0_usize..20, 0..6), a in 0_u64..100, b in 0_u64..100) {
            let size: usize = lengths.iter().sum();
            if size == 0 { return Ok(()); }
            let (first, last) = (a.min(b) % size as u64, (a.max(b) % size as u64).max(a.min(b) % size as u64));
            let whole: Vec<u8> = (0..size).map(|n| (n as u8).wrapping_add(1)).collect();
            let claimed: Vec<u64> = lengths.iter().map(|length| *length as u64).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let got = runtime.block_on(sent(&lengths, &claimed, Wanted::Part(first, last)));
            prop_assert_eq!(got, Ok(whole[first as usize..=last as usize].to_vec()));
        }
    }
}
