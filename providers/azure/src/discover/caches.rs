//! What is kept of scale sets from one call to the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud_autojoin_core::{Clock, Instant};

use crate::arm::{ResourceId, Tags};
use crate::select::OrchestrationMode;

/// How long the tags of a scale set are used before they are read again.
///
/// Azure allows 12 reads a minute of one set, 36 at once, for everyone together. With this, 120
/// sidecars can watch one set.
const TAGS_LIFETIME: Duration = Duration::from_secs(600);

/// The caches of one provider.
#[derive(Debug)]
pub(crate) struct Caches {
    clock: Clock,
    sets: Mutex<HashMap<ResourceId, KnownSet>>,
}

#[derive(Debug, Default)]
struct KnownSet {
    mode: Option<OrchestrationMode>,
    tags: Option<(Instant, Arc<Tags>)>,
}

impl Caches {
    /// Empty caches.
    pub(crate) fn new(clock: Clock) -> Self {
        let sets = Mutex::default();
        Self { clock, sets }
    }

    fn with<R>(&self, set: &ResourceId, change: impl FnOnce(&mut KnownSet) -> R) -> R {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        change(sets.entry(set.clone()).or_default())
    }

    /// The mode that a scale set had the last time.
    pub(super) fn mode(&self, set: &ResourceId) -> Option<OrchestrationMode> {
        self.with(set, |known| known.mode)
    }

    /// Keeps the mode of a scale set, which never changes while the set exists; `None` for a set
    /// that is gone.
    pub(super) fn keep_mode(&self, set: &ResourceId, mode: Option<OrchestrationMode>) {
        self.with(set, |known| known.mode = mode);
    }

    /// The tags of the set, if they were read recently.
    pub(super) fn tags(&self, set: &ResourceId) -> Option<Arc<Tags>> {
        let (read_at, tags) = self.with(set, |known| known.tags.clone())?;
        (self.clock.now().saturating_duration_since(read_at) < TAGS_LIFETIME).then_some(tags)
    }

    /// Keeps the tags that were just read; `None` for a set that may be gone.
    pub(super) fn keep_tags(&self, set: &ResourceId, tags: Option<Arc<Tags>>) {
        let tags = tags.map(|tags| (self.clock.now(), tags));
        self.with(set, |known| known.tags = tags);
    }
}
