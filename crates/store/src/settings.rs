//! Named values of the installation: keys that are made once and kept, and settings that change.

use crate::{
    Result, Statement, Store, StoreError,
    statement::{self, statements},
};
use shipway_base::Timestamp;

statements! {
    SETTING = "SELECT data FROM settings WHERE name = ?1";
    PUT_SETTING = "INSERT INTO settings (name, data, at) VALUES (?1, ?2, ?3)
        ON CONFLICT (name) DO UPDATE SET data = excluded.data, at = excluded.at";
    // From the first name on, as far as those that begin like it: a text compares with another one byte by byte.
    FORGET_SETTINGS = "DELETE FROM settings WHERE name >= ?1 AND name < ?2 AND at < ?3";
    FORGET_SETTING = "DELETE FROM settings WHERE name = ?1";
    SETTINGS_LIKE = "SELECT name, data FROM settings WHERE name >= ?1 AND name < ?2 ORDER BY at, name";
    KEEP_SETTING = "INSERT INTO settings (name, data, at) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING";
}

/// Keeps a setting, unless it is there already, with the events that are the reason for it.
pub fn keep_setting(name: &str, data: Vec<u8>, at: Timestamp) -> Statement {
    KEEP_SETTING.with([name.into(), data.into(), at.into()])
}

/// Forgets the settings whose names begin so and that were set before an instant.
pub(crate) fn forget_settings(beginning: &str, before: Timestamp) -> Statement {
    let end = format!("{beginning}\u{10ffff}");
    FORGET_SETTINGS.with([beginning.into(), end.into(), before.into()])
}

/// Forgets a setting.
pub fn forget_setting(name: &str) -> Statement {
    FORGET_SETTING.with([name.into()])
}

/// Sets a setting, with whatever else is written.
pub fn put_setting(name: &str, data: Vec<u8>, at: Timestamp) -> Statement {
    PUT_SETTING.with([name.into(), data.into(), at.into()])
}

impl Store {
    /// A setting's bytes.
    pub async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.one(SETTING.with([name.into()])).await
    }

    /// The settings whose names begin so, with their bytes, the oldest first.
    pub async fn settings_like(&self, beginning: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let end = format!("{beginning}\u{10ffff}");
        let rows = self.query(SETTINGS_LIKE.with([beginning.into(), end.into()])).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    /// Sets a setting.
    pub async fn put_setting(&self, name: &str, data: Vec<u8>) -> Result<()> {
        self.batch(vec![put_setting(name, data, self.clock().now())]).await
    }

    /// The setting that is there, or `fresh`, which is then kept: how a key is made once (the affinity key of the router,
    /// the key of sessions). The caller throws the dice.
    pub async fn setting_or(&self, name: &str, fresh: Vec<u8>) -> Result<Vec<u8>> {
        let name = name.to_owned();
        self.write(move |connection, clock| {
            let params = [(&name).into(), fresh.as_slice().into(), clock.now().into()];
            statement::execute(connection, &KEEP_SETTING, &params)?;
            let row = statement::first(connection, &SETTING, &params[..1])?;
            row.ok_or_else(|| StoreError::corrupt(format_args!("setting {name}"), "it vanished"))?.get(0)
        })
        .await
    }
}
