//! The transitions.

use super::{
    Cancelled, Conclusion, Effect, Effects, GroupState, Input, JobKey, Jobs, LegState, Legs, MOST_ATTEMPTS,
    MOST_INTERRUPTIONS, Run, settle::Walk,
};
use shipway_base::Timestamp;

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
                if let Some((legs, leg)) = self.jobs.current(&job.0, job, *attempt)
                    && let LegState::Queued = legs.legs[leg].state
                {
                    legs.legs[leg].state = LegState::Running { started: now };
                }
            }
            Input::JobFinished { job, attempt, conclusion, outputs } => {
                if let Some((legs, index)) = self.jobs.current(&job.0, job, *attempt) {
                    let leg = &mut legs.legs[index];
                    if *conclusion != Conclusion::Success && !matches!(leg.state, LegState::Cancelling { .. })
                    {
                        // It was why the job was run again, and is not why it failed.
                        leg.reason = None;
                    }
                    legs.finish(index, *conclusion, outputs, now, &mut effects);
                }
            }
            Input::JobLost { job, attempt, reason } => {
                if let Some((legs, leg)) = self.jobs.current(&job.0, job, *attempt) {
                    legs.legs[leg].lost += 1;
                    let again = legs.legs[leg].lost < MOST_ATTEMPTS;
                    let spent = format!("it was lost {MOST_ATTEMPTS} times, the last time because {reason}");
                    legs.lose(leg, again.then_some(reason).ok_or(spent), now, &mut effects);
                }
            }
            Input::JobInterrupted { job, attempt, reason } => {
                if let Some((legs, leg)) = self.jobs.current(&job.0, job, *attempt) {
                    legs.legs[leg].interrupted += 1;
                    let again = legs.legs[leg].interrupted < MOST_INTERRUPTIONS;
                    let spent = format!(
                        "it was interrupted {MOST_INTERRUPTIONS} times, the last time because {reason}"
                    );
                    legs.lose(leg, again.then_some(reason).ok_or(spent), now, &mut effects);
                }
            }
            Input::Cancel { reason } => {
                let forced = self.cancelled.is_some();
                self.cancelled.get_or_insert_with(|| reason.clone());
                let why = format!("the run was cancelled: {reason}");
                self.jobs.cancel(&why, forced, now, &mut effects);
            }
        }
        if self.started.is_some() {
            let mut walk = Walk { now, effects: &mut effects, made: &mut self.made };
            if !self.jobs.settle(&mut walk) {
                let conclusion = self.jobs.overall();
                self.finished = Some((now, conclusion));
                effects.push(Effect::Finish { conclusion });
            }
        }
        Effects(effects)
    }
}

impl Jobs {
    /// The leg that an attempt belongs to, when that attempt is the one in force and has not ended. `path` is what is left
    /// of the key here.
    fn current(&mut self, path: &str, job: &JobKey, attempt: u32) -> Option<(&mut Legs, usize)> {
        let (id, mut rest) = path.split_once('/').map_or((path, None), |(id, rest)| (id, Some(rest)));
        let group = *self.by_id.get(&id.to_lowercase())?;
        let GroupState::Expanded(legs) = &mut self.groups[group].state else { return None };
        let mut index = 0;
        if let Some(text) = rest {
            let (first, behind) = text.split_once('/').map_or((text, None), |(one, rest)| (one, Some(rest)));
            // Ids do not begin with digits, so this is the index of a leg or the id of a job.
            if first.starts_with(|c: char| c.is_ascii_digit()) {
                index = first.parse().ok()?;
                rest = behind;
            }
        }
        if let Some(rest) = rest {
            return legs.legs.get_mut(index)?.called.as_mut()?.current(rest, job, attempt);
        }
        let leg = legs.legs.get(index).filter(|leg| leg.key == *job && leg.attempt == attempt)?;
        (leg.called.is_none() && leg.state.is_busy()).then_some((legs, index))
    }

    /// Cancels what need not go on; what runs in called workflows is decided there.
    pub(super) fn cancel(&mut self, why: &str, forced: bool, now: Timestamp, effects: &mut Vec<Effect>) {
        let before = self.cancelled.take();
        let forced = forced || before.as_ref().is_some_and(|before| before.forced);
        let first = before.map_or_else(|| why.to_owned(), |before| before.why);
        self.cancelled = Some(Cancelled { why: first, forced });
        for at in 0..self.groups.len() {
            let group = &self.groups[at];
            let goes_on = match &group.state {
                GroupState::Ended { .. } => continue,
                // What was kept of it stays as it is, and is looked at when the run begins.
                GroupState::Waiting if self.keeps(group) => continue,
                // Whether it runs is decided when its needs have ended, unless that is certain already.
                GroupState::Waiting => group.job.condition.asks_status(),
                // A condition that cannot be evaluated would not have let the job start.
                GroupState::Expanded(_) => self.condition(group).unwrap_or(false),
            };
            let goes_on = goes_on && !forced;
            match &mut self.groups[at].state {
                GroupState::Expanded(legs) if goes_on => legs.cancel_called(why, forced, now, effects),
                GroupState::Expanded(legs) => legs.stop(why, forced, now, effects),
                GroupState::Waiting | GroupState::Ended { .. } if goes_on => {}
                state @ (GroupState::Waiting | GroupState::Ended { .. }) => {
                    *state = GroupState::Ended {
                        conclusion: Conclusion::Cancelled,
                        reason: why.to_owned(),
                        at: now,
                    };
                }
            }
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
