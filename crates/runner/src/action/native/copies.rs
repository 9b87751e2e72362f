//! Copies the files of a work tree, as git lists them, on all processors.

use crate::{aside::Over, error::RunnerError};
use rustix::fs::OFlags;
use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    thread,
};

/// Fewer files than these are not worth a thread.
const SHARE: usize = 1_000;
/// More threads than these only wait for the disk.
const MOST_THREADS: usize = 8;
/// Files up to this length, in bytes, are read and written at once.
const SMALL: u64 = 64 * 1024;

/// Copies the files of a list whose entries end with a zero byte; says how many. Files that are tracked but deleted are
/// left out, as is what git does not track either, such as sockets. Of a submodule there is the empty folder.
pub(crate) fn copy_files(list: &[u8], from: &Path, to: &Path, over: &Over) -> Result<usize, RunnerError> {
    let names: Vec<&[u8]> = list.split(|&byte| byte == 0).filter(|name| !name.is_empty()).collect();
    let processors = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    // Neighbours in the list share a folder, so each thread has folders of its own.
    let share = names.len().div_ceil(processors).max(SHARE);
    thread::scope(|scope| {
        let shares: Vec<_> =
            names.chunks(share).map(|names| scope.spawn(move || copy_share(names, from, to, over))).collect();
        let mut count = 0;
        for share in shares {
            count += share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(count)
    })
}

fn copy_share(names: &[&[u8]], from: &Path, to: &Path, over: &Over) -> Result<usize, RunnerError> {
    let mut count = 0;
    let mut last_parent = PathBuf::new();
    let mut buffer = Vec::new();
    for name in names {
        over.go_on()?;
        let name = OsStr::from_bytes(name);
        let (source, goal) = (from.join(name), to.join(name));
        if name.as_bytes().ends_with(b"/") {
            // A repository within this one that is no submodule: nothing of this one.
            continue;
        }
        let Some(found) = look(&source)? else { continue };
        if let Some(parent) = goal.parent().filter(|parent| *parent != last_parent) {
            fs::create_dir_all(parent).map_err(|error| RunnerError::io("make", parent, error))?;
            last_parent = parent.to_owned();
        }
        let write = |buffer: &mut Vec<u8>| match &found {
            Found::Folder => fs::create_dir_all(&goal),
            Found::Link(target) => std::os::unix::fs::symlink(target, &goal),
            Found::File(file, meta) => copy_file(file, meta, &goal, buffer, over),
        };
        // Mostly nothing is there; what is there is looked for only then.
        let written = match write(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&goal).and_then(|()| write(&mut buffer))
            }
            written => written,
        };
        written.map_err(|error| RunnerError::io("write", &goal, error))?;
        count += usize::from(!matches!(found, Found::Folder));
    }
    Ok(count)
}

/// What is to be copied.
enum Found {
    /// The folder of a submodule.
    Folder,
    Link(PathBuf),
    File(File, fs::Metadata),
}

/// Opens what a name stands for; none when that is nothing that git would track.
fn look(source: &Path) -> Result<Option<Found>, RunnerError> {
    // Neither through a link nor waiting for the other side of a pipe.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let fail = |error| RunnerError::io("read", source, error);
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(source);
    match opened {
        Ok(file) => {
            let meta = file.metadata().map_err(fail)?;
            Ok(match meta.is_dir() {
                true => Some(Found::Folder),
                false => meta.is_file().then_some(Found::File(file, meta)),
            })
        }
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            fs::read_link(source).map(|target| Some(Found::Link(target))).map_err(fail)
        }
        // A socket cannot be opened at all.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(fail(error)),
    }
}

/// Writes a new file with the same bytes, and the same mode but for the umask.
fn copy_file(
    mut file: &File,
    meta: &fs::Metadata,
    goal: &Path,
    buffer: &mut Vec<u8>,
    over: &Over,
) -> io::Result<()> {
    let mode = meta.permissions().mode() & 0o777;
    let mut new = OpenOptions::new().write(true).create_new(true).mode(mode).open(goal)?;
    if meta.len() > SMALL {
        return over.copy_file(file, &new).map(drop).inspect_err(|_| {
            // Half of a file is nobody's.
            let _ = fs::remove_file(goal);
        });
    }
    buffer.clear();
    buffer.reserve(usize::try_from(meta.len()).unwrap_or(0) + 1);
    file.read_to_end(buffer)?;
    new.write_all(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_links_and_modes_come_over_and_nothing_else_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("a/b")).expect("made");
        fs::create_dir_all(&to).expect("made");
        fs::write(from.join("a/b/script"), "x").expect("written");
        fs::set_permissions(from.join("a/b/script"), fs::Permissions::from_mode(0o755)).expect("changed");
        fs::write(from.join("large"), vec![7; 200_000]).expect("written");
        fs::write(from.join("empty"), "").expect("written");
        std::os::unix::fs::symlink("nowhere", from.join("link")).expect("linked");
        let socket = std::os::unix::net::UnixListener::bind(from.join("socket")).expect("a socket");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            from.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .expect("a pipe");
        fs::write(to.join("link"), "stands in the way").expect("written");
        let list = b"a/b/script\0large\0empty\0link\0socket\0pipe\0a/b\0deleted\0large/below\0";
        assert_eq!(copy_files(list, &from, &to, &Over::default()).expect("copied"), 4);
        drop(socket);
        assert_eq!(fs::read(to.join("large")).expect("read"), vec![7; 200_000]);
        assert_eq!(fs::read(to.join("empty")).expect("read"), b"");
        assert_eq!(fs::read_link(to.join("link")).expect("read"), Path::new("nowhere"));
        let mode = fs::metadata(to.join("a/b/script")).expect("there").permissions().mode();
        assert_eq!(mode & 0o100, 0o100);
        let mut names: Vec<_> =
            fs::read_dir(&to).expect("read").map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "empty", "large", "link"]);
    }

    #[test]
    fn many_files_are_shared_out_and_all_come_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let mut list = Vec::new();
        for number in 0..3 * SHARE {
            let name = format!("{}/{number}", number / 100);
            fs::create_dir_all(from.join(&name).parent().expect("a parent")).expect("made");
            fs::write(from.join(&name), &name).expect("written");
            list.extend_from_slice(name.as_bytes());
            list.push(0);
        }
        assert_eq!(copy_files(&list, &from, &to, &Over::default()).expect("copied"), 3 * SHARE);
        for number in 0..3 * SHARE {
            let name = format!("{}/{number}", number / 100);
            assert_eq!(fs::read_to_string(to.join(&name)).expect("there"), name);
        }
    }
}
