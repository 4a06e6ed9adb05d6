//! Polls a cloud repeatedly within a request budget, and reports changes.
//!
//! A [`Watch`] serves every consumer of the addresses on a host. `schedule.rs` decides when it
//! polls, `guard.rs` and `change_filter.rs` decide whether a result replaces the addresses in use,
//! `last_good.rs` keeps them over restarts, `event.rs` and `status.rs` report them. It starts no
//! task: it works while [`Watch::next`] is polled, and ends when it is dropped.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloud_autojoin::Error> {
//! use cloud_autojoin::watch::{Event, Watch};
//! use cloud_autojoin::{Context, Registry};
//!
//! let registry = Registry::compiled_in();
//! let config = registry.parse("provider=srv service=consul domain=cluster.example")?;
//! let context = Context::from_process()?;
//! let mut watch = Watch::builder(registry.build(&config, &context)?, &context).last_good("/var/lib/discover/consul.json").build();
//! loop {
//!     match watch.next().await {
//!         Event::Changed(change) => println!("use {:?} from now on", change.addresses),
//!         Event::Failed(failure) => eprintln!("{}; retried in {:?}", failure.error, failure.retry_in),
//!         _ => {}
//!     }
//! }
//! # }
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin_core::{
    Address, Call, Clock, Context, Detail, Discovery, Error, Instant, NothingMatched, Provider,
    Result, TransportError, TransportFailure,
};
use futures::Stream;
use futures::future::BoxFuture;

mod builder;
mod change_filter;
mod event;
mod guard;
mod last_good;
mod schedule;
mod snapshot_writer;
mod status;

pub use builder::WatchBuilder;
pub use event::{AddressSource, Change, Event, Held, HeldReason, PollFailure};
pub use guard::{Guards, MaxShrink};
pub use schedule::{BURST, MAX_RETRY_AFTER, Pace};
pub use status::{Counts, InUse, LastError, Status, StatusReader};

use change_filter::{ChangeFilter, Verdict};
use last_good::{LastGood, Restored};
use schedule::{PollEnd, Schedule};
use snapshot_writer::SnapshotWriter;

use crate::result_file::{Scope, differing, scope_of};

/// How long the first poll may take before the last good result of an earlier run is used.
pub const RESTORE_AFTER: Duration = Duration::from_secs(5);

/// The age from which the last good result of an earlier run counts as stale, by default: 24 h.
pub const DEFAULT_LAST_GOOD_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// How much longer than its deadline a poll may take before it is cancelled. A provider keeps the
/// deadline itself, and its error is more precise.
const GRACE: Duration = Duration::from_secs(5);

/// Watches the addresses that a provider finds.
pub struct Watch {
    provider: Arc<dyn Provider>,
    clock: Clock,
    timeout: Duration,
    detail: Detail,
    schedule: Schedule,
    filter: ChangeFilter,
    status: StatusReader,
    due: Instant,
    in_flight: Option<(Call, BoxFuture<'static, Result<Discovery>>)>,
    /// Consecutive polls that failed, or were held back while no addresses are in use.
    unsettled: u32,
    /// Whether a change was reported.
    has_reported: bool,
    /// Whether a result was accepted in this run.
    is_confirmed: bool,
    /// The last good result of an earlier run, until it is used or not needed.
    restored: Option<Restored>,
    /// Where the addresses of the earlier run were found, until a result is accepted.
    restored_scope: Option<Scope>,
    last_good_max_age: Duration,
    restore_at: Option<Instant>,
    snapshots: SnapshotWriter,
}

impl Watch {
    /// Builds a watch of the addresses that `provider` finds. It uses the clock of `context`.
    pub fn builder(provider: impl Into<Arc<dyn Provider>>, context: &Context) -> WatchBuilder {
        WatchBuilder::new(provider.into(), context)
    }

    fn new(builder: WatchBuilder) -> Self {
        let WatchBuilder {
            provider,
            clock,
            pace,
            timeout,
            guards,
            detail,
            last_good,
            last_good_max_age,
            identity,
            #[cfg(unix)]
            cache,
            seed,
        } = builder;
        let now = clock.now();
        let mut schedule = Schedule::new(
            pace,
            seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            now,
        );
        let due = schedule.first(now);
        let status = StatusReader::new(provider.as_ref(), &clock, due);
        let identity =
            identity.unwrap_or_else(|| format!("{}: {}", provider.name(), provider.subject()));
        let mut snapshots =
            SnapshotWriter::new(last_good.map(|file| LastGood::new(file, identity)));
        snapshots.set_scope(scope_of(provider.as_ref()));
        #[cfg(unix)]
        snapshots.set_cache(cache);
        let restored = snapshots.restore(clock.wall(), guards.min, &status);
        let restored_scope = restored.as_ref().map(|restored| restored.scope.clone());
        let filter = ChangeFilter::new(
            guards,
            restored
                .as_ref()
                .map(|restored| Arc::clone(&restored.addresses)),
        );
        Self {
            provider,
            clock,
            timeout,
            detail,
            schedule,
            filter,
            status,
            due,
            in_flight: None,
            unsettled: 0,
            has_reported: false,
            is_confirmed: false,
            restored,
            restored_scope,
            last_good_max_age,
            restore_at: None,
            snapshots,
        }
    }

    /// Waits until the next poll is due, polls, and returns the result. A failure is an event and
    /// doesn't end the watch.
    ///
    /// Each poll gives one event. One more comes when the first poll fails, is held back or takes
    /// longer than [`RESTORE_AFTER`] and an earlier run left a good result, which is used then.
    ///
    /// Cancel-safe: the next call continues with the poll in flight.
    pub async fn next(&mut self) -> Event {
        if self.restored.is_some() {
            let ends = *self
                .restore_at
                .get_or_insert_with(|| self.clock.now() + RESTORE_AFTER);
            let left = ends.saturating_duration_since(self.clock.now());
            if left.is_zero() {
                return Event::Changed(self.use_restored());
            }
            // Tokio's time: an auto-advancing clock would time out before any response arrived.
            match tokio::time::timeout(left, self.poll()).await {
                Ok((call, result)) => return self.judge(&call, result),
                Err(_) => return Event::Changed(self.use_restored()),
            }
        }
        let (call, result) = self.poll().await;
        self.judge(&call, result)
    }

    /// Polls as soon as [`Pace::max_polls_per_hour`] allows, instead of at the regular time. The
    /// `Retry-After` of a throttled request is kept; that of a failed one isn't.
    pub fn refresh_soon(&mut self) {
        let soonest = self.schedule.soonest(self.clock.now());
        self.set_due(soonest.min(self.due));
    }

    /// Uses the last good result of an earlier run now, without waiting for the cloud any longer.
    /// `None` if there is none or it isn't needed any more.
    pub fn use_last_good(&mut self) -> Option<Change> {
        self.restored.is_some().then(|| self.use_restored())
    }

    /// Waits until the last good result is on disk, or [`Status::last_good_error`] has the reason
    /// why not. [`Watch::next`] doesn't wait for it; a program that ends after an event should.
    pub async fn flush(&mut self) {
        self.snapshots.finish(&self.status).await;
    }

    /// The status of the watch, which can be read from any task.
    pub fn status(&self) -> StatusReader {
        self.status.clone()
    }

    /// The addresses in use now; `None` before the first [`Event::Changed`].
    ///
    /// Its `current` and `retained` can change with every event, [`Event::Held`] and
    /// [`Event::Unchanged`] included: an address that the newest result lacks becomes retained at
    /// once, and current again when it is back. Read this after each event if the order matters.
    pub fn in_use(&self) -> Option<InUse> {
        self.status.in_use()
    }

    /// The watch as a stream of events, which does not end.
    pub fn into_stream(self) -> impl Stream<Item = Event> + Send {
        futures::stream::unfold(self, |mut watch| async move {
            let event = watch.next().await;
            Some((event, watch))
        })
    }

    /// Waits until the next poll is due, and for its result. Cancel-safe.
    async fn poll(&mut self) -> (Call, Result<Discovery>) {
        loop {
            if let Some((call, request)) = &mut self.in_flight {
                let result = request.await;
                let call = call.clone();
                self.in_flight = None;
                return (call, result);
            }
            let left = self.due.saturating_duration_since(self.clock.now());
            if left.is_zero() {
                self.start_poll();
            } else {
                tokio::select! {
                    biased;
                    () = self.snapshots.finish(&self.status), if self.snapshots.is_writing() => {}
                    () = self.clock.sleep(left) => {}
                }
            }
        }
    }

    fn start_poll(&mut self) {
        self.schedule.note_poll(self.clock.now());
        self.status.change(|state| state.is_polling = true);
        let call = Call::new(&self.clock, self.timeout)
            .with_detail(self.detail)
            .without_throttle_retry();
        let (provider, limit, request) = (
            Arc::clone(&self.provider),
            self.timeout + GRACE,
            call.clone(),
        );
        let poll = async move {
            tokio::time::timeout(limit, provider.discover(&request))
                .await
                .unwrap_or_else(|_| {
                    let name = provider.name();
                    Err(TransportError::new(
                        "poll",
                        format!("provider `{name}`"),
                        TransportFailure::Deadline,
                    )
                    .of_provider(name)
                    .into())
                })
        };
        self.in_flight = Some((call, Box::pin(poll)));
    }

    fn judge(&mut self, call: &Call, result: Result<Discovery>) -> Event {
        let end = self.status.change(|state| state.note_poll_end(call));
        let stretch = self
            .schedule
            .note_poll_end(self.clock.now(), end.throttled && self.unsettled == 0);
        self.status.change(|state| state.stretch = stretch);
        match result {
            Err(error) => self.failed(error, end),
            Ok(discovery) => {
                let addresses = discovery.addresses();
                let shown = Arc::new(discovery);
                self.status
                    .change(|state| state.discovery = Some(Arc::clone(&shown)));
                if addresses.is_empty() {
                    let end = PollEnd {
                        throttled: false,
                        ..end
                    };
                    return self.failed(NothingMatched::new(Discovery::clone(&shown)).into(), end);
                }
                self.succeeded(shown, addresses.into())
            }
        }
    }

    fn succeeded(&mut self, discovery: Arc<Discovery>, addresses: Arc<[Address]>) -> Event {
        let now = self.clock.now();
        let verdict = if self.is_of_another_scope() {
            self.filter.apply_replacement(&addresses, now)
        } else {
            self.filter.apply(&addresses, now)
        };
        let held = |reason| Held {
            reason,
            would_be: Arc::clone(&addresses),
            discovery: Arc::clone(&discovery),
        };
        let (event, again) = match verdict {
            Verdict::Held(reason, again) => (Event::Held(held(reason)), again),
            Verdict::Unchanged if self.has_reported => {
                (Event::Unchanged(Arc::clone(&discovery)), None)
            }
            Verdict::Unchanged => (self.changed(Vec::new(), Vec::new(), &discovery, None), None),
            Verdict::Changed(step) => {
                let again = step.held.and_then(|(_, again)| again);
                (
                    self.changed(
                        step.joined,
                        step.left,
                        &discovery,
                        step.held.map(|(reason, _)| held(reason)),
                    ),
                    again,
                )
            }
        };
        let held_part = match &event {
            Event::Held(held) => Some(held.clone()),
            Event::Changed(change) => change.held.clone(),
            _ => None,
        };
        let is_held_back = matches!(event, Event::Held(_));
        let in_use = self.filter.in_use();
        let is_whole = held_part.is_none();
        self.status
            .change(|state| state.note_result(in_use, held_part, !is_held_back, now));
        let due = match (&event, again) {
            (Event::Held(_), _) if self.filter.in_use().is_none() => {
                self.unsettled = self.unsettled.saturating_add(1);
                self.schedule.after_too_few(now, self.unsettled)
            }
            (_, Some(again)) => self.schedule.after_unsettled(now, again),
            (_, None) => self.schedule.after_success(now),
        };
        if self.filter.in_use().is_some() {
            self.unsettled = 0;
        }
        self.is_confirmed |= !is_held_back;
        if !is_held_back {
            self.restored_scope = None;
        }
        if let (false, Some(addresses)) = (is_held_back, self.filter.in_use()) {
            let scope = self.provider.scope();
            let found = is_whole.then_some((discovery, scope));
            self.snapshots
                .save(&addresses.all, found, self.clock.wall());
        }
        self.settle_restored(is_held_back);
        self.set_due(due);
        event
    }

    /// Whether the addresses in use were found in another scope than the newest result, whose scope
    /// is kept. What `self` refers to is known only now, say in a machine whose image was captured
    /// elsewhere.
    fn is_of_another_scope(&mut self) -> bool {
        let scope = scope_of(self.provider.as_ref());
        let differing = self
            .restored_scope
            .as_ref()
            .map(|before| differing(before, &scope))
            .unwrap_or_default();
        self.snapshots.set_scope(scope);
        if !differing.is_empty() {
            tracing::warn!(
                "the last good result is not used: it is of another scope: {} differs",
                differing.join(", ")
            );
        }
        !differing.is_empty()
    }

    fn changed(
        &mut self,
        joined: Vec<Address>,
        left: Vec<Address>,
        discovery: &Arc<Discovery>,
        held: Option<Held>,
    ) -> Event {
        Event::Changed(self.use_addresses(
            joined,
            left,
            AddressSource::Fresh,
            Some(Arc::clone(discovery)),
            held,
        ))
    }

    fn failed(&mut self, error: Error, end: PollEnd) -> Event {
        let now = self.clock.now();
        self.unsettled = self.unsettled.saturating_add(1);
        let due = self
            .schedule
            .after_failure(now, &error, end, self.unsettled, !self.is_confirmed);
        let consecutive = self.status.change(|state| state.note_failure(&error, now));
        self.settle_restored(true);
        self.set_due(due);
        Event::Failed(PollFailure {
            transient: error.is_transient(),
            error,
            consecutive,
            retry_in: due.saturating_duration_since(now),
        })
    }

    /// Decides whether the last good result of an earlier run is used now, or not needed any more.
    fn settle_restored(&mut self, is_needed: bool) {
        if is_needed {
            self.restore_at = Some(self.clock.now());
        } else {
            self.restored = None;
        }
    }

    fn use_restored(&mut self) -> Change {
        let age = self.restored.take().and_then(|restored| restored.age);
        let is_stale = age.is_none_or(|age| age > self.last_good_max_age);
        self.use_addresses(
            Vec::new(),
            Vec::new(),
            AddressSource::LastGood { age, is_stale },
            None,
            None,
        )
    }

    /// Reports the addresses of the filter as the ones to use from now on.
    fn use_addresses(
        &mut self,
        joined: Vec<Address>,
        left: Vec<Address>,
        source: AddressSource,
        discovery: Option<Arc<Discovery>>,
        held: Option<Held>,
    ) -> Change {
        self.has_reported = true;
        let now = self.clock.now();
        let addresses = self.filter.in_use().cloned().unwrap_or_default();
        let change = Change {
            addresses: Arc::clone(&addresses.all),
            current: Arc::clone(&addresses.current),
            retained: Arc::clone(&addresses.retained),
            joined,
            left,
            source,
            discovery,
            held,
        };
        self.status
            .change(|state| state.note_change(addresses, source, now));
        change
    }

    fn set_due(&mut self, due: Instant) {
        self.due = due;
        self.status.change(|state| state.due = due);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.status.change(|state| state.is_polling = false);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("provider", &self.provider)
            .field("timeout", &self.timeout)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
