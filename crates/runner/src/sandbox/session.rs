//! The runner's side of an isolated job: starts its namespaces, says who is who in them, lets steps in, lets go.

use super::{INNER, MARK, VERB, door, mounts::Wanted};
use crate::{
    error::{ErrorKind, RunnerError},
    executor::Folders,
};
use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, openat, statat},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
    path::Arg,
};
use std::{
    fs, io,
    net::TcpListener,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// Folders within each other that are given to a job at most.
const MAX_DEPTH: usize = 256;

/// How the jobs of a host executor are isolated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// The binary that hands [`VERB`](super::VERB) and what follows it to [`play`](super::play).
    pub program: PathBuf,
    /// What jobs reach over the network.
    pub network: Network,
    /// Folders beside the system's own that jobs may read.
    pub read: Vec<PathBuf>,
    /// The user and group that jobs run as where the runner is root; nobody else should be it. It means nothing where the
    /// runner is not root: there a job runs as the runner's user, without that user's files.
    pub user: u32,
}

/// What an isolated job reaches over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// A loopback device of its own, and nothing else.
    None,
    /// What the host reaches, other programs on its loopback device included.
    Host,
}

impl Network {
    fn word(self) -> &'static str {
        match self {
            Network::None => "none",
            Network::Host => "host",
        }
    }
}

impl Sandbox {
    /// A user id that is far from those that systems give to people and services.
    pub const USER: u32 = 655_360 + INNER;

    /// The user that job files must belong to, where that is not the runner's own. Root of a container may have no other
    /// user to give; then the runner's own it is.
    fn other_user(&self) -> Option<u32> {
        let users = || fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        (rustix::process::geteuid().is_root() && has_user(&users(), self.user)).then_some(self.user)
    }
}

/// The namespaces of one job, while it is open. Dropped, the kernel ends everything in them.
#[derive(Debug)]
pub(crate) struct Session {
    sandbox: Sandbox,
    own: String,
    init: u32,
    space: Child,
    /// The first process ends when this does.
    hold: ChildStdin,
}

impl Session {
    /// Makes the namespaces and waits until the file system in them stands.
    ///
    /// # Errors
    /// [`ErrorKind::Isolation`] when the kernel or the machine refuses a part of it.
    pub(crate) async fn start(sandbox: &Sandbox, folders: &Folders) -> Result<Session, RunnerError> {
        let own = text(&folders.root)?;
        // The folder around them stays the runner's, so that the job cannot swap the files that the runner writes there.
        for folder in [&folders.workspace, &folders.home, &folders.temp, &folders.tools] {
            give(sandbox, folder)?;
        }
        // Whatever the job does, it cannot write where the runner unpacks.
        let shown = Some(folders.actions.clone());
        let wanted = Wanted { own: folders.root.clone(), shown, read: sandbox.read.clone() };
        let wanted = wanted.arguments().ok_or_else(|| unavailable("the path of a folder is not Unicode"))?;
        let mut space = spawn(sandbox, &wanted)?;
        let (Some(mut hold), Some(out)) = (space.stdin.take(), space.stdout.take()) else {
            return Err(unavailable("the pipes to it are missing"));
        };
        let mut lines = BufReader::new(out).lines();
        hear(&mut lines, &mut space, "unshared").await?;
        let pid = space.id().ok_or_else(|| unavailable("it ended at once"))?;
        map(pid, sandbox)?;
        hold.write_all(b"mapped\n").await.map_err(|error| unavailable(&error.to_string()))?;
        // In this order: the first process speaks while the one that started it says who it is.
        let (mut init, mut ready) = (None, false);
        while init.is_none() || !ready {
            let line = hear(&mut lines, &mut space, "").await?;
            match line.strip_prefix("init ") {
                Some(pid) => init = pid.parse().ok(),
                None => ready |= line == "ready",
            }
        }
        let init = init.ok_or_else(|| unavailable("its first process has no number"))?;
        Ok(Session { sandbox: sandbox.clone(), own, init, space, hold })
    }

    /// The command line by which a step starts inside.
    pub(crate) fn enter(&self, directory: &Path, argv: Vec<String>) -> Result<Vec<String>, RunnerError> {
        self.role("enter", directory, argv)
    }

    /// The command line of a helper for the files inside, with the arguments of its work.
    pub(crate) fn helper(&self, directory: &Path, work: Vec<String>) -> Result<Vec<String>, RunnerError> {
        self.role("work", directory, work)
    }

    fn role(&self, role: &str, directory: &Path, argv: Vec<String>) -> Result<Vec<String>, RunnerError> {
        let mut all = vec![text(&self.sandbox.program)?, VERB.to_owned(), role.to_owned()];
        all.extend([self.init.to_string(), self.sandbox.network.word().to_owned()]);
        all.extend([self.own.clone(), text(directory)?]);
        all.extend(argv);
        Ok(all)
    }

    /// A listener on the job's own loopback device; none where the job has that of the machine.
    pub(crate) async fn door(&self) -> Result<Option<TcpListener>, RunnerError> {
        match self.sandbox.network {
            Network::Host => return Ok(None),
            Network::None => {}
        }
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (ours, theirs) = pair.map_err(|error| unavailable(&format!("no socket can be made: {error}")))?;
        let opened = open_door(&self.sandbox, self.init, theirs).output().await;
        let opened =
            opened.map_err(|error| unavailable(&format!("its network cannot be entered: {error}")))?;
        let listener = match opened.status.success() {
            true => door::receive(ours.as_fd()).map(TcpListener::from),
            false => {
                let words = String::from_utf8_lossy(&opened.stderr).into_owned();
                Err(io::Error::other(words.trim().trim_start_matches(MARK).to_owned()))
            }
        };
        let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        listener.map(Some).map_err(|error| unavailable(&format!("its network has no door: {error}")))
    }

    /// Makes what lies in a folder the job's, where the runner put it there as another user.
    pub(crate) fn give(&self, path: &Path) -> Result<(), RunnerError> {
        give(&self.sandbox, path)
    }

    /// Ends everything inside and waits until it has ended.
    pub(crate) async fn end(mut self) -> Result<(), RunnerError> {
        drop(self.hold);
        self.space.wait().await.map_err(|error| unavailable(&format!("its end is unknown: {error}")))?;
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the namespaces of a job are made")]
fn spawn(sandbox: &Sandbox, wanted: &[String]) -> Result<Child, RunnerError> {
    Command::new(&sandbox.program)
        .args([VERB, "space", sandbox.network.word()])
        .args(wanted)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| unavailable(&format!("{} cannot be started: {error}", sandbox.program.display())))
}

#[expect(clippy::disallowed_methods, reason = "the one place where a door of an isolated job is opened")]
fn open_door(sandbox: &Sandbox, init: u32, socket: OwnedFd) -> Command {
    let mut command = Command::new(&sandbox.program);
    command
        .args([VERB, "door", &init.to_string()])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The next line of a role; the one that is expected, unless anything will do. What it says when it fails is the reason.
async fn hear(
    lines: &mut Lines<BufReader<ChildStdout>>,
    space: &mut Child,
    expected: &str,
) -> Result<String, RunnerError> {
    match lines.next_line().await {
        Ok(Some(line)) if expected.is_empty() || line == expected => Ok(line),
        Ok(Some(line)) => Err(unavailable(&format!("it said {line:?}"))),
        Ok(None) | Err(_) => {
            let mut words = Vec::new();
            if let Some(stderr) = space.stderr.take() {
                // A role says one short line; whatever else comes is not read.
                let _broken = stderr.take(4_096).read_to_end(&mut words).await;
            }
            let words = String::from_utf8_lossy(&words);
            let reason = words.lines().find_map(|line| line.strip_prefix(MARK)).unwrap_or("it ended early");
            Err(unavailable(reason))
        }
    }
}

/// Says who is who: inside, the job's user; outside, one who owns nothing else, or the runner's own user.
fn map(pid: u32, sandbox: &Sandbox) -> Result<(), RunnerError> {
    let (user, group) = match sandbox.other_user() {
        Some(user) => (user, user),
        None => (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
    };
    let write = |file: &str, line: String| {
        let path = PathBuf::from(format!("/proc/{pid}/{file}"));
        fs::write(&path, line).map_err(|error| unavailable(&format!("cannot write {file}: {error}")))
    };
    if sandbox.other_user().is_none() {
        // The kernel lets nobody but root map a group who could still drop one that keeps him out of a file.
        write("setgroups", "deny".to_owned())?;
    }
    write("uid_map", format!("{INNER} {user} 1"))?;
    write("gid_map", format!("{INNER} {group} 1"))
}

/// Gives a folder and all that is in it to the job's user, links themselves and not what they lead to. By descriptors
/// all the way, so that nobody who swaps a folder for a link meanwhile is given anything else.
fn give(sandbox: &Sandbox, path: &Path) -> Result<(), RunnerError> {
    let Some(user) = sandbox.other_user() else { return Ok(()) };
    let failed = |error: Errno| RunnerError::io("give the job", path, error.into());
    let meta = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    give_entry(CWD, path, &meta, user, MAX_DEPTH).map_err(failed)
}

fn give_entry(
    around: BorrowedFd<'_>,
    name: impl Arg + Copy,
    meta: &Stat,
    user: u32,
    depth: usize,
) -> Result<(), Errno> {
    if meta.st_uid != user {
        let owner = (Some(Uid::from_raw(user)), Some(Gid::from_raw(user)));
        chownat(around, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if FileType::from_raw_mode(meta.st_mode) != FileType::Directory {
        return Ok(());
    }
    let depth = depth.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(around, name, flags, Mode::empty())?;
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let meta = statat(&folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        give_entry(folder.as_fd(), entry.file_name(), &meta, user, depth)?;
    }
    Ok(())
}

/// Whether a map of users (user_namespaces(7)) has a user: lines of the first one inside, the first one outside, how many.
fn has_user(map: &str, user: u32) -> bool {
    map.lines().any(|line| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        matches!(numbers[..], [inside, _, count] if (inside..inside + count).contains(&u64::from(user)))
    })
}

fn unavailable(why: &str) -> RunnerError {
    RunnerError::new(ErrorKind::Isolation, format!("the job cannot be isolated: {why}")).with_help(
        "allow user namespaces on this machine (user.max_user_namespaces, kernel.unprivileged_userns_clone, \
         kernel.apparmor_restrict_unprivileged_userns), or run what you trust without --isolate",
    )
}

fn text(path: &Path) -> Result<String, RunnerError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| unavailable(&format!("the path {} is not Unicode", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_in_maps() {
        assert!(has_user("         0          0 4294967295\n", Sandbox::USER));
        assert!(!has_user("0 1000 1\n1 100000 65536\n", Sandbox::USER));
        assert!(has_user("0 1000 1\n1 100000 65536\n", 65_536));
        assert!(!has_user("", 0));
    }
}
