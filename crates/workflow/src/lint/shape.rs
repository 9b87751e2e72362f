//! What is known of a job's `matrix` context before it runs.

use super::view::text;
use crate::expr;
use shipway_base::yaml::{Mapping, Node};
use std::collections::BTreeMap;

/// The keys of a matrix.
pub(super) enum Shape<'a> {
    /// There is no matrix, so every property of it is empty.
    None,
    /// Its keys, folded to lower case, each with its values when all are known.
    Keys(BTreeMap<String, Key<'a>>),
    /// It comes from an expression, or from a caller.
    Unknown,
}

/// One key of a matrix.
pub(super) struct Key<'a> {
    /// As it is written.
    pub(super) written: &'a str,
    /// All scalars it can be; none when an expression or a nested value is among them.
    pub(super) values: Option<Vec<&'a str>>,
}

impl<'a> Shape<'a> {
    /// Reads `strategy`.
    pub(super) fn of(strategy: Option<&'a Node>) -> Shape<'a> {
        let Some(strategy) = strategy else { return Shape::None };
        let Some(map) = strategy.as_mapping() else { return Shape::Unknown };
        let Some(matrix) = map.get("matrix") else { return Shape::None };
        let Some(matrix) = matrix.as_mapping() else { return Shape::Unknown };
        let mut keys = BTreeMap::new();
        for (key, value) in matrix.iter() {
            if expr::has_expression(&key.value) {
                return Shape::Unknown;
            }
            match key.value.as_str() {
                "exclude" => {}
                "include" => {
                    let Some(()) = include(&mut keys, value) else { return Shape::Unknown };
                }
                _ => add(&mut keys, &key.value, value.as_sequence().and_then(scalars)),
            }
        }
        Shape::Keys(keys)
    }
}

/// Adds the keys of the entries of `include`; none when an expression hides some.
fn include<'a>(keys: &mut BTreeMap<String, Key<'a>>, node: &'a Node) -> Option<()> {
    if node.is_null() {
        return Some(());
    }
    let maps: Option<Vec<&Mapping>> = node.as_sequence()?.iter().map(Node::as_mapping).collect();
    for (key, value) in maps?.into_iter().flat_map(Mapping::iter) {
        if expr::has_expression(&key.value) {
            return None;
        }
        add(keys, &key.value, scalars(std::slice::from_ref(value)));
    }
    Some(())
}

fn add<'a>(keys: &mut BTreeMap<String, Key<'a>>, name: &'a str, values: Option<Vec<&'a str>>) {
    match keys.entry(name.to_lowercase()) {
        std::collections::btree_map::Entry::Vacant(free) => {
            free.insert(Key { written: name, values });
        }
        std::collections::btree_map::Entry::Occupied(mut known) => {
            let known = known.get_mut();
            known.values = known.values.take().zip(values).map(|(mut all, more)| {
                all.extend(more);
                all
            });
        }
    }
}

fn scalars(items: &[Node]) -> Option<Vec<&str>> {
    items
        .iter()
        .map(|item| text(item).map(|text| text.value).filter(|text| !expr::has_expression(text)))
        .collect()
}
