//! Being told to stop: Ctrl-C, TERM, or a closed terminal.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears what tells a long-running command to stop. Made before anything is started, so that no moment is left in
/// which a signal would end the process with its instances running on.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Stop {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system lets nobody listen.
    pub(crate) fn listen() -> io::Result<Stop> {
        Ok(Stop {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until it is told; at once when it was told since the last wait.
    pub(crate) async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
