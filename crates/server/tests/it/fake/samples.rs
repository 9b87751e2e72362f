//! Rich sample data: runs and rollouts in every state that a page can show.

mod rollouts;
mod runs;
mod workflows;

use super::{Fake, State};
use shipway_api::{JobKey, ReleaseId, RolloutId, RunId};

pub(crate) use rollouts::{fresh_rollout, offers};

/// The number of lines of the large log.
pub(crate) const LARGE: u64 = 1_000_000;

/// A sample run's id, by a small number.
pub(crate) fn run_id(n: i64) -> RunId {
    RunId::new(910_000_000_000_000_000 + n).expect("positive")
}

/// A sample rollout's id, by a small number.
pub(crate) fn rollout_id(n: i64) -> RolloutId {
    RolloutId::new(920_000_000_000_000_000 + n).expect("positive")
}

/// A sample release's id, by a small number.
pub(crate) fn release_id(n: i64) -> ReleaseId {
    ReleaseId::new(930_000_000_000_000_000 + n).expect("positive")
}

/// A job's key.
pub(crate) fn key(text: &str) -> JobKey {
    JobKey::new(text).expect("a key")
}

/// A backend with everything in it.
pub(crate) fn rich() -> Fake {
    let mut state = State::default();
    rollouts::fill(&mut state);
    runs::fill(&mut state);
    state.workflows = workflows::sample();
    Fake::new(state)
}
