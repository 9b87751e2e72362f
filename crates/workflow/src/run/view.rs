//! The run as it can be seen from outside.

use super::{Conclusion, Group, GroupState, JobKey, JobState, JobView, Leg, LegState, Run};
use std::collections::BTreeMap;

impl Run {
    /// All jobs in the order of the plan; the legs of a matrix once they are known.
    pub fn jobs(&self) -> Vec<JobView> {
        self.groups.iter().flat_map(|group| self.group_views(group)).collect()
    }

    /// What was asked for and has not ended: after a restart, these are lost unless their runner still has them.
    pub fn in_flight(&self) -> Vec<(JobKey, u32)> {
        let legs = self.groups.iter().flat_map(|group| match &group.state {
            GroupState::Expanded(legs) => legs.legs.as_slice(),
            GroupState::Waiting | GroupState::Ended { .. } => &[],
        });
        legs.filter(|leg| leg.state.is_busy()).map(|leg| (leg.key.clone(), leg.attempt)).collect()
    }

    fn group_views(&self, group: &Group) -> Vec<JobView> {
        let id = &group.job.id.value;
        let needs: Vec<String> = group.job.needs.iter().map(|need| need.value.clone()).collect();
        let unexpanded = |state: JobState, reason: Option<String>| JobView {
            key: JobKey(id.clone()),
            job_id: id.clone(),
            name: group.job.name.as_ref().and_then(|name| name.as_literal()).unwrap_or(id).to_owned(),
            conclusion: state.conclusion(),
            started: None,
            finished: state.finished(),
            state,
            needs: needs.clone(),
            reason,
            continue_on_error: false,
            attempt: 0,
            outputs: BTreeMap::new(),
        };
        match &group.state {
            GroupState::Waiting => vec![unexpanded(JobState::Waiting, self.waits_for(group))],
            GroupState::Ended { conclusion, reason, at } => {
                let state = JobState::Finished { conclusion: *conclusion, started: None, finished: *at };
                vec![unexpanded(state, Some(reason.clone()))]
            }
            GroupState::Expanded(legs) => legs
                .legs
                .iter()
                .map(|leg| {
                    let held = matches!(leg.state, LegState::Held)
                        .then(|| format!("max-parallel lets {} legs run at once", legs.max_parallel));
                    leg_view(leg, id, &needs, held)
                })
                .collect(),
        }
    }

    fn waits_for(&self, group: &Group) -> Option<String> {
        let open = group.needs.iter().map(|need| &self.groups[*need]).filter(|need| !need.ended());
        let names: Vec<&str> = open.map(|need| need.job.id.value.as_str()).collect();
        (!names.is_empty()).then(|| format!("it waits for {}", names.join(", ")))
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
