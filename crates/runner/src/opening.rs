//! Opening the place of a job before its first step and starting its containers, and all that again backwards after its last.

use crate::{
    context::JobContext,
    error::{ErrorKind, Part, RunnerError},
    executor::{Chunk, Executor, Folders, JobIdentity},
    hooks::When,
    job::{Frame, Job},
    listen::{Ears, Hearing, listen},
    log::Log,
    place::Wants,
    report::{Annotation, Level},
    script::{RunDefaults, expression},
    stop::Stop,
    wants::{place, wants},
};
use shipway_base::Span;
use shipway_workflow::{
    document::{ContainerSpec, Services},
    expr::{Value, as_json},
    run::{Conclusion, JobRequest},
};
use std::{
    borrow::Cow,
    fs,
    io::{self, BufWriter, Write as _},
    path::Path,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many chunks of news may wait to be read.
const CHUNKS: usize = 32;

/// Why a job has no place to run in. It was told already.
#[derive(Debug)]
pub(crate) struct Unopened {
    /// Failure, or cancelled when the job was to stop meanwhile.
    pub(crate) conclusion: Conclusion,
    /// The reason, masked.
    pub(crate) reason: String,
}

/// Makes the folders of a job, and works out what containers it wants.
pub(crate) async fn open(
    log: &mut Log,
    request: &JobRequest,
    context: &JobContext,
    executor: &dyn Executor,
    identity: &JobIdentity,
    stop: &mut Stop,
) -> Result<(Folders, Wants), Unopened> {
    let wants = match wants(request, context, &executor.folders(identity)) {
        Ok(wants) => wants,
        Err(found) => {
            executor.forget(identity);
            let place = Some((found.source.name.to_string(), found.span));
            return Err(unopened(log, Conclusion::Failure, &found.to_string(), place).await);
        }
    };
    for (_, service) in &wants.services {
        add_password(log, service);
    }
    wants.container.iter().for_each(|container| add_password(log, container));
    let opened = tokio::select! {
        opened = executor.open(identity) => opened.map_err(|error| (Conclusion::Failure, error.to_string())),
        cause = stop.cause(false, None) => Err((Conclusion::Cancelled, stop.words(cause))),
    };
    match opened {
        Ok(folders) => Ok((folders, wants)),
        Err((conclusion, message)) => {
            executor.forget(identity);
            Err(unopened(log, conclusion, &message, None).await)
        }
    }
}

impl Job<'_> {
    /// What comes before the first step, in the order of GitHub's runner: actions are fetched, the script of the operator runs,
    /// containers start. Answers whether there is a place for steps.
    pub(crate) async fn begin(&mut self, frame: &mut Frame, wants: &Wants) -> bool {
        let stop = self.stop.clone();
        let steps = &self.request.body.steps;
        self.contained = wants.container.is_some();
        self.knows_bash = !wants.container_asked_for;
        if let Err(error) = self.write_event() {
            self.fail(frame, &error).await;
            return false;
        }
        let fetched = tokio::select! {
            biased;
            fetched = Box::pin(self.fetch_actions(steps, &frame.source, None, None)) => fetched,
            // Told below, like every end before the time.
            _ = stop.cause(false, None) => Ok(()),
        };
        if let Err(unfetched) = fetched {
            self.complain_of_unfetched(&unfetched).await;
            frame.fail();
            return false;
        }
        Box::pin(self.run_hook(frame, When::Started)).await;
        self.tell_of_left_out(wants).await;
        let mut wants = Cow::Borrowed(wants);
        if frame.status != Conclusion::Success {
            // Containers start for a job that went well so far. Steps that run all the same do so without services, and
            // never outside of the container that they are meant for.
            if wants.container.is_some() {
                return false;
            }
            wants.to_mut().services.clear();
        }
        match Box::pin(self.enter(&wants)).await {
            Ok(None) => {}
            Ok(Some(reason)) => {
                frame.fail();
                self.reason.get_or_insert(reason);
            }
            Err(Unopened { conclusion, reason }) => {
                frame.status = conclusion;
                self.reason.get_or_insert(reason);
                return false;
            }
        }
        let entered = self.enter_services().await;
        let entered = entered.and_then(|()| if self.map.is_empty() { Ok(()) } else { self.write_event() });
        if let Err(error) = entered.and_then(|()| self.set_up(frame)) {
            self.fail(frame, &error).await;
            return false;
        }
        true
    }

    /// Names the services whose image turned out empty; nothing else tells of them.
    async fn tell_of_left_out(&mut self, wants: &Wants) {
        let Some(Services::Entries(entries)) = &self.request.body.services else { return };
        for name in entries.iter().filter_map(|(key, _)| key.name()) {
            if !wants.services.iter().any(|(wanted, _)| wanted == name) {
                let line = format!("The service {name} is not started, since its image is empty");
                self.log.line(None, &line).await;
            }
        }
    }

    async fn fail(&mut self, frame: &mut Frame, error: &RunnerError) {
        let expression = error.kind == ErrorKind::Expression;
        let text = if expression { error.message.clone() } else { error.to_string() };
        self.complain(None, &text, None).await;
        frame.fail();
    }

    /// Writes the event where the steps see it.
    fn write_event(&mut self) -> Result<(), RunnerError> {
        if self.executor.is_real() {
            let path = self.folders.workflow.join("event.json");
            let event = self.github.get("event").unwrap_or(&Value::Null);
            write_json(&path, event).map_err(|error| RunnerError::io("write", &path, error))?;
            self.github.insert("event_path", self.map.inside_text(&path));
        }
        Ok(())
    }

    /// Evaluates `env` of the workflow and the job, and what their steps do by default. What the script of the operator has set comes before it.
    fn set_up(&mut self, frame: &Frame) -> Result<(), RunnerError> {
        let (request, mut env) = (self.request, self.env.clone());
        for fields in [&request.workflow.env, &request.body.env] {
            let scope = self.scope(frame, &env, None);
            let values = self.fields(fields, &scope).map_err(|found| expression(&found))?;
            env.extend(values);
        }
        env.append(&mut self.env);
        self.env = env;
        let scope = self.scope(frame, &self.env, None);
        self.run_defaults = RunDefaults::of(request, &scope).map_err(|found| expression(&found))?;
        Ok(())
    }

    /// Starts the containers of the job, and sees everything from now on as its steps do. As on GitHub a failure of a service leaves
    /// a job that has failed, whose steps that run all the same do so where they are meant to: then the answer is the reason,
    /// masked, which was told.
    async fn enter(&mut self, wants: &Wants) -> Result<Option<String>, Unopened> {
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let token = CancellationToken::new();
        let mut cause = None;
        let entered = {
            let watch = async {
                cause = Some(self.stop.cause(false, None).await);
                token.cancel();
                std::future::pending::<()>().await
            };
            let enter = self.executor.enter(&self.identity, &self.folders, wants, sender, &token);
            let hear = hear(&mut self.log, None, receiver);
            tokio::select! {
                (entered, ()) = async { tokio::join!(enter, hear) } => entered,
                () = watch => Err(RunnerError::new(ErrorKind::TimedOut, "the job was stopped")),
            }
        };
        let (opened, error) = match entered {
            Ok(mut opened) => {
                let unready = opened.unready.take();
                (Some(opened), unready)
            }
            Err(error) => (None, Some(error)),
        };
        // The limit of a job that is over before its first step is seen again by whoever asks.
        if let (Some(_), Some(cause)) = (&error, cause) {
            let why = self.stop.words(cause);
            return Err(unopened(&mut self.log, Conclusion::Cancelled, &why, None).await);
        }
        let has_place = opened.is_some() || wants.container.is_none();
        if let Some(opened) = opened {
            self.settle(opened);
        }
        let Some(error) = error else { return Ok(None) };
        // What is wrong with the engine itself belongs to whoever wants it.
        let first = wants.services.first().map(|(name, _)| Part::Service(name.clone()));
        let asks = if wants.container.is_some() { Some(Part::Container) } else { first };
        let (message, place) = match &error.part.clone().or(asks) {
            Some(part) => {
                let (source, span) = (&self.request.workflow.source, place(self.request, part));
                let message = format!("{}:{}: {error}", source.name, span.start);
                (message, Some((source.name.to_string(), span)))
            }
            None => (error.to_string(), None),
        };
        let told = unopened(&mut self.log, Conclusion::Failure, &message, place).await;
        if has_place { Ok(Some(told.reason)) } else { Err(told) }
    }

    /// Stops them again.
    pub(crate) async fn leave(&mut self) {
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let left = self.executor.leave(&self.identity, sender);
        if let Err(error) = tokio::join!(left, hear(&mut self.log, None, receiver)).0 {
            tracing::warn!(%error, job = self.identity.folder, "containers are left, and removed later");
        }
    }
}

fn add_password(log: &mut Log, container: &ContainerSpec) {
    if let Some((_, password)) = &container.credentials {
        log.masker.add(password.expose());
    }
}

/// Says why there is no place, beside the code when it is known where.
async fn unopened(
    log: &mut Log,
    conclusion: Conclusion,
    message: &str,
    place: Option<(String, Span)>,
) -> Unopened {
    let mut annotation = Annotation::new(Level::Error, message);
    if let Some((file, span)) = place {
        (annotation.file, annotation.line) = (Some(file), Some(span.start.line));
    }
    log.annotate(annotation).await;
    Unopened { conclusion, reason: log.masker.mask(message) }
}

/// Ends what the job left running and removes its folders and containers.
pub(crate) async fn close(
    log: &mut Log,
    executor: &dyn Executor,
    identity: &JobIdentity,
    folders: &Folders,
) -> Result<(), RunnerError> {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    tokio::join!(executor.close(identity, folders, sender), hear(log, None, receiver)).0
}

/// Writes a value as JSON, piece by piece: its text may be large.
fn write_json(path: &Path, value: &Value) -> io::Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    as_json::serialize(value, &mut serde_json::Serializer::new(&mut file))?;
    file.flush()
}

/// Takes what an executor tells until it is done.
pub(crate) async fn hear(log: &mut Log, step: Option<usize>, receiver: mpsc::Receiver<Chunk>) {
    listen(log, step, Ears::deaf(), Hearing::Plain, receiver).await;
}
