//! The one writer: a thread that owns the only writing connection and commits many callers' work with one flush.
//!
//! Each caller's work runs under a savepoint, so that one caller's conflict undoes only its own work; the commit at the
//! end flushes once for all. While the disk flushes, the next group gathers in the queue, so that groups grow with the
//! load and a single caller never waits for company. Answers are sent only after the flush.
//!
//! When the group as a whole fails (a full disk), nothing of it was kept; its members are then tried one by one, so that
//! each gets its own answer and a small write is not refused because of a large neighbour.

use crate::{Result, StoreError, files, lock::FolderLock, schema, statement};
use rusqlite::{Connection, ffi};
use std::{fs, path::PathBuf, thread};
use tokio::sync::{mpsc, oneshot, watch};

/// The most callers' work in one commit: a bound on what is tried again one by one when a group fails.
const GROUP: usize = 1_024;

/// How many callers may wait in the queue before further ones wait outside it.
const QUEUE: usize = 1_024;

/// How often the writer lets others run before it flushes a group that may still grow.
const PATIENCE: usize = 16;

/// The sending side, shared by all clones of a store.
#[derive(Debug)]
pub(crate) struct Writer {
    // `None` only while dropping: the thread ends when the queue is closed.
    queue: Option<mpsc::Sender<Box<dyn Task>>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Work that changes the database. It may run more than once (each time on a clean transaction), so it owns its data.
trait Task: Send {
    fn run(&mut self, connection: &Connection) -> Result<()>;
    fn answer(self: Box<Self>, outcome: Result<()>);
}

struct Typed<T, F> {
    work: F,
    done: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

/// What the thread owns.
struct Thread {
    connection: Connection,
    dir: PathBuf,
    committed: watch::Sender<u64>,
    /// Set when a flush failed: what is on the disk is unknown, so nothing more is written.
    unsynced: Option<String>,
    /// How many callers the last group had.
    answered: usize,
    // Last, so that the folder is free only after the connection is closed.
    _lock: FolderLock,
}

statement::statements! {
    LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM events";
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        connection: Connection,
        dir: PathBuf,
        committed: watch::Sender<u64>,
        lock: FolderLock,
    ) -> Result<Writer> {
        let (queue, tasks) = mpsc::channel(QUEUE);
        let path = dir.clone();
        let state = Thread { connection, dir, committed, unsynced: None, answered: 0, _lock: lock };
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || state.run(tasks))
            .map_err(files::failed("start the writer of", &path))?;
        Ok(Writer { queue: Some(queue), thread: Some(thread) })
    }

    /// Has `work` done in a transaction and waits until it is on the disk. The work is done even when the caller stops
    /// waiting.
    pub(crate) async fn submit<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(Box::new(Typed { work, done: None, reply })).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has already been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl<T: Send, F: FnMut(&Connection) -> Result<T> + Send> Task for Typed<T, F> {
    fn run(&mut self, connection: &Connection) -> Result<()> {
        self.done = Some((self.work)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Typed { done, reply, .. } = *self;
        // The caller may have stopped waiting.
        let _ = reply.send(outcome.and_then(|()| done.ok_or(StoreError::Closed)));
    }
}

impl Thread {
    fn run(mut self, mut tasks: mpsc::Receiver<Box<dyn Task>>) {
        while let Some(first) = tasks.blocking_recv() {
            self.group(first, &mut tasks);
        }
    }

    /// Commits `first` and whatever else arrives while its group is being worked on.
    fn group(&mut self, first: Box<dyn Task>, tasks: &mut mpsc::Receiver<Box<dyn Task>>) {
        let mut done: Vec<(Box<dyn Task>, Result<()>)> = Vec::new();
        let mut next = Some(first);
        let mut outcome = self.begin();
        while let Some(mut task) = next.take() {
            if outcome.is_err() {
                done.push((task, Ok(())));
                break;
            }
            let answer = self.under_savepoint(task.as_mut());
            if self.connection.is_autocommit() {
                // SQLite gave up the whole transaction, not only this member's part.
                outcome = answer;
                done.push((task, Ok(())));
                break;
            }
            done.push((task, answer));
            next = if done.len() < GROUP { self.company(done.len(), tasks) } else { None };
        }
        self.answered = done.len();
        if outcome.is_ok() {
            outcome = self.commit();
        }
        match outcome {
            Ok(()) => {
                self.announce();
                done.into_iter().for_each(|(task, answer)| task.answer(answer));
            }
            Err(error) => {
                self.roll_back();
                if done.len() == 1 {
                    if let Some((task, _)) = done.pop() {
                        task.answer(Err(error));
                    }
                } else {
                    done.into_iter().for_each(|(task, _)| self.alone(task));
                }
            }
        }
    }

    /// The next member of a group that has `members`, when there is one.
    ///
    /// The callers that were answered last often come right back. Without a moment's patience they would miss this
    /// flush and wait for the next, and the callers would split into two halves that take turns. The patience is a few
    /// turns of the processor, far less than a flush, and is not spent on a caller that comes alone.
    fn company(&self, members: usize, tasks: &mut mpsc::Receiver<Box<dyn Task>>) -> Option<Box<dyn Task>> {
        let patient = self.answered + members > 2 && members < self.answered * 2;
        for _ in 0..if patient { PATIENCE } else { 0 } {
            match tasks.try_recv() {
                Ok(task) => return Some(task),
                Err(_) => thread::yield_now(),
            }
        }
        tasks.try_recv().ok()
    }

    /// One member of a failed group in a transaction of its own.
    fn alone(&mut self, mut task: Box<dyn Task>) {
        let outcome = self.begin().and_then(|()| self.classified(|connection| task.run(connection)));
        let outcome = match outcome {
            Ok(()) => self.commit(),
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(()) => self.announce(),
            Err(_) => self.roll_back(),
        }
        task.answer(outcome);
    }

    fn under_savepoint(&mut self, task: &mut dyn Task) -> Result<()> {
        self.step("SAVEPOINT member")?;
        match self.classified(|connection| task.run(connection)) {
            Ok(()) => self.step("RELEASE member"),
            Err(error) => {
                if !self.connection.is_autocommit() {
                    self.step("ROLLBACK TO member")?;
                    self.step("RELEASE member")?;
                }
                Err(error)
            }
        }
    }

    fn begin(&mut self) -> Result<()> {
        match &self.unsynced {
            Some(reason) => Err(StoreError::Unsynced { reason: reason.clone() }),
            None => self.step("BEGIN IMMEDIATE"),
        }
    }

    fn commit(&mut self) -> Result<()> {
        self.step("COMMIT")
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.step("ROLLBACK")
        {
            // Without a clean slate nothing more can be promised.
            self.unsynced.get_or_insert_with(|| error.to_string());
        }
    }

    fn step(&mut self, sql: &'static str) -> Result<()> {
        self.classified(|connection| {
            let step = || connection.prepare_cached(sql)?.execute([]);
            step().map(|_| ()).map_err(|source| StoreError::Database { doing: sql, source })
        })
    }

    /// Runs `work` and tells a full disk and a failed flush from other failures.
    fn classified(&mut self, work: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
        let error = match work(&self.connection) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let StoreError::Database { source: rusqlite::Error::SqliteFailure(failure, _), .. } = &error else {
            return Err(error);
        };
        match failure.extended_code {
            ffi::SQLITE_FULL => Err(StoreError::Full { path: self.dir.clone() }),
            ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => {
                let reason = failure.to_string();
                self.unsynced = Some(reason.clone());
                Err(StoreError::Unsynced { reason })
            }
            // SQLite says "full" only for ENOSPC; quotas and size limits arrive as a failed write.
            ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_TRUNCATE | ffi::SQLITE_IOERR_SHMSIZE
                if files::is_out_of_space(&self.dir, self.largest(), 64 << 10) =>
            {
                Err(StoreError::Full { path: self.dir.clone() })
            }
            _ => Err(error),
        }
    }

    /// The size of the database's largest file.
    fn largest(&self) -> u64 {
        let size = |name: String| fs::metadata(self.dir.join(name)).map_or(0, |file| file.len());
        size(schema::FILE.to_owned()).max(size(format!("{}-wal", schema::FILE)))
    }

    fn announce(&self) {
        let last = statement::first(&self.connection, &LAST_SEQ, &[]).ok().flatten();
        if let Some(last) = last.and_then(|row| row.get::<u64>(0).ok()) {
            self.committed.send_if_modified(|seen| {
                let newer = *seen < last;
                *seen = last.max(*seen);
                newer
            });
        }
    }
}
