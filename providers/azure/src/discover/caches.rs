//! What is kept from one call to the next: the modes of scale sets, and for a while their tags.

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
    modes: Mutex<HashMap<ResourceId, OrchestrationMode>>,
    tags: Mutex<HashMap<ResourceId, (Instant, Arc<Tags>)>>,
}

impl Caches {
    /// Empty caches.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            modes: Mutex::default(),
            tags: Mutex::default(),
        }
    }

    /// The mode that a scale set was last seen to have.
    pub(super) fn mode(&self, set: &ResourceId) -> Option<OrchestrationMode> {
        with(&self.modes, |modes| modes.get(set).copied())
    }

    /// Keeps the mode of a scale set, which never changes while the set exists; `None` forgets it,
    /// for a set that is gone.
    pub(super) fn keep_mode(&self, set: &ResourceId, mode: Option<OrchestrationMode>) {
        with(&self.modes, |modes| match mode {
            Some(mode) => modes.insert(set.clone(), mode),
            None => modes.remove(set),
        });
    }

    /// The tags of the set, if they were read recently.
    pub(super) fn tags(&self, set: &ResourceId) -> Option<Arc<Tags>> {
        let (read_at, tags) = with(&self.tags, |tags| tags.get(set).cloned())?;
        (self.clock.now().saturating_duration_since(read_at) < TAGS_LIFETIME).then_some(tags)
    }

    /// Keeps what was just read.
    pub(super) fn keep_tags(&self, set: ResourceId, tags: Tags) -> Arc<Tags> {
        let tags = Arc::new(tags);
        with(&self.tags, |known| {
            known.insert(set, (self.clock.now(), Arc::clone(&tags)))
        });
        tags
    }

    /// Forgets the tags of a set that may be gone.
    pub(super) fn forget_tags(&self, set: &ResourceId) {
        with(&self.tags, |tags| tags.remove(set));
    }
}

fn with<T, R>(map: &Mutex<T>, change: impl FnOnce(&mut T) -> R) -> R {
    change(&mut map.lock().unwrap_or_else(PoisonError::into_inner))
}
