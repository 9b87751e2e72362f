//! Releases on disk: an artifact's blob unpacked once, whole or not at all.

use super::world::World;
use shipway_base::Digest;
use shipway_runner::{
    RunnerError,
    pack::{self, UnpackLimits},
};
use std::{fs, io, path::PathBuf, sync::Arc};

/// Why a release is not on disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// Its blob is gone.
    #[error("the artifact {0} is not in the store any more")]
    Missing(Digest),
    /// The disk failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The archive could not be unpacked.
    #[error(transparent)]
    Archive(#[from] RunnerError),
    /// The work was cut short by the end of the process.
    #[error("the server is stopping")]
    Stopping,
}

/// The folder with a release's files; unpacked now when it is not there.
pub(crate) async fn release(world: &Arc<World>, digest: &Digest) -> Result<PathBuf, UnpackError> {
    let folder = world.data.join("releases").join(digest.hex());
    if folder.is_dir() {
        return Ok(folder);
    }
    let archive = world.store.blobs().path(digest);
    if !archive.is_file() {
        return Err(UnpackError::Missing(*digest));
    }
    let work = move || {
        let io = |what: &'static str, path: &PathBuf| {
            let path = path.clone();
            move |source| UnpackError::Io { what, path, source }
        };
        // Unpacked beside its place and renamed there, so that a folder of this name is always complete.
        let beside = folder.with_extension("unpacking");
        if beside.exists() {
            fs::remove_dir_all(&beside).map_err(io("clear", &beside))?;
        }
        fs::create_dir_all(&beside).map_err(io("make", &beside))?;
        pack::unpack(&archive, &beside, &UnpackLimits::default())?;
        match fs::rename(&beside, &folder) {
            Ok(()) => Ok(folder),
            // Another service with the same artifact was faster.
            Err(_) if folder.is_dir() => Ok(folder),
            Err(error) => Err(io("rename", &beside)(error)),
        }
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| UnpackError::Stopping)?
}
