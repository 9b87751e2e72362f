//! Where artifacts go, and a folder as the simplest such place.

use crate::{
    aside::{Aside, Over},
    executor::BoxFuture,
    pack::ZIP,
};
use shipway_base::{Clock, Digest, Timestamp};
use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Keeps the artifacts of one run. A name is put once unless it says that it overwrites.
pub trait Artifacts: Send + Sync + fmt::Debug {
    /// Keeps an artifact; the callee may move its file away or copy it.
    fn put(&self, artifact: NewArtifact, overwrite: bool) -> BoxFuture<'_, Result<Artifact, ArtifactError>>;

    /// An artifact and its file, for reading only.
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(Artifact, PathBuf), ArtifactError>>;

    /// What there is, sorted by name.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Artifact>, ArtifactError>>;

    /// Forgets an artifact.
    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Artifact, ArtifactError>>;

    /// Those of another run that a job of this run may read, by its id as the `github` context has it;
    /// [`OtherRun`](ArtifactError::OtherRun) when it may not, or when there is no such run.
    fn of_run<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Result<Arc<dyn Artifacts>, ArtifactError>>;
}

/// An artifact to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewArtifact {
    /// Its name.
    pub name: String,
    /// Its content.
    pub file: PathBuf,
    /// The size of the content, in bytes.
    pub size: u64,
    /// The SHA-256 of the content.
    pub digest: Digest,
    /// What the content is: [`ZIP`] for an archive of files, else a single file.
    pub mime_type: String,
}

/// An artifact that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// A number no other artifact of the run has; later ones are larger. JavaScript can hold it.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The size of the content, in bytes.
    pub size: u64,
    /// The SHA-256 of the content.
    pub digest: Digest,
    /// What the content is.
    pub mime_type: String,
    /// When it was kept.
    pub created: Timestamp,
}

/// Why an artifact was not kept or found.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The name is taken.
    #[error("an artifact named {name:?} was uploaded before in this run")]
    Exists {
        /// The name.
        name: String,
    },
    /// There is none of that name.
    #[error("there is no artifact named {name:?} in the run, which has {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    Missing {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// Those of another run are not to be had.
    #[error("the artifacts of run {run} cannot be had: {why}")]
    OtherRun {
        /// Its id.
        run: String,
        /// Why.
        why: &'static str,
    },
    /// The token of the job may not read those of another run.
    #[error(
        "the artifacts of run {run} cannot be had: the permissions of this job leave out actions: read, which its token needs for another run"
    )]
    NotPermitted {
        /// Its id.
        run: String,
    },
    /// The place it is kept in failed.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The place it is kept in failed in its own way.
    #[error("cannot keep or fetch the artifact")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Keeps artifacts in one folder, under names that people recognise. The folder belongs to one run, and what is in it is known as
/// long as this value lives.
#[derive(Debug)]
pub struct ArtifactFolder {
    dir: PathBuf,
    clock: Clock,
    known: Mutex<BTreeMap<String, Artifact>>,
}

impl ArtifactFolder {
    /// A place for artifacts in `dir`, which is made when the first one comes.
    pub fn new(dir: impl Into<PathBuf>, clock: Clock) -> ArtifactFolder {
        ArtifactFolder { dir: dir.into(), clock, known: Mutex::default() }
    }

    fn file(&self, name: &str, mime_type: &str) -> PathBuf {
        self.dir.join(if mime_type == ZIP { format!("{name}.zip") } else { name.to_owned() })
    }

    /// Nothing panics while it holds the lock, so what is behind a poisoned one is whole.
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Artifact>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn missing(&self, name: &str) -> ArtifactError {
        ArtifactError::Missing { name: name.to_owned(), known: self.known().keys().cloned().collect() }
    }
}

impl Artifacts for ArtifactFolder {
    fn put(&self, artifact: NewArtifact, overwrite: bool) -> BoxFuture<'_, Result<Artifact, ArtifactError>> {
        Box::pin(async move {
            let NewArtifact { name, file, size, digest, mime_type } = artifact;
            let to = self.file(&name, &mime_type);
            let io = |source| ArtifactError::Io { what: "keep an artifact at", path: to.clone(), source };
            // For the owner alone: it may lie in a folder that everybody reads.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(io)?;
            let file = Incoming::take(file, &self.dir).await.map_err(io)?;
            // Held while the file is moved: of two jobs that use one name, one is first.
            let mut known = self.known();
            let before = known.get(&name);
            if before.is_some() && !overwrite {
                return Err(ArtifactError::Exists { name });
            }
            let other = known
                .values()
                .any(|other| other.name != name && self.file(&other.name, &other.mime_type) == to);
            if other {
                // An archive `a` and a file `a.zip` would lie in one place.
                return Err(ArtifactError::Exists { name });
            }
            if let Some(before) =
                before.map(|before| self.file(&before.name, &before.mime_type)).filter(|it| *it != to)
            {
                fs::remove_file(before).map_err(io)?;
            }
            fs::rename(&file.0, &to).map_err(io)?;
            let created = self.clock.now();
            let last = known.values().map(|artifact| artifact.id).max().unwrap_or_default();
            let id = created.as_micros().max(last + 1);
            let artifact = Artifact { id, name, size, digest, mime_type, created };
            known.insert(artifact.name.clone(), artifact.clone());
            Ok(artifact)
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(Artifact, PathBuf), ArtifactError>> {
        Box::pin(async move {
            let found = self.known().get(name).cloned();
            let artifact = found.ok_or_else(|| self.missing(name))?;
            let file = self.file(name, &artifact.mime_type);
            Ok((artifact, file))
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Artifact>, ArtifactError>> {
        Box::pin(async move { Ok(self.known().values().cloned().collect()) })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Artifact, ArtifactError>> {
        Box::pin(async move {
            let removed = self.known().remove(name);
            let artifact = removed.ok_or_else(|| self.missing(name))?;
            let path = self.file(name, &artifact.mime_type);
            fs::remove_file(&path).map_err(|source| ArtifactError::Io { what: "remove", path, source })?;
            Ok(artifact)
        })
    }

    fn of_run<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Result<Arc<dyn Artifacts>, ArtifactError>> {
        let why = "`shipway run` has those of its own run only; `shipway up` has those of every run of its repository";
        Box::pin(async move { Err(ArtifactError::OtherRun { run: run.to_owned(), why }) })
    }
}

/// A file in the folder of artifacts that is none yet. It goes unless it becomes one.
struct Incoming(PathBuf);

impl Incoming {
    /// Moves a file there, or copies it where the two lie on different file systems, as long as somebody waits for that.
    async fn take(from: PathBuf, dir: &Path) -> io::Result<Incoming> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // No artifact has a colon in its name.
        let name = format!(":{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let beside = Incoming(dir.join(name));
        if fs::rename(&from, &beside.0).is_ok() {
            return Ok(beside);
        }
        let copy = move |over: &Over| {
            over.copy_file(&File::open(&from)?, &File::create(&beside.0)?)?;
            fs::remove_file(&from)?;
            Ok(beside)
        };
        Aside::begin(copy).until(std::future::pending()).await.map_err(io::Error::other)?
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After it has become one there is none of this name.
        let _ = fs::remove_file(&self.0);
    }
}
