//! Commands against the state: what happens, or why nothing can.

use super::{
    AbortCause, Command, Decided, Delivery, Event, Outcome, PauseCause, Phase, Refusal, Release, Report,
    Rollout, RolloutKind, StepEnd,
};
use shipway_analysis::Evidence;
use shipway_base::{Id, Timestamp};

/// Decides a command. The evidence is what the router has counted so far, for the report of a rollout that ends by the
/// command and for the baseline of an analysis that begins by it.
///
/// # Errors
/// Why the command cannot be obeyed in this state. That there is nothing to do is no error: then no event happens and
/// the words say so.
pub fn decide(
    delivery: &Delivery,
    command: &Command,
    evidence: Option<&Evidence>,
    now: Timestamp,
) -> Result<Decided, Refusal> {
    let case = Case { delivery, evidence: evidence.filter(|evidence| evidence.epoch == delivery.epoch), now };
    match command {
        Command::Deploy { rollout, release, by } => Ok(case.deploy(*rollout, release, by)),
        Command::Promote { full, step, by } => case.promote(*full, *step, by),
        Command::Pause { by } => case.pause(by),
        Command::Resume { by } => case.resume(by),
        Command::Abort { by, reason } => case.abort(by, reason.as_deref()),
        Command::Retry { rollout, by } => case.retry(*rollout, by),
        Command::Undo { rollout, to, by } => case.undo(*rollout, to.as_deref(), by),
    }
}

struct Case<'a> {
    delivery: &'a Delivery,
    evidence: Option<&'a Evidence>,
    now: Timestamp,
}

impl Case<'_> {
    fn deploy(&self, id: Id<Rollout>, release: &Release, by: &str) -> Decided {
        let version = &release.version;
        if let Some(active) = self.delivery.active()
            && active.release.is_same(release)
        {
            return nothing(format!(
                "{} ({}) is being rolled out already",
                active.release.version,
                release.digest.short()
            ));
        }
        match (&self.delivery.stable, self.delivery.active()) {
            (Some(stable), None) if stable.is_same(release) => {
                let name = &stable.version;
                nothing(format!(
                    "{name} ({}) is live already; there is nothing to do",
                    release.digest.short()
                ))
            }
            (Some(stable), Some(active)) if stable.is_same(release) => {
                let reason = format!("{} was deployed again, which is stable", stable.version);
                let words = format!(
                    "{} is stable already; the rollout of {} ends",
                    stable.version, active.release.version
                );
                Decided { events: vec![self.finish(active, Outcome::Superseded, &reason)], words }
            }
            (stable, _) => {
                let kind = if stable.is_some() { RolloutKind::Canary } else { RolloutKind::First };
                let mut events = self.make_room(&format!("{version} was deployed"));
                events.push(started(id, release, kind, by));
                let words = match kind {
                    RolloutKind::First => format!("{version} goes live as soon as it is ready"),
                    RolloutKind::Canary | RolloutKind::Undo => {
                        match release.spec.service.canary.steps.len() {
                            0 => format!("{version} takes all traffic as soon as it is ready"),
                            1 => format!("{version} goes live in one step"),
                            steps => format!("{version} goes live in {steps} steps"),
                        }
                    }
                };
                Decided { events, words }
            }
        }
    }

    fn promote(&self, full: bool, asked: Option<usize>, by: &str) -> Result<Decided, Refusal> {
        let rollout = self.under_way("promote")?;
        let version = rollout.release.version.clone();
        let steps = rollout.release.spec.service.canary.steps.len();
        let current = match &rollout.phase {
            Phase::Step { index, .. } => Some(index + 1),
            Phase::Promoting { .. } => Some(steps + 1),
            Phase::RollingBack { .. } | Phase::Finished { .. } => None,
        };
        if let (Some(asked), Some(current)) = (asked, current)
            && asked != current
        {
            return Err(Refusal::StepOver { version, asked, current, steps });
        }
        let by = by.to_owned();
        match &rollout.phase {
            Phase::Step { .. } | Phase::Promoting { full: None, .. } if full => Ok(Decided {
                events: vec![Event::FullyPromoted { by }],
                words: format!("{version} takes all traffic as soon as all its instances are ready"),
            }),
            Phase::Step { index, .. } => {
                let step = index + 1;
                let words = format!("step {step} of {version} is skipped");
                Ok(Decided { events: vec![self.enter(rollout, step, StepEnd::Skipped { by })], words })
            }
            Phase::Promoting { .. } if rollout.paused.is_some() => {
                Ok(Decided { events: vec![Event::Resumed { by }], words: format!("{version} goes on") })
            }
            Phase::Promoting { .. } if full => Ok(nothing(format!("{version} is being promoted already"))),
            Phase::Promoting { .. } => Err(Refusal::NoStep { version }),
            Phase::RollingBack { .. } | Phase::Finished { .. } => Err(Refusal::RollingBack { version }),
        }
    }

    fn pause(&self, by: &str) -> Result<Decided, Refusal> {
        let rollout = self.going_forward("pause")?;
        let version = &rollout.release.version;
        match &rollout.paused {
            Some((cause, _)) => Ok(nothing(format!("{version} is paused already: {cause}"))),
            None => Ok(Decided {
                events: vec![Event::Paused { cause: PauseCause::By { by: by.to_owned() } }],
                words: format!("{version} stays at {}", rollout.share),
            }),
        }
    }

    fn resume(&self, by: &str) -> Result<Decided, Refusal> {
        let rollout = self.going_forward("resume")?;
        if rollout.paused.is_none() {
            return Err(Refusal::NotPaused);
        }
        let words = format!("{} goes on", rollout.release.version);
        Ok(Decided { events: vec![Event::Resumed { by: by.to_owned() }], words })
    }

    fn abort(&self, by: &str, reason: Option<&str>) -> Result<Decided, Refusal> {
        let rollout = self.under_way("abort")?;
        let version = &rollout.release.version;
        if !rollout.is_active() {
            return Ok(nothing(format!("{version} is being rolled back already")));
        }
        let cause = AbortCause::By { by: by.to_owned(), reason: reason.map(str::to_owned) };
        let words = match &self.delivery.stable {
            Some(stable) => format!("{version} is given up; {} serves everyone", stable.version),
            None => format!("{version} is given up; nothing is live"),
        };
        Ok(Decided { events: vec![Event::Aborted { cause, words: Vec::new() }], words })
    }

    fn retry(&self, id: Id<Rollout>, by: &str) -> Result<Decided, Refusal> {
        let last = match &self.delivery.rollout {
            Some(rollout) if !rollout.is_active() => rollout,
            Some(_) | None => return Err(self.no_rollout("retry")),
        };
        if self.delivery.stable.as_ref().is_some_and(|stable| stable.is_same(&last.release)) {
            let state = format!("{} is live", last.release.version);
            return Err(Refusal::NoRollout { command: "retry", state });
        }
        let kind = match (&self.delivery.stable, last.kind) {
            (None, _) => RolloutKind::First,
            (Some(_), RolloutKind::Undo) => RolloutKind::Undo,
            (Some(_), RolloutKind::First | RolloutKind::Canary) => RolloutKind::Canary,
        };
        let mut events = self.make_room("it is tried again");
        events.push(started(id, &last.release, kind, by));
        Ok(Decided { events, words: format!("{} is tried again from the beginning", last.release.version) })
    }

    fn undo(&self, id: Id<Rollout>, to: Option<&str>, by: &str) -> Result<Decided, Refusal> {
        let known = || self.delivery.history.iter().rev().map(|promoted| &promoted.release);
        let stable = self.delivery.stable.as_ref();
        let is_asked = |release: &Release| to.is_none_or(|asked| release.is_called(asked));
        if let (Some(active), Some(stable)) = (self.delivery.active(), stable)
            && is_asked(stable)
        {
            let mut decided = self.abort(by, Some(&format!("undo to {}", stable.version)))?;
            decided.words =
                format!("{} is given up; {} serves everyone", active.release.version, stable.version);
            return Ok(decided);
        }
        if let (Some(active), Some(_)) = (self.delivery.active(), to)
            && active.kind == RolloutKind::Undo
            && is_asked(&active.release)
        {
            return Ok(nothing(format!("{} is on its way back already", active.release.version)));
        }
        if let (Some(stable), Some(_)) = (stable.filter(|stable| is_asked(stable)), to) {
            return Ok(nothing(format!("{} is live already; there is nothing to do", stable.version)));
        }
        let Some(target) = known().find(|release| is_asked(release)) else {
            let known =
                known().map(|release| format!("{} ({})", release.version, release.digest.short())).collect();
            return Err(Refusal::NoSuchRelease { asked: to.map(str::to_owned), known });
        };
        let mut events = self.make_room(&format!("{by} went back to {}", target.version));
        events.push(started(id, target, RolloutKind::Undo, by));
        let words = format!("{} takes all traffic again as soon as it is ready", target.version);
        Ok(Decided { events, words })
    }

    /// Ends what is under way, so that a new rollout can begin.
    fn make_room(&self, reason: &str) -> Vec<Event> {
        let Some(rollout) = &self.delivery.rollout else { return Vec::new() };
        match &rollout.phase {
            Phase::Step { .. } | Phase::Promoting { .. } => {
                vec![self.finish(rollout, Outcome::Superseded, reason)]
            }
            Phase::RollingBack { .. } => {
                vec![Report::after_abort(self.delivery, rollout, self.evidence, self.now)]
            }
            Phase::Finished { .. } => Vec::new(),
        }
    }

    fn finish(&self, rollout: &Rollout, outcome: Outcome, reason: &str) -> Event {
        Report::finished(rollout, outcome, reason.to_owned(), Vec::new(), self.evidence, self.now)
    }

    fn enter(&self, rollout: &Rollout, step: usize, because: StepEnd) -> Event {
        Event::StepEntered { step, because, baseline: rollout.baseline_for(step, self.evidence) }
    }

    /// The rollout that has not ended, rolling back included.
    fn under_way(&self, command: &'static str) -> Result<&Rollout, Refusal> {
        match &self.delivery.rollout {
            Some(rollout) if !matches!(rollout.phase, Phase::Finished { .. }) => Ok(rollout),
            Some(_) | None => Err(self.no_rollout(command)),
        }
    }

    fn going_forward(&self, command: &'static str) -> Result<&Rollout, Refusal> {
        let rollout = self.under_way(command)?;
        if rollout.is_active() {
            return Ok(rollout);
        }
        Err(Refusal::RollingBack { version: rollout.release.version.clone() })
    }

    fn no_rollout(&self, command: &'static str) -> Refusal {
        let state = match (&self.delivery.rollout, &self.delivery.stable) {
            (Some(rollout), _) => match &rollout.phase {
                Phase::Finished { report } => {
                    format!("{} {}", report.version, report.outcome.verb())
                }
                Phase::Step { .. } | Phase::Promoting { .. } | Phase::RollingBack { .. } => {
                    format!("{} is being rolled out", rollout.release.version)
                }
            },
            (None, Some(stable)) => format!("{} is live", stable.version),
            (None, None) => "nothing was deployed yet".to_owned(),
        };
        Refusal::NoRollout { command, state }
    }
}

fn nothing(words: String) -> Decided {
    Decided { events: Vec::new(), words }
}

fn started(id: Id<Rollout>, release: &Release, kind: RolloutKind, by: &str) -> Event {
    Event::RolloutStarted { rollout: id, release: Box::new(release.clone()), kind, by: by.to_owned() }
}
