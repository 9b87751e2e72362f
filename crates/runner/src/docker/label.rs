//! The marks by which containers and networks of a job are found again.

use std::collections::BTreeMap;

/// Holds the tracking text of the job.
const JOB: &str = "shipway.job";

/// The labels of everything that belongs to a job.
pub(super) fn labels(tracking: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(JOB.to_owned(), tracking.to_owned())])
}

/// The filter that finds it.
pub(super) fn filter(tracking: &str) -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([("label".to_owned(), vec![format!("{JOB}={tracking}")])])
}
