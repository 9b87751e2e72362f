//! Something about each job of each run, found without a copy of its key: a log of a million lines asks as often.

use shipway_workflow::run::JobKey;
use std::collections::BTreeMap;

/// By run and job, in their order.
#[derive(Debug)]
pub(super) struct Jobs<T>(BTreeMap<usize, BTreeMap<JobKey, T>>);

impl<T> Default for Jobs<T> {
    fn default() -> Jobs<T> {
        Jobs(BTreeMap::new())
    }
}

impl<T> Jobs<T> {
    pub(super) fn get(&self, run: usize, job: &JobKey) -> Option<&T> {
        self.0.get(&run)?.get(job)
    }

    pub(super) fn get_mut(&mut self, run: usize, job: &JobKey) -> Option<&mut T> {
        self.0.get_mut(&run)?.get_mut(job)
    }

    /// Takes the place of what was there.
    pub(super) fn insert(&mut self, run: usize, job: JobKey, value: T) {
        self.0.entry(run).or_default().insert(job, value);
    }

    /// What is there, after putting it there when nothing is.
    pub(super) fn get_or_insert_with(&mut self, run: usize, job: JobKey, new: impl FnOnce() -> T) -> &mut T {
        self.0.entry(run).or_default().entry(job).or_insert_with(new)
    }

    /// Those of one run.
    pub(super) fn of(&self, run: usize) -> impl Iterator<Item = (&JobKey, &T)> {
        self.0.get(&run).into_iter().flatten()
    }
}
