//! Values read from JSON and written as it, without a tree between: the body of an event may be large.
//!
//! To be named in `#[serde(with = "shipway_workflow::expr::as_json")]`.

use super::{Object, Value, number};
use serde::{
    Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap as _, SerializeSeq as _},
};
use std::{collections::BTreeSet, fmt, sync::Arc};

/// So many different keys are kept once for all objects that have them; what has more is no list of like things.
const SHARED_KEYS: usize = 1_024;

/// Writes a value: whole numbers as integers; `NaN` and the infinities, which JSON lacks, as null.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    Written(value).serialize(serializer)
}

/// Reads a value, as [`Value::from_json`] makes it of a tree. Keys that many objects have are kept once.
///
/// # Errors
/// Those of the deserializer: the text is no JSON, or deeper than it allows.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Reading(&mut BTreeSet::new()).deserialize(deserializer)
}

/// A value as its serializer sees it.
struct Written<'a>(&'a Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(value) => number::to_json(*value).serialize(serializer),
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items.iter() {
                    list.serialize_element(&Written(item))?;
                }
                list.end()
            }
            Value::Object(object) => {
                let mut map = serializer.serialize_map(Some(object.len()))?;
                for (key, value) in object.iter() {
                    map.serialize_entry(key, &Written(value))?;
                }
                map.end()
            }
        }
    }
}

/// Reads one value, with the keys that were read before it.
struct Reading<'k>(&'k mut BTreeSet<Arc<str>>);

/// Reads one key.
struct ReadingKey<'k>(&'k mut BTreeSet<Arc<str>>);

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Reading(self.0))? {
            items.push(item);
        }
        items.shrink_to_fit();
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some(key) = map.next_key_seed(ReadingKey(self.0))? {
            object.insert(key, map.next_value_seed(Reading(self.0))?);
        }
        object.shrink();
        Ok(object.into())
    }
}

impl<'de> DeserializeSeed<'de> for ReadingKey<'_> {
    type Value = Arc<str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for ReadingKey<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Arc<str>, E> {
        if let Some(key) = self.0.get(text) {
            return Ok(key.clone());
        }
        let key: Arc<str> = text.into();
        if self.0.len() < SHARED_KEYS {
            self.0.insert(key.clone());
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::newtonsoft::tests::json, *};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_a_tree_becomes(json in json()) {
            let tree = |text: &str| Value::from_json(&serde_json::from_str(text).expect("JSON"));
            let value = tree(&json.to_string());
            prop_assert_eq!(&Value::from_json_text(&json.to_string()).expect("JSON"), &value);
            let written = value.to_json_text();
            prop_assert_eq!(&written, &value.to_json().to_string());
            let mut bytes = Vec::new();
            serialize(&value, &mut serde_json::Serializer::new(&mut bytes)).expect("it is written");
            prop_assert_eq!(bytes, written.as_bytes());
            prop_assert_eq!(Value::from_json_text(&written).expect("JSON"), tree(&written));
        }
    }

    #[test]
    fn keys_of_like_objects_are_kept_once() {
        let read = |text: &str| Value::from_json_text(text).expect("JSON");
        let value = read(r#"[{"name":1,"Name":2},{"name":3}]"#);
        let keys: Vec<*const u8> = value
            .as_array()
            .iter()
            .flat_map(|items| items.iter())
            .flat_map(|item| item.as_object().expect("an object").iter().map(|(key, _)| key.as_ptr()))
            .collect();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], keys[1]);
        assert_eq!(value.to_json_text(), r#"[{"name":2},{"name":3}]"#);
    }

    #[test]
    fn what_is_too_deep_or_no_json_is_refused() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Value::from_json_text(&deep(100)).is_ok());
        let refused = |text: &str| Value::from_json_text(text).expect_err("a refusal").to_string();
        assert_eq!(refused(&deep(1_000_000)), "recursion limit exceeded at line 1 column 128");
        for text in ["", "{", "[1,]", "{\"a\":1}x", "{1:2}", "\"\u{1}\""] {
            refused(text);
        }
    }
}
