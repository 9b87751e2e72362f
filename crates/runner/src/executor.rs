//! Where the programs of a step run: the seam between what a job means and how a machine carries it out.

use crate::{
    error::{ErrorKind, RunnerError},
    filecommand::CommandFiles,
    nodes::{MachineNode, PlacedNode},
    place::{ImageSource, Opened, OwnContainer, Wants},
};
use std::{
    collections::BTreeMap,
    fs::File,
    future::Future,
    net::{IpAddr, TcpListener},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// A future that can be sent and stored, as the methods of these traits return them.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs programs for jobs. An executor makes no choices: which program, in which folder, with which environment
/// is all in the [`Program`]. `open` comes first and `close` last, each once an attempt; in between `enter` and `leave` steps run
/// one after the other, and what they left running stays until `leave` in containers, and until `close` on the machine.
pub trait Executor: Send + Sync {
    /// A short name for logs, such as `host`.
    fn name(&self) -> &'static str;

    /// Whether files and processes are real. Where they are not, actions (`uses:`) are not carried out either.
    fn is_real(&self) -> bool;

    /// The folders that a job will have on this machine. They are its own from now on, until `close` or `forget`;
    /// they are not made yet.
    fn folders(&self, job: &JobIdentity) -> Folders;

    /// Gives the folders up of a job that is not open, whether `open` failed or was never called.
    fn forget(&self, _job: &JobIdentity) {}

    /// Makes the folders of a job, empty. After an error nothing is left, and `close` does not follow.
    fn open<'a>(&'a self, job: &'a JobIdentity) -> BoxFuture<'a, Result<Folders, RunnerError>>;

    /// Starts the containers that a job wants, and answers with the place that its steps have. What is to be told meanwhile goes
    /// to `output`. When `stop` is cancelled it gives up. What an error leaves goes with `leave` or `close`.
    fn enter<'a>(
        &'a self,
        _job: &'a JobIdentity,
        folders: &'a Folders,
        wants: &'a Wants,
        _output: mpsc::Sender<Chunk>,
        _stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Opened, RunnerError>> {
        let first = wants.container.as_ref().or(wants.services.first().map(|(_, service)| service));
        let refused = first
            .map(|first| no_containers(self.name(), &format!("a container of the image {}", first.image)));
        Box::pin(async move { refused.map_or_else(|| Ok(Opened::on_machine(folders.clone())), Err) })
    }

    /// Stops the containers of a job when its last step has ended; the folders stay. After an error `close` tries again.
    fn leave<'a>(
        &'a self,
        _job: &'a JobIdentity,
        _output: mpsc::Sender<Chunk>,
    ) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async { Ok(()) })
    }

    /// Whether a program of this name would be found by the job's programs: in the folders of `path`, or as it is when
    /// the name has a slash. Relative folders count from `directory`.
    fn has_program<'a>(
        &'a self,
        job: &'a JobIdentity,
        name: &'a str,
        path: &'a str,
        directory: &'a Path,
    ) -> BoxFuture<'a, bool>;

    /// A Node of this major version or newer where the job runs, or else one that may do, when that is not simply one
    /// of `nodes`, which this machine has.
    fn node<'a>(
        &'a self,
        _job: &'a JobIdentity,
        _nodes: &'a [MachineNode],
        _wanted: u32,
    ) -> BoxFuture<'a, Result<Option<PlacedNode>, RunnerError>> {
        Box::pin(async { Ok(None) })
    }

    /// The network that the containers of a job are in, as far as this machine takes part in it; `None` where it does not,
    /// or where there are no containers.
    fn network<'a>(
        &'a self,
        _job: &'a JobIdentity,
    ) -> BoxFuture<'a, Result<Option<ContainerNetwork>, RunnerError>> {
        Box::pin(async { Ok(None) })
    }

    /// Makes an image ready for [`run_container`](Executor::run_container): pulls or builds it. Answers with the name it
    /// goes by.
    fn prepare_image<'a>(
        &'a self,
        _job: &'a JobIdentity,
        image: &'a ImageSource,
        _output: mpsc::Sender<Chunk>,
        _stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<String, RunnerError>> {
        Box::pin(async move { Err(no_containers(self.name(), &format!("the image {image}"))) })
    }

    /// Runs a container of its own to its end, as a Docker action is. It sees the folders of the job at other places:
    /// values of its environment that are paths of the job are changed to what they are there.
    fn run_container<'a>(
        &'a self,
        container: &'a OwnContainer,
        _output: mpsc::Sender<Chunk>,
        _stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Finished, RunnerError>> {
        Box::pin(async move {
            Err(no_containers(self.name(), &format!("a container of the image {}", container.image)))
        })
    }

    /// The command files that a program of this job will have when it names their number; they are made when it starts.
    /// None where files are not real.
    fn command_files(&self, _job: &JobIdentity, _folders: &Folders) -> Option<CommandFileNames> {
        None
    }

    /// Runs one program to its end. Its output goes to `output` as it comes, standard output and standard error
    /// in one stream; a slow receiver slows the program down. When `stop` is cancelled the whole process tree is
    /// ended, gently at first, and the answer is [`Ending::Stopped`].
    fn run<'a>(
        &'a self,
        program: &'a Program,
        output: mpsc::Sender<Chunk>,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Finished, RunnerError>>;

    /// Runs one program to its end with a terminal for its input and output, as somebody who is at the keyboard wants
    /// it. The path of its script is in [`SCRIPT_ENV`]. Otherwise as [`run`](Executor::run). Executors that have no
    /// terminals refuse.
    fn interact<'a>(
        &'a self,
        _program: &'a Program,
        _terminal: Terminal,
        _stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Finished, RunnerError>> {
        let name = self.name();
        Box::pin(async move {
            Err(RunnerError::new(
                ErrorKind::NoTerminal,
                format!("the executor {name} has no terminal to offer"),
            ))
        })
    }

    /// Who does the runner's own work on the files of a job, which is what most built-in actions are.
    fn hands(&self, _job: &JobIdentity) -> Hands {
        Hands::Runner
    }

    /// Whether the runner itself may write to the workspace of a job, as its checkout does: nobody can have put anything in
    /// its way.
    fn may_write(&self, _job: &JobIdentity) -> bool {
        true
    }

    /// Makes ready for what the runner itself is to put into a tree in the folders of the job.
    fn before_own_work<'a>(
        &'a self,
        _job: &'a JobIdentity,
        _folders: &'a Folders,
        _tree: &'a Path,
    ) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async { Ok(()) })
    }

    /// Makes what the runner itself has put into that tree the job's.
    fn after_own_work<'a>(
        &'a self,
        _job: &'a JobIdentity,
        _folders: &'a Folders,
        _tree: &'a Path,
    ) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async { Ok(()) })
    }

    /// A listener of this machine's that the programs of a job reach on their loopback device; `None` where that is the one
    /// of this machine, or where they reach this machine by their [`network`](Executor::network).
    fn door<'a>(&'a self, _job: &'a JobIdentity) -> BoxFuture<'a, Result<Option<TcpListener>, RunnerError>> {
        Box::pin(async { Ok(None) })
    }

    /// Ends what the job left running and removes its folders, and containers that are left. What is to be told goes to `output`.
    fn close<'a>(
        &'a self,
        job: &'a JobIdentity,
        folders: &'a Folders,
        output: mpsc::Sender<Chunk>,
    ) -> BoxFuture<'a, Result<(), RunnerError>>;
}

/// The command files of a program that has not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandFileNames {
    /// What tells them from those of other programs.
    pub number: u64,
    /// Where the program finds each, by its name in the `github` context.
    pub paths: Vec<(&'static str, String)>,
}

/// Which attempt of which job, unique on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobIdentity {
    /// A name that is safe as one path segment.
    pub folder: String,
    /// A text no other attempt on this machine has; inherited in the environment by every process of the job, so
    /// that processes which left their group can still be told.
    pub tracking: String,
}

/// A network of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerNetwork {
    /// The address of this machine in it.
    pub address: IpAddr,
    /// How many bits are the same in all its addresses.
    pub prefix: u8,
}

/// The folders of one job, as this machine sees them; [`Opened::paths`] tells where programs see them. Nothing in them
/// outlives the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The folder that holds the others.
    pub root: PathBuf,
    /// `GITHUB_WORKSPACE`.
    pub workspace: PathBuf,
    /// `HOME`.
    pub home: PathBuf,
    /// `RUNNER_TEMP` and `TMPDIR`.
    pub temp: PathBuf,
    /// Where `event.json` is written.
    pub workflow: PathBuf,
    /// `RUNNER_TOOL_CACHE`; outlives the job unless it is isolated, and is its own meanwhile.
    pub tools: PathBuf,
    /// Where the runner puts files of its own meanwhile, which an isolated job does not see. It is not made before it is used.
    pub scratch: PathBuf,
    /// Where the actions of other repositories lie. An isolated job can only read it, so that it cannot put a link in the
    /// way of an action that is fetched late.
    pub actions: PathBuf,
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The job it belongs to.
    pub job: JobIdentity,
    /// The folders of the job.
    pub folders: Folders,
    /// What to start. `{0}` in an argument stands for the path of the script file.
    pub argv: Vec<String>,
    /// A script to write to a file first.
    pub script: Option<Script>,
    /// The working directory, as the program sees it.
    pub directory: PathBuf,
    /// The whole environment; nothing else is inherited. The executor adds the paths of the command files.
    pub env: BTreeMap<String, String>,
    /// Where it runs.
    pub place: ProgramPlace,
    /// What its standard input and output are.
    pub streams: Streams,
    /// The number of its command files, as [`Executor::command_files`] gave it; they get one of their own without.
    pub files: Option<u64>,
}

impl Program {
    /// The folders where its first word is looked for.
    pub(crate) fn shells(&self) -> &str {
        let shells = self.script.as_ref().and_then(|script| script.shells.as_deref());
        shells.or_else(|| self.env.get("PATH").map(String::as_str)).unwrap_or_default()
    }
}

/// Files for the standard input and output of a program of the runner's. Without them the one is empty, and the other goes
/// where the errors go.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// What it reads.
    pub input: Option<Arc<File>>,
    /// Where it writes.
    pub output: Option<Arc<File>>,
}

impl PartialEq for Streams {
    /// Whether they are the very same open files.
    fn eq(&self, other: &Streams) -> bool {
        let same = |one: &Option<Arc<File>>, other: &Option<Arc<File>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same(&self.input, &other.input) && same(&self.output, &other.output)
    }
}

impl Eq for Streams {}

/// Who does the runner's own work on the files of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hands {
    /// The runner. Steps have the same rights on this machine.
    Runner,
    /// A helper at [`ProgramPlace::Helper`], since the job has other rights than the runner.
    Helper,
}

/// Where a program of a job runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgramPlace {
    /// Where the job runs: in its container, when it has one.
    #[default]
    Job,
    /// On this machine in any case, even where jobs are isolated from it: helpers of the runner, such as git for a
    /// checkout, with paths of this machine.
    Machine,
    /// In the file system of the job, with the job's rights: a helper of the runner for the files there. Its arguments are those
    /// of the work, without a program.
    Helper,
}

/// A script file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The text.
    pub text: String,
    /// The ending of its file name, `.sh` for example.
    pub extension: &'static str,
    /// The folders, as in `PATH`, where the program that reads it is looked for; those of its environment when there are none.
    pub shells: Option<String>,
}

/// The variable that names the file with the script of the step, in a shell beside it.
pub const SCRIPT_ENV: &str = "SHIPWAY_SCRIPT";

/// The far end of a terminal that a program is given.
#[derive(Debug)]
pub struct Terminal {
    /// What is typed.
    pub input: mpsc::Receiver<Chunk>,
    /// What is shown.
    pub output: mpsc::Sender<Chunk>,
    /// Rows and columns.
    pub size: watch::Receiver<(u16, u16)>,
}

/// Bytes of output, split wherever the pipe happened to.
pub type Chunk = Vec<u8>;

/// How a program ended and what it wrote to its command files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// What it left in `GITHUB_ENV` and the others.
    pub files: CommandFiles,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an exit code.
    Exited(i32),
    /// By a signal that did not come from the runner.
    Signalled(i32),
    /// Because it was told to; whatever it answered.
    Stopped,
}

impl Default for Ending {
    fn default() -> Ending {
        Ending::Exited(0)
    }
}

/// How patient the runner is with processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From SIGINT, which comes at once, to SIGTERM.
    pub term_after: Duration,
    /// From SIGINT to SIGKILL.
    pub kill_after: Duration,
    /// How long output may still come after the program itself has exited, when something it started holds the
    /// pipe open.
    pub drain: Duration,
}

impl Default for Patience {
    /// What GitHub's runner does: INT at once, TERM after 7.5 s, KILL after 10 s.
    fn default() -> Patience {
        Patience {
            term_after: Duration::from_millis(7_500),
            kill_after: Duration::from_secs(10),
            drain: Duration::from_secs(2),
        }
    }
}

/// The answer of an executor that has no containers.
pub(crate) fn no_containers(name: &str, what: &str) -> RunnerError {
    let (message, help) = if cfg!(feature = "docker") {
        (
            format!("{what} is asked for, and the executor {name:?} has no containers"),
            "run it where Docker is",
        )
    } else {
        (
            format!("{what} is asked for, and this program was built without support for containers"),
            "build it with cargo build --features docker",
        )
    };
    RunnerError::new(ErrorKind::ContainersMissing, message).with_help(help)
}
