//! Objects of the expression language: ordered by insertion, their keys found in any case, or only as they are spelled.

use super::{Value, fold};
use indexmap::{Equivalent, IndexMap};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// So many keys are searched one by one. Bodies of events hold objects by the hundred thousand, and a table for each takes more memory
/// than what it leads to.
const FEW: usize = 8;

/// A map from text to values that keeps the order of insertion and the spelling of its keys. It finds a key in any case, unless
/// it was made by [`Object::exact`].
#[derive(Clone)]
pub struct Object(Pairs);

#[derive(Clone)]
enum Pairs {
    /// At most [`FEW`].
    Few(Vec<(Key, Value)>),
    Many(Box<IndexMap<Key, Value>>),
    /// As they are spelled.
    Exact(Box<IndexMap<Arc<str>, Value>>),
}

#[derive(Clone, Debug)]
struct Key(Arc<str>);

/// A borrowed key, so that a lookup allocates nothing.
struct Lookup<'a>(&'a str);

impl Object {
    /// An object without keys.
    pub fn new() -> Object {
        Object(Pairs::Few(Vec::new()))
    }

    /// An object whose keys are found only as they are spelled, and may differ in nothing but case. GitHub's runner has one: the
    /// `env` context, everywhere but on Windows.
    pub fn exact() -> Object {
        Object(Pairs::Exact(Box::default()))
    }

    /// The value under a key, in any case unless keys are exact.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match &self.0 {
            Pairs::Few(pairs) => {
                pairs.iter().find(|(known, _)| fold::eq(&known.0, key)).map(|(_, value)| value)
            }
            Pairs::Many(pairs) => pairs.get(&Lookup(key)),
            Pairs::Exact(pairs) => pairs.get(key),
        }
    }

    /// Sets a key. One that is found by the same name keeps its place and its spelling.
    pub fn insert(&mut self, key: impl Into<Arc<str>>, value: impl Into<Value>) {
        let (key, value) = (Key(key.into()), value.into());
        match &mut self.0 {
            Pairs::Few(pairs) => {
                if let Some((_, old)) = pairs.iter_mut().find(|(known, _)| *known == key) {
                    *old = value;
                } else if pairs.len() < FEW {
                    pairs.push((key, value));
                } else {
                    let pairs = std::mem::take(pairs).into_iter().chain([(key, value)]);
                    self.0 = Pairs::Many(Box::new(pairs.collect()));
                }
            }
            Pairs::Many(pairs) => {
                pairs.insert(key, value);
            }
            Pairs::Exact(pairs) => {
                pairs.insert(key.0, value);
            }
        }
    }

    /// Takes a key out and closes the gap.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        match &mut self.0 {
            Pairs::Few(pairs) => {
                let at = pairs.iter().position(|(known, _)| fold::eq(&known.0, key))?;
                Some(pairs.remove(at).1)
            }
            Pairs::Many(pairs) => pairs.shift_remove(&Lookup(key)),
            Pairs::Exact(pairs) => pairs.shift_remove(key),
        }
    }

    /// Keys and values in the order of insertion.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        match &self.0 {
            Pairs::Few(pairs) => Iter::Few(pairs.iter()),
            Pairs::Many(pairs) => Iter::Many(pairs.iter()),
            Pairs::Exact(pairs) => Iter::Exact(pairs.iter()),
        }
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        match &self.0 {
            Pairs::Few(pairs) => pairs.len(),
            Pairs::Many(pairs) => pairs.len(),
            Pairs::Exact(pairs) => pairs.len(),
        }
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives back the memory that was kept for further keys.
    pub(super) fn shrink(&mut self) {
        match &mut self.0 {
            Pairs::Few(pairs) => pairs.shrink_to_fit(),
            Pairs::Many(pairs) => pairs.shrink_to_fit(),
            Pairs::Exact(pairs) => pairs.shrink_to_fit(),
        }
    }
}

impl<K: Into<Arc<str>>, V: Into<Value>> FromIterator<(K, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Object {
        let mut object = Object::new();
        pairs.into_iter().for_each(|(key, value)| object.insert(key, value));
        object.shrink();
        object
    }
}

/// What [`Object::iter`] gives.
enum Iter<'a> {
    Few(std::slice::Iter<'a, (Key, Value)>),
    Many(indexmap::map::Iter<'a, Key, Value>),
    Exact(indexmap::map::Iter<'a, Arc<str>, Value>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Iter::Few(pairs) => pairs.next().map(|(key, value)| (&*key.0, value)),
            Iter::Many(pairs) => pairs.next().map(|(key, value)| (&*key.0, value)),
            Iter::Exact(pairs) => pairs.next().map(|(key, value)| (&**key, value)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Iter::Few(pairs) => pairs.size_hint(),
            Iter::Many(pairs) => pairs.size_hint(),
            Iter::Exact(pairs) => pairs.size_hint(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl Default for Object {
    fn default() -> Object {
        Object::new()
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
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
    use proptest::prelude::*;

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

    #[test]
    fn exact_keys_may_differ_in_case_alone() {
        let mut object = Object::exact();
        for (key, value) in [("http_proxy", 1.0), ("HTTP_PROXY", 2.0), ("Foo", 3.0), ("http_proxy", 4.0)] {
            object.insert(key, value);
        }
        assert_eq!(object.get("http_proxy"), Some(&Value::Number(4.0)));
        assert_eq!(object.get("HTTP_PROXY"), Some(&Value::Number(2.0)));
        assert_eq!(object.get("FOO"), None);
        assert_eq!(
            object.iter().map(|(key, _)| key).collect::<Vec<_>>(),
            ["http_proxy", "HTTP_PROXY", "Foo"]
        );
        assert_eq!(object.clone().remove("http_PROXY"), None);
        assert_eq!(object.remove("HTTP_PROXY"), Some(Value::Number(2.0)));
        assert_eq!((object.len(), object.is_empty()), (2, false));
    }

    /// What an object is, with nothing but a list.
    #[derive(Default)]
    struct Model(Vec<(String, f64)>);

    impl Model {
        fn at(&self, key: &str) -> Option<usize> {
            self.0.iter().position(|(known, _)| fold::eq(known, key))
        }
    }

    proptest! {
        /// Few keys and many are kept in different ways, which nobody may see.
        #[test]
        fn it_is_a_list_of_pairs(steps in proptest::collection::vec((any::<bool>(), "[a-fA-FäÄ]{1,2}", any::<i16>()), 0..60)) {
            let (mut object, mut model) = (Object::new(), Model::default());
            for (put, key, number) in steps {
                let (at, number) = (model.at(&key), f64::from(number));
                match (put, at) {
                    (true, Some(at)) => model.0[at].1 = number,
                    (true, None) => model.0.push((key.clone(), number)),
                    (false, _) => {
                        let gone = at.map(|at| Value::Number(model.0.remove(at).1));
                        prop_assert_eq!(object.remove(&key), gone);
                    }
                }
                if put {
                    object.insert(key.as_str(), number);
                }
                let found = model.at(&key).map(|at| Value::Number(model.0[at].1));
                prop_assert_eq!(object.get(&key), found.as_ref());
                prop_assert_eq!((object.len(), object.iter().len()), (model.0.len(), model.0.len()));
                let pairs = object.iter().map(|(key, value)| (key.to_owned(), value.to_number()));
                prop_assert_eq!(pairs.collect::<Vec<_>>(), model.0.clone());
                prop_assert_eq!(&object, &model.0.iter().map(|(key, number)| (key.as_str(), *number)).collect());
            }
        }
    }
}
