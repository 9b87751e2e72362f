//! What an attempt of a run keeps of the one before it, as a field of how it was made.

use super::{
    Specs,
    stored::{Stored as _, stored},
};
use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
use shipway_base::Timestamp;
use shipway_workflow::{
    Texts,
    run::{Conclusion, JobKey, Kept, KeptJob},
};
use std::collections::BTreeMap;

stored! {
    struct KeptRow = KeptJob {
        conclusion: Conclusion,
        outputs: Texts,
        reason: Option<String>,
        started: Option<Timestamp>,
        finished: Timestamp,
        attempt: u32,
        from: u32,
        matrix: Option<String>,
    }
}

/// Writes the jobs by their keys.
pub(super) fn serialize<S: Serializer>(kept: &Kept, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(kept.iter().map(|(key, job)| (&key.0, job.store())))
}

/// Reads them back.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kept, D::Error> {
    let rows = BTreeMap::<String, KeptRow>::deserialize(deserializer)?;
    let restored = rows.into_iter().map(|(key, row)| {
        KeptJob::restore(row, &mut Specs::new()).map(|job| (JobKey(key), job)).map_err(D::Error::custom)
    });
    restored.collect()
}
