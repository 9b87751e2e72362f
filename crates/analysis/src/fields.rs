//! Reading mappings strictly: every key is asked for by name, and what nobody asked for is an error.

use shipway_base::{
    Diagnostic, Diagnostics, Source, Span, Spanned, parse_duration,
    yaml::{Mapping, Node, closest},
};
use std::time::Duration;

/// The shape of a document is wrong.
pub(crate) const SHAPE: &str = "SW0401";

/// A mapping being read.
pub(crate) struct Fields<'a> {
    what: &'static str,
    mapping: &'a Mapping,
    pub(crate) span: Span,
    source: &'a Source,
}

impl<'a> Fields<'a> {
    /// Starts reading a node as a mapping with these keys; `what` names it in messages (`a metric`).
    pub(crate) fn open(
        node: &'a Node,
        what: &'static str,
        known: &[&'static str],
        source: &'a Source,
        found: &mut Diagnostics,
    ) -> Option<Fields<'a>> {
        let Some(mapping) = node.as_mapping() else {
            let message = format!("{what} must be a mapping, but this is {}", node.kind_name());
            found.push(Diagnostic::error(SHAPE, source, node.span, message));
            return None;
        };
        for (key, _) in mapping.iter().filter(|(key, _)| !known.contains(&key.value.as_str())) {
            let message = format!("{what} has no key `{}`", key.value);
            let help = match closest(&key.value, known.iter().copied()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("it knows {}", known.join(", ")),
            };
            found.push(Diagnostic::error(SHAPE, source, key.span, message).with_help(help));
        }
        Some(Fields { what, mapping, span: node.span, source })
    }

    /// The value under a key; an empty value counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.mapping.get(key).filter(|node| !node.is_null())
    }

    /// The value under a key that must be there.
    pub(crate) fn required(&self, key: &str, found: &mut Diagnostics) -> Option<&'a Node> {
        let node = self.get(key);
        if node.is_none() {
            let message = format!("{} needs the key `{key}`", self.what);
            found.push(Diagnostic::error(SHAPE, self.source, self.span, message));
        }
        node
    }

    /// A scalar's text.
    pub(crate) fn text(&self, key: &str, found: &mut Diagnostics) -> Option<Spanned<String>> {
        self.typed(key, "a text", found, |node| node.as_text().map(str::to_owned))
    }

    /// A whole number, also when it is quoted (Argo's `IntOrString`).
    pub(crate) fn integer(&self, key: &str, found: &mut Diagnostics) -> Option<Spanned<i64>> {
        self.typed(key, "a whole number", found, |node| node.as_text()?.trim().parse().ok())
    }

    /// A number.
    pub(crate) fn number(&self, key: &str, found: &mut Diagnostics) -> Option<Spanned<f64>> {
        let read =
            |node: &Node| node.as_text()?.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        self.typed(key, "a number", found, read)
    }

    /// The items of a sequence; nothing when absent.
    pub(crate) fn items(&self, key: &str, found: &mut Diagnostics) -> &'a [Node] {
        let Some(node) = self.get(key) else { return &[] };
        node.as_sequence().unwrap_or_else(|| {
            found.push(self.wrong(key, "a sequence", node));
            &[]
        })
    }

    /// A duration.
    pub(crate) fn duration(&self, key: &str, found: &mut Diagnostics) -> Option<Spanned<Duration>> {
        let text = self.text(key, found)?;
        match parse_duration(&text.value) {
            Ok(duration) => Some(Spanned::new(duration, text.span)),
            Err(error) => {
                found.push(Diagnostic::error(SHAPE, self.source, text.span, format!("`{key}`: {error}")));
                None
            }
        }
    }

    fn typed<T>(
        &self,
        key: &str,
        wanted: &str,
        found: &mut Diagnostics,
        read: impl Fn(&Node) -> Option<T>,
    ) -> Option<Spanned<T>> {
        let node = self.get(key)?;
        let value = read(node);
        if value.is_none() {
            found.push(self.wrong(key, wanted, node));
        }
        value.map(|value| Spanned::new(value, node.span))
    }

    fn wrong(&self, key: &str, wanted: &str, node: &Node) -> Diagnostic {
        let is = match node.as_text() {
            Some(text) => format!("`{text}`"),
            None => node.kind_name().to_owned(),
        };
        Diagnostic::error(
            SHAPE,
            self.source,
            node.span,
            format!("`{key}` must be {wanted}, but this is {is}"),
        )
    }
}
