//! Where something stands in a source text.

use crate::Diagnostic;
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// A position: line and column, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// A range of a source text; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first character.
    pub start: Pos,
    /// The character after the last.
    pub end: Pos,
}

impl Pos {
    /// The position of the first character.
    pub const START: Pos = Pos { line: 1, column: 1 };

    /// A position from line and column, both from 1.
    pub const fn new(line: u32, column: u32) -> Pos {
        Pos { line, column }
    }
}

impl Span {
    /// The beginning of a text, for findings about the whole.
    pub const START: Span = Span { start: Pos::START, end: Pos::START };

    /// The range from `start` up to, not including, `end`.
    pub const fn new(start: Pos, end: Pos) -> Span {
        Span { start, end }
    }
}

impl fmt::Display for Pos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value with the place it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value and its place.
    pub fn new(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span }
    }
}

/// A named source text, cheap to clone.
#[derive(Clone)]
pub struct Source {
    /// The name shown to people, usually a path relative to the repository.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<str>,
    /// Where its lines begin, once that was asked for.
    lines: Arc<OnceLock<Lines>>,
}

struct Lines {
    /// The byte at which each line begins.
    starts: Vec<usize>,
    /// Whether a character is a byte.
    ascii: bool,
}

impl PartialEq for Source {
    fn eq(&self, other: &Source) -> bool {
        self.name == other.name && self.text == other.text
    }
}

impl Eq for Source {}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("text", &self.text).finish()
    }
}

impl Source {
    /// Names a text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Source {
        Source { name: name.into(), text: text.into(), lines: Arc::default() }
    }

    /// Names the text that a file holds.
    ///
    /// # Errors
    /// SW0001 for bytes that are not UTF-8, at the first of them; its own source shows the rest as far as it is text.
    pub fn from_bytes(name: impl Into<Arc<str>>, bytes: Vec<u8>) -> Result<Source, Diagnostic> {
        let name = name.into();
        String::from_utf8(bytes).map(|text| Source::new(name.clone(), text)).map_err(|error| {
            let text = String::from_utf8_lossy(error.as_bytes());
            // The valid part is the same letter by letter in what is shown.
            let before = text.get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
            let at = Pos::new(number(before.matches('\n').count()), number(column));
            let source = Source::new(name, text);
            Diagnostic::error("SW0001", &source, Span::new(at, at), "this is not UTF-8 text")
                .with_help("save the file in the encoding UTF-8")
        })
    }

    /// The byte range of a span within the text, clamped to it; for renderers that want offsets.
    pub fn byte_range(&self, span: Span) -> std::ops::Range<usize> {
        let start = self.byte_offset(span.start);
        start..self.byte_offset(span.end).max(start)
    }

    fn byte_offset(&self, pos: Pos) -> usize {
        let lines = self.lines.get_or_init(|| Lines {
            starts: std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect(),
            ascii: self.text.is_ascii(),
        });
        let number = pos.line.max(1) as usize;
        let Some(start) = lines.starts.get(number - 1).copied() else { return self.text.len() };
        let end = lines.starts.get(number).map_or(self.text.len(), |next| next - 1);
        let skip = pos.column.saturating_sub(1) as usize;
        if lines.ascii {
            return start.saturating_add(skip).min(end);
        }
        let line = &self.text[start..end];
        start + line.char_indices().nth(skip).map_or(line.len(), |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_byte_ranges() {
        let source = Source::new("x", "één\nzwei: drei\n");
        let span = Span::new(Pos::new(2, 7), Pos::new(2, 11));
        assert_eq!(&source.text[source.byte_range(span)], "drei");
        let accent = Span::new(Pos::new(1, 2), Pos::new(1, 3));
        assert_eq!(&source.text[source.byte_range(accent)], "é");
    }

    proptest! {
        /// By the index of lines and without it.
        #[test]
        fn byte_ranges_are_those_of_counting(text in "(a|é|\n|b c){0,30}", line in 0_u32..9, column in 0_u32..9) {
            let source = Source::new("x", text.as_str());
            let at = Pos::new(line, column);
            let skip = column.saturating_sub(1) as usize;
            let mut lines = text.split_inclusive('\n').chain(text.ends_with('\n').then_some(""));
            let before: usize = lines.by_ref().take(line.max(1) as usize - 1).map(str::len).sum();
            let expect = lines.next().map_or(text.len(), |line| {
                let line = line.trim_end_matches('\n');
                before + line.char_indices().nth(skip).map_or(line.len(), |(at, _)| at)
            });
            prop_assert_eq!(source.byte_range(Span::new(at, at)), expect..expect);
            prop_assert_eq!(source, Source::new("x", text.as_str()));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_place() {
        assert_eq!(Source::from_bytes("x", b"a\n".to_vec()), Ok(Source::new("x", "a\n")));
        let found = Source::from_bytes("x", b"a\n\xc3\xa9\xff\xfe: b\n".to_vec()).expect_err("no text");
        assert_eq!((found.code, found.span.start), ("SW0001", Pos::new(2, 2)));
        assert_eq!(&*found.source.text, "a\né\u{fffd}\u{fffd}: b\n");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_text_or_told(bytes: Vec<u8>) {
            let valid = std::str::from_utf8(&bytes).is_ok();
            let source = Source::from_bytes("x", bytes);
            prop_assert_eq!(source.is_ok(), valid);
            if let Err(found) = source {
                prop_assert!(found.source.text[found.source.byte_range(found.span)].is_empty());
            }
        }

        #[test]
        fn never_leaves_the_text(text: String, a in 0_u32..9, b in 0_u32..30, c in 0_u32..9, d in 0_u32..30) {
            let source = Source::new("x", text);
            let range = source.byte_range(Span::new(Pos::new(a, b), Pos::new(c, d)));
            prop_assert!(source.text.get(range).is_some());
        }
    }
}
