//! An ended run that is run again in part: what its next attempt keeps.
//!
//! As on GitHub, the jobs that failed or were cancelled run again, or one that somebody names, and with them all jobs that
//! need them. Of a matrix only those legs do. The others keep how they ended and what they handed on.

use super::{Conclusion, Group, GroupState, JobKey, Jobs, Leg, LegState, Legs, Run};
use crate::Texts;
use shipway_base::Timestamp;
use std::collections::BTreeMap;

/// What of a run is run again, together with everything that needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// The jobs that failed or were cancelled.
    Failed,
    /// This job, or leg of a matrix, or all legs or jobs that belong to it.
    Job(JobKey),
}

/// What an attempt keeps of the one before it, by job.
pub type Kept = BTreeMap<JobKey, KeptJob>;

/// How a job ended in an earlier attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptJob {
    /// How, before `continue-on-error` is taken into account.
    pub conclusion: Conclusion,
    /// Its outputs.
    pub outputs: Texts,
    /// Why it was skipped, cancelled or failed without running.
    pub reason: Option<String>,
    /// When it had started, if it had.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Timestamp,
    /// The attempt of the job that ended; 0 when it was never asked for.
    pub attempt: u32,
    /// The attempt of the run that it ran in, from 1.
    pub from: u32,
    /// The `matrix` of the leg, as JSON, so that it is not taken for another one; none when the job ended before it had legs.
    pub matrix: Option<String>,
}

impl Again {
    /// Whether a job that ended is asked for itself.
    fn asks_for(&self, key: &JobKey, conclusion: Conclusion) -> bool {
        match self {
            Again::Failed => match conclusion {
                Conclusion::Failure | Conclusion::Cancelled => true,
                Conclusion::Success | Conclusion::Skipped => false,
            },
            Again::Job(job) => {
                key == job || key.0.strip_prefix(&job.0).is_some_and(|rest| rest.starts_with('/'))
            }
        }
    }
}

impl Run {
    /// What is kept of this run, its attempt with this number, when it is run again in part; none when nothing of it would
    /// run again. Jobs that have not ended, because the run was given up, run again.
    pub fn keep(&self, again: &Again, attempt: u32) -> Option<Kept> {
        let mut kept = Kept::new();
        self.jobs.keep(again, attempt, &mut kept).then_some(kept)
    }
}

impl Jobs {
    /// Gathers what is kept. Whether anything is run again.
    fn keep(&self, again: &Again, attempt: u32, kept: &mut Kept) -> bool {
        let mut anew: Vec<bool> = Vec::with_capacity(self.groups.len());
        // In the order of the plan, so that the needs of a job come before it.
        for group in &self.groups {
            let follows = group.needs.iter().any(|need| anew.get(*need) == Some(&true));
            anew.push(follows || self.keep_group(group, again, attempt, kept));
        }
        anew.contains(&true)
    }

    fn keep_group(&self, group: &Group, again: &Again, attempt: u32, kept: &mut Kept) -> bool {
        match &group.state {
            GroupState::Waiting => true,
            GroupState::Ended { conclusion, reason, at } => {
                let key = self.key_of(group);
                if again.asks_for(&key, *conclusion) {
                    return true;
                }
                let from = group.kept.unwrap_or(attempt);
                let job = KeptJob {
                    conclusion: *conclusion,
                    outputs: Texts::new(),
                    reason: Some(reason.clone()),
                    started: None,
                    finished: *at,
                    attempt: 0,
                    from,
                    matrix: None,
                };
                kept.insert(key, job);
                false
            }
            GroupState::Expanded(legs) => {
                // All of them are looked at, whatever the first says.
                legs.legs.iter().fold(false, |anew, leg| leg.keep(again, attempt, kept) | anew)
            }
        }
    }

    /// The key of a job as a whole.
    pub(super) fn key_of(&self, group: &Group) -> JobKey {
        JobKey(format!("{}{}", self.place.key, group.job.id.value))
    }

    /// How a job ended that had no legs, when that is kept.
    pub(super) fn kept_end(&self, group: &Group) -> Option<&KeptJob> {
        self.place.kept.get(&self.key_of(group)).filter(|job| job.matrix.is_none())
    }

    /// Whether anything of a job is kept.
    pub(super) fn keeps(&self, group: &Group) -> bool {
        !self.place.kept.is_empty() && (self.kept_end(group).is_some() || self.keeps_legs(group))
    }

    /// Whether legs of a job are kept, so that its condition was looked at before.
    pub(super) fn keeps_legs(&self, group: &Group) -> bool {
        let key = self.key_of(group);
        let from = JobKey(format!("{key}/"));
        let mut below = self.place.kept.range(from.clone()..);
        // Ids do not begin with digits, so that what follows is the index of a leg or a job of a called workflow.
        let leg = |found: &JobKey| {
            found.0.strip_prefix(&from.0).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        self.place.kept.contains_key(&key) || below.next().is_some_and(|(found, _)| leg(found))
    }
}

impl Leg {
    fn keep(&self, again: &Again, attempt: u32, kept: &mut Kept) -> bool {
        let LegState::Finished { conclusion, started, at, outputs } = &self.state else { return true };
        // A call begins again with those of its jobs that are kept, and is over at once when these are all.
        let anew = match &self.called {
            Some(jobs) => {
                let own = match again {
                    Again::Failed => again.asks_for(&self.key, *conclusion),
                    Again::Job(job) => *job == self.key,
                };
                jobs.keep(again, attempt, kept) || own
            }
            None => again.asks_for(&self.key, *conclusion),
        };
        if !anew {
            let job = KeptJob {
                conclusion: *conclusion,
                outputs: outputs.clone(),
                reason: self.reason.clone(),
                started: *started,
                finished: *at,
                attempt: self.attempt,
                from: self.kept.unwrap_or(attempt),
                matrix: Some(self.matrix.clone()),
            };
            kept.insert(self.key.clone(), job);
        }
        anew
    }
}

impl Legs {
    /// Gives back to legs how they ended in an earlier attempt. Kept calls are not ended by that: they begin whatever
    /// `max-parallel` says.
    pub(super) fn restore(&mut self, kept: &Kept) {
        let mut ended: Vec<(Timestamp, &Texts)> = Vec::new();
        for (index, leg) in self.legs.iter_mut().enumerate() {
            let Some(job) =
                kept.get(&leg.key).filter(|job| job.matrix.as_deref() == Some(leg.matrix.as_str()))
            else {
                continue;
            };
            leg.kept = Some(job.from);
            // A call that never began has no jobs to go through.
            let inner = JobKey(format!("{}/", leg.key));
            let mut below = kept.range(inner.clone()..);
            if leg.calls() && below.next().is_some_and(|(key, _)| key.0.starts_with(&inner.0)) {
                self.again.insert(index);
                continue;
            }
            leg.attempt = job.attempt;
            leg.reason.clone_from(&job.reason);
            leg.state = LegState::Finished {
                conclusion: job.conclusion,
                started: job.started,
                at: job.finished,
                outputs: job.outputs.clone(),
            };
            self.held.remove(&index);
            self.open -= 1;
            ended.push((job.finished, &job.outputs));
        }
        // In the order in which they ended, so that the same ones win.
        ended.sort_by_key(|(at, _)| *at);
        for (_, outputs) in ended {
            self.take(outputs);
        }
    }
}
