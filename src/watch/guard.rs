//! The guards: the checks a result must pass before it replaces the addresses in use.

use std::time::Duration;

/// The checks a result must pass before it replaces the addresses in use. A result without any
/// address never replaces them.
///
/// The default: at least one address, effective at once, and at most 40 % of the addresses are
/// removed before they were missing for five minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guards {
    /// The minimum number of addresses. A result with fewer is held back, also before the first
    /// good one. Default 1; 0 means 1.
    pub min: usize,
    /// How long a changed result must stay the same before it is used; default zero. The first
    /// result is used at once, since there is nothing to lose.
    pub stable_for: Duration,
    /// How quickly addresses are removed; `None` removes all at once.
    pub max_shrink: Option<MaxShrink>,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            min: 1,
            stable_for: Duration::ZERO,
            max_shrink: Some(MaxShrink::default()),
        }
    }
}

/// How quickly addresses are removed, so that a short result by mistake doesn't empty a good list.
/// New addresses aren't delayed.
///
/// A missing address is removed at once while at most `percent` (but always one) of those in use
/// are removed within any `hold`. Otherwise it is retained: it stays in use until it has been
/// missing for `hold`. Then each further result removes at most `percent` (but always one) of those
/// in use, the longest missing first. Addresses added within the last `hold` don't count in the
/// base of `percent`: replacing all members doesn't remove the old ones early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MaxShrink {
    /// The most to remove at once, in percent of the addresses in use, rounded down; default 40,
    /// which is less than a quorum of any cluster.
    pub percent: u8,
    /// How long the others are retained; default five minutes.
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
