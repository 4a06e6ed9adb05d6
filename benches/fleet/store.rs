//! A store that many watches share: an object in memory, some milliseconds away.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cloud_autojoin::shared::{
    Object, Put, SharedProvider, SharedSettings, Store, StoreError, Version,
};
use cloud_autojoin::watch::{Pace, Watch};
use cloud_autojoin::{Clock, Context, Provider};

const LATENCY: Duration = Duration::from_millis(30);

#[derive(Debug)]
pub(crate) struct MemoryStore {
    objects: Mutex<BTreeMap<String, (Bytes, u64)>>,
    requests: AtomicU64,
    clock: Clock,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            objects: Mutex::default(),
            requests: AtomicU64::default(),
            clock: Clock::system(),
        }
    }
}

impl MemoryStore {
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    async fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.clock.sleep(LATENCY).await;
    }
}

/// A watch of a fleet that shares one result: the leader polls at the interval of `pace`.
pub(crate) fn shared(
    provider: Box<dyn Provider>,
    store: &Arc<MemoryStore>,
    mut pace: Pace,
    context: &Context,
    number: u64,
) -> Watch {
    let settings = SharedSettings::new(pace.interval);
    pace.interval = settings.read_interval();
    let shared_store: Arc<dyn Store> = Arc::clone(store) as _;
    let provider = SharedProvider::new(provider, shared_store, "servers", &store.clock)
        .with_settings(settings);
    Watch::builder(Arc::new(provider) as Arc<dyn Provider>, context)
        .pace(pace)
        .seed(number)
        .build()
}

impl fmt::Display for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, name: &str, known: Option<&Version>) -> Result<Object, StoreError> {
        self.count().await;
        let objects = self.objects.lock().unwrap();
        Ok(match objects.get(name) {
            None => Object::Absent,
            Some((_, version)) if known.is_some_and(|known| known.0 == version.to_string()) => {
                Object::Unchanged
            }
            Some((contents, version)) => {
                Object::Found(contents.clone(), Version(version.to_string()))
            }
        })
    }

    async fn put(
        &self,
        name: &str,
        contents: Bytes,
        expected: Option<&Version>,
    ) -> Result<Put, StoreError> {
        self.count().await;
        let mut objects = self.objects.lock().unwrap();
        let present = objects.get(name).map(|(_, version)| *version);
        if present.map(|version| version.to_string()) != expected.map(|version| version.0.clone()) {
            return Ok(Put::Conflict);
        }
        let version = present.unwrap_or_default() + 1;
        objects.insert(name.to_owned(), (contents, version));
        Ok(Put::Done(Version(version.to_string())))
    }
}
