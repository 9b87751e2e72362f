//! Runs of workflows. A run has attempts: the first, and one for each time that it is run again. Each is a row.

use super::{Conclusion, Page, Paging, Status, page};
use crate::{FromRow, Result, Row, Statement, Store, Value, statement::statements};
use shipway_base::{Id, Timestamp, one_line};
use std::time::Duration;

/// A run with all its attempts; only its id has this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WholeRun {}

/// The id of a run, which people and jobs know it by whatever the attempt: that of its first attempt.
pub type RunId = Id<WholeRun>;

/// The id of one attempt of a run.
pub type AttemptId = Id<RunRow>;

/// One attempt of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Unique over all time.
    pub id: AttemptId,
    /// The run.
    pub run: RunId,
    /// Counts the runs of one workflow of one repository, from 1.
    pub number: u64,
    /// The repository, as people name it.
    pub repository: String,
    /// The workflow's file, relative to the repository.
    pub path: String,
    /// The workflow's name.
    pub workflow: String,
    /// What the list shows: the `run-name`, else the commit's subject.
    pub title: String,
    /// The name of the event.
    pub event: String,
    /// Who caused it.
    pub actor: String,
    /// The full ref, `refs/heads/main`.
    pub git_ref: String,
    /// The short ref.
    pub branch: String,
    /// The commit.
    pub sha: String,
    /// The first line of the commit's message.
    pub commit_subject: String,
    /// Who wrote the commit.
    pub commit_author: String,
    /// Where it stands.
    pub status: Status,
    /// How it ended.
    pub conclusion: Option<Conclusion>,
    /// 1 at first; one more each time that the run is run again.
    pub attempt: u32,
    /// How many jobs it keeps of the attempt before it.
    pub kept: u32,
    /// How many of its jobs have failed.
    pub failed_jobs: u32,
    /// How far it was told to workflows that wait for it.
    pub told: Told,
    /// How many runs led to it, by workflows that wait for others.
    pub chain: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its first job began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The job and step that failed first, for lists.
    pub failed: Option<String>,
}

/// How far a run was told to workflows that wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// Not at all.
    Nothing,
    /// That it was asked for.
    Requested,
    /// That it began.
    InProgress,
    /// That it is over.
    Completed,
}

impl Told {
    fn number(self) -> u32 {
        match self {
            Told::Nothing => 0,
            Told::Requested => 1,
            Told::InProgress => 2,
            Told::Completed => 3,
        }
    }

    fn of(number: u32) -> Told {
        match number {
            0 => Told::Nothing,
            1 => Told::Requested,
            2 => Told::InProgress,
            _ => Told::Completed,
        }
    }
}

/// Which runs are wanted; `None` means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// In this repository.
    pub repository: Option<String>,
    /// Of the workflow with this name or file.
    pub workflow: Option<String>,
    /// Of this branch.
    pub branch: Option<String>,
    /// Caused by this event.
    pub event: Option<String>,
    /// Caused by this person.
    pub actor: Option<String>,
    /// In this status.
    pub status: Option<Status>,
    /// With this conclusion.
    pub conclusion: Option<Conclusion>,
    /// With this text in the title or the commit's subject, or a commit that begins with it.
    pub text: Option<String>,
}

macro_rules! columns {
    () => {
        "id, number, repository, path, workflow, title, event, actor, git_ref, branch, sha, commit_subject,
        commit_author, status, conclusion, attempt, kept, failed_jobs, created_at, started_at, finished_at, failed,
        run, told, chain"
    };
}

// The text is escaped by the caller of the statement.
macro_rules! filter {
    () => {
        "(?1 IS NULL OR repository = ?1) AND (?2 IS NULL OR workflow = ?2 OR path = ?2)
        AND (?3 IS NULL OR branch = ?3) AND (?4 IS NULL OR event = ?4) AND (?5 IS NULL OR actor = ?5)
        AND (?6 IS NULL OR status = ?6) AND (?7 IS NULL OR conclusion = ?7)
        AND (?8 IS NULL OR lower(title) LIKE '%' || lower(?8) || '%' ESCAPE '\\'
            OR lower(commit_subject) LIKE '%' || lower(?8) || '%' ESCAPE '\\'
            OR sha LIKE lower(?8) || '%' ESCAPE '\\')"
    };
}

statements! {
    INSERT = concat!("INSERT INTO runs (", columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
        ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)");
    TELL = "UPDATE runs SET told = ?2 WHERE id = ?1 AND told < ?2";
    SUPERSEDE = "UPDATE runs SET superseded = 1 WHERE id = ?1 AND superseded = 0 AND status = 'completed'";
    FAILED = "UPDATE runs SET failed_jobs = ?2 WHERE id = ?1";
    START = "UPDATE runs SET status = 'in_progress', started_at = coalesce(started_at, ?2) WHERE id = ?1";
    RETITLE = "UPDATE runs SET title = ?2 WHERE id = ?1";
    FINISH = "UPDATE runs SET status = 'completed', conclusion = ?2, finished_at = ?3, failed = ?4 WHERE id = ?1";
    RUN = concat!("SELECT ", columns!(), " FROM runs WHERE id = ?1");
    ATTEMPT = concat!("SELECT ", columns!(), " FROM runs WHERE run = ?1 AND attempt = ?2");
    // Runs were once known by the ids of their attempts.
    NEWEST = concat!("SELECT ", columns!(), " FROM runs
        WHERE run = (SELECT run FROM runs WHERE id = ?1) AND superseded = 0");
    UNTOLD = concat!("SELECT ", columns!(), " FROM runs WHERE told < 3
        AND told < CASE status WHEN 'queued' THEN 1 WHEN 'in_progress' THEN 2 ELSE 3 END ORDER BY id");
    UNFINISHED = concat!("SELECT ", columns!(), " FROM runs WHERE status <> 'completed' ORDER BY id");
    TIMES = "SELECT started_at, finished_at FROM runs
        WHERE repository = ?1 AND path = ?2 AND number < ?3 AND conclusion = 'success'
            AND kept = 0 AND started_at IS NOT NULL AND finished_at IS NOT NULL
        ORDER BY number DESC, attempt DESC LIMIT ?4";
    NEXT_NUMBER = "SELECT coalesce(max(number), 0) + 1 FROM runs WHERE repository = ?1 AND path = ?2";
    PAGE = concat!("SELECT ", columns!(), " FROM runs WHERE superseded = 0 AND ", filter!(),
        " AND run < ?9 ORDER BY run DESC LIMIT ?10");
    COUNT = concat!("SELECT count(*) FROM runs WHERE superseded = 0 AND ", filter!());
}

/// Adds a run.
pub fn insert(run: &RunRow) -> Statement {
    INSERT
        .with([
            run.id.into(),
            run.number.into(),
            (&run.repository).into(),
            (&run.path).into(),
            (&run.workflow).into(),
            (&run.title).into(),
            (&run.event).into(),
            (&run.actor).into(),
            (&run.git_ref).into(),
            (&run.branch).into(),
            (&run.sha).into(),
            (&run.commit_subject).into(),
            (&run.commit_author).into(),
            run.status.into(),
            run.conclusion.into(),
            run.attempt.into(),
            run.kept.into(),
            run.failed_jobs.into(),
            run.created_at.into(),
            run.started_at.into(),
            run.finished_at.into(),
            run.failed.clone().into(),
            run.run.into(),
            run.told.number().into(),
            run.chain.into(),
        ])
        .expect(1)
}

/// Gives way to the next attempt, which is added after it. An attempt that is not over, or has given way already, does not.
pub fn supersede(id: AttemptId) -> Statement {
    SUPERSEDE.with([id.into()]).expect(1)
}

/// So many jobs have failed.
pub fn failed_jobs(id: AttemptId, count: u32) -> Statement {
    FAILED.with([id.into(), count.into()]).expect(1)
}

/// An attempt was told so far to workflows that wait for it.
pub fn tell(id: AttemptId, told: Told) -> Statement {
    TELL.with([id.into(), told.number().into()])
}

/// The run has begun.
pub fn start(id: AttemptId, at: Timestamp) -> Statement {
    START.with([id.into(), at.into()]).expect(1)
}

/// The run is called something else from now on.
pub fn retitle(id: AttemptId, title: String) -> Statement {
    RETITLE.with([id.into(), title.into()]).expect(1)
}

/// The run has ended; `failed` names the job and step that failed first.
pub fn finish(id: AttemptId, conclusion: Conclusion, failed: Option<String>, at: Timestamp) -> Statement {
    FINISH.with([id.into(), conclusion.into(), at.into(), failed.into()]).expect(1)
}

impl Store {
    /// One attempt of a run.
    pub async fn attempt(&self, id: AttemptId) -> Result<Option<RunRow>> {
        self.one(RUN.with([id.into()])).await
    }

    /// The attempt of a run with this number.
    pub async fn attempt_of(&self, run: RunId, number: u32) -> Result<Option<RunRow>> {
        self.one(ATTEMPT.with([run.into(), number.into()])).await
    }

    /// The newest attempt of a run.
    pub async fn run(&self, run: RunId) -> Result<Option<RunRow>> {
        self.one(NEWEST.with([run.into()])).await
    }

    /// The runs that have not ended, oldest first: what is to be resumed after a restart.
    pub async fn unfinished_runs(&self) -> Result<Vec<RunRow>> {
        self.all(UNFINISHED.with([])).await
    }

    /// The attempts of which something is to be told to workflows that wait for it, oldest first.
    pub async fn untold_runs(&self) -> Result<Vec<RunRow>> {
        self.all(UNTOLD.with([])).await
    }

    /// How long the last `most` runs of the same workflow took that succeeded and were made before this one, the newest first.
    pub async fn run_times(&self, before: &RunRow, most: u32) -> Result<Vec<Duration>> {
        let asked = [
            (&before.repository).into(),
            (&before.path).into(),
            before.number.into(),
            u64::from(most).into(),
        ];
        let times: Vec<Span> = self.all(TIMES.with(asked)).await?;
        Ok(times.into_iter().map(|Span(took)| took).collect())
    }

    /// The number for the next run of a workflow. Two callers may get the same one; then one of their inserts fails with
    /// [`StoreError::Guard`](crate::StoreError::Guard).
    pub async fn next_run_number(&self, repository: &str, path: &str) -> Result<u64> {
        Ok(self
            .one(NEXT_NUMBER.with([repository.into(), path.into()]))
            .await?
            .unwrap_or(1_i64)
            .unsigned_abs())
    }

    /// A page of runs by their newest attempts; the run that was made last comes first.
    pub async fn runs(&self, filter: RunFilter, paging: Paging) -> Result<Page<RunRow>> {
        page::read(self, &PAGE, &COUNT, filter.params(), paging, |run: &RunRow| run.run.number()).await
    }
}

/// From the beginning of a run to its end.
struct Span(Duration);

impl FromRow for Span {
    fn from_row(row: &Row) -> Result<Span> {
        let (from, to): (Timestamp, Timestamp) = (row.get(0)?, row.get(1)?);
        Ok(Span(to.since(from)))
    }
}

impl RunFilter {
    fn params(self) -> Vec<Value> {
        let escaped = |text: String| text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        vec![
            self.repository.into(),
            self.workflow.into(),
            self.branch.into(),
            self.event.into(),
            self.actor.into(),
            self.status.into(),
            self.conclusion.into(),
            self.text.map(escaped).into(),
        ]
    }
}

impl RunRow {
    /// The run that an attempt is the first of.
    pub fn first(id: AttemptId) -> RunId {
        Id::from_number(id.number()).unwrap_or_else(|| unreachable!("ids are positive"))
    }
}

impl FromRow for RunRow {
    /// Texts of others are one line that steers nothing, also in rows of versions that wrote them as they came.
    fn from_row(row: &Row) -> Result<RunRow> {
        Ok(RunRow {
            id: row.get(0)?,
            number: row.get(1)?,
            repository: row.get(2)?,
            path: row.get(3)?,
            workflow: one_line(&row.get::<String>(4)?),
            title: one_line(&row.get::<String>(5)?),
            event: row.get(6)?,
            actor: row.get(7)?,
            git_ref: row.get(8)?,
            branch: row.get(9)?,
            sha: row.get(10)?,
            commit_subject: one_line(&row.get::<String>(11)?),
            commit_author: row.get(12)?,
            status: row.get(13)?,
            conclusion: row.get(14)?,
            attempt: row.get(15)?,
            kept: row.get(16)?,
            failed_jobs: row.get(17)?,
            created_at: row.get(18)?,
            started_at: row.get(19)?,
            finished_at: row.get(20)?,
            failed: row.get::<Option<String>>(21)?.map(|failed| one_line(&failed)),
            run: row.get(22)?,
            told: Told::of(row.get(23)?),
            chain: row.get(24)?,
        })
    }
}
