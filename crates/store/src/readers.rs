//! Read-only connections, one query at a time on each, on the runtime's blocking threads.

use crate::{Result, Row, Statement, StoreError, statement};
use rusqlite::{Connection, OpenFlags};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::Semaphore, task};

/// The pool.
#[derive(Debug)]
pub(crate) struct Readers {
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// Opens `count` connections.
    pub(crate) fn open(path: &Path, count: usize) -> Result<Readers> {
        let database = |source| StoreError::Database { doing: "open for reading", source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let idle = (0..count.max(1))
            .map(|_| {
                let connection = Connection::open_with_flags(path, flags)?;
                connection.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;")?;
                connection.set_prepared_statement_cache_capacity(64);
                Ok(connection)
            })
            .collect::<rusqlite::Result<Vec<_>>>()
            .map_err(database)?;
        Ok(Readers { turns: Arc::new(Semaphore::new(idle.len())), idle: Arc::new(Mutex::new(idle)) })
    }

    /// The rows of one statement, read from one consistent state that includes every answered write.
    pub(crate) async fn rows(&self, statement: Statement) -> Result<Vec<Row>> {
        self.with(move |connection| statement::rows(connection, statement.stmt, &statement.params)).await
    }

    /// Runs `work` on a connection, inside one read transaction.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let idle = Arc::clone(&self.idle);
        task::spawn_blocking(move || {
            let connection = lock(&idle).pop().ok_or(StoreError::Closed)?;
            let answer = in_one_state(&connection, work);
            lock(&idle).push(connection);
            drop(turn);
            answer
        })
        .await
        .map_err(|_| StoreError::Closed)?
    }
}

fn in_one_state<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let database = |source| StoreError::Database { doing: "read", source };
    let state = connection.unchecked_transaction().map_err(database)?;
    let answer = work(connection);
    state.finish().map_err(database)?;
    answer
}

fn lock(idle: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    // The list is only pushed to and popped from, so a panic elsewhere cannot leave it half changed.
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
