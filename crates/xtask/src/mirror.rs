//! A mirror of GitHub's own actions, for the tests that run them as they are published.

use crate::process::{command, run, say};
use anyhow::{Context as _, Result};
use std::{fs, path::PathBuf};

/// The variable that tells tests where the mirror is.
pub(crate) const VARIABLE: &str = "SHIPWAY_ACTION_MIRROR";

/// The account, and the repositories that the tests use.
const OWNER: &str = "actions";
const REPOSITORIES: [&str; 6] =
    ["cache", "checkout", "download-artifact", "github-script", "setup-node", "upload-artifact"];

/// Where to put it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The folder; what is in it already is brought up to date
    dir: PathBuf,
    /// Where to clone from
    #[arg(long, default_value = "https://github.com")]
    server: String,
}

/// Clones the repositories as `DIR/actions/NAME.git`, as `shipway run --action-mirror DIR` wants them.
pub(crate) fn make(options: &Options) -> Result<()> {
    let owner = options.dir.join(OWNER);
    fs::create_dir_all(&owner).with_context(|| format!("cannot make {}", owner.display()))?;
    let server = options.server.trim_end_matches('/');
    for name in REPOSITORIES {
        let bare = format!("{name}.git");
        if owner.join(&bare).is_dir() {
            run(command(&owner.join(&bare), "git").args(["remote", "update", "--prune"]))?;
        } else {
            let address = format!("{server}/{OWNER}/{bare}");
            run(command(&owner, "git").args(["clone", "--mirror", "--quiet", &address, &bare]))?;
        }
    }
    let dir = fs::canonicalize(&options.dir)?;
    say(&format!("export {VARIABLE}={}", dir.display()));
    Ok(())
}

/// Says so when the tests will leave GitHub's own actions out.
#[expect(clippy::disallowed_methods, reason = "the place of the mirror is told through the environment")]
pub(crate) fn tell() {
    match std::env::var_os(VARIABLE) {
        Some(dir) => say(&format!("GitHub's own actions are tested from {}", PathBuf::from(dir).display())),
        None => say(&format!(
            "SKIPPED LOUDLY: GitHub's own actions; make a mirror with `cargo xtask actions-mirror DIR` and set \
             {VARIABLE}=DIR"
        )),
    }
}
