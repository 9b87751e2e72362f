//! What `--isolate` and the flags beside it ask for.

use super::Options;
use crate::{
    environment::Environment,
    exit::{Exit, Failure},
};
use shipway_runner::sandbox::{Network, Sandbox};
use std::fs;

/// How jobs are isolated; none when that is not asked for.
pub(super) fn wanted(environment: &Environment, options: &Options) -> Result<Option<Sandbox>, Failure> {
    if !options.isolate {
        return Ok(None);
    }
    let read = options.isolate_read.iter().map(|path| {
        let path = environment.folder.join(path);
        fs::canonicalize(&path).map_err(|error| {
            Failure::new(Exit::Usage, format!("isolated jobs cannot read {}: {error}", path.display()))
                .with_help("name a folder that is there with --isolate-read")
        })
    });
    Ok(Some(Sandbox {
        program: environment.executable.clone(),
        network: if options.isolate_network { Network::Host } else { Network::None },
        read: read.collect::<Result<_, _>>()?,
        user: Sandbox::USER,
    }))
}
