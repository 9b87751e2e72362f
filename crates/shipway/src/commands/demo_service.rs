//! The demo's web service: a hidden role of the binary, so that the demo needs nothing else installed.
//!
//! Everything around it is real: it is configured by a file in its artifact, started like any program, told its
//! port in `PORT`, and fails with the seeded probability its file gives.

use crate::exit::{Exit, Failure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

/// What the configuration file says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// The version, told in the `x-version` header.
    version: String,
    /// The share of requests answered 500, in percent.
    error_percent: f64,
    /// How long an answer takes.
    latency: Duration,
    /// What draws the failures.
    seed: u64,
}

impl Config {
    /// Reads `key=value` lines; `#` begins a comment.
    pub(crate) fn parse(text: &str) -> Result<Config, String> {
        let mut values = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let (key, value) =
                line.split_once('=').ok_or_else(|| format!("line {}: write key=value", number + 1))?;
            if !["version", "error_percent", "latency_ms", "seed"].contains(&key.trim()) {
                return Err(format!("line {}: unknown key `{}`", number + 1, key.trim()));
            }
            values.insert(key.trim(), value.trim());
        }
        let number = |key: &str, default: f64| match values.get(key) {
            None => Ok(default),
            Some(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
                Ok(_) | Err(_) => Err(format!("`{key}` must be a number of 0 and above, not `{text}`")),
            },
        };
        Ok(Config {
            version: values.get("version").ok_or("`version` is missing")?.to_string(),
            error_percent: number("error_percent", 0.0)?.min(100.0),
            latency: Duration::from_secs_f64(number("latency_ms", 0.0)?.min(60_000.0) / 1_000.0),
            seed: number("seed", 1.0)? as u64,
        })
    }
}

/// Serves until the process is told to stop; unfinished answers are finished first.
pub(crate) async fn serve(config: &Path, port: u16) -> Result<Exit, Failure> {
    let invalid = |message: String| Failure::new(Exit::Usage, format!("{}: {message}", config.display()));
    let text = std::fs::read_to_string(config).map_err(|error| invalid(error.to_string()))?;
    let config = Arc::new(Config::parse(&text).map_err(invalid)?);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    crate::cli::say(&format!("{} listens on port {port}", config.version));
    let requests = Arc::new(AtomicU64::new(0));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let graceful = hyper_util::server::graceful::GracefulShutdown::new();
    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors or an aborted handshake: the next one may succeed.
                Err(error) => {
                    crate::cli::say(&format!("cannot accept: {error}"));
                    tokio::task::yield_now().await;
                    continue;
                }
            },
            _ = terminate.recv() => break,
        };
        let (config, requests) = (config.clone(), requests.clone());
        let service = service_fn(move |request| answer(config.clone(), requests.clone(), request));
        let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::spawn(async move {
            // A client that went away is its own affair.
            let _gone = connection.await;
        });
    }
    graceful.shutdown().await;
    Ok(Exit::Ok)
}

async fn answer(
    config: Arc<Config>,
    requests: Arc<AtomicU64>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/healthz" {
        return Ok(respond(StatusCode::OK, &config.version, "ok\n"));
    }
    let number = requests.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(config.latency).await;
    if draws_failure(config.seed, number, config.error_percent) {
        crate::cli::say(&format!(
            "{{\"level\":\"error\",\"version\":\"{}\",\"path\":\"{}\",\"error\":\"price list is empty\",\"at\":\"src/prices:41\"}}",
            config.version,
            request.uri().path().escape_default()
        ));
        return Ok(respond(StatusCode::INTERNAL_SERVER_ERROR, &config.version, "price list is empty\n"));
    }
    Ok(respond(StatusCode::OK, &config.version, "hello\n"))
}

/// Whether the request with this number fails; SplitMix64 makes consecutive numbers independent.
fn draws_failure(seed: u64, number: u64, percent: f64) -> bool {
    let mut z =
        seed.wrapping_mul(0xA24B_AED4_963E_E407).wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1_u64 << 53) as f64 * 100.0 < percent
}

fn respond(status: StatusCode, version: &str, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    if let Ok(version) = version.parse() {
        response.headers_mut().insert("x-version", version);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_file() {
        let config =
            Config::parse("# demo\nversion=v1\nerror_percent=5 # bad\nlatency_ms=2\n").expect("valid");
        assert_eq!(
            config,
            Config { version: "v1".into(), error_percent: 5.0, latency: Duration::from_millis(2), seed: 1 }
        );
        for text in [
            "",
            "version",
            "version=1\ncolour=red",
            "version=1\nerror_percent=many",
            "version=1\nlatency_ms=-1",
        ] {
            assert!(Config::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn fails_as_often_as_told() {
        for (seed, percent) in [(1, 5.0), (2, 0.0), (3, 100.0), (4, 1.0)] {
            let failures = (0..100_000).filter(|number| draws_failure(seed, *number, percent)).count() as f64;
            assert!((failures / 1_000.0 - percent).abs() < 0.35, "{percent} %: {failures}");
        }
    }
}
