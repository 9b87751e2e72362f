//! `shipway dispatch`: start a workflow by hand on a running server, with its inputs.

use super::{
    connect::Connection,
    run::{Pair, pair},
};
use crate::{
    cli::{Server, say, talk},
    environment::Environment,
    exit::{Exit, Failure},
};
use clap::Args;
use shipway_api::{
    Conclusion, DispatchRequest, Run, RunId, RunSummary, Status, Workflow, WorkflowInput, WorkflowInputKind,
    Workflows,
    request::{self, Request},
};
use shipway_base::{one_line, yaml::closest};
use std::time::Duration;

/// What to start.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  shipway dispatch                                 what can be started by hand, with its inputs
  shipway dispatch deploy.yml --input colour=red   start it on the default branch
  shipway dispatch deploy.yml --ref v2 --wait      on a tag; wait for its end
  shipway dispatch deploy.yml --key ticket-17      once, however often it is called

Exit codes: 0 started, or with --wait succeeded; 1 the run failed; 2 inputs that do not fit, or a
file with errors; 3 no such workflow, branch or tag.")]
pub(crate) struct Options {
    /// The workflow: its file in .github/workflows, or its name; all are listed when it is not given
    workflow: Option<String>,
    /// The branch or tag; the default branch when it is not given
    #[arg(long = "ref", value_name = "REF")]
    git_ref: Option<String>,
    /// Give an input
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = pair, requires = "workflow")]
    inputs: Vec<Pair>,
    /// Start it once, however often this is called with the same key, inputs and branch; what belongs to the call, such as
    /// the number of a ticket
    #[arg(long, value_name = "KEY", requires = "workflow")]
    key: Option<String>,
    /// Wait for the end of the run
    #[arg(long, requires = "workflow")]
    wait: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// How often it is asked for, when no answer comes: as often as a restart of the server takes.
const TRIES: u32 = 8;

/// How often the run is looked at while it is waited for.
const INTERVAL: Duration = Duration::from_millis(250);

/// Starts the workflow, or lists what can be started.
pub(crate) async fn run(environment: &Environment, options: Options) -> Result<Exit, Failure> {
    let connection = Connection::find(environment, &options.server)?;
    let Some(named) = &options.workflow else {
        let workflows = connection.ask(&request::workflows(options.git_ref.as_deref())).await?;
        if options.json {
            say(&json(&workflows)?);
        } else {
            list(&workflows);
        }
        return Ok(Exit::Ok);
    };
    let file = file(&connection, &options, named).await?;
    let inputs = options.inputs.iter().map(|pair| (pair.name().to_owned(), pair.value().into())).collect();
    let ask = DispatchRequest { git_ref: options.git_ref.clone(), inputs };
    let key = match &options.key {
        Some(key) => key.clone(),
        None => random_key()?,
    };
    let started = send(&connection, &request::dispatch(&file, &ask, key)).await?;
    let summary = &started.summary;
    let (name, number) = (one_line(&summary.workflow), summary.number);
    let begun = format!("Started {name} #{number}: {}/runs/{}", connection.url(), summary.id);
    if options.wait {
        talk(&begun);
        let over = follow(&connection, summary.id).await?;
        if options.json {
            say(&json(&over)?);
        } else {
            say(&outcome(&over.summary));
        }
        return Ok(exit_of(over.summary.conclusion));
    }
    if options.json {
        say(&json(&started)?);
    } else {
        say(&summary.id.to_string());
        talk(&begun);
    }
    Ok(Exit::Ok)
}

/// Sends a request; again when no answer comes, since its key makes it count once.
pub(super) async fn send(connection: &Connection, request: &Request<Run>) -> Result<Run, Failure> {
    let mut left = TRIES;
    loop {
        match connection.ask(request).await {
            Err(failure) if failure.exit == Exit::NoServer && left > 1 => left -= 1,
            answer => return answer,
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// A key that no other call has.
fn random_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Exit::Failed, format!("the system gives no random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The file that is meant: its name, its path, or the name of the workflow in it.
async fn file(connection: &Connection, options: &Options, named: &str) -> Result<String, Failure> {
    let name = named.rsplit('/').next().unwrap_or(named);
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        return Ok(name.to_owned());
    }
    let workflows = connection.ask(&request::workflows(options.git_ref.as_deref())).await?;
    let found = workflows.items.iter().find(|workflow| workflow.name == named);
    let found = found.or_else(|| {
        workflows
            .items
            .iter()
            .find(|workflow| workflow.file.rsplit_once('.').is_some_and(|(stem, _)| stem == name))
    });
    found.map(|workflow| workflow.file.clone()).ok_or_else(|| {
        let failure =
            Failure::new(Exit::NotFound, format!("the server has no workflow {named}")).with_code("SW1012");
        let names =
            workflows.items.iter().flat_map(|workflow| [workflow.file.as_str(), workflow.name.as_str()]);
        match closest(named, names) {
            Some(close) => failure.with_help(format!("did you mean {close:?}?")),
            None => failure.with_help("`shipway dispatch` lists those that can be started"),
        }
    })
}

/// Waits until a run is over. A server that restarts goes on with it, so a short silence is not its end.
pub(super) async fn follow(connection: &Connection, id: RunId) -> Result<Run, Failure> {
    let mut misses = 0;
    loop {
        match connection.ask(&request::run(id)).await {
            Ok(run) if run.summary.status == Status::Completed => return Ok(run),
            Ok(_) => misses = 0,
            Err(failure) if failure.exit == Exit::NoServer && misses < 240 => misses += 1,
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

pub(super) fn exit_of(conclusion: Option<Conclusion>) -> Exit {
    match conclusion {
        Some(Conclusion::Success | Conclusion::Skipped) => Exit::Ok,
        Some(Conclusion::Failure | Conclusion::Cancelled) | None => Exit::Failed,
    }
}

pub(super) fn outcome(run: &RunSummary) -> String {
    let word = match run.conclusion {
        Some(Conclusion::Success) => "ok",
        Some(Conclusion::Failure) => "failed",
        Some(Conclusion::Cancelled) => "cancelled",
        Some(Conclusion::Skipped) => "skipped",
        None => "running",
    };
    let why = run.failed.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    one_line(&format!("{word} {} #{}{why}", run.workflow, run.number))
}

fn list(workflows: &Workflows) {
    let by_hand: Vec<(&Workflow, &Vec<WorkflowInput>)> =
        workflows.items.iter().filter_map(|workflow| Some((workflow, workflow.inputs.as_ref()?))).collect();
    if by_hand.is_empty() {
        talk("No workflow can be started by hand here; add `workflow_dispatch` under `on` to one.");
    }
    for (workflow, inputs) in by_hand {
        say(&one_line(&format!("{}  {}", workflow.file, workflow.name)));
        inputs.iter().for_each(|input| say(&one_line(&format!("  {}", describe(input)))));
    }
}

/// One line on an input: its name, its values, what it is when it is not given.
fn describe(input: &WorkflowInput) -> String {
    let kind = match input.kind {
        WorkflowInputKind::String => "text".to_owned(),
        WorkflowInputKind::Boolean => "true or false".to_owned(),
        WorkflowInputKind::Number => "number".to_owned(),
        WorkflowInputKind::Environment => "environment".to_owned(),
        WorkflowInputKind::Choice => format!("one of {}", input.options.join(", ")),
    };
    let rest = match (&input.default, input.required) {
        (Some(default), _) => format!(", {default:?} when not given"),
        (None, true) => ", required".to_owned(),
        (None, false) => String::new(),
    };
    let what = input.description.as_ref().map(|what| format!(": {what}")).unwrap_or_default();
    format!("{} ({kind}{rest}){what}", input.name)
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string(value).map_err(anyhow::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_described_in_a_line() {
        let input = WorkflowInput {
            name: "size".to_owned(),
            description: Some("how big".to_owned()),
            kind: WorkflowInputKind::Choice,
            options: vec!["s".to_owned(), "l".to_owned()],
            required: true,
            default: None,
        };
        assert_eq!(describe(&input), "size (one of s, l, required): how big");
        let input = WorkflowInput { default: Some("l".to_owned()), description: None, ..input };
        assert_eq!(describe(&input), "size (one of s, l, \"l\" when not given)");
    }
}
