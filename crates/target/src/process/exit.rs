//! Noticing that a process has ended, and signalling its group.

use super::procfs::Identity;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use std::{io, os::fd::OwnedFd, time::Duration};
use tokio::io::{Interest, unix::AsyncFd};

/// How often a process is looked at where the kernel cannot tell when it ends.
const LOOK: Duration = Duration::from_millis(50);

/// Tells when a process ends, without collecting it.
pub(super) enum ExitWatch {
    /// The kernel tells.
    Descriptor(AsyncFd<OwnedFd>),
    /// The kernel has no descriptors for processes (before Linux 5.3, some sandboxes).
    Looking(Identity),
}

impl ExitWatch {
    pub(super) fn new(identity: &Identity) -> ExitWatch {
        #[expect(
            deprecated,
            reason = "unsound only for types that may close the descriptor early; an OwnedFd does not"
        )]
        let descriptor = Pid::from_raw(identity.pid)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok())
            .and_then(|descriptor| AsyncFd::with_interest(descriptor, Interest::READABLE).ok());
        match descriptor {
            // The pid may have been given to another process before the descriptor was opened.
            Some(descriptor) if identity.is_running() => ExitWatch::Descriptor(descriptor),
            Some(_) | None => ExitWatch::Looking(identity.clone()),
        }
    }

    /// Returns when the process has ended.
    pub(super) async fn ended(&self) {
        match self {
            ExitWatch::Descriptor(descriptor) => {
                if descriptor.readable().await.is_err() {
                    // Only a runtime that shuts down takes the descriptor away; then nobody waits for the answer.
                    std::future::pending::<()>().await;
                }
            }
            ExitWatch::Looking(identity) => {
                while identity.is_running() {
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }
}

/// Signals a whole group by its leader, who must not have been collected yet.
pub(super) fn signal_group(leader: i32, signal: Signal) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(leader) else { return Ok(()) };
    gone_is_fine(kill_process_group(pid, signal))
}

/// Signals one process.
pub(super) fn signal_one(pid: i32, signal: Signal) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(pid) else { return Ok(()) };
    gone_is_fine(kill_process(pid, signal))
}

fn gone_is_fine(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
