//! Reading `strategy.matrix`.

use super::{
    Tree,
    expand::{Builder, NoContexts},
};
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
    let told = reader.found.iter().count();
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
            None => reader.wrong_kind(value, &place, "a sequence"),
        }
    }
    excluded_keys(reader, mapping);
    let found = tree(reader, node);
    // As on GitHub what needs no expression is known before anything runs. What is told already is not told again, nor are
    // keys that are there twice, which the whole tree was searched for.
    let sound = reader.found.iter().count() == told;
    if let Some(tree) = found.as_ref().filter(|tree| sound && !tree.has_expressions()) {
        let builder = Builder { source: reader.source, span: node.span };
        let legs = builder.evaluate(tree, &NoContexts).and_then(|matrix| builder.of_value(&matrix));
        if let Some(error) = legs.err().filter(|error| error.code != "SW0107") {
            reader.found.push(error);
        }
    }
    found
}

/// Tells of keys in `exclude` that are no vectors, which is known unless keys are computed.
fn excluded_keys(reader: &mut Reader<'_>, matrix: &yaml::Mapping) {
    if matrix.iter().any(|(key, _)| expr::has_expression(&key.value)) {
        return;
    }
    let is_vector = |name: &str| {
        let mut vectors =
            matrix.iter().filter(|(key, _)| !matches!(key.value.as_str(), "include" | "exclude"));
        vectors.any(|(key, _)| key.value.eq_ignore_ascii_case(name))
    };
    let entries = matrix.get("exclude").and_then(Node::as_sequence).unwrap_or_default();
    let keys = entries.iter().filter_map(Node::as_mapping).flat_map(yaml::Mapping::iter);
    for (key, _) in keys.filter(|(key, _)| !expr::has_expression(&key.value) && !is_vector(&key.value)) {
        let message = format!("matrix.exclude names {:?}, which is no key of the matrix", key.value);
        reader.error("SW0116", key.span, message);
    }
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
                // A mapping may be written there too, as anything may that GitHub reads as `any`.
                Key::Insert(_) if value.as_mapping().is_none() => {
                    let expected = "a mapping or an expression";
                    let whole = reader.whole(value, "the value of ${{ insert }}", expected, &expr::STRATEGY);
                    whole.map(Tree::Template)
                }
                Key::Insert(_) | Key::Name(_) | Key::Expression(_) => tree(reader, value),
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
