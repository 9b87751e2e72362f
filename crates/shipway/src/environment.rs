//! The one place that reads the process's surroundings: environment, working directory, terminal, clock.

use shipway_base::{Clock, Timestamp};
use shipway_runner::{EngineSettings, Hooks};
use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

/// What the process was started with.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// The environment variables that are valid Unicode.
    pub(crate) variables: BTreeMap<String, String>,
    /// The working directory.
    pub(crate) folder: PathBuf,
    /// This executable.
    pub(crate) executable: PathBuf,
    /// Whether standard output is a terminal.
    pub(crate) stdout_is_terminal: bool,
    /// The system's clock.
    pub(crate) clock: Clock,
}

impl Environment {
    /// Reads it all, once.
    pub(crate) fn read() -> Environment {
        Environment {
            variables: variables(),
            folder: folder(),
            executable: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("shipway")),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            clock: Clock::new(system_now),
        }
    }

    /// A variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What the environment says about the container engine.
    pub(crate) fn engine(&self) -> EngineSettings {
        let text = |name| self.variable(name).map(str::to_owned);
        let home = self.variable("HOME").map(PathBuf::from);
        let config = self.variable("DOCKER_CONFIG").map(|folder| self.folder.join(folder));
        EngineSettings {
            docker_host: text("DOCKER_HOST"),
            container_host: text("CONTAINER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            tls: self.variable("DOCKER_TLS_VERIFY").is_some(),
            config: config.or(home.as_ref().map(|home| home.join(".docker"))),
            runtime: self.variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            home,
            user: rustix::process::geteuid().as_raw(),
        }
    }

    /// Scripts that whoever runs jobs here wants around each, under the names that GitHub's runner has for them.
    pub(crate) fn hooks(&self) -> Hooks {
        let path = |name| self.variable(name).map(PathBuf::from);
        Hooks {
            started: path("ACTIONS_RUNNER_HOOK_JOB_STARTED"),
            completed: path("ACTIONS_RUNNER_HOOK_JOB_COMPLETED"),
        }
    }

    /// Whether colour and live redrawing suit standard output: a terminal, no `NO_COLOR`, not dumb.
    pub(crate) fn wants_colour(&self) -> bool {
        let forced = self.variable("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let refused = self.variable("NO_COLOR").is_some() || self.variable("TERM") == Some("dumb");
        forced || self.stdout_is_terminal && !refused
    }
}

fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "the binary reads the working directory once, here")]
fn folder() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

#[expect(clippy::disallowed_methods, reason = "the binary hands the clock down from here")]
fn system_now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
