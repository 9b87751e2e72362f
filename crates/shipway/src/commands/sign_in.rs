//! `shipway sign-in`: a new link for the pages of a running server.

use super::connect::Connection;
use crate::{
    cli::{Server, say, talk},
    environment::Environment,
    exit::{Exit, Failure},
};
use shipway_api::request;

/// Asks for a link and prints it.
pub(crate) async fn run(environment: &Environment, server: Server) -> Result<Exit, Failure> {
    let connection = Connection::find(environment, &server)?;
    let link = connection.ask(&request::sign_in_link()).await?;
    say(&format!("{}{}", connection.url(), link.path));
    talk(&format!("It works once, until {}.", link.expires_at));
    Ok(Exit::Ok)
}
