//! Concurrency groups: of all that name the same group, one runs; one waits, or many in line.

use crate::stop::Cancel;
use shipway_workflow::{document::ConcurrencyQueue, plan::ConcurrencyGroup};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// The groups of one machine, shared by all runs on it. Cheap to clone.
///
/// GitHub's rules: whoever enters a group in which somebody runs waits; whoever waited there before is displaced. With
/// `cancel-in-progress` the one that runs is asked to stop as well, and is still waited for. With `queue: max` nobody is
/// displaced: up to 100 wait, first in, first out, and whoever comes beyond them is turned away.
#[derive(Clone, Debug, Default)]
pub struct Groups(Arc<Mutex<Inner>>);

/// How many may wait with `queue: max`, as on GitHub.
const MOST_WAITING: usize = 100;

#[derive(Debug, Default)]
struct Inner {
    groups: BTreeMap<String, Group>,
    last: u64,
}

#[derive(Debug)]
struct Group {
    /// Who runs, and how to stop it.
    runs: (u64, Cancel),
    /// Who waits, the next one first: told when its turn has come, or that it will not.
    waits: VecDeque<(u64, Cancel, Answer)>,
}

/// By which one who waits is told.
type Answer = oneshot::Sender<Result<(), NoTurn>>;

/// Why there is no turn in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoTurn {
    /// Somebody newer took the place, and who that is.
    Newer(String),
    /// Too many wait already.
    Full,
    /// It was cancelled while it waited.
    Cancelled,
}

/// The right to run in a group, given back when dropped.
#[derive(Debug)]
#[must_use = "the group is left when this is dropped"]
pub struct Membership {
    groups: Groups,
    name: String,
    number: u64,
}

impl Groups {
    /// No groups yet.
    pub fn new() -> Groups {
        Groups::default()
    }

    /// Waits for the turn in a group; its name is compared as it is, so fold it first. `who` wants it is told to whom that costs the
    /// place, so that it must hold no secret.
    ///
    /// # Errors
    /// When somebody newer took the place, when too many wait already, or when `cancel` is asked meanwhile.
    pub async fn enter(
        &self,
        wanted: &ConcurrencyGroup,
        who: &str,
        cancel: &Cancel,
    ) -> Result<Membership, NoTurn> {
        let name = wanted.group.as_str();
        let (number, turn) = {
            let mut inner = self.lock();
            inner.last += 1;
            let number = inner.last;
            let Some(group) = inner.groups.get_mut(name) else {
                let runs = (number, cancel.clone());
                inner.groups.insert(name.to_owned(), Group { runs, waits: VecDeque::new() });
                return Ok(self.membership(name, number));
            };
            if wanted.cancel_in_progress {
                group.runs.1.ask_because(NoTurn::Newer(who.to_owned()).words(name));
            }
            let (sender, turn) = oneshot::channel();
            match wanted.queue {
                ConcurrencyQueue::Single => {
                    for (_, _, waits) in group.waits.drain(..) {
                        // Who has just gone needs no answer.
                        let _ = waits.send(Err(NoTurn::Newer(who.to_owned())));
                    }
                }
                ConcurrencyQueue::Max if group.waits.len() >= MOST_WAITING => {
                    return Err(NoTurn::Full);
                }
                ConcurrencyQueue::Max => {}
            }
            group.waits.push_back((number, cancel.clone(), sender));
            (number, turn)
        };
        // Also gives the place back when this future is dropped while it waits.
        let membership = self.membership(name, number);
        tokio::select! {
            biased;
            // Who waits is always answered, but for one that is taken out by its own cancellation.
            turn = turn => turn.unwrap_or(Err(NoTurn::Cancelled)).map(|()| membership),
            () = cancel.asked.cancelled() => Err(NoTurn::Cancelled),
        }
    }

    fn membership(&self, name: &str, number: u64) -> Membership {
        Membership { groups: self.clone(), name: name.to_owned(), number }
    }

    /// Nothing panics while it holds the lock, so the state behind a poisoned one is whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NoTurn {
    /// Why whoever wanted to run in this group does not, for people.
    pub fn words(&self, group: &str) -> String {
        match self {
            NoTurn::Newer(who) => format!("a newer one entered the concurrency group {group:?}: {who}"),
            NoTurn::Full => {
                format!("{MOST_WAITING} wait in the concurrency group {group:?} already")
            }
            NoTurn::Cancelled => {
                format!("it was cancelled while it waited in the concurrency group {group:?}")
            }
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut inner = self.groups.lock();
        let Some(group) = inner.groups.get_mut(&self.name) else { return };
        group.waits.retain(|(number, ..)| *number != self.number);
        if group.runs.0 != self.number {
            return;
        }
        match group.waits.pop_front() {
            Some((number, cancel, sender)) => {
                group.runs = (number, cancel);
                // Who has just gone gives the turn back by its own membership.
                let _ = sender.send(Ok(()));
            }
            None => {
                inner.groups.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinHandle;

    fn group(name: &str, cancel_in_progress: bool, queue: ConcurrencyQueue) -> ConcurrencyGroup {
        ConcurrencyGroup { group: name.to_owned(), cancel_in_progress, queue }
    }

    fn single(name: &str, cancel_in_progress: bool) -> ConcurrencyGroup {
        group(name, cancel_in_progress, ConcurrencyQueue::Single)
    }

    fn enter(groups: &Groups, stop: bool, cancel: &Cancel) -> JoinHandle<Result<Membership, NoTurn>> {
        enter_as(groups, single("g", stop), cancel)
    }

    fn enter_as(
        groups: &Groups,
        group: ConcurrencyGroup,
        cancel: &Cancel,
    ) -> JoinHandle<Result<Membership, NoTurn>> {
        let (groups, cancel) = (groups.clone(), cancel.clone());
        tokio::spawn(async move { groups.enter(&group, "who", &cancel).await })
    }

    /// Lets every other task go as far as it can; the runtime has one thread.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_runs_one_waits_the_newest_displaces() {
        let groups = Groups::new();
        let first = groups.enter(&single("g", false), "who", &Cancel::new()).await.expect("free");
        let second = enter(&groups, false, &Cancel::new());
        settle().await;
        assert!(!second.is_finished());
        let third = enter(&groups, false, &Cancel::new());
        settle().await;
        assert_eq!(second.await.expect("joined").expect_err("displaced"), NoTurn::Newer("who".to_owned()));
        assert!(!third.is_finished());
        drop(first);
        let third = third.await.expect("joined").expect("its turn");
        assert!(groups.enter(&single("other", false), "who", &Cancel::new()).await.is_ok());
        drop(third);
        assert!(groups.lock().groups.is_empty());
    }

    #[tokio::test]
    async fn with_a_long_queue_all_take_turns_and_the_last_is_turned_away() {
        let (groups, max) = (Groups::new(), group("g", false, ConcurrencyQueue::Max));
        let mut running = groups.enter(&max, "who", &Cancel::new()).await.expect("free");
        let mut waiting = VecDeque::new();
        for _ in 0..MOST_WAITING {
            waiting.push_back(enter_as(&groups, max.clone(), &Cancel::new()));
            settle().await;
        }
        let turned_away = groups.enter(&max, "who", &Cancel::new()).await.expect_err("the line is full");
        assert_eq!(turned_away, NoTurn::Full);
        let leaver = Cancel::new();
        while let Some(next) = waiting.pop_front() {
            assert!(waiting.iter().all(|later| !later.is_finished()));
            drop(running);
            running = next.await.expect("joined").expect("its turn");
        }
        let gone = enter_as(&groups, max.clone(), &leaver);
        settle().await;
        leaver.ask();
        assert_eq!(gone.await.expect("joined").expect_err("cancelled"), NoTurn::Cancelled);
        drop(running);
        assert!(groups.lock().groups.is_empty());
    }

    #[tokio::test]
    async fn the_one_that_runs_may_be_asked_to_stop() {
        let (groups, running) = (Groups::new(), Cancel::new());
        let first = groups.enter(&single("g", false), "who", &running).await.expect("free");
        let second = enter(&groups, true, &Cancel::new());
        running.asked.cancelled().await;
        assert!(running.reason().contains("concurrency group \"g\""));
        let third = enter(&groups, true, &Cancel::new());
        settle().await;
        assert!(!running.forced.is_cancelled(), "two that are newer ask for nothing more than one");
        assert_eq!(second.await.expect("joined").expect_err("displaced"), NoTurn::Newer("who".to_owned()));
        drop(first);
        assert!(third.await.expect("joined").is_ok());
    }

    #[tokio::test]
    async fn who_is_cancelled_while_waiting_leaves_no_trace() {
        let (groups, waiting) = (Groups::new(), Cancel::new());
        let first = groups.enter(&single("g", false), "who", &Cancel::new()).await.expect("free");
        let second = enter(&groups, false, &waiting);
        settle().await;
        waiting.ask();
        assert_eq!(second.await.expect("joined").expect_err("cancelled"), NoTurn::Cancelled);
        drop(first);
        assert!(groups.lock().groups.is_empty());
    }
}
