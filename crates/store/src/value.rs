//! Values, rows, and what can be read from them.

use crate::{Result, StoreError};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use shipway_base::{Digest, Id, Timestamp};

/// One parameter or column. Instants are whole microseconds since the Unix epoch, booleans 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Absent.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating point number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// One row of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub(crate) statement: &'static str,
    pub(crate) columns: Vec<Value>,
}

/// What can be read from one column.
pub trait FromValue: Sized {
    /// Reads the value; the error says what was wrong with it.
    fn from_value(value: &Value) -> std::result::Result<Self, String>;
}

/// What can be read from a whole row.
pub trait FromRow: Sized {
    /// Reads the row.
    fn from_row(row: &Row) -> Result<Self>;
}

impl Row {
    /// The column at `index`, counted from 0.
    pub fn get<T: FromValue>(&self, index: usize) -> Result<T> {
        let value = self.columns.get(index).unwrap_or(&Value::Null);
        T::from_value(value).map_err(|reason| {
            StoreError::corrupt(format_args!("column {index} of {}", self.statement), reason)
        })
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl TryFrom<ValueRef<'_>> for Value {
    type Error = rusqlite::types::FromSqlError;

    fn try_from(value: ValueRef<'_>) -> std::result::Result<Value, Self::Error> {
        Ok(match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(_) => Value::Text(value.as_str()?.to_owned()),
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        })
    }
}

macro_rules! into_value {
    ($($from:ty => |$value:ident| $into:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Value {
                $into
            }
        })*
    };
}

into_value! {
    i64 => |number| Value::Integer(number);
    // Versions, sequences and counts stay far below 2^63; a larger one is stored as the largest.
    u64 => |number| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    u32 => |number| Value::Integer(number.into());
    bool => |yes| Value::Integer(yes.into());
    f64 => |number| Value::Real(number);
    &str => |text| Value::Text(text.to_owned());
    &String => |text| Value::Text(text.clone());
    String => |text| Value::Text(text);
    Vec<u8> => |bytes| Value::Blob(bytes);
    &[u8] => |bytes| Value::Blob(bytes.to_vec());
    Timestamp => |instant| Value::Integer(instant.as_micros());
    Digest => |digest| Value::Text(digest.to_string());
}

impl<T> From<Id<T>> for Value {
    fn from(id: Id<T>) -> Value {
        Value::Integer(id.number())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> std::result::Result<i64, String> {
        match value {
            Value::Integer(number) => Ok(*number),
            Value::Null | Value::Real(_) | Value::Text(_) | Value::Blob(_) => {
                Err(not("a whole number", value))
            }
        }
    }
}

impl FromValue for u64 {
    fn from_value(value: &Value) -> std::result::Result<u64, String> {
        u64::try_from(i64::from_value(value)?).map_err(|_| not("a count", value))
    }
}

impl FromValue for u32 {
    fn from_value(value: &Value) -> std::result::Result<u32, String> {
        u32::try_from(i64::from_value(value)?).map_err(|_| not("a small count", value))
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> std::result::Result<bool, String> {
        Ok(i64::from_value(value)? != 0)
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> std::result::Result<f64, String> {
        match value {
            Value::Real(number) => Ok(*number),
            Value::Null | Value::Integer(_) | Value::Text(_) | Value::Blob(_) => Err(not("a number", value)),
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> std::result::Result<String, String> {
        match value {
            Value::Text(text) => Ok(text.clone()),
            Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_) => Err(not("a text", value)),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> std::result::Result<Vec<u8>, String> {
        match value {
            Value::Blob(bytes) => Ok(bytes.clone()),
            Value::Null | Value::Integer(_) | Value::Real(_) | Value::Text(_) => Err(not("bytes", value)),
        }
    }
}

impl FromValue for Timestamp {
    fn from_value(value: &Value) -> std::result::Result<Timestamp, String> {
        i64::from_value(value).map(Timestamp::from_micros)
    }
}

impl FromValue for Digest {
    fn from_value(value: &Value) -> std::result::Result<Digest, String> {
        String::from_value(value)?.parse().map_err(|error| format!("{error}"))
    }
}

impl<T> FromValue for Id<T> {
    fn from_value(value: &Value) -> std::result::Result<Id<T>, String> {
        Id::from_number(i64::from_value(value)?).ok_or_else(|| not("an id", value))
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> std::result::Result<Option<T>, String> {
        if *value == Value::Null { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

impl FromRow for i64 {
    fn from_row(row: &Row) -> Result<i64> {
        row.get(0)
    }
}

impl FromRow for Vec<u8> {
    fn from_row(row: &Row) -> Result<Vec<u8>> {
        row.get(0)
    }
}

fn not(what: &str, value: &Value) -> String {
    let found = match value {
        Value::Null => "nothing",
        Value::Integer(_) => "a whole number",
        Value::Real(_) => "a number",
        Value::Text(_) => "a text",
        Value::Blob(_) => "bytes",
    };
    format!("expected {what}, found {found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_put_in() {
        let digest = Digest::of(b"x");
        let columns = vec![
            7_u64.into(),
            "a".into(),
            Value::from(None::<i64>),
            digest.into(),
            true.into(),
            (-1_i64).into(),
        ];
        let row = Row { statement: "test", columns };
        assert_eq!(row.get::<u64>(0).unwrap(), 7);
        assert_eq!(row.get::<String>(1).unwrap(), "a");
        assert_eq!(row.get::<Option<i64>>(2).unwrap(), None);
        assert_eq!(row.get::<Digest>(3).unwrap(), digest);
        assert!(row.get::<bool>(4).unwrap());
        let error = row.get::<u64>(5).unwrap_err().to_string();
        assert_eq!(error, "column 5 of test is damaged: expected a count, found a whole number");
        assert!(row.get::<String>(9).is_err());
    }
}
