//! Ids as clients see them: texts of digits in JSON, whole numbers in the types.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use shipway_base::Id;
use std::{fmt, str::FromStr};

/// A text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdError(String);

/// A text that is not a job's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobKeyError(String);

macro_rules! wire_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The id with this number; `None` when it is not positive.
            pub fn new(number: i64) -> Option<$name> {
                (number > 0).then_some($name(number))
            }

            /// The number, always positive.
            pub fn number(self) -> i64 {
                self.0
            }
        }

        impl<T> From<Id<T>> for $name {
            fn from(id: Id<T>) -> $name {
                $name(id.number())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<$name, IdError> {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                digits
                    .then(|| text.parse().ok().and_then($name::new))
                    .flatten()
                    .ok_or_else(|| IdError(text.to_owned()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

wire_id!(
    /// A run of a workflow.
    RunId
);
wire_id!(
    /// A rollout of a release.
    RolloutId
);
wire_id!(
    /// A release of a service.
    ReleaseId
);

/// A job within a run: `<job id>`, or `<job id>/<index>` for a leg of a matrix; in a called workflow behind the key of the
/// call and a slash, as in `deploy/1/build`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct JobKey(String);

impl JobKey {
    /// Reads a key as the run machine writes it.
    ///
    /// # Errors
    /// When it is not job ids (a letter or `_`, then letters, digits, `_` and `-`) joined by slashes, each with an optional
    /// `/<index>`, or when it is longer than the deepest nesting can make it.
    pub fn new(text: impl Into<String>) -> Result<JobKey, JobKeyError> {
        let text = text.into();
        let id = |part: &str| {
            part.bytes().enumerate().all(|(at, byte)| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => true,
                b'0'..=b'9' | b'-' => at > 0,
                _ => false,
            })
        };
        let mut after_id = false;
        let well = text.len() <= LONGEST_KEY
            && text.split('/').all(|part| {
                let leg = after_id && is_index(part);
                after_id = !leg;
                leg || (!part.is_empty() && id(part))
            });
        if well { Ok(JobKey(text)) } else { Err(JobKeyError(text)) }
    }

    /// Reads the form that stands in a URL, where dots stand for slashes. Slashes, which come percent-encoded, are taken as well.
    ///
    /// # Errors
    /// As [`JobKey::new`].
    pub fn from_segment(segment: &str) -> Result<JobKey, JobKeyError> {
        JobKey::new(segment.replace('.', "/"))
    }

    /// The form for one segment of a URL: `build.3` for `build/3`. Needs no escaping.
    pub fn segment(&self) -> String {
        self.0.replace('/', ".")
    }

    /// The key as the run machine writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key without the index of its own leg, so that the legs of a matrix have the same.
    pub fn job_id(&self) -> &str {
        self.0.rsplit_once('/').filter(|(_, last)| is_index(last)).map_or(&self.0, |(id, _)| id)
    }
}

/// Ten levels of ids below a hundred characters, with an index each.
const LONGEST_KEY: usize = 1_100;

fn is_index(part: &str) -> bool {
    (1..=6).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for JobKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<JobKey, D::Error> {
        JobKey::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an id; ids are positive whole numbers", self.0)
    }
}

impl std::error::Error for IdError {}

impl fmt::Display for JobKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a job; write its id, with /<index> for one leg of a matrix", self.0)
    }
}

impl std::error::Error for JobKeyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_texts_of_digits() {
        let id = RunId::new(912_345_678_901_234_567).expect("positive");
        assert_eq!(serde_json::to_string(&id).expect("json"), "\"912345678901234567\"");
        assert_eq!(serde_json::from_str::<RunId>("\"912345678901234567\"").expect("json"), id);
        for text in ["", "0", "-1", "+1", "1.0", "99999999999999999999", "1 "] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }

    #[test]
    fn job_keys_survive_urls() {
        for (key, segment) in
            [("build", "build"), ("test-all/12", "test-all.12"), ("_x", "_x"), ("a/1/b/c/2", "a.1.b.c.2")]
        {
            let parsed = JobKey::new(key).expect("a key");
            assert_eq!(parsed.segment(), segment);
            assert_eq!(JobKey::from_segment(segment), Ok(parsed));
        }
        for (key, id) in [("a", "a"), ("a/1", "a"), ("a/1/b", "a/1/b"), ("a/b/12", "a/b")] {
            assert_eq!(JobKey::new(key).expect("a key").job_id(), id);
        }
        for text in ["", "1a", "a b", "a/", "a//b", "a/1/2", "a.1", "../x", "a/1234567"] {
            assert!(JobKey::new(text).is_err(), "{text}");
        }
        assert_eq!(JobKey::from_segment("a/1"), JobKey::from_segment("a.1"));
    }

    proptest! {
        #[test]
        fn a_segment_never_needs_escaping(text in "\\PC{0,12}") {
            if let Ok(key) = JobKey::from_segment(&text) {
                let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                prop_assert!(key.segment().chars().all(plain));
                prop_assert_eq!(JobKey::from_segment(&key.segment()), Ok(key));
            }
        }
    }
}
