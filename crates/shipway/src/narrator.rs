//! What happens in a control plane, told as plain lines while it happens.

use crate::render::wrapped;
use shipway_api::{Conclusion, JobKey, RolloutEvent, RolloutEventKind, RolloutId, Run, RunId, Status};
use shipway_base::{Timestamp, human_duration, one_line};
use shipway_server::backend::{Backend, Change};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::{broadcast::error::RecvError, watch};

/// Tells each fact once.
pub(crate) struct Narrator {
    backend: Arc<dyn Backend>,
    /// What happened to a rollout before was told by an earlier process.
    since: Timestamp,
    /// By run and attempt.
    runs: BTreeMap<(RunId, u32), Told>,
    rollouts: BTreeMap<RolloutId, Heard>,
    over: watch::Sender<usize>,
}

/// What was told of a rollout.
#[derive(Default)]
struct Heard {
    seq: u64,
    reason: Option<String>,
}

/// What was told of an attempt of a run.
#[derive(Default)]
struct Told {
    started: bool,
    jobs: BTreeSet<JobKey>,
    finished: bool,
}

impl Narrator {
    /// A narrator that has told nothing since the control plane began to start.
    pub(crate) fn new(backend: Arc<dyn Backend>, since: Timestamp) -> Narrator {
        let (runs, rollouts) = (BTreeMap::new(), BTreeMap::new());
        Narrator { backend, since, runs, rollouts, over: watch::Sender::new(0) }
    }

    /// How many runs were told to their end, for whoever has something to say after them.
    pub(crate) fn runs_over(&self) -> watch::Receiver<usize> {
        self.over.subscribe()
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
            lines.iter().map(|line| one_line(line)).for_each(&mut say);
            let over = self.runs.values().filter(|told| told.finished).count();
            self.over.send_if_modified(|known| std::mem::replace(known, over) != over);
        }
    }

    /// The new lines after a change.
    async fn lines(&mut self, change: Change) -> Vec<String> {
        match change {
            Change::Log(..) | Change::Workflows => Vec::new(),
            Change::Run(id) => match self.backend.run(id.into()).await {
                Ok(run) => run_lines(self.runs.entry((id, run.summary.attempt)).or_default(), &run),
                Err(error) => vec![format!("run {id}: {error}")],
            },
            Change::Rollout(id) => {
                let heard = self.rollouts.entry(id).or_default();
                match self.backend.rollout_events(id, heard.seq, 1_000).await {
                    Ok(events) => {
                        let told = |event: &&RolloutEvent| event.at >= self.since;
                        let known = events.iter().filter(|event| !told(event));
                        known.for_each(|event| drop(event_lines(heard, event)));
                        events.iter().filter(told).flat_map(|event| event_lines(heard, event)).collect()
                    }
                    Err(error) => vec![format!("rollout {id}: {error}")],
                }
            }
        }
    }
}

/// An event in lines that fit. A reason is told once, and of the numbers behind a step the sentence that decided.
fn event_lines(heard: &mut Heard, event: &RolloutEvent) -> Vec<String> {
    heard.seq = heard.seq.max(event.seq);
    if event.kind == RolloutEventKind::Instance {
        return Vec::new();
    }
    let known = heard.reason.as_deref().and_then(|reason| event.text.strip_suffix(reason));
    let mut text = known.map_or(event.text.as_str(), |head| head.trim_end_matches([':', ' ']));
    if event.kind == RolloutEventKind::Started {
        // The run that asked is the one whose lines stand above.
        text = text.split(", asked by").next().unwrap_or(text);
    }
    let mut lines = wrapped("    ", 6, text);
    if event.kind == RolloutEventKind::Step
        && let Some(decisive) = event.details.first()
    {
        lines.extend(wrapped("      ", 6, decisive));
    }
    if let Some((_, reason)) = event.text.split_once(": ") {
        heard.reason = Some(reason.to_owned());
    } else if event.kind == RolloutEventKind::Command {
        // Whatever comes after a command is news, though it be for the same reason as before.
        heard.reason = None;
    }
    lines
}

fn run_lines(told: &mut Told, run: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    let summary = &run.summary;
    if !std::mem::replace(&mut told.started, true) {
        let sha = summary.commit.sha.get(..7).unwrap_or(&summary.commit.sha);
        let attempt = (summary.attempt > 1).then(|| format!(", attempt {}", summary.attempt));
        let attempt = attempt.unwrap_or_default();
        lines.push(format!("  {} #{}{attempt}: {} ({sha})", summary.workflow, summary.number, summary.title));
    }
    let news = |job: &&shipway_api::Job| job.status == Status::Completed && job.kept_from.is_none();
    for job in run.jobs.iter().filter(news) {
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
        if let (true, Some(failed)) = (run.jobs.is_empty(), &summary.failed) {
            // No job was made of a workflow that cannot be read; the finding says where.
            lines.extend(wrapped("    ", 6, &format!("failed: {failed}")));
        } else if let Some(failure) = &run.failure {
            // Most messages begin with the step's name.
            let step = failure.step_name.as_deref().filter(|step| !failure.message.contains(step));
            let step = step.map(|step| format!(", step {step}")).unwrap_or_default();
            let text = format!("failed: {}{step}: {}", failure.job_name, failure.message);
            lines.extend(wrapped("    ", 6, &text));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64, kind: RolloutEventKind, text: &str, details: &[&str]) -> RolloutEvent {
        let details = details.iter().map(|detail| (*detail).to_owned()).collect();
        RolloutEvent { seq, at: Timestamp::EPOCH, kind, text: text.to_owned(), details, by: None }
    }

    #[test]
    fn a_step_is_told_with_the_sentence_that_decided() {
        let mut heard = Heard::default();
        let step = event(4, RolloutEventKind::Step, "step 3 begins: all is well", &["Go on: a.", "b", "c"]);
        assert_eq!(event_lines(&mut heard, &step), ["    step 3 begins: all is well", "      Go on: a."]);
        assert_eq!(heard.seq, 4);
    }

    #[test]
    fn a_reason_is_told_once() {
        let mut heard = Heard::default();
        let verdict = event(7, RolloutEventKind::Verdict, "given up: failures: 3 of 4", &["numbers"]);
        assert_eq!(event_lines(&mut heard, &verdict), ["    given up: failures: 3 of 4"]);
        let instance = event(8, RolloutEventKind::Instance, "web-1 has stopped", &[]);
        assert_eq!(event_lines(&mut heard, &instance), Vec::<String>::new());
        let end = event(9, RolloutEventKind::RolledBack, "v3 was rolled back: failures: 3 of 4", &[]);
        assert_eq!(event_lines(&mut heard, &end), ["    v3 was rolled back"]);
    }

    #[test]
    fn a_second_pause_says_why_again() {
        let mut heard = Heard::default();
        let pause = |seq| event(seq, RolloutEventKind::Verdict, "paused: the metric safe ended", &[]);
        assert_eq!(event_lines(&mut heard, &pause(7)), ["    paused: the metric safe ended"]);
        let resume = event(8, RolloutEventKind::Command, "resumed by ada", &[]);
        assert_eq!(event_lines(&mut heard, &resume), ["    resumed by ada"]);
        assert_eq!(event_lines(&mut heard, &pause(9)), ["    paused: the metric safe ended"]);
    }
}
