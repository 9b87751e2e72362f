//! Opening the place of a job before its first step, and closing it after its last.

use crate::{
    context::JobContext,
    error::{ErrorKind, RunnerError},
    executor::{Chunk, Executor, Folders, JobIdentity},
    listen::{Ears, Hearing, listen},
    log::Log,
    place::Opened,
    report::{Annotation, Level},
    stop::Stop,
    wants::{place, wants},
};
use shipway_base::Span;
use shipway_workflow::{
    document::ContainerSpec,
    run::{Conclusion, JobRequest},
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

/// Makes the folders and containers of a job.
pub(crate) async fn open(
    log: &mut Log,
    request: &JobRequest,
    context: &JobContext,
    executor: &dyn Executor,
    identity: &JobIdentity,
    stop: &mut Stop,
) -> Result<Opened, Unopened> {
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
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let token = CancellationToken::new();
    let mut cause = None;
    let opened = {
        let watch = async {
            cause = Some(stop.cause(false, None).await);
            token.cancel();
            std::future::pending::<()>().await
        };
        tokio::select! {
            (opened, ()) = async { tokio::join!(executor.open(identity, &wants, sender, &token), hear(log, None, receiver)) } => opened,
            () = watch => Err(RunnerError::new(ErrorKind::TimedOut, "the job was stopped")),
        }
    };
    let (error, cause) = match (opened, cause) {
        (Ok(opened), _) => return Ok(opened),
        (Err(error), cause) => (error, cause),
    };
    executor.forget(identity);
    let (conclusion, error) = match (error, cause) {
        // The limit of a job that is over before its first step is seen again by whoever asks.
        (_, Some(cause)) => {
            return Err(unopened(log, Conclusion::Cancelled, &cause.words(), None).await);
        }
        (error, None) => (Conclusion::Failure, error),
    };
    let Some(part) = &error.part else {
        return Err(unopened(log, conclusion, &error.to_string(), None).await);
    };
    let (source, span) = (&request.workflow.source, place(request, part));
    let message = format!("{}:{}: {error}", source.name, span.start);
    Err(unopened(log, conclusion, &message, Some((source.name.to_string(), span))).await)
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

/// Takes what an executor tells until it is done.
pub(crate) async fn hear(log: &mut Log, step: Option<usize>, receiver: mpsc::Receiver<Chunk>) {
    listen(log, step, Ears::deaf(), Hearing::Plain, receiver).await;
}
