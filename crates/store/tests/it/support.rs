//! What several tests need.

use shipway_base::{Clock, Timestamp};
use shipway_store::{NewEvent, Store};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicI64>);

impl Hand {
    pub(crate) fn new() -> Hand {
        Hand(Arc::new(AtomicI64::new(1_700_000_000_000_000)))
    }

    pub(crate) fn clock(&self) -> Clock {
        let micros = Arc::clone(&self.0);
        Clock::new(move || Timestamp::from_micros(micros.load(Ordering::SeqCst)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as i64, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }
}

/// A folder in memory where there is one: for tests about meaning, not about disks.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A store in a folder of its own.
pub(crate) fn store() -> (TempDir, Store, Hand) {
    let (dir, hand) = (folder(), Hand::new());
    let store = Store::open(dir.path(), hand.clock()).unwrap();
    (dir, store, hand)
}

/// Runs a future on a runtime with two threads.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(future)
}

/// An event with some bytes.
pub(crate) fn event(kind: &str, data: &[u8]) -> NewEvent {
    NewEvent { kind: kind.to_owned(), data: data.to_vec() }
}
