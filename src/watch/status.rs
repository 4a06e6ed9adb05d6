//! How a watch stands at a moment: what `/ready`, metrics and a status page show.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud_autojoin_core::{Address, Call, Clock, Discovery, Error, Moment, Provider, RequestOutcome};

use super::event::{Held, Source};
use super::gate::Addresses;
use super::schedule::End;

/// Reads how a [`Watch`](super::Watch) stands, from any task. Cheap to clone; outlives the watch, whose last state it then shows.
#[derive(Clone)]
pub struct StatusReader {
    board: Arc<Mutex<Board>>,
    clock: Clock,
}

impl StatusReader {
    /// How the watch stands now. Takes no time: nothing is asked and little is copied.
    pub fn read(&self) -> Status {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        board.show(self.clock.now())
    }

    /// The addresses in use now; `None` before the first good answer.
    pub fn in_use(&self) -> Option<InUse> {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        board.in_use_at(self.clock.now())
    }

    pub(super) fn new(provider: &dyn Provider, clock: &Clock, due: Moment) -> Self {
        let board = Board {
            provider: provider.name(),
            subject: provider.subject(),
            started: clock.now(),
            in_use: None,
            discovery: None,
            held: None,
            last_error: None,
            consecutive_failures: 0,
            asking: false,
            last_took: None,
            due,
            stretch: 1.0,
            last_good_error: None,
            counts: Counts::default(),
        };
        Self { board: Arc::new(Mutex::new(board)), clock: clock.clone() }
    }

    pub(super) fn change<Answer>(&self, act: impl FnOnce(&mut Board) -> Answer) -> Answer {
        act(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for StatusReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusReader").finish_non_exhaustive()
    }
}

/// How a watch stands at a moment. All durations are measured from that moment by a clock that does not jump.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Status {
    /// The provider's name, as `azure`.
    pub provider: &'static str,
    /// What is watched, in words.
    pub subject: String,
    /// How long the watch has been running.
    pub running_for: Duration,
    /// The addresses in use; `None` before the first good answer.
    pub in_use: Option<InUse>,
    /// The newest answer, good or held or without addresses: who is in and out, and why. How many of those that are out it names is the [`Detail`](cloud_autojoin_core::Detail)'s matter.
    pub discovery: Option<Arc<Discovery>>,
    /// What is held back, as of the newest answer.
    pub held: Option<Held>,
    /// The newest failure; it stays when the cloud answers again, and `consecutive_failures` is 0 then.
    pub last_error: Option<LastError>,
    /// How many times in a row there was no usable answer.
    pub consecutive_failures: u32,
    /// Whether the cloud is being asked right now.
    pub asking: bool,
    /// How long the newest question took.
    pub last_took: Option<Duration>,
    /// In how much time the cloud is asked next; zero while it is being asked.
    pub next_attempt_in: Duration,
    /// By how much the interval is stretched because the cloud throttles; 1 when it does not.
    pub stretch: f64,
    /// What is wrong with the file of the last good answer; `None` when all is well or there is none.
    pub last_good_error: Option<String>,
    /// What happened since the start.
    pub counts: Counts,
}

/// The addresses in use.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InUse {
    /// All of them: at least one, sorted, each once.
    pub addresses: Arc<[Address]>,
    /// Those in the newest accepted answer, as in [`Change::current`](super::Change::current).
    pub current: Arc<[Address]>,
    /// Those that only a guard keeps in use, as in [`Change::retained`](super::Change::retained).
    pub retained: Arc<[Address]>,
    /// Where they come from.
    pub source: Source,
    /// How long ago they last changed in this run.
    pub changed_ago: Duration,
    /// How long ago the cloud last said so, in an earlier run maybe; `None` when that is not known. This is the age to watch.
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
    /// Whether it may pass without anybody's help.
    pub transient: bool,
    /// How long ago.
    pub ago: Duration,
}

/// What happened since the start; each only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// How many times the cloud was asked and that ended, one way or another.
    pub asked: u64,
    /// How many of those gave at least one address.
    pub answered: u64,
    /// How many gave an answer without any address.
    pub empty: u64,
    /// How many gave none.
    pub failed: u64,
    /// How many answers a guard held back, in whole or in part.
    pub held: u64,
    /// How many times the addresses in use changed.
    pub changed: u64,
    /// How many requests were sent, tries included.
    pub requests: u64,
    /// How many of those were throttled (status 429).
    pub throttled: u64,
}

/// What a [`Status`] is made of: moments in place of durations.
pub(super) struct Board {
    pub provider: &'static str,
    pub subject: String,
    pub started: Moment,
    pub in_use: Option<BoardInUse>,
    pub discovery: Option<Arc<Discovery>>,
    pub held: Option<Held>,
    pub last_error: Option<(LastError, Moment)>,
    pub consecutive_failures: u32,
    pub asking: bool,
    pub last_took: Option<Duration>,
    pub due: Moment,
    pub stretch: f64,
    pub last_good_error: Option<String>,
    pub counts: Counts,
}

pub(super) struct BoardInUse {
    pub addresses: Addresses,
    pub source: Source,
    pub changed: Moment,
    /// When, and how old they were then.
    pub confirmed: (Moment, Option<Duration>),
}

impl Board {
    /// A question ended.
    pub(super) fn note_end(&mut self, call: &Call) -> End {
        let requests = call.requests();
        self.asking = false;
        self.last_took = Some(call.elapsed());
        self.counts.asked += 1;
        self.counts.requests += requests.len() as u64;
        let throttled = requests.iter().filter(|request| request.outcome == RequestOutcome::Status(429)).count() as u64;
        self.counts.throttled += throttled;
        let answered = requests.iter().any(|request| matches!(request.outcome, RequestOutcome::Status(_)));
        End { throttled: throttled > 0, answered }
    }

    /// It gave addresses, of which `held` holds some or all back; `addresses` are in use now; `confirmed` when what is in use now is what the cloud says.
    pub(super) fn note_answer(&mut self, addresses: Option<&Addresses>, held: Option<Held>, confirmed: bool, now: Moment) {
        self.consecutive_failures = 0;
        self.counts.answered += 1;
        self.counts.held += u64::from(held.is_some());
        self.held = held;
        if let (Some(addresses), Some(in_use)) = (addresses, &mut self.in_use) {
            in_use.addresses = addresses.clone();
        }
        if let (true, Some(in_use)) = (confirmed, &mut self.in_use) {
            in_use.source = Source::Fresh;
            in_use.confirmed = (now, Some(Duration::ZERO));
        }
    }

    /// Other addresses are in use, or for the first time.
    pub(super) fn note_change(&mut self, addresses: Addresses, source: Source, now: Moment) {
        let age = match source {
            Source::Fresh => Some(Duration::ZERO),
            Source::LastGood { age, .. } => age,
        };
        self.counts.changed += 1;
        self.in_use = Some(BoardInUse { addresses, source, changed: now, confirmed: (now, age) });
    }

    /// It gave none.
    pub(super) fn note_failure(&mut self, error: &Error, now: Moment) -> u32 {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        if matches!(error, Error::NothingMatched(_)) {
            // This is the newest answer, and there is nothing in it to hold.
            self.held = None;
            self.counts.empty += 1;
        } else {
            self.counts.failed += 1;
        }
        let shown = LastError { text: error.chain(), hint: error.hint().map(Cow::into_owned), transient: error.is_transient(), ago: Duration::ZERO };
        self.last_error = Some((shown, now));
        self.consecutive_failures
    }

    fn in_use_at(&self, now: Moment) -> Option<InUse> {
        let ago = |moment: Moment| now.saturating_duration_since(moment);
        self.in_use.as_ref().map(|used| InUse {
            addresses: Arc::clone(&used.addresses.all),
            current: Arc::clone(&used.addresses.current),
            retained: Arc::clone(&used.addresses.retained),
            source: used.source,
            changed_ago: ago(used.changed),
            age: used.confirmed.1.map(|age| age + ago(used.confirmed.0)),
        })
    }

    fn show(&self, now: Moment) -> Status {
        let ago = |moment: Moment| now.saturating_duration_since(moment);
        Status {
            provider: self.provider,
            subject: self.subject.clone(),
            running_for: ago(self.started),
            in_use: self.in_use_at(now),
            discovery: self.discovery.clone(),
            held: self.held.clone(),
            last_error: self.last_error.as_ref().map(|(error, at)| LastError { ago: ago(*at), ..error.clone() }),
            consecutive_failures: self.consecutive_failures,
            asking: self.asking,
            last_took: self.last_took,
            next_attempt_in: if self.asking { Duration::ZERO } else { self.due.saturating_duration_since(now) },
            stretch: self.stretch,
            last_good_error: self.last_good_error.clone(),
            counts: self.counts,
        }
    }
}
