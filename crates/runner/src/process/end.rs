//! Ending all processes of a job: asked, told, forced.

use super::proc::{Scope, members};
use crate::executor::Patience;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How often it is looked whether the processes have gone.
const LOOK: Duration = Duration::from_millis(20);
/// Only a process stuck inside the kernel lives this long after SIGKILL.
const STUCK: Duration = Duration::from_secs(5);

/// Sends INT, then TERM, then KILL to every process of the scope until none is left, each newly found one included.
/// Answers with those that even KILL did not end.
pub(crate) async fn end_tree(scope: &Scope, first: Signal, patience: &Patience) -> Vec<Pid> {
    let began = Instant::now();
    let mut stages = [
        (began, first),
        (began + patience.term_after, Signal::TERM),
        (began + patience.kill_after.max(patience.term_after), Signal::KILL),
    ]
    .into_iter()
    .peekable();
    let mut now = first;
    loop {
        let left = members(scope);
        if left.is_empty() {
            return left;
        }
        while let Some((_, signal)) = stages.next_if(|(at, _)| *at <= Instant::now()) {
            now = signal;
            send(&left, signal);
        }
        match stages.peek() {
            // A process that forks faster than it is found is found again.
            Some((next, _)) => sleep_until((*next).min(Instant::now() + LOOK)).await,
            None => {
                send(&left, now);
                if began.elapsed() > patience.kill_after + STUCK {
                    return left;
                }
                sleep(LOOK).await;
            }
        }
    }
}

/// Kills every process of the scope at once, without waiting.
pub(crate) fn kill_now(scope: &Scope) {
    send(&members(scope), Signal::KILL);
}

fn send(pids: &[Pid], signal: Signal) {
    for pid in pids {
        // It fails when the process has just ended, which is what is wanted.
        let _ = kill_process(*pid, signal);
    }
}
