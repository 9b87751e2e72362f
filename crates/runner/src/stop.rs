//! Why a step or a job is stopped before its end.

use crate::error::RunnerError;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// A limit beyond a year is as good as none, and may not fit into an instant.
const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// How a run or a job is asked to stop. Who asks again changes nothing: that also the steps that run in spite of it are to stop
/// is a wish of its own.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    /// Asked to stop.
    pub asked: CancellationToken,
    /// Asked to stop whatever still runs.
    pub forced: CancellationToken,
    reason: Arc<OnceLock<String>>,
}

impl Cancel {
    /// Not asked yet.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Asks to stop. Asked already, it stays as it is.
    pub fn ask(&self) {
        self.asked.cancel();
    }

    /// Asks to stop and says who wants it and why. The first reason counts.
    pub fn ask_because(&self, reason: impl Into<String>) {
        // A reason that is there already stays.
        let _ = self.reason.set(reason.into());
        self.ask();
    }

    /// Asks to stop, and also whatever would run in spite of that.
    pub fn force(&self) {
        self.asked.cancel();
        self.forced.cancel();
    }

    /// [Forces](Cancel::force), and says who wants it and why. The first reason counts.
    pub fn force_because(&self, reason: impl Into<String>) {
        // A reason that is there already stays.
        let _ = self.reason.set(reason.into());
        self.force();
    }

    /// Why, for people.
    pub fn reason(&self) -> String {
        self.told().unwrap_or("somebody cancelled the run").to_owned()
    }

    /// The reason that was given; none when nobody gave one.
    pub(crate) fn told(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }
}

/// What ends a job early.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    cancel: Cancel,
    deadline: Instant,
    limit: Duration,
    /// Stops the one step that this is about, when it runs beside others.
    step: Option<CancellationToken>,
    /// How long the steps that run in spite of a cancellation may take together.
    after_cancel: Duration,
    /// When it was first seen that the job is to stop, and why.
    seen: Option<(Instant, Cause)>,
    /// How long the job has waited for somebody at failed steps; no limit counts that time.
    held: Duration,
    /// Since when it waits now.
    holds: Option<Instant>,
}

/// Until when a step may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StepLimit {
    /// The instant, had the job never been held.
    at: Instant,
    of: Duration,
}

impl StepLimit {
    /// A limit that counts from where this one ends. Beyond a year there is none.
    pub(crate) fn lasting(self, limit: Duration) -> Option<StepLimit> {
        (limit < YEAR).then(|| StepLimit { at: self.at + limit, of: limit })
    }

    /// The one that comes first.
    pub(crate) fn sooner(one: Option<StepLimit>, other: Option<StepLimit>) -> Option<StepLimit> {
        one.into_iter().chain(other).min_by_key(|limit| limit.at)
    }
}

/// Why something was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody cancelled the job.
    Cancelled,
    /// The job took longer than its `timeout-minutes`.
    JobTimeout(Duration),
    /// The step took longer than its `timeout-minutes`.
    StepTimeout(Duration),
    /// A later step cancelled the step.
    Step,
    /// The job was cancelled, and what still ran after that took too long.
    TooLate(Duration),
    /// Somebody forced the end.
    Forced,
}

impl Stop {
    pub(crate) fn new(cancel: Cancel, limit: Duration, after_cancel: Duration) -> Stop {
        let deadline = Instant::now() + limit.min(YEAR);
        let after_cancel = after_cancel.min(YEAR);
        Stop {
            cancel,
            deadline,
            limit,
            step: None,
            after_cancel,
            seen: None,
            held: Duration::ZERO,
            holds: None,
        }
    }

    /// A limit of no time at all, from which others [count](StepLimit::lasting).
    pub(crate) fn now(&self) -> StepLimit {
        StepLimit { at: Instant::now() - self.held(), of: Duration::ZERO }
    }

    /// A limit that counts from now. Beyond a year there is none.
    pub(crate) fn limit(&self, limit: Duration) -> Option<StepLimit> {
        self.now().lasting(limit)
    }

    /// Stops the clocks of all limits, until [`release`](Stop::release).
    pub(crate) fn hold(&mut self) {
        self.holds.get_or_insert_with(Instant::now);
    }

    /// Lets the clocks go on.
    pub(crate) fn release(&mut self) {
        self.held = self.held();
        self.holds = None;
    }

    /// Waits until the job is cancelled.
    pub(crate) async fn cancelled(&self) {
        tokio::select! {
            () = self.cancel.asked.cancelled() => {}
            () = self.cancel.forced.cancelled() => {}
        }
    }

    fn held(&self) -> Duration {
        self.held + self.holds.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Waits for an instant that stands still while the job is held.
    async fn until(&self, at: Instant) {
        match self.due(at) {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// When that instant is, for a job that was held meanwhile; never as long as it is.
    fn due(&self, at: Instant) -> Option<Instant> {
        self.holds.is_none().then(|| at + self.held)
    }

    /// The same for a step that can be stopped alone.
    pub(crate) fn of_step(&self, token: CancellationToken) -> Stop {
        Stop { step: Some(token), ..self.clone() }
    }

    /// Whether the job is to stop by now.
    pub(crate) fn check(&mut self) -> Option<Cause> {
        if self.seen.is_none() {
            let cause = if self.cancel.asked.is_cancelled() {
                Some(Cause::Cancelled)
            } else {
                (Instant::now() >= self.deadline + self.held()).then_some(Cause::JobTimeout(self.limit))
            };
            self.seen = cause.map(|cause| (Instant::now(), cause));
        }
        self.seen.map(|(_, cause)| cause)
    }

    /// Whether it was seen that the job is to stop.
    pub(crate) fn is_over(&self) -> bool {
        self.seen.is_some()
    }

    /// Why the step that runs now must stop, when it must by now: what [`cause`](Stop::cause) would wait for.
    pub(crate) fn over(&self, survives: bool, step_limit: Option<StepLimit>) -> Option<Cause> {
        let due = |at: Instant| self.due(at).is_some_and(|at| Instant::now() >= at);
        if self.cancel.forced.is_cancelled() {
            return Some(Cause::Forced);
        }
        if self.step.as_ref().is_some_and(CancellationToken::is_cancelled) {
            return Some(Cause::Step);
        }
        if let Some(limit) = step_limit.filter(|limit| due(limit.at)) {
            return Some(Cause::StepTimeout(limit.of));
        }
        match self.seen {
            Some((at, _)) => {
                (Instant::now() >= at + self.after_cancel).then_some(Cause::TooLate(self.after_cancel))
            }
            None if survives => None,
            None if self.cancel.asked.is_cancelled() => Some(Cause::Cancelled),
            None => due(self.deadline).then_some(Cause::JobTimeout(self.limit)),
        }
    }

    /// Waits until the step that runs now must stop. `survives` tells that it also runs in a cancelled job.
    pub(crate) async fn cause(&self, survives: bool, step_limit: Option<StepLimit>) -> Cause {
        let step = async {
            match step_limit {
                Some(limit) => {
                    self.until(limit.at).await;
                    Cause::StepTimeout(limit.of)
                }
                None => std::future::pending().await,
            }
        };
        let job = async {
            let (at, cause) = match self.seen {
                Some(seen) => seen,
                None => tokio::select! {
                    () = self.cancel.asked.cancelled() => (Instant::now(), Cause::Cancelled),
                    () = self.until(self.deadline) => (Instant::now(), Cause::JobTimeout(self.limit)),
                },
            };
            if !survives && self.seen.is_none() {
                return cause;
            }
            sleep_until(at + self.after_cancel).await;
            Cause::TooLate(self.after_cancel)
        };
        let alone = async {
            match &self.step {
                Some(token) => token.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            cause = step => cause,
            cause = job => cause,
            () = alone => Cause::Step,
            () = self.cancel.forced.cancelled() => Cause::Forced,
        }
    }
}

impl Stop {
    /// Waits for the [cause](Stop::cause) to stop the step that runs now, as its error.
    pub(crate) async fn error(&self, survives: bool, step_limit: Option<StepLimit>) -> RunnerError {
        RunnerError::stopped(self.cause(survives, step_limit).await, self)
    }

    /// What people are told of a cause.
    pub(crate) fn words(&self, cause: Cause) -> String {
        let minutes = |limit: Duration| shipway_base::human_duration(limit);
        match cause {
            Cause::Cancelled => match self.cancel.told() {
                Some(why) => format!("the job was cancelled: {why}"),
                None => "the job was cancelled".to_owned(),
            },
            Cause::JobTimeout(limit) => {
                format!("the job took longer than its timeout-minutes of {} and was stopped", minutes(limit))
            }
            Cause::StepTimeout(limit) => {
                format!("the step took longer than its timeout-minutes of {} and was stopped", minutes(limit))
            }
            Cause::Step => "a later step cancelled the step".to_owned(),
            Cause::Forced => "the end of the job was forced, so that nothing was let run on".to_owned(),
            Cause::TooLate(limit) => {
                format!("the job was cancelled, and the steps after that took longer than {}", minutes(limit))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job that was to end half a minute ago, and has been held for a minute now.
    fn held() -> Stop {
        let mut stop = Stop::new(Cancel::new(), Duration::from_secs(3_600), Duration::from_secs(300));
        let now = Instant::now();
        stop.hold();
        stop.holds = now.checked_sub(Duration::from_secs(60));
        stop.deadline = now.checked_sub(Duration::from_secs(30)).expect("a machine that runs for a minute");
        stop
    }

    #[test]
    fn no_limit_counts_the_time_of_a_hold() {
        let mut stop = held();
        assert_eq!(stop.check(), None);
        assert_eq!(stop.due(stop.deadline), None);
        let limit = stop.limit(Duration::from_secs(20)).expect("a limit");
        stop.release();
        let left = |stop: &Stop, at| stop.due(at).expect("released").duration_since(Instant::now());
        assert!(left(&stop, stop.deadline) > Duration::from_secs(20), "{stop:?}");
        assert!(left(&stop, stop.deadline) <= Duration::from_secs(31), "{stop:?}");
        assert!(left(&stop, limit.at) <= Duration::from_secs(20), "{stop:?}");
        assert!(left(&stop, limit.at) > Duration::from_secs(10), "{stop:?}");
        assert_eq!(stop.check(), None);
        stop.held = Duration::ZERO;
        assert_eq!(stop.check(), Some(Cause::JobTimeout(Duration::from_secs(3_600))));
    }

    #[tokio::test]
    async fn a_held_job_can_be_cancelled() {
        let mut stop = held();
        stop.cancel.ask();
        assert_eq!(stop.cause(false, stop.limit(Duration::ZERO)).await, Cause::Cancelled);
        stop.cancelled().await;
        assert_eq!(stop.over(true, None), None);
        assert_eq!(stop.over(false, None), Some(Cause::Cancelled));
        assert_eq!(stop.check(), Some(Cause::Cancelled));
        assert_eq!(stop.over(false, None), None, "what still runs has its own time");
        stop.cancel.ask();
        assert_eq!(stop.over(true, None), None, "asking again changes nothing");
        stop.cancel.force();
        assert_eq!(stop.over(true, None), Some(Cause::Forced));
    }
}
