//! What an expression refers to: contexts with the properties asked of them, and where each is written.

use super::{
    Expr,
    ast::Node,
    lex::{Lexer, Token, TokenKind},
};

/// A context and what is asked of it: `needs.build.outputs.tag`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reference {
    /// The context, as written.
    pub(crate) context: String,
    /// The properties in order.
    pub(crate) keys: Vec<Key>,
    /// Its first character within the expression, from 0.
    pub(crate) from: u32,
    /// How many characters it has.
    pub(crate) length: u32,
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Key {
    /// `.name` or `['name']`, as written.
    Name(String),
    /// `[expression]`: known only when it is evaluated.
    Computed,
    /// `.*`
    Wildcard,
}

impl Reference {
    /// The name of the property at a depth; none when it is computed, a wildcard or absent.
    pub(crate) fn name(&self, depth: usize) -> Option<&str> {
        match self.keys.get(depth)? {
            Key::Name(name) => Some(name),
            Key::Computed | Key::Wildcard => None,
        }
    }

    /// Whether it begins with this context and these properties, compared without case; `*` fits any property.
    pub(crate) fn starts_with(&self, path: &[&str]) -> bool {
        let Some((context, keys)) = path.split_first() else { return true };
        self.context.eq_ignore_ascii_case(context)
            && keys.len() <= self.keys.len()
            && keys.iter().zip(&self.keys).all(|(wanted, key)| match key {
                Key::Name(name) => *wanted == "*" || name.eq_ignore_ascii_case(wanted),
                Key::Computed | Key::Wildcard => true,
            })
    }

    /// Whether it is this and nothing below it.
    pub(crate) fn is(&self, path: &[&str]) -> bool {
        self.keys.len() + 1 == path.len() && self.starts_with(path)
    }

    /// As people write it.
    pub(crate) fn text(&self) -> String {
        let mut out = self.context.clone();
        for key in &self.keys {
            match key {
                Key::Name(name) => {
                    out.push('.');
                    out.push_str(name);
                }
                Key::Computed => out.push_str("[..]"),
                Key::Wildcard => out.push_str(".*"),
            }
        }
        out
    }
}

impl Expr {
    /// All references in the order of the text, which is the text that this was parsed from.
    pub(crate) fn references(&self, text: &str) -> Vec<Reference> {
        let mut found = Vec::new();
        gather(&self.root, &mut found);
        let places = places(text);
        // Both run in the order of the text; should they ever differ, the whole expression is the place.
        if places.len() == found.len() {
            for (reference, (from, length)) in found.iter_mut().zip(places) {
                (reference.from, reference.length) = (from, length);
            }
        } else {
            let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
            found.iter_mut().for_each(|reference| reference.length = length);
        }
        found
    }
}

impl Node {
    /// The reference, when it is nothing else; without its place.
    pub(crate) fn as_reference(&self) -> Option<Reference> {
        if let Node::Context(name) = self {
            return Some(Reference { context: name.to_string(), keys: Vec::new(), from: 0, length: 0 });
        }
        let (inner, key) = if let Node::Wildcard(inner) = self {
            (inner, Key::Wildcard)
        } else if let Node::Index(inner, key) = self {
            let name = if let Node::String(name) = &**key { Some(name.to_string()) } else { None };
            (inner, name.map_or(Key::Computed, Key::Name))
        } else {
            return None;
        };
        let mut found = inner.as_reference()?;
        found.keys.push(key);
        Some(found)
    }
}

fn gather(node: &Node, found: &mut Vec<Reference>) {
    if let Some(reference) = node.as_reference() {
        found.push(reference);
        indices(node, found);
        return;
    }
    node.parts().for_each(|part| gather(part, found));
}

/// What the computed keys of a reference refer to themselves, from left to right.
fn indices(node: &Node, found: &mut Vec<Reference>) {
    let mut parts = node.parts();
    if let Some(inner) = parts.next() {
        indices(inner, found);
    }
    parts.for_each(|key| gather(key, found));
}

/// First character and length of every context with its plain properties.
fn places(text: &str) -> Vec<(u32, u32)> {
    let mut tokens = Vec::new();
    let mut lexer = Lexer::new(text);
    while let Ok(token) = lexer.next()
        && token.kind != TokenKind::End
    {
        tokens.push(token);
    }
    let symbol = |at: usize, wanted: char| {
        tokens.get(at).is_some_and(|token: &Token<'_>| token.kind == TokenKind::Symbol(wanted))
    };
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let literal = matches!(token.raw, "true" | "false" | "null" | "NaN" | "Infinity");
        let property = at.checked_sub(1).is_some_and(|before| symbol(before, '.'));
        if token.kind != TokenKind::Word || literal || property || symbol(at + 1, '(') {
            continue;
        }
        let mut last = at;
        loop {
            let word = |at: usize| tokens.get(at).is_some_and(|token| token.kind == TokenKind::Word);
            let text = |at: usize| tokens.get(at).is_some_and(|token| token.kind == TokenKind::String);
            if symbol(last + 1, '.') && (word(last + 2) || symbol(last + 2, '*')) {
                last += 2;
            } else if symbol(last + 1, '[') && text(last + 2) && symbol(last + 3, ']') {
                last += 3;
            } else {
                break;
            }
        }
        let end = tokens[last].position + u32::try_from(tokens[last].raw.chars().count()).unwrap_or(0);
        found.push((token.position - 1, end - token.position));
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::expr::{AllowedNames, parse};

    fn check(text: &str, expect: &[&str]) {
        let names = AllowedNames::new(&["github", "matrix", "needs"], &[]);
        let parsed = parse(text, &names).expect("it parses");
        let characters: Vec<char> = text.chars().collect();
        let found: Vec<String> = parsed
            .references(text)
            .iter()
            .map(|reference| {
                let (from, length) = (reference.from as usize, reference.length as usize);
                let place: String = characters[from..from + length].iter().collect();
                format!("{} at {place}", reference.text())
            })
            .collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn finds_contexts_with_their_places() {
        check("github.ref == 'a' && !matrix.x", &["github.ref at github.ref", "matrix.x at matrix.x"]);
        check("matrix['x'].y", &["matrix.x.y at matrix['x'].y"]);
        check("needs[matrix.job].result", &["needs[..].result at needs", "matrix.job at matrix.job"]);
        check("join(needs.*.result, ',')", &["needs.*.result at needs.*.result"]);
        check("fromJSON(needs.a.outputs.b).c", &["needs.a.outputs.b at needs.a.outputs.b"]);
        check("true || 'github.ref'", &[]);
    }
}
