//! A program with a terminal of its own, whose far end somebody holds.

use crate::{
    env::passed,
    error::{ErrorKind, RunnerError},
    executor::{Chunk, Ending, Program, SCRIPT_ENV, Terminal},
    host::{HostExecutor, files::StepFiles, find_program},
    process::TRACKING_ENV,
};
use pty_process::{Command, OwnedReadPty, OwnedWritePty, Size};
use rustix::process::Signal;
use std::path::Path;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

/// What is read at once.
const READ: usize = 16 * 1024;

impl HostExecutor {
    /// Runs a program as the leader of a session on a new terminal, until it ends. What it leaves running loses that
    /// terminal.
    pub(super) async fn run_on_terminal(
        &self,
        program: &Program,
        files: &StepFiles,
        terminal: Terminal,
        stop: &CancellationToken,
    ) -> Result<Ending, RunnerError> {
        let name = program.argv.first().map(String::as_str).unwrap_or_default();
        let path = program.shells();
        let found = find_program(name, path, &program.directory).ok_or_else(|| {
            RunnerError::new(
                ErrorKind::ShellMissing,
                format!("{name:?} is not installed: it is in no folder of PATH={path}"),
            )
        })?;
        let Terminal { input, output, size } = terminal;
        let (pty, pts) = pty_process::open().map_err(|error| no_terminal(&error))?;
        pty.resize(size_of(&size)).map_err(|error| no_terminal(&error))?;
        let mut child = command(&found, program, files).spawn(pts).map_err(|error| no_terminal(&error))?;
        let mut guard = self.guard(program, files, child.id())?;
        let (reader, writer) = pty.into_split();
        let mut shown = tokio::spawn(show(reader, output));
        let typed = tokio::spawn(type_in(writer, input, size));
        let ending = self.end_of(&mut child, program, &mut guard, Signal::HUP, stop).await?;
        typed.abort();
        // The rest comes at once, unless something that was left running keeps the terminal open.
        if tokio::time::timeout(self.patience.drain, &mut shown).await.is_err() {
            shown.abort();
        }
        Ok(ending)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a program with a terminal is started, as the leader of a session of its own"
)]
fn command(found: &Path, program: &Program, files: &StepFiles) -> Command {
    let command = Command::new(found)
        .args(program.argv.iter().skip(1))
        .env_clear()
        .envs(passed(&program.env))
        .envs(files.env())
        .env(TRACKING_ENV, files.tracking(&program.job))
        .current_dir(&program.directory);
    match &files.script {
        Some(script) => command.env(SCRIPT_ENV, script),
        None => command,
    }
}

/// Carries what the program prints to whoever looks.
async fn show(mut reader: OwnedReadPty, output: mpsc::Sender<Chunk>) {
    let mut buffer = vec![0; READ];
    // A terminal whose last program has gone gives an error, which is its end.
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        if output.send(buffer[..length].to_vec()).await.is_err() {
            return;
        }
    }
}

/// Carries what is typed to the program, and the size of the window.
async fn type_in(
    mut writer: OwnedWritePty,
    mut input: mpsc::Receiver<Chunk>,
    mut size: watch::Receiver<(u16, u16)>,
) {
    let mut resizes = true;
    loop {
        tokio::select! {
            chunk = input.recv() => match chunk {
                Some(chunk) => {
                    if writer.write_all(&chunk).await.is_err() {
                        return;
                    }
                }
                // Nobody types any more: the end of input, as Ctrl-D gives it at the beginning of a line.
                None => {
                    let _gone = writer.write_all(&[4]).await;
                    return;
                }
            },
            changed = size.changed(), if resizes => match changed {
                // A size that cannot be set leaves the old one.
                Ok(()) => drop(writer.resize(size_of(&size))),
                Err(_) => resizes = false,
            },
        }
    }
}

fn size_of(size: &watch::Receiver<(u16, u16)>) -> Size {
    let (rows, columns) = *size.borrow();
    Size::new(rows.max(1), columns.max(1))
}

fn no_terminal(error: &pty_process::Error) -> RunnerError {
    RunnerError::new(ErrorKind::NoTerminal, format!("cannot open a terminal: {error}"))
}
