//! The field's own test suites, run from the project's tests and printed as passed/total.

use crate::process::{command, run_lines, say};
use anyhow::{Result, bail};
use std::path::Path;

/// Runs every test whose name contains `conformance` and repeats the lines that count.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut counted = Vec::new();
    let arguments =
        ["test", "--workspace", "--locked", "--tests", "--quiet", "conformance", "--", "--nocapture"];
    let outcome = run_lines(command(root, "cargo").args(arguments), |line| {
        if let Some(rest) = line.strip_prefix("conformance: ") {
            counted.push(rest.to_owned());
        }
    });
    say("");
    counted.sort();
    counted.iter().for_each(|line| say(line));
    if counted.is_empty() {
        bail!("no suite was run; is `../shared/conformance` there, or SHIPWAY_CONFORMANCE set?");
    }
    outcome
}
