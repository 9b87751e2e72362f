//! Latencies that many threads record at once, into the buckets that evidence uses.

use crate::Quantiles;
use shipway_analysis::Histogram;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts that many threads may add to.
#[derive(Debug)]
pub(crate) struct Recorder {
    buckets: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

/// Everything from 2^36 microseconds (19 hours) counts as that, which keeps the array small.
const TOP: u64 = 1 << 36;

impl Recorder {
    pub(crate) fn new() -> Recorder {
        let buckets = (0..=Histogram::bucket(TOP)).map(|_| AtomicU64::new(0)).collect();
        Recorder { buckets, sum_us: AtomicU64::new(0) }
    }

    pub(crate) fn record(&self, micros: u64) {
        if let Some(bucket) = self.buckets.get(Histogram::bucket(micros.min(TOP))) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum_us.fetch_add(micros, Relaxed);
    }

    pub(crate) fn counts(&self) -> Histogram {
        Histogram::from_counts(self.buckets.iter().map(|bucket| bucket.load(Relaxed)))
    }

    /// The sum of everything recorded, in microseconds.
    pub(crate) fn sum_us(&self) -> u64 {
        self.sum_us.load(Relaxed)
    }
}

/// How many latencies were at most `micros`, rounded up to a whole bucket.
pub(crate) fn at_most(histogram: &Histogram, micros: u64) -> u64 {
    histogram.counts().iter().take(Histogram::bucket(micros) + 1).sum()
}

pub(crate) fn quantiles(histogram: &Histogram) -> Quantiles {
    let [p50, p95, p99, max] = [0.5, 0.95, 0.99, 1.0].map(|q| histogram.quantile(q).unwrap_or(0));
    Quantiles { p50, p95, p99, max }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn the_longest_latency_has_a_place() {
        let recorder = Recorder::new();
        recorder.record(u64::MAX);
        assert_eq!(recorder.counts().total(), 1);
        assert_eq!(quantiles(&Histogram::default()), Quantiles::default());
    }

    proptest! {
        #[test]
        fn records_what_a_plain_histogram_does(values in vec(0_u64..1 << 36, 0..100), bound in 1_u64..1 << 36) {
            let (recorder, mut plain) = (Recorder::new(), Histogram::default());
            for value in &values {
                recorder.record(*value);
                plain.record(*value);
            }
            prop_assert_eq!(recorder.counts(), plain);
            prop_assert_eq!(recorder.sum_us(), values.iter().sum::<u64>());
            let exact = values.iter().filter(|value| **value <= bound).count() as u64;
            let loose = values.iter().filter(|value| **value <= bound + bound / 16 + 1).count() as u64;
            prop_assert!((exact..=loose).contains(&at_most(&recorder.counts(), bound)));
        }
    }
}
