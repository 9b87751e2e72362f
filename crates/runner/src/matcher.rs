//! Problem matchers: what a file of patterns makes of the output of the steps, after GitHub's runner.
//!
//! A step adds a file of matchers by `::add-matcher::FILE`; it counts for this step and all that follow, until
//! `::remove-matcher owner=NAME::`. Every line that is no command is given to each of them, the newest first.

pub(crate) mod config;
mod dotnet;
mod pattern;
mod place;
pub(crate) mod state;

use crate::{
    reach,
    report::{Annotation, Level},
};
use config::{Config, Property};
use state::{Match, Running};
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub(crate) use place::Places;

/// As many matchers as a job may have at once.
const MAX_MATCHERS: usize = 1_000;
/// As often may a matcher take too long before it is removed.
const MAX_SLOW: usize = 3;

/// The matchers of a job, shared by its steps. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matchers(Arc<Mutex<Vec<Arc<Config>>>>);

impl Matchers {
    /// The list, the one that is tried first at the front.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Config>>> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for problems in the output of one step.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Matchers,
    running: Vec<Running>,
    slow: Vec<(String, usize)>,
    places: Places,
}

/// What came of a line.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The problem, with the line that goes into the log in place of the output.
    pub(crate) problem: Option<Annotation>,
    /// What explains it to those who look for a mistake.
    pub(crate) debug: Vec<String>,
    /// What everybody is to know.
    pub(crate) warnings: Vec<String>,
}

impl Watch {
    /// The file that a command names, as an annotation tells it.
    pub(crate) fn named(&self, file: String) -> String {
        self.places.named(file)
    }

    /// A step's view of the matchers of its job.
    pub(crate) fn new(shared: &Matchers, places: Places) -> Watch {
        let running = shared.lock().iter().cloned().map(Running::new).collect();
        Watch { shared: shared.clone(), running, slow: Vec::new(), places }
    }

    /// `::add-matcher::FILE`; gives the owners, and for each matcher that is left out a sentence. The error is a sentence.
    pub(crate) fn add_file(&mut self, file: &str) -> Result<(Vec<String>, Vec<String>), String> {
        if file.trim().is_empty() {
            return Err("::add-matcher:: needs the path of a file of matchers".to_owned());
        }
        let text = self.read(file)?;
        let found = config::parse(&text)
            .map_err(|wrong| format!("the matchers in {file} cannot be used: {wrong}"))?;
        let owners = found.matchers.iter().map(|config| config.owner.clone()).collect();
        let count = found.matchers.len();
        for config in found.matchers {
            self.add(config)?;
        }
        // For this step the last of the file is the newest; for those after it they stand as in the file, as on GitHub.
        let mut shared = self.shared.lock();
        let count = count.min(shared.len());
        shared[..count].reverse();
        drop(shared);
        let left_out = found.left_out.into_iter().map(|(owner, why)| {
            // An older one of this owner would be replaced.
            self.remove(&owner);
            format!("the problem matcher '{owner}' in {file} is left out: {why}")
        });
        Ok((owners, left_out.collect()))
    }

    /// Adds a matcher before all others, in the place of one of the same owner.
    pub(crate) fn add(&mut self, config: Config) -> Result<(), String> {
        self.remove(&config.owner);
        let mut shared = self.shared.lock();
        if shared.len() >= MAX_MATCHERS {
            return Err(format!(
                "a job has at most {MAX_MATCHERS} problem matchers; remove some with ::remove-matcher::"
            ));
        }
        let config = Arc::new(config);
        shared.insert(0, config.clone());
        drop(shared);
        self.running.insert(0, Running::new(config));
        Ok(())
    }

    /// `::remove-matcher owner=NAME::` or `::remove-matcher::FILE`; gives the owners. The error is a sentence.
    pub(crate) fn remove_named(&mut self, owner: Option<&str>, file: &str) -> Result<Vec<String>, String> {
        let owners = match (owner, file.trim()) {
            (Some(_), file) if !file.is_empty() => {
                return Err("::remove-matcher:: takes an owner or a file, not both".to_owned());
            }
            (Some(owner), _) => vec![owner.to_owned()],
            (None, "") => {
                return Err(
                    "::remove-matcher:: needs an owner, as in ::remove-matcher owner=tsc::".to_owned()
                );
            }
            (None, file) => {
                let text = self.read(file)?;
                config::owners(&text)
                    .map_err(|wrong| format!("the matchers in {file} cannot be used: {wrong}"))?
            }
        };
        for owner in &owners {
            self.remove(owner);
        }
        Ok(owners)
    }

    /// Removes a matcher.
    pub(crate) fn remove(&mut self, owner: &str) {
        let other = |name: &str| !name.eq_ignore_ascii_case(owner);
        self.shared.lock().retain(|config| other(&config.owner));
        self.running.retain(|running| other(&running.config.owner));
    }

    /// Whether no matcher looks at the output.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Takes a line of output that is no command.
    pub(crate) fn take(&mut self, line: &str) -> Found {
        let mut found = Found::default();
        if self.running.is_empty() {
            return found;
        }
        let line = without_colours(line);
        let mut number = 0;
        while number < self.running.len() {
            let running = &mut self.running[number];
            match running.take(&line) {
                Ok(None) => number += 1,
                Ok(Some(matched)) => {
                    for (other, running) in self.running.iter_mut().enumerate() {
                        if other != number {
                            running.reset();
                        }
                    }
                    if let Some(annotation) = self.annotation(&matched, &mut found.debug) {
                        found.problem = Some(Annotation { caught: Some(line), ..annotation });
                        return found;
                    }
                    number += 1;
                }
                Err(pattern::TooSlow) => {
                    running.reset();
                    let owner = running.config.owner.clone();
                    if self.too_slow(&owner) {
                        self.remove(&owner);
                        found.warnings.push(format!(
                            "Removing issue matcher '{owner}'. Matcher failed {MAX_SLOW} times: its pattern takes too long"
                        ));
                    } else {
                        found.debug.push(format!("The issue matcher '{owner}' took too long for a line"));
                        number += 1;
                    }
                }
            }
        }
        found
    }

    fn too_slow(&mut self, owner: &str) -> bool {
        match self.slow.iter_mut().find(|(name, _)| name == owner) {
            Some((_, times)) => {
                *times += 1;
                *times >= MAX_SLOW
            }
            None => {
                self.slow.push((owner.to_owned(), 1));
                false
            }
        }
    }

    fn annotation(&self, matched: &Match, debug: &mut Vec<String>) -> Option<Annotation> {
        let Some(message) = matched.get(Property::Message).filter(|text| !text.trim().is_empty()) else {
            debug.push(
                "Skipping logging an issue for the matched line because the message is empty.".to_owned(),
            );
            return None;
        };
        let level = match matched.get(Property::Severity).map(str::to_ascii_lowercase).as_deref() {
            None | Some("error") => Level::Error,
            Some("warning") => Level::Warning,
            Some("notice") => Level::Notice,
            Some(_) => {
                let severity = matched.get(Property::Severity).unwrap_or_default();
                debug.push(format!(
                    "Skipped logging an issue for the matched line because the severity '{severity}' is not supported."
                ));
                return None;
            }
        };
        let mut number = |property, name: &str| {
            let text: &str = matched.get(property)?;
            let number = text.trim().parse::<u32>().ok();
            if number.is_none() {
                debug.push(format!("Unable to parse {name} number '{text}'"));
            }
            number
        };
        let (line, column) = (number(Property::Line, "line"), number(Property::Column, "column"));
        let file = matched.get(Property::File).filter(|file| !file.trim().is_empty());
        let file = file.and_then(|file| {
            self.places.relative(file, matched.get(Property::FromPath)).map_err(|why| debug.push(why)).ok()
        });
        let code =
            matched.get(Property::Code).map(|code| code.trim().to_owned()).filter(|code| !code.is_empty());
        Some(Annotation { file, line, column, code, ..Annotation::new(level, message) })
    }

    /// The text of a file of matchers.
    fn read(&self, file: &str) -> Result<String, String> {
        let path = Path::new(file);
        let path = if path.is_relative() { self.places.workspace.join(path) } else { self.places.host(path) };
        let unreadable =
            |why: &dyn std::fmt::Display| format!("the file of matchers {file} cannot be read: {why}");
        let text = self.places.open(&path).and_then(|open| reach::text(open, config::MAX_FILE));
        text.map_err(|error| unreadable(&error))
    }
}

/// The line without colour codes: `ESC [ ... m`, and the escape character written as `NUL 33`, which GitHub's runner
/// takes for one (actions/runner issue 2341). A coloured line matches here as it does on a terminal without colours.
fn without_colours(line: &str) -> String {
    if !line.contains(['\x1b', '\0']) {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['\x1b', '\0']) {
        let (before, code) = rest.split_at(at);
        out.push_str(before);
        let body = code.strip_prefix("\x1b[").or_else(|| code.strip_prefix("\x0033["));
        let end = body.and_then(|body| {
            let digits = body.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(body.len());
            // A `K`, erase to the end of the line, comes with the colours of grep and gcc.
            body[digits..].starts_with(['m', 'K']).then_some(code.len() - body.len() + digits + 1)
        });
        let taken = end.unwrap_or(1);
        if end.is_none() {
            out.push_str(&code[..taken]);
        }
        rest = &code[taken..];
    }
    out + rest
}

#[cfg(test)]
mod tests;
