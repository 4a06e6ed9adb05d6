//! Time as the project sees it: moments for deadlines, wall-clock time for what a cloud says, and waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

pub use tokio::time::Instant as Moment;

/// The clock of a [`Context`](crate::Context).
///
/// It follows tokio's clock, so a test under tokio's paused clock controls it. Where a test has real sockets, which a paused clock would time out at once, [`Clock::leaping`]
/// waits for nothing: every wait moves the clock ahead and returns.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: Moment,
    wall: SystemTime,
    leapt: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The real clock, or tokio's paused one where that is on.
    pub fn system() -> Self {
        Self { origin: Moment::now(), wall: SystemTime::now(), leapt: None }
    }

    /// A clock whose [`Clock::sleep`] moves it ahead by the whole wait and returns at once: for tests with real sockets.
    pub fn leaping() -> Self {
        Self { leapt: Some(Arc::default()), ..Self::system() }
    }

    /// This moment.
    pub fn now(&self) -> Moment {
        Moment::now() + self.leapt()
    }

    /// The wall-clock time of this moment. It starts from the system's time and then runs evenly, so a jump of the system's clock does not make a token look expired or fresh.
    pub fn wall(&self) -> SystemTime {
        self.wall + self.now().saturating_duration_since(self.origin)
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        match &self.leapt {
            #[expect(clippy::disallowed_methods, reason = "the one place that waits")]
            None => tokio::time::sleep(duration).await,
            Some(leapt) => {
                leapt.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        }
    }

    fn leapt(&self) -> Duration {
        self.leapt.as_ref().map_or(Duration::ZERO, |leapt| Duration::from_nanos(leapt.load(Ordering::SeqCst)))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_runs_with_tokios_clock() {
        let clock = Clock::system();
        let before = clock.wall();
        clock.sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.wall().duration_since(before).ok(), Some(Duration::from_secs(3600)));
    }

    #[tokio::test]
    async fn a_leaping_clock_is_ahead_after_a_wait_that_took_no_time() {
        let clock = Clock::leaping();
        let (virtual_start, real_start) = (clock.now(), Moment::now());
        clock.clone().sleep(Duration::from_secs(3600)).await;
        assert!(clock.now() - virtual_start >= Duration::from_secs(3600));
        assert!(real_start.elapsed() < Duration::from_secs(60));
    }
}
