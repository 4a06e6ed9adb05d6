//! A cache of serialised pages. A subscription of 100,000 interfaces is 200 pages and 200 MB of
//! JSON, too much to serialise for every caller.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

/// One serialised page.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) body: Bytes,
    /// Filled by the engine when a client accepts compressed responses.
    pub(crate) compressed: Arc<OnceLock<Bytes>>,
}

/// Pages by request. A clone starts empty: it belongs to another world.
#[derive(Default)]
pub(crate) struct Pages(Mutex<HashMap<String, Page>>);

impl Pages {
    /// The page of `key`.
    pub(crate) fn find(&self, key: &str) -> Option<Page> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// Stores the page of `key`.
    pub(crate) fn keep(&self, key: String, body: Bytes) -> Page {
        let page = Page {
            body,
            compressed: Arc::default(),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, page.clone());
        page
    }

    /// Removes all pages after a change of the world.
    pub(crate) fn clear(&mut self) {
        self.0
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Clone for Pages {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        write!(formatter, "Pages({kept})")
    }
}
