//! Files that the runner reads for a job where the job may have put anything: links that lead away, pipes that nobody writes
//! to, devices without an end.

use crate::beneath::{Ground, Links, open_regular};
use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// Which links the runner goes through for a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All: the job sees the same machine, with the same rights.
    Machine,
    /// Those that stay beneath the folder: elsewhere the job sees something else, or may not look.
    #[default]
    Folder,
}

impl Reach {
    /// Opens a file that lies in `folder`. What is no regular file is refused, and never waited for.
    pub(crate) fn open(self, folder: &Path, path: &Path) -> io::Result<File> {
        match self {
            Reach::Machine => open_regular(path),
            Reach::Folder => {
                let below = path.strip_prefix(folder).map_err(io::Error::other)?;
                Ground::at(folder)?.open(below, Links::Beneath).map_err(|error| {
                    if error.raw_os_error() == Some(rustix::io::Errno::XDEV.raw_os_error()) {
                        return io::Error::other("a link in it leads out of the folder of the job");
                    }
                    error
                })
            }
        }
    }
}

/// The text of a file of at most so many bytes.
pub(crate) fn text(file: File, most: u64) -> io::Result<String> {
    let mut text = String::new();
    file.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        let mebibytes = most >> 20;
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {mebibytes} MiB"),
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn only_regular_files_are_opened_and_only_where_the_reach_allows() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("in");
        fs::create_dir_all(folder.join("sub")).expect("made");
        fs::write(dir.path().join("secret"), "outside").expect("written");
        fs::write(folder.join("file"), "inside").expect("written");
        for (link, to) in [("out", "../secret"), ("within", "sub/../file"), ("zero", "/dev/zero")] {
            symlink(to, folder.join(link)).expect("linked");
        }
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(rustix::fs::CWD, folder.join("pipe"), rustix::fs::FileType::Fifo, mode, 0)
            .expect("a pipe");
        let read = |reach: Reach, name: &str| {
            reach.open(&folder, &folder.join(name)).and_then(|file| text(file, 1 << 20))
        };
        for reach in [Reach::Machine, Reach::Folder] {
            assert_eq!(read(reach, "file").expect("read"), "inside");
            assert_eq!(read(reach, "within").expect("read"), "inside");
            for name in ["zero", "pipe", "sub", "nowhere"] {
                assert!(read(reach, name).is_err(), "{name}");
            }
        }
        assert_eq!(read(Reach::Machine, "out").expect("read"), "outside");
        let refused = read(Reach::Folder, "out").expect_err("out of reach").to_string();
        assert!(refused.contains("leads out"), "{refused}");
    }

    #[test]
    fn a_text_has_a_limit() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("large");
        File::create(&path).and_then(|file| file.set_len(3 << 30)).expect("a file with holes");
        let refused = text(open_regular(&path).expect("opened"), 1 << 20).expect_err("too large");
        assert!(refused.to_string().contains("larger than 1 MiB"), "{refused}");
    }
}
