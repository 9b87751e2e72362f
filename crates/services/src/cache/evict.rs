//! What goes when there is too much, or when nobody wants it.

use super::{
    disk::CacheFolder,
    entry::{self, Entry},
    file_name,
};
use shipway_base::Timestamp;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// An entry as far as its removal goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    used: Timestamp,
    size: u64,
    dir: PathBuf,
}

impl CacheFolder {
    /// Removes from a namespace what nobody used for too long, and then what was used longest ago until the rest fits. What
    /// cannot be removed is tried again after the next upload.
    pub(crate) fn evict(&self, namespace: &str, now: Timestamp) {
        self.evict_below(&self.entries().join(file_name(namespace)), now);
    }

    /// The same for all namespaces.
    pub(crate) fn evict_all(&self, now: Timestamp) {
        for namespace in fs::read_dir(self.entries()).into_iter().flatten().flatten() {
            self.evict_below(&namespace.path(), now);
        }
    }

    fn evict_below(&self, namespace: &Path, now: Timestamp) {
        let mut kept: Vec<Kept> = below(namespace)
            .into_iter()
            .flat_map(|scope| below(&scope))
            .flat_map(|version| below(&version))
            .map(|dir| {
                let size = Entry::read(&dir).map(|entry| entry.size());
                // A damaged entry is as good as one that nobody ever used.
                Kept {
                    used: entry::used(&dir).unwrap_or(Timestamp::EPOCH),
                    size: size.unwrap_or_default(),
                    dir,
                }
            })
            .collect();
        kept.sort();
        for dir in superfluous(&kept, self.limits().namespace, now, self.limits().unused) {
            if let Err(error) = self.remove(dir) {
                tracing::warn!(%error, folder = %dir.display(), "a cache cannot be removed");
            }
        }
    }
}

/// Which entries go; they come in the order of their use.
fn superfluous(
    kept: &[Kept],
    limit: u64,
    now: Timestamp,
    unused: std::time::Duration,
) -> impl Iterator<Item = &Path> {
    let mut size: u64 = kept.iter().fold(0, |size, entry| size.saturating_add(entry.size));
    kept.iter()
        .filter(move |entry| {
            let goes = size > limit || now.since(entry.used) > unused;
            if goes {
                size = size.saturating_sub(entry.size);
            }
            goes
        })
        .map(|entry| entry.dir.as_path())
}

fn below(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn kept(used: i64, size: u64) -> Kept {
        Kept { used: Timestamp::from_millis(used), size, dir: PathBuf::from(format!("{used}-{size}")) }
    }

    proptest! {
        #[test]
        fn what_stays_fits_and_is_what_was_used_last(entries in proptest::collection::vec((0_i64..100, 0_u64..50), 0..30), limit in 0_u64..500, age in 0_u64..100) {
            let mut entries: Vec<Kept> = entries.into_iter().map(|(used, size)| kept(used, size)).collect();
            entries.sort();
            let now = Timestamp::from_millis(100);
            let unused = Duration::from_millis(age);
            let gone = superfluous(&entries, limit, now, unused).count();
            // The oldest ones go, and no others.
            let (first, rest) = entries.split_at(gone);
            let names: Vec<&Path> = first.iter().map(|entry| entry.dir.as_path()).collect();
            prop_assert_eq!(superfluous(&entries, limit, now, unused).collect::<Vec<_>>(), names);
            prop_assert!(rest.iter().map(|entry| entry.size).sum::<u64>() <= limit);
            prop_assert!(rest.iter().all(|entry| now.since(entry.used) <= unused));
            // And none goes that need not.
            if let Some(last) = first.last() {
                let with: u64 = rest.iter().map(|entry| entry.size).sum::<u64>() + last.size;
                prop_assert!(with > limit || now.since(last.used) > unused);
            }
        }
    }
}
