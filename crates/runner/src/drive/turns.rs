//! The concurrency groups of jobs: a job waits for its turn in its group first, and for a slot after that.
//!
//! So whoever waits for somebody else keeps no slot from those who could run, among them the one that is waited for.

use super::Attempt;
use crate::{
    groups::{Groups, Membership, NoTurn},
    stop::Cancel,
};
use shipway_workflow::run::JobRequest;
use std::{
    collections::BTreeMap,
    task::{Context, Poll, Waker},
};
use tokio::task::{AbortHandle, JoinSet};

/// A job that may have a slot.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) request: Box<JobRequest>,
    /// Its turn in its group, when it is in one.
    #[expect(dead_code, reason = "held for what its end does")]
    member: Option<Membership>,
    /// How to stop it; the group has it too.
    pub(super) cancel: Cancel,
    /// Waits for somebody who wants its end, which is told of also when it runs.
    watch: Option<AbortHandle>,
}

/// The jobs of one run that wait for their turns.
#[derive(Debug)]
pub(super) struct Turns {
    groups: Groups,
    held: BTreeMap<Attempt, Held>,
    tasks: JoinSet<Word>,
}

#[derive(Debug)]
struct Held {
    request: Box<JobRequest>,
    cancel: Cancel,
    /// Waits for the turn; gives the place back when it is aborted.
    task: AbortHandle,
}

/// What became of a job in its group.
#[derive(Debug)]
pub(super) enum Word {
    /// Its turn has come, or will not come.
    Turn(Attempt, Result<Membership, NoTurn>),
    /// Somebody newer wants it to end.
    Asked(Attempt),
}

/// What the word of a job asks of the driver.
#[derive(Debug)]
pub(super) enum Heard {
    /// It may have a slot.
    Ready(Box<Ready>),
    /// It lost its place, and why.
    Lost(Box<JobRequest>, String),
    /// It is to end: now, if it waits for a slot still.
    Asked(Attempt),
    /// It was taken out meanwhile.
    Gone,
}

impl Drop for Ready {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}

impl Turns {
    pub(super) fn new(groups: Groups) -> Turns {
        Turns { groups, held: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// A job that is in no group, or in one that nobody else is in, may have a slot; another one gets in line now. `who` it is are
    /// others told whose place it takes.
    pub(super) fn admit(&mut self, request: Box<JobRequest>, who: String) -> Option<Ready> {
        let cancel = Cancel::new();
        let Some(group) = request.concurrency.clone() else {
            return Some(Ready { request, member: None, cancel, watch: None });
        };
        let attempt: Attempt = (request.key.clone(), request.attempt);
        let (groups, asked) = (self.groups.clone(), cancel.clone());
        let mut turn = Box::pin(async move { groups.enter(&group, &who, &asked).await });
        // The first look gets in line, so that jobs do in the order in which they are asked for.
        let first = turn.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Ok(member)) = first {
            return Some(self.ready(request, member, cancel));
        }
        let of = attempt.clone();
        let task = self.tasks.spawn(async move {
            let turn = match first {
                Poll::Ready(turn) => turn,
                Poll::Pending => turn.await,
            };
            Word::Turn(of, turn)
        });
        self.held.insert(attempt, Held { request, cancel, task });
        None
    }

    fn ready(&mut self, request: Box<JobRequest>, member: Membership, cancel: Cancel) -> Ready {
        let (of, asked) = ((request.key.clone(), request.attempt), cancel.clone());
        let watch = self.tasks.spawn(async move {
            asked.asked.cancelled().await;
            Word::Asked(of)
        });
        Ready { request, member: Some(member), cancel, watch: Some(watch) }
    }

    /// The next word; `None` when no job waits or could be asked to end.
    pub(super) async fn next(&mut self) -> Option<Word> {
        loop {
            // Tasks of jobs that were taken out are aborted.
            if let Ok(word) = self.tasks.join_next().await? {
                return Some(word);
            }
        }
    }

    pub(super) fn take(&mut self, word: Word) -> Heard {
        match word {
            Word::Turn(attempt, turn) => match (self.held.remove(&attempt), turn) {
                (Some(Held { request, cancel, .. }), Ok(member)) => {
                    Heard::Ready(Box::new(self.ready(request, member, cancel)))
                }
                (Some(Held { request, .. }), Err(none)) => {
                    let group = request.concurrency.as_ref().map_or("", |group| group.group.as_str());
                    let why = none.words(group);
                    Heard::Lost(request, why)
                }
                (None, _) => Heard::Gone,
            },
            Word::Asked(attempt) => Heard::Asked(attempt),
        }
    }

    /// Takes out the jobs that wait for their turn and that `wanted` names.
    pub(super) fn withdraw(&mut self, wanted: impl Fn(&JobRequest) -> bool) -> Vec<JobRequest> {
        let out = self.held.extract_if(.., |_, held| wanted(&held.request));
        let out = out.map(|(_, held)| {
            held.task.abort();
            *held.request
        });
        out.collect()
    }
}
