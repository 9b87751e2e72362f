//! Jobs, steps, annotations and artifacts of one attempt of a run.

use super::{
    Conclusion, Level, Status,
    runs::{AttemptId, RunId, RunRow},
};
use crate::{FromRow, LogName, Result, Row, Statement, Store, StoreError, statement::statements};
use serde::{Deserialize, Serialize};
use shipway_base::{Digest, Timestamp, one_line};
use std::time::Duration;

/// One job of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// The attempt of the run.
    pub run: AttemptId,
    /// `<job id>`, or `<job id>/<index>` for a leg of a matrix.
    pub key: String,
    /// Its place in the list of jobs.
    pub place: u32,
    /// The name people see.
    pub name: String,
    /// The ids of the jobs it needs.
    pub needs: Vec<String>,
    /// Where it stands.
    pub status: Status,
    /// How it ended.
    pub conclusion: Option<Conclusion>,
    /// The attempt in force; 0 before the first.
    pub attempt: u32,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it waits, was skipped, cancelled or failed without running.
    pub reason: Option<String>,
    /// Where its log is.
    pub log: Option<LogName>,
    /// The attempt of the run that it ended in, when that is an earlier one.
    pub kept_from: Option<u32>,
}

/// What is known of a job from what it wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobTrace {
    /// How many lines its log has.
    pub log_lines: u64,
    /// The first line that says an error.
    pub error_line: Option<u64>,
    /// The beginning of its summary, as Markdown.
    pub summary: Option<String>,
    /// How long all of the summary is; no more than the beginning where that is all.
    pub summary_bytes: u64,
    /// All of the summary, in [`Blobs`](crate::Blobs), when it is longer than its beginning.
    pub summary_blob: Option<Digest>,
}

/// One step of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// The attempt of the run.
    pub run: AttemptId,
    /// The job's key.
    pub job: String,
    /// Its place in the job, from 0.
    pub index: u32,
    /// The name people see.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// How it ended.
    pub conclusion: Option<Conclusion>,
    /// The code its process ended with.
    pub exit_code: Option<i64>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Its first line in the job's log.
    pub first_line: Option<u64>,
    /// The command within its action that made it fail.
    pub culprit: Option<Culprit>,
}

/// A command within an action whose failure made the action's step fail. It is kept as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Culprit {
    /// The name of its step.
    pub name: String,
    /// The script, or the action.
    pub command: String,
    /// The code its process ended with.
    pub exit_code: Option<i32>,
    /// The document that its step stands in.
    pub file: String,
    /// The line of its step.
    pub line: u32,
    /// The first line that it wrote, in the job's log.
    pub first_line: u64,
    /// The last line.
    pub last_line: u64,
}

/// Something a step pointed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotationRow {
    /// The attempt of the run.
    pub run: AttemptId,
    /// The job's key.
    pub job: String,
    /// How serious it is.
    pub level: Level,
    /// A title.
    pub title: Option<String>,
    /// What it says.
    pub message: String,
    /// The file it is about.
    pub file: Option<String>,
    /// The line it is about.
    pub line: Option<u32>,
}

/// A file tree that a job uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactRow {
    /// The attempt of the run.
    pub run: AttemptId,
    /// Its name.
    pub name: String,
    /// Its content, in [`Blobs`](crate::Blobs).
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// When it was uploaded; no two artifacts of a run, of whatever attempt, have the same instant.
    pub at: Timestamp,
    /// What it is: `application/zip` for an archive of files.
    pub mime: String,
}

statements! {
    PUT_JOB = "INSERT INTO jobs (run, job, place, name, needs, status, conclusion, attempt, started_at, finished_at,
            reason, log, kept_from)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
        ON CONFLICT (run, job) DO UPDATE SET place = excluded.place, name = excluded.name, needs = excluded.needs,
            status = excluded.status, conclusion = excluded.conclusion, attempt = excluded.attempt,
            started_at = excluded.started_at, finished_at = excluded.finished_at, reason = CASE excluded.conclusion
                WHEN 'cancelled' THEN coalesce(excluded.reason, jobs.reason) ELSE excluded.reason END,
            log = coalesce(excluded.log, jobs.log), kept_from = excluded.kept_from";
    TELL_REASON = "UPDATE jobs SET reason = ?3 WHERE run = ?1 AND job = ?2 AND reason IS NULL";
    KEEP_JOB = "INSERT INTO jobs (run, job, place, name, needs, status, conclusion, attempt, started_at, finished_at,
            reason, log, log_lines, error_line, summary, kept_from, summary_bytes, summary_blob)
        SELECT ?1, job, place, name, needs, status, conclusion, attempt, started_at, finished_at, reason, log, log_lines,
            error_line, summary, ?4, summary_bytes, summary_blob FROM jobs WHERE run = ?2 AND job = ?3";
    KEEP_STEPS = "INSERT INTO steps (run, job, place, name, status, conclusion, exit_code, started_at, finished_at, first_line,
            culprit)
        SELECT ?1, job, place, name, status, conclusion, exit_code, started_at, finished_at, first_line, culprit
        FROM steps WHERE run = ?2 AND job = ?3";
    KEEP_NOTES = "INSERT INTO annotations (run, place, job, level, title, message, file, line)
        SELECT ?1, place, job, level, title, message, file, line FROM annotations WHERE run = ?2 AND job = ?3";
    // A job that became a matrix gives way to its legs.
    DROP_JOB = "DELETE FROM jobs WHERE run = ?1 AND job = ?2";
    TIMES = "SELECT name, started_at, finished_at FROM jobs
        WHERE run IN (SELECT id FROM runs WHERE repository = ?1 AND path = ?2 AND number < ?3 AND status = 'completed'
                ORDER BY number DESC LIMIT ?4)
            AND conclusion = 'success' AND kept_from IS NULL AND started_at IS NOT NULL AND finished_at IS NOT NULL
        ORDER BY run DESC LIMIT ?5";
    TRACE = "UPDATE jobs SET log_lines = ?3, error_line = ?4, summary = ?5, summary_bytes = ?6, summary_blob = ?7
        WHERE run = ?1 AND job = ?2";
    PUT_STEP = "INSERT INTO steps (run, job, place, name, status, conclusion, exit_code, started_at, finished_at,
            first_line, culprit)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (run, job, place) DO UPDATE SET name = excluded.name, status = excluded.status,
            conclusion = excluded.conclusion, exit_code = excluded.exit_code, started_at = excluded.started_at,
            finished_at = excluded.finished_at, first_line = excluded.first_line, culprit = excluded.culprit";
    CLEAR_STEPS = "DELETE FROM steps WHERE run = ?1 AND job = ?2";
    ANNOTATE = "INSERT INTO annotations (run, place, job, level, title, message, file, line)
        VALUES (?1, (SELECT coalesce(max(place), 0) + 1 FROM annotations WHERE run = ?1), ?2, ?3, ?4, ?5, ?6, ?7)";
    PUT_ARTIFACT = "INSERT INTO artifacts (run, name, digest, bytes, at, mime) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (run, name) DO UPDATE SET digest = excluded.digest, bytes = excluded.bytes, at = excluded.at,
            mime = excluded.mime";
    DROP_ARTIFACT = "DELETE FROM artifacts WHERE run = ?1 AND name = ?2";
    JOBS = "SELECT run, job, place, name, needs, status, conclusion, attempt, started_at, finished_at, reason, log,
        log_lines, error_line, summary, kept_from, summary_bytes, summary_blob FROM jobs WHERE run = ?1 ORDER BY place, job";
    JOB = "SELECT run, job, place, name, needs, status, conclusion, attempt, started_at, finished_at, reason, log,
        log_lines, error_line, summary, kept_from, summary_bytes, summary_blob FROM jobs WHERE run = ?1 AND job = ?2";
    STEPS = "SELECT run, job, place, name, status, conclusion, exit_code, started_at, finished_at, first_line, culprit
        FROM steps WHERE run = ?1 ORDER BY job, place";
    ANNOTATIONS = "SELECT run, job, level, title, message, file, line FROM annotations WHERE run = ?1 ORDER BY place";
    ARTIFACTS = "SELECT artifacts.run, name, digest, bytes, at, mime FROM runs JOIN artifacts ON artifacts.run = runs.id
        WHERE runs.run = ?1 AND runs.attempt <= ?2 ORDER BY runs.attempt DESC";
    ARTIFACT = "SELECT artifacts.run, name, digest, bytes, at, mime FROM runs JOIN artifacts ON artifacts.run = runs.id
        WHERE runs.run = ?1 AND name = ?2 AND runs.attempt <= ?3 ORDER BY runs.attempt DESC LIMIT 1";
}

/// Sets the state of a job; what is known of its log stays.
pub fn put(job: &JobRow) -> Statement {
    PUT_JOB.with([
        job.run.into(),
        (&job.key).into(),
        job.place.into(),
        (&job.name).into(),
        job.needs.join("\n").into(),
        job.status.into(),
        job.conclusion.into(),
        job.attempt.into(),
        job.started_at.into(),
        job.finished_at.into(),
        job.reason.clone().into(),
        job.log.as_ref().map(LogName::as_str).into(),
        job.kept_from.into(),
    ])
}

/// Gives an attempt a job that it keeps of an earlier one, with its log, its steps and its annotations; `from` is the number
/// of the attempt that it ended in.
pub fn keep(attempt: AttemptId, earlier: AttemptId, key: &str, from: u32) -> [Statement; 3] {
    let which = || [attempt.into(), earlier.into(), key.into()];
    let [attempt, earlier, job] = which();
    [KEEP_JOB.with([attempt, earlier, job, from.into()]), KEEP_STEPS.with(which()), KEEP_NOTES.with(which())]
}

/// Removes a job that turned out to be a matrix.
pub fn remove(run: AttemptId, key: &str) -> Statement {
    DROP_JOB.with([run.into(), key.into()])
}

/// Sets what is known of a job's log.
pub fn trace(run: AttemptId, key: &str, trace: &JobTrace) -> Statement {
    TRACE.with([
        run.into(),
        key.into(),
        trace.log_lines.into(),
        trace.error_line.into(),
        trace.summary.clone().into(),
        trace.summary_bytes.into(),
        trace.summary_blob.into(),
    ])
}

/// Sets the state of a step.
pub fn put_step(step: &StepRow) -> Statement {
    PUT_STEP.with([
        step.run.into(),
        (&step.job).into(),
        step.index.into(),
        (&step.name).into(),
        step.status.into(),
        step.conclusion.into(),
        step.exit_code.into(),
        step.started_at.into(),
        step.finished_at.into(),
        step.first_line.into(),
        step.culprit.as_ref().and_then(|culprit| serde_json::to_string(culprit).ok()).into(),
    ])
}

/// Forgets the steps of a job, before another attempt.
pub fn clear_steps(run: AttemptId, key: &str) -> Statement {
    CLEAR_STEPS.with([run.into(), key.into()])
}

/// Says why a job is cancelled that does not know it itself. What it knows or comes to know counts more.
pub fn tell_reason(run: AttemptId, job: &str, reason: &str) -> Statement {
    TELL_REASON.with([run.into(), job.into(), reason.into()])
}

/// Adds an annotation.
pub fn annotate(annotation: &AnnotationRow) -> Statement {
    ANNOTATE.with([
        annotation.run.into(),
        (&annotation.job).into(),
        annotation.level.into(),
        annotation.title.clone().into(),
        (&annotation.message).into(),
        annotation.file.clone().into(),
        annotation.line.into(),
    ])
}

/// Adds an artifact, or replaces the one of that name.
pub fn put_artifact(artifact: &ArtifactRow) -> Statement {
    PUT_ARTIFACT.with([
        artifact.run.into(),
        (&artifact.name).into(),
        artifact.digest.into(),
        artifact.bytes.into(),
        artifact.at.into(),
        (&artifact.mime).into(),
    ])
}

/// Forgets an artifact. Its content stays: a release may be made of it.
pub fn remove_artifact(run: AttemptId, name: &str) -> Statement {
    DROP_ARTIFACT.with([run.into(), name.into()])
}

/// How long one of the earlier jobs of a workflow took that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobTime {
    /// The job's name.
    pub name: String,
    /// How long it took.
    pub took: Duration,
}

/// At most so many jobs are looked at, the newest, however many legs a workflow has.
const MOST_TIMES: u64 = 5_000;

impl FromRow for JobTime {
    fn from_row(row: &Row) -> Result<JobTime> {
        let (from, to): (Timestamp, Timestamp) = (row.get(1)?, row.get(2)?);
        Ok(JobTime { name: row.get(0)?, took: to.since(from) })
    }
}

impl Store {
    /// How long jobs took that succeeded in the last `runs` runs of a workflow that ended before this one was made, the newest
    /// first.
    pub async fn job_times(&self, before: &RunRow, runs: u32) -> Result<Vec<JobTime>> {
        self.all(TIMES.with([
            (&before.repository).into(),
            (&before.path).into(),
            before.number.into(),
            u64::from(runs).into(),
            MOST_TIMES.into(),
        ]))
        .await
    }

    /// The jobs of a run in order, with what is known of their logs.
    pub async fn jobs(&self, run: AttemptId) -> Result<Vec<(JobRow, JobTrace)>> {
        self.all(JOBS.with([run.into()])).await
    }

    /// One job of a run, with what is known of its log.
    pub async fn job(&self, run: AttemptId, key: &str) -> Result<Option<(JobRow, JobTrace)>> {
        self.one(JOB.with([run.into(), key.into()])).await
    }

    /// The steps of all jobs of a run, by job and place.
    pub async fn steps(&self, run: AttemptId) -> Result<Vec<StepRow>> {
        self.all(STEPS.with([run.into()])).await
    }

    /// The annotations of a run, oldest first.
    pub async fn annotations(&self, run: AttemptId) -> Result<Vec<AnnotationRow>> {
        self.all(ANNOTATIONS.with([run.into()])).await
    }

    /// The artifacts of a run by name as the attempt with this number sees them: what it and those before it uploaded, the newest
    /// of a name first.
    pub async fn artifacts(&self, run: RunId, attempt: u32) -> Result<Vec<ArtifactRow>> {
        let mut found: Vec<ArtifactRow> = self.all(ARTIFACTS.with([run.into(), attempt.into()])).await?;
        // Those of one run are few, and no index has their names over attempts; of one name the newest stays first.
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// The newest artifact of this name that an attempt of the run up to this one uploaded.
    pub async fn artifact(&self, run: RunId, name: &str, attempt: u32) -> Result<Option<ArtifactRow>> {
        self.one(ARTIFACT.with([run.into(), name.into(), attempt.into()])).await
    }
}

impl FromRow for (JobRow, JobTrace) {
    /// Its name is one line that steers nothing, also in rows of versions that wrote it as it came.
    fn from_row(row: &Row) -> Result<(JobRow, JobTrace)> {
        let log = row.get::<Option<String>>(11)?;
        let log = log.map(|name| LogName::parse(&name)).transpose();
        let job = JobRow {
            run: row.get(0)?,
            key: row.get(1)?,
            place: row.get(2)?,
            name: one_line(&row.get::<String>(3)?),
            needs: row.get::<String>(4)?.lines().map(str::to_owned).collect(),
            status: row.get(5)?,
            conclusion: row.get(6)?,
            attempt: row.get(7)?,
            started_at: row.get(8)?,
            finished_at: row.get(9)?,
            reason: row.get(10)?,
            log: log.map_err(|error| StoreError::corrupt("the log name of a job", error))?,
            kept_from: row.get(15)?,
        };
        let summary: Option<String> = row.get(14)?;
        let beginning = summary.as_ref().map_or(0, |text| text.len() as u64);
        let trace = JobTrace {
            log_lines: row.get(12)?,
            error_line: row.get(13)?,
            summary,
            summary_bytes: row.get::<u64>(16)?.max(beginning),
            summary_blob: row.get(17)?,
        };
        Ok((job, trace))
    }
}

impl FromRow for StepRow {
    /// Its name as that of a job.
    fn from_row(row: &Row) -> Result<StepRow> {
        Ok(StepRow {
            run: row.get(0)?,
            job: row.get(1)?,
            index: row.get(2)?,
            name: one_line(&row.get::<String>(3)?),
            status: row.get(4)?,
            conclusion: row.get(5)?,
            exit_code: row.get(6)?,
            started_at: row.get(7)?,
            finished_at: row.get(8)?,
            first_line: row.get(9)?,
            // What a later version wrote in another form is left out.
            culprit: row.get::<Option<String>>(10)?.and_then(|text| serde_json::from_str(&text).ok()),
        })
    }
}

impl FromRow for AnnotationRow {
    fn from_row(row: &Row) -> Result<AnnotationRow> {
        Ok(AnnotationRow {
            run: row.get(0)?,
            job: row.get(1)?,
            level: row.get(2)?,
            title: row.get(3)?,
            message: row.get(4)?,
            file: row.get(5)?,
            line: row.get(6)?,
        })
    }
}

impl FromRow for ArtifactRow {
    fn from_row(row: &Row) -> Result<ArtifactRow> {
        Ok(ArtifactRow {
            run: row.get(0)?,
            name: row.get(1)?,
            digest: row.get(2)?,
            bytes: row.get(3)?,
            at: row.get(4)?,
            mime: row.get(5)?,
        })
    }
}
