//! A program of a step in the container of its job.

use super::{
    engine::{Engine, failed, is_missing, words},
    gone::{gone, gone_by_now, is_stopped},
    inside::end_step,
    started::{Started, container_error},
};
use crate::{
    env::passed_to_engine,
    error::{ErrorKind, RunnerError},
    executor::{Chunk, Ending, Patience, Streams},
};
use bollard::{
    container::LogOutput,
    exec::{CreateExecOptions, StartExecOptions, StartExecResults},
    query_parameters::ContainerArchiveInfoOptions,
};
use futures_util::StreamExt as _;
use std::{
    collections::BTreeMap,
    fs::File,
    future::pending,
    path::{Path, PathBuf},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
    time::{Instant, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether the program has ended while something still holds its output open.
const LOOK: Duration = Duration::from_millis(250);
/// How the engine begins when it cannot start a program, or the runtime itself.
const RUNTIME: [&[u8]; 2] = [b"OCI runtime exec failed", b"cannot exec in a "];
/// The exit code of what was ended by SIGKILL, as everything in a container is when that ends.
const KILLED: i64 = 137;

/// A program and where it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exec<'a> {
    /// The engine.
    pub(super) engine: &'a Engine,
    /// The container.
    pub(super) container: &'a Started,
    /// What to start.
    pub(super) argv: &'a [String],
    /// The working directory in the container.
    pub(super) directory: &'a Path,
    /// Its environment.
    pub(super) env: &'a BTreeMap<String, String>,
    /// The text that its processes carry.
    pub(super) step: &'a str,
    /// What it reads and where it writes, when that is not nothing and the log.
    pub(super) streams: &'a Streams,
    /// How patient to be.
    pub(super) patience: &'a Patience,
    /// Whether it is a script's shell, which changes the words of an error.
    pub(super) is_script: bool,
}

impl Exec<'_> {
    /// Runs it to its end.
    pub(super) async fn run(
        self,
        output: mpsc::Sender<Chunk>,
        stop: &CancellationToken,
    ) -> Result<Ending, RunnerError> {
        let doing = failed("cannot start a program in the container of the job");
        let options = CreateExecOptions {
            attach_stdin: Some(self.streams.input.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(passed_to_engine(self.env)),
            cmd: Some(self.argv.to_vec()),
            working_dir: Some(self.directory.to_string_lossy().into_owned()),
            ..CreateExecOptions::default()
        };
        let made = match self.engine.api.create_exec(&self.container.id, options).await {
            Ok(made) => made,
            Err(error) => return Err(self.gone().await.unwrap_or_else(|| doing(error))),
        };
        let start = StartExecOptions { output_capacity: Some(64 * 1024), ..StartExecOptions::default() };
        let started = self.engine.api.start_exec(&made.id, Some(start)).await;
        let (stream, input) = match started {
            Ok(StartExecResults::Attached { output, input }) => (output, input),
            Ok(StartExecResults::Detached) => {
                return Err(container_error("the engine started a program without its output"));
            }
            Err(error) => return Err(self.gone().await.unwrap_or_else(|| doing(error))),
        };
        let mut refusal = Vec::new();
        let fed = give(self.streams.input.as_ref(), input);
        let ended = {
            let pump = async {
                tokio::select! {
                    // What it has not read when it has ended is nobody's.
                    read = self.pump(stream, &made.id, output, &mut refusal) => read,
                    () = async { fed.await; pending().await } => Ok(()),
                }
            };
            let mut pump = pin!(pump);
            tokio::select! {
                // A program that has ended has ended, whatever is asked at the same moment.
                biased;
                read = &mut pump => Some(read),
                () = stop.cancelled() => {
                    let end = end_step(self.engine, &self.container.id, self.step, self.patience, "INT");
                    let (_read, ()) = tokio::join!(pump, end);
                    None
                }
            }
        };
        let Some(read) = ended else { return Ok(Ending::Stopped) };
        if let Err(error) = read {
            if self.streams.output.is_some() {
                // It would wait for ever for somebody who takes its output.
                end_step(self.engine, &self.container.id, self.step, self.patience, "TERM").await;
            }
            return Err(error);
        }
        let seen = self.engine.api.inspect_exec(&made.id).await.map_err(&doing)?;
        match seen.exit_code.filter(|_| seen.running != Some(true)) {
            Some(code @ (126 | 127)) if !refusal.is_empty() => Err(self.refused(&refusal, code).await),
            Some(code) => {
                if let Some(error) = self.ended_with_it(code).await {
                    return Err(error);
                }
                // Podman only says that the connection is gone.
                let missing = self.engine.podman && matches!(code, 126 | 127);
                match if missing { self.missing().await } else { None } {
                    Some(error) => Err(error),
                    None => Ok(Ending::Exited(i32::try_from(code).unwrap_or(-1))),
                }
            }
            None => Err(self.gone().await.unwrap_or_else(|| {
                container_error("the engine does not know how the program in the container ended")
            })),
        }
    }

    /// Hands the output on until nobody holds it open, or until the program has ended and what it left behind is silent.
    async fn pump(
        self,
        mut stream: impl futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
        id: &str,
        output: mpsc::Sender<Chunk>,
        refusal: &mut Vec<u8>,
    ) -> Result<(), RunnerError> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        look.tick().await;
        let mut last = None;
        let mut first = true;
        let kept = self.streams.output.as_ref().map(|file| file.try_clone()).transpose();
        let kept =
            kept.map_err(|error| container_error(format!("the output of the program is lost: {error}")))?;
        let mut kept = kept.map(tokio::fs::File::from_std);
        loop {
            tokio::select! {
                biased;
                chunk = stream.next() => match chunk {
                    None => {
                        // What was handed over last is written in the background.
                        if let Some(file) = &mut kept {
                            let _whoever_read_has_enough = file.flush().await;
                        }
                        return Ok(());
                    }
                    Some(Ok(LogOutput::StdOut { message })) if kept.is_some() => {
                        if let Some(file) = &mut kept && file.write_all(&message).await.is_err() {
                            return Err(container_error("nobody takes the output of the program any more"));
                        }
                    }
                    Some(Ok(chunk)) => {
                        let bytes = chunk.into_bytes();
                        if std::mem::take(&mut first) && RUNTIME.iter().any(|words| bytes.starts_with(words)) {
                            refusal.extend_from_slice(&bytes);
                            continue;
                        }
                        // Nobody listens any more: go on, so that the program does not block.
                        let _ = output.send(bytes.to_vec()).await;
                        if let Some(last) = &mut last {
                            *last = Instant::now();
                        }
                    }
                    Some(Err(error)) => {
                        return Err(self.gone().await.unwrap_or_else(|| {
                            container_error(format!("the output of the program is lost: {}", words(&error)))
                        }));
                    }
                },
                _ = look.tick(), if last.is_none() => {
                    let seen = self.engine.api.inspect_exec(id).await;
                    if seen.is_ok_and(|seen| seen.running == Some(false)) {
                        last = Some(Instant::now());
                    }
                }
                () = sleep_until(last.unwrap_or_else(Instant::now) + self.patience.drain), if last.is_some() => {
                    return Ok(());
                }
            }
        }
    }

    /// When a program ended because its container did: that.
    async fn ended_with_it(self, code: i64) -> Option<RunnerError> {
        match code {
            0 => None,
            KILLED => gone_by_now(self.engine, self.container).await,
            _ => self.gone().await,
        }
    }

    /// Why the engine could not start the program.
    async fn refused(self, text: &[u8], code: i64) -> RunnerError {
        let text = String::from_utf8_lossy(text).trim().to_owned();
        if is_stopped(&text)
            && let Some(error) = gone_by_now(self.engine, self.container).await
        {
            return error;
        }
        if text.contains("chdir to cwd") {
            return self.no_directory();
        }
        self.not_started(&format!(" (exit code {code}): {text}"))
    }

    /// What is not there of a program that did not start: its directory, or itself.
    async fn missing(self) -> Option<RunnerError> {
        let is_there = |path: PathBuf| async move {
            let options = ContainerArchiveInfoOptions { path: path.to_string_lossy().into_owned() };
            let found = self.engine.api.get_container_archive_info(&self.container.id, Some(options)).await;
            !found.is_err_and(|error| is_missing(&error))
        };
        if !is_there(self.directory.to_owned()).await {
            return Some(self.no_directory());
        }
        let name = self.argv.first()?;
        let path = self.env.get("PATH").map(String::as_str).unwrap_or_default();
        let folders: Vec<&str> = if name.contains('/') { vec![""] } else { path.split(':').collect() };
        for folder in folders {
            if is_there(self.directory.join(folder).join(name)).await {
                return None;
            }
        }
        Some(self.not_started(": it is in no folder of its PATH"))
    }

    fn no_directory(self) -> RunnerError {
        let message =
            format!("the working directory {} does not exist in the container", self.directory.display());
        RunnerError::new(ErrorKind::ProgramMissing, message).with_help(
            "check working-directory, or check out the repository first with uses: actions/checkout@v4",
        )
    }

    fn not_started(self, why: &str) -> RunnerError {
        let name = self.argv.first().map(String::as_str).unwrap_or_default();
        let kind = if self.is_script { ErrorKind::ShellMissing } else { ErrorKind::ProgramMissing };
        let message = format!("{name:?} cannot be started in the container{why}");
        RunnerError::new(kind, message)
            .with_help("use an image that has it, or choose another program with shell:")
    }

    /// When the container itself has ended: that, with its exit code.
    async fn gone(self) -> Option<RunnerError> {
        gone(self.engine, self.container).await
    }
}

/// Gives a program what it is to read, and tells it that there is no more.
async fn give(file: Option<&Arc<File>>, mut input: Pin<Box<dyn AsyncWrite + Send>>) {
    let Some(Ok(file)) = file.map(|file| file.try_clone()) else { return };
    let mut file = tokio::fs::File::from_std(file);
    // A program that has enough ends with its input open; how it ended is told otherwise.
    let _has_enough = tokio::io::copy(&mut file, &mut input).await;
    let _closed = input.shutdown().await;
}
