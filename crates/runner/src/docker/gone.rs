//! Whether the container of a job is still there, and what is said when it is not.

use super::{
    engine::Engine,
    inside::{Answer, ask},
    started::{Started, container_error, inspect, running},
};
use crate::error::RunnerError;
use bollard::models::ContainerInspectResponse;
use std::{sync::atomic::Ordering, time::Duration};
use tokio::time::{Instant, sleep};

/// How long an engine may take to notice that a container has ended.
const NOTICE: Duration = Duration::from_secs(5);
/// What the probe says in a container.
const HERE: &str = "here";
/// From one look to the next.
const LOOK: Duration = Duration::from_millis(50);

/// When a container has ended: that, with how it did. It is told at length once.
pub(super) async fn gone(engine: &Engine, container: &Started) -> Option<RunnerError> {
    let seen = inspect(engine, &container.id).await.ok()?;
    running(&seen).is_err().then(|| told(container, Some(&seen)))
}

/// The same after something that may come of a container's end: the engine may notice that end only later.
pub(super) async fn gone_by_now(engine: &Engine, container: &Started) -> Option<RunnerError> {
    let began = Instant::now();
    loop {
        if let Some(error) = gone(engine, container).await {
            return Some(error);
        }
        // A probe that was ended with the container says nothing, nor does an engine that could not start it half-way.
        let answer = ask(engine, &container.id, &["echo", HERE]).await;
        if answer.as_ref().is_ok_and(|Answer { text, .. }| tells_of_life(text)) {
            return None;
        }
        if began.elapsed() > NOTICE {
            let stopped = answer.map_or(true, |Answer { text, .. }| is_stopped(&text));
            return stopped.then(|| told(container, None));
        }
        sleep(LOOK).await;
    }
}

/// Whether an engine says that nothing can be started in a container because that does not run.
pub(super) fn is_stopped(text: &str) -> bool {
    ["in a stopped state", "container not running", "is not running"].iter().any(|words| text.contains(words))
}

/// Whether this is what a probe answers in a container that is there: it ran, or the image has no such program.
fn tells_of_life(text: &str) -> bool {
    text.trim() == HERE || text.contains("executable file") && text.contains("not found")
}

fn told(container: &Started, seen: Option<&ContainerInspectResponse>) -> RunnerError {
    if container.told.swap(true, Ordering::Relaxed) {
        return container_error("the container of the job is gone, as was said before");
    }
    let state = seen.and_then(|seen| seen.state.as_ref());
    let name = seen.and_then(|seen| seen.name.as_deref()).map_or("", |name| name.trim_start_matches('/'));
    let name = if name.is_empty() { container.id.get(..12).unwrap_or(&container.id) } else { name };
    let end = Ended {
        code: state.and_then(|state| state.exit_code),
        out_of_memory: state.is_some_and(|state| state.oom_killed == Some(true)),
    };
    let message =
        format!("the container of the job, {name} from the image {}, {}", container.image, end.words());
    container_error(message).with_help(end.help())
}

/// How a container ended.
#[derive(Clone, Copy, Debug)]
struct Ended {
    /// Its exit code, when the engine knows it.
    code: Option<i64>,
    /// Whether the kernel ended it, because its memory was used up.
    out_of_memory: bool,
}

impl Ended {
    fn words(self) -> String {
        let code = self.code.map_or_else(String::new, |code| format!(" with exit code {code}"));
        let why = match (self.out_of_memory, self.code) {
            (true, _) => "; it ran out of memory",
            (false, Some(137)) => "; somebody killed it, and it was not for using up its own memory",
            (false, _) => "",
        };
        format!("has ended{code}{why}")
    }

    fn help(self) -> &'static str {
        if self.out_of_memory {
            "give it more by --memory in its options, or let the step use less"
        } else {
            "look in the log of the engine and of the kernel for who ended it; nothing of the job runs after that"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_container_is_told_with_its_cause() {
        let words = |code, out_of_memory| Ended { code, out_of_memory }.words();
        assert_eq!(words(Some(137), true), "has ended with exit code 137; it ran out of memory");
        assert!(words(Some(137), false).starts_with("has ended with exit code 137; somebody killed it"));
        assert_eq!(words(Some(0), false), "has ended with exit code 0");
        assert_eq!(words(None, false), "has ended");
    }

    #[test]
    fn only_a_probe_that_ran_or_is_missing_tells_of_life() {
        let missing = [
            "OCI runtime exec failed: exec failed: exec: \"echo\": executable file not found in $PATH: unknown",
            "crun: executable file `echo` not found in $PATH: No such file or directory",
        ];
        assert!(tells_of_life("here\n") && missing.iter().all(|text| tells_of_life(text)));
        for nothing in
            ["", "cannot exec in a stopped state: unknown", "read init-p: connection reset by peer"]
        {
            assert!(!tells_of_life(nothing), "{nothing}");
        }
    }

    #[test]
    fn what_engines_say_of_a_container_that_does_not_run_is_known() {
        for text in [
            "cannot exec in a stopped state: unknown",
            "OCI runtime exec failed: exec failed: cannot exec in a stopped state: unknown",
            "Container 12 is not running",
        ] {
            assert!(is_stopped(text), "{text}");
        }
        assert!(!is_stopped("exec: \"perl\": executable file not found in $PATH"));
    }
}
