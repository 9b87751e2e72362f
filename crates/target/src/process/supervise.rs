//! One instance from its start to its end: a task that asks for its health, stops it when told, and notices its end.

use super::{
    Shared,
    exit::{ExitWatch, signal_group, signal_one},
    health::{self, Answer, Gauge},
    log,
    procfs::{Identity, marked},
    record::{Record, RecordStage},
    spawn,
};
use rustix::process::Signal;
use shipway_rollout::delivery::{Exit, HealthResponse, InstancePhase};
use std::{os::unix::process::ExitStatusExt as _, process::Child, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

/// How often an instance that found its port taken is started on another one.
const PORT_TRIES: u32 = 5;
/// How often, and after which pause, killed processes are looked at until they are gone.
const END_TRIES: u32 = 400;
const END_PAUSE: Duration = Duration::from_millis(5);

/// A process that this program may signal.
pub(super) enum Leader {
    /// Its own child, not collected before its group is gone, so that the pid cannot come to mean another process.
    Child(Child),
    /// A child of a former run of this program.
    Adopted,
}

/// What a supervisor has in its hands.
pub(super) struct Supervisor {
    pub(super) shared: Arc<Shared>,
    pub(super) record: Record,
    pub(super) leader: Leader,
    pub(super) identity: Identity,
    /// Whether it was ready before this program was restarted.
    pub(super) resumes: bool,
    pub(super) stop: watch::Receiver<Option<Duration>>,
}

impl Supervisor {
    /// Runs until the instance has ended, or for good when the target is dropped: then the instance goes on.
    pub(super) async fn run(mut self) {
        for attempt in 1.. {
            let Some(stopping) = self.live().await else { return };
            let was_starting = self
                .shared
                .status(&self.record.spec.id)
                .is_some_and(|status| matches!(status.phase, InstancePhase::Starting) && !status.adopted);
            let exit = self.collect().await;
            let retry =
                was_starting && !stopping && attempt < PORT_TRIES && spawn::is_taken(self.record.port);
            if !(retry && self.start_elsewhere()) {
                self.end(InstancePhase::Exited(exit));
                return;
            }
        }
    }

    /// Watches the process until it ends; returns whether it had been told to stop, and `None` when the target is gone.
    async fn live(&mut self) -> Option<bool> {
        let watch = ExitWatch::new(&self.identity);
        let check = self.record.spec.health_check.clone();
        let address = spawn::address(self.record.port);
        let mut gauge = Gauge::new(&check, self.resumes);
        let mut first = true;
        let mut kill_at: Option<Instant> = None;
        let closed = self.shared.closed.clone();
        loop {
            let pause = health::pause(&check, first);
            let question = async {
                sleep(pause).await;
                health::ask(address, &check).await
            };
            tokio::pin!(question);
            first = false;
            // An answer that is under way is not given up when an order to stop comes: the loop around it goes on.
            let answer = loop {
                tokio::select! {
                    () = watch.ended() => return Some(kill_at.is_some()),
                    () = closed.cancelled() => return None,
                    changed = self.stop.changed(), if kill_at.is_none() => {
                        let grace = *self.stop.borrow();
                        match (changed, grace) {
                            (Ok(()), Some(grace)) => kill_at = Some(self.begin_stop(grace)),
                            (Ok(()), None) => {}
                            (Err(_), _) => return None,
                        }
                    }
                    () = sleep_until(kill_at.unwrap_or_else(Instant::now)), if kill_at.is_some() => {
                        self.signal(Signal::KILL);
                        // The end is noticed above; until then there is nothing more to do than to say so again.
                        kill_at = kill_at.map(|at| at + Duration::from_secs(1));
                    }
                    answer = &mut question, if kill_at.is_none() => break answer,
                }
            };
            self.take(&mut gauge, answer);
        }
    }

    fn take(&mut self, gauge: &mut Gauge, answer: Answer) {
        let healthy = answer.is_healthy();
        let changed = gauge.take(healthy);
        let id = self.record.spec.id.clone();
        let log = self.shared.log(&id);
        let lines = if healthy { None } else { Some(log::last_lines(&log)) };
        let response =
            HealthResponse { at: self.shared.clock.now(), status: answer.status, text: answer.text, healthy };
        // Recorded before it is told, so that nobody acts on a readiness that a crash could forget.
        if changed && gauge.phase() == InstancePhase::Ready {
            self.remember(RecordStage::Running { identity: self.identity.clone(), was_ready: true });
        }
        // Whoever waits for it to become ready wants to see what it answers; of a ready one only changes matter.
        let news = changed
            || self.shared.status(&id).is_some_and(|status| {
                let same = |before: &HealthResponse| {
                    (before.status, &before.text) == (response.status, &response.text)
                };
                status.phase != InstancePhase::Ready && !status.health.as_ref().is_some_and(same)
            });
        self.shared.update(&id, news, |status| {
            status.phase = gauge.phase();
            status.flaps = gauge.flaps;
            status.health = Some(response);
            if let Some(lines) = lines {
                status.last_lines = lines;
            }
        });
        if let Err(error) = log::bound(&log, self.shared.log_limit) {
            tracing::warn!(instance = %id, %error, "the log cannot be kept within its bound");
        }
    }

    fn begin_stop(&mut self, grace: Duration) -> Instant {
        self.shared.update(&self.record.spec.id, true, |status| status.phase = InstancePhase::Stopping);
        self.signal(Signal::TERM);
        Instant::now() + grace
    }

    /// Signals the instance's whole group, as long as it is certain whose group that is.
    fn signal(&self, signal: Signal) {
        let result = match &self.leader {
            Leader::Child(_) => signal_group(self.identity.pid, signal),
            Leader::Adopted if self.identity.is_running() => signal_group(self.identity.pid, signal),
            Leader::Adopted => Ok(()),
        };
        if let Err(error) = result {
            tracing::warn!(instance = %self.record.spec.id, %error, "the instance cannot be signalled");
        }
    }

    /// Ends what is left of the group and takes the leader's status.
    async fn collect(&mut self) -> Exit {
        self.signal(Signal::KILL);
        self.end_marked().await;
        match &mut self.leader {
            Leader::Adopted => Exit::Unknown,
            Leader::Child(child) => match child.wait() {
                Ok(status) => match (status.code(), status.signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, Some(signal)) => Exit::Signal(signal),
                    (None, None) => Exit::Unknown,
                },
                Err(error) => {
                    tracing::warn!(instance = %self.record.spec.id, %error, "the status of the process is lost");
                    Exit::Unknown
                }
            },
        }
    }

    /// Ends every process that carries the instance's mark, those that left its group too, and returns when they are
    /// gone. A process that the kernel cannot end (it hangs in a device) is given up after a while.
    async fn end_marked(&self) {
        let marker = spawn::marker(&self.shared.home, &self.record.spec.id);
        for _ in 0..END_TRIES {
            let left = marked(&marker);
            if left.is_empty() {
                return;
            }
            for pid in left {
                if let Err(error) = signal_one(pid, Signal::KILL) {
                    tracing::warn!(instance = %self.record.spec.id, pid, %error, "a process cannot be ended");
                }
            }
            sleep(END_PAUSE).await;
        }
        tracing::warn!(instance = %self.record.spec.id, "processes of the instance are left and do not end");
    }

    /// Starts the instance again on another port; `false` when that is not possible.
    fn start_elsewhere(&mut self) -> bool {
        let id = self.record.spec.id.clone();
        let Ok(port) = self.shared.free_port() else { return false };
        tracing::info!(instance = %id, taken = self.record.port, port, "the port was taken by another program");
        let Ok((child, identity)) =
            spawn::spawn(&self.record.spec, port, &self.shared.home, &self.shared.env, &self.shared.log(&id))
        else {
            return false;
        };
        let now = self.shared.clock.now();
        self.record.port = port;
        self.record.started_at = now;
        self.shared.update(&id, true, |status| {
            status.address = Some(spawn::address(port));
            status.pid = Some(identity.pid);
            status.started_at = Some(now);
            status.watched_since = now;
        });
        self.leader = Leader::Child(child);
        self.identity = identity;
        self.remember(RecordStage::Running { identity: self.identity.clone(), was_ready: false });
        true
    }

    fn end(&mut self, phase: InstancePhase) {
        let id = self.record.spec.id.clone();
        let last_lines = log::last_lines(&self.shared.log(&id));
        self.remember(RecordStage::Ended { phase: phase.clone(), last_lines: last_lines.clone() });
        self.shared.update(&id, true, |status| {
            status.phase = phase;
            status.pid = None;
            status.last_lines = last_lines;
        });
    }

    fn remember(&mut self, stage: RecordStage) {
        self.record.stage = stage;
        if let Err(error) = self.record.save(&self.shared.record(&self.record.spec.id)) {
            // The process is found by its mark in any case; what is lost is only how it was.
            tracing::warn!(instance = %self.record.spec.id, %error, "the record of the instance cannot be written");
        }
    }
}
