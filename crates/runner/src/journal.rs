//! Where a run's inputs are written down before anything is done about them.

use crate::{error::RunnerError, executor::BoxFuture};
use shipway_base::Timestamp;
use shipway_workflow::run::Input;

/// The memory of a run. Once `commit` has answered, the input survives a crash: replaying all committed inputs at
/// their instants gives the run as it was.
pub trait Journal: Send {
    /// Writes down one input. An error ends the run's driving at once: what cannot be remembered must not be done.
    fn commit<'a>(&'a mut self, input: &'a Input, at: Timestamp) -> BoxFuture<'a, Result<(), RunnerError>>;
}

/// Remembers in memory only, for runs that nobody resumes.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal(pub Vec<(Timestamp, Input)>);

impl Journal for MemoryJournal {
    fn commit<'a>(&'a mut self, input: &'a Input, at: Timestamp) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async move {
            self.0.push((at, input.clone()));
            Ok(())
        })
    }
}
