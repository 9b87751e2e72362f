//! Reading nodes of the tree: each helper returns what it could read and notes what is wrong, so that one pass over a
//! document finds all errors.

use super::{Fields, Key, Maybe, constant};
use crate::expr::{AllowedNames, Condition, Template, Value};
use shipway_base::{
    Diagnostic, Diagnostics, Source, Span, Spanned,
    yaml::{self, Mapping, Node, ScalarKind},
};
use std::collections::BTreeMap;

/// The source of a document and what was found wrong with it so far.
pub(crate) struct Reader<'a> {
    pub(crate) source: &'a Source,
    pub(crate) found: Diagnostics,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a Source) -> Reader<'a> {
        Reader { source, found: Diagnostics::new() }
    }

    /// Parses the text as one YAML document; an empty one is an error, and so are keys of one mapping that differ in case only.
    pub(crate) fn tree(&mut self, what: &str) -> Option<Node> {
        match yaml::parse(self.source, yaml::Limits::default()) {
            Ok(Some(node)) => {
                let node = constant::resolved(&node).unwrap_or(node);
                self.check_keys(&node);
                Some(node)
            }
            Ok(None) => {
                self.error("SW0113", Span::START, format!("the file is empty; {what} was expected"));
                None
            }
            Err(found) => {
                self.found.push(found);
                None
            }
        }
    }

    /// Trees have a bounded depth, so recursion is bounded too.
    fn check_keys(&mut self, node: &Node) {
        for item in node.as_sequence().unwrap_or_default() {
            self.check_keys(item);
        }
        let Some(mapping) = node.as_mapping() else { return };
        let mut seen = BTreeMap::new();
        for (key, value) in mapping.iter() {
            // What an expression comes to is compared when it is known.
            if !crate::expr::has_expression(&key.value)
                && let Some(line) = seen.insert(key.value.to_lowercase(), key.span.start.line)
            {
                let message = format!("{:?} is already defined on line {line}", key.value);
                let help = "keys are compared without case; choose another";
                self.error_with_help("SW0107", key.span, message, help);
            }
            self.check_keys(value);
        }
    }

    /// All findings, in the order of the text.
    pub(crate) fn finish(self) -> Diagnostics {
        let mut all: Vec<Diagnostic> = self.found.into_iter().collect();
        all.sort_by_key(|found| found.span.start);
        let mut sorted = Diagnostics::new();
        all.into_iter().for_each(|found| sorted.push(found));
        sorted
    }

    pub(crate) fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.found.push(Diagnostic::error(code, self.source, span, message));
    }

    pub(crate) fn error_with_help(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push(Diagnostic::error(code, self.source, span, message).with_help(help));
    }

    pub(crate) fn warn(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push(Diagnostic::warning(code, self.source, span, message).with_help(help));
    }

    /// Notes a key that the specification does not know at this place.
    pub(crate) fn unknown_key(&mut self, key: &Spanned<String>, place: &str, known: &[&str]) {
        if self.special_key(key) {
            return;
        }
        let message = format!("{place} has no key {:?}", key.value);
        match yaml::closest(&key.value, known.iter().copied()) {
            Some(name) => {
                self.error_with_help("SW0101", key.span, message, format!("did you mean {name:?}?"));
            }
            None => {
                let help = format!("known keys: {}", known.join(", "));
                self.error_with_help("SW0101", key.span, message, help);
            }
        }
    }

    /// Warns of a key that is almost a known one, where GitHub lets any key pass.
    pub(crate) fn misspelt_key(&mut self, key: &Spanned<String>, place: &str, known: &[&str]) {
        if yaml::closest(&key.value, known.iter().copied()).is_some() {
            self.idle_key(key, place, known);
        }
    }

    /// Warns of a key that the specification does not know at this place, where GitHub lets any key pass and published workflows
    /// have them: `on`, whose errors would otherwise keep a workflow from running that runs there.
    pub(crate) fn idle_key(&mut self, key: &Spanned<String>, place: &str, known: &[&str]) {
        if self.special_key(key) {
            return;
        }
        let message = format!("{place} has no key {:?}, so that it means nothing", key.value);
        let help = match yaml::closest(&key.value, known.iter().copied()) {
            Some(name) => format!("did you mean {name:?}?"),
            None if known.is_empty() => "remove it".to_owned(),
            None => format!("remove it; known keys: {}", known.join(", ")),
        };
        self.warn("SW0101", key.span, message, help);
    }

    /// Notes keys that mean something else than a name: expressions and merge keys.
    pub(crate) fn special_key(&mut self, key: &Spanned<String>) -> bool {
        if crate::expr::has_expression(&key.value) {
            self.not_supported(key.span, "an expression as a key");
            return true;
        }
        let merge = key.value == "<<";
        if merge {
            let help = "write the keys out, or use an alias for the whole value";
            self.error_with_help(
                "SW0101",
                key.span,
                "merge keys (`<<`) are no part of GitHub's syntax",
                help,
            );
        }
        merge
    }

    /// Notes a key or value that GitHub knows and this version cannot honour.
    pub(crate) fn not_supported(&mut self, span: Span, what: &str) {
        self.error_with_help(
            "SW0105",
            span,
            format!("{what} is not supported yet"),
            "remove it, or run this workflow on GitHub until a later version can",
        );
    }

    pub(crate) fn missing(&mut self, span: Span, place: &str, key: &str) {
        self.error("SW0102", span, format!("{place} needs the key {key:?}"));
    }

    /// Notes that a node is of the wrong kind; an expression that may not stand there is named as such.
    pub(crate) fn wrong_kind(&mut self, node: &Node, place: &str, expected: &str) {
        match node.as_text() {
            Some(text) if crate::expr::has_expression(text) => {
                self.error(
                    "SW0111",
                    node.span,
                    format!("{place} cannot be an expression; {expected} is needed"),
                );
            }
            Some(_) | None => {
                self.unlike(node, place, expected);
            }
        }
    }

    fn unlike(&mut self, node: &Node, place: &str, expected: &str) {
        let message = format!("{place} must be {expected}, but this is {}", node.kind_name());
        match node.is_null() {
            true => {
                self.error_with_help(
                    "SW0103",
                    node.span,
                    message,
                    "write it below the key, or remove the key",
                );
            }
            false => self.error("SW0103", node.span, message),
        }
    }

    pub(crate) fn mapping<'n>(&mut self, node: &'n Node, place: &str) -> Option<&'n Mapping> {
        let mapping = node.as_mapping();
        if mapping.is_none() {
            self.wrong_kind(node, place, "a mapping");
        }
        mapping
    }

    /// A mapping that may also be left empty (`key:`).
    pub(crate) fn optional_mapping<'n>(&mut self, node: &'n Node, place: &str) -> Option<&'n Mapping> {
        if node.is_null() { None } else { self.mapping(node, place) }
    }

    pub(crate) fn sequence<'n>(&mut self, node: &'n Node, place: &str) -> &'n [Node] {
        match node.as_sequence() {
            Some(items) => items,
            None => {
                self.wrong_kind(node, place, "a sequence");
                &[]
            }
        }
    }

    /// A scalar as text, numbers and booleans written as GitHub writes them; expressions are refused.
    pub(crate) fn literal(&mut self, node: &Node, place: &str) -> Option<Spanned<String>> {
        let Some(value) = scalar_value(node) else {
            self.wrong_kind(node, place, "a string");
            return None;
        };
        let text = value.to_text();
        let text = match constant::text(&text) {
            Some(text) => text.into(),
            None if crate::expr::has_expression(&text) => {
                self.wrong_kind(node, place, "a string");
                return None;
            }
            None => text,
        };
        Some(Spanned::new(text.as_ref().to_owned(), node.span))
    }

    /// As [`Reader::literal`], and not empty.
    pub(crate) fn name(&mut self, node: &Node, place: &str) -> Option<Spanned<String>> {
        let text = self.literal(node, place)?;
        if text.value.is_empty() {
            self.error("SW0103", node.span, format!("{place} must not be empty"));
            return None;
        }
        Some(text)
    }

    /// One name or a sequence of them.
    pub(crate) fn names(&mut self, node: &Node, place: &str) -> Vec<Spanned<String>> {
        match node.as_sequence() {
            Some(items) => items.iter().filter_map(|item| self.name(item, place)).collect(),
            None if node.as_mapping().is_some() => {
                self.wrong_kind(node, place, "a string or a sequence of strings");
                Vec::new()
            }
            None => self.name(node, place).into_iter().collect(),
        }
    }

    /// A literal boolean.
    pub(crate) fn boolean(&mut self, node: &Node, place: &str) -> Option<bool> {
        let value = node.as_bool();
        if value.is_none() {
            self.wrong_kind(node, place, "true or false");
        }
        value
    }

    /// A scalar in which expressions may stand.
    pub(crate) fn template(
        &mut self,
        node: &Node,
        place: &str,
        names: &AllowedNames<'_>,
    ) -> Option<Template> {
        let Some(value) = scalar_value(node) else {
            self.wrong_kind(node, place, "a string");
            return None;
        };
        self.keep(Template::parse(&value.to_text(), node.span, self.source, names))
    }

    /// As [`Reader::template`], and not empty.
    pub(crate) fn filled(&mut self, node: &Node, place: &str, names: &AllowedNames<'_>) -> Option<Template> {
        if node.is_null() || node.as_text() == Some("") {
            self.error("SW0103", node.span, format!("{place} must not be empty"));
            return None;
        }
        self.template(node, place, names)
    }

    /// An `if`; an empty one is the same as none.
    pub(crate) fn condition(
        &mut self,
        node: &Node,
        place: &str,
        names: &AllowedNames<'_>,
    ) -> Option<Condition> {
        let Some(value) = scalar_value(node) else {
            self.wrong_kind(node, place, "a condition");
            return None;
        };
        let condition = self.keep(Condition::parse(&value.to_text(), node.span, self.source, names))?;
        if let Some(warning) = condition.warning() {
            self.found.push(warning);
        }
        Some(condition)
    }

    /// A boolean or an expression that gives one.
    pub(crate) fn maybe_bool(
        &mut self,
        node: &Node,
        place: &str,
        names: &AllowedNames<'_>,
    ) -> Option<Maybe<bool>> {
        match node.as_bool() {
            Some(value) => Some(Maybe::Literal(Spanned::new(value, node.span))),
            None => self.whole(node, place, "true, false or an expression", names).map(Maybe::Expression),
        }
    }

    /// A number or an expression that gives one.
    pub(crate) fn maybe_number(
        &mut self,
        node: &Node,
        place: &str,
        names: &AllowedNames<'_>,
    ) -> Option<Maybe<f64>> {
        match node.as_number() {
            Some(value) => Some(Maybe::Literal(Spanned::new(value, node.span))),
            None => self.whole(node, place, "a number or an expression", names).map(Maybe::Expression),
        }
    }

    /// A scalar that is one expression from end to end.
    pub(crate) fn whole(
        &mut self,
        node: &Node,
        place: &str,
        expected: &str,
        names: &AllowedNames<'_>,
    ) -> Option<Template> {
        let text = node.as_text().map(str::trim).unwrap_or_default();
        if !(text.starts_with("${{") && text.ends_with("}}")) {
            self.unlike(node, place, expected);
            return None;
        }
        self.template(node, place, names)
    }

    /// A mapping of names to texts, or an expression that gives an object.
    pub(crate) fn fields(&mut self, node: &Node, place: &str, names: &AllowedNames<'_>) -> Fields {
        let Some(mapping) = node.as_mapping() else {
            let whole = self.whole(node, place, "a mapping or an expression", names);
            return whole.map_or_else(Fields::default, Fields::Expression);
        };
        if mapping.iter().any(|(key, _)| crate::expr::has_expression(&key.value)) {
            return Fields::Keyed(self.keyed(mapping, place, names));
        }
        Fields::Entries(self.entries(mapping, place, names))
    }

    /// The entries of a mapping with expressions among its keys.
    fn keyed(&mut self, mapping: &Mapping, place: &str, names: &AllowedNames<'_>) -> Vec<(Key, Template)> {
        let mut entries = Vec::new();
        for (key, value) in mapping.iter() {
            let Some(key) = self.key(key, names) else { continue };
            let template = match &key {
                Key::Insert(_) => self.inserted(value, names),
                Key::Name(name) if name.value == "<<" => {
                    self.special_key(name);
                    continue;
                }
                Key::Name(_) | Key::Expression(_) => {
                    self.template(value, &format!("{place}.{}", key.written()), names)
                }
            };
            entries.extend(template.map(|template| (key, template)));
        }
        entries
    }

    /// A key that may be an expression.
    pub(crate) fn key(&mut self, key: &Spanned<String>, names: &AllowedNames<'_>) -> Option<Key> {
        self.keep(Key::parse(key, self.source, names))
    }

    /// The value of `${{ insert }}`.
    pub(crate) fn inserted(&mut self, node: &Node, names: &AllowedNames<'_>) -> Option<Template> {
        self.whole(node, "the value of ${{ insert }}", "an expression", names)
    }

    /// The entries of a mapping of names to texts.
    pub(crate) fn entries(
        &mut self,
        mapping: &Mapping,
        place: &str,
        names: &AllowedNames<'_>,
    ) -> Vec<(Spanned<String>, Template)> {
        let mut entries = Vec::new();
        for (key, value) in mapping.iter() {
            if self.special_key(key) {
                continue;
            }
            if key.value.is_empty() {
                self.error("SW0103", key.span, format!("a key of {place} must not be empty"));
            } else if let Some(template) = self.template(value, &format!("{place}.{}", key.value), names) {
                entries.push((key.clone(), template));
            }
        }
        entries
    }

    fn keep<T>(&mut self, read: Result<T, Diagnostic>) -> Option<T> {
        read.map_err(|found| self.found.push(found)).ok()
    }
}

/// The value of a scalar as YAML types it; `None` for sequences and mappings.
pub(crate) fn scalar_value(node: &Node) -> Option<Value> {
    let scalar = node.as_scalar()?;
    Some(match scalar.kind {
        ScalarKind::Null => Value::Null,
        ScalarKind::Bool(value) => Value::Bool(value),
        ScalarKind::Number(value) => Value::Number(value),
        ScalarKind::String => Value::from(scalar.text.as_str()),
    })
}
