//! Finding the server, asking it, and turning its refusals into exit codes.

use crate::{
    cli::Server,
    client::Client,
    environment::Environment,
    exit::{Exit, Failure},
};
use serde_json::Value;
use shipway_api::{
    Problem, RolloutId, RolloutQuery, RolloutSummary,
    request::{self, AnswerError, Request},
};
use shipway_base::Secret;
use std::{fs, path::PathBuf};

/// The file in the data folder by which commands on the same machine find the server.
pub(crate) const SERVER_FILE: &str = "server.json";

/// A connection that speaks the API.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Client);

impl Connection {
    /// Finds the server: by `--url`, else by the data folder of a server that was started in this repository.
    pub(crate) fn find(environment: &Environment, server: &Server) -> Result<Connection, Failure> {
        let token = server.token.clone().map(Secret::new);
        if let Some(url) = &server.url {
            return Ok(Connection(Client::new(url, token)?));
        }
        let mut tried = Vec::new();
        let folders: Vec<PathBuf> = match &server.data {
            Some(folder) => vec![folder.clone()],
            None => {
                environment.folder.ancestors().map(|folder| folder.join(super::up::DATA_FOLDER)).collect()
            }
        };
        for folder in folders {
            let path = folder.join(SERVER_FILE);
            let Ok(text) = fs::read_to_string(&path) else {
                tried.push(path);
                continue;
            };
            let file: Value = serde_json::from_str(&text)
                .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", path.display())))?;
            let own = file["token"].as_str().map(Secret::new);
            return Ok(Connection(Client::new(file["url"].as_str().unwrap_or_default(), token.or(own))?));
        }
        let nearest = tried.first().map(|path| path.display().to_string()).unwrap_or_default();
        Err(Failure::new(Exit::NoServer, format!("no server is known here: there is no {nearest}"))
            .with_code("SW1001")
            .with_help("start one with `shipway up`, or name one with --url, SHIPWAY_URL or --data"))
    }

    /// The server's address.
    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        request: &Request<T>,
    ) -> Result<T, Failure> {
        let headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = request.body.clone().map(String::into_bytes);
        let (status, body) = self.0.send(request.method, &request.path, body, &headers).await?;
        request.read(status.as_u16(), &body).map_err(|error| match error {
            AnswerError::Problem(problem) => refusal(&problem),
            AnswerError::Foreign { .. } => {
                Failure::new(Exit::NoServer, error.to_string()).with_code("SW1001")
            }
        })
    }

    /// The rollout that a person means: an id, or a service, whose newest rollout it is; without either, the newest
    /// of all.
    pub(crate) async fn rollout(&self, named: Option<&str>) -> Result<RolloutSummary, Failure> {
        if let Some(id) = named.and_then(|named| named.parse::<RolloutId>().ok()) {
            return Ok(self.ask(&request::rollout(id)).await?.summary);
        }
        let query = RolloutQuery { service: named.map(str::to_owned), ..RolloutQuery::default() };
        let page = self.ask(&request::rollouts(&query)).await?;
        page.items.into_iter().next().ok_or_else(|| {
            let of = named.map(|service| format!(" of a service `{service}`")).unwrap_or_default();
            Failure::new(Exit::NotFound, format!("there is no rollout{of}"))
                .with_code("SW1002")
                .with_help("`shipway rollout list` shows all")
        })
    }
}

/// A refusal of the server as a failure of the command.
fn refusal(problem: &Problem) -> Failure {
    let exit = match problem.status {
        400 | 413 | 415 | 422 => Exit::Usage,
        401 | 403 => Exit::NotPermitted,
        404 => Exit::NotFound,
        409 | 412 => Exit::Conflict,
        502..=504 => Exit::NoServer,
        _ => Exit::Failed,
    };
    let mut message = problem.detail.clone();
    // The first one is the sentence itself where a document is refused.
    for finding in problem.findings.iter().filter(|finding| !problem.detail.contains(finding.as_str())) {
        message.push_str("\n  ");
        message.push_str(finding);
    }
    let (code, help, findings) = (Some(problem.code.clone()), problem.help.clone(), problem.findings.clone());
    Failure { code, message, help, exit, findings }
}
