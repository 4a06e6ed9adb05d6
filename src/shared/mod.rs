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
//! A member takes the lease when there is no result or the result is too old, after a random delay.
//! When the store fails, each member polls by itself, seldom and at random times
//! ([`SharedSettings::fallback_interval`]).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, Clock, Discovery, Error, Instant, Node, Provider, Result, TransportError,
    TransportFailure,
};

#[cfg(feature = "shared-buckets")]
mod bucket_credentials;
#[cfg(feature = "shared-buckets")]
mod buckets;
mod consul;
mod document;
mod file;
mod open;
mod store;

pub use consul::ConsulStore;
pub use document::SharedKey;
pub use file::FileStore;
pub use open::{open_store, query_of, read_key};
pub use store::{Object, Put, Store, StoreError, Version};

use document::{Document, Refusal};

use crate::result_file;

/// How long a request to the store may take: a member that waits longer would be late itself.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the members of a fleet look, and when they take over.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SharedSettings {
    /// How often the leader polls the cloud; default 30 s.
    pub interval: Duration,
    /// A result that wasn't renewed for so long is too old; default 90 s.
    pub max_age: Duration,
    /// How long a member that took the lease has until its result must be there; default 15 s.
    pub claim_timeout: Duration,
    /// The range of the random delay before a member takes over; default 10 s.
    pub takeover_delay: Duration,
    /// The average time between two polls of a member while the store fails; default 5 min. Each
    /// is half to one and a half times as long.
    pub fallback_interval: Duration,
    /// The range of the random delay before the first of them; default 60 s.
    pub fallback_delay: Duration,
    /// Whether a call waits for another member's result, up to half of its deadline, and does
    /// without the store then: for a program that asks once.
    pub is_once: bool,
}

impl Default for SharedSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            max_age: Duration::from_secs(90),
            claim_timeout: Duration::from_secs(15),
            takeover_delay: Duration::from_secs(10),
            fallback_interval: Duration::from_secs(300),
            fallback_delay: Duration::from_secs(60),
            is_once: false,
        }
    }
}

impl SharedSettings {
    /// The defaults for a leader that polls at `interval`.
    pub fn new(interval: Duration) -> Self {
        let usual = Self::default();
        Self {
            interval,
            max_age: interval * 3,
            claim_timeout: usual.claim_timeout.min(interval / 2),
            takeover_delay: usual.takeover_delay.min(interval / 3),
            ..usual
        }
    }

    /// The settings of a program that asks once: it can't wait for others.
    #[must_use]
    pub fn once(mut self) -> Self {
        (self.takeover_delay, self.fallback_delay) = (Duration::ZERO, Duration::ZERO);
        self.is_once = true;
        self
    }

    /// How often the object should be read: a replaced instance is seen within one interval of the
    /// leader and one of these.
    pub fn read_interval(&self) -> Duration {
        (self.interval / 4).min(Duration::from_secs(8))
    }

    /// How long before the leader's interval is over it may poll already. It looks at each read, so
    /// without this it would poll late by one read interval.
    fn slack(&self) -> Duration {
        self.read_interval().mul_f64(1.25)
    }
}

/// A provider whose results are shared.
pub struct SharedProvider {
    inner: Arc<dyn Provider>,
    store: Arc<dyn Store>,
    /// What all members look for, without secrets.
    identity: String,
    /// The name of the object.
    name: String,
    /// The random name of this member.
    member: String,
    key: Option<SharedKey>,
    settings: SharedSettings,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: Option<Seen>,
    /// The newest term and sequence number, of which no older one is accepted.
    newest: (u64, u64),
    /// The term of this member's own lease.
    own_term: Option<u64>,
    takeover_at: Option<Instant>,
    polled_at: Option<Instant>,
    /// Whether the newest result of this member couldn't be written.
    is_unpublished: bool,
    /// When this member polls by itself, since the store failed. A store that is only read doesn't
    /// end that: its results do, or a write.
    fallback_at: Option<Instant>,
}

/// The object as it was last read.
#[derive(Debug, Clone)]
struct Seen {
    version: Version,
    document: Arc<Document>,
    /// When the result was confirmed, by this machine's clock; `None` if it has none, or one too
    /// old to tell.
    confirmed: Option<Instant>,
    /// When the lease was taken or the result published, by this machine's clock.
    renewed: Option<Instant>,
    /// Whether the store knows that the holder is gone.
    is_released: bool,
}

/// What to do with what was read.
enum Step {
    /// Use this result.
    Use(Arc<Document>),
    /// Poll the cloud and publish the result.
    Lead(Seen),
    /// Take the lease, on the condition that the object is still this version.
    Claim(Option<Version>),
    /// Wait: another member takes over, or this one does later.
    Wait(&'static str),
}

impl SharedProvider {
    /// Shares the results of `inner` through `store` with all members whose `identity` is the same.
    pub fn new(
        inner: impl Into<Arc<dyn Provider>>,
        store: Arc<dyn Store>,
        identity: impl Into<String>,
        clock: &Clock,
    ) -> Self {
        let identity = identity.into();
        Self {
            inner: inner.into(),
            store,
            name: document::name_of(&identity),
            identity,
            member: format!("{:016x}", fastrand::u64(..)),
            key: None,
            settings: SharedSettings::default(),
            clock: clock.clone(),
            state: Mutex::default(),
        }
    }

    /// Signs results, and accepts signed ones alone.
    #[must_use]
    pub fn with_key(mut self, key: SharedKey) -> Self {
        self.key = Some(key);
        self
    }

    /// With other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: SharedSettings) -> Self {
        self.settings = settings;
        self
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides by what is in the store.
    async fn look(&self) -> Result<Step, StoreError> {
        let known = self.state().seen.as_ref().map(|seen| seen.version.clone());
        let get = self.store.get(&self.name, known.as_ref());
        let object = within(get).await?;
        let now = self.clock.now();
        let mut state = self.state();
        let is_released = matches!(object, Object::Released(..));
        let replaceable = match object {
            Object::Absent => {
                state.seen = None;
                None
            }
            Object::Unchanged => state.seen.as_ref().map(|seen| seen.version.clone()),
            Object::Found(contents, version) | Object::Released(contents, version) => {
                match self.accept(&contents, version.clone(), &state, now) {
                    Ok(mut seen) => {
                        seen.is_released = is_released;
                        state.newest = (seen.document.term, seen.document.sequence);
                        state.seen = Some(seen);
                    }
                    Err(Refusal::Damaged(why)) => {
                        tracing::warn!("the shared result is not used: {why}; it is replaced");
                        state.seen = None;
                    }
                    Err(Refusal::Foreign(why)) => return Err(StoreError::new(why)),
                }
                Some(version)
            }
        };
        Ok(self.decide(replaceable, &mut state, now))
    }

    /// Checks a new version of the object.
    fn accept(
        &self,
        contents: &[u8],
        version: Version,
        state: &State,
        now: Instant,
    ) -> Result<Seen, Refusal> {
        let document = Document::parse(contents, self.key.as_ref())?;
        if document.identity != self.identity {
            return Err(Refusal::Foreign("it is of another query".to_owned()));
        }
        let differing =
            result_file::differing(&document.scope, &result_file::scope_of(self.inner.as_ref()));
        if !differing.is_empty() {
            let names = differing.join(", ");
            return Err(Refusal::Foreign(format!(
                "it is of another scope: {names} differs"
            )));
        }
        if (document.term, document.sequence) < state.newest {
            return Err(Refusal::Damaged("it is older than one before".to_owned()));
        }
        let wall = self.clock.wall();
        // The first time, all that is known is what the other machine's clock said.
        let by_wall = |text: Option<&str>| {
            let time = humantime::parse_rfc3339(text?).ok()?;
            now.checked_sub(wall.duration_since(time).unwrap_or_default())
        };
        let (confirmed, renewed) = match &state.seen {
            None => (
                by_wall(document.confirmed.as_deref()),
                by_wall(Some(&document.renewed)),
            ),
            Some(before) if document.sequence > before.document.sequence => (Some(now), Some(now)),
            Some(before) if document.term > before.document.term => (before.confirmed, Some(now)),
            // The same again, from a store that sends unchanged objects, or a copy: the leader
            // may be gone.
            Some(before) => (before.confirmed, before.renewed),
        };
        Ok(Seen {
            version,
            document: Arc::new(document),
            confirmed,
            renewed,
            is_released: false,
        })
    }

    fn decide(&self, replaceable: Option<Version>, state: &mut State, now: Instant) -> Step {
        let settings = &self.settings;
        let is_within = |since: Option<Instant>, limit| {
            since.is_some_and(|since| now.saturating_duration_since(since) < limit)
        };
        let Some(seen) = state.seen.clone() else {
            return self.claim_later(replaceable, state, now);
        };
        let document = &seen.document;
        let has_result = is_within(seen.confirmed, settings.max_age);
        let is_leader = document.holder == self.member && state.own_term == Some(document.term);
        if is_leader {
            let pause = settings.interval.saturating_sub(settings.slack());
            return match (has_result, is_within(state.polled_at, pause)) {
                (true, true) => Step::Use(Arc::clone(document)),
                (false, true) if state.is_unpublished => {
                    Step::Wait("the newest result couldn't be published")
                }
                _ => Step::Lead(seen),
            };
        }
        if has_result {
            state.fallback_at = None;
            // A program that asks once has no use for the lease.
            if !seen.is_released || settings.is_once {
                state.takeover_at = None;
                return Step::Use(Arc::clone(document));
            }
        } else if !seen.is_released && is_within(seen.renewed, settings.claim_timeout) {
            state.takeover_at = None;
            return Step::Wait("another member has begun to poll the cloud");
        }
        match self.claim_later(replaceable, state, now) {
            Step::Wait(_) if has_result => Step::Use(Arc::clone(document)),
            step => step,
        }
    }

    /// Takes over after a random delay, so that the members don't do it all at once.
    fn claim_later(&self, version: Option<Version>, state: &mut State, now: Instant) -> Step {
        // Where there was nothing yet, there's nothing to wait for: one of those who try succeeds.
        let range = if version.is_some() {
            self.settings.takeover_delay
        } else {
            Duration::ZERO
        };
        let at = *state
            .takeover_at
            .get_or_insert_with(|| now + range.mul_f64(fastrand::f64()));
        if now < at {
            return Step::Wait("the member that polls the cloud is gone, and is replaced");
        }
        state.takeover_at = None;
        Step::Claim(version)
    }

    /// Takes the lease. `None` if another member was faster.
    async fn claim(&self, version: Option<&Version>) -> Result<Option<Seen>, StoreError> {
        let (document, confirmed) = {
            let state = self.state();
            let before = state.seen.as_ref();
            let (term, sequence) = state.newest;
            let document = Document {
                identity: self.identity.clone(),
                term: term + 1,
                holder: self.member.clone(),
                sequence,
                renewed: result_file::time(self.clock.wall()),
                ..before.map_or_else(Document::default, |seen| Document::clone(&seen.document))
            };
            (document, before.and_then(|seen| seen.confirmed))
        };
        self.publish(document, version, confirmed).await
    }

    /// Replaces the object, on the condition that it is still `version`. `None` if it isn't.
    async fn publish(
        &self,
        document: Document,
        version: Option<&Version>,
        confirmed: Option<Instant>,
    ) -> Result<Option<Seen>, StoreError> {
        let contents = document.to_bytes(self.key.as_ref())?;
        let put = self.store.put(&self.name, contents, version);
        let Put::Done(version) = within(put).await? else {
            return Ok(None);
        };
        let seen = Seen {
            version,
            confirmed,
            renewed: Some(self.clock.now()),
            is_released: false,
            document: Arc::new(document),
        };
        let mut state = self.state();
        (state.fallback_at, state.is_unpublished) = (None, false);
        state.newest = (seen.document.term, seen.document.sequence);
        state.own_term = Some(seen.document.term);
        state.seen = Some(seen.clone());
        Ok(Some(seen))
    }

    /// Polls the cloud and publishes the result. A result that can't be published is still one.
    async fn lead(&self, seen: &Seen, call: &Call) -> Result<Discovery> {
        self.state().polled_at = Some(self.clock.now());
        let discovery = self.inner.discover(call).await?;
        if discovery.matched() == 0 {
            return Ok(discovery);
        }
        let now = result_file::time(self.clock.wall());
        let document = Document {
            sequence: seen.document.sequence + 1,
            scope: result_file::scope_of(self.inner.as_ref()),
            confirmed: Some(now.clone()),
            renewed: now,
            addresses: result_file::entries(&discovery.addresses()),
            ..Document::clone(&seen.document)
        };
        let confirmed = Some(self.clock.now());
        match self.publish(document, Some(&seen.version), confirmed).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                self.state().own_term = None;
                tracing::info!("another member polls the cloud for the fleet from now on");
            }
            Err(error) => {
                self.state().is_unpublished = true;
                tracing::warn!("the result is not shared: {error}");
            }
        }
        Ok(discovery)
    }

    /// Polls the cloud without the store: seldom, since all other members may do the same.
    async fn poll_alone(&self, error: StoreError, call: &Call) -> Result<Discovery> {
        let now = self.clock.now();
        let at = {
            let mut state = self.state();
            let first = self.settings.fallback_delay.mul_f64(fastrand::f64());
            *state.fallback_at.get_or_insert(now + first)
        };
        if now < at {
            let left = at.saturating_duration_since(now).as_secs();
            let detail = format!("{error}; this member polls the cloud by itself in {left} s");
            return Err(self.unavailable(detail));
        }
        tracing::warn!("the cloud is polled by this member itself: {error}");
        let pause = self
            .settings
            .fallback_interval
            .mul_f64(0.5 + fastrand::f64());
        self.state().fallback_at = Some(now + pause);
        self.inner.discover(call).await
    }

    fn unavailable(&self, why: impl Into<String>) -> Error {
        let target = self.store.to_string();
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

/// A request to the store within its time limit.
async fn within<T>(request: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(STORE_TIMEOUT, request)
        .await
        .unwrap_or_else(|_| Err(StoreError::new("no answer in time")))
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
        if self.settings.is_once {
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
            Step::Claim(version) => match self.claim(version.as_ref()).await {
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
            .field("store", &self.store)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
