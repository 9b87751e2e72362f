//! Rows of secrets and variables: who changed which, and when. What was set is not in them.

use crate::{NewEvent, Result, models::values::ValueKind};
use serde::{Deserialize, Serialize};

/// The stream of these events.
pub const STREAM: &str = "values";

/// A secret or a variable was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueChanged {
    /// The environment; empty for the repository.
    pub environment: String,
    /// The name.
    pub name: String,
    /// Who did it.
    pub by: String,
}

/// The event of setting (`set`) or taking away a value.
pub fn encode(kind: ValueKind, set: bool, changed: &ValueChanged) -> Result<NewEvent> {
    let kind = format!("{}.{}", kind.as_str(), if set { "set" } else { "removed" });
    let data = super::encode(&kind, changed)?;
    Ok(NewEvent { kind, data })
}

/// The change in a stored row; `kind` is only named in errors.
pub fn decode(kind: &str, data: &[u8]) -> Result<ValueChanged> {
    super::decode(kind, data)
}
