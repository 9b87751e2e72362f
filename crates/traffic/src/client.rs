//! Who counts as one client, as the bytes that are bucketed.

use crate::Affinity;
use std::{
    hash::{DefaultHasher, Hash, Hasher as _},
    net::IpAddr,
};

/// What tells a client apart. Two kinds of key never meet, whatever a client writes into a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientKey<'a> {
    /// The name in its verified affinity cookie.
    Cookie(Affinity),
    /// The value of the header that names it.
    Header(&'a [u8]),
    /// Its address; IPv6 counts by its /64 network, which one host may use as it likes.
    Address(IpAddr),
}

impl ClientKey<'_> {
    /// The bytes that [`Route::bucket`](crate::Route::bucket) takes.
    pub fn bytes(&self) -> Vec<u8> {
        let tagged = |tag: u8, rest: &[u8]| [&[tag], rest].concat();
        match self {
            ClientKey::Cookie(Affinity(name)) => tagged(b'c', &name.to_be_bytes()),
            ClientKey::Header(value) => tagged(b'h', value),
            ClientKey::Address(address) => match address.to_canonical() {
                IpAddr::V4(v4) => tagged(b'4', &v4.octets()),
                IpAddr::V6(v6) => tagged(b'6', &v6.octets()[..8]),
            },
        }
    }
}

/// A number that stands in a memory of clients for the client with these bytes; `seed` keeps clients from choosing it.
pub fn fingerprint(client_key: &[u8], seed: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    client_key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(address: &str, expect: &[u8]) {
        let address: IpAddr = address.parse().expect("an address");
        assert_eq!(ClientKey::Address(address).bytes(), expect);
    }

    #[test]
    fn addresses_count_by_host_or_network() {
        check("192.0.2.7", &[b'4', 192, 0, 2, 7]);
        check("::ffff:192.0.2.7", &[b'4', 192, 0, 2, 7]);
        check("2001:db8:1:2:3::4", &[b'6', 0x20, 1, 0x0d, 0xb8, 0, 1, 0, 2]);
    }

    proptest! {
        #[test]
        fn kinds_of_keys_never_meet(value: Vec<u8>, name: u128, address: IpAddr) {
            let header = ClientKey::Header(&value).bytes();
            prop_assert_ne!(&header, &ClientKey::Cookie(Affinity(name)).bytes());
            prop_assert_ne!(&header, &ClientKey::Address(address).bytes());
        }

        #[test]
        fn headers_differ_when_their_values_do(a: Vec<u8>, b: Vec<u8>) {
            prop_assert_eq!(a == b, ClientKey::Header(&a).bytes() == ClientKey::Header(&b).bytes());
        }
    }
}
