//! The event log: streams with expected versions, one global order, snapshots.

use crate::{
    Fence, FromRow, Result, Row, Statement, Store, StoreError, Value, leases, settings,
    statement::{self, statements},
};
use rusqlite::Connection;
use shipway_base::Timestamp;
use std::fmt;

/// What a caller had seen of a stream when it decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// Nothing yet.
    New,
    /// Exactly this version; 0 is the same as [`Expected::New`].
    Version(u64),
}

/// An event to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened, as `run.started`; for filters and people.
    pub kind: String,
    /// A versioned row, see [`rows`](crate::rows).
    pub data: Vec<u8>,
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the global order, from 1.
    pub seq: u64,
    /// The stream it belongs to.
    pub stream: String,
    /// Its place in the stream, from 1, without gaps.
    pub version: u64,
    /// What happened.
    pub kind: String,
    /// The versioned row.
    pub data: Vec<u8>,
    /// When it was committed, by the store's clock.
    pub at: Timestamp,
}

/// Events to append with everything that must hold or happen in the same transaction.
#[derive(Clone, Debug)]
pub struct Append {
    stream: String,
    expected: Expected,
    events: Vec<NewEvent>,
    models: Vec<Statement>,
    once: Option<String>,
    fence: Option<Fence>,
}

/// Where an append ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The version of the stream's last event.
    pub version: u64,
    /// The sequence number of the last event written; when nothing was, that of the log's last event.
    pub seq: u64,
    /// Whether an earlier append with the same idempotency key had done it already.
    pub repeated: bool,
}

/// A state of a stream that saves reading its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The version that the state includes.
    pub version: u64,
    /// The state, versioned by its owner.
    pub data: Vec<u8>,
}

statements! {
    VERSION = "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?1";
    APPEND = "INSERT INTO events (stream, version, kind, data, at) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING seq";
    REPEATED = "SELECT version, seq FROM idempotency WHERE id = ?1";
    REMEMBER = "INSERT INTO idempotency (id, version, seq, at) VALUES (?1, ?2, ?3, ?4)";
    FORGET = "DELETE FROM idempotency WHERE at < ?1";
    STREAM = "SELECT seq, stream, version, kind, data, at FROM events
        WHERE stream = ?1 AND version >= ?2 ORDER BY version";
    ALL_AFTER = "SELECT seq, stream, version, kind, data, at FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    SNAPSHOT = "SELECT version, data FROM snapshots WHERE stream = ?1";
    PUT_SNAPSHOT = "INSERT INTO snapshots (stream, version, data, at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (stream) DO UPDATE SET version = excluded.version, data = excluded.data, at = excluded.at
        WHERE excluded.version > snapshots.version";
}

impl Store {
    /// Appends events to a stream and changes read models, in one transaction, and answers once both are on the disk.
    ///
    /// [`StoreError::Conflict`] when the stream is not at `expected`; of several callers that expect the same version
    /// exactly one wins.
    pub async fn append(
        &self,
        stream: &str,
        expected: Expected,
        events: Vec<NewEvent>,
        models: Vec<Statement>,
    ) -> Result<Appended> {
        self.commit(Append::new(stream, expected).events(events).models(models)).await
    }

    /// Like [`Store::append`], with an idempotency key or a lease to be checked as well.
    pub async fn commit(&self, append: Append) -> Result<Appended> {
        if append.stream.is_empty() {
            return Err(StoreError::invalid("an event", "its stream has no name"));
        }
        self.write(move |connection, clock| append.execute(connection, clock.now())).await
    }

    /// The events of a stream from version `from` (1 is the first), in order.
    pub async fn read(&self, stream: &str, from: u64) -> Result<Vec<Event>> {
        self.all(STREAM.with([stream.into(), from.into()])).await
    }

    /// At most `limit` events of all streams after sequence number `after`, in the global order.
    pub async fn read_all(&self, after: u64, limit: u32) -> Result<Vec<Event>> {
        self.all(ALL_AFTER.with([after.into(), limit.into()])).await
    }

    /// The newest snapshot of a stream and the events after it, from one state of the log.
    pub async fn load(&self, stream: &str) -> Result<(Option<Snapshot>, Vec<Event>)> {
        let stream = Value::from(stream);
        self.read_with(move |connection| {
            let params = [stream];
            let snapshot = statement::first(connection, &SNAPSHOT, &params)?
                .map(|row| Snapshot::from_row(&row))
                .transpose()?;
            let [stream] = params;
            let from = snapshot.as_ref().map_or(0, |snapshot| snapshot.version) + 1;
            let events = statement::rows(connection, &STREAM, &[stream, from.into()])?;
            Ok((snapshot, events.iter().map(Event::from_row).collect::<Result<_>>()?))
        })
        .await
    }

    /// The newest snapshot of a stream.
    pub async fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        self.one(SNAPSHOT.with([stream.into()])).await
    }

    /// Keeps a snapshot unless a newer one is there. A snapshot is a saving, never the truth.
    pub async fn put_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<()> {
        let now = self.clock().now();
        let Snapshot { version, data } = snapshot;
        self.batch(vec![PUT_SNAPSHOT.with([stream.into(), version.into(), data.into(), now.into()])]).await
    }

    /// Forgets idempotency keys of appends before `before`, and with them the settings from before it whose names begin with
    /// `answers`: what is kept of their answers. A key that comes again later is a new append.
    pub async fn forget_keys(&self, before: Timestamp, answers: &str) -> Result<()> {
        self.batch(vec![FORGET.with([before.into()]), settings::forget_settings(answers, before)]).await
    }
}

impl Append {
    /// Nothing yet, for `stream`.
    pub fn new(stream: &str, expected: Expected) -> Append {
        Append {
            stream: stream.to_owned(),
            expected,
            events: Vec::new(),
            models: Vec::new(),
            once: None,
            fence: None,
        }
    }

    /// Adds events.
    #[must_use]
    pub fn events(mut self, events: Vec<NewEvent>) -> Append {
        self.events.extend(events);
        self
    }

    /// Adds changes of read models; they are executed after the events, in order.
    #[must_use]
    pub fn models(mut self, models: Vec<Statement>) -> Append {
        self.models.extend(models);
        self
    }

    /// Does it once: a later append with the same key writes nothing and gets the first one's answer.
    #[must_use]
    pub fn once(mut self, key: impl Into<String>) -> Append {
        self.once = Some(key.into());
        self
    }

    /// Does it only while this lease is held, else [`StoreError::Fenced`].
    #[must_use]
    pub fn fence(mut self, fence: Fence) -> Append {
        self.fence = Some(fence);
        self
    }

    fn execute(&self, connection: &Connection, now: Timestamp) -> Result<Appended> {
        if let Some(key) = &self.once
            && let Some(row) = statement::first(connection, &REPEATED, &[key.into()])?
        {
            return Ok(Appended { version: row.get(0)?, seq: row.get(1)?, repeated: true });
        }
        if let Some(fence) = &self.fence {
            leases::check(connection, fence, now)?;
        }
        let stream = Value::from(&self.stream);
        let params = [stream];
        let found = statement::first(connection, &VERSION, &params)?.map_or(Ok(0), |row| row.get(0))?;
        if !self.expected.allows(found) {
            return Err(StoreError::Conflict { stream: self.stream.clone(), expected: self.expected, found });
        }
        let [mut stream] = params;
        let mut appended = Appended { version: found, seq: 0, repeated: false };
        for event in &self.events {
            appended.version += 1;
            let params = [
                stream,
                appended.version.into(),
                (&event.kind).into(),
                event.data.as_slice().into(),
                now.into(),
            ];
            let row = statement::first(connection, &APPEND, &params)?;
            appended.seq = row.map_or(Ok(0), |row| row.get(0))?;
            [stream, ..] = params;
        }
        if self.events.is_empty() {
            let row = statement::first(connection, &crate::writer::LAST_SEQ, &[])?;
            appended.seq = row.map_or(Ok(0), |row| row.get(0))?;
        }
        self.models.iter().try_for_each(|model| model.execute(connection).map(drop))?;
        if let Some(key) = &self.once {
            let params = [key.into(), appended.version.into(), appended.seq.into(), now.into()];
            statement::execute(connection, &REMEMBER, &params)?;
        }
        Ok(appended)
    }
}

impl Expected {
    fn allows(self, found: u64) -> bool {
        match self {
            Expected::Any => true,
            Expected::New => found == 0,
            Expected::Version(version) => found == version,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Any => f.write_str("any version"),
            Expected::New => f.write_str("no event"),
            Expected::Version(version) => write!(f, "version {version}"),
        }
    }
}

impl FromRow for Event {
    fn from_row(row: &Row) -> Result<Event> {
        Ok(Event {
            seq: row.get(0)?,
            stream: row.get(1)?,
            version: row.get(2)?,
            kind: row.get(3)?,
            data: row.get(4)?,
            at: row.get(5)?,
        })
    }
}

impl FromRow for Snapshot {
    fn from_row(row: &Row) -> Result<Snapshot> {
        Ok(Snapshot { version: row.get(0)?, data: row.get(1)? })
    }
}
