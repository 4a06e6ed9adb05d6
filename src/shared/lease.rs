//! Who polls the cloud: what a member reads in the store, and the lease that it takes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloud_autojoin_core::{Clock, Instant};

use super::document::{self, Document, Refusal};
use super::settings::SharedSettings;
use super::store::STORE_TIMEOUT;
use super::{Object, Put, SharedKey, Store, StoreError, Version};
use crate::result_file::{self, Scope};

/// A member's view of the object, and what it does about it.
pub(super) struct Lease {
    pub(super) store: Arc<dyn Store>,
    /// What all members look for, without secrets.
    pub(super) identity: String,
    /// The name of the object.
    name: String,
    /// The random name of this member.
    pub(super) member: String,
    pub(super) key: Option<SharedKey>,
    pub(super) settings: SharedSettings,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    seen: Option<Seen>,
    /// The newest term and sequence number, of which no older one is accepted.
    newest: (u64, u64),
    /// The term of this member's own lease.
    pub(super) own_term: Option<u64>,
    takeover_at: Option<Instant>,
    pub(super) polled_at: Option<Instant>,
    /// Whether the newest result of this member couldn't be written.
    pub(super) is_unpublished: bool,
    /// When this member polls by itself, since the store failed. A store that is only read doesn't
    /// end that: its results do, or a write.
    pub(super) fallback_at: Option<Instant>,
    /// The average time between such polls, since the cloud throttled one.
    pub(super) throttled_interval: Option<Duration>,
}

impl State {
    fn see(&mut self, seen: Seen) {
        self.newest = (seen.document.term, seen.document.sequence);
        self.seen = Some(seen);
    }
}

/// The object as it was last read.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) version: Version,
    pub(super) document: Arc<Document>,
    /// When the result was confirmed, by this machine's clock; `None` if it has none, or one too
    /// old to tell.
    confirmed: Option<Instant>,
    /// When the lease was taken or the result published, by this machine's clock.
    renewed: Option<Instant>,
    /// Whether the store knows that the holder is gone.
    is_released: bool,
}

/// What to do with what was read.
pub(super) enum Step {
    /// Use this result.
    Use(Arc<Document>),
    /// Poll the cloud and publish the result.
    Lead(Seen),
    /// Take the lease, on the condition that the object is still this version.
    Claim(Option<Version>),
    /// Wait: another member takes over, or this one does later.
    Wait(&'static str),
}

impl Lease {
    /// The lease of what `identity` finds, not taken yet.
    pub(super) fn new(store: Arc<dyn Store>, identity: String, clock: &Clock) -> Self {
        Self {
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

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides by what is in the store. A result of another `scope` is refused.
    pub(super) async fn look(&self, scope: &Scope) -> Result<Step, StoreError> {
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
                match self.accept(&contents, version.clone(), scope, &state, now) {
                    Ok(seen) => state.see(Seen {
                        is_released,
                        ..seen
                    }),
                    Err(Refusal::Damaged(why)) => {
                        tracing::warn!(
                            "the shared result of {} is not used: {why}; it is replaced",
                            self.store
                        );
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
        scope: &Scope,
        state: &State,
        now: Instant,
    ) -> Result<Seen, Refusal> {
        let document = Document::parse(contents, self.key.as_ref())?;
        if document.identity != self.identity {
            return Err(Refusal::Foreign("it is of another query".to_owned()));
        }
        let differing = result_file::differing(&document.scope, scope);
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
            // A one-shot program has no use for the lease.
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
    pub(super) async fn claim(
        &self,
        version: Option<&Version>,
    ) -> Result<Option<Seen>, StoreError> {
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
    pub(super) async fn publish(
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
        state.own_term = Some(seen.document.term);
        state.see(seen.clone());
        Ok(Some(seen))
    }
}

/// A request to the store within its time limit.
async fn within<T>(request: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(STORE_TIMEOUT, request)
        .await
        .unwrap_or_else(|_| Err(StoreError::new("no answer in time")))
}
