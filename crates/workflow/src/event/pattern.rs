//! Filter patterns: the globs of `branches`, `tags` and `paths`.
//!
//! Source: "Filter pattern cheat sheet" of GitHub's workflow syntax. `*` is any text without a slash, `**` any text, `**/`
//! at the beginning of a path part any folders or none, `?` and `+` repeat the character before them, `[a-z]` is one
//! character, `\` takes the next character as it is, and a leading `!` takes back what earlier patterns let in.

/// One pattern, ready to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    negative: bool,
    atoms: Vec<Atom>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Atom {
    /// One character of the ranges, so often.
    One(Vec<(char, char)>, Times),
    /// `*`
    Star,
    /// `**`
    StarStar,
    /// `**/` at the beginning of a part.
    Folders,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Once,
    AtMostOnce,
    AtLeastOnce,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, as the second half of a sentence about it.
    pub fn parse(text: &str) -> Result<Pattern, &'static str> {
        let (negative, body) = match text.strip_prefix('!') {
            Some(body) => (true, body),
            None => (false, text),
        };
        if body.is_empty() {
            return Err("is empty");
        }
        let mut atoms: Vec<Atom> = Vec::new();
        let mut characters = body.chars().peekable();
        let mut last = '/';
        while let Some(c) = characters.next() {
            let begins_part = last == '/';
            last = c;
            match c {
                '*' if characters.next_if_eq(&'*').is_some() => {
                    let folders = begins_part && characters.next_if_eq(&'/').is_some();
                    last = if folders { '/' } else { '*' };
                    atoms.push(if folders { Atom::Folders } else { Atom::StarStar });
                }
                '*' => atoms.push(Atom::Star),
                '?' | '+' => match atoms.last_mut() {
                    Some(Atom::One(_, times)) if *times == Times::Once => {
                        *times = if c == '?' { Times::AtMostOnce } else { Times::AtLeastOnce };
                    }
                    _ => return Err("has `?` or `+` without a character before it"),
                },
                '[' => atoms.push(Atom::One(set(&mut characters)?, Times::Once)),
                '\\' => {
                    let escaped = characters.next().ok_or("ends with a lone `\\`")?;
                    atoms.push(Atom::One(vec![(escaped, escaped)], Times::Once));
                }
                _ => atoms.push(Atom::One(vec![(c, c)], Times::Once)),
            }
        }
        Ok(Pattern { text: text.to_owned(), negative, atoms })
    }

    /// Whether it begins with `!`.
    pub fn negative(&self) -> bool {
        self.negative
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the whole name matches, the leading `!` left aside. Takes time proportional to pattern times name.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let end = name.len();
        // `after[t]`: whether the atoms already looked at, from the last to the first, match the name from `t` on.
        let mut after = vec![false; end + 1];
        after[end] = true;
        for atom in self.atoms.iter().rev() {
            let mut row = vec![false; end + 1];
            // Whether some slash further on is followed by a match.
            let mut beyond_slash = false;
            for t in (0..=end).rev() {
                let rest = row.get(t + 1).copied().unwrap_or(false);
                row[t] = match atom {
                    Atom::One(ranges, times) => {
                        let fits =
                            t < end && ranges.iter().any(|(from, to)| (*from..=*to).contains(&name[t]));
                        match times {
                            Times::Once => fits && after[t + 1],
                            Times::AtMostOnce => after[t] || fits && after[t + 1],
                            Times::AtLeastOnce => fits && (after[t + 1] || rest),
                        }
                    }
                    Atom::Star => after[t] || t < end && name[t] != '/' && rest,
                    Atom::StarStar => after[t] || t < end && rest,
                    Atom::Folders => {
                        let slash = t + 1 < end && name[t + 1] == '/' && after[t + 2];
                        beyond_slash = beyond_slash || slash;
                        after[t] || beyond_slash
                    }
                };
            }
            after = row;
        }
        after[0]
    }
}

/// Whether a list of patterns lets a name in: the last pattern that matches decides.
pub(super) fn lets_in<'a>(patterns: impl IntoIterator<Item = &'a Pattern>, name: &str) -> bool {
    patterns.into_iter().fold(false, |inside, pattern| match pattern.matches(name) {
        true => !pattern.negative(),
        false => inside,
    })
}

fn set(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Vec<(char, char)>, &'static str> {
    let mut ranges = Vec::new();
    loop {
        let from = characters.next().ok_or("has a `[` without `]`")?;
        if from == ']' {
            break;
        }
        if !from.is_ascii_alphanumeric() {
            return Err("has something else than a-z, A-Z and 0-9 between `[` and `]`");
        }
        let to = match characters.next_if_eq(&'-') {
            Some(_) => characters.next().ok_or("has a `[` without `]`")?,
            None => from,
        };
        if !to.is_ascii_alphanumeric() || to < from {
            return Err("has a range between `[` and `]` that does not run upwards");
        }
        ranges.push((from, to));
    }
    if ranges.is_empty() { Err("has nothing between `[` and `]`") } else { Ok(ranges) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let pattern = Pattern::parse(pattern).unwrap_or_else(|why| panic!("{pattern} {why}"));
        for name in yes {
            assert!(pattern.matches(name), "{} should match {name}", pattern.text());
        }
        for name in no {
            assert!(!pattern.matches(name), "{} should not match {name}", pattern.text());
        }
    }

    #[test]
    fn matches_as_the_cheat_sheet_says() {
        check("feature/*", &["feature/my-branch"], &["feature/a/b", "feature"]);
        check("feature/**", &["feature/a/b"], &["features/a"]);
        check("v[12].[0-9]+.[0-9]+", &["v1.10.1", "v2.0.0"], &["v3.0.0", "v1..1", "v1.1"]);
        check("*.jsx?", &["page.js", "page.jsx"], &["page.jsxx", "dir/page.js"]);
        check("**/docs/**", &["docs/hello.md", "a/docs/b/c"], &["mydocs/x", "docs"]);
        check("docs/**/*.md", &["docs/README.md", "docs/a/b.md"], &["README.md"]);
        check("**/README.md", &["README.md", "a/README.md"], &["aREADME.md"]);
        check(r"\!file\*", &["!file*"], &["!files"]);
        check("**", &["", "a/b"], &[]);
        check("!main", &["main"], &["other"]);
    }

    #[test]
    fn the_last_match_decides() {
        let patterns: Vec<_> =
            ["**", "!a/**", "a/b"].iter().filter_map(|text| Pattern::parse(text).ok()).collect();
        assert_eq!(["x", "a/x", "a/b"].map(|name| lets_in(&patterns, name)), [true, false, true]);
    }

    #[test]
    fn refuses_what_means_nothing() {
        for text in ["", "!", "+x", "*?", "x??", "[", "[a", "[]", "[z-a]", "[.]", "x\\"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// The table against the obvious recursion.
        #[test]
        fn agrees_with_a_naive_matcher(pattern in "[ab/*?+]{1,7}", name in "[ab/]{0,7}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let name_chars: Vec<char> = name.chars().collect();
                prop_assert_eq!(pattern.matches(&name), naive(&pattern.atoms, &name_chars));
            }
        }

        #[test]
        fn never_panics(pattern: String, name: String) {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _: bool = pattern.matches(&name);
            }
        }
    }

    fn naive(atoms: &[Atom], name: &[char]) -> bool {
        let Some((atom, rest)) = atoms.split_first() else { return name.is_empty() };
        let any = |from: usize, ok: &dyn Fn(&[char]) -> bool| {
            (from..=name.len()).any(|n| ok(&name[..n]) && naive(rest, &name[n..]))
        };
        match atom {
            Atom::One(ranges, times) => {
                let (least, most) = match times {
                    Times::Once => (1, 1),
                    Times::AtMostOnce => (0, 1),
                    Times::AtLeastOnce => (1, usize::MAX),
                };
                any(least, &|taken| {
                    taken.len() <= most
                        && taken.iter().all(|c| ranges.iter().any(|(a, b)| (*a..=*b).contains(c)))
                })
            }
            Atom::Star => any(0, &|taken| !taken.contains(&'/')),
            Atom::StarStar => any(0, &|_| true),
            Atom::Folders => any(0, &|taken| taken.is_empty() || taken.len() > 1 && taken.ends_with(&['/'])),
        }
    }
}
