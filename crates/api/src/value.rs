//! Secrets and variables of the repository and of its environments.

use serde::{Deserialize, Serialize};
use shipway_base::Timestamp;

/// `GET /api/v1/secrets`, `GET /api/v1/variables`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedValues {
    /// Those of the repository first, then by environment, by name.
    pub items: Vec<NamedValue>,
}

/// A secret, whose value is never told, or a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedValue {
    /// Its name, in capitals.
    pub name: String,
    /// The environment whose jobs get it, in small letters; absent for all jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The value of a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// When it was first set.
    #[serde(with = "crate::time")]
    pub created_at: Timestamp,
    /// When it was last set.
    #[serde(with = "crate::time")]
    pub updated_at: Timestamp,
}

/// `PUT /api/v1/secrets/{name}?environment=`, `PUT /api/v1/variables/{name}?environment=`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetValue {
    /// The value.
    pub value: String,
}

/// Which of the two kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Sealed when it is stored, never shown, masked in logs.
    Secret,
    /// Plain.
    Variable,
}

impl ValueKind {
    /// Its place in the API.
    pub fn segment(self) -> &'static str {
        match self {
            ValueKind::Secret => "secrets",
            ValueKind::Variable => "variables",
        }
    }

    /// One of them.
    pub fn word(self) -> &'static str {
        match self {
            ValueKind::Secret => "secret",
            ValueKind::Variable => "variable",
        }
    }
}

impl std::fmt::Debug for SetValue {
    /// It may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SetValue(***)")
    }
}
