//! Replaces secrets by `***` before a text leaves the runner.

mod encode;

use crate::lines::Piece;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// What stands where a secret stood.
pub(crate) const MASK: &str = "***";

/// The least length of a line of a value of several lines, or of a derived form, to be masked by itself: a lone
/// brace of a JSON secret would otherwise mask every brace.
const MIN_PART: usize = 3;

/// Knows the secrets of a job in all the forms in which they may come out. A clone knows the same ones, also those
/// that are added later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Masker(Arc<RwLock<Known>>);

/// The texts to mask.
#[derive(Debug)]
struct Known {
    /// Patterns by their first byte, longest first.
    by_first: Vec<Vec<Box<[u8]>>>,
    /// Which bytes a pattern begins with.
    begins: [bool; 256],
    longest: usize,
}

impl Default for Known {
    fn default() -> Known {
        Known { by_first: vec![Vec::new(); 256], begins: [false; 256], longest: 0 }
    }
}

impl Masker {
    /// Knows nothing yet.
    pub(crate) fn new() -> Masker {
        Masker::default()
    }

    /// Nothing panics while it holds the lock, so what is behind a poisoned one is whole.
    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a secret: the whole text, each of its lines, and both in the encodings in which programs print them
    /// (base64 at any offset, URL, JSON, XML, shell and expression quoting).
    pub(crate) fn add(&mut self, secret: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).add(secret);
    }

    /// Adds the password of a proxy address such as `http://user:password@host:8080`.
    pub(crate) fn add_proxy_password(&mut self, address: &str) {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        if let Some((_, password)) = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
            self.add(password);
        }
    }

    /// The text with every secret replaced; overlapping and touching ones by one mask.
    pub(crate) fn mask(&self, text: &str) -> String {
        self.masked(text.to_owned())
    }

    /// The same for a text that is not needed any more.
    pub(crate) fn masked(&self, text: String) -> String {
        self.known().masked(text)
    }
}

impl Known {
    fn add(&mut self, secret: &str) {
        if secret.trim().is_empty() {
            return;
        }
        self.add_forms(secret);
        if secret.contains(['\r', '\n']) {
            for line in secret.split(['\r', '\n']).filter(|line| line.trim().len() >= MIN_PART) {
                self.add_forms(line);
            }
        }
    }

    fn masked(&self, text: String) -> String {
        if self.longest == 0 {
            return text;
        }
        if text.contains('\x1b') {
            // Whoever shows the line without its colours would put a secret together that they cut in two.
            let plain = without_escapes(&text);
            let places = self.places(plain.as_bytes());
            if !places.is_empty() {
                return String::from_utf8_lossy(&replaced(plain.as_bytes(), &places)).into_owned();
            }
        }
        let places = self.places(text.as_bytes());
        if places.is_empty() {
            return text;
        }
        String::from_utf8_lossy(&replaced(text.as_bytes(), &places)).into_owned()
    }

    fn mask_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        replaced(bytes, &self.places(bytes))
    }

    fn add_forms(&mut self, text: &str) {
        self.add_pattern(text.as_bytes());
        for form in encode::forms(text) {
            if form.trim().len() >= MIN_PART {
                self.add_pattern(form.as_bytes());
            }
        }
    }

    fn add_pattern(&mut self, pattern: &[u8]) {
        let Some(&first) = pattern.first() else { return };
        let bucket = &mut self.by_first[usize::from(first)];
        if bucket.iter().all(|known| **known != *pattern) {
            bucket.push(pattern.into());
            self.begins[usize::from(first)] = true;
            bucket.sort_by_key(|known| std::cmp::Reverse(known.len()));
            self.longest = self.longest.max(pattern.len());
        }
    }

    /// The ranges to mask, in order, apart from each other.
    fn places(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut places: Vec<(usize, usize)> = Vec::new();
        if self.longest == 0 {
            return places;
        }
        for (start, &first) in bytes.iter().enumerate() {
            if !self.begins[usize::from(first)] {
                continue;
            }
            let Some(pattern) =
                self.by_first[usize::from(first)].iter().find(|known| bytes[start..].starts_with(known))
            else {
                continue;
            };
            let end = start + pattern.len();
            match places.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                Some(_) | None => places.push((start, end)),
            }
        }
        places
    }
}

/// Masks lines that may come in pieces: holds back so much of an unfinished line that a secret cannot hide across a
/// cut. Uses the masker that is handed in each time, since a step can add masks while it runs.
#[derive(Debug, Default)]
pub(crate) struct PieceMasker {
    held: Vec<u8>,
}

impl PieceMasker {
    /// Nothing held.
    pub(crate) fn new() -> PieceMasker {
        PieceMasker::default()
    }

    /// Takes a piece; gives what may be shown of it by now, `None` when all is held back.
    pub(crate) fn push(&mut self, piece: Piece, masker: &Masker) -> Option<String> {
        let Piece { bytes, ends } = piece;
        let masker = masker.known();
        if self.held.is_empty() {
            self.held = bytes;
        } else {
            self.held.extend_from_slice(&bytes);
        }
        if ends {
            let line = std::mem::take(&mut self.held);
            return Some(String::from_utf8_lossy(&masker.mask_bytes(&line)).into_owned());
        }
        let mut cut = self.held.len().saturating_sub(masker.longest.saturating_sub(1));
        let places = masker.places(&self.held);
        if let Some((start, _)) = places.iter().find(|(start, end)| *start < cut && cut < *end) {
            cut = *start;
        }
        // A character that takes several bytes is not torn apart either.
        while cut > 0 && cut < self.held.len() && self.held[cut] & 0b1100_0000 == 0b1000_0000 {
            cut -= 1;
        }
        if cut == 0 {
            return None;
        }
        let rest = self.held.split_off(cut);
        let shown = std::mem::replace(&mut self.held, rest);
        Some(String::from_utf8_lossy(&masker.mask_bytes(&shown)).into_owned())
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

/// The text without ANSI escape sequences: `ESC [ ... letter`, `ESC ] ... BEL`, and `ESC` with one character.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\x1b' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('[') => {
                characters.by_ref().find(|c| ('\x40'..='\x7e').contains(c));
            }
            Some(']') => {
                characters.by_ref().find(|c| *c == '\x07');
            }
            Some(_) | None => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::{LineSplitter, MAX_PIECE};
    use proptest::prelude::*;

    fn masker(secrets: &[&str]) -> Masker {
        let mut masker = Masker::new();
        for secret in secrets {
            masker.add(secret);
        }
        masker
    }

    fn check(secrets: &[&str], text: &str, expect: &str) {
        assert_eq!(masker(secrets).mask(text), expect, "{secrets:?}");
    }

    #[test]
    fn masks_secrets_and_their_forms() {
        check(&["hunter2"], "a hunter2 b hunter2", "a *** b ***");
        check(&["hunter2"], "Hunter2", "Hunter2");
        check(&["a b&c"], "x=a%20b%26c", "x=***");
        check(&["say \"no\""], r#"{"k":"say \"no\""}"#, r#"{"k":"***"}"#);
        // `printf 'user:hunter2-hunter2' | base64`
        check(&["hunter2-hunter2"], "dXNlcjpodW50ZXIyLWh1bnRlcjI=", "dXNlcjpo***");
        check(&["abcd", "cdef"], "xabcdefy", "x***y");
        check(&["ab", "cd"], "abcd", "***");
        check(&["", "  "], "a  b", "a  b");
        check(&["hunter2"], "\x1b[1mhun\x1b[0mter2\x1b[0m!", "***!");
        check(&["hunter2"], "\x1b[1mred\x1b[0m", "\x1b[1mred\x1b[0m");
    }

    #[test]
    fn masks_the_lines_of_a_value() {
        check(&["{\n  \"key\": 1\n}"], "got   \"key\": 1 {}", "got *** {}");
    }

    #[test]
    fn masks_the_password_of_a_proxy() {
        let mut masker = Masker::new();
        masker.add_proxy_password("http://user:pass123@127.0.0.1:8888");
        masker.add_proxy_password("http://127.0.0.1:8888");
        assert_eq!(masker.mask("http://user:pass123@127.0.0.1:8888"), "http://user:***@127.0.0.1:8888");
    }

    #[test]
    fn an_endless_line_cannot_hide_a_secret_at_a_cut() {
        let secret = "correct horse battery staple";
        let masker = masker(&[secret]);
        for shift in 0..secret.len() + 2 {
            let mut text = "é".repeat((MAX_PIECE - shift) / 2).into_bytes();
            text.extend_from_slice(secret.as_bytes());
            text.extend_from_slice(&vec![b'y'; MAX_PIECE]);
            let (mut splitter, mut pieces, mut shown) =
                (LineSplitter::new(), PieceMasker::new(), String::new());
            splitter.push(&text, |piece| shown.extend(pieces.push(piece, &masker)));
            shown.extend(splitter.finish().and_then(|piece| pieces.push(piece, &masker)));
            let expect = format!("{}***{}", "é".repeat((MAX_PIECE - shift) / 2), "y".repeat(MAX_PIECE));
            assert!(shown == expect, "cut {shift} bytes before the end of a piece");
        }
    }

    proptest! {
        #[test]
        fn no_secret_is_left(secrets in prop::collection::vec("[ab\"&%]{1,6}", 1..4), text in "[ab\"&%c]{0,60}") {
            let known: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let masked = masker(&known).mask(&text);
            for secret in known {
                prop_assert!(!masked.contains(secret), "{masked} holds {secret}");
            }
        }
    }
}
