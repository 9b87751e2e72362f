//! The `git` that fetches actions: no hooks, no helpers, no prompt, nothing of anybody's configuration.

use crate::error::{ErrorKind, RunnerError};
use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};
use tokio::{io::AsyncReadExt as _, process::Command, time};

/// As long may one git take.
const LIMIT: Duration = Duration::from_secs(600);
/// As much is taken of what it says, in bytes: enough for the names of a million files.
const MOST: u64 = 256 * 1024 * 1024;

/// Settings of every git; a server that sends nothing for half a minute is given up.
const SETTINGS: [&str; 7] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.helper=",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
    "safe.directory=*",
    "gc.auto=0",
];

/// What git may see of the environment.
const LENT: [&str; 9] = [
    "PATH",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Starts git.
#[derive(Debug)]
pub(super) struct Git {
    env: BTreeMap<String, String>,
}

/// What git answered.
#[derive(Debug)]
pub(super) struct Said {
    /// Whether it did what it was asked for.
    pub(super) ok: bool,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Said {
    /// Its answer.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Its answer as it is.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Why it failed, in one line.
    pub(super) fn why(&self) -> String {
        let text = String::from_utf8_lossy(&self.err);
        let said = text.lines().map(str::trim).find(|line| line.starts_with("fatal:"));
        let said = said.or_else(|| text.lines().map(str::trim).rfind(|line| !line.is_empty()));
        said.unwrap_or("git says nothing").trim_start_matches("fatal: ").to_owned()
    }
}

impl Git {
    pub(super) fn new(host_env: &BTreeMap<String, String>) -> Git {
        let lent = LENT.iter().filter_map(|name| Some(((*name).to_owned(), host_env.get(*name)?.clone())));
        let mut env: BTreeMap<String, String> = lent.collect();
        env.entry("PATH".to_owned()).or_insert_with(|| "/usr/local/bin:/usr/bin:/bin".to_owned());
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", "true"),
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C.UTF-8"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        Git { env }
    }

    /// Runs git in a folder and takes its answer. It ends when this future is dropped.
    #[expect(
        clippy::disallowed_methods,
        reason = "fetching is no step of a job: it happens on this machine whatever the job runs in, and ends with its future"
    )]
    pub(super) async fn ask(&self, folder: &Path, arguments: &[&str]) -> Result<Said, RunnerError> {
        let broken = |error: &dyn std::fmt::Display| {
            RunnerError::new(ErrorKind::ActionFetch, format!("git cannot be started: {error}"))
                .with_help("install git; actions of other repositories are fetched with it")
        };
        let mut command = Command::new("git");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let mut child = command
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| broken(&error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let all = async {
            let read_out = async {
                if let Some(stdout) = stdout {
                    stdout.take(MOST).read_to_end(&mut out).await?;
                }
                Ok::<_, std::io::Error>(())
            };
            let read_err = async {
                if let Some(stderr) = stderr {
                    stderr.take(MOST).read_to_end(&mut err).await?;
                }
                Ok::<_, std::io::Error>(())
            };
            let (read, also) = tokio::join!(read_out, read_err);
            read.and(also)?;
            child.wait().await
        };
        let status = time::timeout(LIMIT, all)
            .await
            .map_err(|_| {
                let text =
                    format!("git {} took longer than {}", arguments[0], shipway_base::human_duration(LIMIT));
                RunnerError::new(ErrorKind::ActionFetch, text)
            })?
            .map_err(|error| broken(&error))?;
        if out.len() as u64 == MOST {
            return Err(broken(&"it says more than 256 MiB"));
        }
        Ok(Said { ok: status.success(), out, err })
    }
}
