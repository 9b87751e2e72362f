//! What the kernel says about processes: the one way to know that a pid still means the process it meant.

use std::{fs, io};

/// A process that cannot be mistaken for a later one with the same pid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) pid: i32,
    /// When it was started, in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub(super) start_ticks: u64,
    /// The boot those ticks belong to.
    pub(super) boot: String,
}

impl Identity {
    /// The process that has this pid now.
    pub(super) fn of(pid: i32) -> io::Result<Identity> {
        Ok(Identity { pid, start_ticks: stat(pid)?.start_ticks, boot: boot_id()? })
    }

    /// Whether that very process still runs; one that has ended and was not collected by its parent does not.
    pub(super) fn is_running(&self) -> bool {
        let same_boot = boot_id().is_ok_and(|boot| boot == self.boot);
        same_boot && stat(self.pid).is_ok_and(|stat| stat.start_ticks == self.start_ticks && !stat.has_ended)
    }
}

struct Stat {
    has_ended: bool,
    group: i32,
    start_ticks: u64,
}

fn stat(pid: i32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&text)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/<pid>/stat has an unknown form"))
}

/// The name in the second field may hold anything, parentheses and spaces too, so fields are counted from its last
/// parenthesis.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let state = *fields.first()?;
    Some(Stat {
        has_ended: matches!(state, "Z" | "X"),
        group: fields.get(2)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The running processes whose environment held `marker` (`NAME=value`) when they were started, leaders of their
/// group first. Processes of other users cannot be read and are left out.
pub(super) fn marked(marker: &str) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let mut found: Vec<(bool, i32)> = pids
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
        })
        .filter_map(|pid| {
            let stat = stat(pid).ok()?;
            (!stat.has_ended).then_some((stat.group != pid, pid))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, pid)| pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_that_look_like_fields() {
        let tail = "S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1000 2";
        let stat = parse_stat(&format!("77 (a) b (c)) {tail}")).expect("stat");
        assert_eq!((stat.has_ended, stat.group, stat.start_ticks), (false, 77, 4242));
        assert!(parse_stat(&format!("77 (x) {}", tail.replacen('S', "Z", 1))).expect("stat").has_ended);
        assert!(parse_stat("77 (x").is_none());
        assert!(parse_stat("77 (x) S 1").is_none());
    }

    #[test]
    fn knows_itself() {
        let me = Identity::of(std::process::id() as i32).expect("own process");
        assert!(me.is_running());
        assert!(!Identity { start_ticks: me.start_ticks + 1, ..me.clone() }.is_running());
        assert!(!Identity { boot: "another".to_owned(), ..me }.is_running());
    }
}
