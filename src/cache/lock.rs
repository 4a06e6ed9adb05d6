//! One process makes the request, and the others wait for its result or failure.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::time::Duration;

use cloud_autojoin_core::Clock;
use rustix::fs::{FlockOperation, OFlags};
use serde::{Deserialize, Serialize};

use super::{CacheEntry, CacheError, Now};
use crate::result_file::{BootTime, time};

/// How often a lock that another process holds is tried.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// The most that is read of a lock's file.
const MAX_FAILURE_BYTES: u64 = 64 << 10;

/// The lock of an entry. It is released when this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct CacheLock {
    file: File,
}

/// How the last call of another process failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SharedFailure {
    /// The error, without secrets.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the cloud responded, and nothing matched.
    pub is_nothing_matched: bool,
    /// What the call required; a call that requires something else may not fail.
    pub requires: String,
}

impl SharedFailure {
    /// A failure with its error and hint.
    pub fn new(
        message: impl Into<String>,
        hint: Option<String>,
        is_nothing_matched: bool,
        requires: impl Into<String>,
    ) -> Self {
        Self {
            message: message.into(),
            hint,
            is_nothing_matched,
            requires: requires.into(),
        }
    }
}

/// The contents of the lock's file.
#[derive(Serialize, Deserialize)]
struct FailureRecord {
    failed: String,
    boot: Option<BootTime>,
    failure: SharedFailure,
}

impl CacheEntry {
    /// Waits until no other process is requesting this result. `None` if another one still is after
    /// `timeout`: a longer wait would make this process fail with it.
    ///
    /// # Errors
    ///
    /// The lock's file can't be used.
    pub async fn lock(
        &self,
        clock: &Clock,
        timeout: Duration,
    ) -> Result<Option<CacheLock>, CacheError> {
        let flags = OFlags::RDWR | OFlags::CREATE;
        let name = format!("{}.lock", self.name);
        let file = self
            .directory
            .open_file(&name, flags)?
            .ok_or_else(super::directory::removed)?;
        let deadline = clock.now() + timeout;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(CacheLock { file })),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => {
                    return Err(CacheError::new(format!(
                        "cannot lock `{}`: {error}",
                        self.directory.path().join(&name).display()
                    )));
                }
            }
            let left = deadline.saturating_duration_since(clock.now());
            if left.is_zero() {
                return Ok(None);
            }
            clock.sleep(left.min(RETRY_INTERVAL)).await;
        }
    }
}

impl CacheLock {
    /// How a call of another process failed that ended after `since`: it would fail for this
    /// process, too.
    pub fn failure_since(&mut self, since: &Now) -> Option<SharedFailure> {
        let mut text = Vec::new();
        self.file.rewind().ok()?;
        (&self.file)
            .take(MAX_FAILURE_BYTES)
            .read_to_end(&mut text)
            .ok()?;
        let record: FailureRecord = serde_json::from_slice(&text).ok()?;
        let failed = humantime::parse_rfc3339(&record.failed).ok()?;
        let is_later = match (since.boot(), &record.boot) {
            (Some(since), Some(failed)) => {
                since.id == failed.id && failed.milliseconds >= since.milliseconds
            }
            _ => failed >= since.wall(),
        };
        is_later.then_some(record.failure)
    }

    /// Reports a failure to the processes that wait. If that fails, they make their own requests.
    pub fn note_failure(&mut self, failure: SharedFailure, now: &Now) {
        let record = FailureRecord {
            failed: time(now.wall()),
            boot: now.boot().cloned(),
            failure,
        };
        let Ok(text) = serde_json::to_vec(&record) else {
            return;
        };
        let written = self
            .file
            .rewind()
            .and_then(|()| self.file.set_len(0))
            .and_then(|()| self.file.write_all(&text));
        if let Err(error) = written {
            tracing::debug!("a failure isn't reported to waiting processes: {error}");
        }
    }
}
