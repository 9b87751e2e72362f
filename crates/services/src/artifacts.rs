//! The protocol of artifacts: a name is reserved, its content sent, and the artifact handed to the store of the run.

use crate::{
    error::{Refusal, RefusalKind},
    names::check_artifact_name,
    upload::{Content, Upload},
};
use sha2::{Digest as _, Sha256};
use shipway_base::{Digest, Timestamp};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    future::Future,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

/// A future that can be sent and stored.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where the artifacts of one run are kept.
pub trait ArtifactStore: Send + Sync + fmt::Debug {
    /// Keeps an artifact; the callee moves the file away. A name is kept once.
    fn put(&self, artifact: NewArtifact) -> BoxFuture<'_, Result<ArtifactInfo, KeepError>>;

    /// All artifacts of the run.
    fn list(&self) -> BoxFuture<'_, Result<Vec<ArtifactInfo>, KeepError>>;

    /// The file of an artifact, for reading only.
    fn file<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<PathBuf, KeepError>>;

    /// Forgets an artifact.
    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<ArtifactInfo, KeepError>>;
}

/// An artifact to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewArtifact {
    /// Its name.
    pub name: String,
    /// Its content.
    pub file: PathBuf,
    /// The size of the content.
    pub size: u64,
    /// The SHA-256 of the content.
    pub digest: Digest,
    /// What the content is; `application/zip` for an archive of files.
    pub mime_type: String,
}

/// An artifact that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactInfo {
    /// A number no other artifact of the run has, nor had; later ones are larger.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The size of the content.
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
pub enum KeepError {
    /// The name is taken.
    #[error("an artifact with this name exists already on the workflow run")]
    Exists,
    /// There is none of that name.
    #[error("there is no artifact with this name")]
    Missing,
    /// The place it is kept in failed.
    #[error("cannot keep or fetch the artifact")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<KeepError> for Refusal {
    fn from(error: KeepError) -> Refusal {
        let message = error.to_string();
        match error {
            KeepError::Exists => Refusal::new(RefusalKind::Exists, message),
            KeepError::Missing => Refusal::missing(message),
            KeepError::Other(source) => {
                tracing::error!(error = %source, "cannot keep or fetch an artifact");
                Refusal::new(RefusalKind::Internal, message)
            }
        }
    }
}

/// An upload that was begun for an artifact.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) id: u64,
    pub(crate) run: String,
    pub(crate) job: String,
    pub(crate) name: String,
    pub(crate) mime_type: String,
    pub(crate) began: Timestamp,
    pub(crate) upload: Upload,
}

impl Pending {
    /// Removes what was sent.
    pub(crate) fn remove(&self) {
        let dir = self.upload.dir();
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, folder = %dir.display(), "an upload cannot be removed");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Hands what was sent to the store.
    pub(crate) async fn finish(
        &self,
        store: &dyn ArtifactStore,
        size: Option<u64>,
        hash: Option<&str>,
    ) -> Result<ArtifactInfo, Refusal> {
        let expected = hash.map(digest).transpose()?;
        // The toolkit writes 0 when it does not know.
        let content = self.upload.finish(size.filter(|size| *size > 0))?;
        let dir = self.upload.dir().to_owned();
        let joined = tokio::task::spawn_blocking(move || join(&content, &dir).map_err(|error| (dir, error)));
        let joined =
            joined.await.map_err(|_| Refusal::new(RefusalKind::Internal, "the server is stopping"))?;
        let (file, size, digest) =
            joined.map_err(|(dir, error)| Refusal::io("put the artifact together", &dir, &error))?;
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            let message = format!("the artifact was announced as {expected} and is {digest}");
            return Err(Refusal::new(RefusalKind::Mismatch, message));
        }
        let (name, mime_type) = (self.name.clone(), self.mime_type.clone());
        Ok(store.put(NewArtifact { name, file, size, digest, mime_type }).await?)
    }
}

/// Whether an artifact of that name could be begun now.
pub(crate) async fn check_free(store: &Arc<dyn ArtifactStore>, name: &str) -> Result<(), Refusal> {
    check_artifact_name(name).map_err(Refusal::invalid)?;
    if store.list().await?.iter().any(|artifact| artifact.name == name) {
        return Err(KeepError::Exists.into());
    }
    Ok(())
}

/// Reads a type such as `application/zip`; anything that could not stand in a header is refused.
pub(crate) fn mime_type(given: Option<&str>) -> Result<String, Refusal> {
    let given = given.unwrap_or("application/zip");
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+/; =".contains(&byte);
    if given.is_empty() || given.len() > 200 || !given.contains('/') || !given.bytes().all(good) {
        return Err(Refusal::invalid("mime_type is not the name of a type such as application/zip"));
    }
    Ok(given.to_owned())
}

fn digest(hash: &str) -> Result<Digest, Refusal> {
    let text = hash.to_ascii_lowercase();
    let text = if text.contains(':') { text } else { format!("sha256:{text}") };
    text.parse()
        .map_err(|_| Refusal::invalid(format!("{hash:?} is not a digest such as sha256:<64 hex digits>")))
}

/// One file of all parts, with its size and digest. The first part becomes that file, so that most artifacts are not copied.
fn join(content: &Content, dir: &Path) -> io::Result<(PathBuf, u64, Digest)> {
    let path = dir.join("joined");
    let mut hash = Sha256::new();
    let mut size = 0;
    let repeated = content.0.iter().skip(1).any(|part| Some(part) == content.0.first());
    let mut to = match content.0.first() {
        Some((first, _)) if !repeated => {
            fs::rename(first, &path)?;
            let mut file = OpenOptions::new().read(true).append(true).open(&path)?;
            size += copy(&mut file, &mut hash, None)?;
            file
        }
        Some(_) | None => File::create_new(&path)?,
    };
    for (part, _) in content.0.iter().skip(usize::from(!repeated)) {
        size += copy(&mut File::open(part)?, &mut hash, Some(&mut to))?;
    }
    Ok((path, size, Digest::from_bytes(hash.finalize().into())))
}

fn copy(from: &mut File, hash: &mut Sha256, mut to: Option<&mut File>) -> io::Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(size);
        }
        hash.update(&buffer[..length]);
        if let Some(to) = &mut to {
            to.write_all(&buffer[..length])?;
        }
        size += length as u64;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A store that keeps nothing.
    #[derive(Debug)]
    pub(crate) struct Nowhere;

    impl ArtifactStore for Nowhere {
        fn put(&self, _artifact: NewArtifact) -> BoxFuture<'_, Result<ArtifactInfo, KeepError>> {
            Box::pin(async { Err(KeepError::Exists) })
        }

        fn list(&self) -> BoxFuture<'_, Result<Vec<ArtifactInfo>, KeepError>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn file<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<PathBuf, KeepError>> {
            Box::pin(async { Err(KeepError::Missing) })
        }

        fn delete<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<ArtifactInfo, KeepError>> {
            Box::pin(async { Err(KeepError::Missing) })
        }
    }

    #[test]
    fn types_can_stand_in_a_header() {
        assert_eq!(mime_type(None).as_deref(), Ok("application/zip"));
        assert_eq!(mime_type(Some("text/plain; charset=utf-8")).as_deref(), Ok("text/plain; charset=utf-8"));
        for bad in ["", "zip", "a/b\r\nx: y", "a/\u{e9}"] {
            assert!(mime_type(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn parts_are_joined_in_order_also_when_one_comes_twice() {
        for (order, expect) in [(vec![0, 1, 0], "aba"), (vec![1, 0], "ba"), (vec![], ""), (vec![0], "a")] {
            let dir = tempfile::tempdir().expect("a folder");
            let part = |number: &usize| (dir.path().join(number.to_string()), 1);
            fs::write(dir.path().join("0"), "a").expect("a part");
            fs::write(dir.path().join("1"), "b").expect("a part");
            let (path, size, digest) =
                join(&Content(order.iter().map(part).collect()), dir.path()).expect("joined");
            assert_eq!(fs::read_to_string(path).expect("joined"), expect);
            assert_eq!((size, digest), (expect.len() as u64, Digest::of(expect.as_bytes())));
        }
    }
}
