//! `cargo xtask`: the project's own tasks. Each verb is a module; `cargo xtask --help` lists them.

mod bench;
mod check;
mod compatibility;
mod conformance;
mod engine;
mod mirror;
mod process;
mod setup;
mod test;
mod tidy;

use clap::{Parser, Subcommand};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The project's own tasks.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check floors, purity, file sizes, bans, error pages and licences
    Tidy,
    /// The usual loop: format, tidy, clippy, unit tests; under five minutes
    Check,
    /// Every test, after setting up what they need
    Test(test::Options),
    /// The field's own test suites, as passed/total, into docs/conformance.txt
    Conformance,
    /// Clone GitHub's own actions for the tests that run them as they are published
    ActionsMirror(mirror::Options),
    /// Write the compatibility table from the product, the suites and what others document
    Compatibility,
    /// Speed beside the tools of the field, as ratios
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let root = root();
    let outcome = match arguments.task {
        Task::Tidy => tidy::run(&root),
        Task::Check => check::run_task(&root),
        Task::Test(options) => test::run_task(&root, &options),
        Task::Conformance => conformance::run(&root),
        Task::ActionsMirror(options) => mirror::make(&options),
        Task::Compatibility => compatibility::run(&root),
        Task::Bench(options) => bench::run_task(&root, &options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            process::say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace: two folders above this crate's manifest.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default()
}
