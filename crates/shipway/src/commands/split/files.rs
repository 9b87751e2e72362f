//! Lists, results and the quarantine file, read from disk.

use crate::{
    environment::Environment,
    exit::{Exit, Failure},
    replace::{Outlives, replace},
};
use shipway_suite::{Case, Quarantine, parse};
use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// A longer list is a mistake.
const LARGEST_LIST: u64 = 64 * 1024 * 1024;

/// A larger document is not read.
const LARGEST: u64 = 256 * 1024 * 1024;

/// Folders lie at most so deep within each other.
const DEEPEST: usize = 32;

/// The lines of a list, without empty ones and repetitions.
pub(super) fn list(environment: &Environment, file: Option<&Path>) -> Result<Vec<String>, Failure> {
    let mut text = String::new();
    let read = match file {
        Some(path) => fs::File::open(environment.folder.join(path))
            .and_then(|file| file.take(LARGEST_LIST + 1).read_to_string(&mut text)),
        None => io::stdin().lock().take(LARGEST_LIST + 1).read_to_string(&mut text),
    };
    let name = file.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let length = read.map_err(|error| broken(&format!("the list in {name} cannot be read: {error}")))?;
    if u64::try_from(length).unwrap_or(u64::MAX) > LARGEST_LIST {
        return Err(broken(&format!("the list in {name} is larger than 64 MiB")));
    }
    let mut seen = std::collections::BTreeSet::new();
    let lines = without_mark(&text).lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.filter(|line| seen.insert(*line)).map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(broken(&format!("the list in {name} is empty"))
            .with_help("give the tests or files one a line, on standard input or with --list"));
    }
    Ok(lines)
}

/// A text without the byte order mark that editors and shells of Windows begin it with; it would be part of the first name.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The results in files, in the XML files of folders, and in files that match a pattern.
pub(super) fn results(environment: &Environment, given: &[String]) -> Result<Vec<Case>, Failure> {
    let mut paths = Vec::new();
    for given in given {
        let before = paths.len();
        let path = environment.folder.join(given);
        if path.is_file() {
            paths.push(path);
        } else if path.is_dir() {
            walk(&path, &mut paths, 0, &|path| path.extension().is_some_and(|ending| ending == "xml"))
                .map_err(|error| broken(&format!("{} cannot be read: {error}", path.display())))?;
        } else if given.contains(['*', '?']) {
            let pattern: Vec<&str> = given.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
            let fixed = pattern.iter().take_while(|part| !part.contains(['*', '?'])).count();
            let root = if given.starts_with('/') { PathBuf::from("/") } else { environment.folder.clone() };
            let start = root.join(pattern[..fixed].join("/"));
            let fits = |path: &Path| {
                let parts: Vec<String> = path
                    .strip_prefix(&start)
                    .unwrap_or(path)
                    .components()
                    .map(|part| part.as_os_str().to_string_lossy().into_owned())
                    .collect();
                fits(&pattern[fixed..], &parts)
            };
            // A pattern below a folder that is not there matches nothing, which is told below.
            let _missing = walk(&start, &mut paths, 0, &fits);
        }
        if paths.len() == before {
            return Err(broken(&format!("there are no results at {given}"))
                .with_help("name a JUnit file, a folder that has some, or a pattern in quotes"));
        }
    }
    paths.sort();
    paths.dedup();
    let mut cases = Vec::new();
    for path in paths {
        let large = fs::metadata(&path).is_ok_and(|meta| meta.len() > LARGEST);
        let bytes = if large { Err(io::Error::other("it is larger than 256 MiB")) } else { fs::read(&path) };
        let bytes = bytes.map_err(|error| broken(&format!("{} cannot be read: {error}", path.display())))?;
        let found = parse(&bytes).map_err(|error| {
            broken(&format!("{}, {error}", path.display()))
                .with_help("the results must be JUnit XML, without a document type and own entities")
        })?;
        cases.extend(found);
    }
    Ok(cases)
}

fn walk(
    folder: &Path,
    found: &mut Vec<PathBuf>,
    depth: usize,
    fits: &dyn Fn(&Path) -> bool,
) -> io::Result<()> {
    if depth > DEEPEST {
        return Ok(());
    }
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // Links to folders may lead in a circle.
        if entry.file_type()?.is_dir() {
            walk(&path, found, depth + 1, fits)?;
        } else if path.is_file() && fits(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether a path fits a pattern: `**` is any number of folders, `*` and `?` stay within a name.
fn fits(pattern: &[&str], path: &[String]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**", rest @ ..], _) => {
            fits(rest, path) || path.split_first().is_some_and(|(_, below)| fits(pattern, below))
        }
        ([first, rest @ ..], [name, below @ ..]) => {
            name_fits(first.as_bytes(), name.as_bytes()) && fits(rest, below)
        }
        ([], _) | (_, []) => false,
    }
}

/// Takes the last star back when what follows does not fit, so that the time is at most the product of the lengths.
fn name_fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            Some(_) | None => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// The tests in quarantine; none when there is no such file.
pub(super) fn quarantine(path: &Path) -> Result<Quarantine, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Quarantine::parse(without_mark(&text))
            .map_err(|error| broken(&format!("{}, {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Quarantine::default()),
        Err(error) => Err(broken(&format!("{} cannot be read: {error}", path.display()))),
    }
}

/// Writes a file beside its place and moves it there.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        replace(path, text.as_bytes(), Outlives::PowerLoss)
    };
    written().map_err(|error: io::Error| {
        Failure::new(Exit::Failed, format!("{} cannot be written: {error}", path.display()))
            .with_code("SW1060")
    })
}

/// What was given cannot be used.
pub(super) fn broken(message: &str) -> Failure {
    Failure::new(Exit::Usage, message).with_code("SW1060")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_paths() {
        let check = |pattern: &str, path: &str, expect: bool| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            let path: Vec<String> = path.split('/').map(str::to_owned).collect();
            assert_eq!(fits(&pattern, &path), expect, "{pattern:?} {path:?}");
        };
        check("**/*.xml", "a/b/c.xml", true);
        check("**/*.xml", "c.xml", true);
        check("*.xml", "a/c.xml", false);
        check("r-?/TEST-*.xml", "r-1/TEST-a.b.xml", true);
        check("r-?/TEST-*.xml", "r-12/TEST-a.xml", false);
        check("*a*b", "xxaxxb", true);
        check("*a*b", "xxaxx", false);
    }
}
