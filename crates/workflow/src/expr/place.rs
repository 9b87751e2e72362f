//! Where the characters of a scalar stand in the document that it was read from.

use shipway_base::{Pos, Source, Span};

/// The span in the source of `length` characters of a scalar, from its character `from` (from 0) on; the scalar's own
/// span where quoting hides the place.
///
/// YAML may change space and line breaks of a scalar, and writes a few characters as escapes, but it never reorders:
/// the n-th visible character of the value is the n-th one of the source, whichever style was used.
pub(super) fn locate(text: &str, span: Span, source: &Source, from: u32, length: u32) -> Span {
    Places::until(text, span, source, from.saturating_add(length.max(1))).locate(from, length)
}

/// Where the visible characters of a scalar stand, as far as value and source can be matched.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// As it may be written: as it is, behind an anchor or a tag, in quotes.
    readings: Vec<Reading>,
    span: Span,
}

#[derive(Clone, Debug, Default)]
struct Reading {
    /// The number of each visible character in the value, and where it stands; in order.
    found: Vec<(u32, Pos)>,
    /// Whether all were matched.
    whole: bool,
}

impl Places {
    /// The places of all characters.
    pub(super) fn new(text: &str, span: Span, source: &Source) -> Places {
        Places::until(text, span, source, u32::MAX)
    }

    /// The places of the characters up to the first visible one at `end` or behind it, which must match as well.
    fn until(text: &str, span: Span, source: &Source, end: u32) -> Places {
        let written = &source.text[source.byte_range(span)];
        let (skipped, inner) = after_properties(written);
        let start = forward(span.start, skipped);
        let mut readings = vec![walk(text, Written::raw(written, span.start), end)];
        if !skipped.is_empty() {
            readings.push(walk(text, Written::raw(inner, start), end));
        }
        readings.extend(Written::quoted(inner, start).map(|written| walk(text, written, end)));
        Places { readings, span }
    }

    /// Where `length` characters from the character `from` on stand; the whole where they cannot be found.
    pub(super) fn locate(&self, from: u32, length: u32) -> Span {
        self.readings.iter().find_map(|reading| reading.locate(from, length)).unwrap_or(self.span)
    }
}

impl Reading {
    fn locate(&self, from: u32, length: u32) -> Option<Span> {
        let first = self.found.partition_point(|(number, _)| *number < from);
        let end = self.found.partition_point(|(number, _)| *number < from.saturating_add(length.max(1)));
        // The next one must match as well, so that the last one is what it seems to be.
        let sure = self.whole || end < self.found.len();
        let found = self.found.get(first..end).filter(|_| sure)?;
        let (start, last) = (found.first()?.1, found.last()?.1);
        Some(Span::new(start, Pos::new(last.line, last.column + 1)))
    }
}

/// Walks value and source side by side, up to where they cannot be matched or the first visible character at `end` or behind it.
fn walk(text: &str, mut written: Written<'_>, end: u32) -> Reading {
    let mut reading = Reading::default();
    for (number, wanted) in (0_u32..).zip(text.chars()) {
        if wanted.is_whitespace() {
            continue;
        }
        let Some(at) = written.next_visible(wanted) else { return reading };
        reading.found.push((number, at));
        if number >= end {
            return reading;
        }
    }
    reading.whole = true;
    reading
}

/// The characters of a scalar as they stand in the source.
struct Written<'a> {
    characters: std::iter::Peekable<std::str::Chars<'a>>,
    at: Pos,
    quote: Option<char>,
}

impl<'a> Written<'a> {
    fn raw(text: &'a str, at: Pos) -> Written<'a> {
        Written { characters: text.chars().peekable(), at, quote: None }
    }

    fn quoted(text: &'a str, at: Pos) -> Option<Written<'a>> {
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let mut written = Written { quote: Some(quote), ..Written::raw(text, at) };
        written.take();
        Some(written)
    }

    fn take(&mut self) -> Option<(char, Pos)> {
        let c = self.characters.next()?;
        let at = self.at;
        self.at = match c {
            '\n' => Pos::new(at.line + 1, 1),
            _ => Pos::new(at.line, at.column + 1),
        };
        Some((c, at))
    }

    /// The place of the next visible character, when it is the wanted one.
    fn next_visible(&mut self, wanted: char) -> Option<Pos> {
        loop {
            let (mut c, at) = self.take()?;
            if c.is_whitespace() {
                continue;
            }
            if self.quote == Some('\'') && c == '\'' {
                self.take();
            }
            if self.quote == Some('"') && c == '\\' {
                c = self.take()?.0;
                match c {
                    'n' | 't' | 'r' | ' ' | '\n' => continue,
                    '"' | '\\' | '/' => {}
                    // The remaining escapes name a character by number.
                    _ => return None,
                }
            }
            return (c == wanted).then_some(at);
        }
    }
}

/// Leaves out an anchor and a tag before the value, which the parser counts as part of it.
fn after_properties(written: &str) -> (&str, &str) {
    let mut rest = written;
    while rest.starts_with(['&', '!']) {
        rest = rest.trim_start_matches(|c: char| !c.is_whitespace()).trim_start();
    }
    written.split_at(written.len() - rest.len())
}

fn forward(at: Pos, over: &str) -> Pos {
    let mut written = Written::raw(over, at);
    while written.take().is_some() {}
    written.at
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipway_base::yaml;

    /// Finds the `X` of the first value of a document.
    fn check(document: &str, expect: &str) {
        let source = Source::new("t.yml", document);
        let tree = yaml::parse(&source, yaml::Limits::default());
        let node = tree.ok().flatten().and_then(|node| node.as_mapping().and_then(|m| m.get("a").cloned()));
        let Some(node) = node else { panic!("no value") };
        let text = node.as_text().unwrap_or_default();
        let from = text.chars().position(|c| c == 'X').unwrap_or_default();
        let found = locate(text, node.span, &source, u32::try_from(from).unwrap_or(0), 1);
        assert_eq!(format!("{}-{}", found.start, found.end), expect, "{document}");
    }

    #[test]
    fn finds_characters_in_every_style() {
        check("a: plain X", "1:10-1:11");
        check("a: plain\n   on two X", "2:11-2:12");
        check("a: 'it''s X'", "1:11-1:12");
        check("a: \"say \\\"é\\\"\\n X\"", "1:17-1:18");
        check("a: |\n  one\n    two X\n", "3:9-3:10");
        check("a: >-  # why\n  one\n\n  two X\n", "4:7-4:8");
        check("a: !!str &b plain X", "1:19-1:20");
        check("a: &b 'plain X'", "1:14-1:15");
    }

    /// What is looked up once gives what is looked for each time.
    #[test]
    fn a_long_text_is_found_as_a_short_one_is() {
        let long = "é ${{ a }} it's \\t \\\" ".repeat(400);
        for document in [
            format!("a: |\n  {}\n", long.replace(" it's", "\n  x")),
            format!("a: &x >-\n  {long}\n"),
            format!("a: '{}'\n", long.replace('\'', "''")),
            format!("a: \"{long}\"\n"),
            format!("a: \"{long}\\u0041 {long}\"\n"),
        ] {
            let source = Source::new("t.yml", document.as_str());
            let tree = yaml::parse(&source, yaml::Limits::default()).expect("a document").expect("a value");
            let node = tree.as_mapping().and_then(|map| map.get("a")).expect("a");
            let text = node.as_text().expect("a text");
            let places = Places::new(text, node.span, &source);
            let count = u32::try_from(text.chars().count()).expect("few");
            for from in (0..count).step_by(37).chain(count.saturating_sub(30)..count + 2) {
                for length in [0, 1, 7, 400] {
                    let once = locate(text, node.span, &source, from, length);
                    assert_eq!(places.locate(from, length), once, "{from} {length}");
                }
            }
        }
    }

    #[test]
    fn falls_back_to_the_whole() {
        check("a: \"\\u0041 X\"", "1:4-1:14");
        check("b: &b oh X\na: *b", "2:4-2:6");
    }
}
