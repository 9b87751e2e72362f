//! Searching a log: every line that contains a text, counted exactly.

/// What to look for. Letter case is ignored, and so are ANSI escapes within lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The text; an empty one is in no line.
    pub text: String,
    /// The number of the first line that may be listed; earlier ones are only counted.
    pub from: u64,
    /// The most lines to list.
    pub limit: usize,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many lines contain the text.
    pub total: u64,
    /// How many of them stand before the first that may be listed.
    pub before: u64,
    /// The numbers of the listed lines, growing.
    pub lines: Vec<u64>,
    /// How many lines were searched.
    pub searched: u64,
}

/// A search under way over pieces of a log, in order.
pub(super) struct Searcher<'a> {
    search: &'a Search,
    needle: String,
    found: Found,
}

impl<'a> Searcher<'a> {
    pub(super) fn new(search: &'a Search) -> Searcher<'a> {
        Searcher { search, needle: lower(search.text.clone()), found: Found::default() }
    }

    /// Searches lines that begin with number `first`; each is followed by a line break.
    pub(super) fn piece(&mut self, first: u64, text: &str) {
        self.found.searched += count(text);
        if self.needle.is_empty() || self.needle.contains('\n') {
            return;
        }
        let text = lower(without_escapes(text));
        let (mut at, mut number) = (0, first);
        while let Some(hit) = text[at..].find(&self.needle) {
            number += count(&text[at..at + hit]);
            self.hit(number);
            let Some(rest) = text[at + hit..].find('\n') else { break };
            at += hit + rest + 1;
            number += 1;
        }
    }

    pub(super) fn end(self) -> Found {
        self.found
    }

    fn hit(&mut self, number: u64) {
        self.found.total += 1;
        if number < self.search.from {
            self.found.before += 1;
        } else if self.found.lines.len() < self.search.limit {
            self.found.lines.push(number);
        }
    }
}

fn count(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}

fn lower(mut text: String) -> String {
    if text.is_ascii() {
        text.make_ascii_lowercase();
        text
    } else {
        text.to_lowercase()
    }
}

/// The text without ANSI escapes: colours and cursor movements (`ESC [ ... letter`), titles and links
/// (`ESC ] ... BEL` or `ESC \`), and two-character escapes. An escape never reaches over the end of a line.
fn without_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        kept.push_str(&rest[..at]);
        rest = after_escape(&rest[at + 1..]);
    }
    kept.push_str(rest);
    kept
}

fn after_escape(rest: &str) -> &str {
    let line = rest.split('\n').next().unwrap_or_default();
    let length = match line.chars().next() {
        Some('[') => line[1..].find(|c: char| ('@'..='~').contains(&c)).map_or(line.len(), |end| end + 2),
        Some(']') => {
            let bell = line.find('\u{7}').map(|end| end + 1);
            let terminator = line.find("\u{1b}\\").map(|end| end + 2);
            [bell, terminator].into_iter().flatten().min().unwrap_or(line.len())
        }
        Some(other) => other.len_utf8(),
        None => 0,
    };
    &rest[length..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, needle: &str, expect: &[u64]) {
        let search = Search { text: needle.to_owned(), from: 1, limit: usize::MAX };
        let mut searcher = Searcher::new(&search);
        searcher.piece(1, text);
        let found = searcher.end();
        assert_eq!(found.lines, expect, "{text:?} {needle:?}");
        assert_eq!(found.total, expect.len() as u64);
    }

    #[test]
    fn finds_lines_not_occurrences() {
        check("a b a\nc\nA\n", "a", &[1, 3]);
        check("one\ntwo\n", "", &[]);
        check("one\ntwo\n", "one\ntwo", &[]);
        check("Straße\nSTRASSE\nÄrger\n", "ärger", &[3]);
        check("\n\n\nx\n", "x", &[4]);
    }

    #[test]
    fn escapes_are_not_text() {
        check("\u{1b}[31mer\u{1b}[0mror\n", "error", &[1]);
        check("\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{1b}\\ up\n", "link up", &[1]);
        check("\u{1b}]0;error\u{7}fine\n", "error", &[]);
        check("\u{1b}[31\nerror\n", "error", &[2]);
        check("\u{1b}\nx\u{1b}", "x", &[2]);
        check("\u{1b}\u{fc}x\n", "x", &[1]);
    }

    proptest! {
        #[test]
        fn agrees_with_looking_at_each_line(
            lines in proptest::collection::vec("[abA \u{e4}\u{1b}\\[m]{0,8}", 0..30),
            needle in "[ab\u{c4}]{1,2}", from in 1_u64..30, limit in 0_usize..10, cut in 0_usize..30,
        ) {
            let search = Search { text: needle.clone(), from, limit };
            let mut searcher = Searcher::new(&search);
            let cut = cut.min(lines.len());
            let join = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            searcher.piece(1, &join(&lines[..cut]));
            searcher.piece(cut as u64 + 1, &join(&lines[cut..]));
            let found = searcher.end();
            let hits: Vec<u64> = (1..)
                .zip(&lines)
                .filter(|(_, line)| without_escapes(line).to_lowercase().contains(&needle.to_lowercase()))
                .map(|(number, _)| number)
                .collect();
            prop_assert_eq!(found.total, hits.len() as u64);
            prop_assert_eq!(found.before, hits.iter().filter(|hit| **hit < from).count() as u64);
            let listed: Vec<u64> = hits.into_iter().filter(|hit| *hit >= from).take(limit).collect();
            prop_assert_eq!(found.lines, listed);
            prop_assert_eq!(found.searched, lines.len() as u64);
        }
    }
}
