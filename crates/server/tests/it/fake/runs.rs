//! Runs in memory: filters, cancelling, running again.

use super::NOW;
use shipway_api::{Conclusion, Run, RunAction, RunId, RunQuery, RunSummary, Status};
use shipway_server::backend::BackendError;

pub(super) fn find(runs: &[Run], id: RunId) -> Result<&Run, BackendError> {
    let found = runs.iter().find(|run| run.summary.id == id);
    found.ok_or_else(|| BackendError::not_found("reading a run", format!("run {id}")))
}

pub(super) fn matching<'r>(runs: &'r [Run], query: &RunQuery) -> impl Iterator<Item = RunSummary> + use<'r> {
    let query = query.clone();
    let same = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
    runs.iter().map(|run| run.summary.clone()).filter(move |run| {
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

pub(super) fn rerun(runs: &mut Vec<Run>, id: RunId) -> Result<RunId, BackendError> {
    let old = find(runs, id)?;
    if old.summary.status != Status::Completed {
        return Err(BackendError::conflict(format!("running run {id} again"), "the run is not over yet"));
    }
    let most = runs.iter().map(|run| run.summary.id.number()).max().unwrap_or(0);
    let new = RunId::new(most + 1).expect("positive");
    let mut run = Run {
        jobs: Vec::new(),
        failure: None,
        annotations: Vec::new(),
        artifacts: Vec::new(),
        rollouts: Vec::new(),
        actions: vec![RunAction::Cancel],
        ..old.clone()
    };
    run.summary.id = new;
    run.summary.status = Status::Queued;
    run.summary.conclusion = None;
    run.summary.rerun_of = Some(id);
    run.summary.created_at = NOW;
    run.summary.started_at = None;
    run.summary.finished_at = None;
    run.summary.failed = None;
    runs.insert(0, run);
    Ok(new)
}
