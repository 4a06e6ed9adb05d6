//! The table `[shared]`: the store through which machines share one result.

use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin::shared::{
    SharedKey, SharedProvider, SharedSettings, Store, open_store, read_key,
};
use cloud_autojoin::{Context, Provider};

use super::section::Section;

/// The store, and the key of its results.
pub(super) struct SharedStore {
    pub(super) url: String,
    pub(super) key: Option<SharedKey>,
    store: Arc<dyn Store>,
}

impl SharedStore {
    /// Reads the table.
    pub(super) async fn read(mut section: Section<'_>, context: &Context) -> Option<Self> {
        let url = section.required_text("url");
        let key_file = section.path("key_file");
        let store = url.as_ref().and_then(|url| {
            open_store(url, context)
                .map_err(|error| section.error_at("url", &error))
                .ok()
        });
        let key = match key_file {
            None => Some(None),
            Some(file) => read_key(&file)
                .await
                .map_err(|error| section.error_at("key_file", &error))
                .map(Some)
                .ok(),
        };
        section.finish();
        Some(Self {
            url: url?,
            key: key?,
            store: store?,
        })
    }

    /// Shares the results of a provider, which the leader polls at `interval`.
    pub(super) fn share(
        &self,
        provider: Arc<dyn Provider>,
        query: String,
        interval: Duration,
        context: &Context,
    ) -> Arc<dyn Provider> {
        let store = Arc::clone(&self.store);
        let mut provider = SharedProvider::new(provider, store, query, context.clock())
            .with_settings(SharedSettings::new(interval));
        if let Some(key) = &self.key {
            provider = provider.with_key(key.clone());
        }
        Arc::new(provider)
    }
}
