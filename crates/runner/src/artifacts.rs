//! Where artifacts go, and a folder as the simplest such place.

use crate::{executor::BoxFuture, pack::Packed};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// Keeps the artifacts of one run. A name is put once unless it says that it overwrites.
pub trait Artifacts: Send + Sync + fmt::Debug {
    /// Keeps an artifact: the tar file at `tar`, which the callee may move away or copy.
    fn put<'a>(
        &'a self,
        name: &'a str,
        tar: PathBuf,
        packed: &'a Packed,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<(), ArtifactError>>;

    /// The tar file of an artifact, for reading only.
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<PathBuf, ArtifactError>>;

    /// The names there are, sorted.
    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, ArtifactError>>;
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
    #[error("there is no artifact named {name:?} in this run; there are: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    Missing {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
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

/// Keeps artifacts in one folder, a tar file each. The folder belongs to one run.
#[derive(Debug)]
pub struct ArtifactFolder {
    dir: PathBuf,
}

impl ArtifactFolder {
    /// A place for artifacts in `dir`, which is made when the first one comes.
    pub fn new(dir: impl Into<PathBuf>) -> ArtifactFolder {
        ArtifactFolder { dir: dir.into() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.tar"))
    }

    fn list(&self) -> Result<Vec<String>, ArtifactError> {
        let io = |source| ArtifactError::Io { what: "read", path: self.dir.clone(), source };
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(io)?.file_name();
            names.extend(file.to_str().and_then(|file| file.strip_suffix(".tar")).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }
}

impl Artifacts for ArtifactFolder {
    fn put<'a>(
        &'a self,
        name: &'a str,
        tar: PathBuf,
        _packed: &'a Packed,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<(), ArtifactError>> {
        Box::pin(async move {
            let to = self.file(name);
            let io = |source| ArtifactError::Io { what: "keep an artifact at", path: to.clone(), source };
            fs::create_dir_all(&self.dir).map_err(io)?;
            if overwrite {
                return move_file(&tar, &to).map_err(io);
            }
            // Claims the name and moves in one step, so that two jobs cannot both think they were first.
            match fs::hard_link(&tar, &to) {
                Ok(()) => fs::remove_file(&tar).map_err(io),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    Err(ArtifactError::Exists { name: name.to_owned() })
                }
                Err(_) if to.exists() => Err(ArtifactError::Exists { name: name.to_owned() }),
                // Another file system, or one without links.
                Err(_) => move_file(&tar, &to).map_err(io),
            }
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<PathBuf, ArtifactError>> {
        Box::pin(async move {
            let file = self.file(name);
            if file.is_file() {
                Ok(file)
            } else {
                Err(ArtifactError::Missing { name: name.to_owned(), known: self.list()? })
            }
        })
    }

    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, ArtifactError>> {
        Box::pin(async move { self.list() })
    }
}

/// Renames, or copies beside the goal and renames where the two lie on different file systems.
fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    let beside = to.with_extension("part");
    fs::copy(from, &beside)?;
    fs::rename(&beside, to)?;
    fs::remove_file(from)
}
