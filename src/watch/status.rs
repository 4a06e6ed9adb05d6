//! The status of a watch: what `/ready`, metrics and a status page show.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud_autojoin_core::{
    Address, Call, Clock, Discovery, Error, Instant, Provider, RequestOutcome,
};

use super::change_filter::Addresses;
use super::event::{AddressSource, Held};
use super::schedule::PollEnd;

/// Reads the status of a [`Watch`](super::Watch) from any task. Cheap to clone. After the watch
/// ends it shows the last state.
#[derive(Clone)]
pub struct StatusReader {
    state: Arc<Mutex<WatchState>>,
    clock: Clock,
}

impl StatusReader {
    /// The current status. Cheap: nothing is sent and little is copied.
    pub fn read(&self) -> Status {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.show(self.clock.now())
    }

    /// The addresses in use now; `None` before the first good result.
    pub fn in_use(&self) -> Option<InUse> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.in_use_at(self.clock.now())
    }

    pub(super) fn new(provider: &dyn Provider, clock: &Clock, due: Instant) -> Self {
        let state = WatchState {
            provider: provider.name(),
            subject: provider.subject(),
            started: clock.now(),
            in_use: None,
            discovery: None,
            held: None,
            last_error: None,
            consecutive_failures: 0,
            is_polling: false,
            last_took: None,
            due,
            stretch: 1.0,
            last_good_error: None,
            counts: Counts::default(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            clock: clock.clone(),
        }
    }

    pub(super) fn change<Output>(&self, act: impl FnOnce(&mut WatchState) -> Output) -> Output {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for StatusReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusReader").finish_non_exhaustive()
    }
}

/// The status of a watch at one time. All durations are relative to it, by a monotonic clock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Status {
    /// The name of the provider, such as `srv`.
    pub provider: &'static str,
    /// What is watched, in words.
    pub subject: String,
    /// How long the watch has been running.
    pub running_for: Duration,
    /// The addresses in use; `None` before the first good result.
    pub in_use: Option<InUse>,
    /// The newest result, whether good, held back or empty: what matched, what was excluded, and
    /// why. [`Detail`](cloud_autojoin_core::Detail) limits how many excluded nodes it names.
    pub discovery: Option<Arc<Discovery>>,
    /// What is held back of the newest result.
    pub held: Option<Held>,
    /// The newest failure. It is kept after a success, when `consecutive_failures` is 0.
    pub last_error: Option<LastError>,
    /// Consecutive polls without a usable result.
    pub consecutive_failures: u32,
    /// Whether a poll is in flight.
    pub is_polling: bool,
    /// How long the newest poll took.
    pub last_took: Option<Duration>,
    /// The time until the next poll; zero while one is in flight.
    pub next_attempt_in: Duration,
    /// The factor by which throttling has stretched the interval; 1 without throttling.
    pub stretch: f64,
    /// What is wrong with the file of the last good result; `None` if nothing is, or there is no
    /// file.
    pub last_good_error: Option<String>,
    /// Counters since the start.
    pub counts: Counts,
}

/// The addresses in use.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InUse {
    /// All of them: at least one, sorted, without duplicates.
    pub addresses: Arc<[Address]>,
    /// Those in the newest accepted result, as in [`Change::current`](super::Change::current).
    pub current: Arc<[Address]>,
    /// Those that only a guard keeps in use, as in [`Change::retained`](super::Change::retained).
    pub retained: Arc<[Address]>,
    /// Where they come from.
    pub source: AddressSource,
    /// How long ago they last changed in this run.
    pub changed_ago: Duration,
    /// How long ago the cloud last confirmed them, possibly in an earlier run; `None` if unknown.
    /// This is the age to alert on.
    pub age: Option<Duration>,
}

/// The newest failure. Holds no secret: errors never do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LastError {
    /// The error and its causes, in one line.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether it may pass without intervention.
    pub transient: bool,
    /// How long ago.
    pub ago: Duration,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Polls that have ended.
    pub polls: u64,
    /// Polls with at least one address.
    pub good: u64,
    /// Polls that succeeded without any address.
    pub empty: u64,
    /// Polls that failed.
    pub failed: u64,
    /// Results that a guard held back, in whole or in part.
    pub held: u64,
    /// Changes of the addresses in use.
    pub changes: u64,
    /// HTTP requests, retries included.
    pub requests: u64,
    /// Requests that were throttled (status 429).
    pub throttled: u64,
}

/// What a [`Status`] is computed from: times instead of durations.
pub(super) struct WatchState {
    pub provider: &'static str,
    pub subject: String,
    pub started: Instant,
    pub in_use: Option<StateInUse>,
    pub discovery: Option<Arc<Discovery>>,
    pub held: Option<Held>,
    pub last_error: Option<(LastError, Instant)>,
    pub consecutive_failures: u32,
    pub is_polling: bool,
    pub last_took: Option<Duration>,
    pub due: Instant,
    pub stretch: f64,
    pub last_good_error: Option<String>,
    pub counts: Counts,
}

pub(super) struct StateInUse {
    pub addresses: Addresses,
    pub source: AddressSource,
    pub changed: Instant,
    /// When they were confirmed, and how old they were then.
    pub confirmed: (Instant, Option<Duration>),
}

impl WatchState {
    /// Records the end of a poll.
    pub(super) fn note_poll_end(&mut self, call: &Call) -> PollEnd {
        let requests = call.requests();
        self.is_polling = false;
        self.last_took = Some(call.elapsed());
        self.counts.polls += 1;
        self.counts.requests += requests.len() as u64;
        let throttled = requests
            .iter()
            .filter(|request| request.outcome == RequestOutcome::Status(429))
            .count() as u64;
        self.counts.throttled += throttled;
        let has_response = requests
            .iter()
            .any(|request| matches!(request.outcome, RequestOutcome::Status(_)));
        PollEnd {
            throttled: throttled > 0,
            has_response,
            has_requests: !requests.is_empty(),
        }
    }

    /// Records a result with addresses. `addresses` are in use now, `held` is what is held back,
    /// and `confirmed` is whether the cloud confirms the addresses in use.
    pub(super) fn note_result(
        &mut self,
        addresses: Option<&Addresses>,
        held: Option<Held>,
        confirmed: bool,
        now: Instant,
    ) {
        self.consecutive_failures = 0;
        self.counts.good += 1;
        self.counts.held += u64::from(held.is_some());
        self.held = held;
        if let (Some(addresses), Some(in_use)) = (addresses, &mut self.in_use) {
            in_use.addresses = addresses.clone();
        }
        if let (true, Some(in_use)) = (confirmed, &mut self.in_use) {
            in_use.source = AddressSource::Fresh;
            in_use.confirmed = (now, Some(Duration::ZERO));
        }
    }

    /// Records that the addresses in use changed, or that there are some for the first time.
    pub(super) fn note_change(
        &mut self,
        addresses: Addresses,
        source: AddressSource,
        now: Instant,
    ) {
        let age = match source {
            AddressSource::Fresh => Some(Duration::ZERO),
            AddressSource::LastGood { age, .. } => age,
        };
        self.counts.changes += 1;
        self.in_use = Some(StateInUse {
            addresses,
            source,
            changed: now,
            confirmed: (now, age),
        });
    }

    /// Records a failed or empty poll. Returns the number of consecutive ones.
    pub(super) fn note_failure(&mut self, error: &Error, now: Instant) -> u32 {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        if matches!(error, Error::NothingMatched(_)) {
            // This is the newest result, and it has nothing to hold back.
            self.held = None;
            self.counts.empty += 1;
        } else {
            self.counts.failed += 1;
        }
        let shown = LastError {
            text: error.chain(),
            hint: error.hint().map(Cow::into_owned),
            transient: error.is_transient(),
            ago: Duration::ZERO,
        };
        self.last_error = Some((shown, now));
        self.consecutive_failures
    }

    fn in_use_at(&self, now: Instant) -> Option<InUse> {
        let ago = |moment: Instant| now.saturating_duration_since(moment);
        self.in_use.as_ref().map(|used| InUse {
            addresses: Arc::clone(&used.addresses.all),
            current: Arc::clone(&used.addresses.current),
            retained: Arc::clone(&used.addresses.retained),
            source: used.source,
            changed_ago: ago(used.changed),
            age: used.confirmed.1.map(|age| age + ago(used.confirmed.0)),
        })
    }

    fn show(&self, now: Instant) -> Status {
        let ago = |moment: Instant| now.saturating_duration_since(moment);
        Status {
            provider: self.provider,
            subject: self.subject.clone(),
            running_for: ago(self.started),
            in_use: self.in_use_at(now),
            discovery: self.discovery.clone(),
            held: self.held.clone(),
            last_error: self.last_error.as_ref().map(|(error, at)| LastError {
                ago: ago(*at),
                ..error.clone()
            }),
            consecutive_failures: self.consecutive_failures,
            is_polling: self.is_polling,
            last_took: self.last_took,
            next_attempt_in: if self.is_polling {
                Duration::ZERO
            } else {
                self.due.saturating_duration_since(now)
            },
            stretch: self.stretch,
            last_good_error: self.last_good_error.clone(),
            counts: self.counts,
        }
    }
}
