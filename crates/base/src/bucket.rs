//! One bucketing function for every split: traffic, flags, waves.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The number of buckets; one bucket is 0.01 %.
pub const BUCKETS: u16 = 10_000;

/// The bucket of a key, `0..10_000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket with this number; numbers of 10,000 and more wrap around.
    pub fn new(number: u16) -> Bucket {
        Bucket(number % BUCKETS)
    }

    /// The number, `0..10_000`.
    pub fn number(self) -> u16 {
        self.0
    }

    /// Whether the bucket lies within a share. Raising a share only ever adds buckets, so nobody who was inside
    /// is moved out by a raise.
    pub fn is_within(self, share: Share) -> bool {
        self.0 < share.0
    }
}

/// Hashes `key` under `salt` into a [`Bucket`], uniformly. Two salts give independent assignments.
pub fn bucket(salt: &str, key: &[u8]) -> Bucket {
    let mut hash = Sha256::new();
    hash.update((salt.len() as u64).to_le_bytes());
    hash.update(salt.as_bytes());
    hash.update(key);
    let bytes = hash.finalize();
    let mut word = [0_u8; 8];
    word.copy_from_slice(&bytes[..8]);
    // 10,000 divides 2^64 with a bias below 1e-15 per bucket.
    Bucket((u64::from_le_bytes(word) % u64::from(BUCKETS)) as u16)
}

/// A share in steps of 0.01 %, `0..=10_000`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(u16);

impl Share {
    /// Nothing.
    pub const ZERO: Share = Share(0);
    /// Everything.
    pub const ALL: Share = Share(BUCKETS);

    /// A share from a whole percentage; anything above 100 is everything.
    pub fn percent(percent: u8) -> Share {
        Share((u16::from(percent) * 100).min(BUCKETS))
    }

    /// A share from hundredths of a percent; anything above 10,000 is everything.
    pub fn basis_points(points: u16) -> Share {
        Share(points.min(BUCKETS))
    }

    /// Hundredths of a percent, `0..=10_000`.
    pub fn as_basis_points(self) -> u16 {
        self.0
    }

    /// The share as a fraction, `0.0..=1.0`.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(BUCKETS)
    }

    /// What is left of the whole.
    pub fn complement(self) -> Share {
        Share(BUCKETS - self.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(100) {
            write!(f, "{} %", self.0 / 100)
        } else {
            write!(f, "{}.{:02} %", self.0 / 100, self.0 % 100)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_are_uniform_and_salts_independent() {
        let (mut inside, mut both) = (0, 0);
        for i in 0..20_000_u32 {
            let a = bucket("one", &i.to_le_bytes()).is_within(Share::percent(10));
            let b = bucket("two", &i.to_le_bytes()).is_within(Share::percent(10));
            inside += u32::from(a);
            both += u32::from(a && b);
        }
        // Six standard deviations around 2,000 and 200.
        assert!((1_745..2_255).contains(&inside), "{inside}");
        assert!((115..285).contains(&both), "{both}");
    }

    proptest! {
        #[test]
        fn raising_a_share_never_moves_a_key_out(key: Vec<u8>, low in 0_u16..=10_000, high in 0_u16..=10_000) {
            let (low, high) = (low.min(high), low.max(high));
            let b = bucket("salt", &key);
            prop_assert!(!b.is_within(Share::basis_points(low)) || b.is_within(Share::basis_points(high)));
        }
    }
}
