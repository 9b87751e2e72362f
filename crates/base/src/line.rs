//! Texts of others within lines of ours.

/// The text in one line that steers nothing: white space becomes blanks, terminal sequences and other control characters
/// go, and so do the marks that turn the direction of writing (Unicode's `Bidi_Control`), behind which another text can
/// hide.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\x1b' => skip_sequence(&mut rest),
            '\t' | '\n' | '\r' | '\x0b' | '\x0c' | '\u{85}' | '\u{2028}' | '\u{2029}' => line.push(' '),
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            _ if character.is_control() => {}
            _ => line.push(character),
        }
    }
    line
}

/// Skips what an escape character begins (ECMA-48): `[` runs to a final byte, `]` and its like to a bell or the string
/// terminator, as far as they end; anything else is text.
fn skip_sequence(rest: &mut std::str::Chars<'_>) {
    let body = rest.as_str();
    let length = match body.chars().next() {
        Some('[') => body[1..].find(|c| ('\x40'..='\x7e').contains(&c)).map(|at| at + 2),
        Some(']' | 'P' | '^' | '_' | 'X') => {
            let bell = body.find('\x07').map(|at| at + 1);
            let terminator = body.find("\x1b\\").map(|at| at + 2);
            bell.into_iter().chain(terminator).min()
        }
        Some(_) | None => None,
    };
    if let Some(length) = length {
        *rest = body[length..].chars();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_others_steer_nothing() {
        let check = |text: &str, expect: &str| assert_eq!(one_line(text), expect, "{text:?}");
        check("naïve – 日本 🚀", "naïve – 日本 🚀");
        check("msg\x1b[31mred\x1b]0;pwn\x07!", "msgred!");
        check("a\x1b]0;t\x1b\\b", "ab");
        check("clear\x1b[2J", "clear");
        check("ok\n  ok deploy\r\tx", "ok   ok deploy  x");
        check("a\u{202e}b\u{2066}c", "abc");
        check("\x1b", "");
        check("\x1b[1", "[1");
        check("\x1b]0;no end", "]0;no end");
        check("\u{9b}31m", "31m");
    }

    proptest! {
        #[test]
        fn nothing_that_steers_is_left(text in "[a-z\\x00-\\x1f\\[\\];\\u{80}-\\u{9f}\\u{2020}-\\u{2070}]{0,30}") {
            let line = one_line(&text);
            let steers = |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c);
            prop_assert!(!line.contains(steers));
            prop_assert_eq!(one_line(&line), line.clone());
        }
    }
}
