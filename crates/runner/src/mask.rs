//! Replaces secrets by `***` before a text leaves the runner.

mod encode;
mod known;

use crate::{
    context::{JobContext, STEP_DEBUG},
    lines::Piece,
};
pub(crate) use encode::base64;
use known::Known;
use shipway_base::Secret;
use shipway_workflow::run::JobView;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// The switches of debug logging, which GitHub keeps among the secrets and never masks.
const SWITCHES: [&str; 2] = [STEP_DEBUG, "ACTIONS_RUNNER_DEBUG"];

/// What stands where a secret stood.
pub(crate) const MASK: &str = "***";

/// Knows the secrets of a job in all the forms in which they may come out. A clone knows the same ones, also those
/// that are added later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Masker(Arc<RwLock<Known>>);

impl Masker {
    /// Knows nothing yet.
    pub(crate) fn new() -> Masker {
        Masker::default()
    }

    /// Nothing panics while it holds the lock, so what is behind a poisoned one is whole.
    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a secret: the whole text and each of its lines, with and without the blanks around them, and all of these in the
    /// encodings in which programs print them (base64 at any offset, URL, JSON, XML, shell and expression quoting).
    pub(crate) fn add(&mut self, secret: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).add(secret);
    }

    /// Whether there is room for one more. What the user gave is always taken; the output of a job might go on for ever.
    pub(crate) fn has_room_for(&self, secret: &str) -> bool {
        self.known().has_room_for(secret)
    }

    /// Adds the password of a proxy address such as `http://user:password@host:8080`.
    pub(crate) fn add_proxy_password(&mut self, address: &str) {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        if let Some((_, password)) = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
            self.add(password);
        }
    }

    /// Adds the secrets that all jobs of a run share.
    pub(crate) fn add_shared(&mut self, context: &JobContext) {
        self.add_secrets(context.secrets.iter());
        for secret in context.secret_env.values() {
            self.add(secret.expose());
        }
        for (name, address) in context.host_env.iter() {
            if name.to_ascii_lowercase().ends_with("_proxy") {
                self.add_proxy_password(address);
            }
        }
    }

    /// Adds secrets, but for the switches, whose values are `true` or `false`.
    fn add_secrets<'s>(&mut self, secrets: impl IntoIterator<Item = (&'s String, &'s Secret)>) {
        let is_switch = |name: &str| SWITCHES.iter().any(|switch| switch.eq_ignore_ascii_case(name));
        let others = secrets.into_iter().filter(|(name, _)| !is_switch(name));
        others.for_each(|(_, secret)| self.add(secret.expose()));
    }

    /// Whether masking may change the text, or it has control characters other than tabs and line ends, which may cut a
    /// secret in two.
    pub(crate) fn may_hide(&self, text: &str) -> bool {
        self.known().may_hide(text.as_bytes())
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

/// Masks what is told of the jobs of a run by others than the jobs: their names are made of values that may be secrets, also of those that
/// never start.
#[derive(Clone, Debug)]
pub struct RunMasks(Masker);

impl RunMasks {
    /// For a run whose jobs share this.
    pub fn of(context: &JobContext) -> RunMasks {
        let mut masker = Masker::new();
        masker.add_shared(context);
        for own in context.environments.values() {
            masker.add_secrets(&own.secrets);
        }
        RunMasks(masker)
    }

    /// The text with every secret replaced.
    pub fn text(&self, text: &str) -> String {
        self.0.mask(text)
    }

    /// A job with its name and its reason masked.
    #[must_use]
    pub fn job(&self, job: JobView) -> JobView {
        let reason = job.reason.map(|reason| self.0.masked(reason));
        JobView { name: self.0.masked(job.name), reason, ..job }
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
            return Some(masker.mask_bytes(&line));
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
        Some(masker.mask_bytes(&shown))
    }
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
        for between in ["\0", "\x07", "\x08", "\x7f", "\x0b", "\u{85}", "\x1b", "\x1b[K", "\x1b]0;t\x07"] {
            check(&["hunter2"], &format!("<hun{between}ter2>"), "<***>");
        }
        check(&["hunter2"], "h\0u\0n\0t\0e\0r\x002\0", "***");
        check(&["hunter2"], "two\x07 bells, one\ttab", "two\x07 bells, one\ttab");
    }

    #[test]
    fn masks_the_lines_of_a_value() {
        check(&["{\n  \"key\": 1\n}"], "got   \"key\": 1 [{}]", "got *** [***]");
        check(&["first\na1\r\n \nz\n"], "a1, b1, z of z9", "***, b1, *** of ***9");
    }

    #[test]
    fn blanks_around_a_secret_or_a_line_of_it_may_be_gone() {
        let secrets =
            ["  padded secret ", "\ttabbed\t", "-----BEGIN\n   indented key line\r\n\t last one \n"];
        for (text, expect) in [
            ("A padded secret", "A ***"),
            ("A=  padded secret ;", "A=***;"),
            ("x=padded secret y", "x=*** y"),
            ("tabbed, \ttabbed\t", "***, ***"),
            ("indented key line", "***"),
            (">   indented key line<", ">***<"),
            ("[last one] [\t last one ]", "[***] [***]"),
            ("padded%20secret indented+key+line", "*** ***"),
            // `printf 'indented key line' | base64`, and with the blanks before it.
            ("aW5kZW50ZWQga2V5IGxpbmU=", "***"),
            ("ICAgaW5kZW50ZWQga2V5IGxpbmU=", "***"),
        ] {
            check(&secrets, text, expect);
        }
    }

    #[test]
    fn a_secret_without_its_blanks_is_hidden_across_a_cut() {
        let masker = masker(&["  padded secret ", "first\n   indented key line\n"]);
        for text in
            ["A padded secret!", "A   padded secret !", "<indented key line>", "<   indented key line>"]
        {
            for cut in 0..=text.len() {
                let (before, after) = text.split_at(cut);
                let mut pieces = PieceMasker::new();
                let first = pieces.push(Piece { bytes: before.into(), ends: false }, &masker);
                let second = pieces.push(Piece { bytes: after.into(), ends: true }, &masker);
                let shown: String = first.into_iter().chain(second).collect();
                assert_eq!(shown, masker.mask(text), "cut after {before:?}");
                assert!(!shown.contains("padded") && !shown.contains("key"), "{shown}");
            }
        }
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
        fn no_line_of_a_secret_is_left(secret in "[ab\"& \t\n]{1,12}", text in "[ab\"& \t]{0,60}") {
            let masked = masker(&[&secret]).mask(&text);
            for line in secret.trim().lines().map(str::trim).filter(|line| !line.is_empty()) {
                prop_assert!(!masked.contains(line), "{masked} holds {line}");
            }
        }

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
