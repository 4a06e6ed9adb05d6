//! The simulator's clock: the machine's wall time, or tokio's paused time.
//!
//! Under tokio's paused clock a token expires when the test advances time, and `exp`, `expires_on`
//! and `Retry-After` dates agree with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use tokio::time::Instant;

/// The machine's wall time; under tokio's paused clock, that of the start moved on by it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    wall: SystemTime,
    started: Instant,
    machine_time: fn() -> SystemTime,
}

impl Clock {
    /// A clock that is started now.
    pub(crate) fn start() -> Self {
        Self {
            wall: SystemTime::now(),
            started: Instant::now(),
            machine_time: SystemTime::now,
        }
    }

    /// Time since the clock was started.
    pub(crate) fn offset(&self) -> Duration {
        self.started.elapsed()
    }

    /// The present wall time. A correction of the machine's clock counts from then on.
    pub(crate) fn now(&self) -> SystemTime {
        if is_real_time() {
            (self.machine_time)()
        } else {
            self.wall + self.offset()
        }
    }

    /// The present time in whole seconds since 1970-01-01T00:00:00Z.
    pub(crate) fn unix_seconds(&self) -> u64 {
        self.now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_secs())
    }

    /// The present year.
    pub(crate) fn year(&self) -> i32 {
        OffsetDateTime::from(self.now()).year()
    }

    /// The present time as `2021-11-17 23:25:07Z`.
    pub(crate) fn timestamp(&self) -> String {
        let now = OffsetDateTime::from(self.now());
        let ((hour, minute, second), date) = (now.to_hms(), now.date());
        format!("{date} {hour:02}:{minute:02}:{second:02}Z")
    }

    /// A time in unix seconds as `10/16/2018 6:09:32 PM`.
    pub(crate) fn american(unix_seconds: u64) -> String {
        let time = OffsetDateTime::from(UNIX_EPOCH + Duration::from_secs(unix_seconds));
        let (hour, minute, second) = time.to_hms();
        let half = if hour < 12 { "AM" } else { "PM" };
        let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        format!("{month}/{day}/{year} {twelve}:{minute:02}:{second:02} {half}")
    }
}

/// Whether tokio's clock is the machine's. A paused one is behind it, an advanced one ahead.
fn is_real_time() -> bool {
    let before = std::time::Instant::now();
    let tokio = Instant::now().into_std();
    (before..=std::time::Instant::now()).contains(&tokio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_correction_of_the_machines_clock_counts_at_once() {
        let machine_time = || UNIX_EPOCH + Duration::from_secs(1_637_191_507);
        let clock = Clock {
            machine_time,
            ..Clock::start()
        };
        assert_eq!(clock.timestamp(), "2021-11-17 23:25:07Z");
    }

    #[tokio::test(start_paused = true)]
    async fn wall_time_runs_with_the_paused_clock() {
        let clock = Clock::start();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(
            clock.now().duration_since(before).ok(),
            Some(Duration::from_secs(3600))
        );
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(Clock::american(0), "1/1/1970 12:00:00 AM");
        assert_eq!(Clock::american(1_709_164_800), "2/29/2024 12:00:00 AM");
        assert_eq!(Clock::american(1_539_713_372), "10/16/2018 6:09:32 PM");
    }
}
