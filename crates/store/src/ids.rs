//! Dealing out ids: 40 bits of milliseconds since 2026 (until 2060), 6 bits of node, 7 bits of sequence.

use shipway_base::{Id, Timestamp};

/// 2026-01-01T00:00:00Z in milliseconds since the Unix epoch.
const ORIGIN_MS: i64 = 1_767_225_600_000;
const NODE_BITS: u32 = 6;
const SEQUENCE_BITS: u32 = 7;

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
        Id::clamped(next)
    }
}

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
