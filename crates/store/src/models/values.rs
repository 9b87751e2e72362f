//! Secrets and variables: named bytes of the repository and of its environments.

use crate::{FromRow, Result, Row, Statement, Store, StoreError, statement::statements};
use shipway_base::Timestamp;

/// A secret or a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueRow {
    /// Which of the two.
    pub kind: ValueKind,
    /// The environment it belongs to; empty for one of the repository.
    pub environment: String,
    /// Its name, unique within its kind and environment.
    pub name: String,
    /// A variable's text; of a secret what was sealed, which only its keeper can read.
    pub data: Vec<u8>,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// Whether a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueKind {
    /// It may not.
    Secret,
    /// It may.
    Variable,
}

statements! {
    PUT = "INSERT INTO named_values (kind, environment, name, data, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (kind, environment, name) DO UPDATE SET data = excluded.data, updated_at = excluded.updated_at";
    REMOVE = "DELETE FROM named_values WHERE kind = ?1 AND environment = ?2 AND name = ?3";
    LIST = "SELECT kind, environment, name, data, created_at, updated_at FROM named_values WHERE kind = ?1
        ORDER BY environment, name";
}

/// Sets a value; one that is there keeps the instant it was made at.
pub fn put(value: &ValueRow) -> Statement {
    PUT.with([
        value.kind.as_str().into(),
        (&value.environment).into(),
        (&value.name).into(),
        value.data.as_slice().into(),
        value.created_at.into(),
        value.updated_at.into(),
    ])
    .expect(1)
}

/// Takes a value away. One that is not there makes the transaction fail with [`StoreError::Guard`](crate::StoreError::Guard).
pub fn remove(kind: ValueKind, environment: &str, name: &str) -> Statement {
    REMOVE.with([kind.as_str().into(), environment.into(), name.into()]).expect(1)
}

impl Store {
    /// All values of a kind, those of the repository first, by name.
    pub async fn values(&self, kind: ValueKind) -> Result<Vec<ValueRow>> {
        self.all(LIST.with([kind.as_str().into()])).await
    }
}

impl ValueKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ValueKind::Secret => "secret",
            ValueKind::Variable => "variable",
        }
    }
}

impl FromRow for ValueRow {
    fn from_row(row: &Row) -> Result<ValueRow> {
        let kind: String = row.get(0)?;
        let kind = match kind.as_str() {
            "secret" => ValueKind::Secret,
            "variable" => ValueKind::Variable,
            other => {
                return Err(StoreError::corrupt("a value", format_args!("{other:?} is no kind of value")));
            }
        };
        Ok(ValueRow {
            kind,
            environment: row.get(1)?,
            name: row.get(2)?,
            data: row.get(3)?,
            created_at: row.get(4)?,
            updated_at: row.get(5)?,
        })
    }
}
