//! Runs of workflows, their jobs and steps, in GitHub's words.

use crate::{JobKey, LogLine, PageQuery, RolloutSummary, RunId};
use serde::{Deserialize, Serialize};
use shipway_base::Timestamp;

/// Where a run, a job or a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waiting for its turn.
    Queued,
    /// Under way.
    InProgress,
    /// Over; the conclusion says how.
    Completed,
}

/// How a run, a job or a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// It worked.
    Success,
    /// It failed.
    Failure,
    /// It was stopped.
    Cancelled,
    /// It was not needed, or its condition was false.
    Skipped,
}

/// What a run was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The full object name.
    pub sha: String,
    /// The first line of its message.
    pub subject: String,
    /// Who wrote it.
    pub author: String,
}

/// What servers mean that do not tell of attempts.
fn first() -> u32 {
    1
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub id: RunId,
    /// Counts up from 1 for each workflow.
    pub number: u64,
    /// Counts from 1 how often the run was begun: it stays the same run when it is run again.
    #[serde(default = "first")]
    pub attempt: u32,
    /// Its `run-name`, else the subject of the commit.
    pub title: String,
    /// The name of the workflow.
    pub workflow: String,
    /// The workflow's file within the repository.
    pub path: String,
    /// The event that started it: `push`, `workflow_dispatch` and so on.
    pub event: String,
    /// Who or what caused the event.
    pub actor: String,
    /// The branch or tag, without `refs/heads/`.
    pub branch: String,
    /// The commit.
    pub commit: Commit,
    /// Where it stands.
    pub status: Status,
    /// How it ended, once completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
    /// How many of its jobs have failed; what other jobs make of that is told by the conclusion, in the end.
    #[serde(default)]
    pub failed_jobs: u32,
    /// When this attempt of it was asked for.
    #[serde(with = "crate::time")]
    pub created_at: Timestamp,
    /// When its first job began.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// One sentence on what failed, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// `GET /api/v1/runs/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// As in lists.
    pub summary: RunSummary,
    /// How many attempts there are; this is the last of them unless an earlier one was asked for.
    #[serde(default = "first")]
    pub attempts: u32,
    /// The jobs in the order of the workflow, matrix legs in the order of the matrix. A matrix job that has not been
    /// expanded yet is one job.
    pub jobs: Vec<Job>,
    /// What to look at first, when something failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Annotations of all jobs, errors first; at most 100.
    pub annotations: Vec<Annotation>,
    /// Uploaded artifacts.
    pub artifacts: Vec<Artifact>,
    /// Rollouts that its deploy steps began.
    pub rollouts: Vec<RolloutSummary>,
    /// What can be done with it now.
    pub actions: Vec<RunAction>,
    /// How long runs of its workflow usually take; absent while none has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual: Option<Usual>,
}

/// How long something usually takes: the median of the last times that it succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usual {
    /// In milliseconds.
    pub took_ms: u64,
    /// How many times that is known of, at most ten.
    pub times: u32,
}

/// Something that can be done with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunAction {
    /// Stop it.
    Cancel,
    /// End also what runs in spite of that. Only a run that is being stopped has it.
    ForceCancel,
    /// Run all of it again.
    Rerun,
    /// Run the jobs that failed or were cancelled, and what needs them, again.
    RerunFailed,
}

/// One job, or one leg of a matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Which.
    pub key: JobKey,
    /// The same as it stands in paths, where dots stand for slashes: `test.1`.
    #[serde(default)]
    pub segment: String,
    /// Its name for people.
    pub name: String,
    /// The ids of the jobs that it needs.
    pub needs: Vec<String>,
    /// Where it stands.
    pub status: Status,
    /// How it ended, once completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
    /// Counts from 1 how often it was begun within this attempt of the run, because its runner was lost; 0 before the first.
    pub attempt: u32,
    /// The attempt of the run that it ended in, when it was not run again but kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_from: Option<u32>,
    /// When the present attempt began.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why it was skipped, or what it waits for: the condition with its values, the job that failed before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its steps so far.
    pub steps: Vec<Step>,
    /// How many lines its log has.
    pub log_lines: u64,
    /// The first line to look at after a failure, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_line: Option<u64>,
    /// How long it usually takes; absent while no run of the workflow has had it succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual: Option<Usual>,
    /// The beginning of what the job wrote to its summary, as Markdown; all of it is at `summary.md` below its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_summary: Option<String>,
    /// How many bytes all of its summary has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_summary_bytes: Option<u64>,
}

/// One step of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its place, from 0.
    pub index: u32,
    /// Its name for people.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// How it ended, once completed, after `continue-on-error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
    /// The exit code of its command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// When it began.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The number of its first line in the job's log, from 1; absent while it wrote nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_line: Option<u64>,
    /// The command within its action that made it fail, when it is a composite action, or the post part of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub culprit: Option<Culprit>,
}

/// A command within an action whose failure made the step of the action fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Culprit {
    /// The name of its step for people.
    pub name: String,
    /// The script, or the action: the beginning of a long one.
    pub command: String,
    /// The exit code of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The document that its step stands in.
    pub file: String,
    /// The line of its step, from 1.
    pub line: u32,
    /// The number of the first line that it wrote to the job's log.
    pub first_line: u64,
    /// The number of the last one; less than the first when it wrote nothing.
    pub last_line: u64,
}

/// The first thing to know about a failed run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The job that failed first.
    pub job: JobKey,
    /// Its name for people.
    pub job_name: String,
    /// The step that failed, when it was a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_name: Option<String>,
    /// The exit code of its command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What happened, as one sentence.
    pub message: String,
    /// The last lines of the failed step, at most 30.
    pub lines: Vec<LogLine>,
    /// How many other jobs failed.
    pub other_jobs: u32,
}

/// A remark on a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// How bad it is.
    pub level: AnnotationLevel,
    /// The job that made it.
    pub job: JobKey,
    /// A title, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it says.
    pub message: String,
    /// The file it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// How bad an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationLevel {
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// A notice.
    Notice,
}

/// An uploaded artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its name, unique within the run.
    pub name: String,
    /// The size of its archive in bytes.
    pub bytes: u64,
    /// The digest of its archive.
    pub digest: String,
}

/// `GET /api/v1/runs?...`: which runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQuery {
    /// Only with this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Only with this conclusion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
    /// Only of this workflow, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Only of this branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Only of this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Only caused by this actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Only with this text in the title or the commit, in upper or lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Which page.
    pub page: PageQuery,
}

/// `POST /api/v1/runs/{id}/rerun`. A key that is not known is refused: a misspelt one would run all jobs again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RerunRequest {
    /// Only the jobs that failed or were cancelled, and what needs them.
    #[serde(default)]
    pub only_failed: bool,
    /// Only this job, and what needs it: the key of a job, or of all legs of a matrix, or of all jobs of a called workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobKey>,
    /// The attempt that is run again; when it has been run again already, nothing is done. The newest when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}
