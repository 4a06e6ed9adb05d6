//! Keeps the last good answer on disk beside the watch's other work: one write at a time, where blocking is allowed.

use std::sync::Arc;
use std::time::SystemTime;

use cloud_autojoin_core::Address;
use tokio::task::JoinHandle;

use super::last_good::{LastGood, Restored, Scope, Write};
use super::status::StatusReader;

/// The file of the last good answer, if there is to be one, and the write that is on its way.
#[derive(Debug)]
pub(super) struct Keeper {
    last_good: Option<LastGood>,
    writing: Option<JoinHandle<Result<Write, String>>>,
}

impl Keeper {
    pub(super) fn new(last_good: Option<LastGood>) -> Self {
        Self { last_good, writing: None }
    }

    /// What an earlier run left, if it can be used; what is wrong with it goes into the status.
    pub(super) fn restore(&mut self, now: SystemTime, min: usize, status: &StatusReader) -> Option<Restored> {
        self.last_good.as_mut()?.restore(now, min).unwrap_or_else(|trouble| {
            note_trouble(status, trouble);
            None
        })
    }

    /// Notes where addresses are found from now on.
    pub(super) fn set_scope(&mut self, scope: Scope) {
        if let Some(last_good) = &mut self.last_good {
            last_good.set_scope(scope);
        }
    }

    /// Begins to write `addresses`, which are in use, unless they stand in the file. While another write is on its way nothing is begun: the next answer does it.
    pub(super) fn keep(&mut self, addresses: &Arc<[Address]>, now: SystemTime) {
        let (Some(last_good), None) = (&self.last_good, &self.writing) else { return };
        if let Some(write) = last_good.due(addresses, now) {
            self.writing = Some(tokio::task::spawn_blocking(|| write.run()));
        }
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Waits for the write that is on its way. May be dropped and called again.
    pub(super) async fn written(&mut self, status: &StatusReader) {
        let Some(writing) = &mut self.writing else { return };
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
                status.change(|board| board.last_good_error = None);
            }
            Err(trouble) => note_trouble(status, trouble),
        }
    }
}

fn note_trouble(status: &StatusReader, trouble: String) {
    tracing::warn!("{trouble}");
    status.change(|board| board.last_good_error = Some(trouble));
}
