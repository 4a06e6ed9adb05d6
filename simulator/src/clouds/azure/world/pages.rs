//! Pages that were serialised once. A subscription of 100,000 interfaces is 200 pages and 200 MB of
//! JSON: too much to write for every caller.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

/// One page as it goes out.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) body: Bytes,
    /// Filled by the engine when a client takes compressed answers.
    pub(crate) compressed: Arc<OnceLock<Bytes>>,
}

/// Pages by what was asked for. A clone starts empty: it belongs to another world.
#[derive(Default)]
pub(crate) struct Pages(Mutex<HashMap<String, Page>>);

impl Pages {
    /// The page kept under `key`.
    pub(crate) fn find(&self, key: &str) -> Option<Page> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// Keeps `body` under `key`.
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

    /// Forgets everything: the world has changed.
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
