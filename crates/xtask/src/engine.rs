//! A container engine for the tests: our own `dockerd`, on a private socket, with its data in a folder that goes with it.

use crate::process::{command, exists, output, say};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

/// Tells tests the address of the engine.
pub(crate) const VARIABLE: &str = "SHIPWAY_TEST_ENGINE";
/// Why tests with an engine are marked as ignored.
pub(crate) const MARK: &str = "needs a container engine";

/// The daemon comes up within seconds, also on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end its containers and itself.
const STOP: Duration = Duration::from_secs(30);
/// From one look to the next.
const LOOK: Duration = Duration::from_millis(100);

/// A daemon that runs. It is ended when this goes.
pub(crate) struct Engine {
    daemon: Child,
    folder: PathBuf,
}

impl Engine {
    /// Starts a daemon; says loudly why there is none.
    pub(crate) fn start(root: &Path) -> Option<Engine> {
        let again = |error: anyhow::Error| {
            say(&format!("set-up: {error:#}; trying once more"));
            try_start(root)
        };
        // containerd gives itself 15 seconds, which is not enough on a machine that builds at the same time.
        match try_start(root).or_else(again) {
            Ok(engine) => Some(engine),
            Err(error) => {
                say(&format!("SKIPPED LOUDLY: the tests with a container engine: {error:#}"));
                None
            }
        }
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }
}

fn try_start(root: &Path) -> Result<Engine> {
    if !exists("dockerd") {
        bail!("dockerd is not installed (Debian's package docker.io)");
    }
    if output(command(root, "id").arg("-u"))?.trim() != "0" {
        bail!("dockerd must be started as root");
    }
    let folder = std::env::temp_dir().join(format!("shipway-engine-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let log = fs::File::create(folder.join("log"))?;
    let mut dockerd = command(
        &folder,
        if Path::new("/usr/sbin/dockerd").is_file() { "/usr/sbin/dockerd" } else { "dockerd" },
    );
    // Overlays do not work within the overlays that tests often run in; plain copies work everywhere.
    dockerd.args(["--storage-driver", "vfs"]);
    // As a whole: containerd does not find its own socket by a relative path.
    for (option, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
        dockerd.arg(option).arg(folder.join(name));
    }
    dockerd.arg("-H").arg(format!("unix://{}", folder.join("docker.sock").display()));
    let daemon =
        dockerd.stdout(log.try_clone()?).stderr(Stdio::from(log)).spawn().context("cannot start dockerd")?;
    let mut engine = Engine { daemon, folder };
    let began = now();
    while !answers(&engine.socket()) {
        let ended = engine.daemon.try_wait()?;
        if ended.is_some() || began.elapsed() > START {
            let log = fs::read_to_string(engine.folder.join("log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(3).collect();
            bail!("dockerd does not come up: {}", last.join(" | "));
        }
        pause();
    }
    say(&format!("set-up: a container engine at {}", engine.address()));
    Ok(engine)
}

fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n")?;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    };
    ask().is_ok_and(|answer| answer.contains(" 200 "))
}

impl Drop for Engine {
    fn drop(&mut self) {
        let pid = self.daemon.id().to_string();
        // TERM lets it end its containers and unmount what it mounted.
        if command(Path::new("/"), "kill").args(["-s", "TERM", &pid]).status().is_err() {
            say("the container engine cannot be told to end");
        }
        let began = now();
        while matches!(self.daemon.try_wait(), Ok(None)) {
            if began.elapsed() > STOP {
                say("the container engine does not end and is killed");
                drop(self.daemon.kill());
                drop(self.daemon.wait());
                break;
            }
            pause();
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            say(&format!("cannot remove {}: {error}", self.folder.display()));
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a daemon that does not come up or end must not hold up the tests for ever"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a daemon says nothing when it is ready, so it is looked at again and again"
)]
fn pause() {
    std::thread::sleep(LOOK);
}
