//! What follows from an input: jobs that are ready are asked for, and what has ended is closed.

use super::{Cancelled, Conclusion, Effect, GroupState, JobRequest, Jobs, Leg, LegState, Legs, Work};
use crate::{Texts, plan::MOST_JOBS};
use shipway_base::Timestamp;

/// One walk over all jobs.
pub(super) struct Walk<'a> {
    pub(super) now: Timestamp,
    pub(super) effects: &'a mut Vec<Effect>,
    /// How many jobs and legs the run has.
    pub(super) made: &'a mut usize,
}

impl Jobs {
    /// Looks at every job whose needs have ended, and asks for what may start. Jobs stand in the order of the plan, so
    /// one walk is enough. Whether anything is left.
    pub(super) fn settle(&mut self, walk: &mut Walk<'_>) -> bool {
        let mut open = false;
        for at in 0..self.groups.len() {
            if matches!(self.groups[at].state, GroupState::Waiting)
                && self.groups[at].needs.iter().all(|need| self.groups[*need].ended())
            {
                self.groups[at].ancestry = self.ancestry(&self.groups[at]);
                self.groups[at].kept = self.kept_end(&self.groups[at]).map(|job| job.from);
                self.groups[at].state = self.look_at(&self.groups[at], walk.now);
                if let GroupState::Expanded(legs) = &self.groups[at].state {
                    *walk.made += legs.legs.len() - 1;
                }
            }
            if let GroupState::Expanded(legs) = &mut self.groups[at].state {
                legs.advance(self.cancelled.as_ref(), walk);
            }
            open |= !self.groups[at].ended();
        }
        open
    }
}

impl Legs {
    /// Asks for legs and closes calls until neither gives anything more to do.
    fn advance(&mut self, cancelled: Option<&Cancelled>, walk: &mut Walk<'_>) {
        loop {
            let mut begun = self.ask(cancelled, walk);
            for index in 0..self.legs.len() {
                let leg = &mut self.legs[index];
                if !leg.state.is_busy() {
                    continue;
                }
                let Some(jobs) = &mut leg.called else { continue };
                if jobs.settle(walk) {
                    continue;
                }
                let (conclusion, outputs) = leg.returned();
                self.finish(index, conclusion, &outputs, walk.now, walk.effects);
                begun = true;
            }
            if !begun {
                return;
            }
        }
    }

    /// Asks for held legs as far as `max-parallel` allows. Whether a call ended as it began, so that there is room again.
    fn ask(&mut self, cancelled: Option<&Cancelled>, walk: &mut Walk<'_>) -> bool {
        let mut ended = false;
        while let Some(index) = self.next() {
            self.busy += 1;
            let leg = &mut self.legs[index];
            let Some(Work::Call(call)) = leg.work.clone() else {
                self.start(index, walk.effects);
                continue;
            };
            leg.attempt = 1;
            leg.state = LegState::Running { started: walk.now };
            *walk.made = walk.made.saturating_add(call.size());
            if *walk.made > MOST_JOBS {
                leg.reason =
                    Some(format!("with the jobs of this call, the run would have more than {MOST_JOBS}"));
                *walk.made -= call.size();
                self.finish(index, Conclusion::Failure, &Texts::new(), walk.now, walk.effects);
                ended = true;
            } else {
                leg.called = Some(Box::new(call.begin(cancelled.cloned())));
            }
        }
        ended
    }

    /// The leg that is asked for next.
    fn next(&mut self) -> Option<usize> {
        if let Some(index) = self.again.pop_first() {
            self.held.remove(&index);
            return Some(index);
        }
        if self.busy < self.max_parallel { self.held.pop_first() } else { None }
    }

    /// Asks a runner for a leg, for the first time or again.
    fn start(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let leg = &mut self.legs[index];
        leg.attempt += 1;
        leg.state = LegState::Queued;
        if let Some(Work::Steps(request)) = &leg.work {
            let request = JobRequest { attempt: leg.attempt, ..JobRequest::clone(request) };
            effects.push(Effect::StartJob(Box::new(request)));
        }
    }

    pub(super) fn finish(
        &mut self,
        index: usize,
        conclusion: Conclusion,
        outputs: &Texts,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let leg = &mut self.legs[index];
        let started = leg.state.started();
        leg.state = LegState::Finished { conclusion, started, at: now, outputs: outputs.clone() };
        self.busy -= 1;
        self.open -= 1;
        let failed = (leg.seen() == Some(Conclusion::Failure) && self.fail_fast).then(|| leg.name.clone());
        self.take(outputs);
        if let Some(name) = failed {
            self.stop(&format!("fail-fast: {name} failed"), false, now, effects);
        }
    }

    /// Takes the outputs of a leg that ended. The last writer wins, but a leg that leaves an output empty does not write it:
    /// that is how the legs of a matrix fill outputs of different names.
    pub(super) fn take(&mut self, outputs: &Texts) {
        for (name, text) in outputs {
            if !text.is_empty() || !self.outputs.contains_key(name) {
                self.outputs.insert(name.clone(), text.clone());
            }
        }
    }

    /// An attempt came to nothing: `Ok` why it is made again, `Err` why it is not.
    pub(super) fn lose(
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
        self.finish(index, conclusion, &Texts::new(), now, effects);
    }

    /// Stops all legs that have not ended.
    pub(super) fn stop(&mut self, why: &str, forced: bool, now: Timestamp, effects: &mut Vec<Effect>) {
        self.end_held(why, now);
        self.cancel_called(why, forced, now, effects);
        for leg in &mut self.legs {
            if !matches!(leg.state, LegState::Queued | LegState::Running { .. }) {
                continue;
            }
            leg.reason = Some(why.to_owned());
            leg.state = LegState::Cancelling { started: leg.state.started() };
            if leg.called.is_none() {
                effects.push(Effect::CancelJob { job: leg.key.clone(), attempt: leg.attempt });
            }
        }
    }

    /// Cancels the called workflows that have not ended.
    pub(super) fn cancel_called(
        &mut self,
        why: &str,
        forced: bool,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        for leg in self.legs.iter_mut().filter(|leg| leg.state.is_busy()) {
            if let Some(jobs) = &mut leg.called {
                jobs.cancel(why, forced, now, effects);
            }
        }
    }
}

impl Leg {
    /// What a call gives back, once all its jobs have ended.
    fn returned(&mut self) -> (Conclusion, Texts) {
        let Some(jobs) = &self.called else { return (Conclusion::Failure, Texts::new()) };
        match (jobs.overall(), jobs.outputs()) {
            (conclusion, Ok(outputs)) => (conclusion, outputs),
            (_, Err(found)) => {
                self.reason = Some(found.to_string());
                (Conclusion::Failure, Texts::new())
            }
        }
    }
}
