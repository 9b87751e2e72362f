//! Time-sortable 53-bit ids: clients in JavaScript, such as `@actions/github`, parse them as numbers, which hold no more.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, marker::PhantomData, str::FromStr};

/// An id of a `T` (a marker type): 40 bits of milliseconds since 2026 (until 2060), 6 bits of node, 7 bits of sequence.
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Id<T>(i64, #[serde(skip)] PhantomData<fn() -> T>);

/// A text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdError(String);

/// 2026-01-01T00:00:00Z in milliseconds since the Unix epoch.
const ORIGIN_MS: i64 = 1_767_225_600_000;
const NODE_BITS: u32 = 6;
const SEQUENCE_BITS: u32 = 7;

impl<T> Id<T> {
    /// The id with this number; `None` when it is not positive.
    pub fn from_number(number: i64) -> Option<Id<T>> {
        (number > 0).then_some(Id(number, PhantomData))
    }

    /// The number, always positive.
    pub fn number(self) -> i64 {
        self.0
    }
}

/// Deals out ids that grow strictly, whatever the clock does.
#[derive(Clone, Debug)]
pub struct IdSequence {
    node: u16,
    last: i64,
}

impl IdSequence {
    /// A sequence for one node; only the low six bits of `node` count.
    pub fn new(node: u16) -> IdSequence {
        IdSequence { node: node & ((1 << NODE_BITS) - 1), last: 0 }
    }

    /// The next id at `now`. When the clock stands still or goes back, the sequence number goes on from the last id.
    pub fn next<T>(&mut self, now: Timestamp) -> Id<T> {
        let elapsed = (now.as_millis() - ORIGIN_MS).max(1);
        let fresh = elapsed << (NODE_BITS + SEQUENCE_BITS) | i64::from(self.node) << SEQUENCE_BITS;
        let next = if fresh > self.last {
            fresh
        } else if (self.last + 1) & ((1 << SEQUENCE_BITS) - 1) == 0 {
            // The sequence of this millisecond is used up: borrow the next one.
            ((self.last >> (NODE_BITS + SEQUENCE_BITS)) + 1) << (NODE_BITS + SEQUENCE_BITS)
                | i64::from(self.node) << SEQUENCE_BITS
        } else {
            self.last + 1
        };
        self.last = next;
        Id(next, PhantomData)
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<T> std::hash::Hash for Id<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl<T> FromStr for Id<T> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Id<T>, IdError> {
        text.parse().ok().and_then(Id::from_number).ok_or_else(|| IdError(text.to_owned()))
    }
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an id; ids are positive whole numbers", self.0)
    }
}

impl std::error::Error for IdError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn grow_strictly_under_any_clock(node: u16, millis in proptest::collection::vec(0_i64..4_000_000_000_000, 1..200)) {
            let mut sequence = IdSequence::new(node);
            let mut last = 0;
            for ms in millis {
                let id: Id<()> = sequence.next(Timestamp::from_millis(ms));
                prop_assert!(id.number() > last);
                last = id.number();
            }
        }
    }

    #[test]
    fn a_burst_in_one_millisecond_stays_unique() {
        let mut sequence = IdSequence::new(1_023);
        let now = Timestamp::from_millis(1_800_000_000_000);
        let mut last = 0;
        for _ in 0..10_000 {
            let id: Id<()> = sequence.next(now);
            assert!(id.number() > last);
            last = id.number();
        }
        assert!(last < 1 << 53);
    }

    #[test]
    fn javascript_reads_ids_until_2060() {
        let last_day = Timestamp::from_millis(ORIGIN_MS + (1 << 40) - 1);
        let id: Id<()> = IdSequence::new(u16::MAX).next(last_day);
        assert!(id.number() < 1 << 53 && id.number() > 1 << 52);
    }
}
