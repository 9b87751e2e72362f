//! The failed steps that wait, in the order in which they failed.

use shipway_runner::{Break, Broken, Request};
use shipway_workflow::run::JobKey;
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Which run, job and step.
pub(in super::super) type Place = (usize, JobKey, usize);

/// A step that waits.
#[derive(Debug)]
pub(in super::super) struct Waiting {
    /// How it is told from the others of this call, from 1.
    pub(in super::super) id: u32,
    /// Where.
    pub(in super::super) place: Place,
    /// What is known of the failure.
    pub(in super::super) broken: Broken,
    /// The last lines it printed.
    pub(in super::super) lines: Vec<String>,
    /// What the job is to do.
    pub(in super::super) requests: mpsc::Sender<Request>,
    /// Whether the job does something that was asked for.
    pub(in super::super) busy: bool,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    count: u32,
}

impl Queue {
    /// Adds one.
    pub(super) fn push(&mut self, place: Place, found: Break, lines: Vec<String>) -> &Waiting {
        self.count += 1;
        let Break { broken, requests } = found;
        let waiting = Waiting { id: self.count, place, broken, lines, requests, busy: false };
        self.waiting.push_back(waiting);
        &self.waiting[self.waiting.len() - 1]
    }

    /// The one that a person is asked about.
    pub(super) fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// One by its number.
    pub(super) fn get(&self, id: u32) -> Option<&Waiting> {
        self.waiting.iter().find(|waiting| waiting.id == id)
    }

    /// One by its number.
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.id == id)
    }

    /// Whether there is one that can be asked something.
    pub(super) fn any_idle(&self) -> bool {
        self.first_idle().is_some()
    }

    /// The first that can be asked something.
    pub(super) fn first_idle(&self) -> Option<u32> {
        self.waiting.iter().find(|waiting| !waiting.busy).map(|waiting| waiting.id)
    }

    /// The numbers of all, for people.
    pub(super) fn ids(&self) -> String {
        let ids: Vec<String> = self.waiting.iter().map(|waiting| waiting.id.to_string()).collect();
        if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
    }

    /// What was asked of this one is done; gives its number.
    pub(super) fn idle(&mut self, place: &Place) -> Option<u32> {
        let waiting = self.waiting.iter_mut().find(|waiting| waiting.place == *place)?;
        waiting.busy = false;
        Some(waiting.id)
    }

    /// It is decided about this one; gives its number.
    pub(super) fn remove(&mut self, place: &Place) -> Option<u32> {
        let at = self.waiting.iter().position(|waiting| waiting.place == *place)?;
        self.waiting.remove(at).map(|waiting| waiting.id)
    }

    /// Takes all out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Waiting> {
        self.waiting.drain(..)
    }
}
