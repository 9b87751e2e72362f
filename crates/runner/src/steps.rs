//! The steps of a job or of a composite action, one after the other: whether each runs, what it comes to, and what the
//! next one sees of it.

use crate::{
    action::Unfetched,
    again::Call,
    background::Changes,
    breakpoint::{Failed, Stay},
    error::{ErrorKind, RunnerError},
    executor::{BoxFuture, Ending, Finished, Folders, Program},
    job::{Frame, Job},
    listen::{Ears, HeardAll, Hearing, listen, take_files},
    matcher::{Places, Watch},
    place::OwnContainer,
    reach::Reach,
    report::{Annotation, Level, ReportKind},
    scope::{Halt, StepScope, object},
    session::Session,
    stop::{Cause, StepLimit},
    within::Within,
};
use shipway_base::{Diagnostic, Source, Span, Timestamp};
use shipway_workflow::{
    Texts,
    document::{Fields, Maybe, Step, StepKind, Uses},
    expr::{Object, Scope, Template, Value},
    run::Conclusion,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many chunks of output may wait to be read; a chatty program is slowed down beyond that.
const CHUNKS: usize = 32;

/// The step that runs, and what limits it.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    /// Its number in the reports.
    pub(crate) index: usize,
    /// The name it goes by in the contexts.
    pub(crate) id: String,
    /// The name shown to people.
    pub(crate) name: String,
    /// The numbers of the steps around it and its own, from the job's inwards.
    pub(crate) place: Vec<usize>,
    /// What its own `env` and those of the steps around it set.
    pub(crate) own_env: Texts,
    /// What its expressions see, its own `env` included.
    pub(crate) scope: StepScope,
    /// The number of its command files, whose names its expressions see.
    pub(crate) files: Option<u64>,
    /// Whether it also runs in a cancelled job.
    pub(crate) survives: bool,
    /// Its own limit.
    pub(crate) limit: Option<StepLimit>,
    /// How its action was called, if it has one.
    pub(crate) call: Option<Arc<Call>>,
    /// Where it stands.
    pub(crate) source: Source,
    /// Where it stands.
    pub(crate) span: Span,
}

/// What a step came to by itself.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    /// Success, failure or cancelled.
    pub(crate) outcome: Conclusion,
    /// The exit code of its process.
    pub(crate) exit_code: Option<i32>,
    /// Its outputs.
    pub(crate) outputs: Texts,
    /// Whether it failed before it could begin, by its condition or its environment; its `continue-on-error` does not cover that.
    pub(crate) unbegun: bool,
}

/// A step whose turn has come.
struct Prepared {
    current: Current,
    /// Whether it runs.
    runs: bool,
    /// Why its limit could not be evaluated.
    no_limit: Option<Diagnostic>,
}

/// A step that cannot begin.
struct Unprepared {
    found: Box<Diagnostic>,
    /// Whether its condition is to blame, and not its environment.
    by_condition: bool,
}

/// What is started for a step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'w> {
    /// A program where the job runs.
    Program(&'w Program),
    /// A container of its own.
    Container(&'w OwnContainer),
}

impl What<'_> {
    fn env(&self) -> &BTreeMap<String, String> {
        match self {
            What::Program(program) => &program.env,
            What::Container(container) => &container.env,
        }
    }
}

impl Came {
    pub(crate) fn of(outcome: Conclusion) -> Came {
        Came { outcome, exit_code: None, outputs: Texts::new(), unbegun: false }
    }
}

impl Job<'_> {
    /// Runs the steps within a composite action. What they come to is in the frame afterwards.
    pub(crate) fn run_steps<'s>(&'s mut self, frame: &'s mut Frame, steps: &'s [Step]) -> BoxFuture<'s, ()> {
        Box::pin(async move {
            let index = frame.inside.unwrap_or_default();
            for (number, step) in steps.iter().enumerate() {
                self.run_step(frame, step, number, index).await;
                if frame.cut_off {
                    return;
                }
            }
        })
    }

    /// Runs one step; gives what it counts as.
    pub(crate) async fn run_step(
        &mut self,
        frame: &mut Frame,
        step: &Step,
        number: usize,
        index: usize,
    ) -> Conclusion {
        let began = self.context.clock.now();
        if self.stop.check().is_some() {
            frame.cancel();
        }
        let id = id_of(frame, step, number);
        let mut newer: Option<Box<Step>> = None;
        let mut tries = 1;
        let blamed = self.blamed(frame);
        let (step, name, came) = loop {
            let tried = newer.as_deref().unwrap_or(step);
            self.blame_nobody(frame);
            let mark = self.mark();
            let (name, current, came) = self.attempt(frame, tried, number, index, tries).await;
            let Some(mark) = mark.filter(|_| came.failed()) else { break (tried, name, came) };
            if self.tolerated(frame, tried, &id, &came).unwrap_or(false) {
                self.let_go = false;
                break (tried, name, came);
            }
            let failed = Failed { step: tried, number, index, name: &name, tries, current };
            match self.stay(frame, failed, &mark, came).await {
                Stay::Over(came) => break (tried, name, came),
                Stay::Again(edited) => newer = edited.or(newer),
            }
            tries += 1;
        };
        let conclusion = self.finish_step(frame, step, number, index, &came, began).await;
        let (name, exit_code) = (name.as_str(), came.exit_code);
        let within = Within { step, name, blamed, conclusion, exit_code };
        self.end_within(frame, within).await;
        conclusion
    }

    /// Puts what a step came to into the contexts and reports it; gives what it counts as.
    pub(crate) async fn finish_step(
        &mut self,
        frame: &mut Frame,
        step: &Step,
        number: usize,
        index: usize,
        came: &Came,
        began: Timestamp,
    ) -> Conclusion {
        let conclusion = self.conclude(frame, step, &id_of(frame, step, number), index, came).await;
        if frame.inside.is_none() {
            let duration = self.context.clock.now().since(began);
            let (outcome, exit_code) = (came.outcome, came.exit_code);
            self.log.send(ReportKind::StepFinished { index, outcome, conclusion, exit_code, duration }).await;
        }
        conclusion
    }

    /// The name of a step before its turn has come, as far as it can be told.
    pub(crate) fn early_name(&self, frame: &Frame, step: &Step, number: usize, index: usize) -> String {
        match self.around(frame, step, number, index) {
            Ok(current) => current.name,
            Err(_) => fallback_name(step),
        }
    }

    /// The name that a step which waits or cancels was given.
    pub(crate) fn control_name(&self, frame: &Frame, step: &Step, index: usize) -> Option<String> {
        step.name.as_ref().map(|_| self.early_name(frame, step, usize::MAX, index))
    }

    /// Tries a step once: what it is called, what was worked out about it before it ran, and what it came to.
    async fn attempt(
        &mut self,
        frame: &mut Frame,
        step: &Step,
        number: usize,
        index: usize,
        tries: u32,
    ) -> (String, Option<Current>, Came) {
        let goes_on = self.goes_on(frame);
        let mut prepared = self.prepare(frame, step, number, index);
        if prepared.is_err() && goes_on && self.outlives(frame, step, number) {
            prepared = self.prepare(frame, step, number, index);
        }
        let name = match &prepared {
            Ok(prepared) => prepared.current.name.clone(),
            Err(_) => fallback_name(step),
        };
        // Those within a composite action show themselves by their heads.
        if frame.inside.is_some() {
            self.begin_within(index, "").await;
        } else if tries == 1 {
            self.log.send(ReportKind::StepStarted { index, name: self.log.masker.mask(&name) }).await;
        }
        let within = frame.inside.is_some();
        let bare;
        let (mut step, mut without_env) = (step, false);
        let prepared = match prepared {
            // As on GitHub a step of a composite action whose environment gives nothing runs without it if its condition holds, and
            // has failed whatever it comes to (actions/runner, "CompositeActionHandler").
            Err(Unprepared { found, by_condition: false })
                if within && self.outcome_of_error(goes_on) == Conclusion::Failure =>
            {
                self.complain_of(index, &found).await;
                bare = Step { env: Fields::default(), ..step.clone() };
                (step, without_env) = (&bare, true);
                self.prepare(frame, step, number, index)
            }
            prepared => prepared,
        };
        match prepared {
            Err(Unprepared { found, by_condition }) => {
                self.complain_of(index, &found).await;
                let outcome = self.outcome_of_error(goes_on);
                // As on GitHub a composite action ends by that.
                frame.cut_off |= within && by_condition && outcome == Conclusion::Failure;
                (name, None, Came { unbegun: by_condition || !within, ..Came::of(outcome) })
            }
            Ok(Prepared { current, runs: false, .. }) => (name, Some(current), Came::of(Conclusion::Skipped)),
            Ok(Prepared { current, runs: true, no_limit }) => {
                if let Some(found) = no_limit {
                    self.tell_no_limit(index, &found).await;
                }
                let came = match self.carry_out(frame, step, &current).await {
                    Ok(came) if without_env && came.outcome == Conclusion::Success => {
                        Came { outcome: Conclusion::Failure, exit_code: None, ..came }
                    }
                    Ok(came) => came,
                    Err(error) => {
                        self.complain_about(&current, &error).await;
                        let of_text = error.kind == ErrorKind::Expression;
                        Came::of(if of_text { self.outcome_of_error(goes_on) } else { error.outcome() })
                    }
                };
                (name, Some(current), came)
            }
        }
    }

    /// What a step comes to whose expressions give nothing: it is cancelled when the job was to stop meanwhile, which ends
    /// `hashFiles`.
    fn outcome_of_error(&mut self, went_on: bool) -> Conclusion {
        let stopped = went_on && self.stop.check().is_some();
        if stopped { Conclusion::Cancelled } else { Conclusion::Failure }
    }

    /// Whether what stands around a step can be evaluated.
    pub(crate) fn can_begin(&self, frame: &Frame, step: &Step, number: usize) -> bool {
        self.prepare(frame, step, number, self.next_step).is_ok()
    }

    /// Evaluates what stands around a step: its environment, its name, its condition, its limit. The limit counts from the beginning of
    /// all that, which may hash files.
    fn prepare(
        &self,
        frame: &Frame,
        step: &Step,
        number: usize,
        index: usize,
    ) -> Result<Prepared, Unprepared> {
        let began = self.stop.now();
        let by_environment = |found| Unprepared { found: Box::new(found), by_condition: false };
        let by_condition = |found| Unprepared { found: Box::new(found), by_condition: true };
        let mut current = self.around(frame, step, number, index).map_err(by_environment)?;
        let runs = step.condition.eval(&current.scope).map_err(by_condition)?;
        // As on GitHub a step that runs beside others ends with the job, whatever its condition says.
        let beside = self.changes.is_some() && frame.inside.is_none();
        current.survives =
            runs && !beside && step.condition.eval(&current.scope.cancelled()).map_err(by_condition)?;
        let limit = match (&step.timeout_minutes, runs) {
            (Some(minutes), true) => minutes_of(minutes, &current.scope),
            (Some(_) | None, _) => Ok(None),
        };
        let (limit, no_limit) = match limit {
            Ok(limit) => (limit.and_then(|limit| began.lasting(limit)), None),
            // As on GitHub.
            Err(found) => (None, Some(found)),
        };
        current.limit = StepLimit::sooner(limit, frame.limit);
        current.scope.halt =
            Some(Halt { stop: self.stop.clone(), survives: current.survives, limit: current.limit });
        Ok(Prepared { current, runs, no_limit })
    }

    /// The limit of a step as far as it is known before anything else: as a number, or by an expression that needs nothing of what
    /// the step's own environment adds. What is wrong with it is told where it counts.
    fn early_limit(&self, frame: &Frame, step: &Step, scope: &StepScope) -> Option<StepLimit> {
        let minutes = step.timeout_minutes.as_ref()?;
        let needs_env = match minutes {
            Maybe::Literal(_) => false,
            Maybe::Expression(template) => template.text().to_ascii_lowercase().contains("env"),
        };
        let limit = if needs_env { None } else { minutes_of(minutes, scope).ok().flatten() };
        StepLimit::sooner(limit.and_then(|limit| self.stop.limit(limit)), frame.limit)
    }

    /// A step with its environment, without a look at its condition and its limit; but what is computed for it is under the limit.
    pub(crate) fn around(
        &self,
        frame: &Frame,
        step: &Step,
        number: usize,
        index: usize,
    ) -> Result<Current, Diagnostic> {
        let id = id_of(frame, step, number);
        let mut scope = self.scope_before(frame, &id);
        let names = self.executor.command_files(&self.identity, &self.folders);
        let files = names.as_ref().map(|names| names.number);
        scope.add_to_github(names.into_iter().flat_map(|names| names.paths));
        let left_out = self.is_left_out(step, &scope);
        let limit = if left_out { Some(self.stop.now()) } else { self.early_limit(frame, step, &scope) };
        if limit.is_some() {
            scope.halt = Some(Halt { stop: self.stop.clone(), survives: false, limit });
        }
        let own = if left_out { Texts::default() } else { self.fields(&step.env, &scope)? };
        scope.env.extend(own.clone());
        let mut own_env = frame.env.clone();
        own_env.extend(own);
        let mut place = frame.place.clone();
        place.push(number);
        let (source, limit) = (frame.source.clone(), frame.limit);
        let call = matches!(step.kind, StepKind::Uses(_))
            .then(|| Arc::new(Call { step: step.clone(), number, frame: frame.clone() }));
        let (name, span) = (step_name(step, &scope), step.span);
        Ok(Current {
            index,
            id,
            name,
            place,
            own_env,
            scope,
            files,
            survives: false,
            limit,
            call,
            source,
            span,
        })
    }

    /// Whether it is certain, before its own environment is computed, that a step does not run any more in a job that is to end.
    /// Nothing is computed for it then.
    fn is_left_out(&self, step: &Step, scope: &StepScope) -> bool {
        let written = step.condition.written().map_or("", Template::text);
        self.stop.is_over()
            && !written.to_ascii_lowercase().contains("env")
            && matches!(step.condition.eval(scope), Ok(false))
    }

    /// What the expressions of a step see but for its own environment.
    pub(crate) fn scope_before(&self, frame: &Frame, id: &str) -> StepScope {
        let mut env = self.env.clone();
        env.extend(frame.env.clone());
        self.scope(frame, &env, Some(id))
    }

    /// Whether the job goes on. When it is to stop, its steps see that it is cancelled.
    fn goes_on(&mut self, frame: &mut Frame) -> bool {
        let goes_on = self.stop.check().is_none();
        if !goes_on {
            frame.cancel();
        }
        goes_on
    }

    /// Whether a step that the job's end met while its expressions were computed runs all the same, and so begins anew: then it has
    /// the time that such steps have.
    fn outlives(&mut self, frame: &mut Frame, step: &Step, number: usize) -> bool {
        if !step.condition.asks_status() || self.goes_on(frame) {
            return false;
        }
        let scope = self.scope_before(frame, &id_of(frame, step, number));
        step.condition.eval(&scope.cancelled()).unwrap_or(false)
    }

    async fn carry_out(
        &mut self,
        frame: &mut Frame,
        step: &Step,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        match &step.kind {
            StepKind::Run(run) => self.run_script(run, current).await,
            StepKind::Uses(uses) => self.run_action(frame, uses, current).await,
            StepKind::Wait(_) | StepKind::WaitAll | StepKind::Cancel(_) | StepKind::Parallel(_) => {
                Err(RunnerError::new(ErrorKind::ActionUnsupported, "background steps are not supported yet"))
            }
        }
    }

    /// Puts what the step came to into the contexts; gives what it counts as.
    async fn conclude(
        &mut self,
        frame: &mut Frame,
        step: &Step,
        id: &str,
        index: usize,
        came: &Came,
    ) -> Conclusion {
        let mut conclusion = came.outcome;
        match self.tolerated(frame, step, id, came) {
            Ok(true) => conclusion = Conclusion::Success,
            Ok(false) => {}
            Err(found) => self.complain_of(index, &found).await,
        }
        if step.id.is_some() {
            let mut entry = Object::new();
            entry.insert("outputs", object(&came.outputs));
            entry.insert("outcome", came.outcome.as_str());
            entry.insert("conclusion", conclusion.as_str());
            frame.steps.insert(id, Value::from(entry));
        }
        frame.count(conclusion);
        conclusion
    }

    /// Whether what a step came to is a failure that its `continue-on-error` lets not count. The outputs of the step are seen
    /// there.
    fn tolerated(&self, frame: &Frame, step: &Step, id: &str, came: &Came) -> Result<bool, Diagnostic> {
        let tolerant = step.continue_on_error.as_ref();
        if tolerant.is_none() || !came.failed() || came.unbegun {
            return Ok(false);
        }
        if step.id.is_none() || came.outputs.is_empty() {
            return self.tolerates(frame, tolerant, id);
        }
        let mut frame = frame.clone();
        frame.steps.insert(id, Value::from(Object::from_iter([("outputs", object(&came.outputs))])));
        self.tolerates(&frame, tolerant, id)
    }

    /// Whether the failure of a step with this `continue-on-error` does not count.
    pub(crate) fn tolerates(
        &self,
        frame: &Frame,
        tolerant: Option<&Maybe<bool>>,
        id: &str,
    ) -> Result<bool, Diagnostic> {
        let Some(tolerant) = tolerant else { return Ok(false) };
        let mut env = self.env.clone();
        env.extend(frame.env.iter().map(|(key, value)| (key.clone(), value.clone())));
        bool_of(tolerant, &self.scope(frame, &env, Some(id)))
    }

    /// Runs a program as part of a step, with everything it says taken in. What is heard besides is given back too.
    pub(crate) async fn run_program(
        &mut self,
        program: &Program,
        current: &Current,
        hearing: Hearing,
    ) -> Result<(Came, HeardAll), RunnerError> {
        self.run_what(What::Program(program), current, hearing).await
    }

    /// The same for a program or a container of its own.
    pub(crate) async fn run_what(
        &mut self,
        what: What<'_>,
        current: &Current,
        hearing: Hearing,
    ) -> Result<(Came, HeardAll), RunnerError> {
        let (finished, mut heard, cause) = self.start(what, current, hearing).await?;
        let step = Some(current.index);
        take_files(&mut self.log, step, &finished.files, &mut heard).await;
        let (outcome, exit_code, complaint) = match finished.ending {
            Ending::Exited(0) => (Conclusion::Success, Some(0), None),
            Ending::Exited(code) => {
                (Conclusion::Failure, Some(code), Some(exit_words(code, &heard.last_line)))
            }
            Ending::Signalled(signal) => (Conclusion::Failure, None, Some(signal_words(signal))),
            Ending::Stopped => {
                let cause = cause.unwrap_or(Cause::Cancelled);
                let timed_out = matches!(cause, Cause::StepTimeout(_));
                let outcome = if timed_out { Conclusion::Failure } else { Conclusion::Cancelled };
                (outcome, None, Some(self.stop.words(cause)))
            }
        };
        if let Some(complaint) = complaint {
            self.complain_at(current.index, &current.source, current.span, &complaint).await;
        }
        let mut came =
            Came { outcome, exit_code, outputs: std::mem::take(&mut heard.outputs), unbegun: false };
        for error in std::mem::take(&mut heard.refusals) {
            self.complain_about(current, &error).await;
            came.outcome = Conclusion::Failure;
        }
        if hearing == Hearing::Step {
            let (env, paths) = (std::mem::take(&mut heard.env), std::mem::take(&mut heard.paths));
            self.set(Changes { env, paths });
        }
        Ok((came, heard))
    }

    pub(crate) async fn start(
        &mut self,
        what: What<'_>,
        current: &Current,
        hearing: Hearing,
    ) -> Result<(Finished, HeardAll, Option<Cause>), RunnerError> {
        if self.context.breaks.is_some() && hearing == Hearing::Step {
            self.last_program = match what {
                What::Program(program) => Some(program.clone()),
                What::Container(_) => None,
            };
        }
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let stop = CancellationToken::new();
        let any_token = what
            .env()
            .get("ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS")
            .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"));
        let trusts = what
            .env()
            .get("ACTIONS_ALLOW_UNSECURE_COMMANDS")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let repository = self.request.github.get("repository").map(|name| name.to_text()).unwrap_or_default();
        let ears = Ears {
            session: Session::new(self.context.debug, any_token).trusting(trusts),
            watch: Watch::new(&self.matchers, self.places(&repository, &what)),
            debug: self.context.debug,
        };
        let step = Some(current.index);
        let mut cause: Option<Cause> = None;
        let (finished, heard) = {
            let executor = self.executor;
            let run = async {
                match what {
                    What::Program(program) => executor.run(program, sender, &stop).await,
                    What::Container(container) => executor.run_container(container, sender, &stop).await,
                }
            };
            let hear = listen(&mut self.log, step, ears, hearing, receiver);
            let watch = async {
                cause = Some(self.stop.cause(current.survives, current.limit).await);
                stop.cancel();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                both = async { tokio::join!(run, hear) } => both,
                () = watch => return Err(RunnerError::new(ErrorKind::TimedOut, "the step was stopped")),
            }
        };
        Ok((finished?, heard, cause))
    }

    /// Where files are found that the output of a step names; a Docker action sees the folders of the job in places of its own.
    fn places(&self, repository: &str, what: &What<'_>) -> Places {
        let Folders { root, workspace, actions, tools, .. } = &self.folders;
        let map = match what {
            What::Program(_) => self.map.clone(),
            What::Container(container) => container.paths(),
        };
        let places = Places::new(workspace, repository, map);
        match self.links() {
            Reach::Machine => places,
            Reach::Folder => places.beneath(vec![root.clone(), actions.clone(), tools.clone()]),
        }
    }

    /// Runs a helper of the runner: its exit code, and what was heard. Being stopped is an error.
    pub(crate) async fn run_quietly(
        &mut self,
        program: &Program,
        current: &Current,
        hearing: Hearing,
    ) -> Result<(Option<i32>, HeardAll), RunnerError> {
        let (finished, heard, cause) = self.start(What::Program(program), current, hearing).await?;
        match finished.ending {
            Ending::Exited(code) => Ok((Some(code), heard)),
            Ending::Signalled(_) => Ok((None, heard)),
            Ending::Stopped => Err(RunnerError::stopped(cause.unwrap_or(Cause::Cancelled), &self.stop)),
        }
    }

    /// Says what failed, with the place of the step.
    pub(crate) async fn complain_at(&mut self, index: usize, source: &Source, span: Span, message: &str) {
        let placed = format!("{}:{}: {message}", source.name, span.start);
        self.complain(Some(index), &placed, Some((&source.name, span.start.line))).await;
    }

    /// Says what failed; an error of the expression language has its place already.
    pub(crate) async fn complain_about(&mut self, current: &Current, error: &RunnerError) {
        if error.kind == ErrorKind::Expression {
            let place = Some((&*current.source.name, current.span.start.line));
            self.complain(Some(current.index), &error.message, place).await;
        } else {
            self.complain_at(current.index, &current.source, current.span, &error.to_string()).await;
        }
    }

    /// Says which action could not be fetched, and who asks for it.
    pub(crate) async fn complain_of_unfetched(&mut self, unfetched: &Unfetched) {
        let Unfetched { error, source, span } = unfetched;
        let placed = format!("{}:{}: {error}", source.name, span.start);
        self.complain(None, &placed, Some((&source.name, span.start.line))).await;
    }

    /// Says that a limit could not be evaluated; as on GitHub the step runs without one.
    pub(crate) async fn tell_no_limit(&mut self, index: usize, found: &Diagnostic) {
        let message = format!("the step runs without a limit: {found}");
        self.log.annotate(Annotation { step: Some(index), ..Annotation::new(Level::Error, message) }).await;
    }

    pub(crate) async fn complain_of(&mut self, index: usize, found: &Diagnostic) {
        let place = Some((&*found.source.name, found.span.start.line));
        self.complain(Some(index), &found.to_string(), place).await;
    }
}

/// The name of a step as people know it, with its expressions evaluated.
fn step_name(step: &Step, scope: &StepScope) -> String {
    let named = step.name.as_ref().and_then(|name| name.eval_string(scope).ok());
    let named = named.map(|name| first_line(&name).to_owned()).filter(|name| !name.is_empty());
    match (named, &step.kind) {
        (Some(name), _) => name,
        (None, StepKind::Run(run)) => {
            let text = run.run.eval_string(scope).unwrap_or_else(|_| run.run.text().into());
            format!("Run {}", first_line(&text))
        }
        (
            None,
            StepKind::Uses(_)
            | StepKind::Wait(_)
            | StepKind::WaitAll
            | StepKind::Cancel(_)
            | StepKind::Parallel(_),
        ) => fallback_name(step),
    }
}

/// The first line of a text that is not blank: a step is named on one line, as on GitHub.
fn first_line(text: &str) -> &str {
    text.trim_start().lines().next().unwrap_or_default().trim_end()
}

/// The name a step goes by in the contexts.
pub(crate) fn id_of(frame: &Frame, step: &Step, number: usize) -> String {
    let named = step.id.as_ref().map(|id| &id.value);
    named.or_else(|| frame.names.get(number)).cloned().unwrap_or_default()
}

fn fallback_name(step: &Step) -> String {
    match (&step.name, &step.kind) {
        (Some(name), _) => first_line(name.text()).to_owned(),
        (None, StepKind::Run(run)) => format!("Run {}", first_line(run.run.text())),
        (None, StepKind::Uses(uses)) => format!("Run {}", written(&uses.uses.value)),
        (None, StepKind::Wait(_)) => "Wait".to_owned(),
        (None, StepKind::WaitAll) => "Wait for all".to_owned(),
        (None, StepKind::Cancel(_)) => "Cancel".to_owned(),
        (None, StepKind::Parallel(_)) => "Parallel group".to_owned(),
    }
}

/// An action as it is written in `uses`.
pub(crate) fn written(uses: &Uses) -> String {
    uses.to_string()
}

fn exit_words(code: i32, last_line: &str) -> String {
    let mut words = format!("the process ended with exit code {code}");
    if !last_line.is_empty() {
        words += &format!("; its last line was: {last_line}");
    }
    match code {
        126 => words += " (a file that was to be started is not executable; chmod +x it and commit that)",
        127 => {
            words +=
                " (a program or script was not found; check its name, and that the repository is checked out)"
        }
        _ => {}
    }
    words
}

/// How a signal ended a process. The numbers are Linux's.
fn signal_words(signal: i32) -> String {
    let crash = match signal {
        4 => "it ran an illegal instruction",
        6 => "it aborted itself",
        7 | 11 => "it used memory that it has not got",
        8 => "its arithmetic failed",
        31 => "it made a system call that it may not make",
        9 => {
            return "the process was ended by signal 9 from outside; it may have run out of memory"
                .to_owned();
        }
        _ => return format!("the process was ended by signal {signal}"),
    };
    format!("the process crashed with signal {signal}: {crash}")
}

/// The limit of a step; the number 0 is none.
pub(crate) fn minutes_of(minutes: &Maybe<f64>, scope: &dyn Scope) -> Result<Option<Duration>, Diagnostic> {
    let (value, source, span) = match minutes {
        Maybe::Literal(value) if value.value == 0.0 => return Ok(None),
        Maybe::Literal(value) => return Ok(Some(from_minutes(value.value).unwrap_or(Duration::MAX))),
        Maybe::Expression(template) => (template.eval_value(scope)?, template.source(), template.span()),
    };
    let wrong = || {
        let message =
            format!("timeout-minutes must be a number of at least 0, and is {:?}", &*value.to_text());
        hint(Diagnostic::error("SW0514", source, span, message), &value)
    };
    match value.as_number() {
        Some(0.0) => Ok(None),
        Some(minutes) => from_minutes(minutes).map(Some).ok_or_else(wrong),
        None => Err(wrong()),
    }
}

/// Says how text becomes the value that it stands for: as on GitHub it is none of itself.
fn hint(found: Diagnostic, value: &Value) -> Diagnostic {
    match value.as_str() {
        Some(_) => found.with_help("fromJSON(..) turns text into the value that it stands for"),
        None => found,
    }
}

fn from_minutes(minutes: f64) -> Option<Duration> {
    if minutes > 0.0 { Duration::try_from_secs_f64(minutes * 60.0).ok() } else { None }
}

fn bool_of(value: &Maybe<bool>, scope: &dyn Scope) -> Result<bool, Diagnostic> {
    match value {
        Maybe::Literal(value) => Ok(value.value),
        Maybe::Expression(template) => {
            let value = template.eval_value(scope)?;
            value.as_bool().ok_or_else(|| {
                let text = value.to_text();
                let message = format!("continue-on-error must be true or false, and is {:?}", &*text);
                hint(Diagnostic::error("SW0514", template.source(), template.span(), message), &value)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::signal_words;

    #[test]
    fn a_crash_is_no_kill_from_outside() {
        let check = |signal, expect: &str| assert_eq!(signal_words(signal), expect);
        check(9, "the process was ended by signal 9 from outside; it may have run out of memory");
        check(11, "the process crashed with signal 11: it used memory that it has not got");
        check(6, "the process crashed with signal 6: it aborted itself");
        check(15, "the process was ended by signal 15");
    }
}
