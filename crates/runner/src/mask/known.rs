//! The texts to mask, and where they stand.

use super::{MASK, encode};
use aho_corasick::AhoCorasick;
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

/// So many bytes of patterns are taken from the commands of a job, each with its forms: no real job comes near it.
const ROOM: usize = 64 << 20;

/// So many times the bytes of a secret its forms have at most, roughly.
const FORMS: usize = 32;

/// So many bytes of output make a sieve worth its building.
const WORTH: usize = 64 * 1024;

/// So many patterns are looked for at once, many bytes of a text at a time; with more of them, or with short ones, looking at each
/// place is faster.
const FEW: usize = 64;

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
    /// Tells at once, for nearly all places of a text, that no pattern begins there.
    begun: Begun,
    /// How many bytes were looked through since the last one was added.
    seen: AtomicUsize,
    /// Tells for a whole text that there is nothing to mask; `None` when that would not be fast.
    sieve: OnceLock<Option<AhoCorasick>>,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            patterns: BTreeSet::new(),
            begins: [false; 256],
            longest: 0,
            total: 0,
            begun: Begun::default(),
            seen: AtomicUsize::new(0),
            sieve: OnceLock::new(),
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
                    return into_text(replaced(plain.as_bytes(), &places));
                }
            }
        }
        let places = self.places(text.as_bytes());
        if places.is_empty() {
            return text;
        }
        into_text(replaced(text.as_bytes(), &places))
    }

    /// Masks bytes, which may be any.
    pub(super) fn mask_bytes(&self, bytes: &[u8]) -> String {
        if may_have_controls(bytes) {
            return self.masked(String::from_utf8_lossy(bytes).into_owned());
        }
        let places = self.places(bytes);
        match places.is_empty() {
            true => String::from_utf8_lossy(bytes).into_owned(),
            false => into_text(replaced(bytes, &places)),
        }
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
            (self.seen, self.sieve) = (AtomicUsize::new(0), OnceLock::new());
            self.begun.add(pattern);
            if self.begun.is_crowded(self.patterns.len()) {
                self.begun.grow(&self.patterns);
            }
        }
    }

    /// Whether none of the patterns is in the text, when that is known quickly.
    fn rules_out(&self, bytes: &[u8]) -> bool {
        if self.begun.short || self.begun.three || self.patterns.len() > FEW {
            return false;
        }
        if self.seen.load(Ordering::Relaxed) < WORTH {
            self.seen.fetch_add(bytes.len(), Ordering::Relaxed);
            return false;
        }
        let sieve = self.sieve.get_or_init(|| AhoCorasick::new(&self.patterns).ok());
        sieve.as_ref().is_some_and(|sieve| !sieve.is_match(bytes))
    }

    /// The ranges to mask, in order, apart from each other.
    pub(super) fn places(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut places: Vec<(usize, usize)> = Vec::new();
        if self.longest == 0 || self.rules_out(bytes) {
            return places;
        }
        let mut found = |start: usize, length: usize| {
            let end = start + length;
            match places.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                Some(_) | None => places.push((start, end)),
            }
        };
        for (start, window) in bytes.windows(WORD).enumerate() {
            let length = match self.begun.at(word(window), &bytes[start..]) {
                Begin::None => None,
                Begin::Exactly(length) => Some(length),
                Begin::Maybe => self.longest_at(&bytes[start..]),
            };
            if let Some(length) = length {
                found(start, length);
            }
        }
        for start in bytes.len().saturating_sub(WORD - 1)..bytes.len() {
            if self.begins[usize::from(bytes[start])]
                && let Some(length) = self.longest_at(&bytes[start..])
            {
                found(start, length);
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
}

/// So many bytes of a text are looked at to tell whether a pattern begins there.
const WORD: usize = 4;

/// The bytes as a number, the first one lowest; those that are not there are 0.
fn word(bytes: &[u8]) -> u32 {
    let mut word = [0; WORD];
    let length = bytes.len().min(WORD);
    word[..length].copy_from_slice(&bytes[..length]);
    u32::from_le_bytes(word)
}

/// Where the first four are those of a pattern, so many are looked at.
const LONG: usize = 8;

/// Marks the first bytes of a pattern that ends before so many.
const ENDED: u32 = 0x5bd1_e995;

/// The first eight bytes as a number of four.
fn long(bytes: &[u8]) -> u32 {
    let (first, second) = bytes.split_at(WORD);
    word(first) ^ word(second).wrapping_mul(0x85eb_ca6b).rotate_left(13)
}

/// What the first bytes of a text say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// No pattern begins here.
    None,
    /// One of this length, and no longer one.
    Exactly(usize),
    /// Perhaps.
    Maybe,
}

/// The first bytes of all patterns, by their hashes, with those that are shorter apart. Output is looked at byte by byte, and a
/// lookup among the patterns takes a hundred times as long as this. A line of a secret may be a mere brace.
#[derive(Debug)]
struct Begun {
    /// Patterns of one byte.
    one: [bool; 256],
    /// Patterns of two bytes, a bit for each pair.
    two: Vec<u64>,
    /// Whether there are any of one or two bytes, and of three.
    short: bool,
    three: bool,
    /// A bit for each hash; a power of two.
    hashes: Vec<u64>,
}

impl Default for Begun {
    fn default() -> Begun {
        Begun {
            one: [false; 256],
            two: vec![0; 1 << 10],
            short: false,
            three: false,
            hashes: vec![0; 1 << 7],
        }
    }
}

impl Begun {
    fn add(&mut self, pattern: &[u8]) {
        let word = word(pattern);
        match pattern.len() {
            0 => {}
            1 => (self.one[(word & 0xff) as usize], self.short) = (true, true),
            2 => {
                self.two[(word >> 6) as usize] |= 1 << (word & 63);
                self.short = true;
            }
            length => {
                self.three |= length == 3;
                let second = pattern.get(..LONG).map_or(word ^ ENDED, long);
                for hash in [self.hash(word), self.hash(second)] {
                    self.hashes[hash >> 6] |= 1 << (hash & 63);
                }
            }
        }
    }

    /// What begins with a text, of which these are the first four bytes.
    fn at(&self, word: u32, text: &[u8]) -> Begin {
        let has = |word: u32| {
            let hash = self.hash(word);
            self.hashes[hash >> 6] >> (hash & 63) & 1 == 1
        };
        let goes_on = || has(word ^ ENDED) || text.get(..LONG).is_none_or(|bytes| has(long(bytes)));
        let three = word & 0xff_ffff;
        if (has(word) && goes_on()) || (self.three && has(three) && has(three ^ ENDED)) {
            return Begin::Maybe;
        }
        if !self.short {
            return Begin::None;
        }
        let pair = word & 0xffff;
        if self.two[(pair >> 6) as usize] >> (pair & 63) & 1 == 1 {
            Begin::Exactly(2)
        } else if self.one[(word & 0xff) as usize] {
            Begin::Exactly(1)
        } else {
            Begin::None
        }
    }

    /// The place of a hash among the bits.
    fn hash(&self, word: u32) -> usize {
        let bits = self.hashes.len().trailing_zeros() + 6;
        (word.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize
    }

    /// Whether so many patterns, with two hashes each, take more than one bit of 64, so that many places would be looked at in vain.
    fn is_crowded(&self, patterns: usize) -> bool {
        2 * patterns > self.hashes.len() && self.hashes.len() < MOST_HASHES
    }

    /// Four times the bits.
    fn grow(&mut self, patterns: &BTreeSet<Box<[u8]>>) {
        self.hashes = vec![0; (self.hashes.len() * 4).min(MOST_HASHES)];
        for pattern in patterns {
            self.add(pattern);
        }
    }
}

/// The most words of bits: 1 MiB.
const MOST_HASHES: usize = 1 << 17;

/// The bytes as text, without a copy where they are.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
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
        fn places_are_those_of_every_pattern(
            secrets in prop::collection::vec("[ab\"&%é]{1,9}", 0..6),
            lines in prop::collection::vec("[ab{}]{0,4}", 0..6),
            texts in prop::collection::vec("[ab\"&%éc{}]{0,40}", 1..6),
        ) {
            let mut known = Known::default();
            secrets.iter().for_each(|secret| known.add(secret));
            known.add(&lines.join("\n"));
            for text in texts.iter().map(String::as_bytes) {
                let mut hidden = vec![false; text.len()];
                for pattern in &known.patterns {
                    for start in 0..text.len() {
                        if text[start..].starts_with(pattern) {
                            hidden[start..start + pattern.len()].fill(true);
                        }
                    }
                }
                for seen in [0, WORTH] {
                    known.seen.store(seen, Ordering::Relaxed);
                    let mut found = vec![false; text.len()];
                    known.places(text).into_iter().for_each(|(start, end)| found[start..end].fill(true));
                    prop_assert_eq!(&found, &hidden);
                }
            }
        }
    }

    #[test]
    fn many_patterns_get_more_room() {
        let mut known = Known::default();
        let secrets: Vec<String> = (0..3_000).map(|n| format!("{:x}", 0x1234_5678_u64 * (n + 9))).collect();
        secrets.iter().for_each(|secret| known.add(secret));
        assert!(known.begun.hashes.len() >= known.patterns.len() / 4, "{}", known.patterns.len());
        for secret in &secrets {
            assert_eq!(known.places(secret.as_bytes()), [(0, secret.len())]);
        }
        let clean = "the quick brown fox jumps over the lazy dog";
        let looked = clean
            .as_bytes()
            .windows(WORD)
            .filter(|window| known.begun.at(word(window), window) == Begin::Maybe);
        assert!(looked.count() <= 8 && known.places(clean.as_bytes()).is_empty());
    }
}
