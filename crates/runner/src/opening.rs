//! Opening the place of a job before its first step, and closing it after its last.

use crate::{
    context::JobContext,
    error::{ErrorKind, RunnerError},
    executor::{Chunk, Executor, Folders, JobIdentity},
    listen::{Ears, Hearing, listen},
    log::Log,
    place::{ContainerSpec, Opened, Wants},
    platform::image_for,
    report::{Annotation, Level},
    stop::Stop,
};
use shipway_workflow::run::{Conclusion, JobRequest};
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
    let wants = wants(request, context);
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
            (opened, ()) = async { tokio::join!(executor.open(identity, &wants, sender, &token), hear(log, receiver)) } => opened,
            () = watch => Err(RunnerError::new(ErrorKind::TimedOut, "the job was stopped")),
        }
    };
    let (conclusion, message) = match (opened, cause) {
        (Ok(opened), _) => return Ok(opened),
        // The limit of a job that is over before its first step is seen again by whoever asks.
        (Err(_), Some(cause)) => (Conclusion::Cancelled, cause.words()),
        (Err(error), None) => (Conclusion::Failure, error.to_string()),
    };
    log.annotate(Annotation::new(Level::Error, message.clone())).await;
    Err(Unopened { conclusion, reason: log.masker.mask(&message) })
}

/// Ends what the job left running and removes its folders and containers.
pub(crate) async fn close(
    log: &mut Log,
    executor: &dyn Executor,
    identity: &JobIdentity,
    folders: &Folders,
) -> Result<(), RunnerError> {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    tokio::join!(executor.close(identity, folders, sender), hear(log, receiver)).0
}

async fn hear(log: &mut Log, receiver: mpsc::Receiver<Chunk>) {
    listen(log, None, Ears::deaf(), Hearing::Plain, receiver).await;
}

/// What the document and the settings ask for.
fn wants(request: &JobRequest, context: &JobContext) -> Wants {
    let repository = request.github.get("repository").map(|name| name.to_text().to_string());
    let repository = repository.unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
    let image = image_for(&context.platforms, &request.runs_on);
    let container = image.map(|image| ContainerSpec { image: image.to_owned(), ..ContainerSpec::default() });
    Wants { container, repository, ..Wants::default() }
}
