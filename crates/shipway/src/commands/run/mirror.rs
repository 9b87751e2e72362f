//! A journal that keeps the run beside the driver as it is, to be shown when all is over.

use shipway_base::Timestamp;
use shipway_runner::{BoxFuture, Journal, RunnerError};
use shipway_workflow::run::{Input, Run};

/// A copy of a run that takes the same inputs. Nobody resumes a run without a server, so that nothing is written down.
#[derive(Debug)]
pub(super) struct Mirror(pub(super) Run);

impl Journal for Mirror {
    fn commit<'a>(&'a mut self, input: &'a Input, at: Timestamp) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async move {
            // The driver's own copy carries the effects out.
            let _effects = self.0.apply(input, at);
            Ok(())
        })
    }
}
