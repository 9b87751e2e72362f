//! Pages of lists, newest first, by cursor: an id is the cursor, so that new entries never shift a page.

use crate::{FromRow, Result, Store, Value, statement, statement::Stmt};

/// Which page is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// The id of the last entry of the page before; `None` for the first page.
    pub before: Option<i64>,
    /// The most entries wanted.
    pub limit: u32,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, newest first.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<i64>,
    /// How many entries the whole list has.
    pub total: u64,
}

impl Paging {
    /// The first page of at most `limit` entries.
    pub fn first(limit: u32) -> Paging {
        Paging { before: None, limit }
    }
}

/// Reads a page. `page` and `count` share the first `filter.len()` parameters; `page` has two more: the cursor and the
/// limit.
pub(crate) async fn read<T: FromRow + Send + 'static>(
    store: &Store,
    page: &'static Stmt,
    count: &'static Stmt,
    filter: Vec<Value>,
    paging: Paging,
    id: impl Fn(&T) -> i64 + Send + 'static,
) -> Result<Page<T>> {
    store
        .read_with(move |connection| {
            let total = statement::first(connection, count, &filter)?.map_or(Ok(0), |row| row.get(0))?;
            let mut params = filter;
            params.push(paging.before.unwrap_or(i64::MAX).into());
            // One more than wanted tells whether there is a next page.
            params.push((i64::from(paging.limit) + 1).into());
            let rows = statement::rows(connection, page, &params)?;
            let mut items = rows.iter().map(T::from_row).collect::<Result<Vec<T>>>()?;
            let more = items.len() > paging.limit as usize;
            items.truncate(paging.limit as usize);
            let next = if more { items.last().map(id) } else { None };
            Ok(Page { items, next, total })
        })
        .await
}
