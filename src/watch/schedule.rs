//! When a watch polls: the interval with its jitter, the delays after failures, and the budget that
//! bounds both.

use std::time::Duration;

use cloud_autojoin_core::http::{Backoff, MAX_OUTAGE_WAIT};
use cloud_autojoin_core::{Error, Instant};

/// Polls allowed on top of the regular ones: early retries while a permission propagates, a second
/// poll after a change.
pub const BURST: u32 = 10;

/// The longest `Retry-After` of a throttled request that is honoured. For other failures it is
/// [`MAX_OUTAGE_WAIT`].
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The longest interval while the cloud throttles.
const MAX_STRETCHED: Duration = Duration::from_secs(600);

/// The factor by which a poll with a throttled request stretches the interval. Further retries of
/// the same failure don't stretch it more.
const STRETCH: f64 = 2.0;

/// The half-life of the stretch.
const STRETCH_HALF_LIFE: Duration = Duration::from_secs(1800);

/// The range of the first delay after a throttled poll, unless the interval is shorter.
const THROTTLED_SPREAD: Duration = Duration::from_secs(30);

/// The longest delay before the next poll at the start while nothing responds: a metadata service
/// or a network that is late is noticed within seconds.
const START_UNREACHABLE: Duration = Duration::from_secs(2);

/// The same while something responds with an error.
const START_RESPONDING: Duration = Duration::from_secs(8);

/// How often a watch polls.
///
/// A fleet that exceeds the cloud's limits at this interval slows down by itself: each poll with a
/// throttled request stretches the interval of its watch, up to ten minutes, and the stretch halves
/// every half hour. `benches/fleet.md` has the measurements behind these defaults.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Pace {
    /// The time between two polls while they succeed; default 30 s. At least a millisecond.
    pub interval: Duration,
    /// How much earlier than the interval a poll may come, as a fraction of it; default 0.2. From 0
    /// to 0.9. Jitter never lengthens the interval, so a change is seen within one.
    pub jitter: f64,
    /// The first poll starts at a random time within this; default zero.
    pub splay: Duration,
    /// The delays after failures, with full jitter; default from 1 s to 1 min.
    pub retry: Backoff,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            jitter: 0.2,
            splay: Duration::ZERO,
            retry: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
        }
    }
}

impl Pace {
    /// The minimum average time between two polls: `interval * (1 - jitter)`.
    pub fn period(&self) -> Duration {
        self.least_interval()
            .mul_f64(1.0 - self.jitter.clamp(0.0, 0.9))
    }

    fn least_interval(&self) -> Duration {
        self.interval.max(Duration::from_millis(1))
    }

    /// The most polls in any hour, whatever happens: `1 h / period + BURST + 1`; 161 by default.
    /// How many requests a poll takes depends on the provider. Polls of the start whose requests
    /// all got no response don't count: they cost the cloud nothing.
    pub fn max_polls_per_hour(&self) -> u64 {
        let regular = Duration::from_secs(3600)
            .as_nanos()
            .div_ceil(self.period().as_nanos().max(1));
        u64::from(BURST) + 1 + u64::try_from(regular).unwrap_or(u64::MAX / 2)
    }
}

/// How the requests of one poll ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct PollEnd {
    /// Whether a request was throttled.
    pub throttled: bool,
    /// Whether any request got an HTTP response, from the cloud or a metadata service.
    pub has_response: bool,
    /// Whether there were requests at all.
    pub has_requests: bool,
}

/// Decides when to poll next.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    random: fastrand::Rng,
    /// When the budget is full again: each poll moves it by one period.
    whole_at: Instant,
    /// The same before the newest poll.
    whole_before: Instant,
    /// The time that `Retry-After` gave.
    not_before: Instant,
    /// Whether that was because of throttling.
    is_throttled: bool,
    /// The factor of the interval, and when it was computed.
    stretch: (f64, Instant),
}

impl Schedule {
    pub(super) fn new(pace: Pace, random: fastrand::Rng, now: Instant) -> Self {
        Self {
            pace,
            random,
            whole_at: now,
            whole_before: now,
            not_before: now,
            is_throttled: false,
            stretch: (1.0, now),
        }
    }

    /// When to poll for the first time.
    pub(super) fn first(&mut self, now: Instant) -> Instant {
        now + self.spread(self.pace.splay)
    }

    /// Records that a poll starts now.
    pub(super) fn note_poll(&mut self, now: Instant) {
        self.whole_before = self.whole_at;
        self.whole_at = self.whole_at.max(now) + self.pace.period();
    }

    /// Records that a poll ended, and whether a request of it was throttled. Returns the factor of
    /// the interval from now on.
    pub(super) fn note_poll_end(&mut self, now: Instant, throttled: bool) -> f64 {
        let (stretch, since) = self.stretch;
        let half_lives =
            now.saturating_duration_since(since).as_secs_f64() / STRETCH_HALF_LIFE.as_secs_f64();
        let worn = (stretch * 0.5_f64.powf(half_lives)).max(1.0);
        self.stretch = (
            if throttled {
                (worn * STRETCH)
                    .min(MAX_STRETCHED.div_duration_f64(self.pace.least_interval()))
                    .max(1.0)
            } else {
                worn
            },
            now,
        );
        self.stretch.0
    }

    /// When to poll after a success.
    pub(super) fn after_success(&mut self, now: Instant) -> Instant {
        let jitter = self.pace.jitter.clamp(0.0, 0.9);
        let part = self.stretch.0 * (1.0 - jitter * self.random.f64());
        self.within_budget(now + self.pace.least_interval().mul_f64(part))
    }

    /// When to poll after a result that should be checked again at `wanted`: then, or at the
    /// regular time if that is earlier.
    pub(super) fn after_unsettled(&mut self, now: Instant, wanted: Instant) -> Instant {
        let regular = self.after_success(now);
        self.within_budget(wanted.max(now)).min(regular)
    }

    /// When to poll after a result with too few addresses while none are in use. `consecutive`
    /// counts the unsettled polls, from 1.
    pub(super) fn after_too_few(&mut self, now: Instant, consecutive: u32) -> Instant {
        let wait = self.spread(self.pace.retry.bound(consecutive.saturating_sub(1)));
        self.after_unsettled(now, now + wait)
    }

    /// When to poll after the failure `error`, the `consecutive`-th, from 1. At the start, until
    /// the first success of this run, it polls within seconds as far as the budget allows; polls
    /// that nothing responded to don't use it up, however late the network or the cloud is.
    pub(super) fn after_failure(
        &mut self,
        now: Instant,
        error: &Error,
        end: PollEnd,
        consecutive: u32,
        is_start: bool,
    ) -> Instant {
        self.not_before = now
            + error
                .retry_after()
                .unwrap_or_default()
                .min(if end.throttled {
                    MAX_RETRY_AFTER
                } else {
                    MAX_OUTAGE_WAIT
                });
        self.is_throttled = end.throttled;
        if !error.is_transient() {
            // It needs intervention: an early retry wouldn't help, and repeated attempts with a
            // wrong secret may lock the account.
            let longest = self.pace.retry.bound(u32::MAX).max(self.pace.interval);
            let spread = self.spread(longest);
            return self.within_budget(self.not_before + longest / 2 + spread);
        }
        let retry = if end.throttled {
            // Other callers use the limit up: an early retry would only add to it.
            Backoff::new(
                self.pace.interval.min(THROTTLED_SPREAD),
                self.pace.retry.bound(u32::MAX),
            )
            .bound(consecutive.saturating_sub(1))
        } else {
            self.pace.retry.bound(consecutive.saturating_sub(1))
        };
        if is_start && !end.throttled {
            let longest = if end.has_response {
                START_RESPONDING
            } else {
                if end.has_requests {
                    self.whole_at = self.whole_before;
                }
                START_UNREACHABLE
            };
            let wait = retry.min(longest);
            // Half of it is fixed, or the budget would be used up before anything had time to
            // start.
            let spread = self.spread(wait / 2);
            return self.within_budget(self.not_before + wait / 2 + spread);
        }
        // In addition to `Retry-After`, so that a fleet that got the same value doesn't return at
        // the same time.
        let spread = self.spread(retry);
        self.within_budget(self.not_before + spread)
    }

    /// The earliest time that the budget allows. Only the `Retry-After` of a throttled request
    /// still counts.
    pub(super) fn soonest(&mut self, now: Instant) -> Instant {
        if !self.is_throttled {
            self.not_before = now;
        }
        self.within_budget(now)
    }

    /// Full jitter: a random duration up to `whole`.
    fn spread(&mut self, whole: Duration) -> Duration {
        whole.mul_f64(self.random.f64())
    }

    fn within_budget(&self, wanted: Instant) -> Instant {
        let credit = self.pace.period().saturating_mul(BURST);
        self.whole_at
            .checked_sub(credit)
            .map_or(wanted, |allowed| allowed.max(wanted))
            .max(self.not_before)
    }
}
