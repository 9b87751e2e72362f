//! Objects of the expression language: ordered by insertion, their keys found in any case.

use super::{Value, fold};
use indexmap::{Equivalent, IndexMap};
use std::hash::{Hash, Hasher};

/// A map from text to values that keeps the order of insertion and the spelling of its keys, and finds a key in any
/// case.
#[derive(Clone, Debug, Default)]
pub struct Object(IndexMap<Key, Value>);

#[derive(Clone, Debug)]
struct Key(Box<str>);

/// A borrowed key, so that a lookup allocates nothing.
struct Lookup<'a>(&'a str);

impl Object {
    /// An object without keys.
    pub fn new() -> Object {
        Object::default()
    }

    /// The value under a key in any case.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(&Lookup(key))
    }

    /// Sets a key. One that differs only in case is the same: it keeps its place and its spelling.
    pub fn insert(&mut self, key: impl Into<Box<str>>, value: impl Into<Value>) {
        self.0.insert(Key(key.into()), value.into());
    }

    /// Takes a key out and closes the gap.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.shift_remove(&Lookup(key))
    }

    /// Keys and values in the order of insertion.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (&*key.0, value))
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<Box<str>>, V: Into<Value>> FromIterator<(K, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Object {
        let mut object = Object::new();
        pairs.into_iter().for_each(|(key, value)| object.insert(key, value));
        object
    }
}

impl PartialEq for Object {
    /// The same keys, spelling and order included, with the same values.
    fn eq(&self, other: &Object) -> bool {
        self.iter().eq(other.iter())
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        fold::eq(&self.0, &other.0)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Lookup(&self.0).hash(state);
    }
}

impl Hash for Lookup<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.chars().for_each(|c| fold::upper(c).hash(state));
    }
}

impl Equivalent<Key> for Lookup<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        fold::eq(self.0, &key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_keys_in_any_case_and_keeps_their_order() {
        let mut object: Object = [("Zebra", 1.0), ("apple", 2.0)].into_iter().collect();
        object.insert("ZEBRA", 3.0);
        object.insert("Über", 4.0);
        assert_eq!(object.get("zebra"), Some(&Value::Number(3.0)));
        assert_eq!(object.get("üBER"), Some(&Value::Number(4.0)));
        assert_eq!(object.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["Zebra", "apple", "Über"]);
        assert_eq!(object.remove("APPLE"), Some(Value::Number(2.0)));
        assert_eq!((object.len(), object.is_empty()), (2, false));
    }
}
