//! Facts from the history of this repository.

use super::explain::{Answer, Facts, Failed, JobFacts, Since, explain as explain_run};
use crate::{
    environment::Environment,
    exit::{Exit, Failure},
    history::{
        History,
        record::{JobRecord, Record},
    },
};
use shipway_base::Timestamp;
use shipway_server::git::Git;

/// Explains the newest failed run, or the one with this id.
pub(super) async fn explain(environment: &Environment, named: Option<&str>) -> Result<Answer, Failure> {
    let root = environment.folder.ancestors().find(|above| above.join(".git").exists()).ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("{} is not in a git repository", environment.folder.display()))
            .with_code("SW1010")
            .with_help("go to the project, or ask a server with --server")
    })?;
    let history = History::of(root)?;
    let records = history.read();
    let all: Vec<Facts> = records.iter().map(facts).collect();
    let found = match named {
        Some(id) => all.iter().find(|run| run.id == id),
        None => all.iter().find(|run| run.conclusion == "failure"),
    };
    let run = match (found, named) {
        (Some(run), _) => run.clone(),
        (None, None) if !all.is_empty() => {
            return Ok(Answer::NothingFailed { looked_at: all.len(), newest: newest(&all) });
        }
        (None, _) => return Err(no_run(named, &all)),
    };
    let mut explained = explain_run(run, &all);
    let git = Git::at(root);
    for why in &mut explained.jobs {
        if let Since::Between { good, bad, commits } = &mut why.since {
            // Commits that were rewritten meanwhile are unknown.
            *commits = git.between(good, bad).await.ok();
        }
    }
    Ok(Answer::Explained(explained))
}

/// The newest runs: id, workflow and conclusion.
fn newest(all: &[Facts]) -> Vec<(String, String, String)> {
    all.iter().take(5).map(|run| (run.id.clone(), run.workflow.clone(), run.conclusion.clone())).collect()
}

fn no_run(named: Option<&str>, all: &[Facts]) -> Failure {
    let message = match named {
        Some(id) => format!("no run {id} of this repository is remembered"),
        None => "no run of this repository is remembered".to_owned(),
    };
    let failure = Failure::new(Exit::NotFound, message).with_code("SW1051");
    if all.is_empty() {
        failure.with_help("`shipway run` remembers its last 200 runs; for a server's runs add --server")
    } else {
        failure.with_help(format!("the newest: {}", super::show::runs(&newest(all))))
    }
}

fn facts(record: &Record) -> Facts {
    let (branch, _) = shipway_server::source::ref_name(&record.reference);
    Facts {
        id: record.id.to_string(),
        workflow: record.name.clone(),
        event: record.event.clone(),
        branch: branch.to_owned(),
        sha: record.sha.clone(),
        impure: record.changed || record.by_hand,
        began: Timestamp::from_micros(record.began),
        conclusion: record.conclusion.clone(),
        jobs: record.jobs.iter().map(job_facts).collect(),
    }
}

fn job_facts(job: &JobRecord) -> JobFacts {
    let failures = job.failures.iter().map(|failure| Failed {
        step: failure.step.clone(),
        command: failure.command.clone(),
        inner: failure.inner.clone(),
        exit_code: failure.exit_code,
        lines: failure.lines.clone(),
        notes: failure.notes.clone(),
        fingerprint: failure.fingerprint.clone(),
        tolerated: failure.tolerated,
    });
    JobFacts {
        name: job.name.clone(),
        conclusion: job.conclusion.clone(),
        reason: job.reason.clone(),
        failures: failures.collect(),
    }
}
