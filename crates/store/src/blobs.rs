//! Blobs: content by digest, written once and whole or not at all.

use crate::{Result, StoreError, files};
use sha2::{Digest as _, Sha256};
use shipway_base::Digest;
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The folder of all blobs. All methods block; large content belongs on a blocking thread.
#[derive(Clone, Debug)]
pub struct Blobs {
    dir: PathBuf,
    counter: Arc<AtomicU64>,
}

/// A blob being written. Dropped without [`BlobWriter::commit`], it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    blobs: Blobs,
    path: PathBuf,
    file: File,
    hash: Sha256,
    length: u64,
}

impl Blobs {
    /// Opens the folder, creating it when it is missing, and removes what an earlier process left half-written.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Blobs> {
        let dir = dir.into();
        let unfinished = dir.join("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(files::failed("clear", &unfinished))?;
        }
        files::create_dir(&unfinished)?;
        Ok(Blobs { dir, counter: Arc::default() })
    }

    /// Stores bytes.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let mut writer = self.writer()?;
        let path = writer.path.clone();
        writer.write_all(bytes).map_err(files::failed("write", &path))?;
        Ok(writer.commit()?.0)
    }

    /// Stores what a reader gives; the answer is the digest and the size.
    pub fn put_reader(&self, mut reader: impl Read) -> Result<(Digest, u64)> {
        let mut writer = self.writer()?;
        let path = writer.path.clone();
        io::copy(&mut reader, &mut writer).map_err(files::failed("write", &path))?;
        writer.commit()
    }

    /// Begins a blob.
    pub fn writer(&self) -> Result<BlobWriter> {
        let name = self.counter.fetch_add(1, Ordering::Relaxed).to_string();
        let path = self.dir.join("unfinished").join(name);
        let file = File::create_new(&path).map_err(files::failed("create", &path))?;
        Ok(BlobWriter { blobs: self.clone(), path, file, hash: Sha256::new(), length: 0 })
    }

    /// Whether a blob is there.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Opens a blob; `None` when it is not there. The content is not checked; [`Blobs::read`] does.
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<File>> {
        let path = self.path(digest);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(files::failed("read", &path)(error)),
        }
    }

    /// Reads a blob and checks that it is what was written; `None` when it is not there.
    pub fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open_blob(digest)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(files::failed("read", &self.path(digest)))?;
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(StoreError::corrupt(
                format_args!("blob {digest}"),
                format_args!("it is now {found}"),
            ));
        }
        Ok(Some(bytes))
    }

    /// Where a blob is or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let (folder, _) = hex.split_at(2);
        self.dir.join("sha256").join(folder).join(&hex)
    }
}

impl BlobWriter {
    /// Makes the blob durable under its digest; the answer is the digest and the size.
    pub fn commit(self) -> Result<(Digest, u64)> {
        let digest = Digest::from_bytes(self.hash.clone().finalize().into());
        let path = self.blobs.path(&digest);
        if !path.is_file() {
            let dir = path.parent().unwrap_or(Path::new("."));
            files::create_dir(dir)?;
            self.file.sync_all().map_err(files::failed("flush", &self.path))?;
            fs::rename(&self.path, &path).map_err(files::failed("create", &path))?;
            files::sync_dir(dir)?;
        }
        Ok((digest, self.length))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // After a commit the name is gone already; otherwise the next opening clears the folder anyway.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_found_by_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let digest = blobs.put(b"hello").unwrap();
        assert_eq!(digest, Digest::of(b"hello"));
        assert_eq!(blobs.put_reader(&b"hello"[..]).unwrap(), (digest, 5));
        assert_eq!(blobs.read(&digest).unwrap().as_deref(), Some(&b"hello"[..]));
        assert!(blobs.contains(&digest));
        assert_eq!(blobs.read(&Digest::of(b"other")).unwrap(), None);
    }

    #[test]
    fn a_blob_that_is_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let mut writer = blobs.writer().unwrap();
        writer.write_all(b"half").unwrap();
        drop(writer);
        assert_eq!(fs::read_dir(dir.path().join("unfinished")).unwrap().count(), 0);
        fs::write(dir.path().join("unfinished/0"), "left by a crash").unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        blobs.put(b"new").unwrap();
        assert!(!blobs.contains(&Digest::of(b"half")));
    }

    #[test]
    fn damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let digest = blobs.put(b"hello").unwrap();
        fs::write(blobs.path(&digest), "hellO").unwrap();
        assert!(matches!(blobs.read(&digest), Err(StoreError::Corrupt { .. })));
    }
}
