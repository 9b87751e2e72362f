//! Health checks that the runner carries out itself.
//!
//! Podman leaves the time of its checks to systemd. Where that does not run, a container stays as it began for ever. So the check
//! of a service is run from here, by the same rules.

use super::{
    engine::Engine,
    inside::{Answer, ask},
};
use bollard::models::HealthConfig;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What engines take when nothing is said.
const INTERVAL: Duration = Duration::from_secs(30);
/// How often a check may fail in a row.
const RETRIES: i64 = 3;

/// A check and how it went so far.
#[derive(Clone, Debug)]
pub(super) struct Check {
    argv: Vec<String>,
    interval: Duration,
    limit: Duration,
    retries: i64,
    /// Failures before this do not count.
    grace: Instant,
    failures: i64,
    next: Instant,
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It passed.
    Healthy,
    /// It has not passed yet, or it is not its time.
    Open,
    /// It failed as often as it may; what it said last.
    Unhealthy(String),
}

impl Check {
    /// The check of a container that has just started; `None` when it has none.
    pub(super) fn of(config: &HealthConfig, now: Instant) -> Option<Check> {
        let test = config.test.as_deref()?;
        let argv = match test.split_first()? {
            (kind, [line]) if kind == "CMD-SHELL" => vec!["sh".to_owned(), "-c".to_owned(), line.clone()],
            (kind, words) if kind == "CMD" && !words.is_empty() => words.to_vec(),
            (_, _) => return None,
        };
        let time = |nanoseconds: Option<i64>| {
            let nanoseconds = u64::try_from(nanoseconds.unwrap_or_default()).unwrap_or_default();
            Duration::from_nanos(nanoseconds)
        };
        let or_usual = |time: Duration| if time.is_zero() { INTERVAL } else { time };
        Some(Check {
            argv,
            interval: or_usual(time(config.interval)),
            limit: or_usual(time(config.timeout)),
            retries: config.retries.filter(|retries| *retries > 0).unwrap_or(RETRIES),
            grace: now + time(config.start_period),
            failures: 0,
            next: now,
        })
    }

    /// Runs it when it is time.
    pub(super) async fn look(&mut self, engine: &Engine, container: &str) -> Verdict {
        if Instant::now() < self.next {
            return Verdict::Open;
        }
        let argv: Vec<&str> = self.argv.iter().map(String::as_str).collect();
        let answer = timeout(self.limit, ask(engine, container, &argv)).await;
        let said = match answer {
            Ok(Ok(Answer { code: 0, .. })) => return Verdict::Healthy,
            Ok(Ok(Answer { text, .. })) => text,
            Ok(Err(error)) => error.message,
            Err(_) => format!("it took longer than {} s", self.limit.as_secs()),
        };
        self.failed(Instant::now(), said)
    }

    fn failed(&mut self, now: Instant, said: String) -> Verdict {
        self.next = now + self.interval;
        if now >= self.grace {
            self.failures += 1;
        }
        if self.failures >= self.retries {
            return Verdict::Unhealthy(said.chars().take(500).collect());
        }
        Verdict::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(test: &[&str]) -> HealthConfig {
        HealthConfig {
            test: Some(test.iter().map(|word| (*word).to_owned()).collect()),
            interval: Some(1_000_000_000),
            retries: Some(2),
            start_period: Some(5_000_000_000),
            ..HealthConfig::default()
        }
    }

    #[tokio::test]
    async fn a_check_fails_as_often_as_it_may_once_its_grace_is_over() {
        let began = Instant::now();
        let mut check = Check::of(&config(&["CMD-SHELL", "true || false"]), began).expect("a check");
        assert_eq!(check.argv, ["sh", "-c", "true || false"]);
        assert_eq!((check.interval, check.limit), (Duration::from_secs(1), INTERVAL));
        let mut at = |seconds| check.failed(began + Duration::from_secs(seconds), "no".to_owned());
        for seconds in [0, 1, 4, 5] {
            assert_eq!(at(seconds), Verdict::Open);
        }
        assert_eq!(at(6), Verdict::Unhealthy("no".to_owned()));
        assert!(check.next == began + Duration::from_secs(7));
        let words = Check::of(&config(&["CMD", "a", "b"]), began).expect("a check");
        assert_eq!(words.argv, ["a", "b"]);
        for none in [&["NONE"][..], &[], &["CMD"], &["CMD-SHELL"]] {
            assert!(Check::of(&config(none), began).is_none(), "{none:?}");
        }
    }
}
