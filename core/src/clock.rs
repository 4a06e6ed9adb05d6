//! Time: instants for deadlines, wall-clock time for timestamps of a cloud, and sleeping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

pub use tokio::time::Instant;

/// The clock of a [`Context`](crate::Context).
///
/// It follows tokio's clock, so tests can pause it. For tests with real sockets, which a paused
/// clock would time out at once, [`Clock::auto_advancing`] doesn't wait: every sleep advances the
/// clock and returns.
#[derive(Debug, Clone)]
pub struct Clock {
    /// An instant and its wall-clock time: the origin of virtual time.
    origin: (Instant, SystemTime),
    leapt: Option<Arc<AtomicU64>>,
    machine_time: fn() -> SystemTime,
}

impl Clock {
    /// The real clock, or tokio's clock while that is paused.
    pub fn system() -> Self {
        Self {
            origin: (Instant::now(), SystemTime::now()),
            leapt: None,
            machine_time: SystemTime::now,
        }
    }

    /// The same clock with `machine_time` as the wall clock of the machine.
    #[cfg(test)]
    pub(crate) fn with_wall(self, machine_time: fn() -> SystemTime) -> Self {
        Self {
            machine_time,
            ..self
        }
    }

    /// A clock whose [`Clock::sleep`] advances it and returns at once: for tests with real sockets.
    pub fn auto_advancing() -> Self {
        Self {
            leapt: Some(Arc::default()),
            ..Self::system()
        }
    }

    /// The current instant.
    pub fn now(&self) -> Instant {
        Instant::now() + self.leapt()
    }

    /// The current wall-clock time of the machine, including corrections of its clock. While
    /// tokio's clock is paused it advances with that.
    ///
    /// It may jump in either direction. Measure durations with [`Clock::now`].
    pub fn wall(&self) -> SystemTime {
        if is_real_time() {
            return (self.machine_time)() + self.leapt();
        }
        let (moment, wall) = self.origin;
        wall + self.now().saturating_duration_since(moment)
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        match &self.leapt {
            #[expect(clippy::disallowed_methods, reason = "the one place that waits")]
            None => tokio::time::sleep(duration).await,
            Some(leapt) => {
                leapt.fetch_add(
                    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
                    Ordering::SeqCst,
                );
                tokio::task::yield_now().await;
            }
        }
    }

    fn leapt(&self) -> Duration {
        self.leapt.as_ref().map_or(Duration::ZERO, |leapt| {
            Duration::from_nanos(leapt.load(Ordering::SeqCst))
        })
    }
}

/// Whether tokio's clock is the machine's: it is neither paused (behind) nor advanced (ahead).
fn is_real_time() -> bool {
    let before = std::time::Instant::now();
    let tokio = Instant::now().into_std();
    (before..=std::time::Instant::now()).contains(&tokio)
}

/// `moment + duration`, or an instant decades away if that overflows.
pub(crate) fn later(moment: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    moment + duration.min(FAR)
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
        assert_eq!(
            clock.wall().duration_since(before).ok(),
            Some(Duration::from_secs(3600))
        );
    }

    #[tokio::test]
    async fn a_correction_of_the_machines_clock_counts_at_once() {
        static PRECONNECT: AtomicU64 = AtomicU64::new(2 * 3600);
        let right = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = Clock::system().with_wall(|| {
            SystemTime::UNIX_EPOCH
                + Duration::from_secs(1_800_000_000 + PRECONNECT.load(Ordering::SeqCst))
        });
        assert_eq!(clock.wall(), right + Duration::from_secs(2 * 3600));
        PRECONNECT.store(0, Ordering::SeqCst);
        assert_eq!(clock.wall(), right);
    }

    #[tokio::test]
    async fn a_leaping_clock_is_ahead_after_a_wait_that_took_no_time() {
        let clock = Clock::auto_advancing();
        let (virtual_start, real_start) = (clock.now(), Instant::now());
        clock.clone().sleep(Duration::from_secs(3600)).await;
        assert!(clock.now() - virtual_start >= Duration::from_secs(3600));
        assert!(real_start.elapsed() < Duration::from_secs(60));
    }
}
