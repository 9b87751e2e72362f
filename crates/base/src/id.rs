//! Time-sortable 53-bit ids: clients in JavaScript, such as `@actions/github`, parse them as numbers, which hold no more.

use serde::{Deserialize, Serialize};
use std::{fmt, marker::PhantomData, str::FromStr};

/// An id of a `T` (a marker type). The store deals them out.
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Id<T>(i64, #[serde(skip)] PhantomData<fn() -> T>);

/// A text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdError(String);

impl<T> Id<T> {
    /// The id with this number; `None` when it is not positive.
    pub fn from_number(number: i64) -> Option<Id<T>> {
        (number > 0).then_some(Id(number, PhantomData))
    }

    /// The id with this number, or the least one where that is not positive.
    pub fn clamped(number: i64) -> Id<T> {
        Id(number.max(1), PhantomData)
    }

    /// The number, always positive.
    pub fn number(self) -> i64 {
        self.0
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<T> std::hash::Hash for Id<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl<T> FromStr for Id<T> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Id<T>, IdError> {
        text.parse().ok().and_then(Id::from_number).ok_or_else(|| IdError(text.to_owned()))
    }
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an id; ids are positive whole numbers", self.0)
    }
}

impl std::error::Error for IdError {}
