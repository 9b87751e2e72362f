//! Small programs of the runner in a container: looking for processes of a step and sending them signals.
//!
//! The engine has no request that signals what was started by `exec`. So a shell in the container looks at `/proc`, where
//! the processes of a step are those that carry its tracking text in their environment, and all below them.

use super::{
    engine::{Engine, failed},
    started::container_error,
};
use crate::{error::RunnerError, executor::Patience, process::TRACKING_ENV};
use bollard::{
    exec::{CreateExecOptions, StartExecResults},
    query_parameters::{KillContainerOptions, RestartContainerOptions},
};
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// From one look at the processes to the next.
const LOOK: Duration = Duration::from_millis(100);
/// Only a process stuck inside the kernel lives this long after SIGKILL.
const STUCK: Duration = Duration::from_secs(5);
/// More than this is no answer of ours.
const MAX_ANSWER: usize = 1 << 20;

/// Prints the processes of a step and sends each the signal `$2`, or none when that is 0. `$1` is the variable they carry.
/// It needs a shell; without `tr` and `grep` it finds nothing.
const SIGNAL: &str = r#"
for d in /proc/[0-9]*; do
  set -f
  p=${d#/proc/}
  [ "$p" = $$ ] && continue
  IFS= read -r line 2>/dev/null <"$d/stat" || continue
  want=$1 sig=$2
  set -- ${line##*) }
  state=$1 parent=$2 session=$4
  set -- "$want" "$sig"
  [ "$state" = Z ] && continue
  all="$all $p:$parent:$session"
  tr '\0' '\n' <"$d/environ" 2>/dev/null | grep -qxF "$1" && found="$found $p"
done
more=1
while [ "$more" ]; do
  more=
  for e in $all; do
    p=${e%%:*}; r=${e#*:}; parent=${r%%:*}; session=${r#*:}
    case " $found " in *" $p "*) continue ;; esac
    case " $found " in *" $parent "*|*" $session "*) found="$found $p"; more=1 ;; esac
  done
done
for p in $found; do
  [ "$2" = 0 ] || kill -s "$2" "$p" 2>/dev/null
  echo "$p"
done
exit 0
"#;

/// What a small program answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Its exit code.
    pub(super) code: i64,
    /// Its standard output.
    pub(super) text: String,
}

/// Runs a small program in a container as root.
pub(super) async fn ask(engine: &Engine, container: &str, argv: &[&str]) -> Result<Answer, RunnerError> {
    ask_as(engine, container, Some("0"), argv).await
}

/// Runs a small program in a container as this user, or as the container's own.
pub(super) async fn ask_as(
    engine: &Engine,
    container: &str,
    user: Option<&str>,
    argv: &[&str],
) -> Result<Answer, RunnerError> {
    let doing = failed(&format!("cannot run {} in the container", argv.first().copied().unwrap_or_default()));
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(argv.to_vec()),
        user,
        ..CreateExecOptions::default()
    };
    let made = engine.api.create_exec(container, options).await.map_err(&doing)?;
    let mut text = Vec::new();
    if let StartExecResults::Attached { mut output, input } =
        engine.api.start_exec(&made.id, None).await.map_err(&doing)?
    {
        while let Some(chunk) = output.next().await {
            text.extend_from_slice(&chunk.map_err(&doing)?.into_bytes());
            if text.len() > MAX_ANSWER {
                return Err(container_error("a program of the runner in the container prints without end"));
            }
        }
        drop(input);
    }
    let seen = engine.api.inspect_exec(&made.id).await.map_err(&doing)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(Answer { code: seen.exit_code.unwrap_or_default(), text })
}

/// Ends all processes of a step: `first` at once, INT mostly, then TERM, then KILL. Where the image has no shell to look for them, the whole
/// container is started anew in the place of KILL.
pub(super) async fn end_step(
    engine: &Engine,
    container: &str,
    step: &str,
    patience: &Patience,
    first: &'static str,
) {
    let began = Instant::now();
    let kill_after = patience.kill_after.max(patience.term_after);
    let mut stages = [(began, first), (began + patience.term_after, "TERM"), (began + kill_after, "KILL")]
        .into_iter()
        .peekable();
    let variable = format!("{TRACKING_ENV}={step}");
    let is_root = runs_as_root(engine, container).await;
    let mut last = first;
    loop {
        let due = stages.next_if(|(at, _)| *at <= Instant::now());
        if let Some((_, signal)) = due {
            last = signal;
        }
        // A process that KILL misses because it has just come is met the next time.
        let signal = if due.is_some() || stages.peek().is_none() { last } else { "0" };
        let look = ["sh", "-c", SIGNAL, "sh", &variable, signal];
        let mut answer = ask(engine, container, &look).await;
        if let (Ok(Answer { code: 0, text }), false) = (&mut answer, is_root) {
            // Without the right to trace, root sees no environment of others: those of the container's own user that user sees.
            match ask_as(engine, container, None, &look).await {
                Ok(own) if own.code == 0 => text.push_str(&own.text),
                other => answer = other,
            }
        }
        match answer {
            Ok(Answer { code: 0, text }) => {
                if text.trim().is_empty() {
                    return;
                }
            }
            // No shell, or no container any more.
            Ok(_) | Err(_) => {
                sleep_until(began + kill_after).await;
                let options = RestartContainerOptions { signal: None, t: Some(0) };
                if let Err(error) = engine.api.restart_container(container, Some(options)).await {
                    tracing::warn!(%error, container, "the container of the job cannot be started anew");
                }
                return;
            }
        }
        if began.elapsed() > kill_after + STUCK {
            tracing::warn!(container, step, "processes of the step cannot be killed");
            return;
        }
        match stages.peek() {
            Some((next, _)) => sleep_until((*next).min(Instant::now() + LOOK)).await,
            None => sleep(LOOK).await,
        }
    }
}

/// Whether the container's own user, whose its steps are, is root. What cannot be known counts as another.
async fn runs_as_root(engine: &Engine, container: &str) -> bool {
    let seen = engine.api.inspect_container(container, None).await;
    let user = seen.ok().and_then(|seen| seen.config).map(|config| config.user.unwrap_or_default());
    user.is_some_and(|user| matches!(user.split(':').next(), Some("" | "0" | "root")))
}

/// Ends a container of its own: INT at once, then TERM, then KILL, to its first process and to all others.
pub(super) async fn end_container(engine: &Engine, container: &str, patience: &Patience) {
    let kill_after = patience.kill_after.max(patience.term_after);
    let began = Instant::now();
    for (at, signal) in [(Duration::ZERO, "INT"), (patience.term_after, "TERM"), (kill_after, "KILL")] {
        loop {
            let seen = engine.api.inspect_container(container, None).await;
            let runs = seen.is_ok_and(|seen| super::started::running(&seen).is_ok());
            if !runs {
                return;
            }
            if began.elapsed() >= at {
                break;
            }
            sleep_until((began + at).min(Instant::now() + LOOK)).await;
        }
        let options = KillContainerOptions { signal: format!("SIG{signal}") };
        // It fails when the container has just ended, which is what is wanted.
        let _ = engine.api.kill_container(container, Some(options)).await;
        if signal != "KILL" {
            // The first process is not reached by this one; an image without a shell has few others.
            let _ = ask(engine, container, &["sh", "-c", &format!("kill -s {signal} -1")]).await;
        }
    }
}
