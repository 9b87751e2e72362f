//! Every test, with the set-up they need, and one line that counts them.

use crate::{
    check, conformance,
    engine::{Engine, MARK, VARIABLE},
    mirror,
    process::{command, exists, run, run_lines, say},
    setup,
};
use anyhow::{Result, bail};
use std::path::Path;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out format, tidy and clippy
    #[arg(long)]
    tests_only: bool,
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Sets up, lints, runs cargo's tests and the browser's, and prints the sum.
pub(crate) fn run_task(root: &Path, options: &Options) -> Result<()> {
    setup::install(root, false)?;
    if !options.tests_only {
        check::run_all(root, false)?;
    }
    action_packages(root)?;
    mirror::tell();
    let mut counts = Counts::default();
    let (mut suites, mut unread) = (conformance::Results::default(), Ok(()));
    let engine = Engine::start(root);
    let cargo = ["test", "--workspace", "--all-targets", "--locked", "--no-fail-fast"];
    let mut run_below = 0;
    let mut rust = run_lines(command(root, "cargo").args(cargo), |line| {
        // What the engine is there for is run below, and is not skipped then.
        if engine.is_some() && line.contains(MARK) && line.starts_with("test ") {
            run_below += 1;
        }
        counts.add(cargo_line(line));
        if let Err(error) = suites.hear(line) {
            unread = Err(error);
        }
    });
    if let Some(engine) = &engine {
        let cargo = [
            "test",
            "--workspace",
            "--all-targets",
            "--locked",
            "--no-fail-fast",
            "--",
            "--ignored",
            "engine::",
        ];
        let mut command = command(root, "cargo");
        let run = run_lines(command.args(cargo).env(VARIABLE, engine.address()), |line| {
            counts.add(cargo_line(line));
        });
        rust = rust.and(run);
    }
    drop(engine);
    // A line of a test comes before the line that counts it.
    counts.skipped = counts.skipped.saturating_sub(run_below);
    let web = browser(root, &mut counts);
    say(&format!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped));
    rust?;
    web?;
    unread?;
    conformance::compare(root, &suites)?;
    if counts.failed > 0 || counts.passed == 0 {
        bail!("{} tests failed, {} passed", counts.failed, counts.passed);
    }
    Ok(())
}

/// The packages of `tests/actions`, which the tests of JavaScript actions use as they are in the npm registry.
fn action_packages(root: &Path) -> Result<()> {
    if !exists("node") || !exists("npm") {
        say("SKIPPED LOUDLY: the tests of JavaScript actions need node and npm");
        return Ok(());
    }
    let folder = root.join("tests/actions");
    run(command(&folder, "npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]))
}

/// The pages in a real browser: `tests/web`, driven by Node.
fn browser(root: &Path, counts: &mut Counts) -> Result<()> {
    let folder = root.join("tests/web");
    if !folder.join("package.json").is_file() {
        return Ok(());
    }
    if !exists("node") || !exists("npm") || !exists("chromium") {
        say("SKIPPED LOUDLY: the browser tests need node, npm and chromium");
        counts.skipped += 1;
        return Ok(());
    }
    run(command(&folder, "npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]))?;
    // The whole workspace, as before: another selection would have other features and build everything anew.
    run(command(root, "cargo").args(["build", "--locked", "--workspace", "--examples"]))?;
    run_lines(command(&folder, "npm").args(["test", "--silent"]), |line| counts.add(node_line(line)))
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
fn cargo_line(line: &str) -> Counts {
    let Some(rest) = line.strip_prefix("test result: ") else { return Counts::default() };
    let number = |word: &str| -> u64 {
        let words: Vec<&str> = rest.split([' ', ';']).filter(|word| !word.is_empty()).collect();
        words
            .windows(2)
            .find(|pair| pair[1] == word)
            .and_then(|pair| pair[0].parse().ok())
            .unwrap_or_default()
    };
    Counts { passed: number("passed"), failed: number("failed"), skipped: number("ignored") }
}

/// Reads the closing lines of Node's test runner: `# pass 3` or `ℹ pass 3`.
fn node_line(line: &str) -> Counts {
    let mut counts = Counts::default();
    let mut words = line.trim().trim_start_matches(['#', 'ℹ']).split_whitespace();
    if let (Some(word), Some(number), None) =
        (words.next(), words.next().and_then(|n| n.parse().ok()), words.next())
    {
        match word {
            "pass" => counts.passed = number,
            "fail" => counts.failed = number,
            "skipped" => counts.skipped = number,
            _ => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 5 filtered out; finished in 0.02s";
        assert_eq!(cargo_line(line), Counts { passed: 12, failed: 2, skipped: 1 });
        assert_eq!(cargo_line("running 3 tests"), Counts::default());
        assert_eq!(node_line("ℹ pass 7").passed, 7);
        assert_eq!(node_line("# fail 2").failed, 2);
        assert_eq!(node_line("pass the salt 7"), Counts::default());
    }
}
