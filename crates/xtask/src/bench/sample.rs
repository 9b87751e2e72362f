//! What a process costs: wall clock and the CPU time of its whole tree.

use crate::process::{command, output, run};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

/// What one run of a process cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// From start to end.
    pub(super) wall_ms: f64,
    /// User and system time of the process and the children it waited for.
    pub(super) cpu_ms: f64,
}

/// Runs a process to its end, its output thrown away.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(super) fn cost(process: &mut Command) -> Result<Cost> {
    let before = children_cpu_ms()?;
    let started = Instant::now();
    let status = process.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let wall_ms = started.elapsed().as_secs_f64() * 1_000.0;
    if !status.success() {
        bail!("the measured process ended with {status}");
    }
    Ok(Cost { wall_ms, cpu_ms: children_cpu_ms()? - before })
}

/// The median wall clock and the mean CPU time: the system counts CPU time in ticks, which are longer than a short
/// process takes, so that only their sum over many runs says something.
pub(super) fn typical(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by(|a, b| a.wall_ms.total_cmp(&b.wall_ms));
    let cpu_ms = costs.iter().map(|cost| cost.cpu_ms).sum::<f64>() / costs.len() as f64;
    Cost { wall_ms: costs[costs.len() / 2].wall_ms, cpu_ms }
}

/// A temporary repository with a workflow of so many jobs of one step, and the same step as a script.
pub(super) fn repository(root: &Path, jobs: usize) -> Result<PathBuf> {
    let folder =
        PathBuf::from(output(command(root, "mktemp").args(["-d", "-t", "shipway-bench.XXXXXX"]))?.trim());
    let script = "echo hello > greeting\nread -r greeting < greeting\n[[ $greeting == hello ]]\n";
    fs::create_dir_all(folder.join(".github/workflows"))?;
    fs::write(folder.join("script.sh"), script)?;
    let step: String = script.lines().map(|line| format!("          {line}\n")).collect();
    let legs: Vec<_> = (0..jobs).map(|leg| leg.to_string()).collect();
    let matrix = match jobs {
        1 => String::new(),
        _ => format!("    strategy: {{matrix: {{leg: [{}]}}}}\n", legs.join(", ")),
    };
    let workflow = format!(
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n{matrix}    steps:\n      - run: |\n{step}"
    );
    fs::write(folder.join(".github/workflows/one.yml"), workflow)?;
    run(command(&folder, "git").args(["init", "--quiet", "--initial-branch=main"]))?;
    run(command(&folder, "git").args(["add", "--all"]))?;
    let identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"];
    run(command(&folder, "git").args(identity).args(["commit", "--quiet", "--message", "bench"]))?;
    Ok(folder)
}

/// Cargo's target folder.
pub(super) fn target_folder(root: &Path) -> Result<PathBuf> {
    let metadata =
        output(command(root, "cargo").args(["metadata", "--format-version=1", "--no-deps", "--locked"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    Ok(metadata["target_directory"].as_str().context("cargo names its target folder")?.into())
}

/// CPU time of one process and all its threads, and of the children it waited for, in milliseconds.
pub(super) fn process_cpu_ms(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    Ok(fields(&stat, &[11, 12, 13, 14]) * TICK_MS)
}

/// CPU time of all children that this process has waited for.
fn children_cpu_ms() -> Result<f64> {
    // Nanoseconds would be nicer, but /proc counts in ticks; medians over many runs smooth it.
    let stat = fs::read_to_string("/proc/self/stat")?;
    Ok(fields(&stat, &[13, 14]) * TICK_MS)
}

/// Linux reports CPU time in hundredths of a second on every machine we run on.
const TICK_MS: f64 = 10.0;

/// The sum of fields of `/proc/*/stat`, counted from 0 after the closing parenthesis of the name.
fn fields(stat: &str, wanted: &[usize]) -> f64 {
    let words: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    wanted.iter().filter_map(|index| words.get(*index)?.parse::<f64>().ok()).sum()
}
