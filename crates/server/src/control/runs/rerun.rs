//! Running a run again: its next attempt, of all its jobs or of those that failed.
//!
//! A run keeps its id, its number and its artifacts. What another attempt is made of is what the one before was made of: the same
//! commit, event, files and inputs; secrets and variables are those of now. As on GitHub, a run of all jobs fetches the workflows of
//! other repositories anew, and one of some jobs keeps those it had.

use super::{
    RunError, Runs, Stored,
    make::{Errors, Fetch, Order, Repeats},
    text_inputs,
};
use crate::{
    backend::{Actor, BackendError, BackendErrorKind},
    control::world::unavailable,
};
use shipway_api as api;
use shipway_store::models::{
    Status,
    runs::{RunId, RunRow},
};
use shipway_workflow::{
    expr::Value,
    run::{Again, JobKey, Kept},
};
use std::sync::Arc;

impl Runs {
    /// Runs a run again; gives the number of the attempt.
    pub(crate) async fn rerun(
        self: &Arc<Self>,
        run: RunId,
        request: &api::RerunRequest,
        by: &Actor,
    ) -> Result<u32, BackendError> {
        let context = format!("running run {run} again");
        let row = self.world.store.run(run).await.map_err(|error| unavailable(&context, error))?;
        let row = row.ok_or_else(|| BackendError::not_found(&context, format!("run {run}")))?;
        if request.attempt.is_some_and(|attempt| attempt < row.attempt) {
            return Ok(row.attempt);
        }
        if let Some(attempt) = request.attempt.filter(|attempt| *attempt > row.attempt) {
            return Err(BackendError::conflict(context, format!("it has no attempt {attempt}")));
        }
        if request.only_failed && request.job.is_some() {
            let why = "`job` and `only_failed` ask for different jobs; leave one of them out";
            return Err(BackendError { context, kind: BackendErrorKind::Invalid(why.to_owned()) });
        }
        if row.status != Status::Completed {
            return Err(BackendError::conflict(context, "it is not over yet"));
        }
        let stored = self.stored(row.id).await.map_err(|error| BackendError::internal(&context, error))?;
        let again = match (&request.job, request.only_failed) {
            (Some(job), _) => Some(Again::Job(JobKey(job.as_str().to_owned()))),
            (None, true) => Some(Again::Failed),
            (None, false) => None,
        };
        let kept = match &again {
            Some(again) => {
                Some(kept(&row, &stored, again).map_err(|why| BackendError::conflict(&context, why))?)
            }
            None => None,
        };
        let commit = self.git.commit(&row.sha).await;
        let commit = commit.map_err(|error| BackendError::conflict(&context, error.to_string()))?;
        let created = &stored.created;
        let inputs = text_inputs(&created.inputs);
        let event = stored.event();
        let actor = created.github.get("actor").and_then(Value::as_str).unwrap_or(&row.actor);
        let called = kept.is_some().then(|| stored.texts());
        let order = Order {
            event: &event,
            commit: &commit,
            path: &created.path,
            text: &created.workflow,
            inputs: &inputs,
            actor: &by.to_string(),
            chain: row.chain,
            repeats: Some(Repeats { run: &row, actor, kept: kept.unwrap_or_default(), called }),
            once: None,
            asked: None,
            errors: Errors::FailedRun,
            fetch: Fetch::First,
        };
        match self.create(order).await {
            Ok(_) => Ok(row.attempt + 1),
            Err(error @ RunError::Again) => Err(BackendError::conflict(context, error.to_string())),
            Err(error) => Err(BackendError::internal(context, error)),
        }
    }
}

/// What is kept of an attempt, or why nothing of it can be run again.
fn kept(row: &RunRow, stored: &Stored, again: &Again) -> Result<Kept, String> {
    let whole = "run all of it again";
    let rebuilt =
        stored.documents().and_then(|(workflow, called)| stored.rebuilt(workflow, stored.event(), &called));
    // A workflow that could not be planned has no jobs.
    let (run, _) = rebuilt.map_err(|error| format!("attempt {}: {error}; {whole}", row.attempt))?;
    run.keep(again, row.attempt).ok_or_else(|| match again {
        Again::Failed => format!("none of its jobs failed or was cancelled; {whole}"),
        Again::Job(job) => format!("it has no job {job}"),
    })
}
