//! `.dockerignore`: which files of a folder a build does not see.

/// The patterns of a file, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignore {
    rules: Vec<(bool, Vec<String>)>,
}

impl Ignore {
    /// Reads the text of a `.dockerignore`.
    pub(super) fn parse(text: &str) -> Ignore {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let rules = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
            let (negated, pattern) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            let mut segments = Vec::new();
            for segment in pattern.split('/') {
                match segment {
                    "" | "." => {}
                    ".." => drop(segments.pop()),
                    segment => segments.push(segment.to_owned()),
                }
            }
            (negated, segments)
        });
        Ignore { rules: rules.filter(|(_, segments)| !segments.is_empty()).collect() }
    }

    /// Whether a path, relative to the folder, is left out: the last rule that matches it or a folder around it decides.
    pub(super) fn leaves_out(&self, path: &str) -> bool {
        let segments: Vec<&str> = path.split('/').collect();
        let mut out = false;
        for (negated, pattern) in &self.rules {
            if *negated == out && (1..=segments.len()).any(|end| matches(pattern, &segments[..end])) {
                out = !negated;
            }
        }
        out
    }

    /// Whether some rule takes files in again, so that a folder that is left out must be entered all the same.
    pub(super) fn takes_in_again(&self) -> bool {
        self.rules.iter().any(|(negated, _)| *negated)
    }
}

/// Whether segments match a pattern; `**` stands for any number of segments. One row of a table, so that many stars cost no
/// more than length times length.
fn matches(pattern: &[String], path: &[&str]) -> bool {
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for segment in pattern {
        let mut next = vec![false; path.len() + 1];
        if segment == "**" {
            let mut seen = false;
            for (here, reached) in reached.iter().enumerate() {
                seen |= *reached;
                next[here] = seen;
            }
        } else {
            for here in 0..path.len() {
                next[here + 1] = reached[here] && matches_one(segment, path[here]);
            }
        }
        reached = next;
    }
    reached[path.len()]
}

/// `*`, `?`, `[a-z]`, and a backslash before a character that means itself.
fn matches_one(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut here, mut star) = (0, 0, None);
    while here < name.len() {
        match one(&pattern[at..], name[here]) {
            Some(Step::Star) => {
                star = Some((at + 1, here));
                at += 1;
                continue;
            }
            Some(Step::Taken(length)) => {
                at += length;
                here += 1;
                continue;
            }
            None => {}
        }
        let Some((after, from)) = star else { return false };
        star = Some((after, from + 1));
        (at, here) = (after, from + 1);
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

enum Step {
    Star,
    Taken(usize),
}

fn one(pattern: &[char], character: char) -> Option<Step> {
    match pattern {
        ['*', ..] => Some(Step::Star),
        ['?', ..] => Some(Step::Taken(1)),
        ['\\', literal, ..] => (*literal == character).then_some(Step::Taken(2)),
        ['[', rest @ ..] => {
            let end = rest.iter().skip(1).position(|inner| *inner == ']')? + 1;
            let (negated, set) = match rest[..end] {
                ['^' | '!', ref set @ ..] => (true, set),
                ref set => (false, set),
            };
            let mut inside = false;
            let mut set = set;
            while let [first, tail @ ..] = set {
                match tail {
                    ['-', last, more @ ..] => {
                        inside |= (*first..=*last).contains(&character);
                        set = more;
                    }
                    _ => {
                        inside |= *first == character;
                        set = tail;
                    }
                }
            }
            (inside != negated).then_some(Step::Taken(end + 2))
        }
        [literal, ..] => (*literal == character).then_some(Step::Taken(1)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_rule_that_matches_decides() {
        let ignore = Ignore::parse("# a comment\nnode_modules\n*.log\n!keep.log\n**/temp\n/a/b\nx[0-9]?\n");
        for out in ["node_modules", "node_modules/a/b", "x.log", "temp", "q/r/temp/s", "a/b/c", "x1y"] {
            assert!(ignore.leaves_out(out), "{out}");
        }
        for left in ["keep.log", "a/x.log", "src", "b", "xab", "temperature"] {
            assert!(!ignore.leaves_out(left), "{left}");
        }
        let all_but = Ignore::parse("*\n!Dockerfile\n!src/**\n");
        assert!(
            all_but.leaves_out("README")
                && !all_but.leaves_out("Dockerfile")
                && !all_but.leaves_out("src/a/b")
        );
        assert!(all_but.takes_in_again());
    }

    proptest! {
        #[test]
        fn never_panics_and_ends(text in "[a*?/!\\[\\]\\\\-]{0,40}", path in "[a/]{1,40}") {
            let _ = Ignore::parse(&text).leaves_out(&path);
        }
    }
}
