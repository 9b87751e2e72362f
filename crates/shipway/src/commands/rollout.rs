//! `shipway rollout`: look at deliveries and steer them.

mod show;

use super::{connect::Connection, deploy::exit_of};
use crate::{
    cli::{Server, say, talk},
    environment::Environment,
    exit::{Exit, Failure},
};
use clap::{Args, Subcommand};
use shipway_api::{CommandRequest, PageQuery, ReleaseId, RolloutCommand, RolloutId, RolloutQuery, request};
use shipway_base::one_line;
use std::time::Duration;

/// What to do with rollouts.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// List rollouts, newest first
    #[command(
        after_help = "Examples:\n  shipway rollout list\n  shipway rollout list web --json\n\nExit codes: 0 shown, 4 not permitted, 6 no server"
    )]
    List {
        /// Only of this service
        service: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        output: Output,
    },
    /// Show one rollout: its steps, its traffic, its evidence
    #[command(
        after_help = "Examples:\n  shipway rollout get web\n  shipway rollout get web --json\n\nExit codes: 0 shown, 3 no such rollout, 4 not permitted, 6 no server"
    )]
    Get(Which),
    /// Follow a rollout to its end
    #[command(
        after_help = "Examples:\n  shipway rollout watch\n  shipway rollout watch web --json\n\nExit codes: 0 promoted, 1 failed, 3 no such rollout, 4 not permitted, 5 superseded, 6 no server,\n8 rolled back"
    )]
    Watch(Which),
    /// Go on to the next step, past a pause or an analysis
    #[command(
        after_help = "Examples:\n  shipway rollout promote web\n  shipway rollout promote web --full --reason \"looks good\"\n\nExit codes: 0 done, 3 no such rollout, 4 not permitted, 5 not possible now, 6 no server"
    )]
    Promote {
        /// Give the release to everyone now
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        steer: Steer,
    },
    /// Hold at the present step; the weights stay
    #[command(
        after_help = "Examples:\n  shipway rollout pause web --reason \"a look at the logs first\"\n\nExit codes: 0 done, 3 no such rollout, 4 not permitted, 5 not possible now, 6 no server"
    )]
    Pause(Steer),
    /// Go on after a pause
    #[command(
        after_help = "Examples:\n  shipway rollout resume web\n\nExit codes: 0 done, 3 no such rollout, 4 not permitted, 5 not possible now, 6 no server"
    )]
    Resume(Steer),
    /// Take traffic back to the version before
    #[command(
        after_help = "Examples:\n  shipway rollout abort web --reason \"orders are lost\"\n\nExit codes: 0 done, 3 no such rollout, 4 not permitted, 5 not possible now, 6 no server"
    )]
    Abort(Steer),
    /// Begin again after an end that was not a promotion
    #[command(
        after_help = "Examples:\n  shipway rollout retry web\n\nExit codes: 0 done, 3 no such rollout, 4 not permitted, 5 not possible now, 6 no server"
    )]
    Retry(Steer),
    /// Give everyone an earlier release
    #[command(
        after_help = "Examples:\n  shipway rollout undo web\n  shipway rollout undo web --to 233395345556480\n\nExit codes: 0 done, 3 no such rollout, 4 not permitted, 5 not possible now, 6 no server"
    )]
    Undo {
        /// The release to go back to; the one before when it is not given
        #[arg(long, value_name = "RELEASE")]
        to: Option<ReleaseId>,
        #[command(flatten)]
        steer: Steer,
    },
}

/// Which rollout, and how to print it.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// A rollout's id, or a service, whose newest rollout is meant; the newest of all when it is not given
    rollout: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Which rollout to steer, and why.
#[derive(Args, Debug)]
pub(crate) struct Steer {
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// Where to ask and how to print.
#[derive(Args, Debug)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// How often a rollout is looked at while it is followed.
const INTERVAL: Duration = Duration::from_millis(250);

/// Runs one verb.
pub(crate) async fn run(environment: &Environment, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::List { service, limit, output } => {
            let connection = Connection::find(environment, &output.server)?;
            let query = RolloutQuery { service, page: PageQuery::first(limit), ..RolloutQuery::default() };
            let page = connection.ask(&request::rollouts(&query)).await?;
            if output.json {
                say(&json(&page)?);
            } else if page.items.is_empty() {
                talk("No rollouts yet. A job makes one with `shipway deploy`.");
            } else {
                show::list(&page.items).iter().for_each(|line| say(&one_line(line)));
            }
            Ok(Exit::Ok)
        }
        Verb::Get(which) => {
            let connection = Connection::find(environment, &which.output.server)?;
            let id = connection.rollout(which.rollout.as_deref()).await?.id;
            let rollout = connection.ask(&request::rollout(id)).await?;
            if which.output.json {
                say(&json(&rollout)?);
            } else {
                show::rollout(&rollout).iter().for_each(|line| say(&one_line(line)));
            }
            Ok(Exit::Ok)
        }
        Verb::Watch(which) => {
            let connection = Connection::find(environment, &which.output.server)?;
            let id = connection.rollout(which.rollout.as_deref()).await?.id;
            follow(&connection, id, which.output.json).await
        }
        Verb::Promote { full: false, steer } => {
            command(environment, RolloutCommand::Promote, steer, None).await
        }
        Verb::Promote { full: true, steer } => {
            command(environment, RolloutCommand::PromoteFull, steer, None).await
        }
        Verb::Pause(steer) => command(environment, RolloutCommand::Pause, steer, None).await,
        Verb::Resume(steer) => command(environment, RolloutCommand::Resume, steer, None).await,
        Verb::Abort(steer) => command(environment, RolloutCommand::Abort, steer, None).await,
        Verb::Retry(steer) => command(environment, RolloutCommand::Retry, steer, None).await,
        Verb::Undo { to, steer } => command(environment, RolloutCommand::Undo, steer, to).await,
    }
}

async fn command(
    environment: &Environment,
    command: RolloutCommand,
    steer: Steer,
    to: Option<ReleaseId>,
) -> Result<Exit, Failure> {
    let Steer { reason, which } = steer;
    let connection = Connection::find(environment, &which.output.server)?;
    let id = connection.rollout(which.rollout.as_deref()).await?.id;
    let ask = CommandRequest { reason, to, step: None };
    let rollout = connection.ask(&request::command(id, command, &ask)).await?;
    if which.output.json {
        say(&json(&rollout)?);
    } else {
        let summary = &rollout.summary;
        let began = (summary.id != id).then(|| format!("rollout {} began: ", summary.id));
        say(&one_line(&format!("{}{}", began.unwrap_or_default(), show::headline(summary))));
    }
    Ok(Exit::Ok)
}

/// Prints what happens in a rollout until it is over, and says how it ended.
pub(super) async fn follow(connection: &Connection, id: RolloutId, as_json: bool) -> Result<Exit, Failure> {
    let mut seen = 0;
    let mut misses = 0;
    loop {
        // A server that restarts goes on with the rollout, so a short silence is not the end of it.
        let answers = async {
            let events = connection.ask(&request::rollout_events(id, seen)).await?;
            let summary = connection.ask(&request::rollout(id)).await?.summary;
            Ok::<_, Failure>((events, summary))
        };
        let (events, summary) = match answers.await {
            Ok(answers) => answers,
            Err(failure) if failure.exit == Exit::NoServer && misses < 240 => {
                misses += 1;
                tokio::time::sleep(INTERVAL).await;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        misses = 0;
        for event in &events {
            say(&if as_json { json(event)? } else { one_line(&show::event(event)) });
            seen = seen.max(event.seq);
        }
        if summary.phase.is_over() {
            if events.is_empty() {
                if as_json {
                    say(&json(&summary)?);
                } else {
                    talk(&one_line(&show::headline(&summary)));
                }
                return Ok(exit_of(summary.phase));
            }
            continue;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string(value).map_err(anyhow::Error::from)?)
}
