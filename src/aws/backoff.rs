//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A pause that doubles from `base` with each failure up to `cap`; between half and all of that, by chance, so that
/// many who failed at once do not come back at once.
#[must_use]
pub fn pause(failures: u32, base: Duration, cap: Duration) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let whole = base.saturating_mul(doubled).min(cap);
    // Chance without a generator: std's hash tables are keyed from the kernel's. Nobody gains by guessing it.
    let chance = RandomState::new().hash_one(failures) % 1000;
    let half = whole / 2;
    half + half.mul_f64(chance as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_differ() {
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(2));
        for (failures, whole) in [(0, 100), (1, 100), (2, 200), (4, 800), (6, 2000), (u32::MAX, 2000)] {
            let whole = Duration::from_millis(whole);
            for _ in 0..100 {
                let pause = pause(failures, base, cap);
                assert!((whole / 2..=whole).contains(&pause), "{failures}: {pause:?}");
            }
        }
        let some: std::collections::HashSet<_> = (0..100).map(|_| pause(5, base, cap)).collect();
        assert!(some.len() > 10);
    }
}
