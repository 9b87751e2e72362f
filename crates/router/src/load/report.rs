//! What became of the load so far.

use super::{Failure, Observer, Outcome};
use crate::{
    Quantiles,
    histogram::{Recorder, quantiles},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// What became of a load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Requests that have an outcome.
    pub requests: u64,
    /// What each version answered, by the version's name.
    pub versions: BTreeMap<String, VersionReport>,
    /// Failures without an answer that names its version, by cause.
    pub unattributed: BTreeMap<String, u64>,
    /// Requests failed by the router or by the shifting itself.
    pub dropped: u64,
    /// Requests sent more than a second after they were due, because all lanes were busy.
    pub late: u64,
}

/// What one version answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionReport {
    /// Requests it answered.
    pub requests: u64,
    /// Those that failed, by cause.
    pub failures: BTreeMap<String, u64>,
    /// Time to the end of the answer.
    pub latency_us: Quantiles,
}

/// Gathers outcomes from all lanes.
pub(super) struct Ledger {
    observer: Option<Observer>,
    totals: Mutex<Totals>,
}

#[derive(Default)]
struct Totals {
    report: Report,
    latencies: BTreeMap<String, Recorder>,
}

impl Report {
    /// All failures, of versions and unattributed.
    pub fn failures(&self) -> u64 {
        let of_versions = self.versions.values().flat_map(|version| version.failures.values());
        of_versions.chain(self.unattributed.values()).sum()
    }
}

impl Ledger {
    pub(super) fn new(observer: Option<Observer>) -> Ledger {
        Ledger { observer, totals: Mutex::default() }
    }

    pub(super) fn record(&self, outcome: &Outcome) {
        {
            let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
            let Totals { report, latencies } = &mut *totals;
            report.requests += 1;
            report.dropped += u64::from(outcome.failure.as_ref().is_some_and(Failure::is_dropped));
            let failures = match &outcome.version {
                Some(name) => {
                    if !report.versions.contains_key(name) {
                        report.versions.insert(name.clone(), VersionReport::default());
                        latencies.insert(name.clone(), Recorder::new());
                    }
                    latencies.get(name).into_iter().for_each(|latency| latency.record(outcome.micros));
                    let version = report.versions.entry(name.clone()).or_default();
                    version.requests += 1;
                    &mut version.failures
                }
                None => &mut report.unattributed,
            };
            if let Some(failure) = &outcome.failure {
                *failures.entry(failure.to_string()).or_default() += 1;
            }
        }
        if let Some(observer) = &self.observer {
            observer(outcome);
        }
    }

    pub(super) fn late(&self) {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).report.late += 1;
    }

    pub(super) fn report(&self) -> Report {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report = totals.report.clone();
        for (name, version) in &mut report.versions {
            version.latency_us =
                totals.latencies.get(name).map(|all| quantiles(&all.counts())).unwrap_or_default();
        }
        report
    }
}
