//! The first process in the namespaces of a job: builds the file system, brings up the loopback device, then takes in what
//! the job leaves behind until the runner lets go.

use super::{
    Refusal, Trying, link,
    mounts::{Entry, Wanted, devices, host_link},
    space::say,
};
use rustix::{
    fs::{Mode, StatVfsMountFlags, statvfs},
    io::Errno,
    mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change,
        mount_remount, unmount,
    },
    process::{Signal, WaitOptions, chdir, pivot_root, set_parent_process_death_signal, umask, wait},
};
use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    os::{fd::RawFd, unix::fs::symlink},
    path::{Path, PathBuf},
    thread,
};

/// Every host has it, it is empty space for us, and what it holds is opened already.
const STAGE: &str = "/tmp";

/// `arguments`: the network, the inherited folders as `place=descriptor,..`, then what [`Wanted`] reads.
pub(super) fn play(arguments: &[String]) -> Result<u8, Refusal> {
    let [network, inherited, rest @ ..] = arguments else {
        return Err(Refusal::new("begin", "too little was given"));
    };
    set_parent_process_death_signal(Some(Signal::KILL)).trying("follow the runner")?;
    build(&Wanted::parse(rest)?, &sources(inherited)?)?;
    if network == "none" {
        link::loopback_up().trying("bring the loopback device up")?;
    }
    rustix::system::sethostname(b"shipway").trying("name the machine")?;
    say("ready")?;
    collect_children();
    // The runner holds the other end as long as the job is open and the runner lives.
    let mut rest = [0; 64];
    while std::io::stdin().read(&mut rest).is_ok_and(|length| length > 0) {}
    Ok(0)
}

/// Waits for every process that lost its parent, for ever.
#[expect(clippy::disallowed_methods, reason = "the one thread here looks for new children now and then")]
fn collect_children() {
    thread::spawn(|| {
        loop {
            match wait(WaitOptions::empty()) {
                Ok(_) | Err(Errno::INTR) => {}
                // Nobody is left; somebody may come.
                Err(_) => thread::sleep(std::time::Duration::from_millis(200)),
            }
        }
    });
}

fn sources(text: &str) -> Result<BTreeMap<usize, RawFd>, Refusal> {
    let pairs = text.split(',').map(|pair| {
        let (place, descriptor) = pair.split_once('=')?;
        Some((place.parse().ok()?, descriptor.parse().ok()?))
    });
    pairs
        .collect::<Option<_>>()
        .ok_or_else(|| Refusal::new("understand its arguments", format!("{text:?} names no folders")))
}

fn build(wanted: &Wanted, sources: &BTreeMap<usize, RawFd>) -> Result<(), Refusal> {
    umask(Mode::from_raw_mode(0o022));
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .trying("keep its mounts to itself")?;
    let quiet = MountFlags::NOSUID | MountFlags::NODEV;
    // While the host's files are still to be seen: what is opened is counted in the same way.
    let entries = wanted.entries(&host_link);
    fresh("tmpfs", Path::new(STAGE), quiet, "mode=0755")?;
    let root = Path::new(STAGE).join("root");
    make_dir(&root)?;
    bind_over(&root, &root)?;
    for (index, entry) in entries.iter().enumerate() {
        match entry {
            Entry::Link { path, to } => {
                symlink(to, inside(&root, path)).trying(format!("link {}", path.display()))?;
            }
            Entry::Bind { path, writable } => {
                let source = sources.get(&index).ok_or_else(|| Refusal::new("bind", "it was not opened"))?;
                let at = inside(&root, path);
                bind(*source, &at, path)?;
                if path == Path::new(STAGE) {
                    // What lies on that folder came along, and it is what all this is made in.
                    unmount(&at, UnmountFlags::DETACH)
                        .trying(format!("see what is in {}", path.display()))?;
                }
                settle(&at, *writable)?;
            }
            Entry::Empty { path, options } => {
                let at = inside(&root, path);
                make_dir(&at)?;
                fresh("tmpfs", &at, quiet, options)?;
            }
        }
    }
    own_dev(&root, entries.len(), sources)?;
    let proc = inside(&root, Path::new("/proc"));
    make_dir(&proc)?;
    fresh("proc", &proc, quiet | MountFlags::NOEXEC, "")?;
    enter_root(&root)
}

/// A `/dev` with the harmless devices and terminals of its own, around the shared memory that is there.
fn own_dev(root: &Path, first: usize, sources: &BTreeMap<usize, RawFd>) -> Result<(), Refusal> {
    let dev = inside(root, Path::new("/dev"));
    make_dir(&dev)?;
    for (offset, path) in devices().enumerate() {
        if let Some(source) = sources.get(&(first + offset)) {
            bind(*source, &inside(root, &path), &path)?;
        }
    }
    for (name, to) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        symlink(to, dev.join(name)).trying(format!("link /dev/{name}"))?;
    }
    make_dir(&dev.join("pts"))?;
    fresh(
        "devpts",
        &dev.join("pts"),
        MountFlags::NOSUID | MountFlags::NOEXEC,
        "newinstance,ptmxmode=0666,mode=0620",
    )
}

/// Makes the new tree the root and lets the host's go.
fn enter_root(root: &Path) -> Result<(), Refusal> {
    chdir(root).trying("enter its file system")?;
    // Both at the same place: the old root then lies on top of the new one, and goes with the next call.
    pivot_root(".", ".").trying("change the root")?;
    unmount(".", UnmountFlags::DETACH).trying("let the host's files go")?;
    chdir("/").trying("enter its file system")
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn make_dir(path: &Path) -> Result<(), Refusal> {
    fs::create_dir_all(path).trying(format!("make {}", path.display()))
}

fn fresh(kind: &str, at: &Path, flags: MountFlags, options: &str) -> Result<(), Refusal> {
    let options = std::ffi::CString::new(options).trying("mount")?;
    mount(kind, at, kind, flags, options.as_c_str()).trying(format!("mount a {kind} at {}", at.display()))
}

fn bind_over(source: &Path, at: &Path) -> Result<(), Refusal> {
    mount_bind_recursive(source, at).trying(format!("bind {}", at.display()))
}

/// Binds an opened folder or file of the host.
fn bind(source: RawFd, at: &Path, path: &Path) -> Result<(), Refusal> {
    let link = PathBuf::from(format!("/proc/self/fd/{source}"));
    let meta = fs::metadata(&link).trying(format!("look at {}", path.display()))?;
    if meta.is_dir() {
        make_dir(at)?;
    } else {
        if let Some(folder) = at.parent() {
            make_dir(folder)?;
        }
        fs::File::create(at).trying(format!("make a place for {}", path.display()))?;
    }
    mount_bind_recursive(&link, at).trying(format!("bind {}", path.display()))
}

/// Takes set-user-id programs, devices and, unless it is the job's own, writing away from a mount and those below it. What
/// the host's mount forbids already stays forbidden, since the kernel lets nobody here lift that.
fn settle(at: &Path, writable: bool) -> Result<(), Refusal> {
    let table = fs::read_to_string("/proc/self/mountinfo").trying("read the mounts")?;
    for mount in table.lines().filter_map(mount_point).filter(|point| point.starts_with(at)) {
        let Ok(now) = statvfs(&mount) else { continue };
        let mut flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
        if !writable || now.f_flag.contains(StatVfsMountFlags::RDONLY) {
            flags |= MountFlags::RDONLY;
        }
        for (had, keep) in [
            (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
            (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
            (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
            (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
        ] {
            if now.f_flag.contains(had) {
                flags |= keep;
            }
        }
        mount_remount(&mount, flags, c"").trying(format!("protect {}", mount.display()))?;
    }
    Ok(())
}

/// The fifth word of a line of `mountinfo`, with its octal escapes undone.
fn mount_point(line: &str) -> Option<PathBuf> {
    let word = line.split(' ').nth(4)?;
    let mut out = Vec::new();
    let mut bytes = word.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' {
            let digits = [bytes.next()?, bytes.next()?, bytes.next()?];
            out.push(digits.iter().try_fold(0_u8, |value, digit| {
                value.checked_mul(8)?.checked_add(digit.checked_sub(b'0').filter(|digit| *digit < 8)?)
            })?);
        } else {
            out.push(byte);
        }
    }
    Some(PathBuf::from(String::from_utf8(out).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read() {
        let line = r"36 35 98:0 /mnt1 /mnt\040two\134x rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line), Some(PathBuf::from(r"/mnt two\x")));
        assert_eq!(mount_point("36 35 98:0 /"), None);
        assert_eq!(mount_point(r"36 35 98:0 / /a\9"), None);
    }

    #[test]
    fn descriptors_are_read() {
        assert_eq!(sources("0=3,4=5").expect("pairs"), BTreeMap::from([(0, 3), (4, 5)]));
        assert!(sources("").is_err());
        assert!(sources("0=x").is_err());
    }
}
