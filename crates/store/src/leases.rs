//! Leases: at most one holder at a time, told apart by a token that only grows.

use crate::{
    FromRow, Result, Row, Store, StoreError,
    statement::{self, statements},
};
use rusqlite::Connection;
use shipway_base::Timestamp;
use std::time::Duration;

/// A lease that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What is leased.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Grows each time the lease is granted anew; a write with an old token is refused.
    pub token: u64,
    /// When it lapses unless it is renewed.
    pub expires: Timestamp,
}

/// The proof that goes with a write: refused once the lease has passed on or lapsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    name: String,
    token: u64,
}

statements! {
    // A holder that claims again while it holds is renewed under a new token: its former self may still be writing.
    CLAIM = "INSERT INTO leases (name, holder, token, expires) VALUES (?1, ?2, 1, ?3)
        ON CONFLICT (name) DO UPDATE
        SET holder = excluded.holder, token = leases.token + 1, expires = excluded.expires
        WHERE leases.expires <= ?4 OR leases.holder = excluded.holder
        RETURNING name, holder, token, expires";
    RENEW = "UPDATE leases SET expires = ?3 WHERE name = ?1 AND token = ?2 AND expires > ?4
        RETURNING name, holder, token, expires";
    RELEASE = "UPDATE leases SET expires = 0 WHERE name = ?1 AND token = ?2";
    HELD = "SELECT 1 FROM leases WHERE name = ?1 AND token = ?2 AND expires > ?3";
    LEASE = "SELECT name, holder, token, expires FROM leases WHERE name = ?1 AND expires > ?2";
}

impl Store {
    /// Takes a lease for `term`; `None` while somebody else holds it. The same holder gets it anew, with a new token.
    pub async fn claim(&self, name: &str, holder: &str, term: Duration) -> Result<Option<Lease>> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.write(move |connection, clock| {
            let now = clock.now();
            let params = [(&name).into(), (&holder).into(), (now + term).into(), now.into()];
            statement::first(connection, &CLAIM, &params)?.map(|row| Lease::from_row(&row)).transpose()
        })
        .await
    }

    /// Holds on to a lease for another `term` from now; [`StoreError::Fenced`] when it has lapsed or passed on.
    pub async fn renew(&self, lease: &Lease, term: Duration) -> Result<Lease> {
        let lease = lease.clone();
        self.write(move |connection, clock| {
            let now = clock.now();
            let params = [(&lease.name).into(), lease.token.into(), (now + term).into(), now.into()];
            match statement::first(connection, &RENEW, &params)? {
                Some(row) => Lease::from_row(&row),
                None => Err(lease.fence().broken()),
            }
        })
        .await
    }

    /// Lets go of a lease; nothing happens when it was no longer held.
    pub async fn release(&self, lease: &Lease) -> Result<()> {
        self.batch(vec![RELEASE.with([(&lease.name).into(), lease.token.into()])]).await
    }

    /// Who holds a lease now.
    pub async fn lease(&self, name: &str) -> Result<Option<Lease>> {
        self.one(LEASE.with([name.into(), self.clock().now().into()])).await
    }
}

impl Lease {
    /// The proof for [`Append::fence`](crate::Append::fence).
    pub fn fence(&self) -> Fence {
        Fence { name: self.name.clone(), token: self.token }
    }
}

impl Fence {
    fn broken(&self) -> StoreError {
        StoreError::Fenced { name: self.name.clone(), token: self.token }
    }
}

/// Refuses unless the lease is held at `now`.
pub(crate) fn check(connection: &Connection, fence: &Fence, now: Timestamp) -> Result<()> {
    let params = [(&fence.name).into(), fence.token.into(), now.into()];
    statement::first(connection, &HELD, &params)?.map(drop).ok_or_else(|| fence.broken())
}

impl FromRow for Lease {
    fn from_row(row: &Row) -> Result<Lease> {
        Ok(Lease { name: row.get(0)?, holder: row.get(1)?, token: row.get(2)?, expires: row.get(3)? })
    }
}
