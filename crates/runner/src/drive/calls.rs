//! The concurrency groups of calls: no job of a called workflow gets a slot before the call has its turn.
//!
//! The turn is waited for without a slot: whoever has the turn needs slots for its jobs, so that waiting in one could last
//! for ever.

use crate::{
    groups::{Groups, Membership, NoTurn},
    stop::Cancel,
};
use shipway_workflow::run::{CallGroup, JobKey, JobRequest, Run};
use std::collections::BTreeMap;
use tokio::task::{AbortHandle, JoinSet};

/// A call in a group; a call may be in two, its own and that of the workflow it calls.
type Place = (JobKey, String);

/// The calls of one run that wait for their turn or have it.
#[derive(Debug)]
pub(super) struct Calls {
    groups: Groups,
    held: BTreeMap<Place, Held>,
    tasks: JoinSet<News>,
}

#[derive(Debug)]
struct Held {
    turn: Turn,
    /// Waits for the turn, then for somebody who wants its end.
    task: AbortHandle,
}

#[derive(Debug)]
enum Turn {
    /// Not yet; these jobs wait for it.
    Waits(Vec<JobRequest>),
    /// The call has its turn until this is dropped.
    Has(#[expect(dead_code, reason = "held for what its end does")] Membership),
    /// It lost its place, and why.
    Lost(String),
}

/// What became of a call in a group.
#[derive(Debug)]
pub(super) enum News {
    /// Its turn has come, or will not come.
    Turn(Place, Result<Membership, NoTurn>, Cancel),
    /// Somebody newer wants it to end, and why.
    Asked(Place, String),
}

/// What a call's news asks of the driver.
#[derive(Debug)]
pub(super) enum Wanted {
    /// These jobs are to be looked at again.
    Again(Vec<JobRequest>),
    /// All jobs of this call are to be stopped.
    Stop(JobKey, String),
}

/// Whether a job may wait for a slot.
#[derive(Debug)]
pub(super) enum Admitted {
    /// All calls around it have their turns.
    Yes(Box<JobRequest>),
    /// It is kept until they have.
    Later,
    /// One of them lost its place, and why.
    Never(Box<JobRequest>, String),
}

impl Calls {
    pub(super) fn new(groups: Groups) -> Calls {
        Calls { groups, held: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Looks whether the calls around a job have their turns, and gets in line where they have not. `who` a call is are others told
    /// whose place it takes.
    pub(super) fn admit(&mut self, request: Box<JobRequest>, who: impl Fn(&JobKey) -> String) -> Admitted {
        for CallGroup { call, group } in &request.calls {
            let place = (call.clone(), group.group.clone());
            match self.held.get_mut(&place).map(|held| &mut held.turn) {
                Some(Turn::Has(_)) => {}
                Some(Turn::Lost(why)) => {
                    let why = why.clone();
                    return Admitted::Never(request, why);
                }
                Some(Turn::Waits(jobs)) => {
                    jobs.push(*request);
                    return Admitted::Later;
                }
                None => {
                    let (groups, group, cancel) = (self.groups.clone(), group.clone(), Cancel::new());
                    let (of, who) = (place.clone(), who(call));
                    let task = self.tasks.spawn(async move {
                        let turn = groups.enter(&group, &who, &cancel).await;
                        News::Turn(of, turn, cancel)
                    });
                    self.held.insert(place, Held { turn: Turn::Waits(vec![*request]), task });
                    return Admitted::Later;
                }
            }
        }
        Admitted::Yes(request)
    }

    /// The next news; `None` when no call waits or has a turn.
    pub(super) async fn next(&mut self) -> Option<News> {
        loop {
            // Tasks of calls that have ended are aborted.
            if let Ok(news) = self.tasks.join_next().await? {
                return Some(news);
            }
        }
    }

    pub(super) fn take(&mut self, news: News) -> Wanted {
        match news {
            News::Turn(place, turn, cancel) => {
                let Some(held) = self.held.get_mut(&place) else { return Wanted::Again(Vec::new()) };
                let next = match turn {
                    Ok(membership) => {
                        let of = place.clone();
                        held.task = self.tasks.spawn(async move {
                            cancel.asked.cancelled().await;
                            News::Asked(of, cancel.reason())
                        });
                        Turn::Has(membership)
                    }
                    Err(none) => Turn::Lost(none.words(&place.1)),
                };
                match std::mem::replace(&mut held.turn, next) {
                    Turn::Waits(jobs) => Wanted::Again(jobs),
                    Turn::Has(_) | Turn::Lost(_) => Wanted::Again(Vec::new()),
                }
            }
            News::Asked((call, _), why) => Wanted::Stop(call, why),
        }
    }

    /// Takes out the jobs that wait for a turn and that `wanted` names.
    pub(super) fn withdraw(&mut self, wanted: impl Fn(&JobRequest) -> bool) -> Vec<JobRequest> {
        let mut out = Vec::new();
        for held in self.held.values_mut() {
            if let Turn::Waits(jobs) = &mut held.turn {
                out.extend(jobs.extract_if(.., |job| wanted(job)));
            }
        }
        out
    }

    /// Gives back the turns of calls that have ended.
    pub(super) fn release(&mut self, run: &Run) {
        self.held.retain(|(call, _), held| {
            let stays = !run.has_call_ended(call);
            if !stays {
                held.task.abort();
            }
            stays
        });
    }
}

/// Whether a job belongs to a call.
pub(super) fn is_of(job: &JobKey, call: &JobKey) -> bool {
    job.0.strip_prefix(&call.0).is_some_and(|rest| rest.starts_with('/'))
}
