//! `shipway plan`, and `shipway run --dry-run`: what an event would run, why, and why not the rest.

use super::{
    Documents, Here,
    documents::Held,
    event, graph,
    pairs::{Given, Pair, choice, pair},
};
use crate::{
    cli::say,
    environment::Environment,
    exit::{Exit, Failure},
};
use clap::Args;
use serde_json::json;
use shipway_workflow::event::Event;
use std::path::PathBuf;

/// What would happen, and which facts about it are given.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  shipway plan                                         what a push of this branch would run
  shipway plan --ref refs/heads/release/1 --changed docs/a.md
  shipway plan pull_request -j test --json
  shipway plan workflow_dispatch --input colour=red

Exit codes: 0 something would run, 2 an invalid document or call, 3 nothing would run.")]
pub(crate) struct Options {
    /// The event that would happen, such as push, pull_request or workflow_dispatch
    #[arg(default_value = "push")]
    event: String,
    /// Look at this workflow only, whatever its branch and path filters say; a path, or a name in .github/workflows
    #[arg(short = 'W', long = "workflow", value_name = "FILE")]
    workflows: Vec<PathBuf>,
    /// Look at this job and what it needs only
    #[arg(short = 'j', long = "job", value_name = "JOB")]
    wanted: Vec<String>,
    /// Give an input of workflow_dispatch or workflow_call
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = pair)]
    inputs: Vec<Pair>,
    /// Give a variable, vars.NAME
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    vars: Vec<Pair>,
    /// Take the body of the event, github.event, from a JSON file
    #[arg(long, value_name = "FILE")]
    event_file: Option<PathBuf>,
    /// Show only the legs of matrices that have this value
    #[arg(long = "matrix", value_name = "KEY:VALUE", value_parser = choice)]
    matrix: Vec<Pair>,
    /// The full ref that is pushed, such as refs/heads/main or refs/tags/v1; the current branch when it is not given
    #[arg(long = "ref", value_name = "REF", value_parser = full_ref)]
    reference: Option<String>,
    /// A path that is changed, for path filters; they let everything pass when none is given
    #[arg(long, value_name = "PATH")]
    changed: Vec<String>,
    /// Print the plan as JSON, a line a workflow
    #[arg(long)]
    json: bool,
}

fn full_ref(text: &str) -> Result<String, String> {
    match ["refs/heads/", "refs/tags/", "refs/pull/"].iter().any(|prefix| text.starts_with(prefix)) {
        true => Ok(text.to_owned()),
        false => Err(format!("write refs/heads/{text} for a branch, refs/tags/{text} for a tag")),
    }
}

/// Prints the plan.
pub(crate) async fn run(environment: &Environment, options: Options) -> Result<Exit, Failure> {
    let Options {
        event: name,
        workflows,
        wanted,
        inputs,
        vars,
        event_file,
        matrix,
        reference,
        changed,
        json,
    } = options;
    let options = super::Options {
        event: name,
        workflows,
        wanted,
        inputs,
        vars,
        event_file,
        matrix,
        json,
        dry_run: true,
        ..super::Options::default()
    };
    let given = Given::take(environment, &options)?;
    let mut here = Here::find(&environment.folder).await?;
    if let Some(reference) = reference {
        here.reference = reference;
    }
    let documents = Documents::read(environment, &here, &options)?;
    let mut event = event::make(environment, &here, &options).await?;
    let given = given.with_event(&event)?;
    if !changed.is_empty() {
        event.changed = Some(changed);
    }
    show(environment, &here, &options, &given, &documents, event).await
}

/// Prints what the event would run, and what not.
pub(super) async fn show(
    environment: &Environment,
    here: &Here,
    options: &super::Options,
    given: &Given,
    documents: &Documents,
    event: Event,
) -> Result<Exit, Failure> {
    let held = documents.held_back(options, &event);
    let name = event.name.clone();
    let planned = documents.plan(environment, here, options, given, event).await;
    if let Ok(planned) = &planned {
        let Some(planned) = planned else { return Ok(Exit::Usage) };
        graph::show(planned, options.json);
    }
    for held in &held {
        tell(held, &name, options.json);
    }
    planned.map(|_| Exit::Ok)
}

fn tell(held: &Held, event: &str, as_json: bool) {
    if as_json {
        let line = json!({
            "event": "not_planned", "workflow": held.path, "name": held.name, "on": event, "why": held.why,
            "filters": held.filters,
        });
        say(&line.to_string());
        return;
    }
    let file = if held.name == held.path { String::new() } else { format!(" ({})", held.path) };
    say(&format!("{}{file}: not started by {event}: {}", held.name, held.why));
    held.filters.iter().for_each(|line| say(&format!("  why: {line}")));
}
