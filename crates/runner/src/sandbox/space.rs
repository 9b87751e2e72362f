//! The role that makes the namespaces, while whoever started it still stands outside and can say who is who in them.

use super::{INNER, Refusal, Trying, VERB, mounts};
use rustix::{
    io::{FdFlags, fcntl_setfd},
    process::{DumpableBehavior, set_dumpable_behavior},
    thread::{
        Gid, Uid, UnshareFlags, capabilities, configure_capability_in_ambient_set, set_capabilities,
        set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};
use std::{
    io::{Read, Write as _},
    os::fd::AsRawFd as _,
    process::{Command, Stdio},
};

/// Makes the namespaces, says `unshared`, waits for a line, becomes the job's user, starts the first process in them, says
/// its pid, and lives as long as that. `arguments`: `host` or `none` for the network, then the marks and paths that
/// [`mounts::Wanted`] reads.
pub(super) fn play(arguments: &[String]) -> Result<u8, Refusal> {
    let (network, rest) =
        arguments.split_first().ok_or_else(|| Refusal::new("begin", "nothing was given"))?;
    let wanted = mounts::Wanted::parse(rest)?;
    let mut flags = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    if network == "none" {
        flags |= UnshareFlags::NEWNET;
    }
    unshare(flags).trying("make namespaces")?;
    // Opened now, in the new mount namespace and still as the runner's user, since the job's user may not be able to walk
    // the folders above.
    let sources = wanted.open()?;
    say("unshared")?;
    let mut stdin = std::io::stdin().lock();
    let mut line = String::new();
    // One byte at a time: what follows on standard input is for the first process.
    read_line(&mut stdin, &mut line)?;
    if line.trim() != "mapped" {
        return Err(Refusal::new("go on", "the runner is gone"));
    }
    become_user()?;
    keep_rights()?;
    let mut inherited = Vec::new();
    for (index, source) in &sources {
        fcntl_setfd(source, FdFlags::empty()).trying("hand a folder on")?;
        inherited.push(format!("{index}={}", source.as_raw_fd()));
    }
    let mut init = start_init(network, rest, &inherited)?;
    say(&format!("init {}", init.id()))?;
    let status = init.wait().trying("wait for the first process")?;
    Ok(if status.success() { 0 } else { super::FAILED })
}

#[expect(clippy::disallowed_methods, reason = "the first process in the namespaces is this binary once more")]
fn start_init(network: &str, rest: &[String], inherited: &[String]) -> Result<std::process::Child, Refusal> {
    // By its link, since the job's user may not be able to walk to the file.
    Command::new("/proc/self/exe")
        .args([VERB, "init", network, &inherited.join(",")])
        .args(rest)
        .env_clear()
        .stdin(Stdio::inherit())
        .spawn()
        .trying("start the first process")
}

#[expect(unsafe_code, reason = "the kernel's call is only unsafe with the flag FILES")]
fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: FILES is not among the flags, so that no file descriptor changes its meaning for anyone.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Becomes the user whom the runner's map names; without rights outside, with all rights inside.
pub(super) fn become_user() -> Result<(), Refusal> {
    let (user, group) = (Uid::from_raw(INNER), Gid::from_raw(INNER));
    // Refused where the runner is not root, and then the groups are the runner's own anyway.
    let _not_root = set_thread_groups(&[]);
    set_thread_res_gid(group, group, group).trying("become the job's group")?;
    set_thread_res_uid(user, user, user).trying("become the job's user")?;
    // Otherwise /proc/self would belong to root after the change.
    set_dumpable_behavior(DumpableBehavior::Dumpable).trying("stay readable")?;
    Ok(())
}

/// Keeps the rights inside for the first process, which a user other than root would lose by starting a program.
fn keep_rights() -> Result<(), Refusal> {
    let mut sets = capabilities(None).trying("read its rights")?;
    sets.inheritable = sets.permitted;
    set_capabilities(None, sets).trying("keep its rights")?;
    for right in sets.permitted.iter() {
        configure_capability_in_ambient_set(right, true).trying("keep its rights")?;
    }
    Ok(())
}

pub(super) fn say(line: &str) -> Result<(), Refusal> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).trying("tell the runner")
}

fn read_line(from: &mut impl Read, line: &mut String) -> Result<(), Refusal> {
    let mut byte = [0];
    while line.len() < 64 && from.read(&mut byte).trying("hear the runner")? == 1 && byte[0] != b'\n' {
        line.push(char::from(byte[0]));
    }
    Ok(())
}
