//! The run as it can be seen from outside.

use super::{Conclusion, Group, GroupState, JobKey, JobState, JobView, Jobs, Leg, LegState, Run};
use crate::Texts;

impl Run {
    /// All jobs in the order of the plan; the legs of a matrix, and the jobs of a called workflow, once they are known.
    pub fn jobs(&self) -> Vec<JobView> {
        let mut views = Vec::new();
        self.jobs.views(&mut views);
        views
    }

    /// Whether a call has ended with all its jobs, or never began.
    pub fn has_call_ended(&self, call: &JobKey) -> bool {
        !self.jobs.is_under_way(call)
    }

    /// What was asked for and has not ended: after a restart, these are lost unless their runner still has them.
    pub fn in_flight(&self) -> Vec<(JobKey, u32)> {
        let mut found = Vec::new();
        self.jobs.in_flight(&mut found);
        found
    }
}

impl Jobs {
    /// Whether a call with this key has begun and has not ended.
    fn is_under_way(&self, call: &JobKey) -> bool {
        self.groups.iter().flat_map(Group::legs).any(|leg| match &leg.called {
            Some(_) if leg.key == *call => leg.state.is_busy(),
            Some(jobs) => call.0.starts_with(&jobs.place.key) && jobs.is_under_way(call),
            None => false,
        })
    }

    fn in_flight(&self, found: &mut Vec<(JobKey, u32)>) {
        for leg in self.groups.iter().flat_map(Group::legs).filter(|leg| leg.state.is_busy()) {
            match &leg.called {
                Some(jobs) => jobs.in_flight(found),
                None => found.push((leg.key.clone(), leg.attempt)),
            }
        }
    }

    fn views(&self, views: &mut Vec<JobView>) {
        for group in &self.groups {
            self.group_views(group, views);
        }
    }

    /// The ids by which the jobs are known that a group waits for.
    pub(super) fn need_ids(&self, group: &Group) -> Vec<String> {
        if group.needs.is_empty() {
            return self.place.needs.clone();
        }
        let mut ids = Vec::new();
        for need in &group.needs {
            self.last_ids(&self.groups[*need], &mut ids);
        }
        ids
    }

    /// The id of a group; of a call that has begun, those of its last jobs.
    fn last_ids(&self, group: &Group, ids: &mut Vec<String>) {
        let mut own = false;
        for leg in group.legs() {
            match &leg.called {
                Some(jobs) => {
                    let needed: std::collections::BTreeSet<usize> =
                        jobs.groups.iter().flat_map(|group| group.needs.iter().copied()).collect();
                    for (at, group) in jobs.groups.iter().enumerate() {
                        if !needed.contains(&at) {
                            jobs.last_ids(group, ids);
                        }
                    }
                }
                None => own = true,
            }
        }
        if own || group.legs().is_empty() {
            ids.push(format!("{}{}", self.place.key, group.job.id.value));
        }
    }

    fn group_views(&self, group: &Group, views: &mut Vec<JobView>) {
        let name = group.job.name.as_ref().and_then(|name| name.as_literal()).unwrap_or(&group.job.id.value);
        let id = format!("{}{}", self.place.key, group.job.id.value);
        let needs = self.need_ids(group);
        let unexpanded = |state: JobState, reason: Option<String>| JobView {
            key: JobKey(id.clone()),
            job_id: id.clone(),
            name: format!("{}{name}", self.place.name),
            conclusion: state.conclusion(),
            started: None,
            finished: state.finished(),
            state,
            needs: needs.clone(),
            reason,
            continue_on_error: false,
            attempt: 0,
            kept: group.kept,
            outputs: Texts::new(),
        };
        let legs = match &group.state {
            GroupState::Waiting => {
                return views.push(unexpanded(JobState::Waiting, self.waits_for(group)));
            }
            GroupState::Ended { conclusion, reason, at } => {
                let state = JobState::Finished { conclusion: *conclusion, started: None, finished: *at };
                return views.push(unexpanded(state, Some(reason.clone())));
            }
            GroupState::Expanded(legs) => legs,
        };
        for leg in &legs.legs {
            // A call is seen as its jobs, and itself only where something is to be said about it alone.
            let alone = leg
                .called
                .as_ref()
                .is_none_or(|jobs| leg.conclusion().is_some_and(|conclusion| conclusion != jobs.overall()));
            if alone {
                let held = matches!(leg.state, LegState::Held)
                    .then(|| format!("max-parallel lets {} legs run at once", legs.max_parallel));
                views.push(leg_view(leg, &id, &needs, held));
            }
            if let Some(jobs) = &leg.called {
                jobs.views(views);
            }
        }
    }

    fn waits_for(&self, group: &Group) -> Option<String> {
        let open = group.needs.iter().map(|need| &self.groups[*need]).filter(|need| !need.ended());
        let names: Vec<&str> = open.map(|need| need.job.id.value.as_str()).collect();
        (!names.is_empty()).then(|| format!("it waits for {}", names.join(", ")))
    }
}

impl Group {
    fn legs(&self) -> &[Leg] {
        match &self.state {
            GroupState::Expanded(legs) => &legs.legs,
            GroupState::Waiting | GroupState::Ended { .. } => &[],
        }
    }
}

impl Leg {
    fn conclusion(&self) -> Option<Conclusion> {
        match &self.state {
            LegState::Finished { conclusion, .. } => Some(*conclusion),
            LegState::Held | LegState::Queued | LegState::Running { .. } | LegState::Cancelling { .. } => {
                None
            }
        }
    }
}

fn leg_view(leg: &Leg, id: &str, needs: &[String], held: Option<String>) -> JobView {
    let (state, outputs) = match &leg.state {
        LegState::Held => (JobState::Held, None),
        LegState::Queued => (JobState::Queued, None),
        LegState::Running { started } => (JobState::Running { started: *started }, None),
        LegState::Cancelling { started } => (JobState::Cancelling { started: *started }, None),
        LegState::Finished { conclusion, started, at, outputs } => {
            let state = JobState::Finished { conclusion: *conclusion, started: *started, finished: *at };
            (state, Some(outputs))
        }
    };
    JobView {
        key: leg.key.clone(),
        job_id: id.to_owned(),
        name: leg.name.clone(),
        conclusion: state.conclusion(),
        started: leg.state.started(),
        finished: state.finished(),
        state,
        needs: needs.to_vec(),
        reason: held.or_else(|| leg.reason.clone()),
        continue_on_error: leg.continue_on_error,
        attempt: leg.attempt,
        kept: leg.kept,
        outputs: outputs.cloned().unwrap_or_default(),
    }
}

impl JobState {
    fn conclusion(&self) -> Option<Conclusion> {
        match self {
            JobState::Finished { conclusion, .. } => Some(*conclusion),
            JobState::Waiting
            | JobState::Held
            | JobState::Queued
            | JobState::Running { .. }
            | JobState::Cancelling { .. } => None,
        }
    }

    fn finished(&self) -> Option<shipway_base::Timestamp> {
        match self {
            JobState::Finished { finished, .. } => Some(*finished),
            JobState::Waiting
            | JobState::Held
            | JobState::Queued
            | JobState::Running { .. }
            | JobState::Cancelling { .. } => None,
        }
    }
}
