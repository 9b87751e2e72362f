//! Making images ready: looking whether the engine has them, and pulling them.

use super::{
    auth,
    draft::Pull,
    engine::{Engine, is_missing, words},
    image::with_tag,
};
use crate::{
    error::{ErrorKind, RunnerError},
    executor::Chunk,
};
use bollard::{auth::DockerCredentials, query_parameters::CreateImageOptions};
use futures_util::StreamExt as _;
use shipway_base::Secret;
use std::{path::Path, time::Duration};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

/// Longest silence of a registry. Layers that arrive or are unpacked say so several times a second.
const SILENCE: Duration = Duration::from_secs(300);
/// How often a pull is begun when its failure may pass.
const TRIES: usize = 3;
/// From one try to the next.
const PAUSE: Duration = Duration::from_secs(2);

/// An image that is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// Its name.
    pub(super) image: &'a str,
    /// Its platform, when that is not the engine's.
    pub(super) platform: Option<&'a str>,
    /// Who asks the registry.
    pub(super) credentials: Option<&'a (String, Secret)>,
    /// When it is pulled.
    pub(super) pull: Pull,
    /// The folder of Docker's `config.json`, for registries that somebody has logged in to.
    pub(super) config: Option<&'a Path>,
}

/// Makes sure that the engine has an image.
pub(super) async fn ensure(
    engine: &Engine,
    wanted: Wanted<'_>,
    output: &mpsc::Sender<Chunk>,
    stop: &CancellationToken,
) -> Result<(), RunnerError> {
    let Wanted { image, pull, .. } = wanted;
    if pull != Pull::Always {
        match engine.api.inspect_image(image).await {
            Ok(_) => return Ok(()),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(image_error(image, &words(&error))),
        }
    }
    if pull == Pull::Never {
        return Err(image_error(image, "the engine does not have it, and options says --pull never"));
    }
    // Nobody listens any more; the image is wanted all the same.
    let _ = output.send(format!("Pull {image}\n").into_bytes()).await;
    let mut tries = 0;
    loop {
        tries += 1;
        let failed = tokio::select! {
            outcome = pull_once(engine, wanted, output) => match outcome {
                Ok(()) => return Ok(()),
                Err(why) => why,
            },
            () = stop.cancelled() => return Err(image_error(image, "the job was stopped")),
        };
        if tries == TRIES || !may_pass(&failed) {
            return Err(image_error(image, &failed));
        }
        let _ = output.send(format!("{failed}; it is tried again\n").into_bytes()).await;
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => return Err(image_error(image, "the job was stopped")),
        }
    }
}

async fn pull_once(engine: &Engine, wanted: Wanted<'_>, output: &mpsc::Sender<Chunk>) -> Result<(), String> {
    let options = CreateImageOptions {
        from_image: Some(with_tag(wanted.image)),
        platform: wanted.platform.unwrap_or_default().to_owned(),
        ..CreateImageOptions::default()
    };
    let credentials = credentials(wanted);
    let mut news = Box::pin(engine.api.create_image(Some(options), None, credentials));
    loop {
        let Ok(next) = timeout(SILENCE, news.next()).await else {
            return Err(format!("the registry was silent for {} s", SILENCE.as_secs()));
        };
        let info = match next {
            None => return Ok(()),
            Some(Ok(info)) => info,
            Some(Err(error)) => return Err(words(&error)),
        };
        // Progress of a layer would be thousands of lines.
        let moving = info
            .progress_detail
            .is_some_and(|progress| progress.total.is_some() || progress.current.is_some());
        if let (Some(status), false) = (info.status, moving) {
            let line = match info.id {
                Some(id) => format!("{id}: {status}\n"),
                None => format!("{status}\n"),
            };
            let _ = output.send(line.into_bytes()).await;
        }
    }
}

fn credentials(wanted: Wanted<'_>) -> Option<DockerCredentials> {
    let host = super::image::registry_host(wanted.image);
    let (username, password) = match wanted.credentials {
        Some((username, password)) => (username.clone(), password.expose().to_owned()),
        None => auth::stored(wanted.config?, host)?,
    };
    Some(DockerCredentials {
        username: Some(username),
        password: Some(password),
        serveraddress: (!host.is_empty()).then(|| host.to_owned()),
        ..DockerCredentials::default()
    })
}

/// Whether the same request may succeed a moment later.
fn may_pass(why: &str) -> bool {
    let why = why.to_ascii_lowercase();
    [
        "timeout",
        "eof",
        "connection reset",
        "too many requests",
        "toomanyrequests",
        "503",
        "502",
        "500 internal",
    ]
    .iter()
    .any(|sign| why.contains(sign))
        && !why.contains("no such host")
}

fn image_error(image: &str, why: &str) -> RunnerError {
    RunnerError::new(ErrorKind::Image, format!("the image {image} cannot be had: {why}")).with_help(
        "check its name and tag; for a private registry give credentials, and for an image of this machine make it with docker build or docker import first",
    )
}

/// An image that cannot be built, and why.
pub(super) fn build_error(file: &Path, why: &str) -> RunnerError {
    RunnerError::new(ErrorKind::Image, format!("the image of {} cannot be built: {why}", file.display()))
        .with_help("look at the last lines of the build above, and try docker build in that folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(may_pass("received unexpected HTTP status: 503 Service Unavailable"));
        assert!(may_pass("net/http: TLS handshake timeout"));
        assert!(!may_pass("pull access denied for x, repository does not exist"));
        assert!(!may_pass("dial tcp: lookup x: no such host (i/o timeout)"));
    }
}
