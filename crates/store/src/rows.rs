//! Rows: the bytes of events, which are a promise to every later version of shipway.
//!
//! A row is JSON, `{"v": 1, "row": {...}}`. A row of a version that is not known is refused with
//! [`StoreError::Newer`], never guessed at. The mirror types in here give every field its stored form, so that a change
//! of a domain type that would change stored bytes does not compile or fails the test that pins them.

pub mod delivery;
pub mod run;
pub mod value;

mod evidence;
mod kept;
mod raw;
mod stored;
mod texts;

pub use stored::Specs;

use crate::{Result, StoreError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version that is written.
const VERSION: u64 = 1;

#[derive(Serialize)]
struct Written<'a, T> {
    v: u64,
    row: &'a T,
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

#[derive(Deserialize)]
struct Read<T> {
    row: T,
}

/// The bytes of a row.
fn encode<T: Serialize>(what: &str, row: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(&Written { v: VERSION, row }).map_err(|error| StoreError::invalid(what, error))
}

/// The row in bytes that were encoded before.
fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T> {
    let damaged = |error: serde_json::Error| StoreError::corrupt(what, error);
    let Version { v } = serde_json::from_slice(bytes).map_err(damaged)?;
    if v != VERSION {
        return Err(StoreError::Newer { what: what.to_owned(), found: v, known: VERSION });
    }
    let Read { row } = serde_json::from_slice(bytes).map_err(damaged)?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_versions_and_damage_are_refused() {
        assert_eq!(decode::<u8>("x", &encode("x", &7_u8).unwrap()).unwrap(), 7);
        let newer = decode::<u8>("a row", br#"{"v":2,"row":{"new":"shape"}}"#).unwrap_err();
        assert_eq!(newer.to_string(), "a row has version 2, and this shipway knows versions up to 1");
        assert!(matches!(decode::<u8>("x", b"{"), Err(StoreError::Corrupt { .. })));
        assert!(matches!(decode::<u8>("x", br#"{"v":1}"#), Err(StoreError::Corrupt { .. })));
        assert!(matches!(decode::<u8>("x", br#"{"v":1,"row":"7"}"#), Err(StoreError::Corrupt { .. })));
    }
}
