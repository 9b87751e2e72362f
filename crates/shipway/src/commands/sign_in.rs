//! `shipway sign-in`: a new link for the pages of a running server.

use super::connect::Connection;
use crate::{
    cli::{Server, say, talk},
    environment::Environment,
    exit::{Exit, Failure},
};
use clap::Args;
use serde_json::json;
use shipway_api::request;

/// How to print it, and where to ask.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  shipway sign-in\n  shipway sign-in --data /srv/shipway --json | jq -r .url\n\nExit codes: 0 printed, 4 not permitted, 6 no server"
)]
pub(crate) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// Asks for a link and prints it.
pub(crate) async fn run(environment: &Environment, options: Options) -> Result<Exit, Failure> {
    let connection = Connection::find(environment, &options.server)?;
    let link = connection.ask(&request::sign_in_link()).await?;
    let url = format!("{}{}", connection.url(), link.path);
    if options.json {
        say(&json!({ "url": url, "expires_at": link.expires_at.to_string() }).to_string());
        return Ok(Exit::Ok);
    }
    say(&url);
    talk(&format!("It works once, until {}.", link.expires_at));
    Ok(Exit::Ok)
}
