//! How long a run and its jobs usually take, by earlier runs of the same workflow.

use shipway_api as api;
use shipway_store::{Store, StoreError, models::runs::RunRow};
use std::{collections::BTreeMap, time::Duration};

/// So many of the last times that something succeeded count.
const TIMES: usize = 10;

/// So many earlier runs are looked at for the times of jobs, which may succeed in a run that fails.
const RUNS: u32 = 20;

/// How long the run and its jobs usually take.
#[derive(Debug, Default)]
pub(super) struct Usual {
    /// The whole run.
    pub(super) run: Option<api::Usual>,
    /// Each job, by its name.
    jobs: BTreeMap<String, api::Usual>,
}

impl Usual {
    /// As the runs say that were made before this one.
    pub(super) async fn of(store: &Store, run: &RunRow) -> Result<Usual, StoreError> {
        let mut jobs: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        for job in store.job_times(run, RUNS).await? {
            jobs.entry(job.name).or_default().push(job.took);
        }
        let jobs = jobs.into_iter().filter_map(|(name, times)| Some((name, median(times)?)));
        let most = u32::try_from(TIMES).unwrap_or(u32::MAX);
        Ok(Usual { run: median(store.run_times(run, most).await?), jobs: jobs.collect() })
    }

    /// A job with this name.
    pub(super) fn job(&self, name: &str) -> Option<api::Usual> {
        self.jobs.get(name).copied()
    }
}

/// The middle of the newest times, which come first; of an even number the mean of the two in the middle.
fn median(mut times: Vec<Duration>) -> Option<api::Usual> {
    times.truncate(TIMES);
    times.sort_unstable();
    let middle = times.len() / 2;
    let upper = *times.get(middle)?;
    let took = if times.len().is_multiple_of(2) { (times[middle - 1] + upper) / 2 } else { upper };
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    Some(api::Usual { took_ms, times: u32::try_from(times.len()).unwrap_or(u32::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(millis: &[u64], expect: Option<(u64, u32)>) {
        let times = millis.iter().copied().map(Duration::from_millis).collect();
        assert_eq!(median(times).map(|usual| (usual.took_ms, usual.times)), expect, "{millis:?}");
    }

    #[test]
    fn the_middle_counts() {
        check(&[], None);
        check(&[7], Some((7, 1)));
        check(&[9, 1], Some((5, 2)));
        check(&[100, 3, 1], Some((3, 3)));
        // Of eleven the oldest does not count.
        check(&[1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 1_000], Some((2, 10)));
    }

    proptest! {
        #[test]
        fn as_many_are_shorter_as_longer(millis in proptest::collection::vec(0_u64..1_000_000, 1..30)) {
            let newest = &millis[..millis.len().min(TIMES)];
            let times = millis.iter().copied().map(Duration::from_millis).collect();
            let usual = median(times).expect("a median");
            prop_assert_eq!(usual.times as usize, newest.len());
            let shorter = newest.iter().filter(|one| **one < usual.took_ms).count();
            let longer = newest.iter().filter(|one| **one > usual.took_ms).count();
            prop_assert!(shorter * 2 <= newest.len() && longer * 2 <= newest.len(), "{:?}", usual);
        }
    }
}
