//! Statements: every SQL text of the crate is a named constant in a registry, so that one test prepares them all.

use crate::{Result, StoreError, Value};
use rusqlite::Connection;

/// One SQL text with a name. Parameters are written `?1`, `?2` and so on; the SQL is the subset that PostgreSQL reads as
/// well (with its own parameter marks).
#[derive(Debug)]
pub struct Stmt {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// A statement with its parameters, ready for [`Store::batch`](crate::Store::batch) or for riding with appended events.
#[derive(Clone, Debug)]
#[must_use = "a statement does nothing until it is committed"]
pub struct Statement {
    pub(crate) stmt: &'static Stmt,
    pub(crate) params: Vec<Value>,
    expect: Option<u64>,
}

/// Declares statements of a module and the list `ALL` of them.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(crate) static $name: $crate::Stmt =
            $crate::Stmt { name: concat!(module_path!(), "::", stringify!($name)), sql: $sql };)*
        /// Every statement above, for the test that prepares them all.
        #[cfg(test)]
        pub(crate) static ALL: &[&$crate::Stmt] = &[$(&$name),*];
    };
}
pub(crate) use statements;

impl Stmt {
    /// The statement with these parameters.
    pub(crate) fn with<const N: usize>(&'static self, params: [Value; N]) -> Statement {
        Statement { stmt: self, params: params.into(), expect: None }
    }
}

impl Statement {
    /// Demands that exactly `rows` rows change; otherwise the whole transaction is undone and the caller gets
    /// [`StoreError::Guard`].
    pub fn expect(mut self, rows: u64) -> Statement {
        self.expect = Some(rows);
        self
    }

    /// Executes on the writer's connection inside its transaction.
    pub(crate) fn execute(&self, connection: &Connection) -> Result<u64> {
        let result = execute(connection, self.stmt, &self.params);
        let Some(expected) = self.expect else { return result };
        let found = match result {
            Ok(changed) => changed,
            // Something with that key is there already.
            Err(StoreError::Database { source, .. }) if is_duplicate(&source) => 0,
            Err(error) => return Err(error),
        };
        if found == expected {
            Ok(found)
        } else {
            Err(StoreError::Guard { statement: self.stmt.name, expected, found })
        }
    }
}

fn is_duplicate(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(SQLITE_CONSTRAINT_UNIQUE) || code == Some(SQLITE_CONSTRAINT_PRIMARYKEY)
}

/// Executes a statement and answers how many rows it changed.
pub(crate) fn execute(connection: &Connection, stmt: &'static Stmt, params: &[Value]) -> Result<u64> {
    let fail = |source| StoreError::Database { doing: stmt.name, source };
    let changed = connection
        .prepare_cached(stmt.sql)
        .and_then(|mut prepared| prepared.execute(rusqlite::params_from_iter(params)))
        .map_err(fail)?;
    Ok(changed as u64)
}

/// Runs a statement and answers its rows.
pub(crate) fn rows(
    connection: &Connection,
    stmt: &'static Stmt,
    params: &[Value],
) -> Result<Vec<crate::Row>> {
    let read = || {
        let mut prepared = connection.prepare_cached(stmt.sql)?;
        let width = prepared.column_count();
        let mut found = prepared.query(rusqlite::params_from_iter(params))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let mut columns = Vec::with_capacity(width);
            for index in 0..width {
                let value = row.get_ref(index)?;
                columns.push(Value::try_from(value).map_err(|error| {
                    rusqlite::Error::FromSqlConversionFailure(index, value.data_type(), Box::new(error))
                })?);
            }
            rows.push(crate::Row { statement: stmt.name, columns });
        }
        Ok(rows)
    };
    read().map_err(|source| StoreError::Database { doing: stmt.name, source })
}

/// The first row, when there is one.
pub(crate) fn first(
    connection: &Connection,
    stmt: &'static Stmt,
    params: &[Value],
) -> Result<Option<crate::Row>> {
    Ok(rows(connection, stmt, params)?.into_iter().next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{events, leases, models, schema, sessions, settings, writer};
    use shipway_base::Timestamp;
    use std::collections::BTreeSet;

    fn connection(dir: &std::path::Path) -> Connection {
        let mut connection = Connection::open(dir.join(schema::FILE)).unwrap();
        schema::migrate(&mut connection, dir, schema::MIGRATIONS, Timestamp::EPOCH).unwrap();
        connection
    }

    #[test]
    fn every_statement_can_be_prepared() {
        let dir = tempfile::tempdir().unwrap();
        let connection = connection(dir.path());
        let all = [
            events::ALL,
            leases::ALL,
            models::deliveries::ALL,
            models::jobs::ALL,
            models::releases::ALL,
            models::rollouts::ALL,
            models::runs::ALL,
            models::values::ALL,
            sessions::ALL,
            settings::ALL,
            writer::ALL,
        ];
        let mut names = BTreeSet::new();
        for stmt in all.into_iter().flatten() {
            connection.prepare(stmt.sql).unwrap_or_else(|error| panic!("{}: {error}", stmt.name));
            assert!(names.insert(stmt.name), "{} twice", stmt.name);
        }
        assert!(names.len() > 50, "{}", names.len());
    }

    #[test]
    fn lists_use_their_indexes() {
        let dir = tempfile::tempdir().unwrap();
        let connection = connection(dir.path());
        for stmt in events::ALL.iter().chain(models::runs::ALL).chain(models::jobs::ALL) {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", stmt.sql)).unwrap();
            for index in 1..=plan.parameter_count() {
                plan.raw_bind_parameter(index, 1).unwrap();
            }
            let mut rows = plan.raw_query();
            while let Some(row) = rows.next().unwrap() {
                let step: String = row.get(3).unwrap();
                // Counting a filtered list and forgetting old keys look at everything.
                let whole = stmt.name.ends_with("::COUNT") || stmt.name.ends_with("::FORGET");
                assert!(
                    whole || !step.starts_with("SCAN") || step.contains("INDEX"),
                    "{}: {step}",
                    stmt.name
                );
                // The jobs of one run are few.
                let few = stmt.name.ends_with("::JOBS");
                assert!(few || !step.contains("TEMP B-TREE"), "{}: {step}", stmt.name);
            }
        }
    }
}
