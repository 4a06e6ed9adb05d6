//! Asks the cloud again and again, politely, and tells what changed.
//!
//! A [`Watch`] is the one caller for everybody on a host who wants the addresses. When it asks is `schedule.rs`; what an answer must be before it counts is `guard.rs` and `gate.rs`; what is kept over
//! restarts is `last_good.rs`; what it tells is `event.rs` and `status.rs`. It starts no task: it works while [`Watch::next`] is polled, and ends when it is dropped.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloud_autojoin::Error> {
//! use cloud_autojoin::watch::{Event, Watch};
//! use cloud_autojoin::{Context, Registry};
//!
//! let registry = Registry::compiled_in();
//! let config = registry.parse("provider=azure subscription_id=self resource_group=cluster vm_scale_set=consul")?;
//! let context = Context::from_process()?;
//! let mut watch = Watch::builder(registry.build(&config, &context)?, &context).last_good("/var/lib/discover/consul.json").build();
//! loop {
//!     match watch.next().await {
//!         Event::Changed(change) => println!("use {:?} from now on", change.addresses),
//!         Event::Failed(failure) => eprintln!("{}; asked again in {:?}", failure.error, failure.retry_in),
//!         _ => {}
//!     }
//! }
//! # }
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin_core::{
    Address, Call, Clock, Context, Detail, Discovery, Error, Moment, NothingMatched, Provider, Result, TransportError, TransportFailure,
};
use futures::Stream;
use futures::future::BoxFuture;

mod builder;
mod event;
mod gate;
mod guard;
mod keeper;
mod last_good;
mod schedule;
mod status;

pub use builder::WatchBuilder;
pub use event::{Change, Event, Failure, Held, HeldReason, Source};
pub use guard::{Guards, MaxShrink};
pub use schedule::{EARLY_ASKS, MAX_RETRY_AFTER, Pace};
pub use status::{Counts, InUse, LastError, Status, StatusReader};

use gate::{Gate, Verdict};
use keeper::Keeper;
use last_good::{LastGood, Restored, Scope, differing};
use schedule::{End, Schedule};

/// How long the first answer may take before the last good one of an earlier run is put to use.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How old the last good answer of an earlier run may be before it counts as stale, by default: 24 h.
pub const DEFAULT_LAST_GOOD_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// How much longer than its deadline a question may take before it is given up: a provider keeps its deadline itself, and says more when it does.
const GRACE: Duration = Duration::from_secs(5);

/// Watches the addresses that a provider finds.
pub struct Watch {
    provider: Arc<dyn Provider>,
    clock: Clock,
    timeout: Duration,
    detail: Detail,
    schedule: Schedule,
    gate: Gate,
    status: StatusReader,
    due: Moment,
    asking: Option<(Call, BoxFuture<'static, Result<Discovery>>)>,
    /// How many answers in a row did not settle the matter: failures, and answers held while nothing is in use.
    unsettled: u32,
    /// Whether a change has been told: before that, what is in use is known here only.
    told: bool,
    /// Whether the cloud gave an accepted answer in this run.
    is_confirmed: bool,
    /// What an earlier run left, until it is put to use or not needed.
    restored: Option<Restored>,
    /// Where the addresses of the earlier run were found, until the cloud gave an accepted answer.
    restored_scope: Option<Scope>,
    last_good_max_age: Duration,
    patience_ends: Option<Moment>,
    keeper: Keeper,
}

impl Watch {
    /// A watch of what `provider` (a `Box` or an `Arc`) finds, timed by the clock of `context`.
    pub fn builder(provider: impl Into<Arc<dyn Provider>>, context: &Context) -> WatchBuilder {
        WatchBuilder::new(provider.into(), context)
    }

    fn new(builder: WatchBuilder) -> Self {
        let WatchBuilder { provider, clock, pace, timeout, guards, detail, last_good, last_good_max_age, identity, seed } = builder;
        let now = clock.now();
        let mut schedule = Schedule::new(pace, seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed), now);
        let due = schedule.first(now);
        let status = StatusReader::new(provider.as_ref(), &clock, due);
        let identity = identity.unwrap_or_else(|| format!("{}: {}", provider.name(), provider.subject()));
        let mut keeper = Keeper::new(last_good.map(|file| LastGood::new(file, identity)));
        keeper.set_scope(scope_of(provider.as_ref()));
        let restored = keeper.restore(clock.wall(), guards.min, &status);
        let restored_scope = restored.as_ref().map(|restored| restored.scope.clone());
        let gate = Gate::new(guards, restored.as_ref().map(|restored| Arc::clone(&restored.addresses)));
        Self {
            provider,
            clock,
            timeout,
            detail,
            schedule,
            gate,
            status,
            due,
            asking: None,
            unsettled: 0,
            told: false,
            is_confirmed: false,
            restored,
            restored_scope,
            last_good_max_age,
            patience_ends: None,
            keeper,
        }
    }

    /// Waits until the cloud is to be asked, asks it, and tells what came of it. Never ends the watch: a failure is an event like others.
    ///
    /// Each question gives one event. One more comes when the first question fails, is held back or takes longer than [`PATIENCE`], and an earlier run left a good answer: that is put to use then.
    ///
    /// Dropping the future loses nothing: the next call goes on where this one was, with the question that is on its way.
    pub async fn next(&mut self) -> Event {
        if self.restored.is_some() {
            let ends = *self.patience_ends.get_or_insert_with(|| self.clock.now() + PATIENCE);
            let left = ends.saturating_duration_since(self.clock.now());
            if left.is_zero() {
                return Event::Changed(self.use_restored());
            }
            // Tokio's own time: a leaping clock would be out of patience before any answer came.
            match tokio::time::timeout(left, self.answer()).await {
                Ok((call, result)) => return self.judge(&call, result),
                Err(_) => return Event::Changed(self.use_restored()),
            }
        }
        let (call, result) = self.answer().await;
        self.judge(&call, result)
    }

    /// Asks as soon as the promise of [`Pace::most_asks_per_hour`] allows, instead of at the regular time. A wait that a throttling
    /// cloud asked for isn't cut short; one that a failing cloud asked for is.
    pub fn hurry(&mut self) {
        let soonest = self.schedule.soonest(self.clock.now());
        self.set_due(soonest.min(self.due));
    }

    /// Puts the last good answer of an earlier run to use now, without waiting for the cloud any
    /// longer. `None` when there is none, or it is not needed any more.
    pub fn use_last_good(&mut self) -> Option<Change> {
        self.restored.is_some().then(|| self.use_restored())
    }

    /// Waits until the last good answer is on disk, or could not be written, which [`Status::last_good_error`] says. [`Watch::next`] does not wait for it; a program that ends after an event does.
    pub async fn flush(&mut self) {
        self.keeper.written(&self.status).await;
    }

    /// Reads how the watch stands, from any task.
    pub fn status(&self) -> StatusReader {
        self.status.clone()
    }

    /// The addresses in use now; `None` before the first [`Event::Changed`].
    ///
    /// Its `current` and `retained` can change with every event, [`Event::Held`] and
    /// [`Event::Unchanged`] included: an address that the newest answer lacks becomes retained at
    /// once, and current again when it is back. Whoever cares about the order reads this after each
    /// event.
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

    /// The next answer: waits, asks, waits for the answer. May be dropped and called again at any point.
    async fn answer(&mut self) -> (Call, Result<Discovery>) {
        loop {
            if let Some((call, asked)) = &mut self.asking {
                let result = asked.await;
                let call = call.clone();
                self.asking = None;
                return (call, result);
            }
            let left = self.due.saturating_duration_since(self.clock.now());
            if left.is_zero() {
                self.ask();
            } else {
                tokio::select! {
                    biased;
                    () = self.keeper.written(&self.status), if self.keeper.is_writing() => {}
                    () = self.clock.sleep(left) => {}
                }
            }
        }
    }

    fn ask(&mut self) {
        self.schedule.note_ask(self.clock.now());
        self.status.change(|board| board.asking = true);
        let call = Call::new(&self.clock, self.timeout).with_detail(self.detail).yielding();
        let (provider, limit, asked) = (Arc::clone(&self.provider), self.timeout + GRACE, call.clone());
        let question = async move {
            tokio::time::timeout(limit, provider.discover(&asked)).await.unwrap_or_else(|_| {
                let name = provider.name();
                Err(TransportError::new("get an answer", format!("provider `{name}`"), TransportFailure::Deadline).of_provider(name).into())
            })
        };
        self.asking = Some((call, Box::pin(question)));
    }

    fn judge(&mut self, call: &Call, result: Result<Discovery>) -> Event {
        let end = self.status.change(|board| board.note_end(call));
        let stretch = self.schedule.note_end(self.clock.now(), end.throttled && self.unsettled == 0);
        self.status.change(|board| board.stretch = stretch);
        match result {
            Err(error) => self.failed(error, end),
            Ok(discovery) => {
                let addresses = discovery.addresses();
                let shown = Arc::new(discovery);
                self.status.change(|board| board.discovery = Some(Arc::clone(&shown)));
                if addresses.is_empty() {
                    let end = End { throttled: false, ..end };
                    return self.failed(NothingMatched::new(Discovery::clone(&shown)).into(), end);
                }
                self.answered(shown, addresses.into())
            }
        }
    }

    fn answered(&mut self, discovery: Arc<Discovery>, addresses: Arc<[cloud_autojoin_core::Address]>) -> Event {
        let now = self.clock.now();
        let verdict = if self.is_of_another_scope() { self.gate.judge_replacement(&addresses, now) } else { self.gate.judge(&addresses, now) };
        let held = |reason| Held { reason, would_be: Arc::clone(&addresses), discovery: Arc::clone(&discovery) };
        let (event, again) = match verdict {
            Verdict::Held(reason, again) => (Event::Held(held(reason)), again),
            Verdict::Unchanged if self.told => (Event::Unchanged(Arc::clone(&discovery)), None),
            Verdict::Unchanged => (self.changed(Vec::new(), Vec::new(), &discovery, None), None),
            Verdict::Changed(step) => {
                let again = step.held.and_then(|(_, again)| again);
                (self.changed(step.joined, step.left, &discovery, step.held.map(|(reason, _)| held(reason))), again)
            }
        };
        let is_held = match &event {
            Event::Held(held) => Some(held.clone()),
            Event::Changed(change) => change.held.clone(),
            _ => None,
        };
        let nothing_new = matches!(event, Event::Held(_));
        let in_use = self.gate.in_use();
        self.status.change(|board| board.note_answer(in_use, is_held, !nothing_new, now));
        let due = match (&event, again) {
            (Event::Held(_), _) if self.gate.in_use().is_none() => {
                self.unsettled = self.unsettled.saturating_add(1);
                self.schedule.after_too_few(now, self.unsettled)
            }
            (_, Some(again)) => self.schedule.after_doubt(now, again),
            (_, None) => self.schedule.after_answer(now),
        };
        if self.gate.in_use().is_some() {
            self.unsettled = 0;
        }
        self.is_confirmed |= !nothing_new;
        if !nothing_new {
            self.restored_scope = None;
        }
        if let (false, Some(addresses)) = (nothing_new, self.gate.in_use()) {
            self.keeper.keep(&addresses.all, self.clock.wall());
        }
        self.after_first(nothing_new);
        self.set_due(due);
        event
    }

    /// Notes the scope of the newest answer. Whether what is in use was found in another one: only now
    /// is it known what `self` stands for, say in a machine whose image was captured elsewhere.
    fn is_of_another_scope(&mut self) -> bool {
        let scope = scope_of(self.provider.as_ref());
        let differing = self.restored_scope.as_ref().map(|before| differing(before, &scope)).unwrap_or_default();
        self.keeper.set_scope(scope);
        if !differing.is_empty() {
            tracing::warn!("the last good answer is not used: it is of another scope: {} differs", differing.join(", "));
        }
        !differing.is_empty()
    }

    fn changed(&mut self, joined: Vec<Address>, left: Vec<Address>, discovery: &Arc<Discovery>, held: Option<Held>) -> Event {
        Event::Changed(self.use_addresses(joined, left, Source::Fresh, Some(Arc::clone(discovery)), held))
    }

    fn failed(&mut self, error: Error, end: End) -> Event {
        let now = self.clock.now();
        self.unsettled = self.unsettled.saturating_add(1);
        let due = self.schedule.after_failure(now, &error, end, self.unsettled, !self.is_confirmed);
        let consecutive = self.status.change(|board| board.note_failure(&error, now));
        self.after_first(true);
        self.set_due(due);
        Event::Failed(Failure { transient: error.is_transient(), error, consecutive, retry_in: due.saturating_duration_since(now) })
    }

    /// After a question: what an earlier run left is not needed any more, or needed now.
    fn after_first(&mut self, wanting: bool) {
        if wanting {
            self.patience_ends = Some(self.clock.now());
        } else {
            self.restored = None;
        }
    }

    fn use_restored(&mut self) -> Change {
        let age = self.restored.take().and_then(|restored| restored.age);
        let is_stale = age.is_none_or(|age| age > self.last_good_max_age);
        self.use_addresses(Vec::new(), Vec::new(), Source::LastGood { age, is_stale }, None, None)
    }

    /// The addresses that the gate has are to be used from now on.
    fn use_addresses(&mut self, joined: Vec<Address>, left: Vec<Address>, source: Source, discovery: Option<Arc<Discovery>>, held: Option<Held>) -> Change {
        self.told = true;
        let now = self.clock.now();
        let addresses = self.gate.in_use().cloned().unwrap_or_default();
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
        self.status.change(|board| board.note_change(addresses, source, now));
        change
    }

    fn set_due(&mut self, due: Moment) {
        self.due = due;
        self.status.change(|board| board.due = due);
    }
}

fn scope_of(provider: &dyn Provider) -> Scope {
    provider.scope().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.status.change(|board| board.asking = false);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("provider", &self.provider).field("timeout", &self.timeout).field("schedule", &self.schedule).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
