//! `shipway secret` and `shipway var`: what workflows read as `secrets.NAME` and `vars.NAME` on a running server.

use super::connect::Connection;
use crate::{
    cli::{Server, say, talk},
    environment::Environment,
    exit::{Exit, Failure},
};
use clap::{Args, Command, Subcommand};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use shipway_api::{NamedValue, SetValue, ValueKind, request};
use std::io::{self, IsTerminal as _, Read as _};

/// What to do with secrets or variables.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Set one; the value is read from standard input
    Set(Which),
    /// List them
    List(Output),
    /// Take one away
    Rm(Which),
}

/// Which one.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// Its name: letters, digits and _
    name: String,
    /// Only for jobs with this `environment`
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    #[command(flatten)]
    output: Output,
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

/// What the help of a verb says of secrets, or of variables.
pub(crate) fn told(kind: ValueKind, verb: Command) -> Command {
    let (about, examples) = match (kind, verb.get_name()) {
        (ValueKind::Secret, "list") => (
            "List the names of secrets, whose values are never shown",
            "  shipway secret list\n  shipway secret list --json",
        ),
        (ValueKind::Secret, "set") => (
            "Set a secret; the value is read from standard input",
            "  shipway secret set TOKEN < token.txt\n  pass show deploy | shipway secret set KEY --environment production",
        ),
        (ValueKind::Secret, _) => ("Take a secret away", "  shipway secret rm TOKEN"),
        (ValueKind::Variable, "list") => {
            ("List variables with their values", "  shipway var list\n  shipway var list --json")
        }
        (ValueKind::Variable, "set") => {
            ("Set a variable; the value is read from standard input", "  echo eu | shipway var set REGION")
        }
        (ValueKind::Variable, _) => ("Take a variable away", "  shipway var rm REGION"),
    };
    verb.about(about).after_help(format!("Examples:\n{examples}"))
}

/// More is no value: the server takes 48 KiB.
const MOST_BYTES: u64 = 1 << 20;

/// Runs one verb.
pub(crate) async fn run(environment: &Environment, kind: ValueKind, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Set(which) => {
            let connection = Connection::find(environment, &which.output.server)?;
            let value = SetValue { value: value(kind, &which.name)? };
            let ask = request::set_value(kind, which.environment.as_deref(), &which.name, &value);
            let set = connection.ask(&ask).await?;
            if which.output.json {
                say(&json(&set)?);
            } else {
                talk(&format!("Set the {} {}", kind.word(), full_name(&set)));
            }
        }
        Verb::List(output) => {
            let connection = Connection::find(environment, &output.server)?;
            let values = connection.ask(&request::values(kind)).await?;
            if output.json {
                say(&json(&values)?);
            } else if values.items.is_empty() {
                talk(&format!("There are no {} yet.", kind.segment()));
            } else {
                values.items.iter().for_each(|value| say(&line(value)));
            }
        }
        Verb::Rm(which) => {
            let connection = Connection::find(environment, &which.output.server)?;
            connection.ask(&request::remove_value(kind, which.environment.as_deref(), &which.name)).await?;
            talk(&format!("Removed the {} {}", kind.word(), which.name));
        }
    }
    Ok(Exit::Ok)
}

/// The value from standard input, without the ends of lines at its end. It is no argument, so that it is neither in the
/// history of a shell nor in the list of processes.
fn value(kind: ValueKind, name: &str) -> Result<String, Failure> {
    let input = io::stdin();
    let mut text = String::new();
    if input.is_terminal() {
        talk(&format!("The value of {name}, then Enter:"));
        let _quiet = (kind == ValueKind::Secret).then(Quiet::begin).transpose()?;
        input.read_line(&mut text)?;
    } else {
        input.lock().take(MOST_BYTES).read_to_string(&mut text).map_err(|error| {
            Failure::new(Exit::Usage, format!("cannot read the value from standard input: {error}"))
                .with_help("a value is text; encode other bytes, for example with base64")
        })?;
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> Result<Quiet, Failure> {
        let before = tcgetattr(io::stdin()).map_err(io::Error::from)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &quiet).map_err(io::Error::from)?;
        Ok(Quiet(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that went away needs no restoring.
        let _gone = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

fn full_name(value: &NamedValue) -> String {
    match &value.environment {
        Some(environment) => format!("{} of the environment {environment}", value.name),
        None => value.name.clone(),
    }
}

fn line(value: &NamedValue) -> String {
    let environment = value.environment.as_ref().map(|name| format!("  ({name})")).unwrap_or_default();
    match &value.value {
        Some(text) => format!("{}{environment}  {}", value.name, text.replace('\n', "\\n")),
        None => format!("{}{environment}  set {}", value.name, value.updated_at),
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string(value).map_err(anyhow::Error::from)?)
}
