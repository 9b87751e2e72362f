//! Steps that run beside the others: `background`, `wait`, `wait-all`, `cancel` and `parallel`, after the rules of GitHub's
//! runner.
//!
//! A background step runs on a copy of the job. What it writes to the environment, the path and its outputs is seen by
//! others once somebody has waited for it or cancelled it, at the latest before the post steps; then it counts for the job,
//! too. One that was cancelled by a step counts only if it had failed.

use crate::{
    executor::BoxFuture,
    job::{Frame, Job},
    post::Post,
    report::ReportKind,
    steps::{Came, id_of},
};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use shipway_base::Spanned;
use shipway_workflow::{
    document::{Step, StepKind},
    expr::{Object, Value},
    run::Conclusion,
};
use std::{collections::BTreeMap, future::Future, sync::Arc};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// As many run at once; later ones wait for a place.
const AT_ONCE: usize = 10;

/// What a step changed that its neighbours see.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Variables, in the order in which they were set.
    pub(crate) env: Vec<(String, String)>,
    /// Folders for `PATH`, in the order in which they were added.
    pub(crate) paths: Vec<String>,
}

/// A background step that has ended.
struct Ended {
    number: usize,
    conclusion: Conclusion,
    /// Its entry of the `steps` context.
    entry: Option<(String, Value)>,
    changes: Changes,
    posts: Vec<Post>,
    states: BTreeMap<Vec<usize>, BTreeMap<String, String>>,
    /// The `steps` contexts of its composite actions.
    steps: BTreeMap<Vec<usize>, Object>,
    reason: Option<String>,
}

/// A background step.
struct Started {
    number: usize,
    id: String,
    name: String,
    token: CancellationToken,
    /// A step asked for its end.
    cancelled: bool,
    /// What it came to.
    conclusion: Option<Conclusion>,
    /// What is not seen by others yet.
    pending: Option<Ended>,
}

/// The background steps of a job.
struct Background<'a> {
    running: FuturesUnordered<BoxFuture<'a, Ended>>,
    started: Vec<Started>,
    slots: Arc<Semaphore>,
}

impl<'a> Background<'a> {
    fn new() -> Background<'a> {
        let (running, started) = (FuturesUnordered::new(), Vec::new());
        Background { running, started, slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Takes the end of a step in.
    fn note(&mut self, ended: Ended) {
        if let Some(started) = self.started.iter_mut().find(|started| started.number == ended.number) {
            started.conclusion = Some(ended.conclusion);
            started.pending = Some(ended);
        }
    }

    /// Does something while the background steps go on.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(ended) = self.running.next(), if !self.running.is_empty() => self.note(ended),
            }
        }
    }

    /// Waits until these steps have ended.
    async fn wait(&mut self, numbers: &[usize]) {
        let open = |started: &Started| numbers.contains(&started.number) && started.conclusion.is_none();
        while self.started.iter().any(open) {
            match self.running.next().await {
                Some(ended) => self.note(ended),
                None => return,
            }
        }
    }

    /// In the order of the ids, by which what the steps wrote counts.
    fn numbers(&self, ids: &[&str]) -> Vec<usize> {
        let named = |id: &&str| self.started.iter().find(|started| started.id.eq_ignore_ascii_case(id));
        ids.iter().filter_map(named).map(|started| started.number).collect()
    }

    fn named(&self, numbers: &[usize]) -> impl Iterator<Item = &Started> {
        self.started.iter().filter(|started| numbers.contains(&started.number))
    }

    /// Those nobody has waited for yet.
    fn open(&self) -> Vec<usize> {
        let open = self.started.iter().filter(|one| one.conclusion.is_none() || one.pending.is_some());
        open.map(|started| started.number).collect()
    }
}

impl<'a> Job<'a> {
    /// Runs the steps of the job. What they come to is in the frame afterwards.
    pub(crate) async fn run_job_steps(&mut self, frame: &mut Frame, steps: &'a [Step]) {
        let mut background = Background::new();
        let mut number = 0;
        for step in steps {
            let own = number;
            number += step.with_inner().count();
            match &step.kind {
                StepKind::Run(_) | StepKind::Uses(_) if step.background => {
                    self.start_beside(&mut background, frame, step, own).await;
                }
                StepKind::Run(_) | StepKind::Uses(_) => {
                    let index = self.take_index();
                    let ran = Box::pin(self.run_step(frame, step, own, index));
                    background.beside(ran).await;
                }
                StepKind::Wait(ids) => {
                    let ids: Vec<&str> = ids.iter().map(|id: &Spanned<String>| id.value.as_str()).collect();
                    let numbers = background.numbers(&ids);
                    self.control(&mut background, frame, step, "Wait for", &numbers).await;
                }
                StepKind::WaitAll => {
                    let numbers = background.open();
                    self.control(&mut background, frame, step, "Wait for", &numbers).await;
                }
                StepKind::Cancel(id) => {
                    let numbers = background.numbers(&[id.value.as_str()]);
                    for started in &mut background.started {
                        if numbers.contains(&started.number) {
                            started.cancelled = true;
                            started.token.cancel();
                        }
                    }
                    self.control(&mut background, frame, step, "Cancel", &numbers).await;
                }
                StepKind::Parallel(inner) => {
                    let numbers: Vec<usize> = (own + 1..number).collect();
                    for (step, number) in inner.iter().zip(&numbers) {
                        self.start_beside(&mut background, frame, step, *number).await;
                    }
                    self.control(&mut background, frame, step, "Wait for", &numbers).await;
                }
            }
        }
        self.join(&mut background, frame).await;
    }

    fn take_index(&mut self) -> usize {
        self.next_step += 1;
        self.next_step - 1
    }

    /// Lets a step run beside the others. As on GitHub what stands around it is looked at before: where that cannot be evaluated the step
    /// has failed before the next one begins.
    async fn start_beside(
        &mut self,
        background: &mut Background<'a>,
        frame: &mut Frame,
        step: &'a Step,
        number: usize,
    ) {
        if !self.can_begin(frame, step, number) {
            let index = self.take_index();
            let ran = Box::pin(self.run_step(frame, step, number, index));
            background.beside(ran).await;
            // Nobody can wait for it, and so nobody learns what came of it.
            if let Some(id) = &step.id {
                frame.steps.remove(&id.value);
            }
            return;
        }
        self.start_background(background, frame, step, number);
        background.beside(tokio::task::yield_now()).await;
    }

    /// Lets a step run beside the others; it begins when the caller next waits.
    fn start_background(
        &mut self,
        background: &mut Background<'a>,
        frame: &Frame,
        step: &'a Step,
        number: usize,
    ) {
        let index = self.take_index();
        let token = CancellationToken::new();
        let (id, name) = (id_of(frame, step, number), self.early_name(frame, step, number, index));
        let started = Started {
            number,
            id,
            name,
            token: token.clone(),
            cancelled: false,
            conclusion: None,
            pending: None,
        };
        let name = self.log.masker.mask(&started.name);
        background.started.push(started);
        let mut copy = self.copy(token.clone());
        let mut frame = frame.clone();
        let slots = background.slots.clone();
        background.running.push(Box::pin(async move {
            let slot = tokio::select! {
                biased;
                () = token.cancelled() => None,
                slot = slots.acquire() => slot.ok(),
            };
            let conclusion = match slot {
                Some(_slot) => Box::pin(copy.run_step(&mut frame, step, number, index)).await,
                // Cancelled before it had a place.
                None => {
                    copy.log.send(ReportKind::StepStarted { index, name }).await;
                    let came = Came::of(Conclusion::Cancelled);
                    let began = copy.context.clock.now();
                    copy.finish_step(&mut frame, step, number, index, &came, began).await
                }
            };
            // As on GitHub nobody learns that one was skipped.
            let id = step.id.as_ref().filter(|_| conclusion != Conclusion::Skipped);
            let entry = id.and_then(|id| {
                let value = frame.steps.get(&id.value)?.clone();
                Some((id.value.clone(), value))
            });
            let Job { changes, posts, states, ended: steps, reason, .. } = copy;
            let changes = changes.unwrap_or_default();
            Ended { number, conclusion, entry, changes, posts, states, steps, reason }
        }));
    }

    /// Runs a step that waits for others or cancels them: tells of it, waits, and lets what they did count.
    async fn control(
        &mut self,
        background: &mut Background<'a>,
        frame: &mut Frame,
        step: &Step,
        word: &str,
        numbers: &[usize],
    ) {
        let began = self.context.clock.now();
        let index = self.take_index();
        let names: Vec<&str> = background.named(numbers).map(|started| started.name.as_str()).collect();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let name = self.control_name(frame, step, index).unwrap_or_else(|| format!("{word} {names}"));
        self.log.send(ReportKind::StepStarted { index, name: self.log.masker.mask(&name) }).await;
        self.log.line(Some(index), &format!("{word} {names}")).await;
        background.wait(numbers).await;
        let mut outcome = Conclusion::Success;
        for number in numbers {
            let came = self.complete(background, frame, *number).await;
            let Some((name, conclusion)) = came else { continue };
            self.log.line(Some(index), &format!("  {name}: {conclusion}")).await;
            outcome = together(outcome, conclusion);
        }
        if word == "Cancel" {
            outcome = Conclusion::Success;
        }
        let (came, status) = (Came::of(outcome), frame.status);
        self.finish_step(frame, step, usize::MAX, index, &came, began).await;
        // As on GitHub the job learns at the end whether it matters that a step was cancelled.
        if outcome == Conclusion::Cancelled {
            frame.status = status;
        }
    }

    /// Lets what an ended step did be seen: name and conclusion.
    async fn complete(
        &mut self,
        background: &mut Background<'a>,
        frame: &mut Frame,
        number: usize,
    ) -> Option<(String, Conclusion)> {
        let started = background.started.iter_mut().find(|started| started.number == number)?;
        let conclusion = started.conclusion?;
        let said = (started.name.clone(), conclusion);
        let Some(ended) = started.pending.take() else { return Some(said) };
        self.set(ended.changes);
        // They run in the order in which they were asked for, not in which somebody waited.
        for post in ended.posts {
            self.keep_post(post);
        }
        self.states.extend(ended.states);
        self.ended.extend(ended.steps);
        if let Some((id, value)) = ended.entry {
            frame.steps.insert(id.as_str(), value);
        }
        if let Some(reason) = ended.reason.filter(|_| conclusion == Conclusion::Failure) {
            self.reason.get_or_insert(reason);
        }
        Some(said)
    }

    /// Waits for all that is left before the post steps, and counts what they came to.
    async fn join(&mut self, background: &mut Background<'a>, frame: &mut Frame) {
        let open = background.open();
        background.wait(&open).await;
        for number in open {
            self.complete(background, frame, number).await;
        }
        for started in &background.started {
            match started.conclusion {
                Some(Conclusion::Cancelled) if started.cancelled => {}
                Some(conclusion) => frame.count(conclusion),
                None => {}
            }
        }
    }

    /// Changes the environment and the path of the steps that follow.
    pub(crate) fn set(&mut self, changes: Changes) {
        if let Some(kept) = &mut self.changes {
            kept.env.extend(changes.env.iter().cloned());
            kept.paths.extend(changes.paths.iter().cloned());
        }
        self.env.extend(changes.env);
        for path in changes.paths {
            self.paths.retain(|known| *known != path);
            self.paths.insert(0, path);
        }
    }
}

/// What several ends are together, as GitHub's runner has it: that one was cancelled outweighs that one failed.
fn together(one: Conclusion, other: Conclusion) -> Conclusion {
    let rank = |conclusion: Conclusion| match conclusion {
        Conclusion::Success | Conclusion::Skipped => 0,
        Conclusion::Failure => 1,
        Conclusion::Cancelled => 2,
    };
    if rank(other) > rank(one) { other } else { one }
}
