//! The affinity cookie's content: which client this is, signed so that a client cannot choose its arm.

use std::fmt;

/// The key that signs affinity cookies; 32 bytes, made once for each installation.
#[derive(Clone, PartialEq, Eq)]
pub struct AffinityKey(pub [u8; 32]);

/// What an affinity cookie says: the client's random 128-bit name, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Affinity(pub u128);

impl fmt::Debug for AffinityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AffinityKey(***)")
    }
}
