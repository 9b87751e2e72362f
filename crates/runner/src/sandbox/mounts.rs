//! The file system of an isolated job: what is in it, planned from what the host has.

use super::{Refusal, Trying};
use rustix::fs::{Mode, OFlags};
use std::{
    collections::BTreeMap,
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// Folders of the system that programs need, as far as the host has them. Homes, data and sockets are not among them.
const SYSTEM: [&str; 9] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt"];

/// Devices that tell nothing about the machine and change nothing on it.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Empty folders of the job's own, with the options of their file systems.
const EMPTY: [(&str, &str); 4] =
    [("/dev/shm", "mode=1777"), ("/run", "mode=0755"), ("/tmp", "mode=1777"), ("/var/tmp", "mode=1777")];

/// What a job sees beside the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The job's own folder, the one it may write to.
    pub(super) own: PathBuf,
    /// A further folder of the runner's for this job, for reading. It is there, whoever may look.
    pub(super) shown: Option<PathBuf>,
    /// Further folders and files, for reading.
    pub(super) read: Vec<PathBuf>,
}

/// One thing in the file system of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A folder or file of the host, at the same path.
    Bind {
        /// The path.
        path: PathBuf,
        /// Whether it may be written to.
        writable: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it stands.
        path: PathBuf,
        /// What it says.
        to: PathBuf,
    },
    /// An empty folder in memory.
    Empty {
        /// The path.
        path: PathBuf,
        /// The options of its file system.
        options: &'static str,
    },
}

impl Entry {
    fn path(&self) -> &Path {
        match self {
            Entry::Bind { path, .. } | Entry::Link { path, .. } | Entry::Empty { path, .. } => path,
        }
    }
}

impl Wanted {
    /// The arguments of the roles that stand for it.
    pub(super) fn arguments(&self) -> Option<Vec<String>> {
        let own = [("--own", &self.own)].into_iter();
        let own = own.chain(self.shown.iter().map(|path| ("--shown", path)));
        let all = own.chain(self.read.iter().map(|path| ("--read", path)));
        all.map(|(mark, path)| Some([mark.to_owned(), path.to_str()?.to_owned()]))
            .collect::<Option<Vec<_>>>()
            .map(|pairs| pairs.concat())
    }

    /// Reads those arguments.
    pub(super) fn parse(arguments: &[String]) -> Result<Wanted, Refusal> {
        let mut wanted = Wanted::default();
        for pair in arguments.chunks(2) {
            match pair {
                [mark, path] if mark == "--own" => wanted.own = PathBuf::from(path),
                [mark, path] if mark == "--shown" => wanted.shown = Some(PathBuf::from(path)),
                [mark, path] if mark == "--read" => wanted.read.push(PathBuf::from(path)),
                _ => return Err(Refusal::new("understand its arguments", format!("{pair:?}"))),
            }
        }
        if wanted.own.is_absolute() {
            Ok(wanted)
        } else {
            Err(Refusal::new("understand its arguments", "the job's folder is not an absolute path"))
        }
    }

    /// What the file system is made of, in the order in which it is to be made: a folder before what lies in it, the job's
    /// own folder last, so that nothing hides it.
    pub(super) fn entries(&self, link: &dyn Fn(&Path) -> io::Result<Option<PathBuf>>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for path in SYSTEM.iter().map(Path::new) {
            match link(path) {
                Ok(Some(to)) => entries.push(Entry::Link { path: path.to_owned(), to }),
                Ok(None) => entries.push(Entry::Bind { path: path.to_owned(), writable: false }),
                // The host has no such folder.
                Err(_) => {}
            }
        }
        let system = entries.len();
        let empty = |(path, options): (&str, _)| Entry::Empty { path: PathBuf::from(path), options };
        entries.extend(EMPTY.map(empty));
        let mut read: Vec<&PathBuf> = self.read.iter().filter(|path| path.is_absolute()).collect();
        read.sort();
        read.dedup();
        for path in read {
            let covered = path.starts_with(&self.own)
                || entries.iter().any(|entry| match entry {
                    Entry::Bind { path: around, .. } => path.starts_with(around) && !is_emptied(path, around),
                    Entry::Link { .. } | Entry::Empty { .. } => false,
                });
            if !covered && link(path).is_ok() {
                entries.push(Entry::Bind { path: path.clone(), writable: false });
            }
        }
        // Of the same path the empty one comes first, so that what is to be read there is seen.
        entries[system..].sort_by(|one, other| one.path().cmp(other.path()));
        // Nobody but the runner may go through the folder around the job's own, which is there when one around that is to be read.
        let around = |entry: &Entry| matches!(entry, Entry::Bind { path, .. } if self.own.starts_with(path));
        let hidden = self.own.parent().filter(|_| entries.iter().any(around));
        entries.extend(hidden.map(|path| Entry::Empty { path: path.to_owned(), options: "mode=0755" }));
        let shown = self.shown.iter().map(|path| Entry::Bind { path: path.clone(), writable: false });
        entries.extend(shown);
        entries.push(Entry::Bind { path: self.own.clone(), writable: true });
        entries
    }

    /// Opens what is to be bound, by its place among the entries. Devices follow the entries.
    pub(super) fn open(&self) -> Result<BTreeMap<usize, OwnedFd>, Refusal> {
        let entries = self.entries(&host_link);
        let mut opened = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            if let Entry::Bind { path, .. } = entry {
                opened.insert(index, open(path)?);
            }
        }
        for (offset, device) in devices().enumerate() {
            // A host without a device has a job without it.
            if let Ok(fd) = open(&device) {
                opened.insert(entries.len() + offset, fd);
            }
        }
        Ok(opened)
    }
}

/// Whether a path lies in an empty folder that is made within the folder `around`.
fn is_emptied(path: &Path, around: &Path) -> bool {
    let within = |empty: &Path| empty != around && empty.starts_with(around);
    EMPTY.iter().any(|(empty, _)| path.starts_with(empty) && within(Path::new(empty)))
}

/// Whether a job sees this path of the system's.
pub(crate) fn shows(path: &Path) -> bool {
    SYSTEM.iter().any(|folder| path.starts_with(folder))
}

/// The devices of the host that the job sees too.
pub(super) fn devices() -> impl Iterator<Item = PathBuf> {
    DEVICES.into_iter().map(|name| Path::new("/dev").join(name))
}

/// What a symbolic link of the host says; `None` for what is no link.
pub(super) fn host_link(path: &Path) -> io::Result<Option<PathBuf>> {
    if fs::symlink_metadata(path)?.is_symlink() { fs::read_link(path).map(Some) } else { Ok(None) }
}

fn open(path: &Path) -> Result<OwnedFd, Refusal> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .trying(format!("open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(own: &str, read: &[&str]) -> Wanted {
        let shown = Some(PathBuf::from(format!("{own}.actions")));
        Wanted { own: PathBuf::from(own), shown, read: read.iter().map(PathBuf::from).collect() }
    }

    #[test]
    fn arguments_are_read_as_they_were_written() {
        let all = wanted("/w/job", &["/c", "/d e"]);
        assert_eq!(Wanted::parse(&all.arguments().expect("Unicode")).expect("readable"), all);
        for bad in [vec!["--own"], vec!["--own", "w"], vec!["--write", "/x"], vec![]] {
            let bad: Vec<String> = bad.into_iter().map(str::to_owned).collect();
            assert!(Wanted::parse(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn links_stay_links_and_the_own_folder_comes_last() {
        let link = |path: &Path| match path.to_str() {
            Some("/bin") => Ok(Some(PathBuf::from("usr/bin"))),
            Some("/usr" | "/etc" | "/cache/a" | "/usr/share/x") => Ok(None),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let found = wanted("/tmp/job", &["/cache/a", "/usr/share/x", "/gone", "relative"]).entries(&link);
        let bind = |path: &str, writable| Entry::Bind { path: PathBuf::from(path), writable };
        let bin = Entry::Link { path: PathBuf::from("/bin"), to: PathBuf::from("usr/bin") };
        let [shm, run, tmp, var_tmp] =
            EMPTY.map(|(path, options)| Entry::Empty { path: PathBuf::from(path), options });
        assert_eq!(
            found,
            [
                bind("/usr", false),
                bin,
                bind("/etc", false),
                bind("/cache/a", false),
                shm,
                run,
                tmp,
                var_tmp,
                bind("/tmp/job.actions", false),
                bind("/tmp/job", true)
            ]
        );
    }

    #[test]
    fn no_empty_folder_hides_what_is_to_be_read() {
        let link = |path: &Path| match SYSTEM.iter().any(|folder| path == Path::new(folder)) {
            true => Err(io::Error::from(io::ErrorKind::NotFound)),
            false => Ok(None),
        };
        let check = |own: &str, read: &[&str], expect: &[&str]| {
            let found = wanted(own, read).entries(&link);
            let names: Vec<&str> = found.iter().filter_map(|entry| entry.path().to_str()).collect();
            let own = [format!("{own}.actions"), own.to_owned()];
            assert_eq!(names, [expect, &[&own[0], &own[1]]].concat());
        };
        check("/dev/shm/job", &[], &["/dev/shm", "/run", "/tmp", "/var/tmp"]);
        check(
            "/w/job",
            &["/tmp/a", "/dev/shm/b", "/run", "/w/job/mine"],
            &["/dev/shm", "/dev/shm/b", "/run", "/run", "/tmp", "/tmp/a", "/var/tmp"],
        );
        // A folder around an empty one does not bring back what lies in that.
        check(
            "/w/job",
            &["/var", "/var/lib/x", "/var/tmp/tools", "/var/tmp/tools/bin"],
            &["/dev/shm", "/run", "/tmp", "/var", "/var/tmp", "/var/tmp/tools"],
        );
        check("/tmp/jobs/0", &["/tmp"], &["/dev/shm", "/run", "/tmp", "/tmp", "/var/tmp", "/tmp/jobs"]);
        // What is to be read instead of the empty one is read.
        check("/w/job", &["/tmp", "/tmp/a"], &["/dev/shm", "/run", "/tmp", "/tmp", "/var/tmp"]);
    }
}
