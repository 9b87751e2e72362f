//! The regular expressions of problem matchers: written for .NET, which GitHub's runner uses, and run here.
//!
//! Whatever needs no look-around and no back-reference runs in linear time. The rest runs with a limit on its backtracking,
//! so that an evil pattern costs a bounded time and then says so.

use super::dotnet::{self, Refused};
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
    /// The one for lines that are not ASCII, where it is another.
    exact: Option<Regex>,
    /// The group of the engine for each of .NET, the whole match first.
    groups: Vec<usize>,
}

/// Why there is no expression: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PatternError {
    /// It is wrong, on GitHub as well.
    Invalid(String),
    /// GitHub's runner takes it, and this one cannot.
    Beyond(String),
}

/// A search that went back too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Regexp {
    /// Compiles an expression.
    pub(crate) fn new(text: &str) -> Result<Regexp, PatternError> {
        let short: String = text.chars().take(80).collect();
        if text.len() > LENGTH {
            return Err(PatternError::Beyond(format!(
                "the pattern {short:?}... is longer than {LENGTH} bytes"
            )));
        }
        let translated = dotnet::translated(text).map_err(|refused| match refused {
            Refused::Invalid(why) => {
                PatternError::Invalid(format!("the pattern {short:?} cannot be used: {why}"))
            }
            Refused::Beyond(what) => {
                PatternError::Beyond(format!("the pattern {short:?} has what is not known here: {what}"))
            }
        })?;
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .backtrack_limit(BACKTRACK)
                .delegate_size_limit(SIZE)
                .delegate_dfa_size_limit(SIZE)
                .build()
                .map_err(|error| {
                    PatternError::Beyond(format!("the pattern {short:?} cannot be used here: {error}"))
                })
        };
        let regex = build(&translated.pattern)?;
        let exact = translated.exact.as_deref().map(build).transpose()?;
        Ok(Regexp { regex, exact, groups: translated.groups })
    }

    /// How many groups there are, the whole match included.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The text of every group where the line matches; empty for a group that took no part.
    pub(crate) fn search(&self, line: &str) -> Result<Option<Vec<String>>, TooSlow> {
        let regex = self.exact.as_ref().filter(|_| !line.is_ascii()).unwrap_or(&self.regex);
        match regex.captures(line) {
            Ok(found) => Ok(found.map(|found| {
                let text = |group: &usize| {
                    found.get(*group).map_or_else(String::new, |text| text.as_str().to_owned())
                };
                self.groups.iter().map(text).collect()
            })),
            // The only way a search fails.
            Err(_) => Err(TooSlow),
        }
    }
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
