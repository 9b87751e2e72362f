//! A program with a terminal in the container of a job, whose far end somebody holds.

use super::{engine::failed, exec::Exec, inside::end_step, started::container_error};
use crate::{
    env::passed_to_engine,
    error::RunnerError,
    executor::{Chunk, Ending, Terminal},
};
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt as _;
use std::{future::pending, pin::Pin};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

impl Exec<'_> {
    /// Runs it to its end with a terminal.
    pub(super) async fn interact(
        self,
        terminal: Terminal,
        stop: &CancellationToken,
    ) -> Result<Ending, RunnerError> {
        let doing = failed("cannot open a terminal in the container of the job");
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(true),
            env: Some(passed_to_engine(self.env)),
            cmd: Some(self.argv.to_vec()),
            working_dir: Some(self.directory.to_string_lossy().into_owned()),
            ..CreateExecOptions::default()
        };
        let made = self.engine.api.create_exec(&self.container.id, options).await.map_err(&doing)?;
        let start = StartExecOptions { tty: true, ..StartExecOptions::default() };
        let started = self.engine.api.start_exec(&made.id, Some(start)).await;
        let StartExecResults::Attached { output: mut stream, input } = started.map_err(&doing)? else {
            return Err(container_error("the engine started a shell without its terminal"));
        };
        let Terminal { input: typed, output, size } = terminal;
        let show = async {
            while let Some(Ok(chunk)) = stream.next().await {
                if output.send(chunk.into_bytes().to_vec()).await.is_err() {
                    break;
                }
            }
        };
        let ended = tokio::select! {
            biased;
            () = show => true,
            () = self.type_in(&made.id, input, typed, size) => true,
            () = stop.cancelled() => false,
        };
        if !ended {
            end_step(self.engine, &self.container.id, self.step, self.patience, "HUP").await;
            return Ok(Ending::Stopped);
        }
        let seen = self.engine.api.inspect_exec(&made.id).await.map_err(&doing)?;
        match seen.exit_code.filter(|_| seen.running != Some(true)) {
            Some(code) => Ok(Ending::Exited(i32::try_from(code).unwrap_or(-1))),
            None => {
                // Nobody looks any more.
                end_step(self.engine, &self.container.id, self.step, self.patience, "HUP").await;
                Ok(Ending::Stopped)
            }
        }
    }

    /// Carries what is typed to the program, and the size of the window. It never ends by itself.
    async fn type_in(
        self,
        id: &str,
        mut writer: Pin<Box<dyn AsyncWrite + Send>>,
        mut input: mpsc::Receiver<Chunk>,
        mut size: watch::Receiver<(u16, u16)>,
    ) {
        self.resize(id, &size).await;
        let mut resizes = true;
        loop {
            tokio::select! {
                chunk = input.recv() => {
                    // The end of what is typed is the end of input, as Ctrl-D gives it at the beginning of a line.
                    let bytes = chunk.as_deref().unwrap_or(&[4]);
                    let written = async {
                        writer.write_all(bytes).await?;
                        writer.flush().await
                    };
                    if written.await.is_err() || chunk.is_none() {
                        break;
                    }
                }
                changed = size.changed(), if resizes => match changed {
                    Ok(()) => self.resize(id, &size).await,
                    Err(_) => resizes = false,
                },
            }
        }
        pending().await
    }

    /// A size that cannot be set leaves the old one.
    async fn resize(self, id: &str, size: &watch::Receiver<(u16, u16)>) {
        let (rows, columns) = *size.borrow();
        let options = ResizeExecOptions { height: rows.max(1), width: columns.max(1) };
        drop(self.engine.api.resize_exec(id, options).await);
    }
}
