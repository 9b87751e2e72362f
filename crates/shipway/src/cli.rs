//! The command line: verbs, flags and help in one place; each verb's work is a module of `commands`.

use crate::{
    commands,
    environment::Environment,
    exit::{Exit, Failure},
    output::Output,
};
use clap::{Args, Parser, Subcommand};
use shipway_api::ValueKind;
use std::{io::Write as _, num::NonZeroUsize, path::PathBuf};

/// Takes a commit to production, safely, in one binary.
#[derive(Parser)]
#[command(
    name = "shipway",
    version,
    arg_required_else_help = true,
    after_help = "Start here:\n  shipway demo         the whole road in one minute, in a temporary folder\n  shipway run          run this repository's workflows here and now\n  shipway up           watch this repository: run, deploy, judge, roll back\n\nExit codes: 0 ok, 1 failed, 2 usage or invalid document, 3 not found, 4 not permitted, 5 conflict,\n6 no server, 7 timed out, 8 rolled back, 130 interrupted."
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show the whole road in one minute, in a temporary folder
    Demo(commands::demo::Options),
    /// Evaluate one expression over a JSON context
    Expr(commands::expr::Options),
    /// Find what is wrong, dangerous or out of date in workflows and actions
    Lint(commands::lint::Options),
    /// Show the jobs that an event would run, and why
    Plan(commands::run::plan::Options),
    /// Run this repository's workflows here and now, without a server
    Run(commands::run::Options),
    /// Say why a run failed, since when, and whether it failed like that before
    Why(commands::why::Options),
    /// Share tests out over machines, run failed ones again, keep flaky ones in quarantine
    Split(commands::split::Options),
    /// Serve the control plane, runner, router and pages for one machine
    Up(commands::up::Options),
    /// Start a workflow by hand on a running server
    Dispatch(commands::dispatch::Options),
    /// Run a run of a server again: all of it, its failed jobs, or one job
    Rerun(commands::rerun::Options),
    /// Make a release of an artifact of this run and deliver it
    Deploy(commands::deploy::Options),
    /// Print a link that signs one browser in to the pages, once
    SignIn(commands::sign_in::Options),
    /// Set, list and remove secrets of a running server; values come from standard input
    #[command(
        subcommand,
        mut_subcommand("set", |verb| commands::value::told(ValueKind::Secret, verb)),
        mut_subcommand("list", |verb| commands::value::told(ValueKind::Secret, verb)),
        mut_subcommand("rm", |verb| commands::value::told(ValueKind::Secret, verb)),
        after_help = "Examples:\n  shipway secret set TOKEN < token.txt\n  pass show deploy | shipway secret set KEY --environment production\n  shipway secret list\n  shipway secret rm TOKEN"
    )]
    Secret(commands::value::Verb),
    /// Set, list and remove variables of a running server; values come from standard input
    #[command(
        subcommand,
        mut_subcommand("set", |verb| commands::value::told(ValueKind::Variable, verb)),
        mut_subcommand("list", |verb| commands::value::told(ValueKind::Variable, verb)),
        mut_subcommand("rm", |verb| commands::value::told(ValueKind::Variable, verb)),
        after_help = "Examples:\n  echo eu | shipway var set REGION\n  shipway var list\n  shipway var rm REGION"
    )]
    Var(commands::value::Verb),
    /// Look at and steer deliveries
    #[command(
        subcommand,
        after_help = "Examples:\n  shipway rollout list\n  shipway rollout watch web\n  shipway rollout promote web --reason \"looks good\"\n  shipway rollout undo web"
    )]
    Rollout(commands::rollout::Verb),
    /// The demo's web service
    #[command(hide = true)]
    DemoService {
        /// The configuration file
        #[arg(long)]
        config: PathBuf,
        /// The port to listen on; PORT when it is not given
        #[arg(long, env = "PORT")]
        port: u16,
    },
}

/// How to find the server and who asks.
#[derive(Args, Clone, Debug)]
pub(crate) struct Server {
    /// The server's address; by default the one that runs from the data folder
    #[arg(long, env = "SHIPWAY_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The token that says who asks
    #[arg(long, env = "SHIPWAY_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// The data folder of a server on this machine
    #[arg(long, env = "SHIPWAY_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// Parses the arguments, runs the verb, shows its failure.
pub(crate) fn main(environment: &Environment) -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let shown = error.print();
            return if error.use_stderr() { Exit::Usage } else { Output::shown(shown) };
        }
    };
    let outcome = match arguments.verb {
        Verb::Demo(options) => wait(commands::demo::run(environment, options)),
        Verb::Expr(options) => commands::expr::run(environment, &options),
        Verb::Lint(options) => commands::lint::run(environment, &options),
        Verb::Plan(options) => wait(commands::run::plan::run(environment, options)),
        Verb::Run(options) => commands::run::run(environment, options),
        Verb::Why(options) => wait(commands::why::run(environment, options)),
        Verb::Split(options) => wait(commands::split::run(environment, options)),
        Verb::Up(options) => wait(commands::up::run(environment, options)),
        Verb::Dispatch(options) => wait(commands::dispatch::run(environment, options)),
        Verb::Rerun(options) => wait(commands::rerun::run(environment, options)),
        Verb::Deploy(options) => wait(commands::deploy::run(environment, options)),
        Verb::SignIn(options) => wait(commands::sign_in::run(environment, options)),
        Verb::Secret(verb) => wait(commands::value::run(environment, ValueKind::Secret, verb)),
        Verb::Var(verb) => wait(commands::value::run(environment, ValueKind::Variable, verb)),
        Verb::Rollout(verb) => wait(commands::rollout::run(environment, verb)),
        Verb::DemoService { config, port } => wait(commands::demo_service::serve(&config, port)),
    };
    Output::verdict(outcome.unwrap_or_else(|failure| {
        talk(&failure.to_string());
        failure.exit
    }))
}

/// Runs a verb on a runtime of its own.
fn wait(verb: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(verb);
    // Blocking reads of a terminal or a dead disk must not hold up the exit.
    runtime.shutdown_background();
    outcome
}

/// Prints a line of data to standard output. When that cannot be written, the command does not end with 0.
pub(crate) fn say(line: &str) {
    Output.put(format!("{line}\n").as_bytes());
}

/// Reads a number of which there must be at least one.
pub(crate) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    let number: usize = text.parse().map_err(|_| "write a whole number from 1 up".to_owned())?;
    NonZeroUsize::new(number).ok_or_else(|| "it must be at least 1".to_owned())
}

/// Prints a line of talk to standard error.
pub(crate) fn talk(line: &str) {
    let _closed_pipe = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// The help of every command that does something.
    fn helps(command: &mut clap::Command, path: &str, found: &mut Vec<(String, String)>) {
        let path = format!("{path} {}", command.get_name());
        // A command that has others may do something by itself, too, such as `split`.
        found.push((path.clone(), command.render_long_help().to_string()));
        let others = command.get_subcommands_mut().filter(|other| !other.is_hide_set());
        others.filter(|other| other.get_name() != "help").for_each(|other| helps(other, &path, found));
    }

    fn all() -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut command = Arguments::command();
        command.build();
        let verbs = command.get_subcommands_mut().filter(|verb| !verb.is_hide_set());
        verbs.filter(|verb| verb.get_name() != "help").for_each(|verb| helps(verb, "shipway", &mut found));
        found
    }

    #[test]
    fn every_command_shows_an_example_of_itself() {
        for (path, help) in all() {
            let example = help.split_once("Example").map(|(_, rest)| rest).unwrap_or_default();
            assert!(example.contains(&path), "{path}:\n{help}");
        }
    }

    #[test]
    fn exit_codes_are_told_where_they_say_more() {
        let says = |path: &str, codes: &[u8]| {
            let (_, help) = all().into_iter().find(|(other, _)| other == path).expect("a command");
            let (_, told) = help.split_once("Exit codes: ").unwrap_or_else(|| panic!("{path}:\n{help}"));
            let numbers: Vec<u8> = told.split([' ', '\n']).filter_map(|word| word.parse().ok()).collect();
            assert_eq!(numbers, codes, "{path}");
        };
        for verb in ["promote", "pause", "resume", "abort", "retry", "undo"] {
            says(&format!("shipway rollout {verb}"), &[0, 3, 4, 5, 6]);
        }
        says("shipway rollout get", &[0, 3, 4, 6]);
        says("shipway rollout watch", &[0, 1, 3, 4, 5, 6, 8]);
        says("shipway deploy", &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
        says("shipway split verdict", &[0, 1, 2]);
        says("shipway split retry", &[0, 2, 3]);
        says("shipway sign-in", &[0, 4, 6]);
    }

    #[test]
    fn lists_say_what_is_true_of_them() {
        let of = |path: &str| all().into_iter().find(|(other, _)| other == path).expect("a command").1;
        assert!(of("shipway var list").contains("with their values"), "{}", of("shipway var list"));
        assert!(
            of("shipway secret list").contains("values are never shown"),
            "{}",
            of("shipway secret list")
        );
        assert!(!of("shipway secret list").contains("variable"), "{}", of("shipway secret list"));
    }
}
