//! Speed beside the tools of the field, as ratios of one run.
//!
//! The machines these run on are shared and noisy, so nothing here passes or fails; what is printed is CPU time and
//! ratios, each side measured several times in turn with the other.

mod act;
mod cache;
mod proxies;
mod sample;

use crate::{
    process::{command, run, say},
    setup,
};
use anyhow::{Result, bail};
use std::path::Path;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measure only these: store, job, act, matrix, planner, router, cache; all when none is named
    names: Vec<String>,
}

/// A bench: what it is called, and what it does.
type Bench = (&'static str, fn(&Path) -> Result<()>);

/// The benches in order.
const BENCHES: [Bench; 7] = [
    ("store", store),
    ("job", job),
    ("act", act::measure),
    ("matrix", matrix),
    ("planner", planner),
    ("router", proxies::measure),
    ("cache", cache::measure),
];

/// Builds in release mode and runs the benches one after the other.
pub(crate) fn run_task(root: &Path, options: &Options) -> Result<()> {
    if let Some(unknown) = options.names.iter().find(|name| BENCHES.iter().all(|(known, _)| known != name)) {
        bail!("there is no bench `{unknown}`; there are {}", BENCHES.map(|(name, _)| name).join(", "));
    }
    setup::install(root, true)?;
    let wanted = |name: &str| options.names.is_empty() || options.names.iter().any(|wanted| wanted == name);
    // The others are examples of their crates.
    if ["job", "act", "cache"].into_iter().any(wanted) {
        run(command(root, "cargo").args(["build", "--release", "--locked", "-p", "shipway"]))?;
    }
    for (name, bench) in BENCHES {
        if wanted(name) {
            say(&format!("\n== {name}"));
            bench(root)?;
        }
    }
    Ok(())
}

/// 100,000 events appended with full durability.
fn store(root: &Path) -> Result<()> {
    example(root, "shipway-store", "append_bench")
}

/// A matrix of 1,000 jobs with the dummy executor.
fn matrix(root: &Path) -> Result<()> {
    example(root, "shipway-runner", "matrix_bench")
}

/// One step of the rollout planner.
fn planner(root: &Path) -> Result<()> {
    example(root, "shipway-rollout", "plan_bench")
}

fn example(root: &Path, package: &str, name: &str) -> Result<()> {
    run(command(root, "cargo").args([
        "run",
        "--release",
        "--locked",
        "--quiet",
        "-p",
        package,
        "--example",
        name,
    ]))
}

/// A workflow of one step beside the bare shell that it starts.
fn job(root: &Path) -> Result<()> {
    const ROUNDS: usize = 60;
    let folder = sample::repository(root)?;
    let shipway = root.join(sample::target_folder(root)?).join("release/shipway");
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        // In turn, so that what else the machine does falls on both alike.
        times[0].push(sample::cost(command(&folder, "bash").args(["-e", "script.sh"]))?);
        times[1].push(sample::cost(command(&folder, &shipway).arg("run"))?);
    }
    let measured = times.map(sample::typical);
    for (name, cost) in ["bash -e script", "shipway run"].into_iter().zip(&measured) {
        say(&format!(
            "{name:<16} {:>8.2} ms wall, {:>8.2} ms CPU (median and mean of {ROUNDS})",
            cost.wall_ms, cost.cpu_ms
        ));
    }
    say(&format!(
        "ratio            {:>8.2}x wall, {:>8.2}x CPU; aim: at most 2x",
        measured[1].wall_ms / measured[0].wall_ms,
        measured[1].cpu_ms / measured[0].cpu_ms
    ));
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
