//! The artifacts of a run: blobs by digest, names in the store. An attempt sees those of the attempts before it, until it uploads
//! one of the same name itself.

use super::{runpage, world::World};
use crate::backend::Change;
use shipway_runner::{Artifact, ArtifactError, Artifacts, BoxFuture, NewArtifact};
use shipway_store::{
    StoreError,
    models::{
        self,
        jobs::ArtifactRow,
        runs::{AttemptId, RunId},
    },
};
use std::{
    fmt, fs,
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The artifacts of one run, as one attempt of it sees them.
#[derive(Clone)]
pub(super) struct RunArtifacts {
    world: Arc<World>,
    run: RunId,
    attempt: AttemptId,
    /// Whether its jobs may read what other runs have made.
    trusted: bool,
}

impl RunArtifacts {
    /// Those of this run, for this attempt. Whether the run is `trusted` decides if its jobs may read those of other runs of its
    /// repository.
    pub(super) fn new(world: Arc<World>, run: RunId, attempt: AttemptId, trusted: bool) -> RunArtifacts {
        RunArtifacts { world, run, attempt, trusted }
    }

    /// Those of another run of the same repository.
    async fn other(&self, run: &str) -> Result<Result<RunArtifacts, &'static str>, StoreError> {
        if !self.trusted {
            return Ok(Err("the run is of a fork, which reads nothing of other runs"));
        }
        let unknown = "this server has no such run of this repository";
        let Some(id) = run.parse::<RunId>().ok() else { return Ok(Err(unknown)) };
        let (Some(own), Some(other)) =
            (self.world.store.run(self.run).await?, self.world.store.run(id).await?)
        else {
            return Ok(Err(unknown));
        };
        if own.repository != other.repository {
            return Ok(Err(unknown));
        }
        Ok(Ok(RunArtifacts { run: id, ..self.clone() }))
    }

    /// All of them, older ones of the same name too.
    async fn all(&self) -> Result<Vec<ArtifactRow>, StoreError> {
        self.world.store.artifacts(self.run, u32::MAX).await
    }

    async fn missing(&self, name: &str) -> ArtifactError {
        let known = match self.all().await {
            Ok(rows) => runpage::newest(rows).into_iter().map(|row| row.name).collect(),
            Err(error) => return other(error),
        };
        ArtifactError::Missing { name: name.to_owned(), known }
    }
}

impl Artifacts for RunArtifacts {
    fn put(&self, artifact: NewArtifact, overwrite: bool) -> BoxFuture<'_, Result<Artifact, ArtifactError>> {
        Box::pin(async move {
            let NewArtifact { name, file, digest, mime_type, .. } = artifact;
            let _turn = self.world.artifacts.lock().await;
            let taken = self.world.store.artifact(self.run, &name, u32::MAX).await.map_err(other)?;
            // The same bytes again are the same upload: a job that was lost after it and is run once more. What an earlier attempt
            // uploaded is in nobody's way.
            let own = |row: &ArtifactRow| row.run == self.attempt && row.digest != digest;
            if taken.as_ref().is_some_and(own) && !overwrite {
                return Err(ArtifactError::Exists { name });
            }
            let world = self.world.clone();
            let waiting = Waiting::default();
            let wanted = waiting.0.clone();
            let keep = move || -> Result<_, ArtifactError> {
                let io = |source| ArtifactError::Io { what: "read", path: file.clone(), source };
                let content = Wanted { file: fs::File::open(&file).map_err(io)?, gone: wanted };
                let kept = world.store.blobs().put_reader(content).map_err(other)?;
                fs::remove_file(&file).map_err(io)?;
                Ok(kept)
            };
            let (digest, bytes) = tokio::task::spawn_blocking(keep).await.map_err(other)??;
            // The instant is the number of the artifact as well, so no two of a run share one.
            let rows = self.all().await.map_err(other)?;
            let last = rows.iter().map(|row| row.at + Duration::from_micros(1)).max();
            let at = self.world.clock.now();
            let at = last.map_or(at, |last| last.max(at));
            let row = ArtifactRow { run: self.attempt, name, digest, bytes, at, mime: mime_type };
            self.world.store.batch(vec![models::jobs::put_artifact(&row)]).await.map_err(other)?;
            self.world.changed(Change::Run(self.run.into()));
            Ok(described(row))
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(Artifact, PathBuf), ArtifactError>> {
        Box::pin(async move {
            match self.world.store.artifact(self.run, name, u32::MAX).await.map_err(other)? {
                Some(row) => {
                    let path = self.world.store.blobs().path(&row.digest);
                    Ok((described(row), path))
                }
                None => Err(self.missing(name).await),
            }
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Artifact>, ArtifactError>> {
        Box::pin(async move {
            let rows = runpage::newest(self.all().await.map_err(other)?);
            Ok(rows.into_iter().map(described).collect())
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Artifact, ArtifactError>> {
        Box::pin(async move {
            let _turn = self.world.artifacts.lock().await;
            let Some(row) = self.world.store.artifact(self.run, name, u32::MAX).await.map_err(other)? else {
                return Err(self.missing(name).await);
            };
            let remove = models::jobs::remove_artifact(row.run, name);
            self.world.store.batch(vec![remove]).await.map_err(other)?;
            self.world.changed(Change::Run(self.run.into()));
            Ok(described(row))
        })
    }

    fn of_run<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Result<Arc<dyn Artifacts>, ArtifactError>> {
        Box::pin(async move {
            match self.other(run).await.map_err(other)? {
                Ok(artifacts) => Ok(Arc::new(ReadOnly(artifacts)) as Arc<dyn Artifacts>),
                Err(why) => Err(ArtifactError::OtherRun { run: run.to_owned(), why }),
            }
        })
    }
}

/// The artifacts of another run, which are for reading only.
#[derive(Debug)]
struct ReadOnly(RunArtifacts);

impl ReadOnly {
    fn refused(&self) -> ArtifactError {
        let (run, why) = (self.0.run.to_string(), "they are for reading only");
        ArtifactError::OtherRun { run, why }
    }
}

impl Artifacts for ReadOnly {
    fn put(
        &self,
        _artifact: NewArtifact,
        _overwrite: bool,
    ) -> BoxFuture<'_, Result<Artifact, ArtifactError>> {
        Box::pin(async move { Err(self.refused()) })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(Artifact, PathBuf), ArtifactError>> {
        self.0.get(name)
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Artifact>, ArtifactError>> {
        self.0.list()
    }

    fn delete<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Artifact, ArtifactError>> {
        Box::pin(async move { Err(self.refused()) })
    }

    fn of_run<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Result<Arc<dyn Artifacts>, ArtifactError>> {
        self.0.of_run(run)
    }
}

/// Tells the thread that keeps an artifact, by its own end, that nobody waits any more.
#[derive(Default)]
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A file that is read as long as somebody waits for what comes of it: an artifact may be huge, and its step cancelled.
struct Wanted {
    file: fs::File,
    gone: Arc<AtomicBool>,
}

impl Read for Wanted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody waits for the artifact any more"));
        }
        self.file.read(buffer)
    }
}

fn described(row: ArtifactRow) -> Artifact {
    Artifact {
        id: row.at.as_micros(),
        name: row.name,
        size: row.bytes,
        digest: row.digest,
        mime_type: row.mime,
        created: row.at,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_only_as_long_as_somebody_waits() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        fs::write(&path, vec![7; 100_000]).expect("a file");
        let waiting = Waiting::default();
        let mut content = Wanted { file: fs::File::open(&path).expect("a file"), gone: waiting.0.clone() };
        let mut piece = [0; 1_000];
        assert_eq!(content.read(&mut piece).expect("read"), piece.len());
        let blobs = shipway_store::Blobs::open(dir.path().join("blobs")).expect("a folder");
        drop(waiting);
        assert!(blobs.put_reader(content).is_err());
        let left = fs::read_dir(dir.path().join("blobs/unfinished")).expect("a folder").count();
        assert_eq!(left, 0, "half of it is not kept");
    }
}
