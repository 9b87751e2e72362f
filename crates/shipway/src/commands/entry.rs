//! What an entry of a folder of workflows is, by its name and its kind.

use shipway_base::{Diagnostic, Source, Span};
use std::{
    fs, io,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

/// A workflow file, or what has the name of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A file, also behind a link.
    File(PathBuf),
    /// It cannot be read as a file, for the reason in the second: a link that leads nowhere, a pipe, a device.
    Odd(PathBuf, String),
}

impl Entry {
    /// What stands at a path; nothing for what is no workflow: another name, a folder, or the mark that an editor leaves beside a file
    /// that it has open.
    pub(super) fn of(path: PathBuf) -> Option<Entry> {
        let is_yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        let is_mark = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".#"));
        if !is_yaml || is_mark {
            return None;
        }
        let kind = match fs::metadata(&path).map(|meta| meta.file_type()) {
            Ok(kind) if kind.is_file() => return Some(Entry::File(path)),
            Ok(kind) if kind.is_dir() => return None,
            Ok(kind) if kind.is_fifo() => "it is a pipe, not a file".to_owned(),
            Ok(kind) if kind.is_socket() => "it is a socket, not a file".to_owned(),
            Ok(_) => "it is a device, not a file".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
                "it is a link that leads nowhere".to_owned()
            }
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => format!("it cannot be read: {error}"),
        };
        Some(Entry::Odd(path, kind))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        match self {
            Entry::File(path) | Entry::Odd(path, _) => path,
        }
    }
}

/// The finding about what cannot be read as a file; `name` is what it is called.
pub(super) fn odd(name: &str, why: &str) -> Diagnostic {
    Diagnostic::error("SW0001", &Source::new(name, ""), Span::START, format!("this is no workflow: {why}"))
        .with_help("remove it, or give it another name than *.yml and *.yaml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::{fs::symlink, net::UnixListener};

    #[test]
    fn what_cannot_be_read_as_a_file_is_odd() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.yml"), "on: push").expect("a file");
        fs::create_dir(at("folder.yml")).expect("a folder");
        symlink(at("a.yml"), at("link.yaml")).expect("a link");
        symlink("nowhere", at("broken.yml")).expect("a link");
        symlink("round.yml", at("round.yml")).expect("a link");
        symlink("me@host.1", at(".#a.yml")).expect("a link");
        symlink("/dev/zero", at("zero.yml")).expect("a link");
        let _socket = UnixListener::bind(at("socket.yml")).expect("a socket");
        let seen = |name: &str| match Entry::of(at(name)) {
            None => "nothing".to_owned(),
            Some(Entry::File(path)) => path.file_name().expect("a name").to_string_lossy().into_owned(),
            Some(Entry::Odd(_, why)) => why,
        };
        for (name, expect) in [
            ("a.yml", "a.yml"),
            ("link.yaml", "link.yaml"),
            ("folder.yml", "nothing"),
            ("gone.yml", "nothing"),
            (".#a.yml", "nothing"),
            ("broken.yml", "it is a link that leads nowhere"),
            ("zero.yml", "it is a device, not a file"),
            ("socket.yml", "it is a socket, not a file"),
        ] {
            assert_eq!(seen(name), expect, "{name}");
        }
        assert!(seen("round.yml").starts_with("it cannot be read: "), "{}", seen("round.yml"));
    }
}
