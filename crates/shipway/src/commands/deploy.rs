//! `shipway deploy`: a step of a run makes a release of what the run built, and waits for the verdict.

use super::{connect::Connection, rollout::follow};
use crate::{
    annotate::remarks,
    cli::{Server, say, talk},
    environment::Environment,
    exit::{Exit, Failure},
};
use clap::Args;
use shipway_api::{DeployRequest, RolloutPhase, RunId, request};
use shipway_base::{Digest, parse_duration};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The delivery document cannot be read.
const UNREADABLE: &str = "SW1003";

/// What to deploy.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  shipway deploy web --artifact web --wait\n  shipway deploy web --artifact web --version \"$VERSION\" --wait --timeout 30m\n\nIt is meant for a step of a run of `shipway up`, where SHIPWAY_URL, SHIPWAY_TOKEN, GITHUB_RUN_ID and\nGITHUB_RUN_ATTEMPT are set\n\nExit codes: 0 promoted, or asked for without --wait, 1 failed, 2 an invalid call or document,\n3 no such artifact or run, 4 not permitted, 5 superseded by another deploy, or in conflict with\nanother service, 6 no server, 7 the --timeout is over and the rollout goes on, 8 rolled back"
)]
pub(crate) struct Options {
    /// The service, as `metadata.name` in the delivery document
    service: String,
    /// The artifact that this run uploaded
    #[arg(long, value_name = "NAME")]
    artifact: String,
    /// The delivery document
    #[arg(short, long, value_name = "FILE", default_value = "shipway.yaml")]
    file: PathBuf,
    /// The version as people call it; the commit's short name when it is not given
    #[arg(long)]
    version: Option<String>,
    /// The run that uploaded the artifact
    #[arg(long, env = "GITHUB_RUN_ID", value_name = "ID")]
    run: RunId,
    /// The attempt of that run; each has its own rollout
    #[arg(long, env = "GITHUB_RUN_ATTEMPT", value_name = "NUMBER")]
    attempt: Option<u32>,
    /// Wait for the outcome, which the exit code tells
    #[arg(long)]
    wait: bool,
    /// How long to wait at most, such as 30m; the rollout goes on after it
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "wait")]
    timeout: Option<Duration>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// Asks for the deployment and, with `--wait`, follows it to its end.
pub(crate) async fn run(environment: &Environment, options: Options) -> Result<Exit, Failure> {
    let path = environment.folder.join(&options.file);
    let spec = fs::read_to_string(&path).map_err(|error| {
        let message = format!("cannot read the delivery document {}: {error}", options.file.display());
        remark(environment, &options.file, UNREADABLE, std::slice::from_ref(&message));
        Failure::new(Exit::Usage, message)
            .with_code(UNREADABLE)
            .with_help("check the repository out before, or name the document with --file")
    })?;
    let connection = Connection::find(environment, &options.server)?;
    let ask = DeployRequest {
        service: options.service.clone(),
        artifact: options.artifact.clone(),
        run_id: options.run,
        spec_name: options.file.display().to_string(),
        version: options.version.clone().filter(|version| !version.is_empty()),
        spec,
    };
    // A step that is run again after a crash must find its own rollout, not begin another; one of a later attempt of the run begins
    // one.
    let asked = (&ask.service, &ask.artifact, ask.run_id, &ask.version, &ask.spec);
    let key = match options.attempt.filter(|attempt| *attempt > 1) {
        None => format!("{asked:?}"),
        Some(attempt) => format!("{asked:?} attempt {attempt}"),
    };
    let key = Digest::of(key.as_bytes());
    let deployed = connection.ask(&request::deploy(&ask, format!("deploy-{}", key.hex()))).await;
    let deployed = deployed.inspect_err(|failure| {
        let code = failure.code.as_deref().unwrap_or_default();
        remark(environment, &options.file, code, &failure.findings);
    })?;
    if options.json && !options.wait {
        say(&serde_json::to_string(&deployed).map_err(anyhow::Error::from)?);
        return Ok(Exit::Ok);
    }
    let again = if deployed.repeated { " again" } else { "" };
    talk(&format!(
        "Deploying {} {} ({}){again}: rollout {}",
        deployed.service,
        deployed.release.version,
        deployed.release.digest.short(),
        deployed.rollout
    ));
    if !options.wait {
        talk(&format!("Follow it with: shipway rollout watch {}", deployed.rollout));
        return Ok(Exit::Ok);
    }
    let followed = follow(&connection, deployed.rollout, options.json);
    match options.timeout {
        None => followed.await,
        Some(limit) => match tokio::time::timeout(limit, followed).await {
            Ok(outcome) => outcome,
            Err(_) => {
                talk(&format!("Still running; follow it with: shipway rollout watch {}", deployed.rollout));
                Ok(Exit::TimedOut)
            }
        },
    }
}

/// Tells whoever runs the job, when this is a step of one, what is wrong with the delivery document, so that it is shown beside
/// the file. Commands are read from both streams, and standard output is for data.
fn remark(environment: &Environment, document: &Path, code: &str, findings: &[String]) {
    if environment.variable("GITHUB_ACTIONS") != Some("true") {
        return;
    }
    let path = environment.folder.join(document);
    let within = environment.variable("GITHUB_WORKSPACE").and_then(|root| path.strip_prefix(root).ok());
    let file = within.unwrap_or(document).to_string_lossy();
    let name = document.display().to_string();
    remarks(&file, &name, code, findings).iter().for_each(|remark| talk(&remark.to_string()));
}

/// How a finished rollout ends a command that waited for it.
pub(crate) fn exit_of(phase: RolloutPhase) -> Exit {
    match phase {
        RolloutPhase::Promoted => Exit::Ok,
        RolloutPhase::RolledBack => Exit::RolledBack,
        RolloutPhase::Failed => Exit::Failed,
        RolloutPhase::Superseded => Exit::Conflict,
        RolloutPhase::Progressing | RolloutPhase::Paused | RolloutPhase::RollingBack => Exit::TimedOut,
    }
}
