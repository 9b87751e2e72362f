//! The regular expressions of problem matchers: written for JavaScript and .NET, run here.
//!
//! Whatever needs no look-around and no back-reference runs in linear time. The rest runs with a limit on its backtracking,
//! so that an evil pattern costs a bounded time and then says so.

use fancy_regex::{Regex, RegexBuilder};

/// How many steps back a search may take; some tens of milliseconds.
const BACKTRACK: usize = 200_000;
/// How large a compiled expression may be, in bytes.
const SIZE: usize = 4 * 1024 * 1024;
/// The longest expression.
const LENGTH: usize = 64 * 1024;

/// A regular expression.
#[derive(Clone, Debug)]
pub(crate) struct Regexp {
    regex: Regex,
    groups: usize,
}

/// A search that went back too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Regexp {
    /// Compiles an expression; the error is a sentence.
    pub(crate) fn new(text: &str) -> Result<Regexp, String> {
        let short: String = text.chars().take(80).collect();
        if text.len() > LENGTH {
            return Err(format!("the pattern {short:?}... is longer than {LENGTH} bytes"));
        }
        let regex = RegexBuilder::new(&translated(text))
            .backtrack_limit(BACKTRACK)
            .delegate_size_limit(SIZE)
            .delegate_dfa_size_limit(SIZE)
            .build()
            .map_err(|error| format!("the pattern {short:?} cannot be used: {error}"))?;
        let groups = regex.captures_len();
        Ok(Regexp { regex, groups })
    }

    /// How many groups there are, the whole match included.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// The text of every group where the line matches; empty for a group that took no part.
    pub(crate) fn search(&self, line: &str) -> Result<Option<Vec<String>>, TooSlow> {
        match self.regex.captures(line) {
            Ok(found) => Ok(found.map(|found| {
                found
                    .iter()
                    .map(|group| group.map_or_else(String::new, |text| text.as_str().to_owned()))
                    .collect()
            })),
            // The only way a search fails.
            Err(_) => Err(TooSlow),
        }
    }
}

/// The expression in the dialect of the engine: classes are ASCII, as ECMAScript wants it; what has a meaning here and
/// none there is escaped.
fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let characters: Vec<char> = text.chars().collect();
    let mut at = 0;
    let mut class: Option<usize> = None;
    while let Some(&character) = characters.get(at) {
        at += 1;
        match (character, class) {
            ('\\', _) => {
                let Some(&next) = characters.get(at) else {
                    out.push('\\');
                    break;
                };
                at += 1;
                match (next, class.is_some()) {
                    ('d', true) => out.push_str("0-9"),
                    ('d', false) => out.push_str("[0-9]"),
                    ('D', _) => out.push_str("[^0-9]"),
                    ('w', true) => out.push_str("0-9A-Za-z_"),
                    ('w', false) => out.push_str("[0-9A-Za-z_]"),
                    ('W', _) => out.push_str("[^0-9A-Za-z_]"),
                    ('b', true) => out.push_str("\\x08"),
                    (
                        '/' | '<' | '>' | '"' | '\'' | '_' | '`' | ',' | ';' | ':' | '=' | '@' | '%' | '!',
                        _,
                    ) => {
                        out.push(next);
                    }
                    _ => {
                        out.push('\\');
                        out.push(next);
                    }
                }
            }
            ('[', None) => {
                class = Some(at);
                out.push('[');
                if characters.get(at) == Some(&'^') {
                    out.push('^');
                    at += 1;
                    class = Some(at);
                }
            }
            // The first one of a class stands for itself.
            (']', Some(start)) if at - 1 == start => out.push_str("\\]"),
            (']', Some(_)) => {
                class = None;
                out.push(']');
            }
            ('[' | '&' | '~', Some(_)) => {
                out.push('\\');
                out.push(character);
            }
            ('-', Some(_)) if characters.get(at) == Some(&'-') => out.push_str("\\-"),
            ('{', None) if !is_quantifier(&characters[at..]) => out.push_str("\\{"),
            ('}', None) if !out_is_quantifier(&out) => out.push_str("\\}"),
            _ => out.push(character),
        }
    }
    out
}

/// Whether `3}`, `3,}` or `3,4}` follows.
fn is_quantifier(rest: &[char]) -> bool {
    let Some(close) = rest.iter().position(|&c| c == '}') else { return false };
    let body = &rest[..close];
    let digits = body.iter().take_while(|c| c.is_ascii_digit()).count();
    digits > 0
        && match body.get(digits) {
            None => true,
            Some(',') => body[digits + 1..].iter().all(char::is_ascii_digit),
            Some(_) => false,
        }
}

/// Whether a quantifier stands open at the end of what is written so far.
fn out_is_quantifier(out: &str) -> bool {
    let body = out.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',');
    body.len() < out.len() && body.ends_with('{') && !body.ends_with("\\{")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pattern: &str, line: &str, expect: Option<&[&str]>) {
        let found = Regexp::new(pattern).expect(pattern).search(line).expect("in time");
        let expect = expect.map(|groups| groups.iter().map(|&group| group.to_owned()).collect::<Vec<_>>());
        assert_eq!(found, expect, "{pattern} on {line}");
    }

    #[test]
    fn means_what_the_writers_of_matchers_mean() {
        check(
            "^(?:\\s+\\d+\\>)?([^\\s].*)\\((\\d+),(\\d+)\\)\\s*:\\s+(error|warning)\\s+(\\w{1,2}\\d+)\\s*:\\s*(.*)$",
            "  1>a/b.cs(3,4): error CS12: no",
            Some(&["  1>a/b.cs(3,4): error CS12: no", "a/b.cs", "3", "4", "error", "CS12", "no"]),
        );
        check(
            "^\\s*File\\s\\\"(.*)\\\",\\sline\\s(\\d+)",
            "  File \"a.py\", line 7",
            Some(&["  File \"a.py\", line 7", "a.py", "7"]),
        );
        check("[[]x{y}", "[x{y}", Some(&["[x{y}"]));
        check("[^]a-]+", "b]", Some(&["b"]));
        check("a\\/b", "a/b", Some(&["a/b"]));
        check("\\d", "٣", None);
        check("(?<!no )(error) (.+)", "no error x", None);
        check("(a)|(b)", "b", Some(&["b", "", "b"]));
    }

    #[test]
    fn an_evil_pattern_costs_a_bounded_time() {
        let line = format!("{}!a", "a".repeat(5_000));
        check("^(a+)+$", &line, None);
        let evil = Regexp::new("^(?:(a|a)(?=a))+\\1[a]$").expect("a pattern");
        assert_eq!(evil.search(&line), Err(TooSlow));
        assert!(Regexp::new(&"(".repeat(10_000)).is_err());
        assert!(Regexp::new("(?:a{1000}){1000}").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(pattern in "[\\[\\](){}?*+^$|.\\\\da,&~<>=!-]{0,16}", line in "[ad(){}\\[\\]-]{0,12}") {
            if let Ok(regexp) = Regexp::new(&pattern) {
                let _ = regexp.search(&line);
            }
        }
    }
}
