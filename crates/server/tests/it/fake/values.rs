//! Secrets and variables in memory.

use super::NOW;
use shipway_api::{NamedValue, NamedValues, ValueKind};
use shipway_base::Secret;
use shipway_server::backend::{BackendError, ValuePlace};

/// What is kept: the kind with each value; of secrets the value too, to see that nobody shows it.
pub(crate) type Kept = Vec<(ValueKind, NamedValue, Secret)>;

pub(super) fn list(kept: &Kept, kind: ValueKind) -> NamedValues {
    let items = kept.iter().filter(|(known, ..)| *known == kind).map(|(_, value, _)| value.clone());
    NamedValues { items: items.collect() }
}

pub(super) fn set(kept: &mut Kept, place: ValuePlace, secret: Secret) -> NamedValue {
    let value = NamedValue {
        name: place.name.to_uppercase(),
        environment: place.environment,
        value: (place.kind == ValueKind::Variable).then(|| secret.expose().to_owned()),
        created_at: NOW,
        updated_at: NOW,
    };
    kept.push((place.kind, value.clone(), secret));
    value
}

pub(super) fn remove(kept: &mut Kept, place: &ValuePlace) -> Result<(), BackendError> {
    let before = kept.len();
    kept.retain(|(kind, value, _)| {
        *kind != place.kind || value.name != place.name || value.environment != place.environment
    });
    if kept.len() < before {
        return Ok(());
    }
    Err(BackendError::not_found("removing", format!("{} {}", place.kind.word(), place.name)))
}
