//! The store: one folder, one database, one writer, several readers.

use crate::{
    Blobs, FromRow, Logs, Result, Row, Statement, StoreError, files, lock::FolderLock, readers::Readers,
    schema, statement, writer::Writer,
};
use rusqlite::Connection;
use shipway_base::Clock;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch;

/// An open store. Clones are handles on the same folder; the folder is free again when the last one is dropped, which
/// waits until the writer has finished.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

/// How to open a store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections for reading.
    pub readers: usize,
    /// The most pages of 4 KiB that the database may have; `None` for SQLite's own limit.
    pub max_pages: Option<u32>,
}

#[derive(Debug)]
struct Inner {
    // Before the writer: the last connection to close tidies up the database's side files.
    readers: Readers,
    writer: Writer,
    committed: watch::Receiver<u64>,
    clock: Clock,
    dir: PathBuf,
    logs: Logs,
    blobs: Blobs,
}

impl Default for Options {
    fn default() -> Options {
        Options { readers: 4, max_pages: None }
    }
}

impl Store {
    /// Opens the folder, creating it when it is missing, takes its lock and brings its schema up to date. Blocks; needs
    /// no runtime.
    ///
    /// [`StoreError::Locked`] when another process has the folder, [`StoreError::Newer`] when a newer shipway wrote it.
    pub fn open(dir: &Path, clock: Clock) -> Result<Store> {
        Store::open_with(dir, clock, Options::default())
    }

    /// Opens the folder with options.
    pub fn open_with(dir: &Path, clock: Clock, options: Options) -> Result<Store> {
        files::create_dir(dir)?;
        let lock = FolderLock::take(dir)?;
        let path = dir.join(schema::FILE);
        let mut connection = connect(&path, options)?;
        schema::migrate(&mut connection, dir, schema::MIGRATIONS, clock.now())?;
        files::sync_dir(dir)?;
        let readers = Readers::open(&path, options.readers)?;
        let last = last_seq(&connection)?;
        let (announce, committed) = watch::channel(last);
        let writer = Writer::start(connection, dir.to_owned(), announce, lock)?;
        let logs = Logs::open(dir.join("logs"))?;
        let blobs = Blobs::open(dir.join("blobs"))?;
        Ok(Store(Arc::new(Inner { readers, writer, committed, clock, dir: dir.to_owned(), logs, blobs })))
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The clock that was handed in.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Job logs.
    pub fn logs(&self) -> &Logs {
        &self.0.logs
    }

    /// Artifacts and other content by digest.
    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    /// The sequence number of the last committed event, and a wake-up whenever it grows. A receiver sees the newest
    /// number, not every one; read what lies between with [`Store::read_all`].
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.committed.clone()
    }

    /// The rows of a reading statement. They include every write that was answered before.
    pub async fn query(&self, statement: Statement) -> Result<Vec<Row>> {
        self.0.readers.rows(statement).await
    }

    /// Executes all statements in one transaction: all or nothing. A statement with
    /// [`expect`](Statement::expect) that changes another number of rows undoes everything with [`StoreError::Guard`].
    pub async fn batch(&self, statements: Vec<Statement>) -> Result<()> {
        self.write(move |connection, _| {
            statements.iter().try_for_each(|statement| statement.execute(connection).map(drop))
        })
        .await
    }

    /// All rows of a statement, typed.
    pub(crate) async fn all<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>> {
        self.query(statement).await?.iter().map(T::from_row).collect()
    }

    /// The first row of a statement, typed.
    pub(crate) async fn one<T: FromRow>(&self, statement: Statement) -> Result<Option<T>> {
        self.query(statement).await?.first().map(T::from_row).transpose()
    }

    /// Several reads from one consistent state.
    pub(crate) async fn read_with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.readers.with(work).await
    }

    /// Work on the writer's connection in a transaction; it may be called again when its group failed.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Connection, &Clock) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let clock = self.0.clock.clone();
        self.0.writer.submit(move |connection| work(connection, &clock)).await
    }
}

fn connect(path: &Path, options: Options) -> Result<Connection> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.set_prepared_statement_cache_capacity(128);
        // FULL flushes the write-ahead log at every commit; the checkpoint every 16 MiB flushes the database.
        connection.execute_batch(
            "PRAGMA busy_timeout = 5000;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA trusted_schema = OFF;
             PRAGMA wal_autocheckpoint = 4000;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA temp_store = MEMORY;",
        )?;
        if let Some(pages) = options.max_pages {
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        }
        Ok(connection)
    };
    open().map_err(|source: rusqlite::Error| {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let code = source.sqlite_error_code();
        if code == Some(NotADatabase) || code == Some(DatabaseCorrupt) {
            StoreError::corrupt(path.display(), source)
        } else {
            StoreError::Database { doing: "open", source }
        }
    })
}

fn last_seq(connection: &Connection) -> Result<u64> {
    statement::first(connection, &crate::writer::LAST_SEQ, &[])?.map_or(Ok(0), |row| row.get(0))
}
