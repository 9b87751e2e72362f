//! The transitions.

use super::{
    Cancelled, Conclusion, Effect, Effects, GroupState, Input, JobKey, JobRequest, LegState, Legs,
    MOST_ATTEMPTS, MOST_INTERRUPTIONS, Run,
};
use shipway_base::Timestamp;
use std::collections::BTreeMap;

impl Run {
    /// Takes an input and says what is to be done about it.
    ///
    /// Inputs about attempts that are over, about jobs that do not exist, or after the end change nothing, so that late
    /// and repeated answers do no harm.
    pub fn apply(&mut self, input: &Input, now: Timestamp) -> Effects {
        let mut effects = Vec::new();
        if self.finished.is_some() {
            return Effects(effects);
        }
        match input {
            Input::Start => {
                self.started.get_or_insert(now);
            }
            Input::JobStarted { job, attempt } => {
                if let Some((legs, leg)) = self.current(job, *attempt)
                    && let LegState::Queued = legs.legs[leg].state
                {
                    legs.legs[leg].state = LegState::Running { started: now };
                }
            }
            Input::JobFinished { job, attempt, conclusion, outputs } => {
                if let Some((legs, leg)) = self.current(job, *attempt) {
                    legs.finish(leg, *conclusion, outputs, now, &mut effects);
                }
            }
            Input::JobLost { job, attempt, reason } => {
                if let Some((legs, leg)) = self.current(job, *attempt) {
                    legs.legs[leg].lost += 1;
                    let again = legs.legs[leg].lost < MOST_ATTEMPTS;
                    let spent = format!("it was lost {MOST_ATTEMPTS} times, the last time because {reason}");
                    legs.lose(leg, again.then_some(reason).ok_or(spent), now, &mut effects);
                }
            }
            Input::JobInterrupted { job, attempt, reason } => {
                if let Some((legs, leg)) = self.current(job, *attempt) {
                    legs.legs[leg].interrupted += 1;
                    let again = legs.legs[leg].interrupted < MOST_INTERRUPTIONS;
                    let spent = format!(
                        "it was interrupted {MOST_INTERRUPTIONS} times, the last time because {reason}"
                    );
                    legs.lose(leg, again.then_some(reason).ok_or(spent), now, &mut effects);
                }
            }
            Input::Cancel { reason } => self.cancel(reason, now, &mut effects),
        }
        if self.started.is_some() {
            self.settle(now, &mut effects);
        }
        Effects(effects)
    }

    /// The leg that an attempt belongs to, when that attempt is the one in force and has not ended.
    fn current(&mut self, job: &JobKey, attempt: u32) -> Option<(&mut Legs, usize)> {
        let (id, index) = match job.0.split_once('/') {
            Some((id, index)) => (id, index.parse().ok()?),
            None => (job.0.as_str(), 0),
        };
        let group = *self.by_id.get(&id.to_lowercase())?;
        let GroupState::Expanded(legs) = &mut self.groups[group].state else { return None };
        let leg = legs.legs.get(index).filter(|leg| leg.key == *job && leg.attempt == attempt)?;
        leg.state.is_busy().then_some((legs, index))
    }

    /// Looks at every job whose needs have ended, asks for what may start, and ends the run when nothing is left. Jobs
    /// stand in the order of the plan, so one walk is enough.
    fn settle(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let mut open = false;
        for at in 0..self.groups.len() {
            if matches!(self.groups[at].state, GroupState::Waiting)
                && self.groups[at].needs.iter().all(|need| self.groups[*need].ended())
            {
                self.groups[at].ancestry = self.ancestry(&self.groups[at]);
                self.groups[at].state = self.look_at(&self.groups[at], now);
            }
            if let GroupState::Expanded(legs) = &mut self.groups[at].state {
                legs.ask(effects);
            }
            open |= !self.groups[at].ended();
        }
        if !open {
            let conclusion = self.overall();
            self.finished = Some((now, conclusion));
            effects.push(Effect::Finish { conclusion });
        }
    }

    /// How the run ended, once all its jobs have.
    fn overall(&self) -> Conclusion {
        if self.cancelled.is_some() {
            return Conclusion::Cancelled;
        }
        let any = |wanted| self.groups.iter().any(|group| group.conclusion() == Some(wanted));
        if any(Conclusion::Failure) {
            Conclusion::Failure
        } else if any(Conclusion::Cancelled) {
            Conclusion::Cancelled
        } else if any(Conclusion::Success) {
            Conclusion::Success
        } else {
            Conclusion::Skipped
        }
    }

    fn cancel(&mut self, reason: &str, now: Timestamp, effects: &mut Vec<Effect>) {
        let forced = self.cancelled.is_some();
        let first = self.cancelled.take().map(|cancelled| cancelled.reason);
        self.cancelled = Some(Cancelled { reason: first.unwrap_or_else(|| reason.to_owned()), forced });
        let why = self.cancel_reason(reason);
        for at in 0..self.groups.len() {
            let group = &self.groups[at];
            let goes_on = match &group.state {
                GroupState::Ended { .. } => continue,
                // Whether it runs is decided when its needs have ended, unless that is certain already.
                GroupState::Waiting => group.job.condition.asks_status(),
                // A condition that cannot be evaluated would not have let the job start.
                GroupState::Expanded(_) => self.condition(group).unwrap_or(false),
            };
            if goes_on && !forced {
                continue;
            }
            match &mut self.groups[at].state {
                GroupState::Expanded(legs) => legs.stop(&why, now, effects),
                state @ (GroupState::Waiting | GroupState::Ended { .. }) => {
                    *state =
                        GroupState::Ended { conclusion: Conclusion::Cancelled, reason: why.clone(), at: now };
                }
            }
        }
    }
}

impl Legs {
    /// Asks for held legs as far as `max-parallel` allows.
    fn ask(&mut self, effects: &mut Vec<Effect>) {
        while self.busy < self.max_parallel
            && let Some(index) = self.held.pop_first()
        {
            self.busy += 1;
            self.start(index, effects);
        }
    }

    /// Asks for a leg, for the first time or again.
    fn start(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let leg = &mut self.legs[index];
        leg.attempt += 1;
        leg.state = LegState::Queued;
        if let Some(request) = &leg.request {
            let request = JobRequest { attempt: leg.attempt, ..(**request).clone() };
            effects.push(Effect::StartJob(Box::new(request)));
        }
    }

    fn finish(
        &mut self,
        index: usize,
        conclusion: Conclusion,
        outputs: &BTreeMap<String, String>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let leg = &mut self.legs[index];
        let started = leg.state.started();
        leg.state = LegState::Finished { conclusion, started, at: now, outputs: outputs.clone() };
        self.busy -= 1;
        self.open -= 1;
        // The last writer wins, but a leg that leaves an output empty does not write it: that is how the legs of a
        // matrix fill outputs of different names.
        for (name, text) in outputs {
            if !text.is_empty() || !self.outputs.contains_key(name) {
                self.outputs.insert(name.clone(), text.clone());
            }
        }
        if leg.seen() == Some(Conclusion::Failure) && self.fail_fast {
            let why = format!("fail-fast: {} failed", leg.name);
            self.stop(&why, now, effects);
        }
    }

    /// An attempt came to nothing: `Ok` why it is made again, `Err` why it is not.
    fn lose(
        &mut self,
        index: usize,
        again: Result<&String, String>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let leg = &mut self.legs[index];
        let conclusion = match again {
            _ if matches!(leg.state, LegState::Cancelling { .. }) => Conclusion::Cancelled,
            Ok(reason) => {
                leg.reason = Some(format!("attempt {} was lost: {reason}", leg.attempt));
                return self.start(index, effects);
            }
            Err(spent) => {
                leg.reason = Some(spent);
                Conclusion::Failure
            }
        };
        self.finish(index, conclusion, &BTreeMap::new(), now, effects);
    }

    /// Stops all legs that have not ended.
    fn stop(&mut self, why: &str, now: Timestamp, effects: &mut Vec<Effect>) {
        self.end_held(why, now);
        for leg in &mut self.legs {
            if !matches!(leg.state, LegState::Queued | LegState::Running { .. }) {
                continue;
            }
            leg.reason = Some(why.to_owned());
            leg.state = LegState::Cancelling { started: leg.state.started() };
            effects.push(Effect::CancelJob { job: leg.key.clone(), attempt: leg.attempt });
        }
    }
}

impl LegState {
    /// Whether it was asked for and has not ended.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            LegState::Queued | LegState::Running { .. } | LegState::Cancelling { .. } => true,
            LegState::Held | LegState::Finished { .. } => false,
        }
    }

    pub(super) fn started(&self) -> Option<Timestamp> {
        match self {
            LegState::Held | LegState::Queued => None,
            LegState::Running { started } => Some(*started),
            LegState::Cancelling { started } | LegState::Finished { started, .. } => *started,
        }
    }
}
