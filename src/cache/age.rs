//! The age of a result, by two clocks.

use std::time::{Duration, SystemTime};

use crate::result_file::{BootTime, Record};

/// The present time, by the wall clock and since the machine started.
///
/// The wall clock can be set back, which would make an old result look young. The time since the
/// start can't, but only counts until the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    wall: SystemTime,
    boot: Option<BootTime>,
}

impl Now {
    /// Reads both clocks, with `wall` as the wall clock.
    pub fn at(wall: SystemTime) -> Self {
        Self {
            wall,
            boot: boot_time(),
        }
    }

    #[cfg(test)]
    pub(super) fn new(wall: SystemTime, boot: Option<(&str, Duration)>) -> Self {
        let boot = boot.map(|(id, time)| BootTime {
            id: id.to_owned(),
            milliseconds: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        });
        Self { wall, boot }
    }

    pub(super) fn wall(&self) -> SystemTime {
        self.wall
    }

    pub(super) fn boot(&self) -> Option<&BootTime> {
        self.boot.as_ref()
    }

    /// Whether both times are of the same run of the machine, as far as that is known.
    pub(super) fn is_same_boot(&self, boot: Option<&BootTime>) -> bool {
        self.boot.as_ref().map(|boot| &boot.id) == boot.map(|boot| &boot.id)
    }

    /// The age of a record: the larger of what the clocks give. `None` if it is of the future.
    pub(super) fn age_of(&self, record: &Record) -> Option<Duration> {
        let confirmed = record.confirmed().ok()?;
        self.age(confirmed, record.cached.as_ref()?.boot.as_ref())
    }

    pub(super) fn age(&self, wall: SystemTime, boot: Option<&BootTime>) -> Option<Duration> {
        let by_wall = self.wall.duration_since(wall).ok();
        match (&self.boot, boot) {
            (Some(now), Some(then)) if now.id == then.id => {
                let by_boot =
                    Duration::from_millis(now.milliseconds.checked_sub(then.milliseconds)?);
                Some(by_wall.map_or(by_boot, |by_wall| by_wall.max(by_boot)))
            }
            _ => by_wall,
        }
    }
}

#[cfg(target_os = "linux")]
fn boot_time() -> Option<BootTime> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let milliseconds = u64::try_from(time.tv_nsec / 1_000_000).ok()?;
    Some(BootTime {
        id: id.trim().to_owned(),
        milliseconds: seconds * 1000 + milliseconds,
    })
}

#[cfg(not(target_os = "linux"))]
fn boot_time() -> Option<BootTime> {
    None
}
