//! Reading `strategy.matrix`.

use super::Tree;
use crate::{
    document::{Key, Reader, scalar_value},
    expr,
};
use shipway_base::{
    Spanned,
    yaml::{self, Node},
};

/// Reads a matrix: a mapping of vectors with `include` and `exclude`, or one expression.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Tree> {
    let Some(mapping) = node.as_mapping() else {
        return reader
            .whole(node, "matrix", "a mapping or an expression", &expr::STRATEGY)
            .map(Tree::Template);
    };
    if mapping.is_empty() {
        reader.error("SW0113", node.span, "matrix is empty; it needs at least one vector or include");
    }
    // Keys that are no names are told about below.
    for (key, value) in
        mapping.iter().filter(|(key, _)| key.value != "<<" && !expr::has_expression(&key.value))
    {
        let place = format!("matrix.{}", key.value);
        let filters = matches!(key.value.as_str(), "include" | "exclude");
        match value.as_sequence() {
            Some([]) if !filters => {
                reader.error("SW0113", value.span, format!("{place} has no values"));
            }
            Some(items) if filters => {
                for item in items.iter().filter(|item| !is_expression(item)) {
                    let mapping = reader.mapping(item, &format!("an entry of {place}"));
                    if mapping.is_some_and(yaml::Mapping::is_empty) {
                        reader.error("SW0113", item.span, format!("this entry of {place} is empty"));
                    }
                }
            }
            Some(_) => {}
            None if is_expression(value) => {}
            None if filters && value.is_null() => {}
            None => reader.wrong_kind(value, &place, "a sequence"),
        }
    }
    tree(reader, node)
}

fn is_expression(node: &Node) -> bool {
    node.as_text().map(str::trim).is_some_and(|text| text.starts_with("${{") && text.ends_with("}}"))
}

fn tree(reader: &mut Reader<'_>, node: &Node) -> Option<Tree> {
    if let Some(items) = node.as_sequence() {
        let items = items.iter().filter_map(|item| tree(reader, item)).collect();
        return Some(Tree::Sequence(items, node.span));
    }
    if let Some(mapping) = node.as_mapping() {
        let mut pairs = Vec::new();
        for (key, value) in mapping.iter() {
            if key.value == "<<" && reader.special_key(key) {
                continue;
            }
            let Some(key) = reader.key(key, &expr::STRATEGY) else { continue };
            let value = match &key {
                Key::Insert(_) => reader.inserted(value, &expr::STRATEGY).map(Tree::Template),
                Key::Name(_) | Key::Expression(_) => tree(reader, value),
            };
            pairs.extend(value.map(|value| (key, value)));
        }
        return Some(Tree::Mapping(pairs, node.span));
    }
    let value = scalar_value(node)?;
    if value.as_str().is_some_and(expr::has_expression) {
        return reader.template(node, "a value of matrix", &expr::STRATEGY).map(Tree::Template);
    }
    Some(Tree::Scalar(Spanned::new(value, node.span)))
}
