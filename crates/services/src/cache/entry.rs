//! What is written down beside the content of an entry.

use super::EntryName;
use serde_json::{Value, json};
use shipway_base::Timestamp;
use std::{fs, io, path::Path};

/// The file that says what an entry is. Its time of change is when the entry was last used.
pub(super) const FILE: &str = "entry.json";

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: EntryName,
    /// A number no other entry has.
    pub(crate) id: u64,
    pub(crate) created: Timestamp,
    /// The files of its content, in order, and how long each is.
    pub(crate) parts: Vec<(String, u64)>,
}

impl Entry {
    /// The size of the content.
    pub(crate) fn size(&self) -> u64 {
        self.parts.iter().fold(0, |size, (_, length)| size.saturating_add(*length))
    }

    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let EntryName { namespace, scope, version, key } = &self.name;
        let value = json!({
            "namespace": namespace, "scope": scope, "version": version, "key": key, "id": self.id,
            "created": self.created.as_micros(), "parts": self.parts,
        });
        fs::write(dir.join(FILE), value.to_string())
    }

    /// Reads what lies in a folder; nothing when there is none, or it is damaged.
    pub(super) fn read(dir: &Path) -> Option<Entry> {
        let value: Value = serde_json::from_slice(&fs::read(dir.join(FILE)).ok()?).ok()?;
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let parts = value["parts"].as_array()?.iter().map(|part| {
            let name = part[0].as_str().filter(|name| !name.contains('/') && *name != "..")?;
            Some((name.to_owned(), part[1].as_u64()?))
        });
        Some(Entry {
            name: EntryName {
                namespace: text("namespace")?,
                scope: text("scope")?,
                version: text("version")?,
                key: text("key")?,
            },
            id: value["id"].as_u64()?,
            created: Timestamp::from_micros(value["created"].as_i64()?),
            parts: parts.collect::<Option<_>>()?,
        })
    }

    /// Whether the content is as long as it was; after the power failed it may not be.
    pub(super) fn is_whole(&self, dir: &Path) -> bool {
        self.parts.iter().all(|(name, length)| {
            fs::metadata(dir.join(name)).is_ok_and(|meta| meta.is_file() && meta.len() == *length)
        })
    }
}

/// When the entry in a folder was last used.
pub(super) fn used(dir: &Path) -> Option<Timestamp> {
    let time = fs::metadata(dir.join(FILE)).ok()?.modified().ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::EPOCH + since)
}

/// Remembers that it is used now.
pub(super) fn mark_used(dir: &Path, now: Timestamp) -> io::Result<()> {
    let file = fs::OpenOptions::new().append(true).open(dir.join(FILE))?;
    file.set_modified(std::time::UNIX_EPOCH + now.since(Timestamp::EPOCH))
}
