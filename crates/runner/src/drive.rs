//! Carries a whole run: what the state machine asks for is done, and what comes of it is told to the machine.

mod calls;
mod turns;

use crate::{
    RunMasks,
    context::JobContext,
    error::RunnerError,
    executor::Executor,
    job::{JobOutcome, run_job},
    journal::Journal,
    report::{Annotation, Level, Report, ReportKind},
    stop::Cancel,
};
use calls::{Admitted, Calls, News, Wanted, is_of};
use shipway_workflow::{
    Texts,
    expr::Value,
    run::{Conclusion, Effect, Input, JobKey, JobRequest, Run},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::{Id, JoinError, JoinSet},
};
use turns::{Heard, Ready, Turns, Word};

/// Drives a run to its end.
///
/// Every input is committed to the journal before it is applied, and its effects are carried out after that; so a run
/// that is replayed from the journal is never behind what was done. `run` is new, or replayed after a crash: then the
/// jobs that were under way count as interrupted and are tried again. Jobs run at once as far as `context.slots` allows. When
/// `cancel` is asked the run is cancelled; jobs whose condition wants it still run.
///
/// # Errors
/// When the journal fails, all jobs are ended at once and nothing more is done. When this future is dropped, too.
pub async fn drive(
    run: Run,
    context: &JobContext,
    executor: Arc<dyn Executor>,
    journal: &mut dyn Journal,
    reports: mpsc::Sender<Report>,
    cancel: &Cancel,
) -> Result<Conclusion, RunnerError> {
    let mut driver = Driver {
        run,
        context,
        executor,
        journal,
        reports,
        calls: Calls::new(context.groups.clone()),
        turns: Turns::new(context.groups.clone()),
        waiting: VecDeque::new(),
        running: JoinSet::new(),
        known: BTreeMap::new(),
        names: BTreeMap::new(),
        why: None,
        conclusion: None,
    };
    driver.begin().await?;
    // A run that was cancelled before it was replayed knows that.
    let (mut asked, mut forced) = (driver.run.cancelled().is_some(), false);
    loop {
        if let Some(conclusion) = driver.conclusion {
            return Ok(conclusion);
        }
        let slots = driver.context.slots.clone();
        let wants_slot = !driver.waiting.is_empty();
        tokio::select! {
            // In this order, so that a run with free slots behaves the same every time.
            biased;
            () = cancel.forced.cancelled(), if !forced => {
                forced = true;
                driver.why = cancel.told().map(str::to_owned);
                // Told twice, the machine stops also what runs in spite of the first time.
                for _ in 0..if asked { 1 } else { 2 } {
                    driver.take(Input::Cancel { reason: cancel.reason() }).await?;
                }
                asked = true;
                driver.force();
            }
            () = cancel.asked.cancelled(), if !asked => {
                asked = true;
                driver.why = cancel.told().map(str::to_owned);
                driver.take(Input::Cancel { reason: cancel.reason() }).await?;
            }
            Some(ended) = driver.running.join_next_with_id() => driver.ended(ended).await?,
            Some(news) = driver.calls.next() => driver.heard(news).await?,
            Some(word) = driver.turns.next() => driver.turn(word).await?,
            permit = slots.acquire_owned(), if wants_slot => {
                if let Ok(permit) = permit {
                    driver.start_next(permit).await?;
                } else {
                    // A closed semaphore is how the one who lends the slots says that nothing may start any more.
                    asked = true;
                    driver.take(Input::Cancel { reason: "the runner is shutting down".to_owned() }).await?;
                }
            }
        }
    }
}

type Attempt = (JobKey, u32);

struct Driver<'a> {
    run: Run,
    context: &'a JobContext,
    executor: Arc<dyn Executor>,
    journal: &'a mut dyn Journal,
    reports: mpsc::Sender<Report>,
    /// Holds jobs back whose calls wait for their turns.
    calls: Calls,
    /// Holds jobs back that wait for their own turns.
    turns: Turns,
    /// Asked for, without a slot yet.
    waiting: VecDeque<Ready>,
    running: JoinSet<JobOutcome>,
    /// The running jobs.
    known: BTreeMap<Attempt, Known>,
    names: BTreeMap<Id, Attempt>,
    /// Why the whole run was asked to stop, when somebody said it.
    why: Option<String>,
    conclusion: Option<Conclusion>,
}

/// A job that runs.
struct Known {
    name: String,
    /// How to stop it.
    cancel: Cancel,
    /// Whether it was told that it lost its place.
    told: bool,
}

impl Driver<'_> {
    async fn begin(&mut self) -> Result<(), RunnerError> {
        self.conclusion = self.run.conclusion();
        if self.run.started().is_none() {
            return self.take(Input::Start).await;
        }
        for (job, attempt) in self.run.in_flight() {
            let reason = "the server stopped while the job was under way".to_owned();
            self.take(Input::JobInterrupted { job, attempt, reason }).await?;
        }
        Ok(())
    }

    /// Commits an input, applies it and carries out what follows, which may be further inputs.
    async fn take(&mut self, input: Input) -> Result<(), RunnerError> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.context.clock.now();
            self.journal.commit(&input, now).await?;
            for effect in self.run.apply(&input, now) {
                match effect {
                    Effect::StartJob(request) => inputs.extend(self.queue(request).await),
                    Effect::CancelJob { job, attempt } => inputs.extend(self.cancel(job, attempt)),
                    Effect::Finish { conclusion } => self.conclusion = Some(conclusion),
                }
            }
        }
        self.calls.release(&self.run);
        Ok(())
    }

    /// Lets a job wait for a slot, or first for the turns of the calls around it and for its own; ends it when one of the calls
    /// lost its place.
    async fn queue(&mut self, request: Box<JobRequest>) -> Option<Input> {
        let (context, github) = (self.context, request.github.clone());
        match self.calls.admit(request, |call| who(context, &github, &call.0)) {
            Admitted::Yes(request) => {
                let grouped = request.concurrency.is_some();
                let who = if grouped { who(context, &github, &request.name) } else { String::new() };
                self.waiting.extend(self.turns.admit(request, who));
            }
            Admitted::Later => {}
            Admitted::Never(request, why) => {
                return Some(self.never_ran(*request, why).await);
            }
        }
        None
    }

    /// Tells that a job lost its place before it ran. By `&mut`, since a journal need not be shared between threads.
    async fn never_ran(&mut self, request: JobRequest, why: String) -> Input {
        let JobOutcome { conclusion, outputs, .. } =
            displaced(&request, self.context, why, &self.reports).await;
        let JobRequest { key: job, attempt, .. } = request;
        Input::JobFinished { job, attempt, conclusion, outputs }
    }

    /// A call has its turn, lost its place, or is to end.
    async fn heard(&mut self, news: News) -> Result<(), RunnerError> {
        match self.calls.take(news) {
            Wanted::Again(jobs) => {
                for request in jobs {
                    if let Some(input) = self.queue(Box::new(request)).await {
                        self.take(input).await?;
                    }
                }
            }
            Wanted::Stop(call, why) => {
                let of_call: Vec<Attempt> =
                    self.known.keys().filter(|(job, _)| is_of(job, &call)).cloned().collect();
                for attempt in of_call {
                    if let Some(known) = self.known.get(&attempt) {
                        known.cancel.ask_because(why.clone());
                    }
                    self.tell_displaced(&attempt).await;
                }
                for request in self.withdraw(|request| is_of(&request.key, &call)) {
                    let input = self.never_ran(request, why.clone()).await;
                    self.take(input).await?;
                }
            }
        }
        Ok(())
    }

    /// A job has its turn, lost its place, or is to end.
    async fn turn(&mut self, word: Word) -> Result<(), RunnerError> {
        let (gone, why) = match self.turns.take(word) {
            Heard::Ready(ready) => {
                self.waiting.push_back(*ready);
                return Ok(());
            }
            Heard::Lost(request, why) => (vec![*request], why),
            Heard::Asked((job, attempt)) => {
                self.tell_displaced(&(job.clone(), attempt)).await;
                let is_it = |ready: &&Ready| ready.request.key == job && ready.request.attempt == attempt;
                let why = self.waiting.iter().find(is_it).map(|ready| ready.cancel.reason());
                let gone = self.withdraw(|request| request.key == job && request.attempt == attempt);
                (gone, why.unwrap_or_default())
            }
            Heard::Gone => return Ok(()),
        };
        for request in gone {
            let input = self.never_ran(request, why.clone()).await;
            self.take(input).await?;
        }
        Ok(())
    }

    /// Tells of a running job that it lost its place, when that is why it was asked to stop.
    async fn tell_displaced(&mut self, attempt: &Attempt) {
        let Some(known) = self.known.get_mut(attempt).filter(|known| !known.told) else { return };
        let Some(why) = known.cancel.told() else { return };
        known.told = true;
        let (name, why) = (known.name.clone(), why.to_owned());
        let (job, attempt) = attempt.clone();
        let told = told_displaced(self.context, &name, &why);
        send(self.context, &self.reports, (job, attempt), told).await;
    }

    /// Takes out the jobs that have not begun and that `wanted` names, wherever they wait.
    fn withdraw(&mut self, wanted: impl Fn(&JobRequest) -> bool) -> Vec<JobRequest> {
        let mut out = self.calls.withdraw(&wanted);
        out.extend(self.turns.withdraw(&wanted));
        let waiting = std::mem::take(&mut self.waiting);
        for ready in waiting {
            if wanted(&ready.request) {
                out.push((*ready.request).clone());
            } else {
                self.waiting.push_back(ready);
            }
        }
        out
    }

    /// Stops a job; one that has not begun ends here and now.
    fn cancel(&mut self, job: JobKey, attempt: u32) -> Option<Input> {
        let is_it = |request: &JobRequest| request.key == job && request.attempt == attempt;
        if !self.withdraw(is_it).is_empty() {
            let outputs = Texts::new();
            return Some(Input::JobFinished { job, attempt, conclusion: Conclusion::Cancelled, outputs });
        }
        if let Some(known) = self.known.get_mut(&(job, attempt)) {
            match &self.why {
                Some(why) => {
                    // The run says it, for all its jobs.
                    known.told = true;
                    known.cancel.ask_because(why.clone());
                }
                None => known.cancel.ask(),
            }
        }
        None
    }

    /// Stops all jobs with whatever they still run.
    fn force(&self) {
        for known in self.known.values() {
            known.cancel.force();
        }
    }

    async fn start_next(&mut self, permit: OwnedSemaphorePermit) -> Result<(), RunnerError> {
        let Some(ready) = self.waiting.pop_front() else { return Ok(()) };
        let (job, attempt) = (ready.request.key.clone(), ready.request.attempt);
        self.take(Input::JobStarted { job: job.clone(), attempt }).await?;
        let (name, cancel) = (ready.request.name.clone(), ready.cancel.clone());
        self.known.insert((job.clone(), attempt), Known { name, cancel, told: false });
        let (context, executor) = (self.context.clone(), self.executor.clone());
        let reports = self.reports.clone();
        let task = self.running.spawn(async move {
            let cancel = ready.cancel.clone();
            let outcome = run_job(&ready.request, &context, &*executor, reports, cancel).await;
            // With its turn, for who waits for it needs a slot next.
            drop((permit, ready));
            outcome
        });
        self.names.insert(task.id(), (job, attempt));
        Ok(())
    }

    async fn ended(&mut self, ended: Result<(Id, JobOutcome), JoinError>) -> Result<(), RunnerError> {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Ok(outcome)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some((job, attempt)) = self.names.remove(&id) else { return Ok(()) };
        self.known.remove(&(job.clone(), attempt));
        let input = match outcome {
            Ok(JobOutcome { conclusion, outputs, .. }) => {
                Input::JobFinished { job, attempt, conclusion, outputs }
            }
            Err(error) => Input::JobLost { job, attempt, reason: format!("the runner failed: {error}") },
        };
        self.take(input).await
    }
}

/// Who takes a place in a concurrency group: a job or a call, and the run it is of.
fn who(context: &JobContext, github: &Value, name: &str) -> String {
    let text = |key: &str| github.get(key).and_then(Value::as_str).unwrap_or_default();
    let run = (text("workflow"), text("run_number"));
    RunMasks::of(context).text(&format!("{name} of {} #{}", run.0, run.1))
}

/// A job that never ran, since the place in its concurrency group, or in that of its call, was taken.
async fn displaced(
    request: &JobRequest,
    context: &JobContext,
    reason: String,
    reports: &mpsc::Sender<Report>,
) -> JobOutcome {
    let conclusion = Conclusion::Cancelled;
    let [named, notice] = told_displaced(context, &request.name, &reason);
    let ended = ReportKind::JobFinished { conclusion, duration: Duration::ZERO };
    send(context, reports, (request.key.clone(), request.attempt), [named, notice, ended]).await;
    JobOutcome { conclusion, outputs: Texts::new(), reason: Some(RunMasks::of(context).text(&reason)) }
}

/// What is told of a job that lost its place, without secrets.
fn told_displaced(context: &JobContext, name: &str, reason: &str) -> [ReportKind; 2] {
    let masks = RunMasks::of(context);
    let (name, reason) = (masks.text(name), masks.text(reason));
    let notice = Annotation::new(Level::Notice, reason.clone());
    [ReportKind::JobDisplaced { name, reason }, ReportKind::Annotation(Box::new(notice))]
}

async fn send(
    context: &JobContext,
    reports: &mpsc::Sender<Report>,
    (job, attempt): Attempt,
    kinds: impl IntoIterator<Item = ReportKind>,
) {
    for kind in kinds {
        let at = context.clock.now();
        // Nobody listens any more; what was to be done is done all the same.
        let _ = reports.send(Report { job: job.clone(), attempt, at, kind }).await;
    }
}
