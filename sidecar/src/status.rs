//! The status of the sidecar for the status page, metrics, health checks and the service manager.
//! The runners write it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloud_autojoin::watch::StatusReader;
use cloud_autojoin::{Clock, Instant};
use tokio::sync::Notify;

use super::failure::Failure;

/// The status of the whole sidecar.
#[derive(Debug)]
pub(crate) struct SidecarStatus {
    clock: Clock,
    watches: Mutex<Vec<Arc<WatchStatus>>>,
    reloads: Mutex<Reloads>,
    ready: AtomicBool,
    changed: Notify,
}

/// The reloads of the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reloads {
    /// How many succeeded.
    pub(crate) succeeded: u64,
    /// How many failed, so that the old one stayed in use.
    pub(crate) failed: u64,
    /// The problems of the newest, if it failed.
    pub(crate) problems: Vec<String>,
}

/// The status of a watch.
#[derive(Debug)]
pub(crate) struct WatchStatus {
    /// Its name.
    pub(crate) name: String,
    /// Its join string without secrets.
    pub(crate) identity: String,
    /// Its polls.
    pub(crate) polls: StatusReader,
    /// Its files, agents and actions.
    pub(crate) parts: Vec<Arc<PartStatus>>,
}

/// The type of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartType {
    /// A file.
    File,
    /// A running agent.
    Agent,
    /// A command or signal.
    OnChange,
}

/// The status of a part of a watch.
#[derive(Debug)]
pub(crate) struct PartStatus {
    /// Its type.
    pub(crate) part_type: PartType,
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
    last_good: Option<Instant>,
    note: String,
    failing_since: Option<Instant>,
    /// Whether a warning was logged since then.
    has_warned: bool,
    last_failure: Option<(Failure, Instant)>,
}

/// How long a failure that is normal at a start may last before it becomes a warning.
const START_GRACE: Duration = Duration::from_secs(60);

/// How a failure is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureNotice {
    /// It is new and needs attention.
    Warn,
    /// It is new and normal at a start.
    Info,
    /// It isn't new.
    Debug,
}

/// The counters of a part since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PartCounts {
    /// Effective updates: a file replaced, a peer joined, a command run.
    pub(crate) done: u64,
    /// Updates without anything to do.
    pub(crate) unchanged: u64,
    /// Failed updates.
    pub(crate) failed: u64,
}

/// The status of a part at one time.
#[derive(Debug, Clone)]
pub(crate) struct PartReport {
    /// The counters since the start.
    pub(crate) counts: PartCounts,
    /// How long ago it last succeeded.
    pub(crate) succeeded_ago: Option<Duration>,
    /// The outcome then, in words.
    pub(crate) note: String,
    /// Whether the newest attempt failed.
    pub(crate) failing: bool,
    /// The newest failure, and how long ago.
    pub(crate) last_failure: Option<(Failure, Duration)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SidecarStatus {
    /// A status without watches.
    pub(crate) fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            watches: Mutex::default(),
            reloads: Mutex::default(),
            ready: AtomicBool::new(false),
            changed: Notify::new(),
        })
    }

    /// The clock of all durations.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The watches, in the order of the configuration.
    pub(crate) fn watches(&self) -> Vec<Arc<WatchStatus>> {
        lock(&self.watches).clone()
    }

    /// Replaces the watches.
    pub(crate) fn set_watches(&self, watches: Vec<Arc<WatchStatus>>) {
        *lock(&self.watches) = watches;
        self.notify();
    }

    /// The reloads so far.
    pub(crate) fn reloads(&self) -> Reloads {
        lock(&self.reloads).clone()
    }

    /// Records a reload. It succeeded if there are no problems.
    pub(crate) fn note_reload(&self, problems: Vec<String>) {
        let mut reloads = lock(&self.reloads);
        if problems.is_empty() {
            reloads.succeeded += 1;
        } else {
            reloads.failed += 1;
        }
        reloads.problems = problems;
    }

    /// Signals that something changed.
    pub(crate) fn notify(&self) {
        self.changed.notify_one();
    }

    /// Waits until something changed. For one waiter.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether every watch has had addresses and every file has been up to date. It stays true once
    /// it is: stopping the agents for a later failure would make things worse.
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
            parts.push("the new configuration is invalid, the old one is in use".to_owned());
        }
        parts.join("; ")
    }
}

impl WatchStatus {
    fn is_ready(&self) -> bool {
        self.polls.read().in_use.is_some()
            && self
                .parts
                .iter()
                .filter(|part| part.part_type == PartType::File)
                .all(|part| part.has_succeeded())
    }

    /// The status in one line.
    pub(crate) fn line(&self) -> String {
        let status = self.polls.read();
        let mut line = match (&status.in_use, &status.held) {
            (Some(used), None) => format!("{}: {} addresses", self.name, used.addresses.len()),
            (Some(used), Some(held)) => format!(
                "{}: {} addresses, held: {}",
                self.name,
                used.addresses.len(),
                held.reason
            ),
            (None, Some(held)) => format!("{}: held: {}", self.name, held.reason),
            (None, None) => format!("{}: no result yet", self.name),
        };
        if status.consecutive_failures > 0 {
            line += &format!(", {} failures in a row", status.consecutive_failures);
        }
        let failing = self
            .parts
            .iter()
            .filter(|part| part.status().failing)
            .count();
        if failing > 0 {
            line += &format!(", {failing} of {} outputs failing", self.parts.len());
        }
        line
    }
}

impl PartStatus {
    /// A part without any outcome yet.
    pub(crate) fn new(
        part_type: PartType,
        kind: &'static str,
        target: impl Into<String>,
        clock: &Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            part_type,
            kind,
            target: target.into(),
            clock: clock.clone(),
            state: Mutex::default(),
        })
    }

    /// The current status.
    pub(crate) fn status(&self) -> PartReport {
        let state = lock(&self.state).clone();
        let now = self.clock.now();
        let ago = |moment: Instant| now.saturating_duration_since(moment);
        PartReport {
            counts: state.counts,
            succeeded_ago: state.last_good.map(ago),
            note: state.note,
            failing: state.failing_since.is_some(),
            last_failure: state
                .last_failure
                .map(|(failure, moment)| (failure, ago(moment))),
        }
    }

    fn has_succeeded(&self) -> bool {
        lock(&self.state).last_good.is_some()
    }

    /// Records a success: whether something was done, and what. Returns whether it had failed
    /// before.
    pub(crate) fn note_success(&self, done: bool, note: impl Into<String>) -> bool {
        let mut state = lock(&self.state);
        let counts = &mut state.counts;
        *(if done {
            &mut counts.done
        } else {
            &mut counts.unchanged
        }) += 1;
        state.last_good = Some(self.clock.now());
        if done || state.note.is_empty() {
            state.note = note.into();
        }
        state.has_warned = false;
        state.failing_since.take().is_some()
    }

    /// Records a failure. Returns how to log it: it is a warning if it is the first, differs from
    /// the one before, or lasts longer than a start.
    pub(crate) fn note_failure(&self, failure: &Failure) -> FailureNotice {
        let mut state = lock(&self.state);
        state.counts.failed += 1;
        let now = self.clock.now();
        let is_news = state.failing_since.is_none()
            || state
                .last_failure
                .as_ref()
                .is_none_or(|(before, _)| !before.has_same_cause(failure));
        let since = *state.failing_since.get_or_insert(now);
        state.last_failure = Some((failure.clone(), now));
        let is_normal =
            failure.is_expected_at_start() && now.saturating_duration_since(since) < START_GRACE;
        if is_normal {
            return if is_news {
                FailureNotice::Info
            } else {
                FailureNotice::Debug
            };
        }
        let has_warned = std::mem::replace(&mut state.has_warned, true);
        if is_news || !has_warned {
            FailureNotice::Warn
        } else {
            FailureNotice::Debug
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(seconds: u64) {
        Clock::system().sleep(Duration::from_secs(seconds)).await;
    }

    fn part() -> Arc<PartStatus> {
        PartStatus::new(
            PartType::Agent,
            "consul",
            "http://127.0.0.1:8500",
            &Clock::system(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_normal_at_a_start_is_a_warning_only_when_it_lasts() {
        let (part, absent) = (
            part(),
            Failure::new("connection refused").expected_at_start(),
        );
        assert_eq!(part.note_failure(&absent), FailureNotice::Info);
        after(30).await;
        assert_eq!(
            part.note_failure(&absent.clone().with_others(2)),
            FailureNotice::Debug
        );
        after(40).await;
        assert_eq!(part.note_failure(&absent), FailureNotice::Warn);
        assert_eq!(part.note_failure(&absent), FailureNotice::Debug);
        part.note_success(true, "");
        assert_eq!(part.note_failure(&absent), FailureNotice::Info);
        assert!(part.status().failing);
    }

    #[tokio::test(start_paused = true)]
    async fn any_other_failure_is_a_warning_once_for_each_cause() {
        let (part, refused) = (part(), Failure::new("status 403"));
        let notices = [&refused, &refused, &Failure::new("status 500"), &refused]
            .map(|failure| part.note_failure(failure));
        assert_eq!(
            notices,
            [
                FailureNotice::Warn,
                FailureNotice::Debug,
                FailureNotice::Warn,
                FailureNotice::Warn
            ]
        );
    }
}
