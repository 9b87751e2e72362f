//! Names of logs, which are relative paths that need no escaping.

use crate::{Result, StoreError};
use shipway_base::Digest;
use std::fmt;

/// The name of a log: `<run>/<job>[.<leg>]@<attempt>`, with the calls of a job before it, dots between.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName(String);

/// Longer job keys are cut and told apart by a digest, because file names have a limit.
const LONGEST: usize = 120;

impl LogName {
    /// The log of one attempt of a job of a run; `key` is ids and indices with slashes between.
    pub fn job(run: i64, key: &str, attempt: u32) -> Result<LogName> {
        // A job id holds no dot, so that dots for slashes keep names apart.
        let mut job = key.replace('/', ".");
        if job.len() > LONGEST {
            let short = Digest::of(key.as_bytes()).short();
            let kept: String = job.chars().take_while(char::is_ascii).take(LONGEST).collect();
            job = format!("{kept}~{short}");
        }
        LogName::parse(&format!("{run}/{job}@{attempt}"))
    }

    /// Reads a name back.
    pub fn parse(text: &str) -> Result<LogName> {
        let valid = text.split_once('/').is_some_and(|(run, job)| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@~".contains(&byte);
            !run.is_empty()
                && run.bytes().all(|byte| byte.is_ascii_digit())
                && job.len() <= 200
                && job.bytes().all(plain)
                && job.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        });
        if valid {
            Ok(LogName(text.to_owned()))
        } else {
            Err(StoreError::invalid(
                format_args!("the log {text:?}"),
                "its name is not <run>/<job>@<attempt>",
            ))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_relative_paths() {
        assert_eq!(LogName::job(7, "build", 1).unwrap().as_str(), "7/build@1");
        assert_eq!(LogName::job(7, "test-all/12", 2).unwrap().as_str(), "7/test-all.12@2");
        assert_eq!(LogName::job(7, "deploy/1/build", 2).unwrap().as_str(), "7/deploy.1.build@2");
        let (long, other) = ("a".repeat(300), "a".repeat(301));
        let name = LogName::job(7, &long, 1).unwrap();
        assert_ne!(name, LogName::job(7, &other, 1).unwrap());
        assert_eq!(LogName::parse(name.as_str()).unwrap(), name);
        for text in ["", "7", "7/", "/a@1", "7/../x", "7/.x", "7/a b", "x/a@1", "7/a/b"] {
            assert!(LogName::parse(text).is_err(), "{text}");
        }
    }
}
