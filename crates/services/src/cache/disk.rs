//! The folder of entries and uploads.

use super::{
    CacheLimits, EntryName,
    entry::{self, Entry},
    file_name,
};
use crate::{
    error::{Refusal, RefusalKind, ServiceError, ServiceErrorKind},
    stream::Part,
    upload::{Content, Upload},
};
use serde_json::{Value, json};
use shipway_base::Timestamp;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The file of an upload that says whose it is and until when.
const RESERVATION: &str = "reservation.json";

/// A content of more files than this is joined into one, so that a download need not open thousands.
const MOST_PARTS: usize = 128;

/// A folder with the caches of any number of repositories.
#[derive(Debug)]
pub(crate) struct CacheFolder {
    root: PathBuf,
    limits: CacheLimits,
    /// Held as long as this process lives. A reservation of an owner whose lock is free is nobody's.
    owner: File,
    owner_name: String,
    trash: AtomicU64,
}

/// An upload that was begun for an entry.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) id: u64,
    pub(crate) name: EntryName,
    pub(crate) upload: Upload,
}

/// An entry that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) entry: Entry,
    /// Where it is, below the folder of entries; names it in links.
    pub(crate) place: String,
}

impl CacheFolder {
    /// Opens the folder, which is made when it is not there. `unique` is a name that no other process uses.
    pub(crate) fn open(root: &Path, limits: CacheLimits, unique: &str) -> Result<CacheFolder, ServiceError> {
        let fail = |path: &Path, source| {
            let kind = ServiceErrorKind::File { path: path.to_owned(), source };
            ServiceError::new("cannot use the folder of caches", kind)
        };
        for name in ["entries", "uploads", "owners", "trash"] {
            let dir = root.join(name);
            fs::create_dir_all(&dir).map_err(|error| fail(&dir, error))?;
        }
        // It gets its name only once it is locked: a name whose lock is free is one whose owner is gone.
        let (hidden, path) =
            (root.join("owners").join(format!(".{unique}")), root.join("owners").join(unique));
        let owner = File::create_new(&hidden).and_then(|file| {
            file.lock()?;
            fs::rename(&hidden, &path)?;
            Ok(file)
        });
        let owner = owner.map_err(|error| fail(&path, error))?;
        let folder = CacheFolder {
            root: root.to_owned(),
            limits,
            owner,
            owner_name: unique.to_owned(),
            trash: AtomicU64::new(0),
        };
        folder.forget_owners();
        Ok(folder)
    }

    pub(super) fn limits(&self) -> &CacheLimits {
        &self.limits
    }

    /// The largest entry, in bytes.
    pub(crate) fn most_entry(&self) -> u64 {
        self.limits.entry
    }

    pub(super) fn entries(&self) -> PathBuf {
        self.root.join("entries")
    }

    /// The folder of the entry at a place that [`CacheFolder::find`] gave.
    pub(crate) fn folder_of(&self, place: &str) -> PathBuf {
        self.entries().join(place)
    }

    fn place(name: &EntryName) -> String {
        let EntryName { namespace, scope, version, key } = name;
        format!("{}/{}/{}/{}", file_name(namespace), file_name(scope), file_name(version), file_name(key))
    }

    /// Begins an upload for an entry that is not there and that nobody else uploads.
    pub(crate) fn reserve(&self, name: EntryName, id: u64, now: Timestamp) -> Result<Reserved, Refusal> {
        let place = Self::place(&name);
        let taken = |why: &str| Refusal::new(RefusalKind::Exists, format!("the cache {:?} {why}", name.key));
        let there = self.entries().join(&place);
        if Entry::read(&there).is_some_and(|entry| entry.is_whole(&there)) {
            return Err(taken("exists already"));
        }
        let dir = self.root.join("uploads").join(file_name(&place));
        let failed = |error: io::Error| Refusal::io("reserve the cache", &dir, &error);
        // The second time is after a reservation that lapsed was put away.
        for _ in 0..2 {
            match fs::create_dir(&dir) {
                Ok(()) => {
                    let expires = (now + self.limits.reservation).as_micros();
                    let value = json!({ "owner": self.owner_name, "expires": expires, "id": id });
                    fs::write(dir.join(RESERVATION), value.to_string()).map_err(failed)?;
                    return Ok(Reserved { id, name, upload: Upload::new(dir, self.limits.entry) });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if !self.has_lapsed(&dir, now) {
                        return Err(taken("is being saved by another job"));
                    }
                    self.remove(&dir).map_err(failed)?;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(taken("is being saved by another job"))
    }

    /// Makes the uploaded content an entry. It is there at once and whole, or not at all.
    pub(crate) fn finish(
        &self,
        reserved: &Reserved,
        size: Option<u64>,
        now: Timestamp,
    ) -> Result<Entry, Refusal> {
        let dir = reserved.upload.dir();
        let failed = |error: io::Error| Refusal::io("keep the cache", dir, &error);
        if !self.is_ours(dir, reserved.id) {
            return Err(Refusal::missing("the upload took so long that its reservation lapsed"));
        }
        let content = reserved.upload.finish(size)?;
        let content =
            if content.0.len() > MOST_PARTS { join(&content, dir).map_err(failed)? } else { content };
        let mut parts = Vec::with_capacity(content.0.len());
        for (path, length) in &content.0 {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            parts.push((name.to_owned(), *length));
        }
        let entry = Entry { name: reserved.name.clone(), id: reserved.id, created: now, parts };
        entry.write(dir).and_then(|()| entry::mark_used(dir, now)).map_err(failed)?;
        let to = self.entries().join(Self::place(&reserved.name));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        if to.exists() && !Entry::read(&to).is_some_and(|entry| entry.is_whole(&to)) {
            self.remove(&to).map_err(failed)?;
        }
        match fs::rename(dir, &to) {
            Ok(()) => {}
            Err(_) if to.exists() => {
                return Err(Refusal::new(
                    RefusalKind::Exists,
                    format!("the cache {:?} exists already", entry.name.key),
                ));
            }
            Err(error) => return Err(failed(error)),
        }
        // Only of interest while it was an upload.
        let _ = fs::remove_file(to.join(RESERVATION));
        self.evict(&reserved.name.namespace, now);
        Ok(entry)
    }

    /// Gives up an upload, so that its key is free again.
    pub(crate) fn give_up(&self, reserved: &Reserved) {
        let dir = reserved.upload.dir();
        if self.is_ours(dir, reserved.id)
            && let Err(error) = self.remove(dir)
        {
            tracing::warn!(%error, folder = %dir.display(), "an upload that was given up cannot be removed");
        }
    }

    /// Removes the entry at a place, if it is still that one, of this namespace and in this scope. Whether it was done.
    pub(crate) fn forget(
        &self,
        place: &str,
        id: u64,
        namespace: &str,
        scope: Option<&str>,
    ) -> Result<bool, Refusal> {
        let dir = self.entries().join(place);
        let is_it = |entry: &Entry| {
            let name = &entry.name;
            entry.id == id
                && name.namespace == namespace
                && Some(name.scope.as_str()) == scope
                && Self::place(name) == place
        };
        if !Entry::read(&dir).is_some_and(|entry| is_it(&entry)) {
            return Ok(false);
        }
        self.remove(&dir).map_err(|error| Refusal::io("remove the cache", &dir, &error))?;
        Ok(true)
    }

    /// Looks for an entry, scope by scope. In each the first key is taken as it is, and all as prefixes, the newest first.
    pub(crate) fn find(
        &self,
        namespace: &str,
        scopes: &[String],
        version: &str,
        keys: &[String],
        now: Timestamp,
    ) -> Option<Found> {
        for scope in scopes {
            let dir =
                self.entries().join(file_name(namespace)).join(file_name(scope)).join(file_name(version));
            let Ok(folders) = fs::read_dir(&dir) else { continue };
            let is_asked = |entry: &Entry| {
                let name = &entry.name;
                name.namespace == namespace && name.scope == *scope && name.version == version
            };
            let mut entries: Vec<Entry> = folders
                .filter_map(|folder| Entry::read(&folder.ok()?.path()))
                .filter(is_asked)
                .filter(|entry| keys.iter().any(|key| entry.name.key.starts_with(key)))
                .collect();
            entries.sort_by_key(|entry| std::cmp::Reverse((entry.created, entry.id)));
            let exact =
                keys.first().map(|first| entries.iter().filter(move |entry| entry.name.key == *first));
            let prefixed = keys
                .iter()
                .flat_map(|key| entries.iter().filter(move |entry| entry.name.key.starts_with(key)));
            for entry in exact.into_iter().flatten().chain(prefixed) {
                let place = Self::place(&entry.name);
                let dir = self.entries().join(&place);
                if entry.is_whole(&dir) && entry::mark_used(&dir, now).is_ok() {
                    return Some(Found { entry: entry.clone(), place });
                }
            }
        }
        None
    }

    /// The entries whose keys begin so, of any version, newest first.
    pub(crate) fn list(&self, namespace: &str, scopes: &[String], prefix: &str) -> Vec<Entry> {
        let mut found = Vec::new();
        for scope in scopes {
            let dir = self.entries().join(file_name(namespace)).join(file_name(scope));
            let versions = fs::read_dir(&dir).into_iter().flatten().flatten();
            let folders =
                versions.flat_map(|version| fs::read_dir(version.path()).into_iter().flatten().flatten());
            found.extend(folders.filter_map(|folder| Entry::read(&folder.path())).filter(|entry| {
                entry.name.namespace == namespace
                    && entry.name.scope == *scope
                    && entry.name.key.starts_with(prefix)
            }));
        }
        found.sort_by_key(|entry| std::cmp::Reverse((entry.created, entry.id)));
        found
    }

    /// Opens the content of the entry at a place that [`CacheFolder::find`] gave. All files are opened at once, so that an
    /// eviction meanwhile does not cut the content.
    pub(crate) fn open_entry(&self, place: &str) -> Result<Vec<Part>, Refusal> {
        let gone = || Refusal::missing("the cache is not there any more");
        let hex = |name: &str| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if place.split('/').count() != 4 || !place.split('/').all(hex) {
            return Err(gone());
        }
        let dir = self.entries().join(place);
        let entry = Entry::read(&dir).ok_or_else(gone)?;
        let open = |(name, length): &(String, u64)| {
            let file = File::open(dir.join(name)).map_err(|_| gone())?;
            Ok((tokio::fs::File::from_std(file), *length))
        };
        entry.parts.iter().map(open).collect()
    }

    /// Whether nobody uploads there any more.
    fn has_lapsed(&self, dir: &Path, now: Timestamp) -> bool {
        let Some(value) = reservation(dir) else {
            // Between the two steps of a reservation, or killed there: the time of the folder decides.
            let made = fs::metadata(dir).and_then(|meta| meta.modified()).ok();
            let made = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
            return made.is_none_or(|made| now.since(Timestamp::EPOCH + made) > self.limits.reservation);
        };
        if value["expires"].as_i64().is_none_or(|expires| expires <= now.as_micros()) {
            return true;
        }
        value["owner"].as_str().is_none_or(|owner| owner != self.owner_name && !self.is_alive(owner))
    }

    fn is_alive(&self, owner: &str) -> bool {
        let Ok(file) = File::open(self.root.join("owners").join(owner)) else { return false };
        file.try_lock().is_err()
    }

    fn is_ours(&self, dir: &Path, id: u64) -> bool {
        reservation(dir).is_some_and(|value| {
            value["owner"].as_str() == Some(&self.owner_name) && value["id"].as_u64() == Some(id)
        })
    }

    /// Takes a folder out of sight in one step, and then removes it.
    pub(super) fn remove(&self, dir: &Path) -> io::Result<()> {
        let number = self.trash.fetch_add(1, Ordering::Relaxed);
        let trash = self.root.join("trash").join(format!("{}-{number}", self.owner_name));
        match fs::rename(dir, &trash) {
            Ok(()) => fs::remove_dir_all(&trash),
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes what processes that are gone left behind.
    fn forget_owners(&self) {
        for owner in fs::read_dir(self.root.join("owners")).into_iter().flatten().flatten() {
            let name = owner.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name == self.owner_name || self.is_alive(&name) {
                continue;
            }
            let left = fs::read_dir(self.root.join("trash")).into_iter().flatten().flatten();
            for trash in left.filter(|trash| trash.file_name().to_string_lossy().starts_with(&name)) {
                // Tried again by the next process.
                let _ = fs::remove_dir_all(trash.path());
            }
            let _ = fs::remove_file(owner.path());
        }
        for dir in fs::read_dir(self.root.join("uploads")).into_iter().flatten().flatten() {
            let owner = reservation(&dir.path()).and_then(|value| value["owner"].as_str().map(str::to_owned));
            if owner.is_some_and(|owner| owner != self.owner_name && !self.is_alive(&owner)) {
                // Tried again by the next process.
                let _ = self.remove(&dir.path());
            }
        }
    }
}

impl Drop for CacheFolder {
    fn drop(&mut self) {
        // The name first, while the lock is held: nobody can take it for an owner that was killed.
        let _ = fs::remove_file(self.root.join("owners").join(&self.owner_name));
        let _ = self.owner.unlock();
    }
}

fn reservation(dir: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(dir.join(RESERVATION)).ok()?).ok()
}

/// Copies many files into one, which takes their place.
fn join(content: &Content, dir: &Path) -> io::Result<Content> {
    let path = dir.join("joined");
    let mut to = File::create_new(&path)?;
    let mut size = 0;
    for (part, _) in &content.0 {
        size += io::copy(&mut File::open(part)?, &mut to)?;
    }
    for (part, _) in &content.0 {
        match fs::remove_file(part) {
            // A block that is listed twice is one file.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(Content(vec![(path, size)]))
}

#[cfg(test)]
mod tests;
