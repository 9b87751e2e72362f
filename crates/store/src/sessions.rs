//! Sign-in: one-time tokens and the sessions they open. Only SHA-256 digests of both are stored, so that a stolen database
//! opens no session; tokens are 256 random bits from the caller, so a plain digest is enough.

use crate::{
    FromRow, Result, Row, Store,
    statement::{self, statements},
};
use shipway_base::{Digest, Secret, Timestamp};
use std::time::Duration;

/// A signed-in user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who it is.
    pub user: String,
    /// When the session was opened.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

statements! {
    OFFER = "INSERT INTO sign_in_tokens (digest, account, created, expires) VALUES (?1, ?2, ?3, ?4)";
    REDEEM = "UPDATE sign_in_tokens SET used = ?2 WHERE digest = ?1 AND used IS NULL AND expires > ?2
        RETURNING account";
    OPEN = "INSERT INTO sessions (digest, account, created, expires) VALUES (?1, ?2, ?3, ?4)";
    SESSION = "SELECT account, created, expires FROM sessions WHERE digest = ?1 AND expires > ?2";
    CLOSE = "DELETE FROM sessions WHERE digest = ?1";
    FORGET_SESSIONS = "DELETE FROM sessions WHERE expires <= ?1";
    FORGET_TOKENS = "DELETE FROM sign_in_tokens WHERE expires <= ?1";
}

impl Store {
    /// Makes a one-time token valid for `user` during `term`.
    pub async fn offer_sign_in(&self, token: &Secret, user: &str, term: Duration) -> Result<()> {
        let now = self.clock().now();
        self.batch(vec![
            FORGET_TOKENS.with([now.into()]),
            FORGET_SESSIONS.with([now.into()]),
            OFFER.with([digest(token).into(), user.into(), now.into(), (now + term).into()]),
        ])
        .await
    }

    /// Uses up a one-time token and opens a session under `session` for `term`; `None` when the token is unknown, used or
    /// too old. Of several callers with the same token exactly one gets a session.
    pub async fn sign_in(&self, token: &Secret, session: &Secret, term: Duration) -> Result<Option<Session>> {
        let (token, key) = (digest(token), digest(session));
        self.write(move |connection, clock| {
            let now = clock.now();
            let Some(row) = statement::first(connection, &REDEEM, &[token.into(), now.into()])? else {
                return Ok(None);
            };
            let session = Session { user: row.get(0)?, created: now, expires: now + term };
            let params = [key.into(), (&session.user).into(), now.into(), session.expires.into()];
            statement::execute(connection, &OPEN, &params)?;
            Ok(Some(session))
        })
        .await
    }

    /// The session under this secret, while it lasts.
    pub async fn session(&self, session: &Secret) -> Result<Option<Session>> {
        self.one(SESSION.with([digest(session).into(), self.clock().now().into()])).await
    }

    /// Ends a session.
    pub async fn sign_out(&self, session: &Secret) -> Result<()> {
        self.batch(vec![CLOSE.with([digest(session).into()])]).await
    }
}

fn digest(secret: &Secret) -> Digest {
    Digest::of(secret.expose().as_bytes())
}

impl FromRow for Session {
    fn from_row(row: &Row) -> Result<Session> {
        Ok(Session { user: row.get(0)?, created: row.get(1)?, expires: row.get(2)? })
    }
}
