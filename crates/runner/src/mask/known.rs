//! The texts to mask, and where they stand.

use super::{MASK, encode};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::{
    collections::BTreeSet,
    ops::Bound::{Included, Unbounded},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The least length of a derived form to be masked.
const MIN_FORM: usize = 3;

/// So many bytes of output make a filter worth its building.
const WORTH: usize = 64 * 1024;

/// So many bytes of patterns are taken from the commands of a job, each with its forms: no real job comes near it.
const ROOM: usize = 64 << 20;

/// So many times the bytes of a secret its forms have at most, roughly.
const FORMS: usize = 32;

/// Patterns of more bytes together are looked for without a filter, whose size grows with theirs.
const MOST: usize = 1024 * 1024;

/// The texts to mask.
#[derive(Debug)]
pub(super) struct Known {
    /// The patterns.
    patterns: BTreeSet<Box<[u8]>>,
    /// Which bytes a pattern begins with.
    begins: [bool; 256],
    /// The length of the longest, in bytes.
    pub(super) longest: usize,
    /// The lengths of all together.
    total: usize,
    /// How many bytes were looked through since the last one was added.
    seen: AtomicUsize,
    /// Finds out quickly that there is nothing to mask; `None` when there are too many for it.
    filter: OnceLock<Option<AhoCorasick>>,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            patterns: BTreeSet::new(),
            begins: [false; 256],
            longest: 0,
            total: 0,
            seen: AtomicUsize::new(0),
            filter: OnceLock::new(),
        }
    }
}

impl Known {
    /// Adds a secret, its lines and their forms: as they are, and without the blanks around them, which shells and filters take
    /// off. As on GitHub a line counts whatever its length, so that a JSON text of several lines masks every brace.
    pub(super) fn add(&mut self, secret: &str) {
        if secret.trim().is_empty() {
            return;
        }
        self.add_trimmed(secret);
        if secret.contains(['\r', '\n']) {
            for line in secret.split(['\r', '\n']).filter(|line| !line.trim().is_empty()) {
                self.add_trimmed(line);
            }
        }
    }

    /// Adds a text with and without the blanks around it.
    fn add_trimmed(&mut self, text: &str) {
        self.add_forms(text);
        let trimmed = text.trim();
        if trimmed.len() < text.len() {
            self.add_forms(trimmed);
        }
    }

    /// Whether there is room for one more.
    pub(super) fn has_room_for(&self, secret: &str) -> bool {
        secret.len().saturating_mul(FORMS).saturating_add(self.total) <= ROOM
    }

    /// The text with every secret replaced.
    pub(super) fn masked(&self, text: String) -> String {
        if self.longest == 0 {
            return text;
        }
        if may_have_controls(text.as_bytes()) {
            // Whoever shows the line without its colours and controls would put a secret together that they cut in two. What
            // counts as one sequence differs from one to the other.
            let ways: &[Escapes] = match text.contains('\x1b') {
                true => &[Escapes::Whole, Escapes::Colours, Escapes::Alone],
                false => &[Escapes::Alone],
            };
            for escapes in ways {
                let plain = plain(&text, *escapes);
                let places = self.places(plain.as_bytes());
                if !places.is_empty() {
                    return String::from_utf8_lossy(&replaced(plain.as_bytes(), &places)).into_owned();
                }
            }
        }
        let places = self.places(text.as_bytes());
        if places.is_empty() {
            return text;
        }
        String::from_utf8_lossy(&replaced(text.as_bytes(), &places)).into_owned()
    }

    /// Masks bytes, which may be any.
    pub(super) fn mask_bytes(&self, bytes: &[u8]) -> String {
        if may_have_controls(bytes) {
            return self.masked(String::from_utf8_lossy(bytes).into_owned());
        }
        String::from_utf8_lossy(&replaced(bytes, &self.places(bytes))).into_owned()
    }

    /// Whether there is anything to replace in these bytes, or a control character that may cut it in two.
    pub(super) fn may_hide(&self, bytes: &[u8]) -> bool {
        may_have_controls(bytes) || !self.places(bytes).is_empty()
    }

    fn add_forms(&mut self, text: &str) {
        self.add_pattern(text.as_bytes());
        for form in encode::forms(text) {
            if form.trim().len() >= MIN_FORM {
                self.add_pattern(form.as_bytes());
            }
        }
    }

    fn add_pattern(&mut self, pattern: &[u8]) {
        let Some(&first) = pattern.first() else { return };
        if self.patterns.insert(pattern.into()) {
            self.begins[usize::from(first)] = true;
            self.longest = self.longest.max(pattern.len());
            self.total = self.total.saturating_add(pattern.len());
            (self.seen, self.filter) = (AtomicUsize::new(0), OnceLock::new());
        }
    }

    /// The ranges to mask, in order, apart from each other.
    pub(super) fn places(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut places: Vec<(usize, usize)> = Vec::new();
        if self.longest == 0 || self.rules_out(bytes) {
            return places;
        }
        for (start, &first) in bytes.iter().enumerate() {
            if !self.begins[usize::from(first)] {
                continue;
            }
            let Some(length) = self.longest_at(&bytes[start..]) else { continue };
            let end = start + length;
            match places.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                Some(_) | None => places.push((start, end)),
            }
        }
        places
    }

    /// The length of the longest pattern that the text begins with.
    fn longest_at(&self, text: &[u8]) -> Option<usize> {
        let mut text = &text[..text.len().min(self.longest)];
        // Between a beginning of the text and the text itself stands only what has the same beginning. So a pattern that stands
        // before the text, but is no beginning of it, shares with it all that any such pattern has.
        loop {
            let known = self.patterns.range::<[u8], _>((Unbounded, Included(text))).next_back()?;
            if text.starts_with(known) {
                return Some(known.len());
            }
            let shared = known.iter().zip(text).take_while(|(one, other)| one == other).count();
            text = text.get(..shared).filter(|text| !text.is_empty())?;
        }
    }

    /// Whether none of the patterns is in the text, when that is known quickly. The filter is built once it is worth it.
    fn rules_out(&self, bytes: &[u8]) -> bool {
        if self.seen.load(Ordering::Relaxed) < WORTH.max(self.total.saturating_mul(8)) {
            self.seen.fetch_add(bytes.len(), Ordering::Relaxed);
            return false;
        }
        let filter = self.filter.get_or_init(|| {
            let mut builder = AhoCorasick::builder();
            builder.match_kind(MatchKind::LeftmostFirst).kind(Some(AhoCorasickKind::ContiguousNFA));
            (self.total <= MOST).then(|| builder.build(&self.patterns).ok()).flatten()
        });
        filter.as_ref().is_some_and(|filter| !filter.is_match(bytes))
    }
}

/// The bytes with a mask in place of each of the ranges.
fn replaced(bytes: &[u8], places: &[(usize, usize)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for &(start, end) in places {
        out.extend_from_slice(&bytes[from..start]);
        out.extend_from_slice(MASK.as_bytes());
        from = end;
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

/// What goes when a text is shown without its escape sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escapes {
    /// `ESC [ ... letter`, `ESC ] ... BEL`, and `ESC` with one character.
    Whole,
    /// `ESC [ ... letter`, and else the escape character alone.
    Colours,
    /// The escape character alone.
    Alone,
}

/// Whether there is a control character other than tabs and line ends, or a byte that one of those beyond ASCII begins with.
fn may_have_controls(bytes: &[u8]) -> bool {
    let is_control =
        |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) | (byte == 0x7f) | (byte == 0xc2);
    // Without an early end this is done many bytes at a time.
    bytes.iter().fold(false, |found, byte| found | is_control(*byte))
}

/// The text without escape sequences and control characters, but with tabs and line ends.
fn plain(text: &str, escapes: Escapes) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        plain.push_str(&rest[..at]);
        let mut after = rest[at..].chars();
        let is_escape = after.next() == Some('\x1b');
        rest = after.as_str();
        if !is_escape || escapes == Escapes::Alone {
            continue;
        }
        match after.next() {
            Some('[') => {
                after.find(|c| ('\x40'..='\x7e').contains(c));
                rest = after.as_str();
            }
            Some(']') if escapes == Escapes::Whole => {
                after.find(|c| *c == '\x07');
                rest = after.as_str();
            }
            Some(_) if escapes == Escapes::Whole => rest = after.as_str(),
            Some(_) | None => {}
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_longest_pattern_is_found(
            patterns in prop::collection::btree_set("[abc]{1,5}", 0..20),
            text in "[abcd]{0,9}",
        ) {
            let mut known = Known::default();
            patterns.iter().for_each(|pattern| known.add_pattern(pattern.as_bytes()));
            let begins = patterns.iter().filter(|pattern| text.starts_with(pattern.as_str()));
            prop_assert_eq!(known.longest_at(text.as_bytes()), begins.map(String::len).max());
        }

        #[test]
        fn the_filter_changes_nothing(
            secrets in prop::collection::vec("[ab\"&%é]{1,9}", 0..6),
            later in "[ab]{1,4}",
            texts in prop::collection::vec("[ab\"&%éc]{0,40}", 1..6),
        ) {
            let mut slow = Known::default();
            for secret in &secrets {
                slow.add(secret);
            }
            let quick = || AtomicUsize::new(usize::MAX / 2);
            let mut fast = Known { patterns: slow.patterns.clone(), begins: slow.begins, seen: quick(), ..Known::default() };
            (fast.longest, fast.total) = (slow.longest, slow.total);
            for text in &texts {
                prop_assert_eq!(fast.places(text.as_bytes()), slow.places(text.as_bytes()), "{}", text);
            }
            slow.add(&later);
            fast.add(&later);
            fast.seen = quick();
            for text in &texts {
                prop_assert_eq!(fast.places(text.as_bytes()), slow.places(text.as_bytes()), "{}", text);
            }
        }
    }

    #[test]
    fn the_filter_is_built_when_it_is_worth_it() {
        let mut known = Known::default();
        known.add("hunter2-hunter2");
        let line = "x".repeat(1_000);
        for _ in 0..100 {
            assert_eq!(known.places(line.as_bytes()), []);
        }
        assert!(known.filter.get().is_some_and(Option::is_some));
        assert_eq!(known.places(b"a hunter2-hunter2"), [(2, 17)]);
        known.add("another");
        assert!(known.filter.get().is_none());
        assert_eq!(known.places(b"another"), [(0, 7)]);
    }
}
