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
use sample::Cost;
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

/// A job of one step beside the bare shell that it starts: as a run of its own, where starting the program counts as well,
/// and as one more job of a run, as a server has it.
fn job(root: &Path) -> Result<()> {
    const ROUNDS: usize = 60;
    /// Runs of many jobs, and how many more than one these have.
    const MANY: usize = 10;
    const MORE: usize = 100;
    let folder = sample::repository(root, 1)?;
    let crowded = sample::repository(root, 1 + MORE)?;
    let shipway = root.join(sample::target_folder(root)?).join("release/shipway");
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        // In turn, so that what else the machine does falls on all alike.
        times[0].push(sample::cost(command(&folder, "bash").args(["-e", "script.sh"]))?);
        times[1].push(sample::cost(command(&folder, &shipway).args(["run", "--jobs", "1"]))?);
        if round % (ROUNDS / MANY) == 0 {
            times[2].push(sample::cost(command(&crowded, &shipway).args(["run", "--jobs", "1"]))?);
        }
    }
    let [bare, whole, many] = times.map(sample::typical);
    let each = |many: f64, one: f64| (many - one) / MORE as f64;
    let more = Cost { wall_ms: each(many.wall_ms, whole.wall_ms), cpu_ms: each(many.cpu_ms, whole.cpu_ms) };
    for (name, cost) in
        [("bash -e script", bare), ("a run of one job", whole), ("one more job of a run", more)]
    {
        say(&format!(
            "{name:<22} {:>6.2} ms wall, {:>6.2} ms CPU; {:.2}x wall, {:.2}x CPU (aim of a job: at most 2x)",
            cost.wall_ms,
            cost.cpu_ms,
            cost.wall_ms / bare.wall_ms,
            cost.cpu_ms / bare.cpu_ms
        ));
    }
    std::fs::remove_dir_all(folder)?;
    std::fs::remove_dir_all(crowded)?;
    Ok(())
}
