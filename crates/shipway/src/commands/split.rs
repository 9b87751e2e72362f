//! `shipway split`: shares tests out over machines, runs failed ones again, and keeps flaky ones in quarantine.
//!
//! What is decided is in the crate `suite`, which knows neither files nor git; here are the command line, the files
//! ([`files`]) and what is remembered ([`memory`]).

mod files;
mod memory;

use crate::{
    cli::{at_least_one, say, talk},
    environment::Environment,
    exit::{Exit, Failure},
};
use clap::{Args, Subcommand};
use memory::Memory;
use serde_json::json;
use shipway_base::human_duration;
use shipway_suite::{Case, Quarantine, Runner, Times, again, arguments, flaky, verdict};
use std::{num::NonZeroUsize, path::PathBuf};

/// The file that names flaky tests, where nobody says otherwise.
const QUARANTINE: &str = ".github/quarantine.txt";

/// More shards than this are a mistake.
const MOST_SHARDS: usize = 10_000;

/// What to do.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  # The tests of the first of four shards, by how long they took before
  pytest --collect-only -q | grep :: | shipway split --runner pytest --total 4 --index 0
  # {\"index\":[0,1,2,3]}, a matrix for fromJSON
  shipway split --runner jest --total 4 --matrix --list tests.txt
  # Remember how long tests took
  shipway split record --results 'reports/**/*.xml'
  # The failed tests, as pytest takes them
  shipway split retry --runner pytest --results reports
  # Add flaky tests to .github/quarantine.txt
  shipway split quarantine --write
  # Fail only for tests that are not there
  shipway split verdict --results reports

The arguments are printed one a line: mapfile -t tests < <(shipway split ...); pytest \"${tests[@]}\"

Exit codes: 0 done, 1 tests failed that are not in quarantine, 2 an invalid call or document,
3 nothing to run."
)]
pub(crate) struct Options {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    share: Share,
}

/// Sharing out.
#[derive(Args, Debug)]
struct Share {
    /// How many shards there are
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    total: Option<NonZeroUsize>,
    /// Which of them to print, from 0
    #[arg(long, value_name = "I", required_unless_present_any = ["matrix", "json"])]
    index: Option<usize>,
    /// Print the numbers of the shards that have tests, as a matrix for fromJSON
    #[arg(long, conflicts_with_all = ["index", "json"])]
    matrix: bool,
    /// Print all shards as JSON
    #[arg(long, conflicts_with = "index")]
    json: bool,
    /// The list of tests, one a line; standard input when it is not given
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    #[command(flatten)]
    runner: RunnerFlag,
    /// Results of former runs: JUnit files, folders, or patterns; beside what was recorded
    #[arg(long, value_name = "PATH", num_args = 1..)]
    results: Vec<String>,
    #[command(flatten)]
    remembered: Remembered,
}

/// Which runner.
#[derive(Args, Debug)]
struct RunnerFlag {
    /// The test runner: pytest, jest, vitest, playwright, rspec, gotest, cargo-nextest, junit or maven, gradle, mocha,
    /// phpunit, or generic
    #[arg(long, default_value = "generic", value_parser = runner)]
    runner: Runner,
}

/// Where tests are remembered.
#[derive(Args, Debug)]
struct Remembered {
    /// Remember tests in this file, not in .git/shipway/tests.json; for a cache between machines
    #[arg(long, value_name = "FILE")]
    memory: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Remember how long the tests of a run took and what they came to
    #[command(
        after_help = "Examples:\n  shipway split record --results 'reports/**/*.xml'\n\nExit codes: 0 recorded, 2 an invalid call or document"
    )]
    Record {
        /// JUnit files, folders, or patterns
        #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
        results: Vec<String>,
        /// The commit they were run at; that of the work tree when it is not given
        #[arg(long, env = "GITHUB_SHA", value_name = "SHA")]
        commit: Option<String>,
        #[command(flatten)]
        remembered: Remembered,
    },
    /// Print the failed tests only, as their runner takes them
    #[command(
        after_help = "Examples:\n  shipway split retry --runner pytest --results reports\n\nExit codes: 0 printed, 2 an invalid call or document, 3 no test failed"
    )]
    Retry {
        /// JUnit files, folders, or patterns
        #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
        results: Vec<String>,
        #[command(flatten)]
        runner: RunnerFlag,
    },
    /// Find tests that fail by luck, by what is remembered of them
    #[command(
        after_help = "Examples:\n  shipway split quarantine\n  shipway split quarantine --write\n\nExit codes: 0 printed or written, 2 an invalid call or document"
    )]
    Quarantine {
        /// The file that names them
        #[arg(long, value_name = "FILE", default_value = QUARANTINE)]
        file: PathBuf,
        /// Add them to the file; otherwise they are printed
        #[arg(long)]
        write: bool,
        #[command(flatten)]
        remembered: Remembered,
    },
    /// Fail only when a test failed that is not in quarantine
    #[command(
        after_help = "Examples:\n  shipway split verdict --results reports\n\nExit codes: 0 no test failed that is not in quarantine, 1 some did, 2 an invalid call or document"
    )]
    Verdict {
        /// JUnit files, folders, or patterns
        #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
        results: Vec<String>,
        /// The file that names the tests in quarantine
        #[arg(long, value_name = "FILE", default_value = QUARANTINE)]
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

fn runner(name: &str) -> Result<Runner, String> {
    Runner::named(name).ok_or_else(|| {
        let names: Vec<&str> = Runner::ALL.iter().map(|(name, _)| *name).collect();
        format!("there are {}", names.join(", "))
    })
}

/// Does what is asked for.
pub(crate) async fn run(environment: &Environment, options: Options) -> Result<Exit, Failure> {
    match options.verb {
        None => share(environment, &options.share),
        Some(Verb::Record { results, commit, remembered }) => {
            let cases = files::results(environment, &results)?;
            let commit = match commit.filter(|commit| !commit.is_empty()) {
                Some(commit) => commit,
                None => memory::commit(environment).await?,
            };
            let tests = Memory::of(environment, remembered.memory)?.add(&cases, &commit)?;
            talk(&format!("{} results recorded; {tests} tests are remembered", cases.len()));
            Ok(Exit::Ok)
        }
        Some(Verb::Retry { results, runner }) => {
            let cases = files::results(environment, &results)?;
            let exists = |path: &str| !path.is_empty() && environment.folder.join(path).is_file();
            Ok(print(again(runner.runner, &cases, exists), "no test failed"))
        }
        Some(Verb::Quarantine { file, write, remembered }) => {
            quarantine(environment, file, write, remembered.memory)
        }
        Some(Verb::Verdict { results, file, json }) => judge(environment, &results, file, json),
    }
}

fn print(lines: Option<Vec<String>>, nothing: &str) -> Exit {
    let Some(lines) = lines else {
        talk(&format!("{nothing}: nothing is printed, and most runners would run everything"));
        return Exit::NotFound;
    };
    lines.iter().for_each(|line| say(line));
    Exit::Ok
}

fn share(environment: &Environment, options: &Share) -> Result<Exit, Failure> {
    let usage = |message: &str, help: &str| {
        Failure::new(Exit::Usage, message).with_code("SW1060").with_help(help.to_owned())
    };
    let total = options
        .total
        .map(NonZeroUsize::get)
        .ok_or_else(|| usage("the number of shards is missing", "add --total N"))?;
    if total > MOST_SHARDS {
        return Err(usage("there are more than 10,000 shards", "give a smaller --total"));
    }
    if options.index.is_some_and(|index| index >= total) {
        return Err(usage(
            "--index counts from 0 and must be less than --total",
            "the last shard is --total less 1",
        ));
    }
    let listed = files::list(environment, options.list.as_deref())?;
    let mut recorded = Memory::of(environment, options.remembered.memory.clone())?.read()?.times();
    if !options.results.is_empty() {
        let cases = files::results(environment, &options.results)?;
        recorded = cases.into_iter().filter_map(|case: Case| Some((case.clone(), case.took?))).collect();
    }
    let times = Times::of(options.runner.runner, &listed, &recorded);
    let shards = times.share_out(options.runner.runner, &listed, total);
    if let Some(index) = options.index {
        let (items, takes) = &shards[index];
        talk(&format!(
            "shard {index} of {total}: {} of {} tests or files, about {}; times are known for {}",
            items.len(),
            listed.len(),
            human_duration(*takes),
            times.known()
        ));
        return Ok(print(arguments(options.runner.runner, items), "this shard is empty"));
    }
    if options.matrix {
        let full: Vec<usize> = (0..total).filter(|shard| !shards[*shard].0.is_empty()).collect();
        say(&json!({ "index": full }).to_string());
        return Ok(Exit::Ok);
    }
    let all: Vec<_> = shards
        .iter()
        .enumerate()
        .map(|(index, (items, takes))| {
            json!({ "index": index, "seconds": takes.as_secs_f64(), "tests": items })
        })
        .collect();
    say(&json!({ "total": total, "shards": all }).to_string());
    Ok(Exit::Ok)
}

fn quarantine(
    environment: &Environment,
    file: PathBuf,
    write: bool,
    memory: Option<PathBuf>,
) -> Result<Exit, Failure> {
    let path = environment.folder.join(file);
    let found = flaky(&Memory::of(environment, memory)?.read()?);
    let mut kept = files::quarantine(&path)?;
    let date = environment.clock.now().to_string();
    let new = kept.add(&found, date.get(..10).unwrap_or(&date));
    for (id, reason) in found.iter().filter(|(id, _)| new.iter().any(|new| new == id.trim())) {
        say(&format!("{id}: {reason}"));
    }
    if new.is_empty() {
        talk("no flaky test that is not in quarantine already");
    } else if write {
        files::write(&path, &kept.to_text())?;
        talk(&format!("{} written; review and commit it", path.display()));
    } else {
        talk(&format!("--write adds them to {}", path.display()));
    }
    Ok(Exit::Ok)
}

fn judge(
    environment: &Environment,
    results: &[String],
    file: PathBuf,
    as_json: bool,
) -> Result<Exit, Failure> {
    let quarantine: Quarantine = files::quarantine(&environment.folder.join(file))?;
    let verdict = verdict(&files::results(environment, results)?, &quarantine);
    let failed = !verdict.failed.is_empty();
    if as_json {
        say(&json!({
            "passes": !failed, "run": verdict.run, "failed": verdict.failed, "excused": verdict.excused,
            "flaky": verdict.flaky, "recovered": verdict.recovered, "missing": verdict.missing,
        })
        .to_string());
    } else {
        for (word, tests) in [
            ("failed", &verdict.failed),
            ("failed, in quarantine", &verdict.excused),
            ("failed and passed", &verdict.flaky),
            ("passed, in quarantine", &verdict.recovered),
            ("in quarantine, not run", &verdict.missing),
        ] {
            tests.iter().for_each(|test| say(&format!("{word}: {test}")));
        }
        let words = match (failed, verdict.excused.len()) {
            (true, _) => format!("{} tests failed that are not in quarantine", verdict.failed.len()),
            (false, 0) => "no test failed".to_owned(),
            (false, excused) => format!("only tests in quarantine failed: {excused}"),
        };
        say(&format!("{words}, of {} that were run", verdict.run));
    }
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}
