//! Workflows of the watched repository, and starting one by hand.

use serde::{Deserialize, Serialize};
use shipway_base::Timestamp;
use std::collections::BTreeMap;

/// `GET /api/v1/workflows?ref=`: the workflows as they are at a branch or tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflows {
    /// The short name of the repository's default branch.
    pub default_branch: String,
    /// The short names of all branches and tags.
    pub refs: Vec<String>,
    /// The full name of the branch or tag; absent in a repository without commits.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// Its commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// The workflows in the order of their files.
    pub items: Vec<Workflow>,
}

/// One workflow file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// The name of its file, by which it is started.
    pub file: String,
    /// The file within the repository.
    pub path: String,
    /// The workflow's name; its path when it has none.
    pub name: String,
    /// The events that start it.
    pub events: Vec<String>,
    /// The times at which it runs by itself, as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<WorkflowSchedule>,
    /// What is asked of who starts it by hand; absent when nobody can, because it has no `workflow_dispatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<WorkflowInput>>,
    /// What is wrong with the file, one line each with file, line and column; a file with errors cannot be started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// Events that would start it and that the server never hears of, one line each with file, line and column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unheard: Vec<String>,
}

/// A line of `on.schedule`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowSchedule {
    /// Its five fields.
    pub cron: String,
    /// The time zone that they are meant in; UTC when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// When it comes next; absent for one that does not count, as on another branch than the default one.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// An input of `workflow_dispatch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowInput {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What values it takes.
    pub kind: WorkflowInputKind,
    /// The values of a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Whether it must be given; one with a default need not be.
    pub required: bool,
    /// The value when none is given, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// What values an input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowInputKind {
    /// Any text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// One of its options.
    Choice,
    /// The name of an environment.
    Environment,
}

/// `POST /api/v1/workflows/{file}/dispatches`, as GitHub's: the answer is the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispatchRequest {
    /// The branch or tag, short or in full; the default branch when it is absent.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The inputs: texts, numbers, true and false.
    #[serde(default)]
    pub inputs: BTreeMap<String, serde_json::Value>,
}
