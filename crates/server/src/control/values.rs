//! Secrets and variables: set by people, given to runs.

use super::{
    runs::token::TOKEN,
    world::{World, unavailable},
};
use crate::{
    backend::{Actor, BackendError, BackendErrorKind},
    source,
    vault::{Vault, VaultError},
};
use shipway_api as api;
use shipway_base::Secret;
use shipway_runner::EnvironmentValues;
use shipway_store::{
    Append, Expected, Store, StoreError,
    models::values::{self, ValueKind, ValueRow},
    rows::value::{self, ValueChanged},
};
use shipway_workflow::event::Event;
use std::{collections::BTreeMap, sync::Arc};

/// The largest value, as GitHub's.
const MOST_BYTES: usize = 48 * 1_024;

/// The most characters of a name, of a value or of an environment.
const MOST_CHARACTERS: usize = 255;

/// Keeps them.
pub(crate) struct Values {
    world: Arc<World>,
    vault: Vault,
}

/// What one run gets.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunValues {
    /// Whether the run is of a fork's changes, and so gets nothing.
    pub(crate) fork: bool,
    /// Secrets of the repository.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// Variables of the repository.
    pub(crate) vars: BTreeMap<String, String>,
    /// What jobs with an environment get beside, by its name in small letters.
    pub(crate) environments: BTreeMap<String, EnvironmentValues>,
}

/// Why a run's values cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValuesError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret cannot be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Values {
    /// Values sealed by this vault.
    pub(crate) fn new(world: Arc<World>, vault: Vault) -> Values {
        Values { world, vault }
    }

    /// All of a kind; of secrets everything but their values.
    pub(crate) async fn list(&self, kind: api::ValueKind) -> Result<api::NamedValues, BackendError> {
        let context = format!("listing {}", kind.segment());
        let rows =
            self.world.store.values(stored(kind)).await.map_err(|error| unavailable(&context, error))?;
        Ok(api::NamedValues { items: rows.iter().map(shown).collect() })
    }

    /// Sets a value.
    pub(crate) async fn set(
        &self,
        kind: api::ValueKind,
        environment: Option<&str>,
        name: &str,
        value: &Secret,
        by: &Actor,
    ) -> Result<api::NamedValue, BackendError> {
        let context = format!("setting the {} {name}", kind.word());
        let invalid =
            |why: String| BackendError { context: context.clone(), kind: BackendErrorKind::Invalid(why) };
        let (environment, name) = place(kind, environment, name).map_err(&invalid)?;
        let bytes = value.expose().len();
        if bytes > MOST_BYTES {
            let why = format!(
                "the value has {bytes} bytes, and at most {MOST_BYTES} are kept; put a large one into a file \
                               that is sealed with a key, and keep the key here"
            );
            return Err(invalid(why));
        }
        if value.expose().is_empty() {
            return Err(invalid(
                "the value is empty, which is the same as none; take it away instead".to_owned(),
            ));
        }
        let rows =
            self.world.store.values(stored(kind)).await.map_err(|error| unavailable(&context, error))?;
        let here = rows.iter().filter(|row| row.environment == environment);
        let known = here.clone().find(|row| row.name == name);
        let most = most(kind);
        if known.is_none() && here.count() >= most {
            let why = format!("there are {most} {} already, which is the most in one place", kind.segment());
            return Err(BackendError::conflict(context, why));
        }
        let data = match kind {
            api::ValueKind::Variable => value.expose().as_bytes().to_vec(),
            api::ValueKind::Secret => {
                let sealed = self.vault.seal(&label(&environment, &name), value);
                sealed.map_err(|error| BackendError::internal(&context, error))?
            }
        };
        let now = self.world.clock.now();
        let created_at = known.map_or(now, |row| row.created_at);
        let row = ValueRow { kind: stored(kind), environment, name, data, created_at, updated_at: now };
        let changed =
            ValueChanged { environment: row.environment.clone(), name: row.name.clone(), by: by.to_string() };
        let append = value::encode(row.kind, true, &changed).map(|event| {
            Append::new(value::STREAM, Expected::Any).events(vec![event]).models(vec![values::put(&row)])
        });
        let done = match append {
            Ok(append) => self.world.store.commit(append).await,
            Err(error) => Err(error),
        };
        done.map_err(|error| unavailable(&context, error))?;
        Ok(shown(&row))
    }

    /// Takes a value away.
    pub(crate) async fn remove(
        &self,
        kind: api::ValueKind,
        environment: Option<&str>,
        name: &str,
        by: &Actor,
    ) -> Result<(), BackendError> {
        let context = format!("removing the {} {name}", kind.word());
        let missing =
            |why: String| BackendError { context: context.clone(), kind: BackendErrorKind::Invalid(why) };
        let (environment, name) = place(kind, environment, name).map_err(missing)?;
        let changed =
            ValueChanged { environment: environment.clone(), name: name.clone(), by: by.to_string() };
        let remove = values::remove(stored(kind), &environment, &name);
        let append = value::encode(stored(kind), false, &changed)
            .map(|event| Append::new(value::STREAM, Expected::Any).events(vec![event]).models(vec![remove]));
        let done = match append {
            Ok(append) => self.world.store.commit(append).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(_) => Ok(()),
            Err(StoreError::Guard { .. }) => {
                let of = if environment.is_empty() {
                    String::new()
                } else {
                    format!(" of the environment {environment}")
                };
                Err(BackendError::not_found(context, format!("{} {name}{of}", kind.word())))
            }
            Err(error) => Err(unavailable(&context, error)),
        }
    }

    /// What a run of this event gets, as it is now. A run of a fork's changes gets nothing: whoever may open a pull request
    /// could read it.
    pub(crate) async fn for_run(&self, event: &Event) -> Result<RunValues, ValuesError> {
        let mut found = RunValues { fork: source::is_from_fork(event), ..RunValues::default() };
        if found.fork {
            return Ok(found);
        }
        for row in self.world.store.values(ValueKind::Variable).await? {
            let text = String::from_utf8_lossy(&row.data).into_owned();
            if row.environment.is_empty() {
                found.vars.insert(row.name, text);
            } else {
                found.environments.entry(row.environment).or_default().vars.insert(row.name, text);
            }
        }
        for row in self.world.store.values(ValueKind::Secret).await? {
            let secret = self.vault.open_sealed(&label(&row.environment, &row.name), &row.data)?;
            if row.environment.is_empty() {
                found.secrets.insert(row.name, secret);
            } else {
                found.environments.entry(row.environment).or_default().secrets.insert(row.name, secret);
            }
        }
        Ok(found)
    }
}

/// The secrets that a vault cannot open; none where the key is the one that they were sealed with.
pub(crate) async fn lost(store: &Store, vault: &Vault) -> Result<Vec<ValueRow>, StoreError> {
    let mut rows = store.values(ValueKind::Secret).await?;
    rows.retain(|row| vault.open_sealed(&label(&row.environment, &row.name), &row.data).is_err());
    Ok(rows)
}

/// What a secret is sealed for. Names have no spaces, so that no two places have the same.
fn label(environment: &str, name: &str) -> String {
    if environment.is_empty() {
        format!("the secret {name}")
    } else {
        format!("the secret {name} of {environment}")
    }
}

/// The environment, in small letters, and the name, in capitals: both are compared without case.
fn place(kind: api::ValueKind, environment: Option<&str>, name: &str) -> Result<(String, String), String> {
    let environment = environment.unwrap_or_default();
    if environment.chars().count() > MOST_CHARACTERS || environment.chars().any(char::is_control) {
        return Err(format!(
            "an environment has at most {MOST_CHARACTERS} characters, all of which can be seen"
        ));
    }
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if !first || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') || name.len() > MOST_CHARACTERS {
        return Err(format!("{name:?} is not a name: write letters, digits and _, and no digit first"));
    }
    let name = name.to_ascii_uppercase();
    // There is no forge here that makes a token for each run: who has one gives it.
    let is_token = kind == api::ValueKind::Secret && name == TOKEN && environment.is_empty();
    if name.starts_with("GITHUB_") && !is_token {
        return Err(format!(
            "{name} is not free: names that begin with GITHUB_ belong to the runner, but for the secret {TOKEN} of the \
             repository"
        ));
    }
    Ok((environment.trim().to_lowercase(), name))
}

/// As many as on GitHub, in the repository or in one environment.
fn most(kind: api::ValueKind) -> usize {
    match kind {
        api::ValueKind::Secret => 100,
        api::ValueKind::Variable => 500,
    }
}

fn stored(kind: api::ValueKind) -> ValueKind {
    match kind {
        api::ValueKind::Secret => ValueKind::Secret,
        api::ValueKind::Variable => ValueKind::Variable,
    }
}

fn shown(row: &ValueRow) -> api::NamedValue {
    api::NamedValue {
        name: row.name.clone(),
        environment: Some(row.environment.clone()).filter(|environment| !environment.is_empty()),
        value: match row.kind {
            ValueKind::Secret => None,
            ValueKind::Variable => Some(String::from_utf8_lossy(&row.data).into_owned()),
        },
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_github() {
        let secret = api::ValueKind::Secret;
        let check = |environment: Option<&str>, name: &str, expect: Result<(&str, &str), &str>| match (
            place(secret, environment, name),
            expect,
        ) {
            (Ok(found), Ok(wanted)) => assert_eq!((found.0.as_str(), found.1.as_str()), wanted),
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (found, _) => panic!("{environment:?} {name:?}: {found:?}"),
        };
        check(None, "token", Ok(("", "TOKEN")));
        check(Some("Production EU"), "_a1", Ok(("production eu", "_A1")));
        for name in ["", "1a", "a-b", "a b", "ä", &"x".repeat(256)] {
            check(None, name, Err("is not a name"));
        }
        check(None, "github_token", Ok(("", "GITHUB_TOKEN")));
        check(None, "GITHUB_TOKENS", Err("GITHUB_"));
        check(Some("production"), "GITHUB_TOKEN", Err("GITHUB_"));
        assert!(place(api::ValueKind::Variable, None, "GITHUB_TOKEN").is_err());
        check(Some("a\nb"), "A", Err("can be seen"));
    }
}
