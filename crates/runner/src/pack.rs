//! Artifacts as tar files: the same files always give the same bytes, and so the same digest.

use crate::error::{ErrorKind, RunnerError};
use sha2::{Digest as _, Sha256};
use shipway_base::Digest;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufReader, BufWriter, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Component, Path, PathBuf},
};

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The SHA-256 of the tar file.
    pub digest: Digest,
    /// The size of the tar file, in bytes.
    pub size: u64,
    /// The number of files in it, symbolic links included.
    pub files: usize,
}

/// Writes a tar file with `files` (path in the archive, path on disk) to `to`: sorted, with permissions 755 or 644, no
/// owner and no times. Symbolic links stay links.
pub fn pack(files: &BTreeMap<String, PathBuf>, to: &Path) -> Result<Packed, RunnerError> {
    let write_error = |error| RunnerError::io("write", to, error);
    let file = fs::File::create(to).map_err(write_error)?;
    let mut tar = tar::Builder::new(Hashing { inner: BufWriter::new(file), hash: Sha256::new(), size: 0 });
    for (name, path) in files {
        let meta = fs::symlink_metadata(path).map_err(|error| RunnerError::io("read", path, error))?;
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        if meta.is_symlink() {
            let target = fs::read_link(path).map_err(|error| RunnerError::io("read", path, error))?;
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            tar.append_link(&mut header, name, target).map_err(write_error)?;
        } else {
            header.set_mode(if meta.permissions().mode() & 0o111 != 0 { 0o755 } else { 0o644 });
            header.set_size(meta.len());
            let content = fs::File::open(path).map_err(|error| RunnerError::io("read", path, error))?;
            // Exactly the announced size, also when the file grows meanwhile.
            let content = io::Read::take(content, meta.len());
            tar.append_data(&mut header, name, content).map_err(write_error)?;
        }
    }
    let mut out = tar.into_inner().map_err(write_error)?;
    out.flush().map_err(write_error)?;
    let file = out.inner.into_inner().map_err(|error| write_error(error.into_error()))?;
    file.sync_all().or_else(ignore_unsyncable).map_err(write_error)?;
    Ok(Packed { digest: Digest::from_bytes(out.hash.finalize().into()), size: out.size, files: files.len() })
}

/// Unpacks a tar file made by [`pack`] into the folder `into`, which is made when absent. Entries that would leave the
/// folder are refused, also by way of links. Gives the number of entries.
pub fn unpack(tar: &Path, into: &Path) -> Result<usize, RunnerError> {
    fs::create_dir_all(into).map_err(|error| RunnerError::io("make", into, error))?;
    let file = fs::File::open(tar).map_err(|error| RunnerError::io("open", tar, error))?;
    let mut archive = tar::Archive::new(BufReader::new(file));
    archive.set_preserve_mtime(false);
    archive.set_overwrite(true);
    let mut count = 0;
    for entry in archive.entries().map_err(|error| RunnerError::io("read", tar, error))? {
        let mut entry = entry.map_err(|error| RunnerError::io("read", tar, error))?;
        let name = entry.path().map_err(|error| RunnerError::io("read", tar, error))?.into_owned();
        let unpacked = entry
            .unpack_in(into)
            .map_err(|error| RunnerError::io("write", &into.join(&name), root(error)))?;
        if !unpacked {
            return Err(RunnerError::new(
                ErrorKind::Artifact,
                format!("the artifact holds {}, which lies outside of its folder", name.display()),
            ));
        }
        count += 1;
    }
    Ok(count)
}

/// All files below `path`, or `path` itself when it is a file, by their path relative to `base`. Folders are entered in
/// order and not followed through links.
pub fn files_below(path: &Path, base: &Path, hidden: bool) -> Result<BTreeMap<String, PathBuf>, RunnerError> {
    let mut found = BTreeMap::new();
    let mut open = vec![path.to_owned()];
    while let Some(next) = open.pop() {
        let meta = fs::symlink_metadata(&next).map_err(|error| RunnerError::io("read", &next, error))?;
        if meta.is_dir() {
            for entry in fs::read_dir(&next).map_err(|error| RunnerError::io("read", &next, error))? {
                let entry = entry.map_err(|error| RunnerError::io("read", &next, error))?;
                if hidden || !entry.file_name().as_encoded_bytes().starts_with(b".") {
                    open.push(entry.path());
                }
            }
        } else if meta.is_file() || meta.is_symlink() {
            let relative = next.strip_prefix(base).unwrap_or(&next);
            found.insert(archive_name(relative), next.clone());
        }
    }
    Ok(found)
}

/// A path as it is written in an archive: its plain segments, joined by slashes.
pub(crate) fn archive_name(path: &Path) -> String {
    let segments: Vec<_> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(segment) => Some(segment.to_string_lossy()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect();
    segments.join("/")
}

/// The tar crate wraps the operating system's error; a full disk must be told apart still.
fn root(error: io::Error) -> io::Error {
    let mut kind = error.kind();
    let mut source = error.get_ref().and_then(|inner| inner.source());
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<io::Error>() {
            kind = inner.kind();
        }
        source = inner.source();
    }
    if kind == error.kind() { error } else { io::Error::new(kind, error) }
}

/// Devices and some file systems cannot be synced; there is nothing to lose there.
fn ignore_unsyncable(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::InvalidInput { Ok(()) } else { Err(error) }
}

struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.hash.update(&bytes[..length]);
        self.size += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(dir: &Path) -> BTreeMap<String, PathBuf> {
        files_below(dir, dir, true).expect("a tree")
    }

    #[test]
    fn the_same_files_give_the_same_digest() {
        let dir = tempfile::tempdir().expect("a folder");
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for (place, order) in [(&a, ["x", "y"]), (&b, ["y", "x"])] {
            fs::create_dir_all(place.join("sub")).expect("folder");
            for name in order {
                fs::write(place.join("sub").join(name), name).expect("file");
            }
            fs::set_permissions(place.join("sub/x"), fs::Permissions::from_mode(0o700)).expect("mode");
            std::os::unix::fs::symlink("sub/x", place.join("link")).expect("link");
        }
        let one = pack(&tree(&a), &dir.path().join("a.tar")).expect("packed");
        let two = pack(&tree(&b), &dir.path().join("b.tar")).expect("packed");
        assert_eq!(one, two);
        assert_eq!(one.files, 3);
        assert_eq!(one.digest, Digest::of(&fs::read(dir.path().join("a.tar")).expect("tar")));

        let out = dir.path().join("out");
        assert_eq!(unpack(&dir.path().join("a.tar"), &out).expect("unpacked"), 3);
        assert_eq!(fs::read_to_string(out.join("link")).expect("through the link"), "x");
        assert_eq!(fs::metadata(out.join("sub/x")).expect("x").permissions().mode() & 0o777, 0o755);
        assert_eq!(pack(&tree(&out), &dir.path().join("c.tar")).expect("packed").digest, one.digest);
    }

    #[test]
    fn a_full_disk_is_said() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("x"), vec![7; 100_000]).expect("file");
        let error = pack(&tree(dir.path()), Path::new("/dev/full")).expect_err("full");
        assert_eq!(error.kind, ErrorKind::DiskFull, "{error}");
    }

    #[test]
    fn entries_that_leave_the_folder_are_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let tar = dir.path().join("evil.tar");
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        header.as_mut_bytes()[..5].copy_from_slice(b"../up");
        header.set_cksum();
        let mut builder = tar::Builder::new(fs::File::create(&tar).expect("tar"));
        builder.append(&header, &b"x"[..]).expect("entry");
        builder.into_inner().expect("tar");
        let error = unpack(&tar, &dir.path().join("out")).expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Artifact);
        assert!(!dir.path().join("up").exists());
    }
}
