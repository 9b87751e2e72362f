//! An executor without processes, steered by the environment of each step: for rehearsals, tests and measurements of
//! everything around the steps.

use crate::{
    error::{ErrorKind, RunnerError},
    executor::{BoxFuture, Chunk, Ending, Executor, Finished, Folders, JobIdentity, Program},
    filecommand::CommandFiles,
    place::{Opened, Wants},
};
use shipway_base::parse_duration;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Pretends to run steps, whatever containers a job wants. Each takes no time, prints nothing and succeeds, unless its environment says otherwise:
///
/// | variable | effect |
/// |---|---|
/// | `SHIPWAY_DUMMY_LOG` | printed |
/// | `SHIPWAY_DUMMY_SLEEP` | how long it takes, such as `300ms` or `1m` |
/// | `SHIPWAY_DUMMY_OUTPUT` | what it writes to `GITHUB_OUTPUT` |
/// | `SHIPWAY_DUMMY_ENV` | what it writes to `GITHUB_ENV` |
/// | `SHIPWAY_DUMMY_EXIT` | its exit code |
#[derive(Clone, Copy, Debug, Default)]
pub struct DummyExecutor;

impl Executor for DummyExecutor {
    fn name(&self) -> &'static str {
        "dummy"
    }

    fn is_real(&self) -> bool {
        false
    }

    fn folders(&self, job: &JobIdentity) -> Folders {
        let root = PathBuf::from("/dummy").join(&job.folder);
        Folders {
            workspace: root.join("workspace"),
            home: root.join("home"),
            temp: root.join("temp"),
            tools: PathBuf::from("/dummy/_tools"),
            workflow: root.clone(),
            scratch: root.join("scratch"),
            actions: root.join("actions"),
            root,
        }
    }

    fn open<'a>(&'a self, job: &'a JobIdentity) -> BoxFuture<'a, Result<Folders, RunnerError>> {
        Box::pin(async move { Ok(self.folders(job)) })
    }

    fn enter<'a>(
        &'a self,
        _job: &'a JobIdentity,
        folders: &'a Folders,
        _wants: &'a Wants,
        _output: mpsc::Sender<Chunk>,
        _stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Opened, RunnerError>> {
        Box::pin(async move { Ok(Opened::on_machine(folders.clone())) })
    }

    fn has_program<'a>(
        &'a self,
        _job: &'a JobIdentity,
        _name: &'a str,
        _path: &'a str,
        _directory: &'a Path,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async { true })
    }

    fn run<'a>(
        &'a self,
        program: &'a Program,
        output: mpsc::Sender<Chunk>,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Finished, RunnerError>> {
        Box::pin(async move {
            let asked = |name: &str| program.env.get(name).filter(|value| !value.is_empty());
            if let Some(text) = asked("SHIPWAY_DUMMY_LOG") {
                // Nobody listens: then there is nothing to print for.
                let _ = output.send(format!("{text}\n").into_bytes()).await;
            }
            if let Some(text) = asked("SHIPWAY_DUMMY_SLEEP") {
                let length =
                    parse_duration(text).map_err(|error| wrong("SHIPWAY_DUMMY_SLEEP", &error.to_string()))?;
                tokio::select! {
                    () = tokio::time::sleep(length) => {}
                    () = stop.cancelled() => {
                        return Ok(Finished { ending: Ending::Stopped, files: CommandFiles::default() });
                    }
                }
            }
            let code = match asked("SHIPWAY_DUMMY_EXIT") {
                Some(text) => {
                    text.trim().parse().map_err(|_| wrong("SHIPWAY_DUMMY_EXIT", "it is not a number"))?
                }
                None => 0,
            };
            let bytes = |name: &str| asked(name).map(|text| text.clone().into_bytes()).unwrap_or_default();
            let files = CommandFiles {
                output: bytes("SHIPWAY_DUMMY_OUTPUT"),
                env: bytes("SHIPWAY_DUMMY_ENV"),
                ..CommandFiles::default()
            };
            Ok(Finished { ending: Ending::Exited(code), files })
        })
    }

    fn close<'a>(
        &'a self,
        _job: &'a JobIdentity,
        _folders: &'a Folders,
        _output: mpsc::Sender<Chunk>,
    ) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async { Ok(()) })
    }
}

fn wrong(name: &str, why: &str) -> RunnerError {
    RunnerError::new(ErrorKind::ActionInput, format!("{name} cannot be obeyed: {why}"))
}
