//! Concurrency groups: of all that name the same group, one runs and one waits.

use crate::stop::Cancel;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// The groups of one machine, shared by all runs on it. Cheap to clone.
///
/// GitHub's rules: whoever enters a group in which somebody runs waits; whoever waited there before is displaced. With
/// `cancel-in-progress` the one that runs is asked to stop as well, and is still waited for.
#[derive(Clone, Debug, Default)]
pub struct Groups(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    groups: BTreeMap<String, Group>,
    last: u64,
}

#[derive(Debug)]
struct Group {
    /// Who runs, and how to stop it.
    runs: (u64, Cancel),
    /// Who waits: told when its turn has come; displaced when this is dropped.
    waits: Option<(u64, Cancel, oneshot::Sender<()>)>,
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

    /// Waits for the turn in a group; its name is compared as it is, so fold it first. `None` when somebody newer took the
    /// place, or when `cancel` is asked meanwhile.
    pub async fn enter(&self, name: &str, cancel_in_progress: bool, cancel: &Cancel) -> Option<Membership> {
        let (number, turn) = {
            let mut inner = self.lock();
            inner.last += 1;
            let number = inner.last;
            let Some(group) = inner.groups.get_mut(name) else {
                let runs = (number, cancel.clone());
                inner.groups.insert(name.to_owned(), Group { runs, waits: None });
                return Some(self.membership(name, number));
            };
            if cancel_in_progress {
                group.runs.1.ask_because(format!("a newer one entered the concurrency group {name:?}"));
            }
            let (sender, turn) = oneshot::channel();
            group.waits = Some((number, cancel.clone(), sender));
            (number, turn)
        };
        // Also gives the place back when this future is dropped while it waits.
        let membership = self.membership(name, number);
        tokio::select! {
            biased;
            turn = turn => turn.is_ok().then_some(membership),
            () = cancel.asked.cancelled() => None,
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

impl Drop for Membership {
    fn drop(&mut self) {
        let mut inner = self.groups.lock();
        let Some(group) = inner.groups.get_mut(&self.name) else { return };
        if group.waits.as_ref().is_some_and(|(number, ..)| *number == self.number) {
            group.waits = None;
        }
        if group.runs.0 != self.number {
            return;
        }
        match group.waits.take() {
            Some((number, cancel, sender)) => {
                group.runs = (number, cancel);
                // Who has just gone gives the turn back by its own membership.
                let _ = sender.send(());
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

    fn enter(groups: &Groups, stop: bool, cancel: &Cancel) -> JoinHandle<Option<Membership>> {
        let (groups, cancel) = (groups.clone(), cancel.clone());
        tokio::spawn(async move { groups.enter("g", stop, &cancel).await })
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
        let first = groups.enter("g", false, &Cancel::new()).await.expect("free");
        let second = enter(&groups, false, &Cancel::new());
        settle().await;
        assert!(!second.is_finished());
        let third = enter(&groups, false, &Cancel::new());
        settle().await;
        assert!(second.await.expect("joined").is_none(), "displaced");
        assert!(!third.is_finished());
        drop(first);
        let third = third.await.expect("joined").expect("its turn");
        assert!(groups.enter("other", false, &Cancel::new()).await.is_some());
        drop(third);
        assert!(groups.lock().groups.is_empty());
    }

    #[tokio::test]
    async fn the_one_that_runs_may_be_asked_to_stop() {
        let (groups, running) = (Groups::new(), Cancel::new());
        let first = groups.enter("g", false, &running).await.expect("free");
        let second = enter(&groups, true, &Cancel::new());
        running.asked.cancelled().await;
        assert!(running.reason().contains("concurrency group \"g\""));
        drop(first);
        assert!(second.await.expect("joined").is_some());
    }

    #[tokio::test]
    async fn who_is_cancelled_while_waiting_leaves_no_trace() {
        let (groups, waiting) = (Groups::new(), Cancel::new());
        let first = groups.enter("g", false, &Cancel::new()).await.expect("free");
        let second = enter(&groups, false, &waiting);
        settle().await;
        waiting.ask();
        assert!(second.await.expect("joined").is_none());
        drop(first);
        assert!(groups.lock().groups.is_empty());
    }
}
