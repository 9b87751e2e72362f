//! How many instances a share needs.

use shipway_base::{BUCKETS, Share};

/// The instances that a share of the traffic needs: its part of the replicas, rounded up. The stable version keeps all
/// of its own meanwhile, so that taking the new one back needs nothing to be started.
pub fn replicas_for(replicas: u32, share: Share) -> u32 {
    let part = u64::from(replicas) * u64::from(share.as_basis_points());
    u32::try_from(part.div_ceil(u64::from(BUCKETS))).unwrap_or(replicas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounds_up() {
        for (replicas, percent, expect) in
            [(3, 10, 1), (3, 34, 2), (3, 100, 3), (10, 25, 3), (10, 0, 0), (1, 1, 1), (5, 20, 1), (5, 21, 2)]
        {
            assert_eq!(replicas_for(replicas, Share::percent(percent)), expect, "{percent} % of {replicas}");
        }
    }

    proptest! {
        #[test]
        fn never_more_than_all_and_never_none_for_some(replicas in 1_u32..1_000, points in 0_u16..=10_000) {
            let share = Share::basis_points(points);
            let wanted = replicas_for(replicas, share);
            prop_assert!(wanted <= replicas);
            prop_assert_eq!(wanted == 0, share == Share::ZERO);
            prop_assert!(f64::from(wanted) + 1e-6 >= f64::from(replicas) * share.fraction());
        }
    }
}
