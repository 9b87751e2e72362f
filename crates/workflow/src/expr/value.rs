//! Values of the expression language and how they turn into one another.

use super::{Object, as_json, fold, number};
use serde_json::Value as Json;
use std::{cmp::Ordering, sync::Arc};

/// A value: JSON's kinds, cheap to clone.
///
/// `==` compares structure, for tests and change detection; the language's own equality is [`Value::loosely_equals`].
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing; also what a missing property is.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A number, `NaN` and the infinities included.
    Number(f64),
    /// Text.
    String(Arc<str>),
    /// Values in order.
    Array(Arc<Vec<Value>>),
    /// Values by name.
    Object(Arc<Object>),
}

impl Value {
    /// The value that a JSON text stands for.
    pub fn from_json(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(value) => Value::Number(value.as_f64().unwrap_or(f64::NAN)),
            Json::String(value) => Value::from(value.as_str()),
            Json::Array(items) => Value::Array(Arc::new(items.iter().map(Value::from_json).collect())),
            Json::Object(pairs) => Value::Object(Arc::new(
                pairs.iter().map(|(key, value)| (key.as_str(), Value::from_json(value))).collect(),
            )),
        }
    }

    /// The value as JSON. Whole numbers become integers; `NaN` and the infinities, which JSON lacks, become null.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(value) => number::to_json(*value),
            Value::String(value) => Json::String(value.to_string()),
            Value::Array(items) => Json::Array(items.iter().map(Value::to_json).collect()),
            Value::Object(object) => {
                Json::Object(object.iter().map(|(key, value)| (key.to_owned(), value.to_json())).collect())
            }
        }
    }

    /// The value that JSON text stands for, without the tree between. As [`from_json`](Value::from_json), of keys that differ only in
    /// case one is left: the spelling of the first, the value of the last.
    ///
    /// # Errors
    /// The text is no JSON, or deeper than 127 levels.
    pub fn from_json_text(text: &str) -> serde_json::Result<Value> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = as_json::deserialize(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    /// The text of [`to_json`](Value::to_json), without the tree between: the body of an event may be large.
    pub fn to_json_text(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                out.push_str(&self.to_json().to_string());
            }
            Value::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    item.write_json(out);
                }
                out.push(']');
            }
            Value::Object(object) => {
                out.push('{');
                for (at, (key, value)) in object.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    out.push_str(&Json::from(key).to_string());
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    /// What stands at a path of keys, which may have any case, and places in lists from 0: `/pull_request/labels/0`. A key that holds a
    /// slash cannot be named.
    pub fn pointer(&self, path: &str) -> Option<&Value> {
        path.split('/').skip(1).try_fold(self, |value, step| match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                value.get(step)
            }
        })
    }

    /// The name of its kind: `Null`, `Boolean`, `Number`, `String`, `Array` or `Object`.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "Null",
            Value::Bool(_) => "Boolean",
            Value::Number(_) => "Number",
            Value::String(_) => "String",
            Value::Array(_) => "Array",
            Value::Object(_) => "Object",
        }
    }

    /// Whether it counts as true: anything but null, false, 0, `NaN` and the empty text.
    pub fn is_truthy(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Number(value) => *value != 0.0 && !value.is_nan(),
            Value::String(value) => !value.is_empty(),
            Value::Array(_) | Value::Object(_) => true,
        }
    }

    /// Whether it is neither an array nor an object.
    pub fn is_primitive(&self) -> bool {
        match self {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            Value::Array(_) | Value::Object(_) => false,
        }
    }

    /// The number it counts as; `NaN` where there is none.
    pub fn to_number(&self) -> f64 {
        match self {
            Value::Null => 0.0,
            Value::Bool(value) => f64::from(u8::from(*value)),
            Value::Number(value) => *value,
            Value::String(value) => number::from_text(value),
            Value::Array(_) | Value::Object(_) => f64::NAN,
        }
    }

    /// The text it becomes when written out: `Array` and `Object` for those, nothing for null.
    pub fn to_text(&self) -> Arc<str> {
        match self {
            Value::Null => Arc::from(""),
            Value::Bool(true) => Arc::from("true"),
            Value::Bool(false) => Arc::from("false"),
            Value::Number(value) => Arc::from(number::to_text(*value)),
            Value::String(value) => value.clone(),
            Value::Array(_) => Arc::from("Array"),
            Value::Object(_) => Arc::from("Object"),
        }
    }

    /// The property of an object, in any case; nothing for other kinds.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object().and_then(|object| object.get(key))
    }

    /// The text, when it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The truth value, when it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The number, when it is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(value) => Some(*value),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The number, when it is a whole one that is exact.
    pub fn as_u64(&self) -> Option<u64> {
        number::to_json(self.as_number()?).as_u64()
    }

    /// The items, when it is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) => Some(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => None,
        }
    }

    /// The object, when it is one.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Value::Object(object) => Some(object),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        }
    }

    /// The language's `==`: text in any case; values of different kinds as numbers; arrays and objects only when they
    /// are the very same one.
    pub fn loosely_equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::String(a), Value::String(b)) => fold::eq(a, b),
            (Value::Array(a), Value::Array(b)) => Arc::ptr_eq(a, b),
            (Value::Object(a), Value::Object(b)) => Arc::ptr_eq(a, b),
            // `NaN` equals nothing, and so does whatever has no number.
            (a, b) => a.to_number() == b.to_number(),
        }
    }

    /// The language's `<` and `>`: text in any case, everything else as numbers; nothing where there is no order.
    pub fn loosely_compares(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::String(a), Value::String(b)) => Some(fold::cmp(a, b)),
            // Two nulls, arrays or objects have no order, though they may be equal.
            (Value::Null, Value::Null) => None,
            (a, b) => a.to_number().partial_cmp(&b.to_number()),
        }
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Value {
        Value::from_json(&json)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(Arc::from(value))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::String(Arc::from(value))
    }
}

impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Value {
        Value::String(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Value {
        Value::Array(Arc::new(items))
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Value {
        Value::Object(Arc::new(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_json_is_that_of_its_tree() {
        for text in [
            "null",
            r#"{"a":[1,1.5,-0.25,true,false,null,"x\"\\\n\u0001\u2028ä"],"b \" c":{},"d":[]}"#,
            r#"["",[[]],{"A":{"b":[{"c":1e21}]}}]"#,
        ] {
            let value = Value::from_json(&serde_json::from_str(text).expect("JSON"));
            let written = value.to_json_text();
            assert_eq!(serde_json::from_str::<Json>(&written).expect("JSON"), value.to_json(), "{written}");
        }
        assert_eq!(Value::from(vec![Value::from(f64::NAN), Value::from(2.0)]).to_json_text(), "[null,2]");
    }
}
