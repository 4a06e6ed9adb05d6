//! Writes the last good result to disk in the background, one write at a time on a blocking thread.

use std::sync::Arc;
use std::time::SystemTime;

use cloud_autojoin_core::Address;
use tokio::task::JoinHandle;

use super::last_good::{LastGood, Restored, Scope, Write};
use super::status::StatusReader;

/// The file of the last good result, if it is kept, and the write in progress.
#[derive(Debug)]
pub(super) struct SnapshotWriter {
    last_good: Option<LastGood>,
    writing: Option<JoinHandle<Result<Write, String>>>,
}

impl SnapshotWriter {
    pub(super) fn new(last_good: Option<LastGood>) -> Self {
        Self {
            last_good,
            writing: None,
        }
    }

    /// Reads the result of an earlier run, if it can be used. An error goes into the status.
    pub(super) fn restore(
        &mut self,
        now: SystemTime,
        min: usize,
        status: &StatusReader,
    ) -> Option<Restored> {
        self.last_good
            .as_mut()?
            .restore(now, min)
            .unwrap_or_else(|error| {
                note_error(status, error);
                None
            })
    }

    /// Sets the scope in which addresses are found from now on.
    pub(super) fn set_scope(&mut self, scope: Scope) {
        if let Some(last_good) = &mut self.last_good {
            last_good.set_scope(scope);
        }
    }

    /// Starts to write `addresses`, which are in use, unless the file has them. Does nothing while
    /// a write is in progress: the next result starts another.
    pub(super) fn save(&mut self, addresses: &Arc<[Address]>, now: SystemTime) {
        let (Some(last_good), None) = (&self.last_good, &self.writing) else {
            return;
        };
        if let Some(write) = last_good.due(addresses, now) {
            self.writing = Some(tokio::task::spawn_blocking(|| write.run()));
        }
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Waits for the write in progress. Cancel-safe.
    pub(super) async fn finish(&mut self, status: &StatusReader) {
        let Some(writing) = &mut self.writing else {
            return;
        };
        let written = writing.await;
        self.writing = None;
        let written = written.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(format!("the last good answer was not written: {error}")),
        });
        match written {
            Ok(written) => {
                if let Some(last_good) = &mut self.last_good {
                    last_good.note(written);
                }
                status.change(|state| state.last_good_error = None);
            }
            Err(error) => note_error(status, error),
        }
    }
}

fn note_error(status: &StatusReader, error: String) {
    tracing::warn!("{error}");
    status.change(|state| state.last_good_error = Some(error));
}
