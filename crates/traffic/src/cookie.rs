//! The affinity cookie: which client this is, signed so that a client cannot choose its arm.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The name of the affinity cookie.
pub const COOKIE: &str = "shipway_client";

/// The key that signs affinity cookies; 32 bytes, made once for each installation.
#[derive(Clone, PartialEq, Eq)]
pub struct AffinityKey(pub [u8; 32]);

/// What an affinity cookie says: the client's random 128-bit name, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Affinity(pub u128);

/// Signs and verifies with the key already mixed in, which halves the work for each cookie.
///
/// A cookie's value is `<name>.<tag>`: 32 hexadecimal digits each, the tag being the first half of an HMAC-SHA-256.
/// It is good on every host and in every rollout: the salt of a route, not the name, deals the arms.
#[derive(Clone)]
pub struct Signer {
    mac: Hmac<Sha256>,
}

/// Names for new clients: the first halves of SHA-256 over a secret of the start and a number. Half a hash of two texts of
/// fixed length cannot be carried on to that of a longer one, so that no second round of hashing is needed, as a MAC has.
#[derive(Clone)]
pub struct Names {
    /// The hash with the secret already taken in.
    secret: Sha256,
}

/// Keeps these tags apart from any other use of the key.
const DOMAIN: &[u8] = b"shipway affinity cookie 1\0";
/// Keeps derived names apart from tags.
const NAMES: &[u8] = b"shipway affinity name 1\0";
/// Hexadecimal digits of a name, and of a tag.
const DIGITS: usize = 32;
/// The length of a cookie's value.
const VALUE: usize = 2 * DIGITS + 1;
/// What the cookie holds for. A year: a client should not be dealt anew between two visits.
const ATTRIBUTES: &str = "; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax";

impl Signer {
    /// A signer with this key.
    pub fn new(key: &AffinityKey) -> Signer {
        // HMAC pads a short key with zeros to the block of its hash, so this is the key itself.
        let mut block = [0_u8; 64];
        block[..32].copy_from_slice(&key.0);
        Signer { mac: Hmac::new(&block.into()) }
    }

    /// The cookie's value for a client.
    pub fn sign(&self, client: Affinity) -> String {
        let mut value = String::with_capacity(VALUE);
        self.write(client, &mut value);
        value
    }

    /// The client that a cookie's value names; `None` unless this key signed it.
    pub fn verify(&self, value: &[u8]) -> Option<Affinity> {
        let (name, rest) = value.split_at_checked(DIGITS)?;
        let tag = rest.strip_prefix(b".")?;
        let client = Affinity(parse_hex(name)?);
        // The difference of two numbers takes the same time wherever they differ.
        (parse_hex(tag)? ^ self.tag(client) == 0).then_some(client)
    }

    /// The names of new clients since a start with this `seed`: nobody without the key can guess one.
    pub fn names(&self, seed: &[u8; 32]) -> Names {
        Names { secret: Sha256::new().chain_update(self.mac(&[NAMES, seed])) }
    }

    /// The value of a `Set-Cookie` header that gives a client its name.
    pub fn set_cookie(&self, client: Affinity) -> String {
        // No byte too many: what has room left is copied, or owned in a more costly way, when it becomes a header.
        let mut header = String::with_capacity(COOKIE.len() + 1 + VALUE + ATTRIBUTES.len());
        header.push_str(COOKIE);
        header.push('=');
        self.write(client, &mut header);
        header.push_str(ATTRIBUTES);
        header
    }

    fn write(&self, client: Affinity, text: &mut String) {
        push_hex(text, client.0);
        text.push('.');
        push_hex(text, self.tag(client));
    }

    fn tag(&self, client: Affinity) -> u128 {
        first_half(self.mac(&[DOMAIN, &client.0.to_be_bytes()]))
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl Names {
    /// The name of the `number`-th new client.
    pub fn name(&self, number: u64) -> Affinity {
        Affinity(first_half(self.secret.clone().chain_update(number.to_le_bytes()).finalize().into()))
    }
}

fn first_half(hash: [u8; 32]) -> u128 {
    let mut half = [0_u8; 16];
    half.copy_from_slice(&hash[..16]);
    u128::from_be_bytes(half)
}

/// The values of all cookies called `name` in one `Cookie` header, as browsers write it: `a=1; b=2`.
pub fn cookie_values<'a>(header: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    header.split(|byte| *byte == b';').filter_map(move |pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value))
    })
}

/// Writes 32 hexadecimal digits. Every new client is given two such numbers, and the general way of writing them costs as
/// much as signing does.
fn push_hex(text: &mut String, number: u128) {
    for byte in number.to_be_bytes() {
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

/// Exactly 32 hexadecimal digits in lower case: a name has one spelling only.
fn parse_hex(digits: &[u8]) -> Option<u128> {
    if digits.len() != DIGITS {
        return None;
    }
    digits.iter().try_fold(0_u128, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

impl fmt::Debug for AffinityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AffinityKey(***)")
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names(***)")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signer(byte: u8) -> Signer {
        Signer::new(&AffinityKey([byte; 32]))
    }

    #[test]
    fn a_cookie_written_once_is_read_for_ever() {
        let value = signer(7).sign(Affinity(0x1234));
        // Fixed on purpose: a change deals every client anew.
        assert_eq!(value, "00000000000000000000000000001234.91f426bc0d0b8576fbeebd433bbcbb3e");
        assert_eq!(signer(7).verify(value.as_bytes()), Some(Affinity(0x1234)));
    }

    #[test]
    fn nothing_prints_the_key() {
        assert_eq!(format!("{:?} {:?}", AffinityKey([1; 32]), signer(1)), "AffinityKey(***) Signer(***)");
    }

    #[test]
    fn names_differ_by_number_and_by_start() {
        let signer = signer(1);
        let name = |seed, number| signer.names(&[seed; 32]).name(number);
        let names = [name(0, 0), name(0, 1), name(1, 0)];
        assert!(names[0] != names[1] && names[0] != names[2] && names[1] != names[2]);
    }

    #[test]
    fn finds_cookies_as_browsers_write_them() {
        let check = |header: &str, expect: &[&str]| {
            let found: Vec<_> = cookie_values(header.as_bytes(), "a").collect();
            assert_eq!(found, expect.iter().map(|value| value.as_bytes()).collect::<Vec<_>>(), "{header}");
        };
        check("a=1", &["1"]);
        check("b=2; a=1; c=3", &["1"]);
        check("a=1;a=2", &["1", "2"]);
        check("aa=1; xa=2; A=3", &[]);
        check("a=\"1\"", &["1"]);
        check("a=", &[""]);
        check("a; ; =; a=x=y", &["x=y"]);
        check("", &[]);
    }

    proptest! {
        #[test]
        fn verifies_what_it_signed_and_nothing_near_it(name: u128, place in 0_usize..65, flip in 1_u8..=255) {
            let signer = signer(3);
            let mut value = signer.sign(Affinity(name)).into_bytes();
            prop_assert_eq!(signer.verify(&value), Some(Affinity(name)));
            value[place] ^= flip;
            prop_assert_eq!(signer.verify(&value), None);
        }

        #[test]
        fn another_key_verifies_nothing(name: u128) {
            prop_assert_eq!(signer(4).verify(signer(3).sign(Affinity(name)).as_bytes()), None);
        }

        #[test]
        fn any_bytes_are_harmless(header: Vec<u8>) {
            prop_assert_eq!(signer(3).verify(&header), None);
            let pairs = header.iter().filter(|byte| **byte == b';').count() + 1;
            prop_assert!(cookie_values(&header, "a").count() <= pairs);
        }

        #[test]
        fn its_own_set_cookie_comes_back_among_others(name: u128, before in "[a-z]{1,8}=[a-z0-9]{0,8}") {
            let signer = signer(3);
            let set = signer.set_cookie(Affinity(name));
            let pair = set.split(';').next().expect("a pair");
            let header = format!("{before}; {pair}");
            let found: Vec<_> = cookie_values(header.as_bytes(), COOKIE).filter_map(|v| signer.verify(v)).collect();
            prop_assert_eq!(found, vec![Affinity(name)]);
        }
    }
}
