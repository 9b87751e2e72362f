//! Properties of the YAML tree that every document of ours is read from: what is written in any style reads back, places
//! nest as the tree does, and no damage to a text makes the reader panic or point outside of it.

use proptest::prelude::*;
use shipway_base::{
    Diagnostic, Source,
    yaml::{self, Limits, Node, Value},
};

/// A document as the model sees it: texts, lists and mappings, each with a style to write it in.
#[derive(Clone, Debug)]
enum Tree {
    Text(String, Style),
    List(Vec<Tree>, Style),
    Mapping(Vec<(String, Tree)>, Style),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
    Block,
    Flow,
}

impl Tree {
    /// The value of a block mapping or list, after its `key:` or `-`; ends its line.
    fn block(&self, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        match self {
            Tree::Text(text, Style::Block) if is_literal(text) => {
                out.push_str(" |-\n");
                for line in text.split('\n') {
                    out.push_str(if line.is_empty() { "" } else { &pad });
                    out.push_str(line);
                    out.push('\n');
                }
            }
            Tree::List(items, Style::Block) if !items.is_empty() => {
                out.push_str("  # a list\n");
                for item in items {
                    out.push_str(&format!("{pad}-"));
                    item.block(indent + 2, out);
                }
            }
            Tree::Mapping(pairs, Style::Block) if !pairs.is_empty() => {
                out.push('\n');
                for (key, value) in pairs {
                    out.push_str(&format!("{pad}{}:", quoted(key, Style::Plain)));
                    value.block(indent + 2, out);
                    out.push_str(if key.len() % 3 == 0 { "\n# between\n" } else { "" });
                }
            }
            Tree::Text(..) | Tree::List(..) | Tree::Mapping(..) => {
                out.push(' ');
                self.flow(out);
                out.push_str(" # end\n");
            }
        }
    }

    fn flow(&self, out: &mut String) {
        match self {
            Tree::Text(text, style) => out.push_str(&quoted(text, *style)),
            Tree::List(items, style) => {
                // Brackets ask for no indentation.
                let line = if *style == Style::Flow { "\n" } else { "" };
                out.push_str(&format!("[{line}"));
                for item in items {
                    item.flow(out);
                    out.push_str(&format!(", {line}"));
                }
                out.push(']');
            }
            Tree::Mapping(pairs, _) => {
                out.push('{');
                for (key, value) in pairs {
                    out.push_str(&format!("{}: ", quoted(key, Style::Double)));
                    value.flow(out);
                    out.push(',');
                }
                out.push('}');
            }
        }
    }

    fn document(&self) -> String {
        let mut out = "root:".to_owned();
        self.block(2, &mut out);
        out
    }

    fn equals(&self, node: &Node) -> bool {
        match (self, &node.value) {
            (Tree::Text(text, _), Value::Scalar(scalar)) => *text == scalar.text,
            (Tree::List(items, _), Value::Sequence(nodes)) => {
                items.len() == nodes.len() && items.iter().zip(nodes).all(|(item, node)| item.equals(node))
            }
            (Tree::Mapping(pairs, _), Value::Mapping(mapping)) => {
                pairs.len() == mapping.len()
                    && pairs
                        .iter()
                        .zip(mapping.iter())
                        .all(|((key, value), (name, node))| *key == name.value && value.equals(node))
            }
            (Tree::Text(..) | Tree::List(..) | Tree::Mapping(..), _) => false,
        }
    }
}

/// Whether a block scalar can hold it without an indentation indicator.
fn is_literal(text: &str) -> bool {
    !text.is_empty() && !text.starts_with([' ', '\n']) && !text.ends_with('\n')
}

/// A scalar in a style that can hold it.
fn quoted(text: &str, style: Style) -> String {
    let safe = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match style {
        Style::Plain | Style::Flow if safe => text.to_owned(),
        Style::Single if !text.contains('\n') => format!("'{}'", text.replace('\'', "''")),
        // JSON's texts are YAML's, too.
        Style::Plain | Style::Single | Style::Double | Style::Block | Style::Flow => {
            serde_json::Value::from(text).to_string()
        }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let style = || {
        prop::sample::select(vec![
            Style::Plain,
            Style::Single,
            Style::Double,
            Style::Block,
            Style::Block,
            Style::Flow,
        ])
    };
    let text =
        prop_oneof!["[a-z][a-z0-9-]{0,8}", "[ -~éü😊]{0,12}", "[a-z#:é -]{1,8}(\n[a-z:'\"# -]{0,8}){0,4}"];
    let leaf = (text, style()).prop_map(|(text, style)| Tree::Text(text, style));
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let key = prop_oneof!["[a-z][a-z0-9-]{0,8}", "[ -~é]{0,6}"];
        let pairs = prop::collection::btree_map(key, inner.clone(), 0..5);
        prop_oneof![
            (prop::collection::vec(inner, 0..5), style()).prop_map(|(items, style)| Tree::List(items, style)),
            (pairs, style()).prop_map(|(pairs, style)| Tree::Mapping(pairs.into_iter().collect(), style)),
        ]
    })
}

/// Every node lies within its parent and after its elder sibling, and a plain scalar of one line is where it says.
fn check_places(node: &Node, source: &Source) -> Result<(), TestCaseError> {
    let mut children = Vec::new();
    match &node.value {
        Value::Scalar(scalar) => {
            let written = &source.text[source.byte_range(node.span)];
            prop_assert!(!scalar.plain || written == scalar.text, "{written:?} is not {:?}", scalar.text);
        }
        Value::Sequence(items) => children.extend(items.iter().map(|item| (item.span, Some(item)))),
        Value::Mapping(mapping) => {
            for (key, value) in mapping.iter() {
                children.extend([(key.span, None), (value.span, Some(value))]);
            }
        }
    }
    let mut end = node.span.start;
    for (span, child) in children {
        prop_assert!(end <= span.start && span.start <= span.end, "{span:?} begins before {end:?}");
        end = span.end;
        if let Some(child) = child {
            check_places(child, source)?;
        }
    }
    prop_assert!(end <= node.span.end, "a child ends at {end:?}, its parent at {:?}", node.span.end);
    Ok(())
}

/// What is said about a text has a known code, words, and a place within it.
pub(crate) fn check_complaint(found: &Diagnostic) -> Result<(), TestCaseError> {
    let range = found.source.byte_range(found.span);
    prop_assert!(found.source.text.get(range).is_some(), "{found}");
    let lines = u32::try_from(found.source.text.split('\n').count()).unwrap_or(u32::MAX);
    prop_assert!(found.span.start.line <= lines, "{found} is beyond line {lines}");
    prop_assert!(found.span.start <= found.span.end, "{found} ends before it begins");
    prop_assert!(!found.message.is_empty() && !found.message.contains('\n'), "{found}");
    Ok(())
}

/// Pieces that mean something to YAML.
pub(crate) const PIECES: &[&str] = &[
    "\n",
    "  ",
    "    ",
    "\t",
    "- ",
    "-",
    ": ",
    ":",
    "? ",
    "|",
    ">-",
    "|2",
    "'",
    "\"",
    "\\",
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    " # ",
    "&a ",
    "*a",
    "!!str ",
    "! ",
    "<<: *a",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "@",
    "`",
    "~",
    "null",
    "true",
    "0x1F",
    "${{ ",
    " }}",
    "é",
    "😊",
    "\u{85}",
    "\u{feff}",
    "\r\n",
    "\0",
];

/// One act of damage to a text: a cut, and something put in its place.
#[derive(Clone, Debug)]
pub(crate) struct Damage {
    at: prop::sample::Index,
    cut: usize,
    put: &'static str,
}

pub(crate) fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let damage = (any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(PIECES));
    prop::collection::vec(damage.prop_map(|(at, cut, put)| Damage { at, cut, put }), 1..5)
}

pub(crate) fn damaged(text: &str, damages: &[Damage]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for Damage { at, cut, put } in damages {
        let from = at.index(characters.len() + 1);
        let to = (from + cut).min(characters.len());
        characters.splice(from..to, put.chars());
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_style_reads_back_with_its_place(tree in trees()) {
        let source = Source::new("t.yml", tree.document());
        let read = yaml::parse(&source, Limits::default());
        let Ok(Some(node)) = read else { panic!("{read:?}\n{}", source.text) };
        check_places(&node, &source)?;
        let root = node.as_mapping().and_then(|mapping| mapping.get("root"));
        prop_assert!(root.is_some_and(|root| tree.equals(root)), "{root:#?}\n{}", source.text);
    }

    #[test]
    fn damage_is_told_with_a_place(tree in trees(), damages in damages()) {
        let source = Source::new("t.yml", damaged(&tree.document(), &damages));
        let read = yaml::parse_all(&source, Limits::default());
        prop_assert_eq!(&read, &yaml::parse_all(&source, Limits::default()));
        if let Err(found) = read {
            check_complaint(&found)?;
            prop_assert!(found.code.starts_with("SW00"), "{}", found);
        }
    }

    #[test]
    fn limits_hold(tree in trees(), depth in 1_usize..6, nodes in 1_usize..30) {
        fn measure(node: &Node) -> (usize, usize) {
            let children: Vec<&Node> = match &node.value {
                Value::Scalar(_) => return (1, 0),
                Value::Sequence(items) => items.iter().collect(),
                Value::Mapping(mapping) => mapping.iter().map(|(_, value)| value).collect(),
            };
            children.into_iter().map(measure).fold((1, 1), |(n, h), (size, height)| (n + size, h.max(height + 1)))
        }
        let source = Source::new("t.yml", tree.document());
        match yaml::parse(&source, Limits { depth, nodes, ..Limits::default() }) {
            Ok(node) => {
                let (size, height) = node.as_ref().map_or((0, 0), measure);
                prop_assert!(size <= nodes && height <= depth, "{size} nodes, {height} deep\n{}", source.text);
            }
            Err(found) => prop_assert_eq!(found.code, "SW0004"),
        }
    }
}
