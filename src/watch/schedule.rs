//! When the cloud is asked: the interval with its jitter, the waits after a failure, and the promise that bounds both.

use std::time::Duration;

use cloud_autojoin_core::http::{Backoff, MAX_OUTAGE_WAIT};
use cloud_autojoin_core::{Error, Moment};

/// How many times more than the interval alone would allow the cloud may be asked: early tries while a role assignment is on its way, a second look at a change.
pub const EARLY_ASKS: u32 = 10;

/// The longest wait that a cloud that throttles may ask for; what asks for more is asked again after
/// this. A cloud that fails is granted [`MAX_OUTAGE_WAIT`].
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How long the interval becomes at most while the cloud throttles.
const MAX_STRETCHED: Duration = Duration::from_secs(600);

/// By how much it stretches with a question of which a request was throttled; the further tries of the same question do not stretch it more.
const STRETCH: f64 = 2.0;

/// In how much time half of the stretch is gone again.
const STRETCH_HALF_LIFE: Duration = Duration::from_secs(1800);

/// Within how much time a throttled question is asked again for the first time, unless the interval is shorter.
const THROTTLED_SPREAD: Duration = Duration::from_secs(30);

/// The longest wait before the next attempt at the start, while nothing answers at all: a metadata
/// service or a network that is late is noticed within seconds.
const START_UNANSWERED: Duration = Duration::from_millis(2500);

/// The same while something answers, with an error.
const START_ANSWERED: Duration = Duration::from_secs(8);

/// How often the cloud is asked.
///
/// A fleet that is larger than the cloud's limits allow at this interval slows down by itself: each question of which a request was throttled stretches the interval of its watch, up to ten minutes,
/// and the stretch wears off by half every half hour. `benches/fleet.md` has the figures that these defaults come from.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Pace {
    /// The time between two questions while all is well; default 30 s. At least a millisecond.
    pub interval: Duration,
    /// How far a wait may differ from the interval, as a part of it, either way; default 0.2. From 0 to 0.9.
    pub jitter: f64,
    /// The first question comes at a random time within this; default zero: at once.
    pub splay: Duration,
    /// The waits after failures, full jitter; default from 1 s to 1 min.
    pub retry: Backoff,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), jitter: 0.2, splay: Duration::ZERO, retry: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)) }
    }
}

impl Pace {
    /// The least time between two questions in the long run: `interval * (1 - jitter)`.
    pub fn period(&self) -> Duration {
        self.least_interval().mul_f64(1.0 - self.jitter.clamp(0.0, 0.9))
    }

    fn least_interval(&self) -> Duration {
        self.interval.max(Duration::from_millis(1))
    }

    /// The promise: in no hour is the cloud asked more often than `1 h / period + EARLY_ASKS + 1` times, whatever happens; 161 times by default.
    /// What a question costs in requests is the provider's matter: for a scale set in Azure two when all is well, and each may be tried five times unless it was throttled.
    pub fn most_asks_per_hour(&self) -> u64 {
        let regular = Duration::from_secs(3600).as_nanos().div_ceil(self.period().as_nanos().max(1));
        u64::from(EARLY_ASKS) + 1 + u64::try_from(regular).unwrap_or(u64::MAX / 2)
    }
}

/// How the requests of one attempt ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// Whether a request was throttled.
    pub throttled: bool,
    /// Whether any request got an HTTP response, from the cloud or a metadata service.
    pub answered: bool,
}

/// Decides when to ask next.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    random: fastrand::Rng,
    /// When the budget is whole again: each question moves it one period on.
    whole_at: Moment,
    /// What the cloud asked for.
    not_before: Moment,
    /// Whether it asked because it throttles.
    is_throttled: bool,
    /// By how much the interval is stretched, as of a moment.
    stretch: (f64, Moment),
}

impl Schedule {
    pub(super) fn new(pace: Pace, random: fastrand::Rng, now: Moment) -> Self {
        Self { pace, random, whole_at: now, not_before: now, is_throttled: false, stretch: (1.0, now) }
    }

    /// When to ask for the first time.
    pub(super) fn first(&mut self, now: Moment) -> Moment {
        now + self.spread(self.pace.splay)
    }

    /// Notes that the cloud is asked now.
    pub(super) fn note_ask(&mut self, now: Moment) {
        self.whole_at = self.whole_at.max(now) + self.pace.period();
    }

    /// Notes that a question ended, and whether the cloud throttled a request of it. Gives the stretch of the interval from now on.
    pub(super) fn note_end(&mut self, now: Moment, throttled: bool) -> f64 {
        let (stretch, since) = self.stretch;
        let half_lives = now.saturating_duration_since(since).as_secs_f64() / STRETCH_HALF_LIFE.as_secs_f64();
        let worn = (stretch * 0.5_f64.powf(half_lives)).max(1.0);
        self.stretch = (if throttled { (worn * STRETCH).min(MAX_STRETCHED.div_duration_f64(self.pace.least_interval())).max(1.0) } else { worn }, now);
        self.stretch.0
    }

    /// When to ask after an answer that settles the matter for now.
    pub(super) fn after_answer(&mut self, now: Moment) -> Moment {
        let jitter = self.pace.jitter.clamp(0.0, 0.9);
        let part = self.stretch.0 * (1.0 - jitter + 2.0 * jitter * self.random.f64());
        self.within_budget(now + self.pace.least_interval().mul_f64(part))
    }

    /// When to ask after an answer that is worth another look at `wanted`: then, or at the regular time if that is earlier.
    pub(super) fn after_doubt(&mut self, now: Moment, wanted: Moment) -> Moment {
        let regular = self.after_answer(now);
        self.within_budget(wanted.max(now)).min(regular)
    }

    /// When to ask after an answer with too few addresses while nothing is in use, the `consecutive`-th question in a row that settled nothing, from 1.
    pub(super) fn after_too_few(&mut self, now: Moment, consecutive: u32) -> Moment {
        let wait = self.spread(self.pace.retry.bound(consecutive.saturating_sub(1)));
        self.after_doubt(now, now + wait)
    }

    /// When to ask after the failure `error`, the `consecutive`-th in a row, from 1. At the start,
    /// until the cloud gave a first answer in this run, it is asked again within seconds, as far as
    /// the budget allows.
    pub(super) fn after_failure(&mut self, now: Moment, error: &Error, end: End, consecutive: u32, is_start: bool) -> Moment {
        self.not_before = now + error.retry_after().unwrap_or_default().min(if end.throttled { MAX_RETRY_AFTER } else { MAX_OUTAGE_WAIT });
        self.is_throttled = end.throttled;
        if !error.is_transient() {
            // Somebody must act: asking early would not help, and what is asked too often with a wrong secret may be locked.
            let longest = self.pace.retry.bound(u32::MAX).max(self.pace.interval);
            let spread = self.spread(longest);
            return self.within_budget(self.not_before + longest / 2 + spread);
        }
        let retry = if end.throttled {
            // Others are in the way: coming back early would put this watch in theirs.
            Backoff::new(self.pace.interval.min(THROTTLED_SPREAD), self.pace.retry.bound(u32::MAX)).bound(consecutive.saturating_sub(1))
        } else {
            self.pace.retry.bound(consecutive.saturating_sub(1))
        };
        if is_start && !end.throttled {
            let longest = if end.answered { START_ANSWERED } else { START_UNANSWERED };
            let wait = retry.min(longest);
            // Half of it for certain, or the budget would be spent before anything had time to come up.
            let spread = self.spread(wait / 2);
            return self.within_budget(self.not_before + wait / 2 + spread);
        }
        // On top of what the cloud asks for, so that a fleet that was told the same time does not come back at the same time.
        let spread = self.spread(retry);
        self.within_budget(self.not_before + spread)
    }

    /// The earliest time from now that the promise allows. Only a cloud that throttles is still
    /// left alone for as long as it asked.
    pub(super) fn soonest(&mut self, now: Moment) -> Moment {
        if !self.is_throttled {
            self.not_before = now;
        }
        self.within_budget(now)
    }

    /// Full jitter: a random part of the whole.
    fn spread(&mut self, whole: Duration) -> Duration {
        whole.mul_f64(self.random.f64())
    }

    fn within_budget(&self, wanted: Moment) -> Moment {
        let credit = self.pace.period().saturating_mul(EARLY_ASKS);
        self.whole_at.checked_sub(credit).map_or(wanted, |allowed| allowed.max(wanted)).max(self.not_before)
    }
}
