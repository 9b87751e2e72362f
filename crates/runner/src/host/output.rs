//! Carries the output of a program from its pipe to whoever listens.

use crate::executor::Chunk;
use std::{io, os::fd::OwnedFd, time::Duration};
use tokio::{io::AsyncReadExt as _, net::unix::pipe, sync::mpsc, task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

/// As much as a pipe of Linux holds by default.
const READ: usize = 64 * 1024;
/// How many times the patience with a silent pipe a chattering one gets after the program has exited.
const CHATTER: u32 = 5;

/// Reads until every holder of the pipe has closed it, or until the program has exited and what it left behind is silent
/// for `drain`, whichever is first. In the second case the rest is read and thrown away in the background, so that a
/// server started by a step does not die of a closed pipe.
pub(super) fn pump(
    reader: OwnedFd,
    output: mpsc::Sender<Chunk>,
    exited: CancellationToken,
    drain: Duration,
) -> io::Result<JoinHandle<()>> {
    let mut pipe = pipe::Receiver::from_owned_fd(reader)?;
    Ok(tokio::spawn(async move {
        let mut buffer = vec![0; READ];
        let mut deadline = None;
        loop {
            let read = if exited.is_cancelled() {
                let until = *deadline.get_or_insert_with(|| time::Instant::now() + drain * CHATTER);
                match time::timeout_at(until.min(time::Instant::now() + drain), pipe.read(&mut buffer)).await
                {
                    Ok(read) => read,
                    Err(_) => break,
                }
            } else {
                tokio::select! {
                    read = pipe.read(&mut buffer) => read,
                    () = exited.cancelled() => continue,
                }
            };
            match read {
                // A pipe gives no other error than its end.
                Ok(0) | Err(_) => return,
                // Nobody listens any more: go on, so that the program does not block.
                Ok(length) => drop(output.send(buffer[..length].to_vec()).await),
            }
        }
        tokio::spawn(
            async move { while matches!(pipe.read(&mut buffer).await, Ok(length) if length > 0) {} },
        );
    }))
}
