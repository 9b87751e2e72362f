//! Lists are paged on the server, from day one.

use serde::{Deserialize, Serialize};

/// One page of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// What to pass as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many items match in all.
    pub total: u64,
}

/// Which page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageQuery {
    /// The `next` of the page before; absent for the first page. Opaque to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many items at most, 1 to [`PageQuery::MAX`].
    #[serde(default = "default_limit")]
    pub limit: u32,
}

fn default_limit() -> u32 {
    PageQuery::DEFAULT
}

impl PageQuery {
    /// The number of items where the client does not say.
    pub const DEFAULT: u32 = 25;
    /// The most items of one page.
    pub const MAX: u32 = 100;

    /// The first page with at most `limit` items.
    pub fn first(limit: u32) -> PageQuery {
        PageQuery { after: None, limit }
    }
}

impl Default for PageQuery {
    fn default() -> PageQuery {
        PageQuery::first(PageQuery::DEFAULT)
    }
}

impl<T> Page<T> {
    /// A page with nothing on it.
    pub fn empty() -> Page<T> {
        Page { items: Vec::new(), next: None, total: 0 }
    }
}
