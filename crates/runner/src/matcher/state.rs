//! One matcher at work: how far its patterns have matched the last lines.

use super::{
    config::{Config, Pattern, Property},
    pattern::TooSlow,
};
use std::sync::Arc;

/// The properties of a match, absent where no pattern sets them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Match([Option<String>; Property::ALL.len()]);

impl Match {
    /// A property; empty counts as absent.
    pub(crate) fn get(&self, property: Property) -> Option<&str> {
        self.0[property as usize].as_deref().filter(|text| !text.is_empty())
    }

    /// What earlier lines gave, and what this one gives.
    fn extended(&self, pattern: &Pattern, groups: &[String]) -> Match {
        let mut all = self.clone();
        for (value, group) in all.0.iter_mut().zip(pattern.groups) {
            if let (None, Some(group)) = (&value, group) {
                *value = groups.get(group).cloned();
            }
        }
        all
    }

    fn default_to(&mut self, property: Property, text: Option<&String>) {
        if self.get(property).is_none() {
            self.0[property as usize] = text.cloned();
        }
    }
}

/// A matcher and what it has seen of a problem of several lines.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// The matcher.
    pub(crate) config: Arc<Config>,
    /// For every pattern but the last, the match that ends with it on the line before.
    seen: Vec<Option<Match>>,
}

impl Running {
    /// Nothing seen yet.
    pub(crate) fn new(config: Arc<Config>) -> Running {
        let seen = vec![None; config.patterns.len().saturating_sub(1)];
        Running { config, seen }
    }

    /// Forgets what it has seen.
    pub(crate) fn reset(&mut self) {
        self.seen.fill(None);
    }

    /// Takes a line; gives the match that it completes.
    pub(crate) fn take(&mut self, line: &str) -> Result<Option<Match>, TooSlow> {
        let config = self.config.clone();
        let last = config.patterns.len() - 1;
        let begin = Match::default();
        // From the last pattern to the first, since each looks at what the line before left.
        for (number, pattern) in config.patterns.iter().enumerate().rev() {
            let before = match number {
                0 => Some(begin.clone()),
                _ => self.seen[number - 1].clone(),
            };
            let found = match &before {
                Some(_) => pattern.regexp.search(line)?,
                None => None,
            };
            let grown = before.as_ref().zip(found).map(|(before, groups)| before.extended(pattern, &groups));
            if number < last {
                self.seen[number] = grown;
                continue;
            }
            match grown {
                Some(mut whole) => {
                    self.reset();
                    if pattern.repeats && number > 0 {
                        self.seen[number - 1] = before;
                    }
                    whole.default_to(Property::Severity, config.severity.as_ref());
                    whole.default_to(Property::FromPath, config.from_path.as_ref());
                    return Ok(Some(whole));
                }
                None if number > 0 => self.seen[number - 1] = None,
                None => {}
            }
        }
        Ok(None)
    }
}
