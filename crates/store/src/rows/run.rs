//! Rows of a run: how it was made, and the inputs of its state machine.

use super::stored::{Specs, Stored, Tagged as _, stored};
use crate::{NewEvent, Result};
use serde::{Deserialize, Serialize};
use shipway_workflow::{
    Texts,
    expr::{Value, as_json},
    run::{Conclusion, Input, JobKey, Kept},
};
use std::collections::BTreeMap;

/// Everything a run is rebuilt from besides its inputs; the first event of its stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    /// The workflow's file, relative to the repository.
    pub path: String,
    /// The workflow as written.
    pub workflow: String,
    /// The event's name.
    pub event: String,
    /// The event's body, as JSON text.
    #[serde(with = "super::raw")]
    pub payload: String,
    /// The full ref.
    pub reference: String,
    /// The commit.
    pub sha: String,
    /// The `github` context. Its event is null where that is [`Created::payload`], which may be large; rows from before have it twice.
    #[serde(with = "as_json")]
    pub github: Value,
    /// The `vars` context.
    pub vars: serde_json::Value,
    /// The inputs as they were given.
    pub inputs: serde_json::Value,
    /// The documents of called workflows: what each is called, a path or `owner/repo/path@ref`, and its text. Rows from
    /// before workflows could be called have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub called: BTreeMap<String, String>,
    /// The commits of the repositories that those of other repositories were read from, by the same names. Rows from before these
    /// were kept have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commits: BTreeMap<String, String>,
    /// Whether documents of other repositories were still to be fetched; then [`RunEvent::Called`] follows when they are there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fetching: bool,
    /// What it keeps of the attempt before it.
    #[serde(default, with = "super::kept", skip_serializing_if = "Kept::is_empty")]
    pub kept: Kept,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it down so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What the stream of a run holds.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    /// The run was made.
    Created(Box<Created>),
    /// The documents of called workflows are there: all of them, named as in [`Created::called`].
    Called {
        /// Their texts.
        texts: BTreeMap<String, String>,
        /// Named as in [`Created::commits`].
        commits: BTreeMap<String, String>,
    },
    /// Its state machine was fed.
    Input(Input),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Row {
    Created(Box<Created>),
    Called(BTreeMap<String, String>),
    CalledAt { texts: BTreeMap<String, String>, commits: BTreeMap<String, String> },
    Input(InputRow),
}

/// As [`Row::Created`], which is large, without a copy of it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Large<'c> {
    Created(&'c Created),
}

/// The stream of the events of one attempt of a run.
pub fn stream(run: crate::models::runs::AttemptId) -> String {
    format!("run/{run}")
}

/// The event to append.
pub fn encode(event: &RunEvent) -> Result<NewEvent> {
    let (kind, row) = match event {
        RunEvent::Created(created) => {
            let kind = "run.created".to_owned();
            let data = super::encode(&kind, &Large::Created(created))?;
            return Ok(NewEvent { kind, data });
        }
        RunEvent::Called { texts, commits } => {
            let (texts, commits) = (texts.clone(), commits.clone());
            let row = if commits.is_empty() { Row::Called(texts) } else { Row::CalledAt { texts, commits } };
            ("run.called".to_owned(), row)
        }
        RunEvent::Input(input) => {
            let row = input.store();
            (format!("run.{}", row.word()), Row::Input(row))
        }
    };
    let data = super::encode(&kind, &row)?;
    Ok(NewEvent { kind, data })
}

/// The event in a stored row; `kind` is only named in errors.
pub fn decode(kind: &str, data: &[u8]) -> Result<RunEvent> {
    Ok(match super::decode(kind, data)? {
        Row::Created(created) => RunEvent::Created(created),
        // As it is where nothing comes from elsewhere, and as it was before commits were kept.
        Row::Called(texts) => RunEvent::Called { texts, commits: BTreeMap::new() },
        Row::CalledAt { texts, commits } => RunEvent::Called { texts, commits },
        Row::Input(row) => RunEvent::Input(Input::restore(row, &mut Specs::new())?),
    })
}

stored! {
    enum InputRow = Input {
        "start" Start {}
        "job_started" JobStarted { job: JobKey, attempt: u32 }
        "job_finished" JobFinished {
            job: JobKey, attempt: u32, conclusion: Conclusion, outputs: Texts
        }
        "job_lost" JobLost { job: JobKey, attempt: u32, reason: String }
        "job_interrupted" JobInterrupted { job: JobKey, attempt: u32, reason: String }
        "cancel" Cancel { reason: String }
    }
}

stored! {
    enum ConclusionRow = Conclusion {
        "success" Success {}
        "failure" Failure {}
        "cancelled" Cancelled {}
        "skipped" Skipped {}
    }
}

impl Stored for JobKey {
    type Row = String;

    fn store(&self) -> String {
        self.0.clone()
    }

    fn restore(row: String, _: &mut Specs) -> Result<JobKey> {
        Ok(JobKey(row))
    }
}
