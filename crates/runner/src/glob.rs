//! Path patterns of `hashFiles` and `actions/upload-artifact`, as `@actions/glob` reads them.
//!
//! `*` and `?` stay within a segment, `**` spans segments, `[...]` is a class, a leading `!` takes away what earlier
//! patterns found. A pattern that matches a folder matches everything below it.

use crate::error::RunnerError;
use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

/// Patterns in their order.
#[derive(Clone, Debug)]
pub(crate) struct Patterns(Vec<Pattern>);

#[derive(Clone, Debug)]
struct Pattern {
    excludes: bool,
    /// The folder or file below which everything lies that can match.
    base: PathBuf,
    /// What must follow the base; empty when the pattern is a plain path.
    rest: Vec<String>,
}

impl Patterns {
    /// Reads patterns, one a line or one an item; empty lines and lines that begin with `#` are left out. Relative ones
    /// begin at `root`, `~` at `home`.
    pub(crate) fn parse<'a>(lines: impl IntoIterator<Item = &'a str>, root: &Path, home: &Path) -> Patterns {
        let lines = lines.into_iter().flat_map(str::lines).map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Patterns(lines.map(|line| Pattern::parse(line, root, home)).collect())
    }

    /// The paths where a search begins, for patterns that add.
    pub(crate) fn bases(&self) -> Vec<&Path> {
        self.0.iter().filter(|pattern| !pattern.excludes).map(|pattern| pattern.base.as_path()).collect()
    }

    /// Whether a path is found, by the last pattern that has a say.
    fn matches(&self, path: &Path) -> bool {
        self.0.iter().rev().find(|pattern| pattern.matches(path)).is_some_and(|pattern| !pattern.excludes)
    }

    /// All files that are found, in the order of their paths. Links are not followed into folders.
    pub(crate) fn files(&self, hidden: bool) -> Result<Vec<PathBuf>, RunnerError> {
        let mut found = BTreeMap::new();
        for base in self.bases() {
            let mut open = vec![base.to_owned()];
            while let Some(next) = open.pop() {
                let meta = match fs::symlink_metadata(&next) {
                    Ok(meta) => meta,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(RunnerError::io("read", &next, error)),
                };
                // What is searched explicitly is never hidden.
                let is_hidden = next != base
                    && next.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
                if is_hidden && !hidden {
                    continue;
                }
                if meta.is_dir() {
                    for entry in fs::read_dir(&next).map_err(|error| RunnerError::io("read", &next, error))? {
                        open.push(entry.map_err(|error| RunnerError::io("read", &next, error))?.path());
                    }
                } else if (meta.is_file() || meta.is_symlink()) && self.matches(&next) {
                    found.insert(segments(&next), next);
                }
            }
        }
        Ok(found.into_values().collect())
    }
}

impl Pattern {
    fn parse(line: &str, root: &Path, home: &Path) -> Pattern {
        let mut line = line;
        let mut excludes = false;
        while let Some(rest) = line.strip_prefix('!') {
            excludes = !excludes;
            line = rest.trim_start();
        }
        let (start, line) = match line.strip_prefix("~/") {
            Some(rest) => (home, rest),
            None => (root, line),
        };
        let mut base = if line.starts_with('/') { PathBuf::from("/") } else { start.to_owned() };
        let mut rest: Vec<String> = Vec::new();
        for segment in line.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
            match segment {
                ".." if rest.is_empty() => {
                    base.pop();
                }
                _ if rest.is_empty() && !segment.contains(['*', '?', '[']) => base.push(segment),
                _ => rest.push(segment.to_owned()),
            }
        }
        Pattern { excludes, base, rest }
    }

    fn matches(&self, path: &Path) -> bool {
        let Ok(below) = path.strip_prefix(&self.base) else { return false };
        matches_prefix(&self.rest, &segments(below))
    }
}

/// Whether a single name, without slashes, matches a pattern.
pub(crate) fn matches_name(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    matches_segment(&pattern, &name)
}

fn segments(path: &Path) -> Vec<String> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(segment) => Some(segment.to_string_lossy().into_owned()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect()
}

/// Whether the pattern matches the path or a folder above it.
fn matches_prefix(pattern: &[String], path: &[String]) -> bool {
    match pattern.split_first() {
        None => true,
        Some((first, rest)) if first == "**" => {
            // A trailing `**` wants at least one segment below.
            if rest.is_empty() {
                !path.is_empty()
            } else {
                (0..=path.len()).any(|skip| matches_prefix(rest, &path[skip..]))
            }
        }
        Some((first, rest)) => match path.split_first() {
            Some((segment, below)) => {
                let (pattern, text): (Vec<char>, Vec<char>) =
                    (first.chars().collect(), segment.chars().collect());
                matches_segment(&pattern, &text) && matches_prefix(rest, below)
            }
            None => false,
        },
    }
}

/// Backtracks to the last star only, so it is quadratic at worst.
fn matches_segment(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => matches_class(&pattern[p..], text[t]).map(|length| p + length),
            Some('\\') if p + 1 < pattern.len() => (pattern[p + 1] == text[t]).then_some(p + 2),
            Some(&literal) => (literal == text[t]).then_some(p + 1),
            None => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((after, from))) => {
                star = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|&rest| rest == '*')
}

/// The length of the class when the character is in it. A bracket without an end is a plain character.
fn matches_class(pattern: &[char], character: char) -> Option<usize> {
    let Some(close) = pattern.iter().skip(2).position(|&c| c == ']').map(|at| at + 2) else {
        return (character == '[').then_some(1);
    };
    let negated = matches!(pattern[1], '!' | '^');
    let body = &pattern[if negated { 2 } else { 1 }..close];
    let mut inside = false;
    let mut i = 0;
    while i < body.len() {
        if i + 2 < body.len() && body[i + 1] == '-' {
            inside |= body[i] <= character && character <= body[i + 2];
            i += 3;
        } else {
            inside |= body[i] == character;
            i += 1;
        }
    }
    (inside != negated).then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(lines: &[&str], path: &str, expect: bool) {
        let patterns = Patterns::parse(lines.iter().copied(), Path::new("/w"), Path::new("/home/me"));
        assert_eq!(patterns.matches(Path::new(path)), expect, "{lines:?} {path}");
    }

    #[test]
    fn matches_as_the_toolkit_does() {
        check(&["*.txt"], "/w/a.txt", true);
        check(&["*.txt"], "/w/sub/a.txt", false);
        check(&["**/*.txt"], "/w/sub/deep/a.txt", true);
        check(&["**/*.txt"], "/w/a.txt", true);
        check(&["sub"], "/w/sub/deep/a.txt", true);
        check(&["su?/[a-c].t[!a]t"], "/w/sub/b.txt", true);
        check(&["su?/[a-c].t[!x]t"], "/w/sub/b.txt", false);
        check(&["/abs/*"], "/abs/x/y", true);
        check(&["~/x"], "/home/me/x", true);
        check(&["../v/x"], "/v/x", true);
        check(&["**", "!sub/**"], "/w/sub/a", false);
        check(&["**", "!sub/**", "sub/a"], "/w/sub/a", true);
        check(&["# no", "", "a\nb"], "/w/b", true);
        check(&["a[b"], "/w/a[b", true);
    }

    proptest! {
        #[test]
        fn a_path_matches_itself_and_a_star(name in "[a-z][a-z.]{0,7}") {
            check(&[&format!("x/{name}")], &format!("/w/x/{name}"), true);
            check(&["x/*"], &format!("/w/x/{name}"), true);
        }

        #[test]
        fn never_panics(pattern in "[\\[\\]!a*?/\\\\^-]{0,12}", text in "[a/\\[\\]-]{0,8}") {
            let patterns = Patterns::parse([pattern.as_str()], Path::new("/w"), Path::new("/h"));
            let _ = patterns.matches(&Path::new("/w").join(text.trim_start_matches('/')));
        }
    }
}
