//! The artifacts of a run: blobs by digest, names in the store.

use super::world::World;
use crate::backend::Change;
use shipway_base::Id;
use shipway_runner::{ArtifactError, Artifacts, BoxFuture, pack::Packed};
use shipway_store::models::{self, jobs::ArtifactRow, runs::RunRow};
use std::{fmt, fs, path::PathBuf, sync::Arc};

/// The artifacts of one run.
pub(super) struct RunArtifacts {
    world: Arc<World>,
    run: Id<RunRow>,
}

impl RunArtifacts {
    /// Those of this run.
    pub(super) fn new(world: Arc<World>, run: Id<RunRow>) -> RunArtifacts {
        RunArtifacts { world, run }
    }
}

impl Artifacts for RunArtifacts {
    fn put<'a>(
        &'a self,
        name: &'a str,
        tar: PathBuf,
        packed: &'a Packed,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<(), ArtifactError>> {
        Box::pin(async move {
            let taken = self.world.store.artifact(self.run, name).await.map_err(other)?;
            // The same bytes again are the same upload: a job that was lost after it and is run once more.
            if taken.is_some_and(|row| row.digest != packed.digest) && !overwrite {
                return Err(ArtifactError::Exists { name: name.to_owned() });
            }
            let world = self.world.clone();
            let keep = move || -> Result<_, ArtifactError> {
                let io = |source| ArtifactError::Io { what: "read", path: tar.clone(), source };
                let kept =
                    world.store.blobs().put_reader(fs::File::open(&tar).map_err(io)?).map_err(other)?;
                fs::remove_file(&tar).map_err(io)?;
                Ok(kept)
            };
            let (digest, bytes) = tokio::task::spawn_blocking(keep).await.map_err(other)??;
            let row = ArtifactRow {
                run: self.run,
                name: name.to_owned(),
                digest,
                bytes,
                at: self.world.clock.now(),
            };
            self.world.store.batch(vec![models::jobs::put_artifact(&row)]).await.map_err(other)?;
            self.world.changed(Change::Run(self.run.into()));
            Ok(())
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<PathBuf, ArtifactError>> {
        Box::pin(async move {
            match self.world.store.artifact(self.run, name).await.map_err(other)? {
                Some(row) => Ok(self.world.store.blobs().path(&row.digest)),
                None => Err(ArtifactError::Missing { name: name.to_owned(), known: self.names().await? }),
            }
        })
    }

    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, ArtifactError>> {
        Box::pin(async move {
            let rows = self.world.store.artifacts(self.run).await.map_err(other)?;
            Ok(rows.into_iter().map(|row| row.name).collect())
        })
    }
}

impl fmt::Debug for RunArtifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunArtifacts").field("run", &self.run).finish_non_exhaustive()
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> ArtifactError {
    ArtifactError::Other(Box::new(error))
}
