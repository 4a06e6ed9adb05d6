//! Writes the last good result to disk in the background, one write at a time on a blocking thread.

use std::sync::Arc;
use std::time::SystemTime;

use cloud_autojoin_core::{Address, Discovery};
use tokio::task::JoinHandle;

use super::last_good::{LastGood, Restored, Write};
use super::status::StatusReader;
use crate::result_file::Scope;

/// The file of the last good result and the entry in the cache, if they are kept, and the write in
/// progress.
#[derive(Debug)]
pub(super) struct SnapshotWriter {
    last_good: Option<LastGood>,
    #[cfg(unix)]
    cache: Option<crate::cache::CacheEntry>,
    writing: Option<JoinHandle<Written>>,
}

/// What came of a write.
#[derive(Debug, Default)]
struct Written {
    last_good: Option<Result<Write, String>>,
    cache_error: Option<String>,
}

/// Stores a result in the cache.
type Store = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// What a provider found, and where it looked.
pub(super) type Found = (Arc<Discovery>, Vec<(&'static str, String)>);

impl SnapshotWriter {
    pub(super) fn new(last_good: Option<LastGood>) -> Self {
        Self {
            last_good,
            #[cfg(unix)]
            cache: None,
            writing: None,
        }
    }

    /// Sets the entry of the cache.
    #[cfg(unix)]
    pub(super) fn set_cache(&mut self, cache: Option<crate::cache::CacheEntry>) {
        self.cache = cache;
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

    /// Starts to write `addresses`, which are in use, unless the file has them, and what was found
    /// to the cache, unless a guard holds a part of it back. Does nothing while a write is in
    /// progress: the next result starts another.
    pub(super) fn save(
        &mut self,
        addresses: &Arc<[Address]>,
        found: Option<Found>,
        now: SystemTime,
    ) {
        if self.writing.is_some() {
            return;
        }
        let due = self.last_good.as_ref();
        let write = due.and_then(|last_good| last_good.due(addresses, now));
        let store = self.storing(found, now);
        if write.is_none() && store.is_none() {
            return;
        }
        self.writing = Some(tokio::task::spawn_blocking(move || Written {
            last_good: write.map(Write::run),
            cache_error: store.and_then(|store| store().err()),
        }));
    }

    #[cfg(unix)]
    fn storing(&self, found: Option<Found>, now: SystemTime) -> Option<Store> {
        let (entry, (discovery, scope)) = (self.cache.clone()?, found?);
        let now = crate::cache::Now::at(now);
        Some(Box::new(move || {
            let stored = entry.store(&[&discovery], scope, &now);
            stored.map_err(|error| error.to_string())
        }))
    }

    #[cfg(not(unix))]
    fn storing(&self, _: Option<Found>, _: SystemTime) -> Option<Store> {
        None
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
            Err(error) => Written {
                last_good: Some(Err(format!(
                    "the last good result was not written: {error}"
                ))),
                cache_error: None,
            },
        });
        match written.last_good {
            Some(Ok(written)) => {
                if let Some(last_good) = &mut self.last_good {
                    last_good.note(written);
                }
                status.change(|state| state.last_good_error = None);
            }
            Some(Err(error)) => note_error(status, error),
            None => {}
        }
        if let Some(error) = written.cache_error {
            tracing::warn!("{error}");
        }
    }
}

fn note_error(status: &StatusReader, error: String) {
    tracing::warn!("{error}");
    status.change(|state| state.last_good_error = Some(error));
}
