//! The guards: what an answer must be before it replaces a good one.

use std::time::Duration;

/// What an answer must be before it replaces a good one. An answer without any address never does, whatever the guards.
///
/// The default: at least one address, believed at once, and no more than 40 % of the addresses go before they were missing for five minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guards {
    /// The least number of addresses; an answer with fewer is held, also when there is no good one yet. Default 1; 0 means 1.
    pub min: usize,
    /// How long a changed answer must be seen unchanged before it counts; default zero: at once. The first answer of all counts at once, since there is nothing to lose.
    pub stable_for: Duration,
    /// How quickly addresses may go; `None` lets all go at once.
    pub max_shrink: Option<MaxShrink>,
}

impl Default for Guards {
    fn default() -> Self {
        Self { min: 1, stable_for: Duration::ZERO, max_shrink: Some(MaxShrink::default()) }
    }
}

/// How quickly addresses may go, so that a short answer by mistake does not empty a good list. New
/// addresses are not slowed.
///
/// An address missing from the answers goes at once while no more than `percent` (but always one) of
/// those in use go within any `hold`. Otherwise it is retained: it stays in use until it has been
/// missing for `hold`. Then, with each further answer, at most `percent` (but always one) of those in
/// use go, the longest missing first. Addresses that came into use within the last `hold` don't count
/// in the base of `percent`: replacing all members does not drop the old ones early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MaxShrink {
    /// The most that may go, in percent of the addresses in use, rounded down; default 40, which is less than a quorum of any cluster.
    pub percent: u8,
    /// How long the others stay; default five minutes.
    pub hold: Duration,
}

impl MaxShrink {
    /// At most `percent` at once, the others after `hold`.
    pub const fn new(percent: u8, hold: Duration) -> Self {
        Self { percent, hold }
    }
}

impl Default for MaxShrink {
    fn default() -> Self {
        Self::new(40, Duration::from_secs(300))
    }
}
