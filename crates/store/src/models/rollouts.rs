//! Rollouts: releases on their way, and what became of them.

use super::{Page, Paging, page, runs::RunId};
use crate::{FromRow, Result, Row, Statement, Store, statement::statements};
use shipway_base::{Id, Timestamp};
use shipway_rollout::delivery::{Release, Rollout};

/// One rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutRow {
    /// Unique over all time.
    pub id: Id<Rollout>,
    /// The service.
    pub service: String,
    /// What is rolled out.
    pub release: Id<Release>,
    /// What was stable when it began.
    pub from: Option<Id<Release>>,
    /// The run that asked for it.
    pub run: Option<RunId>,
    /// Who asked for it.
    pub by: String,
    /// Where it stands, a word of the owner: `progressing`, `paused` and so on.
    pub phase: String,
    /// The step it is in, from 0.
    pub step: u32,
    /// How many steps it has.
    pub steps: u32,
    /// The share of the version on trial, in basis points.
    pub share: u32,
    /// One sentence for lists.
    pub headline: String,
    /// Whether it waits for a person.
    pub needs_you: bool,
    /// How it ended.
    pub outcome: Option<String>,
    /// Why, as one sentence.
    pub reason: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The version of its first event in the service's stream.
    pub first_version: u64,
    /// The version of its last event.
    pub last_version: Option<u64>,
    /// The report, as JSON.
    pub report: Option<String>,
}

/// Which rollouts are wanted; `None` means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolloutFilter {
    /// Of this service.
    pub service: Option<String>,
    /// In this phase.
    pub phase: Option<String>,
    /// Asked for by this run.
    pub run: Option<RunId>,
    /// Not over (`true`), or over (`false`).
    pub in_flight: Option<bool>,
}

macro_rules! columns {
    () => {
        "id, service, release, from_release, run, requested_by, phase, step, steps, share, headline, needs_you, outcome,
        reason, started_at, finished_at, first_version, last_version, report"
    };
}

macro_rules! filter {
    () => {
        "(?1 IS NULL OR service = ?1) AND (?2 IS NULL OR phase = ?2) AND (?3 IS NULL OR run = ?3)
        AND (?4 IS NULL OR (finished_at IS NULL) = ?4)"
    };
}

statements! {
    PUT = concat!("INSERT INTO rollouts (", columns!(), ")
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
        ON CONFLICT (id) DO UPDATE SET phase = excluded.phase, step = excluded.step, steps = excluded.steps,
            share = excluded.share, headline = excluded.headline, needs_you = excluded.needs_you,
            outcome = excluded.outcome, reason = excluded.reason, finished_at = excluded.finished_at,
            last_version = excluded.last_version, report = excluded.report");
    ROLLOUT = concat!("SELECT ", columns!(), " FROM rollouts WHERE id = ?1");
    PAGE = concat!("SELECT ", columns!(), " FROM rollouts WHERE ", filter!(), " AND id < ?5 ORDER BY id DESC LIMIT ?6");
    COUNT = concat!("SELECT count(*) FROM rollouts WHERE ", filter!());
}

/// Adds a rollout, or brings it up to date; what it is about stays.
pub fn put(rollout: &RolloutRow) -> Statement {
    PUT.with([
        rollout.id.into(),
        (&rollout.service).into(),
        rollout.release.into(),
        rollout.from.into(),
        rollout.run.into(),
        (&rollout.by).into(),
        (&rollout.phase).into(),
        rollout.step.into(),
        rollout.steps.into(),
        rollout.share.into(),
        (&rollout.headline).into(),
        rollout.needs_you.into(),
        rollout.outcome.clone().into(),
        rollout.reason.clone().into(),
        rollout.started_at.into(),
        rollout.finished_at.into(),
        rollout.first_version.into(),
        rollout.last_version.into(),
        rollout.report.clone().into(),
    ])
}

impl Store {
    /// One rollout.
    pub async fn rollout(&self, id: Id<Rollout>) -> Result<Option<RolloutRow>> {
        self.one(ROLLOUT.with([id.into()])).await
    }

    /// A page of rollouts, newest first.
    pub async fn rollouts(&self, filter: RolloutFilter, paging: Paging) -> Result<Page<RolloutRow>> {
        let filter =
            vec![filter.service.into(), filter.phase.into(), filter.run.into(), filter.in_flight.into()];
        page::read(self, &PAGE, &COUNT, filter, paging, |rollout: &RolloutRow| rollout.id.number()).await
    }
}

impl FromRow for RolloutRow {
    fn from_row(row: &Row) -> Result<RolloutRow> {
        Ok(RolloutRow {
            id: row.get(0)?,
            service: row.get(1)?,
            release: row.get(2)?,
            from: row.get(3)?,
            run: row.get(4)?,
            by: row.get(5)?,
            phase: row.get(6)?,
            step: row.get(7)?,
            steps: row.get(8)?,
            share: row.get(9)?,
            headline: row.get(10)?,
            needs_you: row.get(11)?,
            outcome: row.get(12)?,
            reason: row.get(13)?,
            started_at: row.get(14)?,
            finished_at: row.get(15)?,
            first_version: row.get(16)?,
            last_version: row.get(17)?,
            report: row.get(18)?,
        })
    }
}
