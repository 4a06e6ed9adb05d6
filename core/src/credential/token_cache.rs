//! A single-flight cache of tokens, which renews them before they expire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::call::Call;
use crate::clock::{Clock, Instant};
use crate::error::{CredentialError, Result, TransportError, TransportFailure};
use crate::secret::Secret;

/// How long before its expiry a token is renewed; a short-lived one after half its lifetime.
const RENEWAL_MARGIN: Duration = Duration::from_secs(5 * 60);

/// The longest lifetime that is accepted; no service issues tokens for longer.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The wait after a failed renewal while the old token is still valid.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

/// A token and its expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    secret: Secret,
    expires_at: SystemTime,
}

impl AccessToken {
    /// A token that expires at `expires_at`, by the wall clock of [`Clock::wall`].
    pub fn new(secret: Secret, expires_at: SystemTime) -> Self {
        Self { secret, expires_at }
    }

    /// The token itself, for the `Authorization` header.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// When it expires.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

/// A temporary credential, which a [`Chain`](super::Chain) returns and a [`TokenCache`] keeps.
pub trait Expiring: Clone + PartialEq + Send + Sync + 'static {
    /// When it expires, by the wall clock of [`Clock::wall`].
    fn expires_at(&self) -> SystemTime;
}

impl Expiring for AccessToken {
    fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

/// The tokens of one credential, by scope; or the temporary keys of a cloud that signs requests.
///
/// Concurrent callers share one request; when it fails, they share its error. If the future of the
/// caller that sends it is dropped, another caller sends it again. A token is renewed some minutes
/// before its expiry by one caller while the others use the old one, as that caller does if the
/// renewal fails.
#[derive(Debug)]
pub struct TokenCache<T = AccessToken> {
    slots: Mutex<BTreeMap<String, Arc<Slot<T>>>>,
}

#[derive(Debug)]
struct Slot<T> {
    /// Held by the caller that requests a token.
    flight: tokio::sync::Mutex<()>,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    held: Option<CachedToken<T>>,
    failures: u64,
    last_failure: Option<(CredentialError, Instant)>,
}

// A derived impl would require `T: Default`.
impl<T> Default for TokenCache<T> {
    fn default() -> Self {
        Self {
            slots: Mutex::default(),
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            flight: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                held: None,
                failures: 0,
                last_failure: None,
            }),
        }
    }
}

#[derive(Debug, Clone)]
struct CachedToken<T> {
    token: T,
    /// Measured by the monotonic clock since it was received: the wall clock may be corrected
    /// meanwhile.
    renew_at: Instant,
    ends_at: Instant,
}

impl<T: Expiring> CachedToken<T> {
    /// Whether it is still valid, also by the wall clock, which advances while a machine is
    /// suspended.
    fn is_good(&self, clock: &Clock) -> bool {
        clock.now() < self.ends_at && clock.wall() < self.token.expires_at()
    }
}

enum Look<T> {
    /// Valid.
    Fresh(T),
    /// Valid, and due for renewal.
    Due(T),
    /// No valid token, after this many failures.
    Missing(u64),
}

impl<T: Expiring> TokenCache<T> {
    /// A cache without tokens.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token for `scope`: the cached one, or the result of `fetch`. `fetch` gets `call`; for a
    /// renewal, with a deadline at a quarter of the remaining time, so that an unresponsive
    /// identity service doesn't use up the time of a call that has a valid token.
    ///
    /// # Errors
    ///
    /// [`Error::Credential`](crate::Error::Credential) when `fetch` failed, for this caller or the
    /// one it waited for; [`Error::Transport`](crate::Error::Transport) when the deadline passed
    /// while another caller's request was in flight.
    pub async fn token<F, Fetch>(&self, scope: &str, call: &Call, fetch: F) -> Result<T>
    where
        F: FnOnce(Call) -> Fetch,
        Fetch: Future<Output = Result<T, CredentialError>>,
    {
        let slot = self.slot(scope);
        let seen_failures = match slot.look(call.clock()) {
            Look::Fresh(token) => return Ok(token),
            Look::Due(token) => return slot.renew(token, call, fetch).await,
            Look::Missing(failures) => failures,
        };
        let Ok(_flight) = tokio::time::timeout(call.remaining(), slot.flight.lock()).await else {
            return Err(TransportError::new(
                "get a token",
                "the identity service",
                TransportFailure::Deadline,
            )
            .into());
        };
        match slot.look(call.clock()) {
            Look::Fresh(token) | Look::Due(token) => return Ok(token),
            Look::Missing(failures) if failures > seen_failures => {
                // The other caller's request failed. If it had at least as much time as this call,
                // this call would fail the same way.
                let failure = slot
                    .state()
                    .last_failure
                    .as_ref()
                    .filter(|(_, deadline)| *deadline >= call.deadline())
                    .map(|(error, _)| error.clone());
                if let Some(error) = failure {
                    return Err(error.into());
                }
            }
            Look::Missing(_) => {}
        }
        match fetch(call.clone()).await {
            Ok(token) => Ok(slot.hold(token, call.clock())),
            Err(error) => {
                let mut state = slot.state();
                state.failures += 1;
                state.last_failure = Some((error.clone(), call.deadline()));
                Err(error.into())
            }
        }
    }

    /// Removes the tokens that `is_refused` recognises as the one that the cloud rejected (401). A
    /// replacement stays.
    pub fn invalidate(&self, mut is_refused: impl FnMut(&T) -> bool) {
        for slot in self
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            let mut state = slot.state();
            state.held.take_if(|held| is_refused(&held.token));
        }
    }

    /// The token for `scope` that was requested last, unless it was rejected; it may have expired.
    pub fn last(&self, scope: &str) -> Option<T> {
        let held = self.slot(scope).state().held.clone();
        held.map(|held| held.token)
    }

    fn slot(&self, scope: &str) -> Arc<Slot<T>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(scope) {
            return Arc::clone(slot);
        }
        Arc::clone(slots.entry(scope.to_owned()).or_default())
    }
}

impl<T: Expiring> Slot<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, clock: &Clock) -> Look<T> {
        let state = self.state();
        match &state.held {
            Some(held) if held.is_good(clock) && clock.now() < held.renew_at => {
                Look::Fresh(held.token.clone())
            }
            Some(held) if held.is_good(clock) => Look::Due(held.token.clone()),
            _ => Look::Missing(state.failures),
        }
    }

    fn hold(&self, token: T, clock: &Clock) -> T {
        let life = token
            .expires_at()
            .duration_since(clock.wall())
            .unwrap_or_default()
            .min(LONGEST_LIFE);
        let now = clock.now();
        let renew_at = now + (life - RENEWAL_MARGIN.min(life / 2));
        self.state().held = Some(CachedToken {
            token: token.clone(),
            renew_at,
            ends_at: now + life,
        });
        token
    }

    /// Renews `token`, which is still valid, unless another caller is renewing it.
    async fn renew<F, Fetch>(&self, token: T, call: &Call, fetch: F) -> Result<T>
    where
        F: FnOnce(Call) -> Fetch,
        Fetch: Future<Output = Result<T, CredentialError>>,
    {
        let Ok(_flight) = self.flight.try_lock() else {
            return Ok(token);
        };
        if let Look::Fresh(renewed) = self.look(call.clock()) {
            return Ok(renewed);
        }
        let error = match fetch(call.within(call.remaining() / 4)).await {
            Ok(renewed) => return Ok(self.hold(renewed, call.clock())),
            Err(error) => error,
        };
        let clock = call.clock();
        let mut state = self.state();
        let held = state.held.as_mut().filter(|held| held.token == token);
        if clock.wall() >= token.expires_at()
            || held.as_ref().is_some_and(|held| !held.is_good(clock))
        {
            return Err(error.into());
        }
        tracing::debug!(%error, "the token was not renewed; the current one is still valid");
        if let Some(held) = held {
            held.renew_at = clock.now()
                + error
                    .retry_after()
                    .unwrap_or_default()
                    .max(RENEWAL_PAUSE)
                    .min(RENEWAL_MARGIN);
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests;
