//! The processes of steps: started in groups of their own, waited for, ended with all that they started.

use super::{HostExecutor, StepFiles, output};
use crate::{
    env::passed,
    error::{ErrorKind, RunnerError},
    executor::{Chunk, Ending, Program, ProgramPlace},
    process::{OrphanRecord, Scope, TRACKING_ENV, end_tree, kill_now},
    sandbox::{self, Session},
};
use rustix::process::{Pid, Signal};
use std::{
    fs::{self, File},
    io,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};
use tokio::{
    process::{Child, Command},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

impl HostExecutor {
    /// Writes down the leader of a program's processes, and holds them until they are let go.
    pub(super) fn guard(
        &self,
        program: &Program,
        files: &StepFiles,
        leader: Option<u32>,
    ) -> Result<KillOnDrop, RunnerError> {
        let leader = leader.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let record = OrphanRecord::of(&self.records, &program.job);
        let mut guard = KillOnDrop {
            // What runs beside it in the background is not meant when it is to end.
            scope: Scope { tracking: files.tracking(&program.job), ..Scope::default() },
            armed: true,
        };
        if let Some(leader) = leader.map(|pid| record.leader(pid)).transpose()?.flatten() {
            guard.scope.not_before = leader.start;
            guard.scope.leaders.push(leader);
        }
        Ok(guard)
    }

    /// Runs a program of a step, inside the namespaces of its job where it has some.
    pub(super) async fn run_process(
        &self,
        program: &Program,
        files: &StepFiles,
        session: Option<&Session>,
        output: mpsc::Sender<Chunk>,
        stop: &CancellationToken,
    ) -> Result<Ending, RunnerError> {
        let (reader, writer) = io::pipe().map_err(|error| pipe_error(&error))?;
        let mut child = spawn(program, files, session, writer)?;
        // When this future is dropped half-way, or fails, nothing may go on by itself.
        let mut guard = self.guard(program, files, child.id())?;
        let exited = CancellationToken::new();
        let pump = output::pump(OwnedFd::from(reader), output, exited.clone(), self.patience.drain)
            .map_err(|error| pipe_error(&error))?;
        let ending = self.end_of(&mut child, program, &mut guard, Signal::INT, stop).await?;
        exited.cancel();
        // The task only ends early when it panicked, and then the output is incomplete.
        pump.await.map_err(|error| pipe_error(&io::Error::other(error)))?;
        Ok(ending)
    }

    /// Waits until a program has ended, and ends it with all that it started, first with this signal, once it is told to stop.
    /// What it left running may live until the job ends.
    pub(super) async fn end_of(
        &self,
        child: &mut Child,
        program: &Program,
        guard: &mut KillOnDrop,
        first: Signal,
        stop: &CancellationToken,
    ) -> Result<Ending, RunnerError> {
        let ending = tokio::select! {
            // A program that has ended has ended, whatever is asked at the same moment.
            biased;
            status = child.wait() => {
                let status = status.map_err(|error| RunnerError::new(
                    ErrorKind::ProgramMissing,
                    format!("cannot wait for {:?}: {error}", program.argv[0]),
                ))?;
                ending_of(status)
            }
            () = stop.cancelled() => {
                let reap = async { child.wait().await };
                let (stuck, _status) = tokio::join!(end_tree(&guard.scope, first, &self.patience), reap);
                if !stuck.is_empty() {
                    tracing::warn!(job = program.job.folder, ?stuck, "processes of the step cannot be killed");
                }
                Ending::Stopped
            }
        };
        guard.armed = false;
        Ok(ending)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a step's process is started, in a group of its own"
)]
fn spawn(
    program: &Program,
    files: &StepFiles,
    session: Option<&Session>,
    writer: io::PipeWriter,
) -> Result<Child, RunnerError> {
    let name = program.argv.first().map(String::as_str).unwrap_or_default();
    let path = program.shells();
    if !program.directory.is_dir() {
        return Err(RunnerError::new(
            ErrorKind::ProgramMissing,
            format!("the working directory {} does not exist", program.directory.display()),
        )
        .with_help(
            "check working-directory, or check out the repository first with uses: actions/checkout@v4",
        ));
    }
    let find = || {
        find_program(name, path, &program.directory).ok_or_else(|| {
        let kind = if program.script.is_some() { ErrorKind::ShellMissing } else { ErrorKind::ProgramMissing };
        RunnerError::new(kind, format!("{name:?} is not installed: it is in no folder of PATH={path}"))
            .with_help(format!("install {name}, or choose another with shell: (bash, sh, python or a command line with {{0}})"))
    })
    };
    let both = writer.try_clone().map_err(|error| pipe_error(&error))?;
    let arguments = program.argv.iter().skip(1).map(|argument| match &files.script {
        Some(script) => argument.replace("{0}", &script.to_string_lossy()),
        None => argument.clone(),
    });
    let mut command = match session {
        None => {
            let mut command = Command::new(find()?);
            command.args(arguments).current_dir(&program.directory);
            command
        }
        Some(session) => {
            let argv = if program.place == ProgramPlace::Helper {
                session.helper(&program.directory, program.argv.clone())?
            } else {
                let found = find()?;
                // Looked for again inside, where `PATH` may lead elsewhere; but a shell of the system is there too.
                let is_there = program.script.is_some()
                    && (sandbox::shows(&found) || found.starts_with(&program.folders.root));
                let first = found.to_str().filter(|_| is_there).unwrap_or(name);
                let argv = std::iter::once(first.to_owned()).chain(arguments).collect();
                session.enter(&program.directory, argv)?
            };
            let mut command = Command::new(&argv[0]);
            command.args(&argv[1..]).current_dir("/");
            command
        }
    };
    command
        .env_clear()
        .envs(passed(&program.env))
        .envs(files.env())
        .env(TRACKING_ENV, files.tracking(&program.job))
        .stdin(end(program.streams.input.as_ref())?.unwrap_or_else(Stdio::null))
        .stdout(end(program.streams.output.as_ref())?.unwrap_or_else(|| writer.into()))
        .stderr(both)
        .process_group(0);
    command.spawn().map_err(|error| {
        let failed = RunnerError::io("start", Path::new(name), error);
        if failed.kind == ErrorKind::DiskFull { failed } else { failed.of_kind(ErrorKind::ProgramMissing) }
    })
}

/// One more descriptor of a file that a program reads or writes.
fn end(file: Option<&Arc<File>>) -> Result<Option<Stdio>, RunnerError> {
    let copied = file.map(|file| file.try_clone()).transpose().map_err(|error| pipe_error(&error))?;
    Ok(copied.map(Stdio::from))
}

/// The first executable file of that name in the folders of `path`; a name with a slash is taken as it is.
pub(crate) fn find_program(name: &str, path: &str, directory: &Path) -> Option<PathBuf> {
    let is_program = |candidate: &PathBuf| {
        fs::metadata(candidate).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(directory.join(name)).filter(is_program);
    }
    path.split(':')
        .filter(|dir| !dir.is_empty() && !name.is_empty())
        .map(|dir| directory.join(dir).join(name))
        .find(is_program)
}

/// How a process ended that nobody told to.
fn ending_of(status: std::process::ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signalled(signal.unwrap_or_default()),
    }
}

/// Kills what a program started when it is dropped while it is armed.
pub(super) struct KillOnDrop {
    scope: Scope,
    armed: bool,
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if self.armed {
            kill_now(&self.scope);
        }
    }
}

fn pipe_error(error: &io::Error) -> RunnerError {
    RunnerError::new(ErrorKind::Folder, format!("cannot read the output of a step: {error}"))
}
