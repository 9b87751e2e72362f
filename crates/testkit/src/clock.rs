//! Clocks for tests: the real one, and one that stands still until it is moved.

use shipway_base::{Clock, Timestamp};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<AtomicI64>);

/// The real clock: it begins at a fixed instant and never goes back.
pub fn real() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "the one place where tests read the real time")]
    let start = std::time::Instant::now();
    Clock::new(move || Timestamp::from_millis(1_700_000_000_000) + start.elapsed())
}

impl VirtualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> VirtualClock {
        VirtualClock(Arc::new(AtomicI64::new(start.as_micros())))
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        let micros = i64::try_from(duration.as_micros()).expect("a duration that fits");
        self.0.fetch_add(micros, SeqCst);
    }

    /// The clock to hand down.
    pub fn clock(&self) -> Clock {
        let shown = Arc::clone(&self.0);
        Clock::new(move || Timestamp::from_micros(shown.load(SeqCst)))
    }
}
