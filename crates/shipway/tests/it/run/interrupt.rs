//! Ctrl-C: once cancels as on GitHub, twice forces; a killed run is cleaned up after by the next one.

use super::on_push;
use crate::support::{Answer, Folder, binary, command};
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};
use tempfile::TempDir;

/// Where a run keeps what it has: a temporary folder, and the caches of its user. The number of a job's folder is free or not by the
/// caches, so that other tests with these would say which of the folders of a killed run may be removed.
struct Own(TempDir);

impl Own {
    /// A run of its own there.
    fn run(&self, folder: &std::path::Path) -> std::process::Command {
        let mut command = command(binary(), folder);
        command.arg("run").env("TMPDIR", self.temp()).env("XDG_CACHE_HOME", self.0.path().join("caches"));
        command
    }

    fn temp(&self) -> std::path::PathBuf {
        self.0.path().join("temp")
    }

    /// How much is in the temporary folder.
    fn left(&self) -> usize {
        std::fs::read_dir(self.temp()).expect("a folder").count()
    }
}

/// A run that is under way.
struct Running {
    child: Child,
    own: Own,
    _folder: Folder,
    seen: Vec<String>,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(workflow: &str) -> Running {
        let folder = super::repository(workflow);
        let own = Own(tempfile::tempdir().expect("a folder"));
        std::fs::create_dir(own.temp()).expect("a folder");
        let mut command = own.run(folder.path());
        command.arg("--verbose").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("shipway");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        Running { child, own, _folder: folder, seen: Vec::new(), lines }
    }

    /// Waits for a line that contains a text.
    fn wait_for(&mut self, text: &str) {
        for line in self.lines.by_ref() {
            let line = line.expect("a line");
            let found = line.contains(text);
            self.seen.push(line);
            if found {
                return;
            }
        }
        panic!("{text:?} never came: {:#?}", self.seen);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("a living process");
    }

    fn end(mut self) -> (Answer, Own) {
        self.seen.extend(self.lines.by_ref().map(|line| line.expect("a line")));
        let output = self.child.wait_with_output().expect("an end");
        let answer = Answer { stdout: self.seen.join("\n"), ..Answer::from(output) };
        (answer, self.own)
    }
}

#[test]
fn the_first_one_lets_always_steps_run() {
    let mut running = Running::start(&on_push(
        "  a:\n    runs-on: x\n    steps:\n      - run: echo ready-$((40 + 2)); sleep 600\n      - run: echo never\n      - if: \
         always()\n        run: echo cleaned-up\n  b:\n    needs: a\n    runs-on: x\n    steps: [{run: 'true'}]\n",
    ));
    running.wait_for(" ready-42");
    running.signal(rustix::process::Signal::INT);
    let (answer, own) = running.end();
    assert_eq!(answer.code, 130, "{}", answer.all());
    super::contains(
        &answer,
        &["cleaned-up", "stopped Run echo ready-", "always() steps still run", "stopped b"],
    );
    assert!(!answer.stdout.contains("|     never"), "{}", answer.all());
    assert_eq!(own.left(), 0);
}

#[test]
fn the_second_one_forces_and_the_third_kills() {
    let mut running = Running::start(&on_push(
        "  a:\n    runs-on: x\n    steps:\n      - run: 'true'\n      - if: always()\n        run: |\n          trap '' INT \
         TERM\n          echo ready-$((40 + 2))\n          while true; do sleep 1; done\n",
    ));
    running.wait_for(" ready-42");
    running.signal(rustix::process::Signal::INT);
    // What was pressed is told before the next press, since signals are not counted while one is pending.
    let mut talk = BufReader::new(running.child.stderr.take().expect("stderr")).lines();
    assert!(talk.next().expect("a line").expect("text").starts_with("Cancelling"));
    running.signal(rustix::process::Signal::INT);
    assert!(talk.next().expect("a line").expect("text").starts_with("Forcing"));
    running.signal(rustix::process::Signal::INT);
    let (answer, own) = running.end();
    assert_eq!(answer.code, 130, "{}", answer.all());
    assert_eq!(own.left(), 0);
}

#[test]
fn the_next_run_cleans_up_after_a_killed_one() {
    let mut running = Running::start(&on_push(
        "  a:\n    runs-on: x\n    steps: [{run: 'echo ready-$((40 + 2)) $$; sleep 600'}]\n",
    ));
    running.wait_for(" ready-42 ");
    let line = running.seen.last().expect("a line");
    let pid: i32 = line.rsplit(' ').next().expect("a word").parse().expect("a pid");
    running.signal(rustix::process::Signal::KILL);
    let (_, own) = running.end();
    let left = std::path::PathBuf::from(format!("/proc/{pid}/stat"));
    assert!(left.exists(), "the step lives on after its run was killed");
    let folder = super::repository(&on_push("  a:\n    runs-on: x\n    steps: [{run: 'true'}]\n"));
    let output = own.run(folder.path()).output().expect("shipway");
    assert_eq!(output.status.code(), Some(0), "{}", Answer::from(output).all());
    assert_eq!(own.left(), 0);
    // A zombie may stay when nobody reaps it.
    let state = std::fs::read_to_string(left).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
}
