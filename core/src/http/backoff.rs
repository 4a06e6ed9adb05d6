//! Exponential backoff with jitter.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Waits whose bound doubles with each attempt, each one random within its bound, so that a fleet
/// that was throttled together doesn't retry together.
///
/// The wait before retry `n` (from 0) is evenly distributed between zero and `initial * 2^n`, at
/// most `max`.
///
/// With full jitter the sum of the waits may be near zero. Where retries must last for a documented
/// time, [`Backoff::with_min_ratio`] gives every wait a lower bound, and [`Backoff::min_total`] is
/// the lower bound of their sum.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    min_ratio: f64,
    random: fn() -> f64,
}

impl Backoff {
    /// A backoff whose first wait is at most `initial` and whose every wait is at most `max`.
    pub const fn new(initial: Duration, max: Duration) -> Self {
        Self {
            initial,
            max,
            min_ratio: 0.0,
            random,
        }
    }

    /// The same backoff with another source of random numbers from 0 (inclusive) to 1 (exclusive),
    /// for tests.
    #[must_use]
    pub const fn with_random(mut self, random: fn() -> f64) -> Self {
        self.random = random;
        self
    }

    /// The same backoff, in which every wait is at least this part of its bound, from 0 (full
    /// jitter, the default) to 1 (no jitter); 0.5 is known as equal jitter.
    #[must_use]
    pub const fn with_min_ratio(mut self, min_ratio: f64) -> Self {
        self.min_ratio = min_ratio.clamp(0.0, 1.0);
        self
    }

    /// The longest wait before retry `retry`, counted from 0.
    pub fn bound(&self, retry: u32) -> Duration {
        self.initial
            .saturating_mul(1_u32.checked_shl(retry).unwrap_or(u32::MAX))
            .min(self.max)
    }

    /// A wait before retry `retry`, counted from 0.
    pub fn wait(&self, retry: u32) -> Duration {
        let part = self.min_ratio + (1.0 - self.min_ratio) * (self.random)().clamp(0.0, 1.0);
        self.bound(retry).mul_f64(part)
    }

    /// The shortest wait before retry `retry`, counted from 0.
    pub fn min_wait(&self, retry: u32) -> Duration {
        self.bound(retry).mul_f64(self.min_ratio)
    }

    /// The least sum of the waits before `retries` retries.
    pub fn min_total(&self, retries: u32) -> Duration {
        (0..retries)
            .map(|retry| self.min_wait(retry))
            .fold(Duration::ZERO, Duration::saturating_add)
    }
}

impl Default for Backoff {
    /// From 250 ms to 8 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(8))
    }
}

/// A number from 0 to 1. The standard library seeds its hashers from the system, which is enough to
/// spread waits.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits are what an f64 holds exactly"
    )]
    let fraction = bits as f64 / (1_u64 << 53) as f64;
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn bounds_double_up_to_the_maximum_and_never_overflow() {
        let backoff = Backoff::default();
        let bounds: Vec<u128> = (0..8)
            .map(|retry| backoff.bound(retry).as_millis())
            .collect();
        assert_eq!(bounds, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(backoff.bound(u32::MAX), Duration::from_secs(8));
    }

    #[test]
    fn a_wait_is_the_random_part_of_its_bound() {
        let backoff = Backoff::default();
        assert_eq!(backoff.with_random(|| 0.0).wait(3), Duration::ZERO);
        assert_eq!(backoff.with_random(|| 0.5).wait(3), 1000 * MILLISECOND);
        assert_eq!(
            backoff.with_random(|| 0.25).wait(0),
            Duration::from_micros(62_500)
        );
    }

    #[test]
    fn waits_with_a_minimum_ratio_never_add_up_to_less_than_the_guaranteed_total() {
        let backoff =
            Backoff::new(Duration::from_secs(2), Duration::from_secs(25)).with_min_ratio(0.875);
        assert_eq!(backoff.min_total(6), Duration::from_secs(70));
        for random in [|| 0.0, random] {
            let total: Duration = (0..6)
                .map(|retry| backoff.with_random(random).wait(retry))
                .sum();
            assert!((70..80).contains(&total.as_secs()), "{total:?}");
        }
        assert_eq!(Backoff::default().min_total(6), Duration::ZERO);
        assert_eq!(
            Backoff::default()
                .with_min_ratio(0.5)
                .with_random(|| 0.5)
                .wait(3),
            1500 * MILLISECOND
        );
    }

    #[test]
    fn jitter_stays_within_the_bound_and_spreads_over_it() {
        let backoff = Backoff::default();
        let waits: Vec<Duration> = (0..1000).map(|_| backoff.wait(2)).collect();
        assert!(waits.iter().all(|wait| *wait < 1000 * MILLISECOND));
        let low = waits
            .iter()
            .filter(|wait| **wait < 500 * MILLISECOND)
            .count();
        assert!(
            (350..650).contains(&low),
            "{low} of 1000 waits are in the lower half"
        );
    }
}
