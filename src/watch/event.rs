//! The events of a watch: one for each poll, and one when the last good result of an earlier run is
//! used.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin_core::{Address, Discovery, Error};

/// The result of one poll.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The addresses to use changed. The first result is always reported so, even if an earlier run
    /// had the same addresses.
    Changed(Change),
    /// The result differs and a guard holds it back: the addresses in use stay.
    Held(Held),
    /// The poll failed or found no address: the addresses in use stay.
    Failed(PollFailure),
    /// The result has the addresses in use. If those came from an earlier run, the cloud has
    /// confirmed them now.
    Unchanged(Arc<Discovery>),
}

/// The addresses to use, and how they differ from the previous ones.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Change {
    /// All addresses to use: at least one, sorted (IPv4, IPv6, names; each by value), without
    /// duplicates.
    pub addresses: Arc<[Address]>,
    /// Those of `addresses` that are in the newest accepted result. Sorted. For the last good
    /// result of an earlier run, all of them.
    pub current: Arc<[Address]>,
    /// Those of `addresses` that are missing from the newest accepted result and that only
    /// [`MaxShrink`](super::MaxShrink) keeps in use. They may be dead: use them after `current`.
    /// Sorted; usually empty. Which addresses are retained can change without a change of
    /// `addresses`: see [`Watch::in_use`](super::Watch::in_use).
    pub retained: Arc<[Address]>,
    /// Those that weren't in use before. After a restart, the last good result on disk counts as in
    /// use. Sorted.
    pub joined: Vec<Address>,
    /// Those that were in use before and no longer are. Sorted.
    pub left: Vec<Address>,
    /// Where the addresses come from.
    pub source: AddressSource,
    /// The result they come from; `None` for the last good result of an earlier run.
    pub discovery: Option<Arc<Discovery>>,
    /// The part that is held back: addresses that the result lacks and that stay in use for now.
    pub held: Option<Held>,
}

/// Where addresses come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressSource {
    /// A poll of this run.
    Fresh,
    /// The last good result of an earlier run: no poll of this run has been accepted yet.
    LastGood {
        /// How old it was when it was used; `None` if its time is ahead of this machine's clock.
        age: Option<Duration>,
        /// Whether it is older than
        /// [`WatchBuilder::last_good_max_age`](super::WatchBuilder::last_good_max_age), or its age
        /// is not known.
        is_stale: bool,
    },
}

/// A result, or a part of one, that a guard holds back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Held {
    /// Which guard, and until when.
    pub reason: HeldReason,
    /// The addresses that would be used without the guards; sorted.
    pub would_be: Arc<[Address]>,
    /// The result they come from.
    pub discovery: Arc<Discovery>,
}

/// Which guard holds a result back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldReason {
    /// It has fewer addresses than [`Guards::min`](super::Guards::min).
    BelowMin {
        /// How many it has.
        found: usize,
        /// How many it needs.
        min: usize,
    },
    /// It hasn't been unchanged for [`Guards::stable_for`](super::Guards::stable_for).
    NotYetStable {
        /// How much longer it must stay unchanged.
        remaining: Duration,
    },
    /// More addresses are missing than [`MaxShrink::percent`](super::MaxShrink::percent) allows to
    /// remove at once.
    ShrinksTooMuch {
        /// How many of those in use are missing from the result and stay for now.
        missing: usize,
        /// How many are in use.
        of: usize,
        /// The time until the next of them is removed, if the result stays the same.
        next_in: Duration,
    },
}

impl fmt::Display for HeldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BelowMin { found, min } => write!(f, "{found} of at least {min} addresses"),
            Self::NotYetStable { remaining } => {
                write!(f, "to be seen unchanged for {} s more", seconds(*remaining))
            }
            Self::ShrinksTooMuch {
                missing,
                of,
                next_in: Duration::ZERO,
            } => write!(
                f,
                "{missing} of {of} addresses are missing and go step by step"
            ),
            Self::ShrinksTooMuch {
                missing,
                of,
                next_in,
            } => {
                write!(
                    f,
                    "{missing} of {of} addresses are missing and kept for {} s more",
                    seconds(*next_in)
                )
            }
        }
    }
}

/// Whole seconds, rounded up: `0` only without a wait.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A poll without a usable result.
#[derive(Debug)]
#[non_exhaustive]
pub struct PollFailure {
    /// The error. A result without any address is [`Error::NothingMatched`], with everything that
    /// was examined.
    pub error: Error,
    /// Whether it may pass without intervention.
    pub transient: bool,
    /// Consecutive failures, this one included.
    pub consecutive: u32,
    /// The time until the next poll.
    pub retry_in: Duration,
}
