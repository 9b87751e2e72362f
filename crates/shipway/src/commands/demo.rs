//! `shipway demo`: the whole road in one minute.

use crate::{
    cli::{say, talk},
    demo::story::{self, Story},
    environment::Environment,
    exit::{Exit, Failure},
};
use clap::Args;
use std::path::PathBuf;

/// How to show it.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  shipway demo\n  shipway demo --keep\n  shipway demo --json 2>/dev/null | jq .versions"
)]
pub(crate) struct Options {
    /// Leave everything up at the end, with the address of the pages; Ctrl-C ends it
    #[arg(long)]
    keep: bool,
    /// Print the report as JSON at the end; the story goes to standard error
    #[arg(long)]
    json: bool,
    /// The seed of the load
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The folder to use, which must not exist; a temporary one when it is not given
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Tells the story and prints the report.
pub(crate) async fn run(environment: &Environment, options: Options) -> Result<Exit, Failure> {
    let tell = if options.json { talk } else { say };
    let folder = story::Folder::create(environment, options.folder)?;
    let story = Story { environment, folder: &folder, seed: options.seed, keep: options.keep, tell };
    let report = story.tell().await?;
    if options.json {
        say(&report.to_json().to_string());
    } else {
        report.lines().iter().for_each(|line| say(line));
    }
    Ok(if report.is_as_promised() { Exit::Ok } else { Exit::Failed })
}
