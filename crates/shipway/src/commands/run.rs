//! `shipway run`: the workflows of the repository it stands in, here and now, without a server.
//!
//! The documents are read from the work tree ([`documents`]), planned for an event ([`event`]), and driven by the
//! runner's host executor ([`drive`]) while what happens is shown as lines or as JSON ([`show`]).

mod breaks;
mod cache;
mod console;
mod documents;
mod drive;
mod event;
mod folder;
mod graph;
mod held;
mod isolation;
mod jobs;
mod json;
mod labels;
mod ledger;
mod legs;
mod lines;
mod mirror;
mod pairs;
mod places;
mod plain;
pub(crate) mod plan;
mod progress;
mod remember;
mod repository;
mod show;
mod steplog;
mod summary;
mod thread;

use crate::{
    cli::{at_least_one, talk},
    environment::Environment,
    exit::{Exit, Failure},
};
use clap::Args;
use documents::{Documents, Planned};
use pairs::{Lent, choice, lent};
pub(crate) use pairs::{Pair, pair};
use repository::Here;
use shipway_runner::Platform;
use std::{num::NonZeroUsize, path::PathBuf};
pub(in crate::commands) use steplog::script;

/// What to run, and how.
#[derive(Args, Debug, Default)]
#[command(after_help = "\
Examples:
  shipway run                                        what a push of this branch would start
  shipway run -W ci.yml -j test --verbose            one job and what it needs, with all logs
  shipway run workflow_dispatch --input colour=red   a workflow that is started by hand
  shipway run --secret TOKEN --var REGION=eu         a secret from the environment, and a variable
  shipway run --break-on-failure                     stop at a failed step, look, edit, retry it
  shipway run --dry-run                              the job graph only

Exit codes: 0 all went well, 1 a job failed, 2 an invalid document or call, 3 nothing to run,
130 interrupted. Ctrl-C cancels as on GitHub, a second one forces.")]
pub(crate) struct Options {
    /// The event that happened, such as push, pull_request or workflow_dispatch
    #[arg(default_value = "push")]
    event: String,
    /// Run this workflow only, whatever its branch and path filters say; a path, or a name in .github/workflows
    #[arg(short = 'W', long = "workflow", value_name = "FILE")]
    workflows: Vec<PathBuf>,
    /// Run this job and what it needs only
    #[arg(short = 'j', long = "job", value_name = "JOB")]
    wanted: Vec<String>,
    /// Give an input of workflow_dispatch or workflow_call
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = pair)]
    inputs: Vec<Pair>,
    /// Give a secret; without a value it is taken from the environment
    #[arg(long = "secret", value_name = "NAME[=VALUE]", value_parser = lent)]
    secrets: Vec<Lent>,
    /// Give a variable, vars.NAME
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    vars: Vec<Pair>,
    /// Set a variable in the environment of every step; without a value it is taken from this environment
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = lent)]
    env: Vec<Lent>,
    /// Take the body of the event, github.event, from a JSON file
    #[arg(long, value_name = "FILE")]
    event_file: Option<PathBuf>,
    /// Run only the legs of matrices that have this value; for several values of a key, or several keys, give it again
    #[arg(long = "matrix", value_name = "KEY:VALUE", value_parser = choice)]
    matrix: Vec<Pair>,
    /// Run jobs with this label here (host) or in containers of an image (docker://IMAGE)
    #[arg(long = "platform", value_name = "LABEL=WHERE", value_parser = pairs::platform)]
    platforms: Vec<(String, Platform)>,
    /// Take actions of other repositories from the git repositories <owner>/<repo> in this folder, not from the network
    #[arg(long, value_name = "DIR")]
    action_mirror: Option<PathBuf>,
    /// Run the real actions also where built-in ones can stand for them, such as actions/checkout
    #[arg(long)]
    no_native_actions: bool,
    /// Keep caches of actions and tools in this folder, and not in ~/.cache/shipway
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Run so many jobs at once; as many as there are processors when it is not given
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    jobs: Option<NonZeroUsize>,
    /// Isolate every job from this machine: a user, files, processes and a network of its own
    #[arg(long)]
    isolate: bool,
    /// Let isolated jobs use the network of this machine
    #[arg(long, requires = "isolate")]
    isolate_network: bool,
    /// Let isolated jobs read a folder beside those of the system, such as one with a toolchain
    #[arg(long, requires = "isolate", value_name = "DIR")]
    isolate_read: Vec<PathBuf>,
    /// Show all logs, not only those of failed steps
    #[arg(short, long)]
    verbose: bool,
    /// Print events as JSON, one a line
    #[arg(long)]
    json: bool,
    /// Stop at a failed step and ask what to do: open a shell there, edit, retry, skip, go on, abort. With --json the answers
    /// are lines on standard input, such as {"command":"retry"}
    #[arg(long, conflicts_with = "dry_run")]
    break_on_failure: bool,
    /// Print the job graph and run nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the workflows and shows what happens.
pub(crate) fn run(environment: &Environment, options: Options) -> Result<Exit, Failure> {
    let given = pairs::Given::take(environment, &options)?;
    if let Some(mirror) = options.action_mirror.as_ref().filter(|it| !environment.folder.join(it).is_dir()) {
        // No refusal: what is looked for in it is told with its place, and a run may need nothing of it.
        talk(&format!("warning: {}, which --action-mirror names, is no folder", mirror.display()));
    }
    // Threads cost more than a short step does, so that there are none before it is known what they are for.
    let one = thread::one()?;
    let prepared = one.block_on(async {
        let here = Here::find(&environment.folder).await?;
        let documents = Documents::read(environment, &here, &options)?;
        let event = event::make(environment, &here, &options).await?;
        let given = given.with_event(&event)?;
        if options.dry_run {
            let shown = plan::show(environment, &here, &options, &given, &documents, event).await?;
            return Ok(Prepared::Shown(shown));
        }
        Ok::<_, Failure>(match documents.plan(environment, &here, &options, &given, event).await? {
            Some(planned) => Prepared::Runs(Box::new((here, given)), planned),
            None => Prepared::Shown(Exit::Usage),
        })
    });
    let (here, given, planned) = match prepared? {
        Prepared::Shown(exit) => return Ok(exit),
        Prepared::Runs(known, planned) => (known.0, known.1, planned),
    };
    let runtime = if thread::suffices(&planned) { one } else { thread::many()? };
    let outcome = runtime.block_on(drive::drive_all(environment, &here, &options, given, planned));
    // Blocking reads of a terminal or a dead disk must not hold up the exit.
    runtime.shutdown_background();
    outcome
}

/// What there is to do once the documents are read.
enum Prepared {
    /// Nothing more; how the command ends.
    Shown(Exit),
    /// These runs, of this repository, with what was given.
    Runs(Box<(Here, pairs::Given)>, Vec<Planned>),
}
