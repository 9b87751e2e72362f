//! Speed beside the tools of the field, as ratios of one run.

use crate::{
    process::{command, run},
    setup,
};
use anyhow::Result;
use std::path::Path;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measure only these (store); all when none is named
    names: Vec<String>,
}

/// Builds in release mode and runs the benches one after the other.
pub(crate) fn run_task(root: &Path, options: &Options) -> Result<()> {
    setup::install(root, true)?;
    let wanted = |name: &str| options.names.is_empty() || options.names.iter().any(|wanted| wanted == name);
    if wanted("store") {
        run(command(root, "cargo").args([
            "run",
            "--release",
            "--locked",
            "-p",
            "shipway-store",
            "--example",
            "append_bench",
        ]))?;
    }
    Ok(())
}
