//! What happens in a control plane, told as plain lines while it happens.

use shipway_api::{Conclusion, JobKey, RolloutEventKind, RolloutId, Run, RunId, Status};
use shipway_base::human_duration;
use shipway_server::backend::{Backend, Change};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::broadcast::error::RecvError;

/// Tells each fact once.
pub(crate) struct Narrator {
    backend: Arc<dyn Backend>,
    runs: BTreeMap<RunId, Told>,
    rollouts: BTreeMap<RolloutId, u64>,
}

/// What was told of a run.
#[derive(Default)]
struct Told {
    started: bool,
    jobs: BTreeSet<JobKey>,
    finished: bool,
}

impl Narrator {
    /// A narrator that has told nothing.
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Narrator {
        Narrator { backend, runs: BTreeMap::new(), rollouts: BTreeMap::new() }
    }

    /// Tells until the control plane is gone.
    pub(crate) async fn tell(mut self, mut say: impl FnMut(String)) {
        let mut changes = self.backend.changes();
        loop {
            let lines = match changes.recv().await {
                Ok(change) => self.lines(change).await,
                // Skipped changes are made up by the next one of the same run or rollout: lines are told by state.
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            };
            lines.into_iter().for_each(&mut say);
        }
    }

    /// The new lines after a change.
    async fn lines(&mut self, change: Change) -> Vec<String> {
        match change {
            Change::Log(..) => Vec::new(),
            Change::Run(id) => match self.backend.run(id).await {
                Ok(run) => run_lines(self.runs.entry(id).or_default(), &run),
                Err(error) => vec![format!("run {id}: {error}")],
            },
            Change::Rollout(id) => {
                let after = self.rollouts.entry(id).or_default();
                match self.backend.rollout_events(id, *after, 1_000).await {
                    Ok(events) => {
                        *after = events.iter().map(|event| event.seq).fold(*after, u64::max);
                        events
                            .into_iter()
                            .filter(|event| event.kind != RolloutEventKind::Instance)
                            .map(|event| format!("    {}", event.text))
                            .collect()
                    }
                    Err(error) => vec![format!("rollout {id}: {error}")],
                }
            }
        }
    }
}

fn run_lines(told: &mut Told, run: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    let summary = &run.summary;
    if !std::mem::replace(&mut told.started, true) {
        let sha = summary.commit.sha.get(..7).unwrap_or(&summary.commit.sha);
        lines.push(format!("  {} #{}: {} ({sha})", summary.workflow, summary.number, summary.title));
    }
    for job in run.jobs.iter().filter(|job| job.status == Status::Completed) {
        let Some(conclusion) = job.conclusion else { continue };
        if told.jobs.insert(job.key.clone()) {
            let took = job.started_at.zip(job.finished_at).map(|(from, to)| human_duration(to.since(from)));
            lines.push(
                format!("    {} {} {}", mark(conclusion), job.name, took.unwrap_or_default())
                    .trim_end()
                    .to_owned(),
            );
        }
    }
    if summary.status == Status::Completed && !std::mem::replace(&mut told.finished, true) {
        if let Some(failure) = &run.failure {
            let step = failure.step_name.as_deref().map(|step| format!(", step {step}")).unwrap_or_default();
            lines.push(format!("    failed: {}{step}: {}", failure.job_name, failure.message));
        }
        if let Some(conclusion) = summary.conclusion {
            lines.push(format!("  {} {} #{}", mark(conclusion), summary.workflow, summary.number));
        }
    }
    lines
}

/// A shape and a word, so that neither colour nor a font is needed to read it.
fn mark(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Success => "ok     ",
        Conclusion::Failure => "failed ",
        Conclusion::Cancelled => "stopped",
        Conclusion::Skipped => "skipped",
    }
}
