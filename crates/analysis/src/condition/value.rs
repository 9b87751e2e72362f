//! Values of conditions.

use std::{collections::BTreeMap, fmt, sync::Arc};

/// A value. Numbers are whole or not, as in expr; both compare with one another.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `nil`.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    String(Arc<str>),
    /// A list.
    Array(Arc<Vec<Value>>),
    /// Named values.
    Map(Arc<BTreeMap<String, Value>>),
}

impl Value {
    /// A text.
    pub fn string(text: &str) -> Value {
        Value::String(Arc::from(text))
    }

    /// A list.
    pub fn array(items: Vec<Value>) -> Value {
        Value::Array(Arc::new(items))
    }

    /// Named values.
    pub fn map(pairs: BTreeMap<String, Value>) -> Value {
        Value::Map(Arc::new(pairs))
    }

    /// The name of its kind: `nil`, `bool`, `int`, `float`, `string`, `array` or `map`.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Map(_) => "map",
        }
    }

    /// The number, whichever kind.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Int(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::Nil | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Map(_) => None,
        }
    }

    /// The whole number.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(number) = self { Some(*number) } else { None }
    }

    /// The text.
    pub fn as_text(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The items of a list.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Value::Array(items) = self { Some(items) } else { None }
    }

    /// The named values of a map.
    pub fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        if let Value::Map(pairs) = self { Some(pairs) } else { None }
    }

    /// Whether two values are the same; a whole number equals the same number with a fraction.
    pub(crate) fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|((k, a), (l, b))| k == l && a.equals(b))
            }
            (a, b) => match (a.as_number(), b.as_number()) {
                (Some(a), Some(b)) => a == b,
                (_, _) => a == b,
            },
        }
    }
}

impl fmt::Display for Value {
    /// Compact JSON; texts at the top stand without quotes, and numbers that JSON lacks by name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{number}"),
            Value::String(text) => f.write_str(text),
            Value::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_str(",")?;
                    }
                    inner(item, f)?;
                }
                f.write_str("]")
            }
            Value::Map(pairs) => {
                f.write_str("{")?;
                for (index, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key:?}:", if index > 0 { "," } else { "" })?;
                    inner(value, f)?;
                }
                f.write_str("}")
            }
        }
    }
}

fn inner(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::String(text) => write!(f, "{text:?}"),
        Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Array(_) | Value::Map(_) => {
            write!(f, "{value}")
        }
    }
}
