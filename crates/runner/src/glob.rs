//! Path patterns of `hashFiles`, `actions/upload-artifact` and `actions/cache`, as `@actions/glob` reads them.
//!
//! `*` and `?` stay within a segment, `**` spans segments, `[...]` is a class, `\` takes the next character as it is, a leading
//! `!` takes away what earlier patterns found. A pattern with a slash at its end is for folders. Files are found in the order in
//! which the toolkit finds them, which counts for the digest of `hashFiles`: search by search, each in the order of names.

mod segment;

use crate::{
    error::{ErrorKind, RunnerError},
    sight::{Seen, Sight, out_of_sight},
};
use segment::Segment;
use std::{
    fs,
    path::{Component, Path, PathBuf},
};

pub(crate) use segment::matches_name;

/// More entries than this are not looked at. Links to folders can make endless many of few.
const MOST_ENTRIES: usize = 5_000_000;

/// A path as a pattern that means nothing but itself, here and for `find`.
pub(crate) fn escaped(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    for character in path.chars() {
        if matches!(character, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// What a search finds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Find<'a> {
    /// What lies below a folder that a pattern matches.
    pub(crate) descendants: bool,
    /// Folders themselves.
    pub(crate) folders: bool,
    /// Files and folders whose name begins with a dot.
    pub(crate) hidden: bool,
    /// What lies behind links. Those that lead nowhere are left out when they are gone through.
    pub(crate) sight: Sight<'a>,
}

/// Patterns in their order.
#[derive(Clone, Debug)]
pub(crate) struct Patterns(Vec<Pattern>);

#[derive(Clone, Debug)]
struct Pattern {
    excludes: bool,
    /// From the root of the file system on.
    segments: Vec<Segment>,
    /// Only folders match it.
    for_folders: bool,
    /// The folder or file below which everything lies that can match.
    base: PathBuf,
}

/// Something that the search has come to.
struct Found {
    path: PathBuf,
    level: usize,
}

impl Patterns {
    /// Reads patterns, one a line or one an item; empty lines and lines that begin with `#` are left out. Relative ones
    /// begin at `root`, `~` at `home`. The error is a sentence.
    pub(crate) fn parse<'a>(
        lines: impl IntoIterator<Item = &'a str>,
        root: &Path,
        home: &Path,
    ) -> Result<Patterns, String> {
        let lines = lines.into_iter().flat_map(str::lines).map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| Pattern::parse(line, root, home)).collect::<Result<_, _>>().map(Patterns)
    }

    /// The paths where a search begins: those of patterns that add, without those that lie below another.
    pub(crate) fn bases(&self) -> Vec<&Path> {
        let adding =
            || self.0.iter().filter(|pattern| !pattern.excludes).map(|pattern| pattern.base.as_path());
        let mut bases: Vec<&Path> = Vec::new();
        for base in adding() {
            let covered = adding().any(|other| other != base && base.starts_with(other));
            if !covered && !bases.contains(&base) {
                bases.push(base);
            }
        }
        bases
    }

    /// Whether a path is found, by the last pattern that has a say.
    fn matches(&self, names: &[&str], is_folder: bool, find: Find<'_>) -> bool {
        let said = self.0.iter().rev().find(|pattern| pattern.matches(names, is_folder, find.descendants));
        said.is_some_and(|pattern| !pattern.excludes)
    }

    /// Whether a pattern has the last say on a path that takes it away, whatever it is.
    fn leave_out(&self, names: &[&str], find: Find<'_>) -> bool {
        let says = |pattern: &&Pattern| {
            [true, false].iter().any(|is_folder| pattern.matches(names, *is_folder, find.descendants))
        };
        self.0.iter().rev().find(says).is_some_and(|pattern| pattern.excludes)
    }

    /// Whether a path, or a folder around it, is one that a pattern adds.
    pub(crate) fn hold(&self, path: &Path, is_folder: bool) -> bool {
        let text = path.to_string_lossy();
        let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
        self.0.iter().any(|pattern| !pattern.excludes && pattern.matches(&names, is_folder, true))
    }

    /// Whether something below a path may be found.
    fn may_match_below(&self, names: &[&str], find: Find<'_>) -> bool {
        let adding = self.0.iter().filter(|pattern| !pattern.excludes);
        adding.into_iter().any(|pattern| segment::may_match_below(&pattern.segments, names, find.descendants))
    }

    /// All that is found, in the order of the search; before each entry it is asked whether to go on.
    pub(crate) fn search(
        &self,
        find: Find<'_>,
        go_on: &dyn Fn() -> Result<(), RunnerError>,
    ) -> Result<Vec<PathBuf>, RunnerError> {
        let mut found = Vec::new();
        let mut open: Vec<Found> =
            self.bases().into_iter().rev().map(|base| Found::new(base.to_owned(), 1)).collect();
        // The folders around, as they really are: what is one of them is a circle.
        let mut around: Vec<PathBuf> = Vec::new();
        let mut count = 0;
        while let Some(next) = open.pop() {
            count += 1;
            go_on()?;
            if count > MOST_ENTRIES {
                let text = format!("more than {MOST_ENTRIES} files and folders would have to be looked at");
                return Err(RunnerError::new(ErrorKind::ActionInput, text).with_help(
                    "name the folders that count, and take large ones away with a pattern that begins with !",
                ));
            }
            let text = next.path.to_string_lossy().into_owned();
            let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
            let below = self.may_match_below(&names, find);
            if !below && !self.matches(&names, true, find) {
                continue;
            }
            if !find.hidden && names.last().is_some_and(|name| name.starts_with('.')) {
                continue;
            }
            let read = |error| RunnerError::io("read", &next.path, error);
            let folder = match find.sight.look(&next.path).map_err(read)? {
                Seen::Nothing => continue,
                Seen::Away(_) if self.leave_out(&names, find) => continue,
                Seen::Away(to) => return Err(out_of_sight(&next.path, &to)),
                Seen::File => None,
                Seen::Folder { at, real } => {
                    if let Some(real) = real {
                        around.truncate(next.level - 1);
                        if around.contains(&real) {
                            continue;
                        }
                        around.push(real);
                    }
                    Some(at)
                }
            };
            let is_folder = folder.is_some();
            let matched = self.matches(&names, is_folder, find);
            if let Some(at) = folder.filter(|_| matched || below) {
                let entries: Result<Vec<_>, _> = fs::read_dir(at).map_err(read)?.collect();
                let mut names: Vec<_> =
                    entries.map_err(read)?.into_iter().map(|entry| entry.file_name()).collect();
                names.sort_unstable_by(|one, other| other.as_encoded_bytes().cmp(one.as_encoded_bytes()));
                open.extend(names.into_iter().map(|name| Found::new(next.path.join(name), next.level + 1)));
            }
            if matched && (find.folders || !is_folder) {
                found.push(next.path);
            }
        }
        Ok(found)
    }
}

impl Found {
    fn new(path: PathBuf, level: usize) -> Found {
        Found { path, level }
    }
}

impl Pattern {
    fn parse(line: &str, root: &Path, home: &Path) -> Result<Pattern, String> {
        let mut text = line;
        let mut excludes = false;
        while let Some(rest) = text.strip_prefix('!') {
            excludes = !excludes;
            text = rest.trim_start();
        }
        if text.is_empty() {
            return Err(format!("the pattern {line:?} is empty"));
        }
        let (start, below) = match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => (home, rest),
            Some(_) | None if text.starts_with('/') => (Path::new("/"), text),
            Some(_) | None => (root, text.strip_prefix("./").unwrap_or(if text == "." { "" } else { text })),
        };
        let mut segments: Vec<Segment> = start
            .components()
            .filter_map(|component| match component {
                Component::Normal(name) => Some(Segment::Name(name.to_string_lossy().into_owned())),
                Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
            })
            .collect();
        for segment in below.split('/').filter(|segment| !segment.is_empty()) {
            let segment = Segment::parse(segment);
            if matches!(&segment, Segment::Name(name) if name == "." || name == "..") {
                return Err(format!("the pattern {line:?} holds a segment . or .., which is not allowed"));
            }
            segments.push(segment);
        }
        let plain = segments.iter().map_while(|segment| match segment {
            Segment::Name(name) => Some(name.as_str()),
            Segment::Glob(_) | Segment::Any => None,
        });
        let base = Path::new("/").join(plain.collect::<PathBuf>());
        Ok(Pattern { excludes, segments, for_folders: below.ends_with('/'), base })
    }

    fn matches(&self, names: &[&str], is_folder: bool, descendants: bool) -> bool {
        let itself = (is_folder || !self.for_folders) && segment::matches(&self.segments, names);
        // What ends in `**` has its descendants already.
        let below = descendants && (self.for_folders || !matches!(self.segments.last(), Some(Segment::Any)));
        itself || below && segment::matches_above(&self.segments, names)
    }
}

#[cfg(test)]
mod tests;
