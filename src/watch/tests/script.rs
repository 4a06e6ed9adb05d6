//! A fake provider that responds by a script, and hours of its use.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::error::SourceReport;
use cloud_autojoin_core::{
    Address, ApiError, Call, CredentialError, Detail, Discovery, Env, Exclusion, Instant, Node,
    Provider, RequestOutcome, RequestRecord, Result, TransportError, TransportFailure,
};

use super::super::{Change, Event, Pace, Watch, WatchBuilder};
use crate::Context;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// What the fake cloud does when it is polled.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// Instances with these numbers, and one without an address.
    Instances(Vec<u8>),
    /// This status, with `Retry-After` if set.
    Status(u16, Option<Duration>),
    /// No connection to anything, as while the metadata service or the network is not there yet.
    Unreachable,
    /// The same failure without a request over HTTP, as of a provider that uses DNS.
    NoResponse,
    /// Nothing that waiting mends: no credential is configured.
    NoCredential,
    /// The same after a while.
    After(Duration, Box<Self>),
    /// Nothing ever.
    Hang,
}

pub(super) fn instances(numbers: impl IntoIterator<Item = u8>) -> Reply {
    Reply::Instances(numbers.into_iter().collect())
}

pub(super) fn addresses(numbers: impl IntoIterator<Item = u8>) -> Vec<Address> {
    numbers
        .into_iter()
        .map(|number| Address::ip([10, 0, 0, number].into()))
        .collect()
}

type Line = dyn Fn(Duration) -> Reply + Send + Sync;

/// Responds by the time since the start of the test.
#[derive(Clone)]
pub(super) struct Script {
    line: Arc<Line>,
    start: Instant,
    scope: Arc<Mutex<Vec<(&'static str, String)>>>,
    polls: Arc<Mutex<Vec<Duration>>>,
    dropped: Arc<Mutex<usize>>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Script {
    pub(super) fn new(line: impl Fn(Duration) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            line: Arc::new(line),
            start: Instant::now(),
            scope: Arc::default(),
            polls: Arc::default(),
            dropped: Arc::default(),
        }
    }

    /// A watch of it whose waits are the same in each run of the test.
    pub(super) fn watch(&self) -> WatchBuilder {
        let context = Context::builder().env(Env::empty()).build().unwrap();
        Watch::builder(Box::new(self.clone()) as Box<dyn Provider>, &context).seed(7)
    }

    /// Sets where it looks from now on.
    pub(super) fn set_scope<const N: usize>(&self, scope: [(&'static str, &str); N]) {
        *self.scope.lock().unwrap() = scope
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
    }

    /// When it was polls, from the start.
    pub(super) fn polls(&self) -> Vec<Duration> {
        self.polls.lock().unwrap().clone()
    }

    /// How many polls were cancelled before their result.
    pub(super) fn dropped(&self) -> usize {
        *self.dropped.lock().unwrap()
    }

    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Spends time with the watch, and gives what it events and when.
    pub(super) async fn spend(&self, watch: &mut Watch, until: Duration) -> Vec<(Duration, Event)> {
        let mut events = Vec::new();
        while let Ok(event) = tokio::time::timeout_at(self.start + until, watch.next()).await {
            events.push((self.now(), event));
        }
        events
    }

    /// The promise, at each hour that begins with a poll.
    pub(super) fn assert_promise(&self, pace: &Pace) {
        let polls = self.polls();
        for (index, first) in polls.iter().enumerate() {
            let within = polls[index..]
                .iter()
                .take_while(|at| **at < *first + HOUR)
                .count() as u64;
            assert!(
                within <= pace.max_polls_per_hour(),
                "{within} polls in the hour from {first:?}; promised {}",
                pace.max_polls_per_hour()
            );
        }
    }
}

struct PendingPoll(Option<Arc<Mutex<usize>>>);

impl Drop for PendingPoll {
    fn drop(&mut self) {
        if let Some(dropped) = &self.0 {
            *dropped.lock().unwrap() += 1;
        }
    }
}

#[async_trait]
impl Provider for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn subject(&self) -> String {
        "scale set `consul`".to_owned()
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        self.scope.lock().unwrap().clone()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let now = self.now();
        self.polls.lock().unwrap().push(now);
        let mut poll = PendingPoll(Some(Arc::clone(&self.dropped)));
        let mut reply = (self.line)(now);
        while let Reply::After(wait, then) = reply {
            call.clock().sleep(wait).await;
            reply = *then;
        }
        let result = result(&reply, call).await;
        poll.0 = None;
        result
    }
}

async fn result(reply: &Reply, call: &Call) -> Result<Discovery> {
    match reply {
        Reply::Instances(numbers) => {
            call.record(RequestRecord::new(
                "list",
                "GET /",
                RequestOutcome::Status(200),
            ));
            let mut discovery = Discovery::new("script", "scale set `consul`", Detail::Addresses);
            for address in addresses(numbers.iter().copied()) {
                let mut node = Node::new("instance", address.to_string(), address.to_string());
                node.addresses.push(address);
                discovery.record(node);
            }
            let mut out = Node::new("instance", "starting", "starting");
            out.excluded.push(Exclusion::NoAddress);
            discovery.record(out);
            Ok(discovery)
        }
        Reply::Status(status, retry_after) => {
            call.record(RequestRecord::new(
                "list",
                "GET /",
                RequestOutcome::Status(*status),
            ));
            {
                let error = ApiError::new("script", "list instances", *status)
                    .with_retry_after(*retry_after);
                // As the clouds whose grants take minutes to count.
                Err(if *status == 403 {
                    error.transient()
                } else {
                    error
                }
                .into())
            }
        }
        Reply::NoCredential => Err(CredentialError::new(
            "script",
            vec![SourceReport::not_configured(
                "environment",
                "`SECRET_ID` is not set",
            )],
        )
        .into()),
        Reply::Unreachable | Reply::NoResponse => {
            if matches!(reply, Reply::Unreachable) {
                let outcome = RequestOutcome::Failed("connection refused".to_owned());
                call.record(RequestRecord::new("get a token", "GET /", outcome));
            }
            Err(TransportError::new(
                "request a token",
                "http://metadata",
                TransportFailure::Connect,
            )
            .into())
        }
        Reply::After(..) | Reply::Hang => std::future::pending().await,
    }
}

/// The change of an event that has one.
pub(super) fn change(event: Event) -> Change {
    match event {
        Event::Changed(change) => change,
        other => panic!("no change: {other:?}"),
    }
}

/// One letter per event: what happened, at a glance.
pub(super) fn letters(events: &[(Duration, Event)]) -> String {
    events
        .iter()
        .map(|(_, event)| match event {
            Event::Changed(_) => 'C',
            Event::Held(_) => 'H',
            Event::Failed(_) => 'F',
            Event::Unchanged(_) => '.',
        })
        .collect()
}
