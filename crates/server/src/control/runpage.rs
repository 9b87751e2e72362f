//! Runs as pages and clients see them.

use super::{
    usual::Usual,
    world::{World, unavailable},
};
use crate::backend::{BackendError, Which};
use shipway_api as api;
use shipway_store::{
    LogLine, StoreError,
    models::{
        self, Conclusion, Level, Paging, Status,
        jobs::{ArtifactRow, JobRow, JobTrace, StepRow},
        rollouts::RolloutFilter,
        runs::{AttemptId, RunFilter, RunId, RunRow},
    },
};
use std::sync::Arc;

/// Lines of a failed step that the failure shows.
const LAST_LINES: usize = 30;

/// What a query asks for.
pub(super) fn filter(query: &api::RunQuery) -> RunFilter {
    RunFilter {
        repository: None,
        workflow: query.workflow.clone(),
        branch: query.branch.clone(),
        event: query.event.clone(),
        actor: query.actor.clone(),
        status: query.status.map(|status| match status {
            api::Status::Queued => Status::Queued,
            api::Status::InProgress => Status::InProgress,
            api::Status::Completed => Status::Completed,
        }),
        conclusion: query.conclusion.map(|conclusion| match conclusion {
            api::Conclusion::Success => Conclusion::Success,
            api::Conclusion::Failure => Conclusion::Failure,
            api::Conclusion::Cancelled => Conclusion::Cancelled,
            api::Conclusion::Skipped => Conclusion::Skipped,
        }),
        text: query.q.clone(),
    }
}

/// A run in a list.
pub(super) fn summary(row: &RunRow) -> api::RunSummary {
    api::RunSummary {
        id: row.run.into(),
        number: row.number,
        attempt: row.attempt,
        title: row.title.clone(),
        workflow: row.workflow.clone(),
        path: row.path.clone(),
        event: row.event.clone(),
        actor: row.actor.clone(),
        branch: row.branch.clone(),
        commit: api::Commit {
            sha: row.sha.clone(),
            subject: row.commit_subject.clone(),
            author: row.commit_author.clone(),
        },
        status: status(row.status),
        conclusion: row.conclusion.map(conclusion),
        failed_jobs: row.failed_jobs,
        created_at: row.created_at,
        started_at: row.started_at,
        finished_at: row.finished_at,
        failed: row.failed.clone(),
    }
}

/// The row of an attempt of a run, and how many attempts that has.
pub(super) async fn row(world: &World, which: Which) -> Result<(RunRow, u32), BackendError> {
    let context = format!("reading run {}", which.run);
    let stored = |error| unavailable(&context, error);
    let missing = || BackendError::not_found(&context, format!("run {}", which.run));
    let newest = world.store.run(run_id(which.run)).await.map_err(stored)?.ok_or_else(missing)?;
    let attempts = newest.attempt;
    let Some(attempt) = which.attempt.filter(|attempt| *attempt != attempts) else {
        return Ok((newest, attempts));
    };
    let row = world.store.attempt_of(newest.run, attempt).await.map_err(stored)?;
    let missing = || BackendError::not_found(&context, format!("attempt {attempt} of run {}", which.run));
    Ok((row.ok_or_else(missing)?, attempts))
}

/// One attempt of a run with everything about it; `is_cancelling` knows which attempts were asked to stop.
pub(super) async fn read(
    world: &Arc<World>,
    which: Which,
    is_cancelling: impl Fn(AttemptId) -> bool,
) -> Result<api::Run, BackendError> {
    let (row, attempts) = row(world, which).await?;
    let (id, run) = (row.id, row.run);
    let context = format!("reading run {run}");
    let stored = |error| unavailable(&context, error);
    let store = &world.store;
    let rows = store.jobs(id).await.map_err(stored)?;
    let steps = store.steps(id).await.map_err(stored)?;
    let mut annotations: Vec<api::Annotation> =
        store.annotations(id).await.map_err(stored)?.iter().filter_map(annotation).collect();
    annotations.sort_by_key(|annotation| annotation.level);
    annotations.truncate(100);
    let artifacts = newest(store.artifacts(run, row.attempt).await.map_err(stored)?);
    let filter = RolloutFilter { run: Some(run), ..RolloutFilter::default() };
    let rollouts = store.rollouts(filter, Paging::first(20)).await.map_err(stored)?;
    let rollouts = rollouts
        .items
        .iter()
        .filter_map(|row| serde_json::from_str::<api::Rollout>(row.report.as_deref()?).ok())
        .map(|page| page.summary)
        .collect();
    let failure = failure(world, &row, &rows, &steps, &annotations).await.map_err(stored)?;
    let usual = Usual::of(store, &row).await.map_err(stored)?;
    let jobs = rows.iter().filter_map(|(job, trace)| self::job(job, trace, &steps, &usual)).collect();
    let failed = |(job, _): &(JobRow, JobTrace)| {
        matches!(job.conclusion, Some(Conclusion::Failure | Conclusion::Cancelled))
    };
    let actions = match row.status {
        _ if row.attempt != attempts => Vec::new(),
        // The first stays where it is: a second click of the same mouse is harmless.
        Status::Queued | Status::InProgress if is_cancelling(id) => {
            vec![api::RunAction::Cancel, api::RunAction::ForceCancel]
        }
        Status::Queued | Status::InProgress => vec![api::RunAction::Cancel],
        Status::Completed if rows.iter().any(failed) => {
            vec![api::RunAction::RerunFailed, api::RunAction::Rerun]
        }
        Status::Completed => vec![api::RunAction::Rerun],
    };
    Ok(api::Run {
        summary: summary(&row),
        attempts,
        jobs,
        failure,
        annotations,
        artifacts: artifacts
            .into_iter()
            .map(|row| api::Artifact { name: row.name, bytes: row.bytes, digest: row.digest.to_string() })
            .collect(),
        rollouts,
        actions,
        usual: usual.run,
    })
}

/// All of a job's summary.
pub(super) async fn summary_of(
    world: &Arc<World>,
    which: Which,
    job: api::JobKey,
) -> Result<Option<String>, BackendError> {
    let (row, _) = row(world, which).await?;
    let context = format!("reading the summary of job {job} of run {}", row.run);
    let stored = |error| unavailable(&context, error);
    let found = world.store.job(row.id, job.as_str()).await.map_err(stored)?;
    let Some((_, trace)) = found else {
        return Err(BackendError::not_found(&context, format!("job {job} in this run")));
    };
    let Some(digest) = trace.summary_blob else { return Ok(trace.summary) };
    let blobs = world.store.blobs().clone();
    let bytes = tokio::task::spawn_blocking(move || blobs.read(&digest)).await;
    let bytes = bytes.unwrap_or(Ok(None)).map_err(stored)?;
    // What is masked is text, and a blob has the bytes that its name says.
    let whole = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    whole.map(Some).ok_or_else(|| {
        let (what, reason) = (context.clone(), format!("blob {digest} is not there or is no text"));
        stored(StoreError::Corrupt { what, reason })
    })
}

/// Of the artifacts of one name the first, which is the newest.
pub(super) fn newest(mut artifacts: Vec<ArtifactRow>) -> Vec<ArtifactRow> {
    artifacts.dedup_by(|later, earlier| later.name == earlier.name);
    artifacts
}

/// An id of the API as the store's; both are positive by construction.
pub(super) fn run_id(id: api::RunId) -> RunId {
    RunId::from_number(id.number()).unwrap_or_else(|| unreachable!("ids of the API are positive"))
}

fn job(row: &JobRow, trace: &JobTrace, steps: &[StepRow], usual: &Usual) -> Option<api::Job> {
    let key = api::JobKey::new(row.key.clone()).ok()?;
    Some(api::Job {
        segment: key.segment(),
        key,
        name: row.name.clone(),
        needs: row.needs.clone(),
        status: status(row.status),
        conclusion: row.conclusion.map(conclusion),
        attempt: row.attempt,
        kept_from: row.kept_from,
        started_at: row.started_at,
        finished_at: row.finished_at,
        reason: row.reason.clone(),
        steps: steps.iter().filter(|step| step.job == row.key).map(step).collect(),
        log_lines: trace.log_lines,
        error_line: trace.error_line,
        usual: usual.job(&row.name),
        step_summary: trace.summary.clone(),
        step_summary_bytes: trace.summary.as_ref().map(|_| trace.summary_bytes),
    })
}

fn step(row: &StepRow) -> api::Step {
    api::Step {
        index: row.index,
        name: row.name.clone(),
        status: status(row.status),
        conclusion: row.conclusion.map(conclusion),
        exit_code: row.exit_code.and_then(|code| i32::try_from(code).ok()),
        started_at: row.started_at,
        finished_at: row.finished_at,
        first_line: row.first_line,
        culprit: row.culprit.as_ref().map(|culprit| api::Culprit {
            name: culprit.name.clone(),
            command: culprit.command.clone(),
            exit_code: culprit.exit_code,
            file: culprit.file.clone(),
            line: culprit.line,
            first_line: culprit.first_line,
            last_line: culprit.last_line,
        }),
    }
}

/// The first thing to know about a run that failed: the job, its step, its exit code, its last lines.
async fn failure(
    world: &Arc<World>,
    run: &RunRow,
    jobs: &[(JobRow, JobTrace)],
    steps: &[StepRow],
    annotations: &[api::Annotation],
) -> Result<Option<api::Failure>, StoreError> {
    if run.conclusion != Some(Conclusion::Failure) {
        return Ok(None);
    }
    let mut failed: Vec<&JobRow> =
        jobs.iter().map(|(job, _)| job).filter(|job| job.conclusion == Some(Conclusion::Failure)).collect();
    failed.sort_by_key(|job| job.finished_at);
    let Some(first) = failed.first() else {
        // The workflow itself could not be read.
        let message = annotations.first().map(|found| found.message.clone());
        let key = api::JobKey::new("workflow").ok();
        return Ok(key.map(|job| api::Failure {
            job,
            job_name: run.path.clone(),
            step_name: None,
            exit_code: None,
            message: message.or_else(|| run.failed.clone()).unwrap_or_default(),
            lines: Vec::new(),
            other_jobs: 0,
        }));
    };
    let step =
        steps.iter().find(|step| step.job == first.key && step.conclusion == Some(Conclusion::Failure));
    let culprit = step.and_then(|step| step.culprit.as_ref());
    let exit_code = match culprit {
        Some(culprit) => culprit.exit_code,
        None => step.and_then(|step| i32::try_from(step.exit_code?).ok()),
    };
    let lines = match &first.log {
        None => Vec::new(),
        Some(name) => {
            let (world, name) = (world.clone(), name.clone());
            let wanted = step.map(|step| step.index);
            let range = culprit.map(|culprit| (culprit.first_line, culprit.last_line));
            let read = move || {
                let mut reader = world.store.logs().reader(&name)?;
                // A few more than shown, because other steps may have written after the failed one, or beside it.
                let most = LAST_LINES * 10;
                match range {
                    None => reader.last(most),
                    Some((first, last)) => {
                        let from = last.saturating_sub(most as u64).max(first.saturating_sub(1)) + 1;
                        reader.range(from, usize::try_from((last + 1).saturating_sub(from)).unwrap_or(most))
                    }
                }
            };
            let lines = tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Ok(Vec::new()))?;
            let of_step = lines.into_iter().filter(|line| wanted.is_none_or(|wanted| wanted == line.step));
            let mut last: Vec<_> = of_step.collect();
            if culprit.is_none() {
                last.drain(..head(&last, step.and_then(|step| step.first_line)));
            }
            last.drain(..last.len().saturating_sub(LAST_LINES));
            last.into_iter()
                .map(|line| {
                    let raw = api::RawLine { at: line.at, step: line.step, text: line.text };
                    api::LogLine::new(line.number, raw)
                })
                .collect()
        }
    };
    let named = step.map(|step| match culprit.filter(|culprit| culprit.name != step.name) {
        Some(culprit) => {
            format!("{}: {}, at {}:{},", step.name, culprit.name, culprit.file, culprit.line)
        }
        None => step.name.clone(),
    });
    let message = match (&first.reason, &named, exit_code) {
        (Some(reason), _, _) => reason.clone(),
        (None, Some(named), Some(code)) => {
            let cause = cause(&first.key, code, &lines, annotations).map(|cause| format!(": {cause}"));
            format!("{named} ended with exit code {code}{}", cause.unwrap_or_default())
        }
        (None, Some(named), None) => format!("{named} failed"),
        (None, None, _) => {
            // It failed before or after its steps: what it complained of first is why.
            let mut complaints = annotations
                .iter()
                .filter(|note| note.job.as_str() == first.key && note.level == api::AnnotationLevel::Error);
            complaints.next().map_or_else(|| format!("{} failed", first.name), |note| note.message.clone())
        }
    };
    Ok(api::JobKey::new(first.key.clone()).ok().map(|job| api::Failure {
        job,
        job_name: first.name.clone(),
        step_name: step.map(|step| step.name.clone()),
        exit_code,
        message,
        lines,
        other_jobs: u32::try_from(failed.len() - 1).unwrap_or(u32::MAX),
    }))
}

/// What the failed step said first is wrong with a file, among these lines of its log, with the place in it.
fn cause(job: &str, code: i32, lines: &[api::LogLine], annotations: &[api::Annotation]) -> Option<String> {
    // The runner's own words on the step, whose place is that of the step.
    let own = format!("the process ended with exit code {code}");
    let errors = lines.iter().filter(|line| line.kind == api::LineKind::Error);
    errors.map(|line| line.text.as_str()).find_map(|said| {
        let is_it = |note: &&api::Annotation| {
            note.level == api::AnnotationLevel::Error
                && note.job.as_str() == job
                && note.message.lines().next() == Some(said)
                && !said.contains(&own)
        };
        let note = annotations.iter().find(is_it)?;
        let line = note.line.map(|line| format!(":{line}")).unwrap_or_default();
        let title = note.title.as_ref().map(|title| format!("{title}: ")).unwrap_or_default();
        Some(format!("{}{line}: {title}{said}", note.file.as_ref()?))
    })
}

/// How many of the lines of a step only repeat what it runs: a group, which its first line begins. A step that wrote nothing else
/// keeps them.
fn head(lines: &[LogLine], first: Option<u64>) -> usize {
    let begins = |line: &LogLine| Some(line.number) == first && line.text.starts_with("##[group]");
    if !lines.first().is_some_and(begins) {
        return 0;
    }
    let end = lines.iter().position(|line| line.text.starts_with("##[endgroup]"));
    end.map(|end| end + 1).filter(|end| *end < lines.len()).unwrap_or(0)
}

fn annotation(row: &models::jobs::AnnotationRow) -> Option<api::Annotation> {
    Some(api::Annotation {
        level: match row.level {
            Level::Error => api::AnnotationLevel::Error,
            Level::Warning => api::AnnotationLevel::Warning,
            Level::Notice => api::AnnotationLevel::Notice,
        },
        job: api::JobKey::new(row.job.clone()).ok()?,
        title: row.title.clone(),
        message: row.message.clone(),
        file: row.file.clone(),
        line: row.line,
    })
}

fn status(status: Status) -> api::Status {
    match status {
        Status::Queued => api::Status::Queued,
        Status::InProgress => api::Status::InProgress,
        Status::Completed => api::Status::Completed,
    }
}

fn conclusion(conclusion: Conclusion) -> api::Conclusion {
    match conclusion {
        Conclusion::Success => api::Conclusion::Success,
        Conclusion::Failure => api::Conclusion::Failure,
        Conclusion::Cancelled => api::Conclusion::Cancelled,
        Conclusion::Skipped => api::Conclusion::Skipped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipway_base::Timestamp;

    #[test]
    fn the_cause_is_what_a_step_said_of_a_file() {
        let note = |job: &str, message: &str, file: Option<&str>| api::Annotation {
            level: api::AnnotationLevel::Error,
            job: api::JobKey::new(job.to_owned()).expect("a key"),
            title: Some("SW0301".to_owned()),
            message: message.to_owned(),
            file: file.map(str::to_owned),
            line: Some(5),
        };
        let own = "ci.yml:3:9: the process ended with exit code 2; its last line was: x";
        let check = |notes: &[api::Annotation], said: &[&str], expect: Option<&str>| {
            let line = |(n, text): (u64, &&str)| {
                let text = format!("##[error]{text}");
                api::LogLine::new(n, api::RawLine { at: Timestamp::from_millis(1), step: 1, text })
            };
            let lines: Vec<api::LogLine> = (10..).zip(said).map(line).collect();
            assert_eq!(cause("a", 2, &lines, notes).as_deref(), expect);
        };
        let runner = note("a", own, Some("ci.yml"));
        let notes = [
            note("b", "no key", Some("b.yaml")),
            note("a", "no key\nat all", Some("a.yaml")),
            runner.clone(),
        ];
        check(&notes, &["no key", "at all", own], Some("a.yaml:5: SW0301: no key"));
        check(&notes, &["another step said it", own], None);
        check(&[note("a", "no place", None), runner], &["no place", own], None);
    }

    #[test]
    fn a_failure_shows_what_a_step_wrote_and_not_what_it_runs() {
        let check = |texts: &[&str], first: u64, expect: usize| {
            let line = |(number, text): (u64, &&str)| LogLine {
                number,
                at: Timestamp::from_millis(1),
                step: 1,
                text: (*text).to_owned(),
            };
            let lines: Vec<LogLine> = (10..).zip(texts).map(line).collect();
            assert_eq!(head(&lines, Some(first)), expect, "{texts:?}");
        };
        let whole = ["##[group]Run make", "make", "##[endgroup]", "building", "##[error]no"];
        check(&whole, 10, 3);
        // Its beginning is further back than what is read.
        check(&whole, 7, 0);
        check(&["building", "##[group]Run x", "##[endgroup]", "y"], 10, 0);
        check(&["##[group]Run make", "make", "##[endgroup]"], 10, 0);
        check(&["##[group]a group that never ends", "x"], 10, 0);
        check(&[], 10, 0);
    }
}
