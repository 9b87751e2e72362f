//! Starting a process: the one place of this crate where that happens.

use super::{log, procfs::Identity};
use crate::InstanceSpec;
use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The variable by which an instance's processes are told from all others, those of other targets of this machine
/// too.
const MARK: &str = "SHIPWAY_MARK";

/// `ENOEXEC`.
const NOT_A_PROGRAM: i32 = 8;

/// The mark of an instance in its environment, `NAME=value`; `home` tells one target's folder from another's.
pub(super) fn marker(home: &str, id: &str) -> String {
    format!("{MARK}={home}/{id}")
}

/// Why nothing was started.
#[derive(Debug)]
pub(super) enum SpawnError {
    /// The instance's own fault: trying again cannot help.
    Instance(String),
    /// The system's: there may be room again later.
    System(io::Error),
}

/// Starts an instance in a process group of its own. It gets the environment of its document on top of `base`, and
/// nothing else; what it writes goes to its log without a pipe in between.
pub(super) fn spawn(
    spec: &InstanceSpec,
    port: u16,
    home: &str,
    base: &BTreeMap<String, String>,
    log_path: &Path,
) -> Result<(Child, Identity), SpawnError> {
    if !spec.directory.is_dir() {
        let message = format!("the folder of its artifact, {}, is not there", spec.directory.display());
        return Err(SpawnError::Instance(message));
    }
    let Some(program) = spec.command.first().filter(|program| !program.is_empty()) else {
        return Err(SpawnError::Instance("it has no command".to_owned()));
    };
    let log = log::open(log_path).map_err(SpawnError::System)?;
    let errors = log.try_clone().map_err(SpawnError::System)?;
    #[expect(clippy::disallowed_methods, reason = "the one place where instances are started")]
    let mut command = Command::new(located(program, &spec.directory));
    command
        .args(&spec.command[1..])
        .current_dir(&spec.directory)
        .env_clear()
        .envs(base)
        .envs(&spec.env)
        .env("PORT", port.to_string())
        .env("SHIPWAY_SERVICE", &spec.service)
        .env("SHIPWAY_VERSION", &spec.version)
        .env("SHIPWAY_INSTANCE", &spec.id)
        .env(MARK, format!("{home}/{}", spec.id))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0);
    let mut child = command.spawn().map_err(|error| explain(error, program, &spec.directory))?;
    let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
    match Identity::of(pid) {
        Ok(identity) => Ok((child, identity)),
        Err(error) => {
            // Without an identity it could never be told from a later process, so it must not stay.
            child.kill().and_then(|()| child.wait().map(drop)).map_err(SpawnError::System)?;
            Err(SpawnError::System(error))
        }
    }
}

/// A program with a slash is a file of the artifact; one without is looked up in `PATH`.
fn located(program: &str, directory: &Path) -> PathBuf {
    if program.contains('/') { directory.join(program) } else { PathBuf::from(program) }
}

fn explain(error: io::Error, program: &str, directory: &Path) -> SpawnError {
    let path = located(program, directory);
    let (missing, forbidden) =
        (error.kind() == io::ErrorKind::NotFound, error.kind() == io::ErrorKind::PermissionDenied);
    let executable = path.metadata().is_ok_and(|data| data.permissions().mode() & 0o111 != 0);
    let message = if missing && !program.contains('/') {
        format!("there is no program `{program}` in PATH")
    } else if missing && path.exists() {
        format!("`{program}` cannot be run: the interpreter that its first line names is not there")
    } else if missing {
        format!("there is no `{program}` in the artifact{}", contents(directory))
    } else if forbidden && path.is_dir() {
        format!("`{program}` is a folder, not a program")
    } else if forbidden && program.contains('/') && !executable {
        format!("`{program}` is not executable; set its executable bit before it is uploaded")
    } else if forbidden {
        format!("`{program}` may not be run")
    } else if error.raw_os_error() == Some(NOT_A_PROGRAM) {
        format!("`{program}` is not a program: neither a binary for this machine nor a script with `#!`")
    } else {
        return SpawnError::System(error);
    };
    SpawnError::Instance(message)
}

/// What a folder holds, for the person who wonders where the program went.
fn contents(directory: &Path) -> String {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    match names.len() {
        0 => ", which is empty".to_owned(),
        1..=6 => format!("; it holds {}", names.join(", ")),
        more => format!("; it holds {} and {} more", names[..6].join(", "), more - 6),
    }
}

/// A port of the loopback interface that nobody listens on now.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(address(0))?.local_addr()?.port())
}

/// Whether somebody listens on a port of the loopback interface.
pub(super) fn is_taken(port: u16) -> bool {
    TcpListener::bind(address(port)).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// Where an instance with this port listens.
pub(super) fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
