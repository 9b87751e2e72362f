//! Which clients were seen in an epoch and what was already counted of each: a bounded memory.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// Marks of clients by fingerprint, in shards so that workers seldom meet.
#[derive(Debug)]
pub(crate) struct Clients {
    shards: Box<[Mutex<Shard>]>,
    /// How many may still be remembered.
    room: AtomicUsize,
    refused: AtomicU64,
}

/// What was counted of a client; bits are only ever added. The highest bit is the table's own.
pub(crate) type Mark = u8;

/// The clients of one shard: a table with open addresses, for looking into it costs one miss of the cache and a client one
/// word. Where a word stands is said by the bits of its fingerprint behind those of the shard, or it is behind in the same run
/// of taken words.
#[derive(Debug, Default)]
struct Shard {
    /// A power of two of them, or none. A word is a fingerprint with its lowest byte given to the marks, so that two of a
    /// million clients are taken for one about once in a hundred thousand epochs; or [`EMPTY`].
    words: Vec<u64>,
    taken: usize,
}

/// The bits of a fingerprint that choose the shard.
const SHARD_BITS: u32 = 6;
const EMPTY: u64 = 0;
/// Set in every word that is not empty.
const TAKEN: u64 = 0x80;
const MARKS: u64 = 0x7f;
const FEWEST_WORDS: usize = 16;

impl Clients {
    pub(crate) fn new(capacity: usize) -> Clients {
        let shards = (0..1 << SHARD_BITS).map(|_| Mutex::default()).collect();
        Clients { shards, room: AtomicUsize::new(capacity), refused: AtomicU64::new(0) }
    }

    /// Adds marks to a client and returns those that are new; `None` when the client is new and memory is full.
    pub(crate) fn mark(&self, fingerprint: u64, marks: Mark) -> Option<Mark> {
        let marks = u64::from(marks) & MARKS;
        let shard = self.shards.get((fingerprint >> (u64::BITS - SHARD_BITS)) as usize)?;
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(word) = shard.find(fingerprint).filter(|word| **word != EMPTY) {
            let new = marks & !*word;
            *word |= marks;
            return Some(new as Mark);
        }
        if self.room.fetch_update(Relaxed, Relaxed, |room| room.checked_sub(1)).is_err() {
            self.refused.fetch_add(1, Relaxed);
            return None;
        }
        shard.insert(fingerprint & !0xff | TAKEN | marks);
        Some(marks as Mark)
    }

    /// How often a new client found the memory full.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

impl Shard {
    /// The word of this client, or the empty one where it belongs; `None` in a table without words.
    fn find(&mut self, fingerprint: u64) -> Option<&mut u64> {
        let last = self.words.len().checked_sub(1)?;
        let mut place = ((fingerprint << SHARD_BITS) >> (self.words.len().leading_zeros() + 1)) as usize;
        // Some words are always empty, so this ends.
        loop {
            let word = *self.words.get(place)?;
            if word == EMPTY || (word ^ fingerprint) & !0xff == 0 {
                return self.words.get_mut(place);
            }
            place = (place + 1) & last;
        }
    }

    /// Adds a client that is not there. At most five of eight words are taken, so that runs of them stay short.
    fn insert(&mut self, word: u64) {
        if (self.taken + 1) * 8 > self.words.len() * 5 {
            let words = vec![EMPTY; (self.words.len() * 2).max(FEWEST_WORDS)];
            for old in std::mem::replace(&mut self.words, words) {
                if old != EMPTY
                    && let Some(place) = self.find(old)
                {
                    *place = old;
                }
            }
        }
        if let Some(place) = self.find(word) {
            *place = word;
            self.taken += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn agrees_with_a_map(steps in vec((0_u64..400, 0_u8..64), 0..3_000), capacity in 0_usize..300, narrow: bool) {
            let clients = Clients::new(capacity);
            let mut model: BTreeMap<u64, u8> = BTreeMap::new();
            let mut refused = 0;
            for (client, marks) in steps {
                // Narrow ones share a shard, and most of their places in it.
                let fingerprint =
                    if narrow { client << 8 | u64::MAX << 40 } else { client.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
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
