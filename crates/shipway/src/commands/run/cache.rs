//! What runs keep for later runs of the same user: caches of actions, tools, and the key of identity tokens.

use super::{Options, folder::RunFolder, repository::Here};
use crate::environment::Environment;
use shipway_base::Digest;
use shipway_server::job_services::LazyServices;
use std::path::{Path, PathBuf};

/// Where it is kept: `--cache-dir`, or `shipway` below `XDG_CACHE_HOME` or, when nobody says, below `~/.cache`. Without a home
/// nothing is kept for later.
pub(super) fn folder(environment: &Environment, options: &Options, run: &RunFolder) -> PathBuf {
    kept(environment, options).unwrap_or_else(|| run.work().join("cache"))
}

/// The same, where there is such a place.
pub(super) fn kept(environment: &Environment, options: &Options) -> Option<PathBuf> {
    if let Some(dir) = &options.cache_dir {
        return Some(environment.folder.join(dir));
    }
    // A relative path is to be ignored, as the specification of these folders says.
    let absolute =
        |name: &str| environment.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(absolute("HOME")?.join(".cache"));
    absolute("XDG_CACHE_HOME").or_else(home).map(|dir| dir.join("shipway"))
}

/// The services of actions, which start when a job first needs them.
pub(super) fn services(environment: &Environment, cache: &Path, run: &RunFolder) -> LazyServices {
    let uploads = run.work().join("uploads");
    let (caches, key) = (cache.join("caches"), cache.join("oidc.der"));
    LazyServices::new(shipway_services::Options::new(environment.clock.clone(), caches, uploads, key))
}

/// Whose caches these are. A repository without a forge has no name that is its own, so its place counts as well.
pub(super) fn namespace(here: &Here) -> String {
    let name = here.name.full();
    if here.name.owner == "local" {
        let place = Digest::of(here.root.as_os_str().as_encoded_bytes());
        return format!("{name} {}", place.short());
    }
    name
}
