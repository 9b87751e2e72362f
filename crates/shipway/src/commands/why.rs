//! `shipway why`: what failed in a run, what it said, since when it fails, and whether it failed like that before.
//!
//! The facts come from the history of this repository ([`local`]) or from a server ([`remote`]); what follows from them
//! is worked out by [`explain`], without looking at anything else, and shown by [`show`].

mod explain;
mod local;
mod remote;
mod show;

use crate::{
    cli::{Server, say},
    environment::Environment,
    exit::{Exit, Failure},
};
use clap::Args;
use explain::Answer;

/// Which run, and where from.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  shipway why                      the newest failed run of `shipway run` in this repository
  shipway why 913685992343949312   that run
  shipway why --server             the newest failed run of the server that runs from here
  shipway why --json               the same facts for a program

Exit codes: 0 it is explained, or none of the known runs failed; 3 there is no such run, or
no run at all.")]
pub(crate) struct Options {
    /// The run: its id, or its number on a server; the newest that failed when it is not given
    run: Option<String>,
    /// Ask a server, not the history of this repository
    #[arg(long)]
    server: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Server,
}

/// Explains a run.
pub(crate) async fn run(environment: &Environment, options: Options) -> Result<Exit, Failure> {
    let named = options.run.as_deref();
    let explained = if options.server || options.at.url.is_some() || options.at.data.is_some() {
        remote::explain(environment, &options.at, named).await?
    } else {
        local::explain(environment, named).await?
    };
    match (&explained, options.json) {
        (Answer::Explained(explained), true) => say(&show::json(explained).to_string()),
        (Answer::Explained(explained), false) => show::lines(explained).iter().for_each(|line| say(line)),
        (Answer::NothingFailed { looked_at, newest }, true) => {
            say(&show::nothing_failed_json(*looked_at, newest).to_string());
        }
        (Answer::NothingFailed { looked_at, newest }, false) => {
            show::nothing_failed(*looked_at, newest).iter().for_each(|line| say(line));
        }
    }
    Ok(Exit::Ok)
}
