//! The tags of scale sets, kept from one call to the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloud_autojoin_core::{Clock, Moment};

use crate::arm::{ResourceId, Tags};

/// How long the tags of a scale set are used before they are read again.
///
/// Azure allows 12 reads a minute of one set, 36 at once, for everyone together. With this, 120
/// sidecars can watch one set.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

/// The tags of the scale sets that were read lately.
#[derive(Debug)]
pub(crate) struct ScaleSetTags {
    clock: Clock,
    sets: Mutex<HashMap<ResourceId, (Moment, Arc<Tags>)>>,
}

impl ScaleSetTags {
    /// Nothing yet.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, sets: Mutex::default() }
    }

    /// The tags of the set, if they were read within [`LIFETIME`].
    pub(crate) fn recent(&self, id: &ResourceId) -> Option<Arc<Tags>> {
        let (read_at, tags) = self.sets().get(id).cloned()?;
        (self.clock.now().saturating_duration_since(read_at) < LIFETIME).then_some(tags)
    }

    /// Keeps what was just read.
    pub(crate) fn remember(&self, id: ResourceId, tags: Tags) -> Arc<Tags> {
        let tags = Arc::new(tags);
        self.sets().insert(id, (self.clock.now(), Arc::clone(&tags)));
        tags
    }

    /// Forgets a set that may be gone.
    pub(crate) fn forget(&self, id: &ResourceId) {
        self.sets().remove(id);
    }

    fn sets(&self) -> MutexGuard<'_, HashMap<ResourceId, (Moment, Arc<Tags>)>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
