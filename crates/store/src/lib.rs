//! Where everything that must outlive the process is kept: the event log, snapshots, read models, leases, sessions,
//! log segments and blobs, all in one folder that one process holds at a time.
//!
//! * [`Store`] is the SQLite part. All writes go through one writer thread that commits many callers' work with one
//!   flush; a write that was answered is on the disk. There are no interactive transactions: a caller loads, decides
//!   purely, and commits the decision with the version it was based on ([`Expected`]) or loses with a conflict.
//! * [`Logs`] holds job logs in append-only compressed segments beside the database.
//! * [`Blobs`] holds artifacts by digest.
//! * [`rows`] is the promise made about event bytes: versioned rows to and from the domain's own events.
//! * [`models`] holds the typed read models that pages and loops ask for. Each change of a model is a
//!   [`Statement`] that rides in the transaction of the events that caused it.
//!
//! Nothing here reads a clock or throws dice: the [`Clock`](shipway_base::Clock) is handed in at opening, tokens and
//! keys are handed in by the caller.

mod blobs;
mod error;
mod events;
mod files;
mod ids;
mod leases;
mod lock;
mod logs;
pub mod models;
mod readers;
pub mod rows;
mod schema;
mod sessions;
mod settings;
mod statement;
mod store;
mod value;
mod writer;

pub use blobs::{BlobWriter, Blobs};
pub use error::{Result, StoreError};
pub use events::{Append, Appended, Event, Expected, NewEvent, Snapshot};
pub use ids::IdSequence;
pub use leases::{Fence, Lease};
pub use logs::{Found, LogLine, LogName, LogReader, LogWriter, Logs, Search};
pub use sessions::Session;
pub use settings::{forget_setting, keep_setting, put_setting};
pub use statement::{Statement, Stmt};
pub use store::{Options, Store};
pub use value::{FromRow, FromValue, Row, Value};
