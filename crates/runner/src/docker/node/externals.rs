//! The folder with what containers are lent: copies of programs of this machine, each with its loader and its libraries.
//!
//! It is kept for later and shared: a copy is made beside its place and renamed into it when it is whole, and its name is made
//! of what it was copied from. A copy that nobody has used for a month goes when another one comes.

use super::{
    EXTERNALS,
    elf::{self, Bytes, Linked},
};
use crate::{
    executor::{Ending, Executor as _, JobIdentity, Program, ProgramPlace, Streams},
    host::HostExecutor,
};
use shipway_base::Digest;
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

/// The letters of a copy's name. The loader's path has little room, see [`elf`].
const NAME: usize = 4;
/// The file that says what a copy was made from, and by its time when it was used last.
const STAMP: &str = "stamp";
/// The loader's name in a copy.
const LOADER: &str = "ld";
/// Libraries that older C libraries load when a name is looked up, and that no program lists.
const UNLISTED: [&str; 3] = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"];
/// A copy that was not used for so long is removed.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
/// What a loader prints of a program is never longer.
const MOST: usize = 1 << 20;

/// What containers are lent.
#[derive(Debug)]
pub(in crate::docker) struct Externals {
    folder: PathBuf,
    /// The name of each program's copy, or why there is none.
    lent: Mutex<BTreeMap<PathBuf, Result<String, String>>>,
}

/// A program and what it needs.
#[derive(Debug)]
struct Kit {
    program: PathBuf,
    linked: Linked,
    loader: Option<PathBuf>,
    /// Libraries by the name they are looked for.
    libraries: BTreeMap<String, PathBuf>,
}

impl Externals {
    /// What is lent lies in this folder, which is made when a container first wants it.
    pub(in crate::docker) fn new(folder: PathBuf) -> Externals {
        Externals { folder, lent: Mutex::default() }
    }

    /// The folder, for containers to see.
    pub(in crate::docker) fn folder(&self) -> io::Result<&Path> {
        fs::create_dir_all(&self.folder)?;
        fs::set_permissions(&self.folder, Permissions::from_mode(0o755))?;
        Ok(&self.folder)
    }

    /// Lends a program; gives the name of the folder it is in. The error continues a sentence that begins with the program.
    pub(in crate::docker) async fn lend(
        &self,
        host: &HostExecutor,
        job: &JobIdentity,
        program: &Path,
    ) -> Result<String, String> {
        let mut lent = self.lent.lock().await;
        if let Some(known) = lent.get(program) {
            return known.clone();
        }
        let done = async {
            let kit = kit(host, job, program).await?;
            let folder = self.folder.clone();
            let copied = tokio::task::spawn_blocking(move || copy(&folder, &kit)).await;
            copied.map_err(|error| format!("cannot be copied: {error}"))?
        };
        let done = done.await;
        lent.insert(program.to_owned(), done.clone());
        done
    }

    /// Gives a copy another name beside its own. Whoever names one at the same moment names one that does as well.
    pub(in crate::docker) fn name(&self, name: &str, copy: &str) -> io::Result<()> {
        let link = self.folder.join(name);
        if fs::read_link(&link).is_ok_and(|known| known == Path::new(copy)) {
            return Ok(());
        }
        let part = part(&self.folder);
        symlink(copy, &part)?;
        fs::rename(&part, &link)
    }
}

/// Finds out what a program needs.
async fn kit(host: &HostExecutor, job: &JobIdentity, program: &Path) -> Result<Kit, String> {
    let program = fs::canonicalize(program).map_err(|error| format!("cannot be found: {error}"))?;
    let file = File::open(&program).map_err(|error| format!("cannot be read: {error}"))?;
    let linked = elf::read(&mut Opened(&file))?;
    let Linked::Dynamic(dynamic) = &linked else {
        return Ok(Kit { program, linked, loader: None, libraries: BTreeMap::new() });
    };
    let loader = PathBuf::from(&dynamic.loader);
    let text = listed(host, job, &loader, &program).await?;
    let mut libraries = libraries(&text)?;
    let folder = libraries.get("libc.so.6").and_then(|path| path.parent()).map(Path::to_owned);
    for name in UNLISTED.into_iter().filter(|_| folder.is_some()) {
        let path = folder.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        if let Some(path) = path {
            libraries.entry(name.to_owned()).or_insert(path);
        }
    }
    Ok(Kit { program, linked, loader: Some(loader), libraries })
}

/// What the loader says that a program needs; the program itself is not started.
async fn listed(
    host: &HostExecutor,
    job: &JobIdentity,
    loader: &Path,
    program: &Path,
) -> Result<String, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let folders = host.folders(job);
    let program = Program {
        job: job.clone(),
        argv: vec![text(loader), "--list".to_owned(), text(program)],
        script: None,
        directory: folders.root.clone(),
        folders,
        env: BTreeMap::new(),
        place: ProgramPlace::Machine,
        streams: Streams::default(),
        files: None,
    };
    let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(16);
    let stop = CancellationToken::new();
    let read = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = receiver.recv().await {
            let room = MOST.saturating_sub(bytes.len());
            bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (finished, text) = tokio::join!(host.run(&program, sender, &stop), read);
    match finished.map(|finished| finished.ending) {
        Ok(Ending::Exited(0)) => Ok(text),
        Ok(_) => Err(format!("has a loader that does not list its libraries: {}", text.trim())),
        Err(error) => Err(format!("has a loader that cannot be started: {}", error.message)),
    }
}

/// The libraries in what a loader prints: `name => /path (0xaddress)`.
fn libraries(text: &str) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut found = BTreeMap::new();
    for (name, path) in text.lines().filter_map(|line| line.trim().split_once(" => ")) {
        let path = path.rsplit_once(" (0x").map_or(path, |(path, _)| path);
        if !path.starts_with('/') {
            return Err(format!("lacks the library {name}: {path}"));
        }
        if Path::new(name).file_name() != Some(OsStr::new(name)) || matches!(name, STAMP | LOADER | "bin") {
            return Err(format!("needs a library of the strange name {name:?}"));
        }
        found.insert(name.to_owned(), PathBuf::from(path));
    }
    Ok(found)
}

/// Copies a program with all that it needs; gives the name of the copy.
fn copy(folder: &Path, kit: &Kit) -> Result<String, String> {
    let failed = |error: io::Error| format!("cannot be copied to {}: {error}", folder.display());
    let stamp = kit.stamp().map_err(failed)?;
    let mut free = None;
    for letters in stamp.as_bytes().chunks_exact(NAME) {
        let name = String::from_utf8_lossy(letters).into_owned();
        match fs::read_to_string(folder.join(&name).join(STAMP)) {
            Ok(known) if known == stamp => {
                let used = File::options().write(true).open(folder.join(&name).join(STAMP));
                // One that somebody else keeps can be used all the same.
                drop(used.and_then(|file| file.set_modified(now(folder)?)));
                return Ok(name);
            }
            Ok(_) => {}
            Err(_) => {
                free.get_or_insert(name);
            }
        }
    }
    let name = free.ok_or_else(|| format!("finds no free name in {}", folder.display()))?;
    let part = part(folder);
    let made = kit.copy_to(&part, &name, &stamp);
    let place = folder.join(&name);
    let placed = made.and_then(|()| match fs::rename(&part, &place) {
        // Somebody else was faster with the same.
        Err(_) if fs::read_to_string(place.join(STAMP)).is_ok_and(|known| known == stamp) => {
            fs::remove_dir_all(&part).map_err(failed)
        }
        renamed => renamed.map_err(failed),
    });
    if placed.is_err() {
        // What is left of it is removed with what was not used for long.
        drop(fs::remove_dir_all(&part));
    }
    placed?;
    sweep(folder).map_err(failed)?;
    Ok(name)
}

impl Kit {
    /// What it is made of, as a text that changes when any of it does.
    fn stamp(&self) -> io::Result<String> {
        let mut text = String::new();
        let files = std::iter::once(&self.program).chain(&self.loader).chain(self.libraries.values());
        for path in files {
            let meta = fs::metadata(path)?;
            text += &format!("{} {} {} {}\n", path.display(), meta.len(), meta.mtime(), meta.mtime_nsec());
        }
        Ok(Digest::of(text.as_bytes()).hex())
    }

    fn copy_to(&self, part: &Path, name: &str, stamp: &str) -> Result<(), String> {
        let bin = part.join("bin");
        let node = bin.join("node");
        let failed = |error: io::Error| format!("cannot be copied to {}: {error}", part.display());
        fs::create_dir_all(&bin).map_err(failed)?;
        let open = Permissions::from_mode(0o755);
        let place = |from: &Path, to: &Path| {
            fs::copy(from, to)?;
            fs::set_permissions(to, open.clone())
        };
        place(&self.program, &node).map_err(failed)?;
        if let Some(loader) = &self.loader {
            place(loader, &part.join(LOADER)).map_err(failed)?;
        }
        for (soname, path) in &self.libraries {
            place(path, &part.join(soname)).map_err(failed)?;
        }
        if let Linked::Dynamic(dynamic) = &self.linked {
            let there = format!("{EXTERNALS}/{name}");
            let edits = dynamic.moved(&format!("{there}/{LOADER}"), &there)?;
            let file = File::options().write(true).open(&node).map_err(failed)?;
            for (offset, bytes) in edits {
                file.write_all_at(&bytes, offset).map_err(failed)?;
            }
            file.sync_all().map_err(failed)?;
        }
        fs::write(part.join(STAMP), stamp).map_err(failed)?;
        [&bin, part].into_iter().try_for_each(|path| fs::set_permissions(path, open.clone())).map_err(failed)
    }
}

/// Removes copies that nobody has used for long, and what was left half-made as long ago.
fn sweep(folder: &Path) -> io::Result<()> {
    let now = now(folder)?;
    for entry in fs::read_dir(folder)?.flatten().filter(|entry| entry.path().is_dir()) {
        let path = entry.path();
        if entry.file_type()?.is_symlink() {
            continue;
        }
        let used = fs::metadata(path.join(STAMP)).or_else(|_| fs::metadata(&path))?.modified()?;
        if now.duration_since(used).is_ok_and(|since| since > KEPT) {
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

/// The time of the file system, which is what ages of files are counted from.
fn now(folder: &Path) -> io::Result<SystemTime> {
    let probe = part(folder);
    let file = File::create_new(&probe)?;
    let now = file.metadata()?.modified();
    fs::remove_file(&probe)?;
    now
}

/// A name that no other process and no other call uses.
fn part(folder: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(".part-{}-{number}", std::process::id()))
}

struct Opened<'f>(&'f File);

impl Bytes for Opened<'_> {
    fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, offset).map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn libraries_are_read_from_what_loaders_print() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibdl.so.2 => /lib/x/libdl.so.2 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n\tlibc.so => /lib/a b/libc.so (0x1)\n";
        let found = libraries(text).expect("libraries");
        let found: Vec<_> = found.iter().map(|(name, path)| (name.as_str(), path.as_path())).collect();
        assert_eq!(
            found,
            [("libc.so", Path::new("/lib/a b/libc.so")), ("libdl.so.2", Path::new("/lib/x/libdl.so.2"))]
        );
        assert_eq!(
            libraries("\tliba.so => not found\n"),
            Err("lacks the library liba.so: not found".to_owned())
        );
        libraries("\t../x => /lib/x (0x1)\n").expect_err("a name that leads elsewhere");
    }

    #[test]
    fn a_copy_is_made_once_and_an_old_one_goes() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("externals");
        fs::create_dir_all(&folder).expect("a folder");
        let program = dir.path().join("program");
        let kit = |text: &str| {
            fs::write(&program, text).expect("a program");
            let (linked, libraries) = (Linked::Static, BTreeMap::new());
            Kit { program: program.clone(), linked, loader: None, libraries }
        };
        let one = kit("one");
        let name = copy(&folder, &one).expect("copied");
        assert_eq!(fs::read_to_string(folder.join(&name).join("bin/node")).expect("a copy"), "one");
        assert_eq!(copy(&folder, &one).as_ref(), Ok(&name));
        let stamp = File::options().write(true).open(folder.join(&name).join(STAMP)).expect("a stamp");
        stamp.set_modified(SystemTime::UNIX_EPOCH).expect("old");
        let newer = copy(&folder, &kit("another")).expect("copied");
        assert!(newer != name && folder.join(&newer).exists());
        assert!(!folder.join(&name).exists(), "the old one is gone");
        let left = fs::read_dir(&folder).expect("a folder").flatten();
        assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".part-")));
    }

    proptest! {
        #[test]
        fn no_text_of_a_loader_makes_it_panic(text in "[a =>/(0x\n\t]{0,60}") {
            let _ = libraries(&text);
        }
    }
}
