//! Latencies in buckets whose width grows with the value, so that every quantile has the same relative error.
//!
//! Values are microseconds. Below 64 each value has its own bucket; above, every doubling is cut into 32 buckets, so
//! a reported quantile lies within 1/64 (1.6 %) of a value that was recorded at that rank. Histograms of the same
//! kind add up and subtract, which is what makes "since the step began" possible.

/// Buckets per doubling.
const PER_OCTAVE: usize = 32;
/// Values below this have a bucket each.
const EXACT: u64 = 2 * PER_OCTAVE as u64;

/// Counts of latencies in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Counts by bucket; trailing empty buckets are absent, so that equal contents are equal values.
    counts: Vec<u64>,
    /// The sum of `counts`.
    total: u64,
}

/// The bucket of a value: the same for all histograms, growing with the value.
fn bucket_of(value: u64) -> usize {
    if value < EXACT {
        return value as usize;
    }
    // The exponent is at least 6 here: 2^6 = EXACT.
    let octave = value.ilog2() as usize;
    let within = (value >> (octave - 5)) as usize - PER_OCTAVE;
    EXACT as usize + (octave - 6) * PER_OCTAVE + within
}

/// The middle of a bucket.
fn middle(bucket: usize) -> u64 {
    if bucket < EXACT as usize {
        return bucket as u64;
    }
    let above = bucket - EXACT as usize;
    let (octave, within) = (above / PER_OCTAVE + 6, above % PER_OCTAVE);
    let width = 1_u64 << (octave - 5);
    (PER_OCTAVE + within) as u64 * width + width / 2
}

impl Histogram {
    /// The number of buckets that any value can fall into; for recorders that keep an array of atomics.
    pub const BUCKETS: usize = EXACT as usize + (64 - 6) * PER_OCTAVE;

    /// The bucket of a latency, `0..BUCKETS`; for recorders that keep an array of atomics.
    pub fn bucket(micros: u64) -> usize {
        bucket_of(micros)
    }

    /// From counts by bucket, as [`Histogram::counts`] gives them; buckets from `BUCKETS` on are ignored.
    pub fn from_counts(counts: impl IntoIterator<Item = u64>) -> Histogram {
        let mut counts: Vec<u64> = counts.into_iter().take(Histogram::BUCKETS).collect();
        counts.truncate(counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1));
        let total = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        Histogram { counts, total }
    }

    /// The counts by bucket, up to the last one that is not empty.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Records one latency.
    pub fn record(&mut self, micros: u64) {
        self.add(bucket_of(micros), 1);
    }

    /// How many latencies were recorded.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The value at a rank, `0.0..=1.0`, in microseconds, within 1.6 % of a recorded value; `None` when empty.
    pub fn quantile(&self, rank: f64) -> Option<u64> {
        if self.total == 0 {
            return None;
        }
        let wanted = ((rank.clamp(0.0, 1.0) * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0_u64;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if seen >= wanted {
                return Some(middle(bucket));
            }
        }
        // Rounding of `total` to a float can ask for one more than there are.
        self.counts.len().checked_sub(1).map(middle)
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Histogram) {
        for (bucket, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add(bucket, *count);
        }
    }

    /// What was recorded since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let before = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        Histogram::from_counts(self.counts.iter().zip(before).map(|(now, before)| now.saturating_sub(before)))
    }

    fn add(&mut self, bucket: usize, count: u64) {
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(slot) = self.counts.get_mut(bucket) {
            *slot = slot.saturating_add(count);
            self.total = self.total.saturating_add(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_cover_everything() {
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(63), 63);
        assert_eq!(bucket_of(64), 64);
        assert_eq!(bucket_of(u64::MAX), Histogram::BUCKETS - 1);
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    proptest! {
        #[test]
        fn buckets_grow_with_values(a: u64, b: u64) {
            prop_assert!((a <= b) == (bucket_of(a) <= bucket_of(b)) || bucket_of(a) == bucket_of(b));
        }

        #[test]
        fn quantiles_are_close_to_the_sorted_list(
            values in prop::collection::vec(0_u64..10_000_000_000, 1..200), rank in 0.0_f64..=1.0,
        ) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.record(*value));
            let mut sorted = values;
            sorted.sort_unstable();
            let at = ((rank * sorted.len() as f64).ceil() as usize).max(1) - 1;
            let (exact, got) = (sorted[at] as f64, histogram.quantile(rank).unwrap_or(0) as f64);
            prop_assert!((exact - got).abs() <= exact / 63.0, "{exact} {got}");
        }

        #[test]
        fn what_was_added_can_be_taken_away(
            a in prop::collection::vec(0_u64..1_000_000, 0..50), b in prop::collection::vec(0_u64..1_000_000, 0..50),
        ) {
            let record = |values: &[u64]| {
                let mut histogram = Histogram::default();
                values.iter().for_each(|value| histogram.record(*value));
                histogram
            };
            let (a, b) = (record(&a), record(&b));
            let mut both = a.clone();
            both.merge(&b);
            prop_assert_eq!(both.since(&a), b);
            prop_assert_eq!(Histogram::from_counts(both.counts().iter().copied()), both);
        }
    }
}
