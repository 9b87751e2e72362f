//! Requests that may come twice: a key makes the second one the first, and cannot stand for another request.

use super::world::{World, unavailable};
use crate::backend::{BackendError, BackendErrorKind};
use serde::Serialize;
use shipway_base::{Digest, Timestamp};
use shipway_store::{Statement, StoreError, keep_setting};
use std::time::Duration;

/// What the names of settings begin with that hold answers.
const ASKED: &str = "asked ";

/// For so long a key makes the second request the first.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// How often old keys are looked for.
const LOOKS: Duration = Duration::from_secs(3_600);

/// Forgets keys that are older than a month, so that they do not become ever more.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    looked: Option<Timestamp>,
}

impl Forgetting {
    /// To be called when nothing is left that a crash interrupted: what is done again then must find its keys.
    pub(super) async fn look(&mut self, world: &World) -> Result<(), StoreError> {
        let now = world.clock.now();
        if self.looked.is_some_and(|looked| now.since(looked) < LOOKS) {
            return Ok(());
        }
        world.store.forget_keys(now - KEPT, ASKED).await?;
        self.looked = Some(now);
        Ok(())
    }
}

/// A request with its key.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Makes what is done for it be done once.
    pub(super) once: String,
    digest: String,
}

impl Asked {
    /// A request of a kind, which may hold anything that makes it what it is. Keys are compared within their kind.
    pub(super) fn new(kind: &str, key: &str, request: &impl Serialize) -> Asked {
        // Our request types hold texts, numbers and booleans only, which JSON can always say.
        let text = serde_json::to_string(request).unwrap_or_default();
        Asked { once: format!("{kind} {key}"), digest: Digest::of(text.as_bytes()).hex() }
    }

    fn setting(&self) -> String {
        format!("{ASKED}{}", self.once)
    }

    /// Keeps what was answered, with the events that are its reason.
    pub(super) fn keep(&self, world: &World, answer: &str) -> Statement {
        let text = format!("{} {answer}", self.digest);
        keep_setting(&self.setting(), text.into_bytes(), world.clock.now())
    }

    /// What the same request was answered before; none when its key is new.
    pub(super) async fn earlier(&self, world: &World, context: &str) -> Result<Option<String>, BackendError> {
        let stored = world.store.setting(&self.setting()).await;
        let Some(stored) = stored.map_err(|error| unavailable(context, error))? else { return Ok(None) };
        let text = String::from_utf8_lossy(&stored).into_owned();
        match text.split_once(' ') {
            Some((digest, answer)) if digest == self.digest => Ok(Some(answer.to_owned())),
            Some(_) | None => {
                Err(BackendError { context: context.to_owned(), kind: BackendErrorKind::KeyReused })
            }
        }
    }
}
