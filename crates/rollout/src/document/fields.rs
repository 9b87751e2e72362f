//! Reading mappings strictly: keys are asked for by name, known ones that this version cannot honour are refused by
//! name, and what nobody knows is an error.

use shipway_base::{
    Diagnostic, Diagnostics, Source, Span, Spanned, parse_duration,
    yaml::{Mapping, Node, closest},
};
use std::time::Duration;

/// The shape of a document is wrong.
pub(super) const SHAPE: &str = "SW0301";
/// A value is outside of what makes sense.
pub(super) const VALUE: &str = "SW0302";
/// A form that the field knows and this version does not.
pub(super) const UNSUPPORTED: &str = "SW0303";

/// Where findings go, and the text they are about.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    pub(super) found: Diagnostics,
}

/// A mapping being read.
pub(super) struct Fields<'a> {
    what: &'static str,
    mapping: &'a Mapping,
    pub(super) span: Span,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Source) -> Reader<'a> {
        Reader { source, found: Diagnostics::new() }
    }

    /// Starts reading a node as a mapping with these keys; `what` names it in messages (`a service`). Keys of
    /// `unsupported` come with what to do instead.
    pub(super) fn open<'n>(
        &mut self,
        node: &'n Node,
        what: &'static str,
        known: &[&'static str],
        unsupported: &[(&'static str, &'static str)],
    ) -> Option<Fields<'n>> {
        let Some(mapping) = node.as_mapping() else {
            self.error(
                SHAPE,
                node.span,
                format!("{what} must be a mapping, but this is {}", node.kind_name()),
            );
            return None;
        };
        for (key, _) in mapping.iter() {
            let name = key.value.as_str();
            if let Some((_, instead)) = unsupported.iter().find(|(other, _)| *other == name) {
                self.unsupported(key.span, format!("`{name}` in {what}"), instead);
            } else if !known.contains(&name) {
                let all = || known.iter().copied().chain(unsupported.iter().map(|(name, _)| *name));
                let help = match closest(name, all()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("it knows {}", known.join(", ")),
                };
                self.found.push(
                    Diagnostic::error(SHAPE, self.source, key.span, format!("{what} has no key `{name}`"))
                        .with_help(help),
                );
            }
        }
        Some(Fields { what, mapping, span: node.span })
    }

    pub(super) fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.found.push(Diagnostic::error(code, self.source, span, message));
    }

    pub(super) fn unsupported(&mut self, span: Span, what: impl std::fmt::Display, instead: &str) {
        let message = format!("{what} is not supported yet");
        self.found.push(Diagnostic::error(UNSUPPORTED, self.source, span, message).with_help(instead));
    }

    /// The text of a scalar.
    pub(super) fn text_of(&mut self, name: &str, node: &Node) -> Option<Spanned<String>> {
        let text = node.as_text();
        if text.is_none() {
            self.error(
                SHAPE,
                node.span,
                format!("`{name}` must be a text, but this is {}", node.kind_name()),
            );
        }
        text.map(|text| Spanned::new(text.to_owned(), node.span))
    }
}

impl<'a> Fields<'a> {
    /// The value under a key; an empty value counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        self.mapping.get(key).filter(|node| !node.is_null())
    }

    /// The value under a key, also when it is empty.
    pub(super) fn get_even_empty(&self, key: &str) -> Option<&'a Node> {
        self.mapping.get(key)
    }

    /// The keys in the order of the text.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a Spanned<String>> {
        self.mapping.iter().map(|(key, _)| key)
    }

    pub(super) fn required(&self, key: &str, reader: &mut Reader<'_>) -> Option<&'a Node> {
        let node = self.get(key);
        if node.is_none() {
            reader.error(SHAPE, self.span, format!("{} needs the key `{key}`", self.what));
        }
        node
    }

    pub(super) fn text(&self, key: &str, reader: &mut Reader<'_>) -> Option<Spanned<String>> {
        reader.text_of(key, self.get(key)?)
    }

    pub(super) fn boolean(&self, key: &str, reader: &mut Reader<'_>) -> Option<bool> {
        let node = self.get(key)?;
        let value = node.as_bool();
        if value.is_none() {
            let message = format!("`{key}` must be true or false, but this is {}", described(node));
            reader.error(SHAPE, node.span, message);
        }
        value
    }

    /// A whole number within bounds.
    pub(super) fn integer(
        &self,
        key: &str,
        bounds: std::ops::RangeInclusive<u32>,
        reader: &mut Reader<'_>,
    ) -> Option<u32> {
        let node = self.get(key)?;
        let number: Option<i64> = node.as_text().and_then(|text| text.trim().parse().ok());
        let Some(number) = number else {
            let message = format!("`{key}` must be a whole number, but this is {}", described(node));
            reader.error(SHAPE, node.span, message);
            return None;
        };
        let value = u32::try_from(number).ok().filter(|number| bounds.contains(number));
        if value.is_none() {
            let (low, high) = (bounds.start(), bounds.end());
            reader.error(
                VALUE,
                node.span,
                format!("`{key}` must be from {low} to {high}, but this is {number}"),
            );
        }
        value
    }

    /// A duration that is not zero.
    pub(super) fn duration(&self, key: &str, reader: &mut Reader<'_>) -> Option<Duration> {
        let text = self.text(key, reader)?;
        match parse_duration(&text.value) {
            Ok(Duration::ZERO) => {
                reader.error(VALUE, text.span, format!("`{key}` must be longer than nothing"));
                None
            }
            Ok(duration) => Some(duration),
            Err(error) => {
                reader.error(VALUE, text.span, format!("`{key}`: {error}"));
                None
            }
        }
    }

    /// The items of a sequence; nothing when absent.
    pub(super) fn items(&self, key: &str, reader: &mut Reader<'_>) -> &'a [Node] {
        let Some(node) = self.get(key) else { return &[] };
        node.as_sequence().unwrap_or_else(|| {
            reader.error(
                SHAPE,
                node.span,
                format!("`{key}` must be a sequence, but this is {}", node.kind_name()),
            );
            &[]
        })
    }

    /// The texts of a sequence.
    pub(super) fn texts(&self, key: &str, reader: &mut Reader<'_>) -> Vec<Spanned<String>> {
        let items = self.items(key, reader);
        items.iter().filter_map(|node| reader.text_of(key, node)).collect()
    }
}

fn described(node: &Node) -> String {
    node.as_text().map_or_else(|| node.kind_name().to_owned(), |text| format!("`{text}`"))
}
