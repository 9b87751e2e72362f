//! `shipway rerun`: run a run of a server again, all of it or a part.

use super::{
    connect::Connection,
    dispatch::{exit_of, follow, json, outcome, send},
};
use crate::{
    cli::{Server, say, talk},
    environment::Environment,
    exit::{Exit, Failure},
};
use clap::Args;
use shipway_api::{JobKey, PageQuery, RerunRequest, RunId, RunQuery, request};
use shipway_base::one_line;

/// What to run again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  shipway rerun --failed                    the jobs of the newest run that failed, and what needs them
  shipway rerun 12 --workflow ci.yml        all jobs of run 12 of a workflow
  shipway rerun 7301... --job test/1 --wait one leg of a matrix, by the id of the run; wait for its end

Exit codes: 0 begun, or with --wait succeeded; 1 the run failed; 3 no such run; 5 it is not over, or
nothing of it would run again.")]
pub(crate) struct Options {
    /// The run: its id, or its number; the newest when it is not given
    run: Option<String>,
    /// The workflow of the run: its name, or its file in .github/workflows
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<String>,
    /// Only the jobs that failed or were cancelled, and all jobs that need them
    #[arg(long, conflicts_with = "job")]
    failed: bool,
    /// Only this job, and all jobs that need it: a key under `jobs`, or test/1 for one leg of a matrix
    #[arg(long, value_name = "JOB", value_parser = key)]
    job: Option<JobKey>,
    /// Wait for the end of the run
    #[arg(long)]
    wait: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

fn key(text: &str) -> Result<JobKey, String> {
    JobKey::new(text).map_err(|_| format!("{text:?} is no key of a job, such as test or test/1"))
}

/// Runs it again and, with `--wait`, follows it to its end.
pub(crate) async fn run(environment: &Environment, options: Options) -> Result<Exit, Failure> {
    let connection = Connection::find(environment, &options.server)?;
    let (id, attempt) = find(&connection, &options).await?;
    // The attempt that is meant makes it safe to send again.
    let ask = RerunRequest { only_failed: options.failed, job: options.job.clone(), attempt: Some(attempt) };
    let begun = send(&connection, &request::rerun(id, &ask)).await?;
    let summary = &begun.summary;
    let place = format!(
        "Attempt {} of {} #{}: {}/runs/{id}",
        summary.attempt,
        one_line(&summary.workflow),
        summary.number,
        connection.url()
    );
    if options.wait {
        talk(&place);
        let over = follow(&connection, id).await?;
        say(&if options.json { json(&over)? } else { outcome(&over.summary) });
        return Ok(exit_of(over.summary.conclusion));
    }
    if options.json {
        say(&json(&begun)?);
    } else {
        say(&id.to_string());
        talk(&place);
    }
    Ok(Exit::Ok)
}

/// The run that is meant, and its newest attempt.
async fn find(connection: &Connection, options: &Options) -> Result<(RunId, u32), Failure> {
    let missing = |what: String| {
        Failure::new(Exit::NotFound, what)
            .with_code("SW1051")
            .with_help("give the id of a run, or its number and its workflow with --workflow")
    };
    let workflow = options.workflow.as_ref().map(|named| match named.rsplit('/').next() {
        Some(file) if file.ends_with(".yml") || file.ends_with(".yaml") => {
            format!(".github/workflows/{file}")
        }
        Some(_) | None => named.clone(),
    });
    let page = PageQuery { limit: 100, ..PageQuery::default() };
    let runs =
        connection.ask(&request::runs(&RunQuery { workflow, page, ..RunQuery::default() })).await?.items;
    let Some(named) = &options.run else {
        let newest = runs.first().ok_or_else(|| missing("the server has no such run".to_owned()))?;
        return Ok((newest.id, newest.attempt));
    };
    let known =
        |run: &&shipway_api::RunSummary| run.number.to_string() == *named || run.id.to_string() == *named;
    if let Some(run) = runs.iter().find(known) {
        return Ok((run.id, run.attempt));
    }
    let id: RunId = named.parse().map_err(|_| missing(format!("the server has no run {named}")))?;
    let summary = connection.ask(&request::run(id)).await?.summary;
    Ok((summary.id, summary.attempt))
}
