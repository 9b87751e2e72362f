//! What can go wrong with a store, the user's fault apart from ours.

use crate::Expected;
use std::{fmt::Display, io, path::PathBuf};
use thiserror::Error;

/// The result of every store operation.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why the store could not do what was asked. The message is complete without its source; [`StoreError::code`] names
/// the page under `docs/errors/`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process holds the folder.
    #[error("{} is in use by another shipway{}", dir.display(), holder(*pid))]
    Locked {
        /// The folder.
        dir: PathBuf,
        /// The process that holds it, when it could be read.
        pid: Option<u32>,
    },
    /// The disk, a quota or a size limit is exhausted. Nothing of the refused write was kept; the store works again
    /// once there is space.
    #[error("no space left for {}: nothing of this write was kept; free some space and it goes on", path.display())]
    Full {
        /// The folder or file that could not grow.
        path: PathBuf,
    },
    /// Somebody else appended to the stream first; load again and decide again.
    #[error("stream {stream} is at version {found}, but {expected} was expected")]
    Conflict {
        /// The stream.
        stream: String,
        /// What the caller had seen.
        expected: Expected,
        /// The version it is at.
        found: u64,
    },
    /// A guarded statement changed another number of rows than its caller expected; nothing was kept.
    #[error("{statement} changed {found} rows instead of {expected}: something else changed them first")]
    Guard {
        /// The statement's name.
        statement: &'static str,
        /// The rows it had to change.
        expected: u64,
        /// The rows it would have changed.
        found: u64,
    },
    /// The lease under which this write was made has passed to somebody else.
    #[error("the lease {name} (token {token}) is no longer held: this write comes too late")]
    Fenced {
        /// The lease's name.
        name: String,
        /// The token that is out of date.
        token: u64,
    },
    /// The folder or a row was written by a newer version of shipway.
    #[error("{what} has version {found}, and this shipway knows versions up to {known}")]
    Newer {
        /// The folder or row.
        what: String,
        /// The version found.
        found: u64,
        /// The newest version known here.
        known: u64,
    },
    /// Stored bytes are not what was written.
    #[error("{what} is damaged: {reason}")]
    Corrupt {
        /// The file or row.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or folder could not be used.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// The verb: `read`, `create` and so on.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The disk refused to flush. Whether the last write survives is unknown, so nothing more is written until the
    /// folder is opened again.
    #[error("the disk did not confirm a flush ({reason}): whether the last write survives is unknown")]
    Unsynced {
        /// The system's answer.
        reason: String,
    },
    /// SQLite refused for a reason that is neither the user's fault nor a full disk.
    #[error("the database failed ({doing})")]
    Database {
        /// What was attempted: a statement's name or a step of opening.
        doing: &'static str,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// The caller passed something that cannot be stored.
    #[error("cannot store {what}: {reason}")]
    Invalid {
        /// What was passed.
        what: String,
        /// Why not.
        reason: String,
    },
    /// The store was closed while the caller waited.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// The stable code; `docs/errors/<code>.md` explains it.
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Locked { .. } => "SW0601",
            StoreError::Full { .. } => "SW0602",
            StoreError::Conflict { .. } | StoreError::Guard { .. } | StoreError::Fenced { .. } => "SW0603",
            StoreError::Newer { .. } => "SW0604",
            StoreError::Corrupt { .. } => "SW0605",
            StoreError::Io { .. } => "SW0606",
            StoreError::Unsynced { .. } => "SW0607",
            StoreError::Database { .. } | StoreError::Invalid { .. } | StoreError::Closed => "SW0608",
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            StoreError::Locked { .. } => "stop the other process, or choose another folder",
            StoreError::Full { .. } => "free some space or raise the limit, then try again",
            StoreError::Conflict { .. } | StoreError::Guard { .. } | StoreError::Fenced { .. } => {
                "look at the present state and try again"
            }
            StoreError::Newer { .. } => "use the newer shipway, or restore the folder from a backup",
            StoreError::Corrupt { .. } => "check the disk, then restore the folder from a backup",
            StoreError::Io { .. } => "check that the folder exists and that you may write to it",
            StoreError::Unsynced { .. } => "check the disk, then start shipway again",
            StoreError::Database { .. } | StoreError::Invalid { .. } | StoreError::Closed => {
                "start shipway again; if it recurs, report it with the message above"
            }
        }
    }

    /// Whether the caller lost a race: load again, decide again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, StoreError::Conflict { .. } | StoreError::Guard { .. })
    }

    /// Whether space ran out.
    pub fn is_full(&self) -> bool {
        matches!(self, StoreError::Full { .. })
    }

    pub(crate) fn corrupt(what: impl Display, reason: impl Display) -> StoreError {
        StoreError::Corrupt { what: what.to_string(), reason: reason.to_string() }
    }

    /// A value that cannot be stored: what it is, and why not.
    pub fn invalid(what: impl Display, reason: impl Display) -> StoreError {
        StoreError::Invalid { what: what.to_string(), reason: reason.to_string() }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stand_alone() {
        let locked = StoreError::Locked { dir: "/srv/ship".into(), pid: Some(7) };
        assert_eq!(locked.to_string(), "/srv/ship is in use by another shipway (process 7)");
        let conflict =
            StoreError::Conflict { stream: "run/1".into(), expected: Expected::Version(3), found: 4 };
        assert_eq!(conflict.to_string(), "stream run/1 is at version 4, but version 3 was expected");
        assert!(conflict.is_conflict() && !conflict.is_full());
    }
}
