//! How long to wait before the next try.

use crate::limits::{DIAL_PAUSE_MAX, DIAL_PAUSE_MIN};
use std::time::Duration;

/// The pause after so many failures: it doubles up to a bound, and a random quarter is taken off, so that servers that
/// failed together do not try together.
pub(crate) fn pause(failures: u32, random: u64) -> Duration {
    let doubled = DIAL_PAUSE_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(DIAL_PAUSE_MAX);
    let quarter = doubled / 4;
    let off = quarter.mul_f64((random % 1024) as f64 / 1024.0);
    doubled - off
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pause_stays_within_its_bounds(failures: u32, random: u64) {
            let pause = pause(failures, random);
            prop_assert!(pause >= DIAL_PAUSE_MIN / 4 * 3 && pause <= DIAL_PAUSE_MAX);
        }
    }

    #[test]
    fn pauses_double() {
        let pauses: Vec<u128> = (1..8).map(|failures| pause(failures, 0).as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }
}
