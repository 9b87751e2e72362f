//! Being told to stop: Ctrl-C, TERM, or a closed terminal.

use std::{io, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a signal may be on its way when what it did to others is known already.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

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

    /// Whether it was told since the last wait. Asked after a failure: Ctrl-C ends the programs of the foreground that were
    /// waited for too, and their end may be known first.
    pub(crate) async fn was_told(&mut self) -> bool {
        tokio::time::timeout(ON_ITS_WAY, self.told()).await.is_ok()
    }
}
