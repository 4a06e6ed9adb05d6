//! Puts a [`Watch`] together.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin_core::http::Backoff;
use cloud_autojoin_core::{Clock, Context, Detail, Provider};

use super::{DEFAULT_LAST_GOOD_MAX_AGE, Guards, Pace, Watch};
use crate::DEFAULT_TIMEOUT;

/// Puts a [`Watch`] together; made by [`Watch::builder`].
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
            seed: None,
        }
    }

    /// The whole [`Pace`] at once.
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

    /// How long one question may take; default [`DEFAULT_TIMEOUT`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What an answer must be before it replaces a good one.
    #[must_use]
    pub fn guards(mut self, guards: Guards) -> Self {
        self.guards = guards;
        self
    }

    /// How much an answer keeps of what is out; the default names a few of each reason, so that memory does not grow with the subscription.
    #[must_use]
    pub fn detail(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    /// The file that keeps the last good answer over restarts: JSON, replaced as a whole, mode 0600 where it is new. Its folder must exist. Default: none.
    ///
    /// It is read when the watch is made. A file that is broken, or of another watch, is not used and never an error: [`Status::last_good_error`](super::Status::last_good_error) says what is wrong.
    #[must_use]
    pub fn last_good(mut self, file: impl Into<PathBuf>) -> Self {
        self.last_good = Some(file.into());
        self
    }

    /// How old the last good answer may be before it counts as stale; default
    /// [`DEFAULT_LAST_GOOD_MAX_AGE`]. A stale one is still put to use, since it is better than none, and
    /// [`Source::LastGood`](super::Source::LastGood) says that it is stale.
    #[must_use]
    pub fn last_good_max_age(mut self, max_age: Duration) -> Self {
        self.last_good_max_age = max_age;
        self
    }

    /// What tells this watch from others in its last-good file, instead of the provider's name and subject: the join string without secrets, say. It is written into the file, with [`Provider::scope`]: a last good answer of another scope is
    /// never used.
    #[must_use]
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// The seed of the random waits: the same seed gives the same waits. Default: another one each time.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The watch. Nothing is asked before [`Watch::next`].
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
