//! Which container engine to talk to: what the environment says, what `docker context` says, and the usual sockets.

use crate::containers::EngineSettings;
use sha2::{Digest as _, Sha256};
use shipway_base::Digest;
use std::path::{Path, PathBuf};

/// Where an address comes from that nobody asks for.
const USUAL: &str = "a usual place";

/// Why there is no engine at a socket that is not there.
pub(super) const NO_SOCKET: &str = "there is no such socket";

/// An address to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The address: `unix:///path`, `tcp://host:port` or `http://host:port`.
    pub(super) address: String,
    /// Where it comes from, for people.
    pub(super) origin: String,
}

/// The addresses to try, in order. What is asked for by name is the only one: when it does not answer, another engine
/// would be a surprise.
pub(super) fn candidates(
    settings: &EngineSettings,
    read: impl Fn(&Path) -> Option<String>,
) -> Result<Vec<Candidate>, String> {
    let asked = |address: &str, origin: &str| {
        if settings.tls && !address.starts_with("unix://") {
            return Err(format!(
                "{origin} is {address} and DOCKER_TLS_VERIFY is set, and TLS to an engine is not supported"
            ));
        }
        usable(address).map_err(|why| format!("{origin} is {address:?}, {why}"))?;
        Ok(vec![Candidate { address: address.to_owned(), origin: origin.to_owned() }])
    };
    if let Some(address) = &settings.docker_host {
        return asked(address, "DOCKER_HOST");
    }
    if let Some(address) = &settings.container_host {
        return asked(address, "CONTAINER_HOST");
    }
    if let Some((name, origin)) = context(settings, &read)
        && name != "default"
    {
        let file = settings.config.clone().unwrap_or_default().join("contexts/meta");
        let file = file.join(Digest::from_bytes(Sha256::digest(&name).into()).hex()).join("meta.json");
        let address = read(&file).and_then(|text| host_of(&text)).ok_or_else(|| {
            format!("{origin} asks for the docker context {name:?}, and {} names no host", file.display())
        })?;
        return asked(&address, &format!("the docker context {name:?}"));
    }
    Ok(sockets(settings))
}

/// That none of the addresses answers, and why each does not; the usual sockets that are not there are not worth a word each.
pub(super) fn unanswered(tried: &[(Candidate, String)]) -> String {
    let told = tried.iter().filter(|(tried, why)| tried.origin != USUAL || why != NO_SOCKET);
    let told: Vec<String> = told
        .map(|(Candidate { address, origin }, why)| match origin.as_str() {
            USUAL => format!("at {address} ({why})"),
            origin => format!("at {address} from {origin} ({why})"),
        })
        .collect();
    let told = if told.is_empty() { "at any of the usual sockets".to_owned() } else { told.join(" or ") };
    format!("no container engine answers {told}")
}

/// The sockets that engines listen at by default: Docker's, Docker's for one user, Docker Desktop's, Podman's for one user,
/// Podman's.
fn sockets(settings: &EngineSettings) -> Vec<Candidate> {
    let home = |path: &str| settings.home.as_ref().map(|home| home.join(path));
    let runtime = settings.runtime.clone().unwrap_or_else(|| format!("/run/user/{}", settings.user).into());
    let paths = [
        Some(PathBuf::from("/var/run/docker.sock")),
        Some(runtime.join("docker.sock")),
        home(".docker/run/docker.sock"),
        home(".docker/desktop/docker.sock"),
        Some(runtime.join("podman/podman.sock")),
        Some(PathBuf::from("/run/podman/podman.sock")),
    ];
    let candidate =
        |path: PathBuf| Candidate { address: format!("unix://{}", path.display()), origin: USUAL.to_owned() };
    paths.into_iter().flatten().map(candidate).collect()
}

/// The context in force and where it is said.
fn context(settings: &EngineSettings, read: &impl Fn(&Path) -> Option<String>) -> Option<(String, String)> {
    if let Some(name) = &settings.docker_context {
        return Some((name.clone(), "DOCKER_CONTEXT".to_owned()));
    }
    let file = settings.config.as_ref()?.join("config.json");
    let config: serde_json::Value = serde_json::from_str(&read(&file)?).ok()?;
    let name = config.get("currentContext")?.as_str().filter(|name| !name.is_empty())?;
    Some((name.to_owned(), file.display().to_string()))
}

/// `Endpoints.docker.Host` of a context's file.
fn host_of(text: &str) -> Option<String> {
    let meta: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(meta.get("Endpoints")?.get("docker")?.get("Host")?.as_str()?.to_owned())
}

/// Whether an address can be talked to; the error continues a sentence.
fn usable(address: &str) -> Result<(), String> {
    match address.split_once("://") {
        Some(("unix" | "tcp" | "http", rest)) if !rest.is_empty() => Ok(()),
        Some((scheme @ ("ssh" | "https" | "npipe" | "fd"), _)) => {
            Err(format!("and {scheme} is not supported; use unix:// or tcp://"))
        }
        Some(_) | None => Err("which is no address; write unix:///path or tcp://host:port".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_does_not_answer_is_told_in_short() {
        let tried = |origin: &str, path: &str, why: &str| {
            (Candidate { address: format!("unix://{path}"), origin: origin.to_owned() }, why.to_owned())
        };
        let check = |tried: &[(Candidate, String)], expect: &str| assert_eq!(unanswered(tried), expect);
        let gone = || tried(USUAL, "/gone", NO_SOCKET);
        check(&[gone(), gone(), gone()], "no container engine answers at any of the usual sockets");
        check(
            &[gone(), tried(USUAL, "/there", "permission denied"), gone()],
            "no container engine answers at unix:///there (permission denied)",
        );
        check(
            &[tried("DOCKER_HOST", "/mine", NO_SOCKET)],
            "no container engine answers at unix:///mine from DOCKER_HOST (there is no such socket)",
        );
    }

    fn settings() -> EngineSettings {
        EngineSettings {
            config: Some("/h/.docker".into()),
            home: Some("/h".into()),
            user: 7,
            ..EngineSettings::default()
        }
    }

    fn check(settings: &EngineSettings, files: &[(&str, &str)], expect: Result<&str, &str>) {
        let read = |path: &Path| {
            files.iter().find(|(name, _)| path == Path::new(name)).map(|(_, text)| (*text).to_owned())
        };
        match (candidates(settings, read), expect) {
            (Ok(found), Ok(first)) => assert_eq!(found[0].address, first),
            (Err(found), Err(part)) => assert!(found.contains(part), "{found} lacks {part}"),
            (found, expect) => panic!("{found:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn the_environment_wins_over_contexts_and_sockets() {
        let config = ("/h/.docker/config.json", r#"{"currentContext": "far"}"#);
        let name = Digest::from_bytes(Sha256::digest("far").into()).hex();
        let place = format!("/h/.docker/contexts/meta/{name}/meta.json");
        let meta = (place.as_str(), r#"{"Endpoints": {"docker": {"Host": "tcp://far:2375"}}}"#);
        check(&settings(), &[], Ok("unix:///var/run/docker.sock"));
        check(&settings(), &[config, meta], Ok("tcp://far:2375"));
        check(&settings(), &[config], Err("names no host"));
        let host = EngineSettings { docker_host: Some("unix:///x.sock".into()), ..settings() };
        check(&host, &[config, meta], Ok("unix:///x.sock"));
        let default = EngineSettings { docker_context: Some("default".into()), ..settings() };
        check(&default, &[config, meta], Ok("unix:///var/run/docker.sock"));
        let podman = EngineSettings { container_host: Some("unix:///p".into()), ..settings() };
        check(&podman, &[], Ok("unix:///p"));
    }

    #[test]
    fn what_cannot_be_talked_to_is_refused() {
        let host = |address: &str| EngineSettings { docker_host: Some(address.into()), ..settings() };
        check(&host("ssh://me@far"), &[], Err("ssh is not supported"));
        check(&host("far"), &[], Err("no address"));
        check(&EngineSettings { tls: true, ..host("tcp://far:2376") }, &[], Err("TLS"));
    }

    #[test]
    fn the_usual_sockets_are_tried_in_order() {
        let found = candidates(&settings(), |_| None).expect("candidates");
        let found: Vec<&str> = found.iter().map(|candidate| candidate.address.as_str()).collect();
        assert_eq!(
            found,
            [
                "unix:///var/run/docker.sock",
                "unix:///run/user/7/docker.sock",
                "unix:///h/.docker/run/docker.sock",
                "unix:///h/.docker/desktop/docker.sock",
                "unix:///run/user/7/podman/podman.sock",
                "unix:///run/podman/podman.sock",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(config in ".{0,60}", meta in ".{0,60}", host in prop::option::of(".{0,20}")) {
            let settings = EngineSettings { docker_host: host, ..settings() };
            let read = |path: &Path| Some(if path.ends_with("meta.json") { meta.clone() } else { config.clone() });
            let _ = candidates(&settings, read);
        }
    }
}
