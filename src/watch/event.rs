//! What a watch tells: one event for each time the cloud was asked, and one when the last good answer of an earlier run is put to use.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin_core::{Address, Discovery, Error};

/// What came of asking the cloud once.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Other addresses are to be used from now on. The first event of this kind always comes, also when it says what the run before already knew.
    Changed(Change),
    /// The answer is another one and a guard holds it back: what is in use stays in use.
    Held(Held),
    /// There was no answer, or one without any address: what is in use stays in use.
    Failed(Failure),
    /// The answer is the one in use. Where that came from an earlier run, the cloud has confirmed it now.
    Unchanged(Arc<Discovery>),
}

/// The addresses to use, and how they differ from those before.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Change {
    /// All addresses to use from now on: at least one, sorted (IPv4, IPv6, names; each by value), each once.
    pub addresses: Arc<[Address]>,
    /// Those of `addresses` that are in the newest accepted answer. Sorted. For the last good answer
    /// of an earlier run, all of them.
    pub current: Arc<[Address]>,
    /// Those of `addresses` that are missing from the newest accepted answer and that only
    /// [`MaxShrink`](super::MaxShrink) keeps in use. They may be dead: use them after `current`.
    /// Sorted; usually empty. Which addresses are retained can change without a change of
    /// `addresses`: see [`Watch::in_use`](super::Watch::in_use).
    pub retained: Arc<[Address]>,
    /// Those that were not in use before; after a restart "before" is the last good answer on disk. Sorted.
    pub joined: Vec<Address>,
    /// Those that were in use before and no longer are. Sorted.
    pub left: Vec<Address>,
    /// Where the addresses come from.
    pub source: Source,
    /// The answer they come from; `None` for the last good answer of an earlier run.
    pub discovery: Option<Arc<Discovery>>,
    /// What of the answer is still held back: addresses that it lacks and that stay in use for now.
    pub held: Option<Held>,
}

/// Where addresses come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The cloud, just now.
    Fresh,
    /// The last good answer of an earlier run: the cloud has not answered yet.
    LastGood {
        /// How old the answer was when it was put to use; `None` when its time lies ahead of this machine's clock.
        age: Option<Duration>,
        /// Whether it is older than
        /// [`WatchBuilder::last_good_max_age`](super::WatchBuilder::last_good_max_age), or its age is
        /// not known.
        is_stale: bool,
    },
}

/// An answer, or a part of one, that a guard holds back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Held {
    /// Which guard, and until when.
    pub reason: HeldReason,
    /// The addresses that would be used without the guards; sorted.
    pub would_be: Arc<[Address]>,
    /// The answer they come from.
    pub discovery: Arc<Discovery>,
}

/// Which guard holds an answer back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldReason {
    /// It has fewer addresses than [`Guards::min`](super::Guards::min).
    BelowMin {
        /// How many it has.
        found: usize,
        /// How many it must have.
        min: usize,
    },
    /// It has not been seen unchanged for [`Guards::stable_for`](super::Guards::stable_for).
    NotYetStable {
        /// How much longer it must be seen.
        remaining: Duration,
    },
    /// More addresses are missing from it than [`MaxShrink::percent`](super::MaxShrink::percent) lets go at once.
    ShrinksTooMuch {
        /// How many of those in use are missing from the answer and stay for now.
        missing: usize,
        /// How many are in use.
        of: usize,
        /// In how much time the next of them may go, if the answer stays.
        next_in: Duration,
    },
}

impl fmt::Display for HeldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BelowMin { found, min } => write!(f, "{found} of at least {min} addresses"),
            Self::NotYetStable { remaining } => write!(f, "to be seen unchanged for {} s more", seconds(*remaining)),
            Self::ShrinksTooMuch { missing, of, next_in: Duration::ZERO } => write!(f, "{missing} of {of} addresses are missing and go step by step"),
            Self::ShrinksTooMuch { missing, of, next_in } => {
                write!(f, "{missing} of {of} addresses are missing and kept for {} s more", seconds(*next_in))
            }
        }
    }
}

/// Whole seconds, rounded up: `0` only where there is nothing to wait for.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The cloud gave no usable answer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Why. An answer without any address is [`Error::NothingMatched`], with all that was looked at.
    pub error: Error,
    /// Whether it may pass without anybody's help.
    pub transient: bool,
    /// How many times in a row, this one included.
    pub consecutive: u32,
    /// In how much time the cloud is asked again.
    pub retry_in: Duration,
}
