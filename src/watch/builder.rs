//! Builds a [`Watch`].

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin_core::http::Backoff;
use cloud_autojoin_core::{Clock, Context, Detail, Provider};

use super::{DEFAULT_LAST_GOOD_MAX_AGE, Guards, Pace, Watch};
use crate::DEFAULT_TIMEOUT;
#[cfg(unix)]
use crate::cache::CacheEntry;

/// Builds a [`Watch`]; created by [`Watch::builder`].
pub struct WatchBuilder {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    pub(super) timeout: Duration,
    pub(super) guards: Guards,
    pub(super) detail: Detail,
    pub(super) last_good: Option<PathBuf>,
    pub(super) last_good_max_age: Duration,
    pub(super) identity: Option<String>,
    #[cfg(unix)]
    pub(super) cache: Option<CacheEntry>,
    pub(super) seed: Option<u64>,
}

impl WatchBuilder {
    pub(super) fn new(provider: Arc<dyn Provider>, context: &Context) -> Self {
        Self {
            provider,
            clock: context.clock().clone(),
            pace: Pace::default(),
            timeout: DEFAULT_TIMEOUT,
            guards: Guards::default(),
            detail: Detail::default(),
            last_good: None,
            last_good_max_age: DEFAULT_LAST_GOOD_MAX_AGE,
            identity: None,
            #[cfg(unix)]
            cache: None,
            seed: None,
        }
    }

    /// Replaces the whole [`Pace`].
    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// [`Pace::interval`].
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.pace.interval = interval;
        self
    }

    /// [`Pace::jitter`].
    #[must_use]
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.pace.jitter = jitter;
        self
    }

    /// [`Pace::splay`].
    #[must_use]
    pub fn splay(mut self, splay: Duration) -> Self {
        self.pace.splay = splay;
        self
    }

    /// [`Pace::retry`].
    #[must_use]
    pub fn retry(mut self, retry: Backoff) -> Self {
        self.pace.retry = retry;
        self
    }

    /// The deadline of one poll; default [`DEFAULT_TIMEOUT`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The checks a result must pass before it replaces the addresses in use.
    #[must_use]
    pub fn guards(mut self, guards: Guards) -> Self {
        self.guards = guards;
        self
    }

    /// How much a result keeps of what is excluded. The default keeps a few examples of each
    /// reason, so that memory doesn't grow with the cloud account.
    #[must_use]
    pub fn detail(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    /// The file that keeps the last good result over restarts: JSON, replaced atomically, created
    /// with mode 0600. Its directory must exist. Default: none.
    ///
    /// It is read when the watch is built. A file that is damaged, or of another watch, is ignored:
    /// [`Status::last_good_error`](super::Status::last_good_error) has the reason.
    #[must_use]
    pub fn last_good(mut self, file: impl Into<PathBuf>) -> Self {
        self.last_good = Some(file.into());
        self
    }

    /// The age from which the last good result counts as stale; default
    /// [`DEFAULT_LAST_GOOD_MAX_AGE`]. A stale one is still used, since it is better than none, and
    /// [`AddressSource::LastGood`](super::AddressSource::LastGood) marks it as stale.
    #[must_use]
    pub fn last_good_max_age(mut self, max_age: Duration) -> Self {
        self.last_good_max_age = max_age;
        self
    }

    /// Identifies this watch in its last-good file, instead of the provider's name and subject; for
    /// instance the join string without secrets. It is written into the file with
    /// [`Provider::scope`]: a result of another scope is never used.
    #[must_use]
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// Stores each good result that no guard holds back in the cache as well, for other processes
    /// of this host. Default: none.
    #[cfg(unix)]
    #[must_use]
    pub fn cache(mut self, entry: CacheEntry) -> Self {
        self.cache = Some(entry);
        self
    }

    /// The seed of the random delays: the same seed gives the same delays. Default: random.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Builds the watch. It sends nothing before [`Watch::next`].
    pub fn build(self) -> Watch {
        Watch::new(self)
    }
}

impl fmt::Debug for WatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchBuilder")
            .field("provider", &self.provider)
            .field("pace", &self.pace)
            .field("timeout", &self.timeout)
            .field("guards", &self.guards)
            .field("last_good", &self.last_good)
            .finish_non_exhaustive()
    }
}
