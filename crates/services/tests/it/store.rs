//! A store of artifacts that the tests look into.

use shipway_base::Timestamp;
use shipway_services::{ArtifactInfo, ArtifactStore, BoxFuture, KeepError, NewArtifact};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

/// Knows its artifacts by heart; their contents are in a folder.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    dir: PathBuf,
    artifacts: Mutex<(i64, Vec<ArtifactInfo>)>,
}

impl MemoryStore {
    pub(crate) fn new(dir: &Path) -> MemoryStore {
        fs::create_dir_all(dir).expect("a folder");
        MemoryStore { dir: dir.to_owned(), artifacts: Mutex::default() }
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.join(name)).expect("an artifact")
    }
}

impl ArtifactStore for MemoryStore {
    fn put(&self, artifact: NewArtifact) -> BoxFuture<'_, Result<ArtifactInfo, KeepError>> {
        Box::pin(async move {
            let mut artifacts = self.artifacts.lock().expect("no panic");
            if artifacts.1.iter().any(|known| known.name == artifact.name) {
                return Err(KeepError::Exists);
            }
            fs::rename(&artifact.file, self.dir.join(&artifact.name)).expect("moved");
            artifacts.0 += 1;
            let NewArtifact { name, size, digest, mime_type, .. } = artifact;
            let info =
                ArtifactInfo { id: artifacts.0, name, size, digest, mime_type, created: Timestamp::EPOCH };
            artifacts.1.push(info.clone());
            Ok(info)
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ArtifactInfo>, KeepError>> {
        Box::pin(async move { Ok(self.artifacts.lock().expect("no panic").1.clone()) })
    }

    fn file<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<PathBuf, KeepError>> {
        Box::pin(async move { Ok(self.dir.join(name)) })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<ArtifactInfo, KeepError>> {
        Box::pin(async move {
            let artifacts = &mut self.artifacts.lock().expect("no panic").1;
            let place = artifacts.iter().position(|known| known.name == name).ok_or(KeepError::Missing)?;
            Ok(artifacts.remove(place))
        })
    }
}
