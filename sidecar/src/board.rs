//! How everything stands, for the status page, metrics, health and the service manager: written by the keepers, read by all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloud_autojoin::watch::StatusReader;
use cloud_autojoin::{Clock, Moment};
use tokio::sync::Notify;

use super::failure::Failure;

/// The whole sidecar.
#[derive(Debug)]
pub(crate) struct Board {
    clock: Clock,
    watches: Mutex<Vec<Arc<WatchBoard>>>,
    reloads: Mutex<Reloads>,
    ready: AtomicBool,
    poke: Notify,
}

/// What came of reading the configuration again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reloads {
    /// How many times it was taken.
    pub(crate) taken: u64,
    /// How many times it was wrong and the old one kept.
    pub(crate) refused: u64,
    /// What was wrong with the newest, if it was refused.
    pub(crate) problems: Vec<String>,
}

/// A watch.
#[derive(Debug)]
pub(crate) struct WatchBoard {
    /// Its name.
    pub(crate) name: String,
    /// Its join string without secrets.
    pub(crate) identity: String,
    /// How its questions go.
    pub(crate) status: StatusReader,
    /// What is done with the answers.
    pub(crate) parts: Vec<Arc<PartBoard>>,
}

/// Which sort of thing a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartSort {
    /// A file.
    File,
    /// A running agent.
    Agent,
    /// A command or signal.
    OnChange,
}

/// A part of a watch.
#[derive(Debug)]
pub(crate) struct PartBoard {
    /// Its sort.
    pub(crate) sort: PartSort,
    /// Its kind, as in the configuration.
    pub(crate) kind: &'static str,
    /// The path, the URL or the program.
    pub(crate) target: String,
    clock: Clock,
    state: Mutex<PartState>,
}

#[derive(Debug, Clone, Default)]
struct PartState {
    counts: PartCounts,
    last_good: Option<Moment>,
    note: String,
    failing_since: Option<Moment>,
    /// Whether a warning was logged since then.
    has_warned: bool,
    last_failure: Option<(Failure, Moment)>,
}

/// How long a failure that is normal at a start may last before it is a warning.
const START_GRACE: Duration = Duration::from_secs(60);

/// How a failure is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureNotice {
    /// It is news that needs attention.
    Warn,
    /// It is news that is normal at a start.
    Info,
    /// It is no news.
    Debug,
}

/// What happened to a part since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PartCounts {
    /// How many times something was done: a file replaced, a peer joined, a command run.
    pub(crate) done: u64,
    /// How many times there was nothing to do.
    pub(crate) unchanged: u64,
    /// How many times it failed.
    pub(crate) failed: u64,
}

/// How a part stands at a moment.
#[derive(Debug, Clone)]
pub(crate) struct PartStatus {
    /// What happened since the start.
    pub(crate) counts: PartCounts,
    /// How long ago it was last well.
    pub(crate) good_ago: Option<Duration>,
    /// What came of it then, in words.
    pub(crate) note: String,
    /// Whether the newest try failed.
    pub(crate) failing: bool,
    /// The newest failure, and how long ago.
    pub(crate) last_failure: Option<(Failure, Duration)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// A board with nothing on it.
    pub(crate) fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self { clock: clock.clone(), watches: Mutex::default(), reloads: Mutex::default(), ready: AtomicBool::new(false), poke: Notify::new() })
    }

    /// The clock everything is measured by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The watches, in the order of the configuration.
    pub(crate) fn watches(&self) -> Vec<Arc<WatchBoard>> {
        lock(&self.watches).clone()
    }

    /// Puts other watches on the board.
    pub(crate) fn show(&self, watches: Vec<Arc<WatchBoard>>) {
        *lock(&self.watches) = watches;
        self.poke();
    }

    /// How reading the configuration again went.
    pub(crate) fn reloads(&self) -> Reloads {
        lock(&self.reloads).clone()
    }

    /// Notes a reload; no problems: it was taken.
    pub(crate) fn note_reload(&self, problems: Vec<String>) {
        let mut reloads = lock(&self.reloads);
        if problems.is_empty() {
            reloads.taken += 1;
        } else {
            reloads.refused += 1;
        }
        reloads.problems = problems;
    }

    /// Says that something changed.
    pub(crate) fn poke(&self) {
        self.poke.notify_one();
    }

    /// Waits until something changed. For one waiter.
    pub(crate) async fn poked(&self) {
        self.poke.notified().await;
    }

    /// Whether every watch has had addresses and every file has been up to date. Once true it stays true: what fails later is in the status, and taking the agents down for it would help nobody.
    pub(crate) fn is_ready(&self) -> bool {
        if self.ready.load(Ordering::Relaxed) {
            return true;
        }
        let watches = self.watches();
        let ready = !watches.is_empty() && watches.iter().all(|watch| watch.is_ready());
        self.ready.store(ready, Ordering::Relaxed);
        ready
    }

    /// One line for the service manager.
    pub(crate) fn line(&self) -> String {
        let mut parts: Vec<String> = self.watches().iter().map(|watch| watch.line()).collect();
        if !lock(&self.reloads).problems.is_empty() {
            parts.push("the new configuration is wrong, the old one is in use".to_owned());
        }
        parts.join("; ")
    }
}

impl WatchBoard {
    fn is_ready(&self) -> bool {
        self.status.read().in_use.is_some() && self.parts.iter().filter(|part| part.sort == PartSort::File).all(|part| part.was_good())
    }

    /// How it stands, in one line.
    pub(crate) fn line(&self) -> String {
        let status = self.status.read();
        let mut line = match (&status.in_use, &status.held) {
            (Some(used), None) => format!("{}: {} addresses", self.name, used.addresses.len()),
            (Some(used), Some(held)) => format!("{}: {} addresses, held: {}", self.name, used.addresses.len(), held.reason),
            (None, Some(held)) => format!("{}: held: {}", self.name, held.reason),
            (None, None) => format!("{}: no answer yet", self.name),
        };
        if status.consecutive_failures > 0 {
            line += &format!(", {} failures in a row", status.consecutive_failures);
        }
        let failing = self.parts.iter().filter(|part| part.status().failing).count();
        if failing > 0 {
            line += &format!(", {failing} of {} outputs failing", self.parts.len());
        }
        line
    }
}

impl PartBoard {
    /// A part that has done nothing yet.
    pub(crate) fn new(sort: PartSort, kind: &'static str, target: impl Into<String>, clock: &Clock) -> Arc<Self> {
        Arc::new(Self { sort, kind, target: target.into(), clock: clock.clone(), state: Mutex::default() })
    }

    /// How it stands.
    pub(crate) fn status(&self) -> PartStatus {
        let state = lock(&self.state).clone();
        let now = self.clock.now();
        let ago = |moment: Moment| now.saturating_duration_since(moment);
        PartStatus {
            counts: state.counts,
            good_ago: state.last_good.map(ago),
            note: state.note,
            failing: state.failing_since.is_some(),
            last_failure: state.last_failure.map(|(failure, moment)| (failure, ago(moment))),
        }
    }

    fn was_good(&self) -> bool {
        lock(&self.state).last_good.is_some()
    }

    /// Notes a success: whether something was done, and what in words. Gives whether it had failed before.
    pub(crate) fn good(&self, done: bool, note: impl Into<String>) -> bool {
        let mut state = lock(&self.state);
        let counts = &mut state.counts;
        *(if done { &mut counts.done } else { &mut counts.unchanged }) += 1;
        state.last_good = Some(self.clock.now());
        if done || state.note.is_empty() {
            state.note = note.into();
        }
        state.has_warned = false;
        state.failing_since.take().is_some()
    }

    /// Notes a failure. Gives how to log it: the first, another one than before, or one that lasts
    /// longer than a start does.
    pub(crate) fn failed(&self, failure: &Failure) -> FailureNotice {
        let mut state = lock(&self.state);
        state.counts.failed += 1;
        let now = self.clock.now();
        let is_news = state.failing_since.is_none() || state.last_failure.as_ref().is_none_or(|(before, _)| !before.has_same_cause(failure));
        let since = *state.failing_since.get_or_insert(now);
        state.last_failure = Some((failure.clone(), now));
        let is_normal = failure.is_expected_at_start() && now.saturating_duration_since(since) < START_GRACE;
        if is_normal {
            return if is_news { FailureNotice::Info } else { FailureNotice::Debug };
        }
        let has_warned = std::mem::replace(&mut state.has_warned, true);
        if is_news || !has_warned { FailureNotice::Warn } else { FailureNotice::Debug }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(seconds: u64) {
        Clock::system().sleep(Duration::from_secs(seconds)).await;
    }

    fn part() -> Arc<PartBoard> {
        PartBoard::new(PartSort::Agent, "consul", "http://127.0.0.1:8500", &Clock::system())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_normal_at_a_start_is_a_warning_only_when_it_lasts() {
        let (part, absent) = (part(), Failure::new("connection refused").expected_at_start());
        assert_eq!(part.failed(&absent), FailureNotice::Info);
        after(30).await;
        assert_eq!(part.failed(&absent.clone().with_others(2)), FailureNotice::Debug);
        after(40).await;
        assert_eq!(part.failed(&absent), FailureNotice::Warn);
        assert_eq!(part.failed(&absent), FailureNotice::Debug);
        part.good(true, "");
        assert_eq!(part.failed(&absent), FailureNotice::Info);
        assert!(part.status().failing);
    }

    #[tokio::test(start_paused = true)]
    async fn any_other_failure_is_a_warning_once_for_each_cause() {
        let (part, refused) = (part(), Failure::new("status 403"));
        let notices = [&refused, &refused, &Failure::new("status 500"), &refused].map(|failure| part.failed(failure));
        assert_eq!(notices, [FailureNotice::Warn, FailureNotice::Debug, FailureNotice::Warn, FailureNotice::Warn]);
    }
}
