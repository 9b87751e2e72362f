//! Schema migrations: numbered, checked by checksum, applied in one transaction each, after a backup.

use crate::{Result, StoreError, files};
use rusqlite::Connection;
use shipway_base::{Digest, Timestamp};
use std::path::Path;

/// One step of the schema. Once released, its text never changes.
pub(crate) struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

/// All steps, oldest first.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "start", sql: include_str!("../migrations/0001_start.sql") },
    Migration {
        version: 2,
        name: "artifact types",
        sql: include_str!("../migrations/0002_artifact_types.sql"),
    },
    Migration {
        version: 3,
        name: "secrets and variables",
        sql: include_str!("../migrations/0003_values.sql"),
    },
    Migration { version: 4, name: "attempts", sql: include_str!("../migrations/0004_attempts.sql") },
    Migration {
        version: 5,
        name: "runs of attempts",
        sql: include_str!("../migrations/0005_runs_of_attempts.sql"),
    },
    Migration { version: 6, name: "following", sql: include_str!("../migrations/0006_following.sql") },
    Migration { version: 7, name: "summaries", sql: include_str!("../migrations/0007_summaries.sql") },
    Migration { version: 8, name: "culprits", sql: include_str!("../migrations/0008_culprits.sql") },
];

/// The file name of the database.
pub(crate) const FILE: &str = "shipway.db";

/// Brings the database of `dir` to the newest step of `migrations`.
pub(crate) fn migrate(
    connection: &mut Connection,
    dir: &Path,
    migrations: &[Migration],
    now: Timestamp,
) -> Result<()> {
    let database = |doing| move |source| StoreError::Database { doing, source };
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS migrations (
                version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, at INTEGER NOT NULL)",
        )
        .map_err(database("create the table of migrations"))?;
    let applied = applied(connection)?;
    let known = migrations.last().map_or(0, |newest| newest.version);
    if let Some((found, _)) = applied.last().filter(|(found, _)| *found > known) {
        return Err(StoreError::Newer {
            what: dir.display().to_string(),
            found: (*found).into(),
            known: known.into(),
        });
    }
    for (version, checksum) in &applied {
        let same = migrations
            .iter()
            .any(|step| step.version == *version && Digest::of(step.sql.as_bytes()).to_string() == *checksum);
        if !same {
            let reason = format!("schema step {version} is not the one that this shipway knows");
            return Err(StoreError::corrupt(dir.join(FILE).display(), reason));
        }
    }
    let pending = &migrations[applied.len()..];
    if !applied.is_empty() && !pending.is_empty() {
        back_up(connection, dir, applied.len())?;
    }
    for step in pending {
        let mut apply = || {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
            transaction.execute_batch(step.sql)?;
            transaction.execute(
                "INSERT INTO migrations (version, name, checksum, at) VALUES (?1, ?2, ?3, ?4)",
                (step.version, step.name, Digest::of(step.sql.as_bytes()).to_string(), now.as_micros()),
            )?;
            transaction.commit()
        };
        apply().map_err(database(step.name))?;
    }
    Ok(())
}

fn applied(connection: &Connection) -> Result<Vec<(u32, String)>> {
    let read = || {
        let mut statement =
            connection.prepare("SELECT version, checksum FROM migrations ORDER BY version")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<rusqlite::Result<_>>()
    };
    read().map_err(|source| StoreError::Database { doing: "read the migrations", source })
}

/// Keeps the database as it was before the first pending step.
fn back_up(connection: &Connection, dir: &Path, version: usize) -> Result<()> {
    let path = dir.join(format!("{FILE}.before-step-{}", version + 1));
    if path.exists() {
        // Left by an earlier attempt that did not finish; the database is still at that step.
        std::fs::remove_file(&path).map_err(files::failed("replace", &path))?;
    }
    connection
        .execute("VACUUM INTO ?1", [path.to_string_lossy()])
        .map_err(|source| StoreError::Database { doing: "back up before a schema change", source })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Migration = Migration { version: 1, name: "one", sql: "CREATE TABLE a (x INTEGER)" };
    const TWO: Migration = Migration { version: 2, name: "two", sql: "INSERT INTO a VALUES (1)" };
    const BROKEN: Migration =
        Migration { version: 2, name: "broken", sql: "INSERT INTO a VALUES (7); SELECT no" };

    fn open(dir: &Path) -> Connection {
        Connection::open(dir.join(FILE)).unwrap()
    }

    fn count(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn steps_are_applied_once_after_a_backup() {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = open(dir.path());
        let now = Timestamp::EPOCH;
        migrate(&mut connection, dir.path(), &[ONE], now).unwrap();
        migrate(&mut connection, dir.path(), &[ONE, TWO], now).unwrap();
        migrate(&mut connection, dir.path(), &[ONE, TWO], now).unwrap();
        assert_eq!(count(&connection), 1);
        let backup = Connection::open(dir.path().join("shipway.db.before-step-2")).unwrap();
        assert_eq!(count(&backup), 0);
    }

    #[test]
    fn a_newer_or_changed_schema_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = open(dir.path());
        migrate(&mut connection, dir.path(), &[ONE, TWO], Timestamp::EPOCH).unwrap();
        let newer = migrate(&mut connection, dir.path(), &[ONE], Timestamp::EPOCH).unwrap_err();
        assert!(matches!(newer, StoreError::Newer { found: 2, known: 1, .. }), "{newer}");
        let changed = Migration { sql: "CREATE TABLE a (x TEXT)", ..ONE };
        let error = migrate(&mut connection, dir.path(), &[changed, TWO], Timestamp::EPOCH).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }

    #[test]
    fn a_failing_step_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = open(dir.path());
        migrate(&mut connection, dir.path(), &[ONE], Timestamp::EPOCH).unwrap();
        migrate(&mut connection, dir.path(), &[ONE, BROKEN], Timestamp::EPOCH).unwrap_err();
        assert_eq!(count(&connection), 0);
        migrate(&mut connection, dir.path(), &[ONE, TWO], Timestamp::EPOCH).unwrap();
        assert_eq!(count(&connection), 1);
    }
}
