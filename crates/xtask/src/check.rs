//! The usual loop before a commit.

use crate::{
    process::{command, run},
    tidy,
};
use anyhow::Result;
use std::path::Path;

/// Format, tidy, clippy and the unit tests beside the code.
pub(crate) fn run_all(root: &Path, tests: bool) -> Result<()> {
    run(command(root, "cargo").args(["fmt", "--all", "--check"]))?;
    tidy::run(root)?;
    run(command(root, "cargo").args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    if tests {
        run(command(root, "cargo").args(["test", "--workspace", "--lib", "--bins", "--locked", "--quiet"]))?;
    }
    Ok(())
}

/// `cargo xtask check`.
pub(crate) fn run_task(root: &Path) -> Result<()> {
    run_all(root, true)
}
