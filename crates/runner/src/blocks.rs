//! Output in which there is nothing to do but to show it: many lines are taken at once, so that a million of them do not
//! cost as many trips from the step to whoever shows them.

use crate::{mask::Masker, session::may_command};

/// The longest block, in bytes: so small that many of them may wait to be shown.
const MAX_BLOCK: usize = 8 * 1024;

/// What output begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beginning<'b> {
    /// Whole lines, without the last line end, which hold no command, no control character but tabs and nothing to mask.
    Lines(&'b str),
    /// Bytes that must be looked at line by line.
    Odd(&'b [u8]),
}

/// Cuts off what output begins with, which begins with a line; gives that and what is behind it. `None` when there is nothing.
pub(crate) fn beginning<'b>(output: &'b [u8], masker: &Masker) -> Option<(Beginning<'b>, &'b [u8])> {
    if output.is_empty() {
        return None;
    }
    let window = &output[..output.len().min(MAX_BLOCK)];
    let Some(end) = memchr::memrchr(b'\n', window) else {
        return Some((Beginning::Odd(window), &output[window.len()..]));
    };
    let (lines, rest) = (&output[..end], &output[end + 1..]);
    // Only what can be looked at many bytes at a time, the cheapest first.
    let text = std::str::from_utf8(lines).ok();
    let plain = text.filter(|text| {
        !masker.may_hide(text) && memchr::memchr(b'\r', lines).is_none() && !may_command(text)
    });
    Some(match plain {
        Some(text) => (Beginning::Lines(text), rest),
        // All of it, so that no byte is looked at twice for nothing.
        None => (Beginning::Odd(&output[..=end]), rest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(output: &[u8]) -> Option<(Beginning<'_>, usize)> {
        let mut masker = Masker::new();
        masker.add("hunter2");
        beginning(output, &masker).map(|(found, rest)| (found, rest.len()))
    }

    #[test]
    fn whole_plain_lines_go_together() {
        let check = |output: &str, lines: &str, rest: usize| {
            assert_eq!(first(output.as_bytes()), Some((Beginning::Lines(lines), rest)), "{output:?}");
        };
        check("a\nb\n", "a\nb", 0);
        check("\n\n", "\n", 0);
        check("\n", "", 0);
        check("one\ttwo\nthree", "one\ttwo", 5);
        check("std::fs and a::b\nx: ::y\n", "std::fs and a::b\nx: ::y", 0);
        check("naïve\n", "naïve", 0);
    }

    #[test]
    fn whatever_needs_a_look_is_taken_line_by_line() {
        let check = |output: &[u8], odd: &[u8]| {
            let found = first(output);
            let rest = output.len() - odd.len();
            assert_eq!(found, Some((Beginning::Odd(odd), rest)), "{}", output.escape_ascii());
        };
        check(b"no end", b"no end");
        check(b"a\n::notice::x\nb", b"a\n::notice::x\n");
        check(b"a\n \t::notice::x\n", b"a\n \t::notice::x\n");
        check("a\n\u{2003}::notice::x\n".as_bytes(), "a\n\u{2003}::notice::x\n".as_bytes());
        check(b"a ##[group]b\n", b"a ##[group]b\n");
        check(b"10 %\r20 %\n", b"10 %\r20 %\n");
        check(b"\x1b[1mbold\n", b"\x1b[1mbold\n");
        check(b"\xff\n", b"\xff\n");
        check(b"it is hunter2\nrest", b"it is hunter2\n");
        assert_eq!(first(b""), None);
    }

    #[test]
    fn a_block_has_its_bound() {
        let mut output = "x".repeat(99);
        output.push('\n');
        let output = output.repeat(1_000);
        let mut rest = output.as_bytes();
        let mut lines = 0;
        while let Some((found, after)) = beginning(rest, &Masker::new()) {
            let Beginning::Lines(text) = found else { panic!("{found:?}") };
            assert!(text.len() <= MAX_BLOCK);
            lines += text.split('\n').count();
            rest = after;
        }
        assert_eq!(lines, 1_000);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(output in "([ab:#\\[\\]\\r\\t]{0,3}\\n){0,6}[a:]{0,3}") {
            let mut all = Vec::new();
            let mut rest = output.as_bytes();
            while let Some((found, after)) = beginning(rest, &Masker::new()) {
                match found {
                    Beginning::Lines(text) => {
                        prop_assert!(text.split('\n').all(|line| matches!(
                            crate::session::Session::default().hear(line),
                            crate::session::Heard::Plain
                        )));
                        all.extend_from_slice(text.as_bytes());
                        all.push(b'\n');
                    }
                    Beginning::Odd(bytes) => all.extend_from_slice(bytes),
                }
                rest = after;
            }
            prop_assert_eq!(all, output.into_bytes());
        }
    }
}
