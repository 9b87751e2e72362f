//! The connection to a container engine.

use super::{
    address::{NO_SOCKET, candidates, unanswered},
    proxies,
};
use crate::{
    containers::EngineSettings,
    error::{ErrorKind, RunnerError},
};
use bollard::{API_DEFAULT_VERSION, Docker, errors::Error};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long a request may take to be answered, in seconds. Answers that are streams may take longer.
const REQUEST: u64 = 120;
/// How long an engine may take to say that it is there.
const HELLO: Duration = Duration::from_secs(10);

/// An engine that has answered.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    /// Its API.
    pub(super) api: Docker,
    /// Its address.
    pub(super) address: String,
    /// Whether it is Podman, which differs in places.
    pub(super) podman: bool,
    /// Variables with the proxies that its containers and builds are to use.
    pub(super) proxies: Arc<BTreeMap<String, String>>,
}

impl Engine {
    /// Connects to the first engine that answers.
    pub(super) async fn find(settings: &EngineSettings) -> Result<Engine, RunnerError> {
        let found = candidates(settings, |path| fs::read_to_string(path).ok()).map_err(|why| {
            RunnerError::new(ErrorKind::EngineMissing, why)
                .with_help("set DOCKER_HOST to unix:///path/of/the/socket or tcp://host:port")
        })?;
        let mut tried = Vec::new();
        for candidate in found {
            match Engine::connect(&candidate.address).await {
                Ok(mut engine) => {
                    if let Some(config) = &settings.config {
                        engine.proxies = Arc::new(proxies::configured(config, &candidate.address));
                    }
                    return Ok(engine);
                }
                Err(why) => tried.push((candidate, why)),
            }
        }
        Err(RunnerError::new(ErrorKind::EngineMissing, unanswered(&tried))
            .with_help("start Docker or Podman, or set DOCKER_HOST; docs/errors/SW0531.md says more"))
    }

    /// Connects to one engine; the error is a few words.
    pub(super) async fn connect(address: &str) -> Result<Engine, String> {
        if let Some(path) = address.strip_prefix("unix://")
            && !Path::new(path).exists()
        {
            return Err(NO_SOCKET.to_owned());
        }
        let api = if address.starts_with("unix://") {
            Docker::connect_with_unix(address, REQUEST, API_DEFAULT_VERSION)
        } else {
            Docker::connect_with_http(address, REQUEST, API_DEFAULT_VERSION)
        };
        let api = api.map_err(|error| error.to_string())?.with_request_modifier(|mut request| {
            // The engine reads credentials in the alphabet of URLs, and bollard writes them in the common one.
            for name in ["x-registry-auth", "x-registry-config"] {
                let value = request.headers().get(name).and_then(|value| value.to_str().ok());
                let mended = value.map(|value| value.replace('+', "-").replace('/', "_"));
                if let Some(Ok(mended)) = mended.map(|mended| mended.parse()) {
                    request.headers_mut().insert(name, mended);
                }
            }
            request
        });
        let hello = async {
            let api = api.negotiate_version().await?;
            let parts = api.version().await?.components.unwrap_or_default();
            let podman = parts.iter().any(|part| part.name.starts_with("Podman"));
            Ok(Engine { api, address: address.to_owned(), podman, proxies: Arc::default() })
        };
        match timeout(HELLO, hello).await {
            Ok(Ok(engine)) => Ok(engine),
            Ok(Err(error)) => Err(words(&error)),
            Err(_) => Err(format!("it does not answer within {} s", HELLO.as_secs())),
        }
    }
}

/// What an engine says, without the client's frame around it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the errors of the client are not ours and grow with its features"
)]
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::RequestTimeoutError => format!("the engine did not answer within {REQUEST} s"),
        other => {
            let mut words = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(inner) = source {
                let inner_words = inner.to_string();
                if !words.contains(&inner_words) {
                    words += &format!(": {inner_words}");
                }
                source = inner.source();
            }
            words
        }
    }
}

/// Whether the engine says that a thing is not there.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

/// An error of a request, with what it was for.
pub(super) fn failed(what: &str) -> impl Fn(Error) -> RunnerError + use<> {
    let what = what.to_owned();
    move |error| {
        let message = format!("{what}: {}", words(&error));
        RunnerError::new(ErrorKind::Container, message).with_source(error)
    }
}
