//! A job that stays at a failed step until somebody has decided.

use super::{Break, Broken, Decision, Request};
use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Ending, Program, ProgramPlace, Script, Streams, Terminal},
    job::{Frame, Job},
    listen::{HeardAll, Hearing, take_files},
    report::{Annotation, BreakNews, Level, ReportKind},
    shell::Shell,
    slots::Lent,
    steps::{Came, Current, What, written},
    stop::StepLimit,
};
use shipway_workflow::{
    Texts,
    document::{Step, StepKind},
    run::Conclusion,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Requests that may wait; whoever asks waits for the answer before the next one anyway.
const REQUESTS: usize = 8;

/// What a try of a step may change in its job, as it was before.
#[derive(Debug)]
pub(crate) struct Mark {
    env: Texts,
    paths: Vec<String>,
    posts: usize,
    reason: Option<String>,
}

/// How the step goes on.
#[derive(Debug)]
#[must_use]
pub(crate) enum Stay {
    /// It has come to this.
    Over(Came),
    /// It is tried again, as written here or as before.
    Again(Option<Box<Step>>),
}

/// A try that failed.
pub(crate) struct Failed<'s> {
    /// The step as it was tried.
    pub(crate) step: &'s Step,
    /// Which of the steps of its document it is.
    pub(crate) number: usize,
    /// Its number in the reports.
    pub(crate) index: usize,
    /// What people call it.
    pub(crate) name: &'s str,
    /// How often it was tried.
    pub(crate) tries: u32,
    /// What was worked out about it before it ran; nothing when that is what failed.
    pub(crate) current: Option<Current>,
}

impl Job<'_> {
    /// Remembers what a step may change, when it may have to be undone.
    pub(crate) fn mark(&mut self) -> Option<Mark> {
        self.context.breaks.as_ref()?;
        self.last_program = None;
        Some(Mark {
            env: self.env.clone(),
            paths: self.paths.clone(),
            posts: self.posts.len(),
            reason: self.reason.clone(),
        })
    }

    fn undo(&mut self, mark: &Mark) {
        self.env.clone_from(&mark.env);
        self.paths.clone_from(&mark.paths);
        self.posts.truncate(mark.posts);
        self.reason.clone_from(&mark.reason);
    }

    /// Waits at a step that failed until somebody has decided. A failure for which somebody has decided within a
    /// composite action is not asked about a second time.
    pub(crate) async fn stay(
        &mut self,
        frame: &Frame,
        failed: Failed<'_>,
        mark: &Mark,
        mut came: Came,
    ) -> Stay {
        let Some(breaks) = self.context.breaks.clone() else { return Stay::Over(came) };
        if self.stop.check().is_some() {
            return Stay::Over(came);
        }
        if std::mem::take(&mut self.let_go) {
            self.let_go = frame.inside.is_some();
            return Stay::Over(came);
        }
        let index = failed.index;
        let place = (self.request.key.clone(), self.request.attempt, index);
        let current = failed.current.clone().unwrap_or_else(|| self.stand_in(frame, &failed));
        let current = Current { limit: None, survives: false, ..current };
        let program = self
            .last_program
            .clone()
            .filter(|program| program.place == ProgramPlace::Job)
            .unwrap_or_else(|| self.program_of(&current));
        let (requests, mut asked) = mpsc::channel(REQUESTS);
        let broken = self.broken(frame, &failed, &program, mark, &came);
        self.stop.hold();
        let slot = Lent::lend(&self.context.slots);
        breaks.put(place.clone(), Break { broken, requests });
        self.tell(index, BreakNews::Waits).await;
        let decision = loop {
            let request = tokio::select! {
                biased;
                () = self.stop.cancelled() => break Decision::GoOn,
                request = asked.recv() => request,
            };
            let done = match request {
                None => break Decision::GoOn,
                Some(Request::Decide(decision)) => break decision,
                Some(Request::Exec(text)) => self.exec(&program, &current, text, &mut came).await,
                Some(Request::Shell(terminal)) => self.shell(&program, &current, terminal, &mut came).await,
            };
            let news = match done {
                Ok(code) => BreakNews::Done(code),
                Err(error) => BreakNews::Refused(self.log.masker.mask(&error.to_string())),
            };
            self.tell(index, news).await;
        };
        // Whoever never came for it finds nothing any more.
        drop(breaks.take(&place.0, place.1, place.2));
        slot.take_back().await;
        self.stop.release();
        self.carry_on(frame, &failed, mark, came, decision).await
    }

    async fn carry_on(
        &mut self,
        frame: &Frame,
        failed: &Failed<'_>,
        mark: &Mark,
        mut came: Came,
        decision: Decision,
    ) -> Stay {
        let index = failed.index;
        if let Some(outcome) = decision.outcome() {
            came.outcome = outcome;
        }
        match decision {
            Decision::Retry(step) => {
                self.undo(mark);
                self.tell(index, BreakNews::Again).await;
                Stay::Again(step)
            }
            Decision::Skip => {
                self.reason.clone_from(&mark.reason);
                self.tell(index, BreakNews::Skipped).await;
                let code = came.exit_code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
                let text = format!(
                    "{} failed{code}, and was skipped by hand: it counts as successful in this run only",
                    failed.name
                );
                let annotation = Annotation { step: Some(index), ..Annotation::new(Level::Warning, text) };
                self.log.annotate(annotation).await;
                Stay::Over(came)
            }
            Decision::GoOn => {
                self.let_go = frame.inside.is_some();
                self.tell(index, BreakNews::WentOn).await;
                Stay::Over(came)
            }
        }
    }

    async fn tell(&mut self, index: usize, news: BreakNews) {
        self.log.send(ReportKind::Break { index, news }).await;
    }

    fn broken(
        &self,
        frame: &Frame,
        failed: &Failed<'_>,
        program: &Program,
        mark: &Mark,
        came: &Came,
    ) -> Broken {
        let mask = |text: &str| self.log.masker.mask(text);
        let command = match (&program.script, &failed.step.kind) {
            (Some(script), StepKind::Run(_)) => script.text.trim_end().to_owned(),
            (None, StepKind::Run(run)) => run.run.text().trim_end().to_owned(),
            (_, StepKind::Uses(uses)) => written(&uses.uses.value),
            (_, StepKind::Wait(_) | StepKind::WaitAll | StepKind::Cancel(_) | StepKind::Parallel(_)) => {
                failed.name.to_owned()
            }
        };
        Broken {
            job_id: self.request.job_id.clone(),
            number: failed.number,
            name: mask(failed.name),
            command: mask(&command),
            argv: program.argv.iter().map(|word| mask(word)).collect(),
            exit_code: came.exit_code,
            // A reason from before this step is not about it.
            reason: self.reason.clone().filter(|_| mark.reason.is_none()),
            tries: failed.tries,
            file: frame.source.name.to_string(),
            line: failed.step.span.start.line,
            in_workflow: frame.source == self.request.workflow.source,
            workspace: self.folders.workspace.clone(),
            directory: program.directory.clone(),
        }
    }

    /// What is known of a step whose own environment or condition cannot be worked out.
    fn stand_in(&self, frame: &Frame, failed: &Failed<'_>) -> Current {
        let mut env = self.env.clone();
        env.extend(frame.env.iter().map(|(key, value)| (key.clone(), value.clone())));
        Current {
            place: Vec::new(),
            own_env: Texts::new(),
            index: failed.index,
            id: String::new(),
            name: failed.name.to_owned(),
            scope: self.scope(frame, &env, None),
            files: None,
            survives: false,
            limit: None::<StepLimit>,
            call: None,
            source: frame.source.clone(),
            span: failed.step.span,
        }
    }

    /// Where a program of the step would run, when it came to none.
    fn program_of(&self, current: &Current) -> Program {
        Program {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            argv: Vec::new(),
            script: None,
            directory: self.map.inside(&self.folders.workspace),
            env: self.environment(&current.scope),
            place: ProgramPlace::Job,
            streams: Streams::default(),
            files: None,
        }
    }

    async fn exec(
        &mut self,
        program: &Program,
        current: &Current,
        text: String,
        came: &mut Came,
    ) -> Result<Option<i32>, RunnerError> {
        let shells = self.shells();
        let has_bash = {
            let path = shells.as_deref().or(program.env.get("PATH").map(String::as_str)).unwrap_or_default();
            self.executor.has_program(&self.identity, "bash", path, &program.directory).await
        };
        let shell = Shell::default_shell(has_bash);
        let script = Script { text: text + "\n", extension: shell.extension, shells };
        let program = Program { argv: shell.argv, script: Some(script), ..program.clone() };
        let (finished, mut heard, _cause) =
            self.start(What::Program(&program), current, Hearing::Step).await?;
        take_files(&mut self.log, Some(current.index), &finished.files, &mut heard).await;
        self.add(heard, came)?;
        Ok(code_of(finished.ending))
    }

    async fn shell(
        &mut self,
        program: &Program,
        current: &Current,
        terminal: Terminal,
        came: &mut Came,
    ) -> Result<Option<i32>, RunnerError> {
        let argv: &[&str] = if self.has_program("bash", &program.env, &program.directory).await {
            &["bash", "--noprofile", "--norc", "-i"]
        } else {
            &["sh", "-i"]
        };
        let mut program =
            Program { argv: argv.iter().map(|word| (*word).to_owned()).collect(), ..program.clone() };
        program.env.entry("PS1".to_owned()).or_insert_with(|| "[failed step] \\w \\$ ".to_owned());
        let stop = CancellationToken::new();
        let executor = self.executor;
        let finished = {
            let watch = async {
                let _cause = self.stop.cause(false, None).await;
                stop.cancel();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                finished = executor.interact(&program, terminal, &stop) => finished?,
                () = watch => return Err(RunnerError::new(ErrorKind::TimedOut, "the shell was stopped")),
            }
        };
        let mut heard = HeardAll::default();
        take_files(&mut self.log, Some(current.index), &finished.files, &mut heard).await;
        self.add(heard, came)?;
        Ok(code_of(finished.ending))
    }

    /// Adds what a shell or a script beside the step left in its command files to what the step itself did.
    fn add(&mut self, heard: HeardAll, came: &mut Came) -> Result<(), RunnerError> {
        came.outputs.extend(heard.outputs);
        self.env.extend(heard.env);
        for path in heard.paths {
            self.paths.retain(|known| *known != path);
            self.paths.insert(0, path);
        }
        heard.refusals.into_iter().next().map_or(Ok(()), Err)
    }
}

fn code_of(ending: Ending) -> Option<i32> {
    match ending {
        Ending::Exited(code) => Some(code),
        Ending::Signalled(_) | Ending::Stopped => None,
    }
}

impl Came {
    /// Whether it is a failure that counts for more than its step.
    pub(crate) fn failed(&self) -> bool {
        self.outcome == Conclusion::Failure
    }
}
