//! The caches: entries that are made once, found by key, and forgotten when nobody uses them.
//!
//! The folder may be shared by several processes, so nothing about entries is held in memory. An upload is a folder whose name
//! says for which entry it is, made by the one `mkdir` that succeeds; an entry is that folder, renamed once it is whole. So of
//! two who save one key one wins, and what was killed half-way is never seen.

mod disk;
mod entry;
mod evict;

pub(crate) use disk::{CacheFolder, Found, Reserved};
pub(crate) use entry::Entry;

use shipway_base::Digest;
use std::time::Duration;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Bytes of one entry.
    pub entry: u64,
    /// Bytes of all entries of one namespace; the ones that were used longest ago go first.
    pub namespace: u64,
    /// How long an entry is kept that nobody uses.
    pub unused: Duration,
    /// How long an upload may take before somebody else may save its key.
    pub reservation: Duration,
}

impl Default for CacheLimits {
    /// GitHub's limits: 10 GB for a repository, and 7 days. A reservation holds for 6 hours, as a job does.
    fn default() -> CacheLimits {
        CacheLimits {
            entry: 10_000_000_000,
            namespace: 10_000_000_000,
            unused: Duration::from_secs(7 * 24 * 3_600),
            reservation: Duration::from_secs(6 * 3_600),
        }
    }
}

/// Whose entry it is, and of which version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryName {
    pub(crate) namespace: String,
    pub(crate) scope: String,
    pub(crate) version: String,
    pub(crate) key: String,
}

/// A text of any length as the name of a file.
fn file_name(text: &str) -> String {
    Digest::of(text.as_bytes()).hex()[..32].to_owned()
}
