//! Runs in memory: filters, cancelling, running again.

use super::NOW;
use shipway_api::{Conclusion, Run, RunAction, RunId, RunQuery, RunSummary, Status};
use shipway_server::backend::{BackendError, Which};

/// The attempts of a run stand together, the newest first.
pub(super) fn find(runs: &[Run], which: impl Into<Which>) -> Result<&Run, BackendError> {
    let Which { run: id, attempt } = which.into();
    let wanted =
        |run: &&Run| run.summary.id == id && attempt.is_none_or(|attempt| run.summary.attempt == attempt);
    let found = runs.iter().find(wanted);
    found.ok_or_else(|| BackendError::not_found("reading a run", format!("run {id}")))
}

pub(super) fn matching<'r>(runs: &'r [Run], query: &RunQuery) -> impl Iterator<Item = RunSummary> + use<'r> {
    let query = query.clone();
    let same = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
    let newest = |run: &&Run| run.summary.attempt == run.attempts;
    runs.iter().filter(newest).map(|run| run.summary.clone()).filter(move |run| {
        let text = format!("{} {}", run.title, run.commit.sha).to_lowercase();
        query.status.is_none_or(|status| run.status == status)
            && query.conclusion.is_none_or(|conclusion| run.conclusion == Some(conclusion))
            && same(&query.workflow, &run.workflow)
            && same(&query.branch, &run.branch)
            && same(&query.event, &run.event)
            && same(&query.actor, &run.actor)
            && query.q.as_ref().is_none_or(|q| text.contains(&q.to_lowercase()))
    })
}

pub(super) fn cancel(runs: &mut [Run], id: RunId) -> Result<(), BackendError> {
    let context = format!("cancelling run {id}");
    let run = runs
        .iter_mut()
        .find(|run| run.summary.id == id)
        .ok_or_else(|| BackendError::not_found(&context, format!("run {id}")))?;
    if run.summary.status == Status::Completed {
        return Err(BackendError::conflict(context, "the run is over already"));
    }
    run.summary.status = Status::Completed;
    run.summary.conclusion = Some(Conclusion::Cancelled);
    run.summary.finished_at = Some(NOW);
    run.actions = vec![RunAction::Rerun];
    for job in run.jobs.iter_mut().filter(|job| job.status != Status::Completed) {
        job.status = Status::Completed;
        job.conclusion = Some(Conclusion::Cancelled);
        job.finished_at = job.started_at.map(|_| NOW);
    }
    Ok(())
}

pub(super) fn rerun(runs: &mut Vec<Run>, id: RunId) -> Result<u32, BackendError> {
    let old = find(runs, id)?;
    if old.summary.status != Status::Completed {
        return Err(BackendError::conflict(format!("running run {id} again"), "the run is not over yet"));
    }
    let attempt = old.attempts + 1;
    let mut run = Run {
        attempts: attempt,
        jobs: Vec::new(),
        failure: None,
        annotations: Vec::new(),
        artifacts: Vec::new(),
        rollouts: Vec::new(),
        actions: vec![RunAction::Cancel],
        ..old.clone()
    };
    run.summary.attempt = attempt;
    run.summary.status = Status::Queued;
    run.summary.conclusion = None;
    run.summary.created_at = NOW;
    run.summary.started_at = None;
    run.summary.finished_at = None;
    run.summary.failed = None;
    let place = runs.iter().position(|run| run.summary.id == id).unwrap_or_default();
    runs[place].actions = Vec::new();
    runs.insert(place, run);
    for run in runs.iter_mut().filter(|run| run.summary.id == id) {
        run.attempts = attempt;
    }
    Ok(attempt)
}
