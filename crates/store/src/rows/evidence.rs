//! Evidence as it is stored: counts by signal and share, latencies as the buckets that are not empty.

use super::stored::{Specs, Stored, stored};
use crate::{Result, StoreError};
use shipway_analysis::{ArmCount, ArmTotals, Evidence, FirstEvents, Histogram, Signal};
use std::collections::BTreeMap;

stored! {
    struct EvidenceRow = Evidence {
        epoch: u64,
        first: BTreeMap<Signal, FirstEvents>,
        stable: ArmTotals,
        canary: ArmTotals,
        thresholds_us: Option<[u64; 3]>,
        excluded: u64,
        uncounted: u64,
    }
    struct ArmTotalsRow = ArmTotals {
        requests: u64,
        failures: u64,
        clients: u64,
        causes: BTreeMap<String, u64>,
        latency: Histogram,
    }
}

impl Stored for BTreeMap<Signal, FirstEvents> {
    /// By the signal's name: share in basis points, stable count, canary count.
    type Row = BTreeMap<String, Vec<(u16, u64, u64)>>;

    fn store(&self) -> Self::Row {
        let counts = |first: &FirstEvents| {
            let count = |(share, count): (&shipway_base::Share, &ArmCount)| {
                (share.as_basis_points(), count.stable, count.canary)
            };
            first.by_share.iter().map(count).collect()
        };
        self.iter().map(|(signal, first)| (signal.name().to_owned(), counts(first))).collect()
    }

    fn restore(row: Self::Row, _: &mut Specs) -> Result<Self> {
        row.into_iter()
            .map(|(name, counts)| {
                let signal = Signal::by_name(&name).ok_or_else(|| {
                    StoreError::corrupt("evidence", format_args!("unknown signal {name:?}"))
                })?;
                let count = |(share, stable, canary)| {
                    (shipway_base::Share::basis_points(share), ArmCount { stable, canary })
                };
                Ok((signal, FirstEvents { by_share: counts.into_iter().map(count).collect() }))
            })
            .collect()
    }
}

impl Stored for Histogram {
    /// Buckets that are not empty: index and count.
    type Row = Vec<(usize, u64)>;

    fn store(&self) -> Self::Row {
        self.counts().iter().copied().enumerate().filter(|(_, count)| *count > 0).collect()
    }

    fn restore(row: Self::Row, _: &mut Specs) -> Result<Histogram> {
        let mut counts = vec![0; row.last().map_or(0, |(last, _)| last + 1).min(Histogram::BUCKETS)];
        for (bucket, count) in row {
            match counts.get_mut(bucket) {
                Some(slot) => *slot = count,
                None => {
                    let reason = format!("its latencies have a bucket {bucket} out of order");
                    return Err(StoreError::corrupt("evidence", reason));
                }
            }
        }
        Ok(Histogram::from_counts(counts))
    }
}
