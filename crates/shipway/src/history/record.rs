//! The record of one run: versioned, small, of masked texts only.

use serde::Deserialize;
use serde_json::{Value, json};

/// The version that is written and read.
const VERSION: u32 = 1;

/// A run that is over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// The run's id.
    pub(crate) id: i64,
    /// The file of the workflow.
    pub(crate) workflow: String,
    /// What people call it.
    pub(crate) name: String,
    /// The event.
    pub(crate) event: String,
    /// The full name of the branch or tag.
    pub(crate) reference: String,
    /// The commit of the work tree.
    pub(crate) sha: String,
    /// Whether the work tree had changes beside it.
    pub(crate) changed: bool,
    /// Whether only some jobs or legs were asked for.
    pub(crate) partial: bool,
    /// Whether a step was skipped, or tried again, by hand.
    pub(crate) by_hand: bool,
    /// When it began, in microseconds since 1970.
    pub(crate) began: i64,
    /// How long it took.
    pub(crate) took_ms: u64,
    /// What it came to: `success`, `failure`, `cancelled`.
    pub(crate) conclusion: String,
    /// Its jobs, in the order of the workflow.
    pub(crate) jobs: Vec<JobRecord>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct JobRecord {
    /// Its key, which tells legs of a matrix apart.
    pub(crate) job: String,
    /// The name shown to people.
    pub(crate) name: String,
    /// What it came to.
    pub(crate) conclusion: String,
    /// Why, when there is more to say than its steps do.
    pub(crate) reason: Option<String>,
    /// How long it took, when it ran.
    pub(crate) took_ms: Option<u64>,
    /// The steps that failed in the order in which they ran, but first those that made the job fail.
    pub(crate) failures: Vec<FailureRecord>,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct FailureRecord {
    /// Its name.
    pub(crate) step: String,
    /// The script, or the action; within a composite action the one that is to blame.
    pub(crate) command: String,
    /// Where that stands, when it is within an action; records of earlier versions do not say so.
    #[serde(default)]
    pub(crate) inner: Option<InnerRecord>,
    /// The exit code of its process.
    pub(crate) exit_code: Option<i32>,
    /// How long it took.
    pub(crate) took_ms: u64,
    /// The last lines it printed.
    pub(crate) lines: Vec<String>,
    /// Its annotations, as compilers write them.
    pub(crate) notes: Vec<String>,
    /// What makes it the same failure as another one.
    pub(crate) fingerprint: String,
    /// Whether its `continue-on-error` let the job go on; records of earlier versions do not say so.
    #[serde(default)]
    pub(crate) tolerated: bool,
}

/// A step within an action.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct InnerRecord {
    /// Its name.
    pub(crate) step: String,
    /// The action that the step of the job is.
    pub(crate) action: String,
    /// The document that it stands in.
    pub(crate) file: String,
    /// Its line there.
    pub(crate) line: u32,
}

/// What is known of a run beside its jobs.
pub(crate) struct Head {
    pub(crate) id: i64,
    pub(crate) workflow: String,
    pub(crate) name: String,
    pub(crate) event: String,
    pub(crate) reference: String,
    pub(crate) sha: String,
    pub(crate) changed: bool,
    pub(crate) partial: bool,
    pub(crate) by_hand: bool,
    pub(crate) began: i64,
    pub(crate) took_ms: u64,
    pub(crate) conclusion: String,
}

impl Record {
    /// A record.
    pub(crate) fn new(head: Head, jobs: Vec<JobRecord>) -> Record {
        Record {
            version: VERSION,
            id: head.id,
            workflow: head.workflow,
            name: head.name,
            event: head.event,
            reference: head.reference,
            sha: head.sha,
            changed: head.changed,
            partial: head.partial,
            by_hand: head.by_hand,
            began: head.began,
            took_ms: head.took_ms,
            conclusion: head.conclusion,
            jobs,
        }
    }

    /// Reads a record; none when it is of another version or no record at all.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Record> {
        let record: Record = serde_json::from_slice(bytes).ok()?;
        (record.version == VERSION).then_some(record)
    }

    /// How it is kept.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "version": self.version, "id": self.id, "workflow": self.workflow, "name": self.name, "event": self.event,
            "reference": self.reference, "sha": self.sha, "changed": self.changed, "partial": self.partial,
            "by_hand": self.by_hand, "began": self.began, "took_ms": self.took_ms, "conclusion": self.conclusion,
            "jobs": self.jobs.iter().map(JobRecord::to_json).collect::<Vec<_>>(),
        })
    }
}

impl JobRecord {
    /// The job's id, without its leg.
    pub(crate) fn id(&self) -> &str {
        self.job.split('/').next().unwrap_or_default()
    }

    fn to_json(&self) -> Value {
        json!({
            "job": self.job, "name": self.name, "conclusion": self.conclusion, "reason": self.reason,
            "took_ms": self.took_ms, "failures": self.failures.iter().map(FailureRecord::to_json).collect::<Vec<_>>(),
        })
    }
}

impl FailureRecord {
    /// How it is kept, and shown to programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "step": self.step, "command": self.command, "exit_code": self.exit_code, "took_ms": self.took_ms,
            "lines": self.lines, "notes": self.notes, "fingerprint": self.fingerprint,
            "tolerated": self.tolerated, "inner": self.inner.as_ref().map(InnerRecord::to_json),
        })
    }
}

impl InnerRecord {
    /// How it is kept, and shown to programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "step": self.step, "action": self.action, "file": self.file, "line": self.line })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record of a run that failed.
    pub(crate) fn record(id: i64) -> Record {
        let failure = FailureRecord {
            step: "Check".to_owned(),
            command: "make check".to_owned(),
            inner: Some(InnerRecord {
                step: "Make".to_owned(),
                action: "./own".to_owned(),
                file: "own/action.yml".to_owned(),
                line: 9,
            }),
            exit_code: Some(2),
            took_ms: 70,
            lines: vec!["error: no".to_owned()],
            notes: Vec::new(),
            fingerprint: "abc".to_owned(),
            tolerated: false,
        };
        let head = Head {
            id,
            workflow: ".github/workflows/ci.yml".to_owned(),
            name: "CI".to_owned(),
            event: "push".to_owned(),
            reference: "refs/heads/main".to_owned(),
            sha: format!("{id:040x}"),
            changed: false,
            partial: false,
            by_hand: false,
            began: id * 1_000_000,
            took_ms: 100,
            conclusion: "failure".to_owned(),
        };
        let job = JobRecord {
            job: "test".to_owned(),
            name: "test".to_owned(),
            conclusion: "failure".to_owned(),
            reason: None,
            took_ms: Some(90),
            failures: vec![failure],
        };
        Record::new(head, vec![job])
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(id in 1_i64..i64::MAX / 2_000_000, line: String, reason: Option<String>) {
            let mut record = record(id);
            record.jobs[0].reason = reason;
            record.jobs[0].failures[0].lines.push(line);
            prop_assert_eq!(Record::parse(record.to_json().to_string().as_bytes()), Some(record));
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = Record::parse(&bytes);
        }
    }
}
