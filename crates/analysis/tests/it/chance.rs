//! Seeded chance: Poisson and binomial counts, and how many runs of a simulation come out true.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Runs of each simulated scenario.
pub(crate) const RUNS: u64 = 2_000;

/// The generator of one run of one scenario.
pub(crate) fn generator(scenario: u64, run: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(scenario << 32 | run)
}

/// A Poisson count: by inversion, cut into pieces small enough for it.
pub(crate) fn poisson(rng: &mut ChaCha8Rng, mean: f64) -> u64 {
    if mean > 30.0 {
        return poisson(rng, mean / 2.0) + poisson(rng, mean / 2.0);
    }
    let limit = (-mean).exp();
    let (mut count, mut product) = (0, rng.random::<f64>());
    while product > limit {
        count += 1;
        product *= rng.random::<f64>();
    }
    count
}

/// How many of `count` fall where each falls with probability `p`.
pub(crate) fn binomial(rng: &mut ChaCha8Rng, count: u64, p: f64) -> u64 {
    (0..count).map(|_| u64::from(rng.random::<f64>() < p)).sum()
}

/// The fraction of runs that come out true.
pub(crate) fn fraction(scenario: u64, runs: u64, mut run: impl FnMut(&mut ChaCha8Rng) -> bool) -> f64 {
    let hits = (0..runs).filter(|index| run(&mut generator(scenario, *index))).count();
    hits as f64 / runs as f64
}

#[test]
fn counts_have_their_means() {
    let mut rng = generator(99, 0);
    for mean in [0.05, 1.0, 20.0, 100.0] {
        let sum: u64 = (0..20_000).map(|_| poisson(&mut rng, mean)).sum();
        let got = sum as f64 / 20_000.0;
        // Five standard deviations of the mean.
        assert!((got - mean).abs() < 5.0 * (mean / 20_000.0).sqrt(), "{got} for {mean}");
    }
    let sum: u64 = (0..10_000).map(|_| binomial(&mut rng, 40, 0.05)).sum();
    assert!((19_000..21_000).contains(&sum), "{sum}");
}
