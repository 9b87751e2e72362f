//! Which processes belong to a job, as `/proc` tells.
//!
//! A process belongs to it when it is in the process group of a step's leader, when it carries the tracking text of the job
//! or of one of its programs in the environment it was started with (so that one which left the group and lost its parents is still
//! found), or when it descends from such a process or shares a session that such a process leads.

use rustix::process::Pid;
use std::{collections::BTreeSet, fs};

/// The variable that carries the tracking text; the name is that of GitHub's runner.
pub(crate) const TRACKING_ENV: &str = "RUNNER_TRACKING_ID";

/// What to look for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// The tracking text of the job, or of one of its programs.
    pub(crate) tracking: String,
    /// Leaders of process groups.
    pub(crate) leaders: Vec<Leader>,
    /// Processes that started before this (in ticks since boot) are not looked into.
    pub(crate) not_before: u64,
    /// Set while the kernel has given out so few pids since then that every process of the job has one that follows this
    /// one. Looking at those only costs a tenth on a busy machine.
    pub(crate) follows: Option<Pid>,
}

/// A process that leads a group, as it was when it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    /// Its pid, which is the number of the group.
    pub(crate) pid: Pid,
    /// When it started, in ticks since boot.
    pub(crate) start: u64,
    /// The session it belongs to.
    pub(crate) session: i32,
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
    let all = all_stats(scope.follows);
    let needle = format!("{TRACKING_ENV}={}", scope.tracking);
    let mut found: BTreeSet<i32> = all
        .iter()
        .filter(|stat| {
            scope.leaders.iter().any(|leader| leader.leads(stat, &all))
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

/// What is to be remembered about a leader; `None` when there is no such process.
pub(crate) fn leader(pid: Pid) -> Option<Leader> {
    read_stat(pid.as_raw_pid()).map(|stat| Leader { pid, start: stat.start, session: stat.session })
}

/// A text that differs from boot to boot, since pids and start times do not.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

impl Leader {
    /// Whether a process is in the group of this leader. The number of a group is not given out again while the group
    /// has members; once all have ended it may be, so what is left without a living leader must share its session too.
    fn leads(&self, stat: &Stat, all: &[Stat]) -> bool {
        let number = self.pid.as_raw_pid();
        stat.group == number
            && match all.iter().find(|other| other.pid == number) {
                Some(living) => living.start == self.start,
                None => stat.session == self.session,
            }
    }
}

/// How many processes and threads were started since boot, and how many pids there are; `None` where `/proc` is unusual.
pub(crate) fn forks() -> Option<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let forks = stat.lines().find_map(|line| line.strip_prefix("processes "))?.trim().parse().ok()?;
    let pids = fs::read_to_string("/proc/sys/kernel/pid_max").ok()?.trim().parse().ok()?;
    Some((forks, pids))
}

fn all_stats(follows: Option<Pid>) -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    // Pids are given out in turn; the last one given out is the fifth word.
    let last = fs::read_to_string("/proc/loadavg").ok();
    let last = last.and_then(|text| text.split_ascii_whitespace().nth(4)?.parse::<i32>().ok());
    let range = follows.map(Pid::as_raw_pid).zip(last);
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| range.is_none_or(|(first, last)| is_between(*pid, first, last)))
        .filter_map(read_stat)
        .collect()
}

/// Whether a pid was given out from `first` to `last`, when the count began again in between at most once.
fn is_between(pid: i32, first: i32, last: i32) -> bool {
    if first <= last { (first..=last).contains(&pid) } else { pid >= first || pid <= last }
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
        .is_ok_and(|environ| environ.split(|&byte| byte == 0).any(|entry| is_of(entry, variable)))
}

/// Whether a variable is the wanted one of a job, or that of one of its programs.
fn is_of(entry: &[u8], variable: &[u8]) -> bool {
    entry.strip_prefix(variable).is_some_and(|rest| matches!(rest.first(), None | Some(b'.')))
}

/// The tracking text of a program: that of its job, and its number.
pub(crate) fn tracking_of(job: &str, number: u64) -> String {
    format!("{job}.{number}")
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
    fn a_program_is_of_its_job_and_of_no_other_program() {
        let (one, two) = (tracking_of("T=job", 1), tracking_of("T=job", 12));
        for carried in ["T=job", &one, &two] {
            assert!(is_of(carried.as_bytes(), b"T=job"), "{carried}");
        }
        assert!(is_of(two.as_bytes(), two.as_bytes()) && !is_of(two.as_bytes(), one.as_bytes()));
        assert!(!is_of(b"T=job2", b"T=job") && !is_of(b"T=", b"T=job"));
    }

    #[test]
    fn pids_wrap_around() {
        assert!(is_between(5, 3, 9) && !is_between(2, 3, 9) && !is_between(10, 3, 9));
        assert!(
            is_between(32_000, 31_000, 200) && is_between(7, 31_000, 200) && !is_between(300, 31_000, 200)
        );
        assert!(forks().is_some_and(|(forks, pids)| forks > 0 && pids > 0));
    }

    #[test]
    fn finds_this_process() {
        let own = Pid::from_raw(i32::try_from(std::process::id()).expect("pid")).expect("pid");
        assert!(leader(own).is_some_and(|own| own.start > 0));
        assert!(!boot_id().is_empty());
    }
}
