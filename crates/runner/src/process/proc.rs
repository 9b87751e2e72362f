//! Which processes belong to a job, as `/proc` tells.
//!
//! A process belongs to it when it is in the process group of a step's leader, when it carries the job's tracking
//! text in the environment it was started with (so that one which left the group and lost its parents is still
//! found), or when it descends from such a process or shares a session that such a process leads.

use rustix::process::Pid;
use std::{collections::BTreeSet, fs};

/// The variable that carries the tracking text; the name is that of GitHub's runner.
pub(crate) const TRACKING_ENV: &str = "RUNNER_TRACKING_ID";

/// What to look for.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The tracking text of the job.
    pub(crate) tracking: String,
    /// Leaders of process groups, with their start times where known.
    pub(crate) leaders: Vec<(Pid, Option<u64>)>,
    /// Processes that started before this (in ticks since boot) are not looked into.
    pub(crate) not_before: u64,
}

/// One line of `/proc/<pid>/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    start: u64,
    zombie: bool,
}

/// The living processes of a job, zombies left out.
pub(crate) fn members(scope: &Scope) -> Vec<Pid> {
    let all = all_stats();
    let groups: BTreeSet<i32> = scope
        .leaders
        .iter()
        .filter(|(leader, start)| leads(&all, leader.as_raw_pid(), *start))
        .map(|(leader, _)| leader.as_raw_pid())
        .collect();
    let needle = format!("{TRACKING_ENV}={}", scope.tracking);
    let mut found: BTreeSet<i32> = all
        .iter()
        .filter(|stat| {
            groups.contains(&stat.group)
                || stat.start >= scope.not_before && carries(stat.pid, needle.as_bytes())
        })
        .map(|stat| stat.pid)
        .collect();
    // Grows until nothing is added; trees of processes are shallow, so a few rounds do.
    loop {
        let before = found.len();
        for stat in &all {
            if found.contains(&stat.parent) || found.contains(&stat.session) {
                found.insert(stat.pid);
            }
        }
        if found.len() == before {
            break;
        }
    }
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    all.iter()
        .filter(|stat| !stat.zombie && stat.pid != own && found.contains(&stat.pid))
        .filter_map(|stat| Pid::from_raw(stat.pid))
        .collect()
}

/// When a process started, in ticks since boot; `None` when there is no such process.
pub(crate) fn start_time(pid: Pid) -> Option<u64> {
    read_stat(pid.as_raw_pid()).map(|stat| stat.start)
}

/// A text that differs from boot to boot, since pids and start times do not.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Whether the group that `leader` leads is still its own: either the leader lives and started then, or it is gone and
/// the group, whose number is not given out again while it has members, is what it left behind.
fn leads(all: &[Stat], leader: i32, start: Option<u64>) -> bool {
    match (all.iter().find(|stat| stat.pid == leader), start) {
        (Some(stat), Some(start)) => stat.start == start,
        (Some(_), None) => false,
        (None, _) => true,
    }
}

fn all_stats() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(read_stat)
        .collect()
}

fn read_stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name stands in parentheses and may hold anything, also parentheses and blanks.
fn parse_stat(text: &str) -> Option<Stat> {
    let (pid, rest) = text.split_once(' ')?;
    let fields: Vec<&str> = rest[rest.rfind(')')? + 1..].split_ascii_whitespace().collect();
    Some(Stat {
        pid: pid.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
    })
}

fn carries(pid: i32, variable: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|&byte| byte == 0).any(|entry| entry == variable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_with_an_ugly_name() {
        let line = "42 (a b) c) S 7 41 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3";
        let expect = Stat { pid: 42, parent: 7, group: 41, session: 40, start: 987_654, zombie: false };
        assert_eq!(parse_stat(line), Some(expect));
        assert_eq!(parse_stat("42 (x"), None);
    }

    #[test]
    fn finds_this_process() {
        let own = Pid::from_raw(i32::try_from(std::process::id()).expect("pid")).expect("pid");
        assert!(start_time(own).is_some());
        assert!(!boot_id().is_empty());
    }
}
