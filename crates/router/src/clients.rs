//! Which clients were seen in an epoch and what was already counted of each: a bounded memory.

use std::{
    collections::hash_map::Entry,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

/// Marks of clients by fingerprint, in shards so that workers seldom meet.
#[derive(Debug)]
pub(crate) struct Clients {
    shards: Box<[Mutex<Marks>]>,
    /// How many may still be remembered.
    room: AtomicUsize,
    refused: AtomicU64,
}

/// What was counted of a client; bits are only ever added.
pub(crate) type Mark = u8;

#[expect(
    clippy::disallowed_types,
    reason = "only looked up by key, never walked, so its order shows nowhere"
)]
type Marks = std::collections::HashMap<u64, Mark, BuildHasherDefault<Fingerprint>>;

const SHARDS: usize = 64;

impl Clients {
    pub(crate) fn new(capacity: usize) -> Clients {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Clients { shards, room: AtomicUsize::new(capacity), refused: AtomicU64::new(0) }
    }

    /// Adds marks to a client and returns those that are new; `None` when the client is new and memory is full.
    pub(crate) fn mark(&self, fingerprint: u64, marks: Mark) -> Option<Mark> {
        // The low bits choose the place within a shard, the high ones the shard.
        let shard = self.shards.get((fingerprint >> 58) as usize)?;
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let vacant = match shard.entry(fingerprint) {
            Entry::Occupied(mut old) => {
                let new = marks & !*old.get();
                *old.get_mut() |= marks;
                return Some(new);
            }
            Entry::Vacant(vacant) => vacant,
        };
        if self.room.fetch_update(Relaxed, Relaxed, |room| room.checked_sub(1)).is_err() {
            self.refused.fetch_add(1, Relaxed);
            return None;
        }
        vacant.insert(marks);
        Some(marks)
    }

    /// How often a new client found the memory full.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

/// Fingerprints are hashes already.
#[derive(Default)]
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The table takes its control bits from the top, which are the same within a shard.
        self.0 = number.rotate_left(23);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn agrees_with_a_map(steps in vec((0_u64..40, 0_u8..32), 0..300), capacity in 0_usize..30) {
            let clients = Clients::new(capacity);
            let mut model: BTreeMap<u64, u8> = BTreeMap::new();
            let mut refused = 0;
            for (client, marks) in steps {
                let fingerprint = client.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let expect = if model.contains_key(&client) || model.len() < capacity {
                    let old = model.entry(client).or_default();
                    let new = marks & !*old;
                    *old |= marks;
                    Some(new)
                } else {
                    refused += 1;
                    None
                };
                prop_assert_eq!(clients.mark(fingerprint, marks), expect);
            }
            prop_assert_eq!(clients.refused(), refused);
        }
    }
}
