//! Level 2 isolation: the steps of a job see a machine of their own.
//!
//! A job gets namespaces of its own (user, mount, pid, network, IPC and host name). Its file system is the host's system
//! folders, read-only, and the job's own folders; its network is a loopback device and nothing else; its processes are its
//! own. Each step is held by Landlock and a system call filter as well, and can gain no privilege. When the runner is root,
//! the job runs as a user that owns nothing else on the machine.
//!
//! Roles of the binary do it, each a short program without threads, since the kernel lets only such ones change
//! namespaces. [`space`] makes the namespaces. [`init`] is the first process in them: it builds the file system and then
//! waits until the runner lets go of it, and the kernel ends everything inside when it ends, so that nothing survives the
//! runner, however that ended. [`enter`] is what a step starts as: it enters, gives up what it may, and starts the step.
//! [`work`] enters in the same way and does the runner's own work on the files of the job. [`door`] makes a listener on the
//! job's loopback device for the runner.

mod door;
mod enter;
mod filter;
mod init;
mod link;
mod mounts;
mod rules;
mod session;
mod space;
mod work;

pub(crate) use mounts::shows;
pub(crate) use session::Session;
pub use session::{Network, Sandbox};
pub(crate) use work::heard;

use std::io::Write as _;

/// The word by which the binary knows that it is to play a role here; the role is the next argument.
pub const VERB: &str = "sandbox";

/// What a line about a failure of the sandbox itself begins with, so that it is not taken for words of the step.
const MARK: &str = "sandbox: ";

/// The exit code of a role that failed, which shells have for a program that cannot be started.
const FAILED: u8 = 126;

/// The user and group that the steps see themselves as, those of GitHub's runners.
const INNER: u32 = 1_001;

/// Plays one of the roles; `arguments` are those behind [`VERB`]. Answers with the exit code of the process when the role
/// has ended or failed. To be called before any thread is started.
#[must_use]
pub fn play(arguments: &[String]) -> u8 {
    let outcome = match arguments.split_first() {
        Some((role, rest)) if role == "space" => space::play(rest),
        Some((role, rest)) if role == "init" => init::play(rest),
        Some((role, rest)) if role == "enter" => enter::play(rest),
        Some((role, rest)) if role == "work" => work::play(rest),
        Some((role, rest)) if role == "door" => door::play(rest),
        Some(_) | None => Err(Refusal::new("play a role", "there is no such role")),
    };
    outcome.unwrap_or_else(|refusal| {
        // The one who started this process reads it there.
        let _closed = writeln!(std::io::stderr(), "{MARK}{refusal}");
        FAILED
    })
}

/// Why a role could not be played: one thing that the kernel or the machine refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {why}")]
struct Refusal {
    what: String,
    why: String,
}

impl Refusal {
    fn new(what: impl Into<String>, why: impl std::fmt::Display) -> Refusal {
        Refusal { what: what.into(), why: why.to_string() }
    }
}

/// Names what was tried.
trait Trying<T> {
    fn trying(self, what: impl Into<String>) -> Result<T, Refusal>;
}

impl<T, E: std::fmt::Display> Trying<T> for Result<T, E> {
    fn trying(self, what: impl Into<String>) -> Result<T, Refusal> {
        self.map_err(|error| Refusal::new(what, error))
    }
}
