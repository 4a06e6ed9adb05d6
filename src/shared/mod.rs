//! One result for a fleet: one member polls the cloud and publishes what it found, the others read
//! it.
//!
//! [`SharedProvider`] is a provider around another one, so a [`Watch`](crate::Watch) and its guards
//! treat a result that another member found as one of their own. The members share one object of a
//! [`Store`]. It holds the lease and the result (`document.rs`), and is only ever replaced on the
//! condition that it is still the version that the writer read. So a leader that lost its lease
//! can't overwrite a newer result: its condition fails. That a leader is gone is measured by the
//! time that a reader sees no change, not by comparing clocks of machines.
//!
//! A member takes the lease (`lease.rs`) when there is no result, the result is too old, or the
//! store knows that the leader is gone, after a random delay. When the store fails, each member
//! polls by itself, seldom and at random times ([`SharedSettings::fallback_interval`]).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, Clock, Discovery, Error, Node, Provider, RequestOutcome, Result, TransportError,
    TransportFailure,
};

#[cfg(feature = "shared-buckets")]
mod bucket_credentials;
#[cfg(feature = "shared-buckets")]
mod buckets;
mod consul;
mod document;
mod file;
mod lease;
mod open;
mod settings;
mod store;

pub use consul::ConsulStore;
pub use document::SharedKey;
pub use file::FileStore;
pub use open::{open_store, query_of, read_key};
pub use settings::SharedSettings;
pub use store::{Object, Put, Store, StoreError, Version};

use document::Document;
use lease::{Lease, Seen, Step};

use crate::result_file;

/// The longest average time between two polls of a member while the store fails and the cloud
/// throttles: a member doesn't know how many others do the same.
const MAX_FALLBACK_INTERVAL: Duration = Duration::from_secs(3600);

/// A provider whose results are shared.
pub struct SharedProvider {
    inner: Arc<dyn Provider>,
    lease: Lease,
}

impl SharedProvider {
    /// Shares the results of `inner` through `store` with all members whose `identity` is the same.
    pub fn new(
        inner: impl Into<Arc<dyn Provider>>,
        store: Arc<dyn Store>,
        identity: impl Into<String>,
        clock: &Clock,
    ) -> Self {
        Self {
            inner: inner.into(),
            lease: Lease::new(store, identity.into(), clock),
        }
    }

    /// Signs results, and accepts signed ones alone.
    #[must_use]
    pub fn with_key(mut self, key: SharedKey) -> Self {
        self.lease.key = Some(key);
        self
    }

    /// With other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: SharedSettings) -> Self {
        self.lease.settings = settings;
        self
    }

    async fn look(&self) -> Result<Step, StoreError> {
        let scope = result_file::scope_of(self.inner.as_ref());
        self.lease.look(&scope).await
    }

    /// Polls the cloud and publishes the result. A result that can't be published is still one.
    async fn lead(&self, seen: &Seen, call: &Call) -> Result<Discovery> {
        self.lease.state().polled_at = Some(call.clock().now());
        let discovery = self.inner.discover(call).await?;
        if discovery.matched() == 0 {
            return Ok(discovery);
        }
        let now = result_file::time(call.clock().wall());
        let document = Document {
            sequence: seen.document.sequence + 1,
            scope: result_file::scope_of(self.inner.as_ref()),
            confirmed: Some(now.clone()),
            renewed: now,
            addresses: result_file::entries(&discovery.addresses()),
            ..Document::clone(&seen.document)
        };
        let confirmed = Some(call.clock().now());
        match self
            .lease
            .publish(document, Some(&seen.version), confirmed)
            .await
        {
            Ok(Some(_)) => {}
            Ok(None) => {
                self.lease.state().own_term = None;
                tracing::info!("another member polls the cloud for the fleet from now on");
            }
            Err(error) => {
                self.lease.state().is_unpublished = true;
                let store = &self.lease.store;
                tracing::warn!("the result is not shared through {store}: {error}");
            }
        }
        Ok(discovery)
    }

    /// Polls the cloud without the store: seldom, since all other members may do the same.
    async fn poll_alone(&self, error: StoreError, call: &Call) -> Result<Discovery> {
        let now = call.clock().now();
        let at = {
            let mut state = self.lease.state();
            let first = self.lease.settings.fallback_delay.mul_f64(fastrand::f64());
            *state.fallback_at.get_or_insert(now + first)
        };
        if now < at {
            let left = at.saturating_duration_since(now).as_secs();
            let detail = format!("{error}; this member polls the cloud by itself in {left} s");
            return Err(self.unavailable(detail));
        }
        let store = &self.lease.store;
        tracing::warn!("the cloud is polled by this member itself, without {store}: {error}");
        let next_after =
            |interval: Duration| Some(call.clock().now() + interval.mul_f64(0.5 + fastrand::f64()));
        let interval = {
            let mut state = self.lease.state();
            let usual = self.lease.settings.fallback_interval;
            let interval = state.throttled_interval.unwrap_or(usual);
            state.fallback_at = next_after(interval);
            interval
        };
        let result = self.inner.discover(call).await;
        let requests = call.requests();
        let is_throttled = requests
            .iter()
            .any(|request| request.outcome == RequestOutcome::Status(429));
        let mut state = self.lease.state();
        state.throttled_interval = is_throttled.then(|| (interval * 2).min(MAX_FALLBACK_INTERVAL));
        if let Some(interval) = state.throttled_interval {
            state.fallback_at = next_after(interval);
        }
        result
    }

    fn unavailable(&self, why: impl Into<String>) -> Error {
        let target = self.lease.store.to_string();
        TransportError::new(
            "use the shared result",
            target,
            TransportFailure::Unavailable,
        )
        .with_detail(why)
        .of_provider(self.inner.name())
        .into()
    }

    /// A result of another member, as one of this one's own.
    fn discovery(&self, document: &Document, call: &Call) -> Discovery {
        let mut discovery = Discovery::new(self.inner.name(), self.inner.subject(), call.detail());
        for address in result_file::addresses(document.addresses.clone()) {
            let text = address.to_string();
            let name = address.instance.clone().unwrap_or_else(|| text.clone());
            let mut node = Node::new("address", text, name);
            node.addresses = vec![address];
            discovery.record(node);
        }
        discovery
    }
}

#[async_trait]
impl Provider for SharedProvider {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn subject(&self) -> String {
        self.inner.subject()
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        self.inner.scope()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        if self.lease.settings.is_once {
            self.discover_once(call).await
        } else {
            self.discover_now(call).await
        }
    }
}

impl SharedProvider {
    async fn discover_now(&self, call: &Call) -> Result<Discovery> {
        let step = match self.look().await {
            Ok(step) => step,
            Err(error) => return self.poll_alone(error, call).await,
        };
        match step {
            Step::Use(document) => Ok(self.discovery(&document, call)),
            Step::Lead(seen) => self.lead(&seen, call).await,
            Step::Wait(why) => Err(self.unavailable(why)),
            Step::Claim(version) => match self.lease.claim(version.as_ref()).await {
                Ok(Some(seen)) => self.lead(&seen, call).await,
                // Its claim has the result before, which may still be good.
                Ok(None) => match self.look().await {
                    Ok(Step::Use(document)) => Ok(self.discovery(&document, call)),
                    _ => Err(self.unavailable("another member was faster to take over")),
                },
                Err(error) => self.poll_alone(error, call).await,
            },
        }
    }

    async fn discover_once(&self, call: &Call) -> Result<Discovery> {
        let half = call.clock().now() + call.remaining() / 2;
        loop {
            let error = match self.discover_now(call).await {
                Err(Error::Transport(error))
                    if error.failure() == TransportFailure::Unavailable =>
                {
                    error
                }
                ended => return ended,
            };
            if call.clock().now() >= half {
                tracing::warn!("the cloud is polled without the store: {error}");
                return self.inner.discover(call).await;
            }
            let pause = Duration::from_millis(500 + fastrand::u64(..500));
            call.clock().sleep(pause).await;
        }
    }
}

impl fmt::Debug for SharedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedProvider")
            .field("inner", &self.inner)
            .field("store", &self.lease.store)
            .field("identity", &self.lease.identity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
