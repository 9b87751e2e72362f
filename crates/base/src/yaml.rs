//! YAML as a tree that remembers where everything stands.
//!
//! Scalars are typed by the YAML 1.2 core schema, except that their text is kept as written (`1.10` stays
//! distinguishable from `1.1`). Aliases are resolved by copying, under a budget, so that a small text cannot become
//! an enormous tree. Merge keys (`<<`) are ordinary keys here; documents that refuse them say so themselves.

mod load;
mod mend;
mod scalar;

use crate::{Span, Spanned};
pub use load::{Limits, parse, parse_all};
pub use scalar::ScalarKind;
use std::fmt;

/// A node of the tree with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A scalar.
    Scalar(Scalar),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the text; keys are unique.
    Mapping(Mapping),
}

/// A scalar: its text as written, and what the core schema says it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The text, quotes and folding resolved.
    pub text: String,
    /// Its type.
    pub kind: ScalarKind,
    /// Whether it was written plain, so that offsets within the text are offsets within the source.
    pub plain: bool,
}

/// Key and value pairs in the order of the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping(Vec<(Spanned<String>, Node)>);

impl Node {
    /// The mapping, when it is one.
    pub fn as_mapping(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Mapping(mapping) => Some(mapping),
            Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }

    /// The items, when it is a sequence.
    pub fn as_sequence(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            Value::Scalar(_) | Value::Mapping(_) => None,
        }
    }

    /// The scalar, when it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// The text of a scalar that is not null, whatever its type: `1`, `true` and `'x'` all have one.
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar().filter(|scalar| scalar.kind != ScalarKind::Null).map(|scalar| scalar.text.as_str())
    }

    /// The truth value of a boolean scalar.
    pub fn as_bool(&self) -> Option<bool> {
        match self.as_scalar()?.kind {
            ScalarKind::Bool(value) => Some(value),
            ScalarKind::Null | ScalarKind::Number(_) | ScalarKind::String => None,
        }
    }

    /// The number of a numeric scalar.
    pub fn as_number(&self) -> Option<f64> {
        match self.as_scalar()?.kind {
            ScalarKind::Number(value) => Some(value),
            ScalarKind::Null | ScalarKind::Bool(_) | ScalarKind::String => None,
        }
    }

    /// Whether it is null or an empty value (`key:`).
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.kind == ScalarKind::Null)
    }

    /// The name of its kind, for messages: `a mapping`, `a sequence`, `a string` and so on.
    pub fn kind_name(&self) -> &'static str {
        match &self.value {
            Value::Mapping(_) => "a mapping",
            Value::Sequence(_) => "a sequence",
            Value::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => "empty",
                ScalarKind::Bool(_) => "a boolean",
                ScalarKind::Number(_) => "a number",
                ScalarKind::String => "a string",
            },
        }
    }
}

impl Mapping {
    /// The pairs in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (Spanned<String>, Node)> {
        self.0.iter()
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|(name, _)| name.value == key).map(|(_, node)| node)
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Spanned<String>, Node)> for Mapping {
    /// For trees that are rewritten; whoever rewrites keeps the keys unique.
    fn from_iter<I: IntoIterator<Item = (Spanned<String>, Node)>>(pairs: I) -> Mapping {
        Mapping(pairs.into_iter().collect())
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The known name closest to `unknown`, when it is close enough to be a typing error: at most two edits and less
/// than half of the name. Of `unknown` no more than 64 characters are looked at, for it takes as long as their product.
pub fn closest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let unknown: String = unknown.to_lowercase().chars().take(64).collect();
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&unknown, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 2 && *distance * 2 < name.chars().count().max(2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pos, Source};
    use proptest::prelude::*;

    fn tree(text: &str) -> Node {
        match parse(&Source::new("t.yml", text), Limits::default()) {
            Ok(Some(node)) => node,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(text: &str) -> String {
        match parse(&Source::new("t.yml", text), Limits::default()) {
            Err(found) => found.to_string(),
            Ok(tree) => panic!("accepted: {tree:?}"),
        }
    }

    #[test]
    fn a_nul_byte_is_told_with_its_place() {
        let source = Source::new("x", "a: 1\nb: é\0c\n");
        let found = parse(&source, Limits::default()).expect_err("not YAML");
        assert_eq!((found.code, found.span.start), ("SW0001", crate::Pos::new(2, 5)));
        assert!(found.message.contains("NUL byte"), "{}", found.message);
    }

    #[test]
    fn types_scalars_by_the_core_schema() {
        let node = tree("[1, 1.10, 0x1F, 0o17, true, ~, yes, '1', .inf, -1e3, '', null]");
        let kinds: Vec<_> = node.as_sequence().unwrap_or_default().iter().map(Node::kind_name).collect();
        assert_eq!(
            kinds,
            [
                "a number",
                "a number",
                "a number",
                "a number",
                "a boolean",
                "empty",
                "a string",
                "a string",
                "a number",
                "a number",
                "a string",
                "empty"
            ]
        );
        assert_eq!(node.as_sequence().unwrap_or_default()[1].as_text(), Some("1.10"));
    }

    #[test]
    fn obeys_tags_of_the_core_schema() {
        let node = tree("[!!str 1, !!int 1, !!float 1, !!bool true, !!null , ! 1]");
        let kinds: Vec<_> = node.as_sequence().unwrap_or_default().iter().map(Node::kind_name).collect();
        assert_eq!(kinds, ["a string", "a number", "a number", "a boolean", "empty", "a string"]);
        for text in
            ["!!int test", "!!int 1.5", "!!int '1'", "!!bool 1", "!!timestamp 2022-10-26", "!secret x"]
        {
            assert!(refusal(text).starts_with("t.yml:1:1: error[SW0006]"), "{text}: {}", refusal(text));
        }
    }

    #[test]
    fn remembers_places() {
        let node = tree("jobs:\n  build:\n    runs-on: host\n");
        let build = node.as_mapping().and_then(|m| m.get("jobs")?.as_mapping()?.get("build")).expect("build");
        let (key, value) = build.as_mapping().and_then(|m| m.iter().next()).expect("runs-on");
        assert_eq!(key.span, Span::new(Pos::new(3, 5), Pos::new(3, 12)));
        assert_eq!(value.span, Span::new(Pos::new(3, 14), Pos::new(3, 18)));
    }

    #[test]
    fn resolves_anchors() {
        let node = tree("a: &x {k: 1}\nb: *x\n");
        let map = node.as_mapping().expect("mapping");
        assert_eq!(map.get("b").and_then(|b| b.as_mapping()?.get("k")?.as_number()), Some(1.0));
    }

    #[test]
    fn refuses_what_cannot_be_meant() {
        assert!(
            refusal("a: 1\nb: 2\na: 3\n").starts_with("t.yml:3:1: error[SW0003]"),
            "{}",
            refusal("a: 1\nb: 2\na: 3\n")
        );
        assert!(refusal("a: [1, 2\nb: 3").contains("error[SW0001]"));
        assert!(refusal("a: 1\n|").starts_with("t.yml:2:2: error[SW0001]"), "{}", refusal("a: 1\n|"));
        assert!(refusal("a: 1\n? [").starts_with("t.yml:2:"), "{}", refusal("a: 1\n? ["));
        assert!(refusal("a: *nowhere").contains("error[SW0001]"));
        assert!(refusal("[[a]]: b").contains("error[SW0002]"));
        assert!(refusal(&"[".repeat(200)).contains("error[SW0"));
        assert!(refusal(&format!("{}x{}", "[".repeat(120), "]".repeat(120))).contains("error[SW0004]"));
    }

    #[test]
    fn a_billion_laughs_are_refused() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..12 {
            let item = format!("*a{}", i - 1);
            text += &format!("a{i}: &a{i} [{}]\n", [item.as_str(); 10].join(","));
        }
        assert!(refusal(&text).contains("error[SW0004]"));
    }

    #[test]
    fn a_long_text_by_many_aliases_is_refused() {
        let text = |long: usize, count: usize| {
            format!("a: &a {{k: \"{}\"}}\nb:\n{}", "x".repeat(long), "  - *a\n".repeat(count))
        };
        // The texts in all: the letters of each, `k` each time, and the two keys outside.
        let most = Limits::default().texts;
        let source = |count: usize| Source::new("t.yml", text(1 << 20 >> 1, count));
        assert!(parse(&source(18), Limits::default()).is_ok());
        let found = parse(&source(20), Limits::default()).expect_err("too much");
        assert_eq!((found.code, found.span.start.column), ("SW0004", 5), "{found:?}");
        assert_eq!(found.message, format!("the texts of the document grow beyond {most} bytes"));
        let exact = Limits { texts: 2 + 3 * 4, ..Limits::default() };
        assert!(parse(&Source::new("t.yml", text(3, 2)), exact).is_ok());
        assert!(parse(&Source::new("t.yml", text(3, 3)), exact).is_err());
        // Keys count as well.
        let keys = format!("a: &a {{{}: 1}}\nb: [*a, *a, *a]\n", "k".repeat(100));
        assert!(parse(&Source::new("t.yml", keys), Limits { texts: 350, ..Limits::default() }).is_err());
    }

    #[test]
    fn reads_several_documents() {
        let source = Source::new("t.yml", "a: 1\n---\nb: 2\n---\n");
        assert_eq!(parse_all(&source, Limits::default()).map(|all| all.len()), Ok(3));
        assert!(refusal("a: 1\n---\nb: 2\n").contains("error[SW0005]"));
    }

    #[test]
    fn names_the_closest_known_key() {
        assert_eq!(closest("run-on", ["runs-on", "needs"]), Some("runs-on"));
        assert_eq!(closest("sterategy", ["runs-on", "strategy"]), Some("strategy"));
        assert_eq!(closest("banana", ["runs-on", "needs"]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn never_panics(text in "[-a-c:{}\\[\\]&*!|>'\"#%@\\n\\t ,?~0-9]{0,80}") {
            let _ = parse_all(&Source::new("t.yml", text), Limits::default());
        }
    }
}
