//! How often the members of a fleet look, and when they take over.

use std::time::Duration;

/// How often the members of a fleet look, and when they take over.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SharedSettings {
    /// How often the leader polls the cloud; default 30 s.
    pub interval: Duration,
    /// A result that wasn't renewed for so long is too old; default 90 s.
    pub max_age: Duration,
    /// How long a member that took the lease has until its result must be there; default 15 s.
    pub claim_timeout: Duration,
    /// The range of the random delay before a member takes over; default 10 s.
    pub takeover_delay: Duration,
    /// The average time between two polls of a member while the store fails; default 5 min. Each
    /// is half to one and a half times as long. It doubles with each poll that the cloud
    /// throttles, up to an hour.
    pub fallback_interval: Duration,
    /// The range of the random delay before the first of them; default 60 s.
    pub fallback_delay: Duration,
    /// Whether a call waits for another member's result, up to half of its deadline, and does
    /// without the store then: for a one-shot program.
    pub is_once: bool,
}

impl Default for SharedSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            max_age: Duration::from_secs(90),
            claim_timeout: Duration::from_secs(15),
            takeover_delay: Duration::from_secs(10),
            fallback_interval: Duration::from_secs(300),
            fallback_delay: Duration::from_secs(60),
            is_once: false,
        }
    }
}

impl SharedSettings {
    /// The defaults for a leader that polls at `interval`.
    pub fn new(interval: Duration) -> Self {
        let usual = Self::default();
        Self {
            interval,
            max_age: interval * 3,
            claim_timeout: usual.claim_timeout.min(interval / 2),
            takeover_delay: usual.takeover_delay.min(interval / 3),
            ..usual
        }
    }

    /// The settings of a one-shot program: it can't wait for others.
    #[must_use]
    pub fn once(mut self) -> Self {
        (self.takeover_delay, self.fallback_delay) = (Duration::ZERO, Duration::ZERO);
        self.is_once = true;
        self
    }

    /// How often the object should be read: a replaced instance is seen within one interval of the
    /// leader and one of these.
    pub fn read_interval(&self) -> Duration {
        (self.interval / 4).min(Duration::from_secs(8))
    }

    /// How long before the leader's interval is over it may poll already. It looks at each read, so
    /// without this it would poll late by one read interval.
    pub(super) fn slack(&self) -> Duration {
        self.read_interval().mul_f64(1.25)
    }
}
