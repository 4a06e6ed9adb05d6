//! One call: its deadline, its record of requests, and how much detail its result keeps.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::clock::{Clock, Instant, later};

/// How many of the examined nodes a [`Discovery`](crate::Discovery) keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Detail {
    /// The nodes that matched, counts by reason for the others, and a few examples of each reason.
    /// Memory doesn't grow with the number of resources.
    #[default]
    Addresses,
    /// As [`Detail::Addresses`], with no more of the nodes that matched than their names and
    /// addresses: for callers that use the addresses alone.
    Minimal,
    /// Every examined node, matching or not: what `discover explain` prints.
    Everything,
}

/// One `discover` call: its deadline, its record of requests, and the detail of its result.
///
/// The caller creates it, so that the requests can be read also when the call failed. Clones share
/// the record; [`Call::within`] returns a clone with an earlier deadline.
#[derive(Debug, Clone)]
pub struct Call {
    clock: Clock,
    started: Instant,
    deadline: Instant,
    detail: Detail,
    throttle_retry: bool,
    record: Arc<Mutex<Vec<RequestRecord>>>,
}

impl Call {
    /// A call that starts now and may take `timeout`.
    pub fn new(clock: &Clock, timeout: Duration) -> Self {
        let started = clock.now();
        Self {
            clock: clock.clone(),
            started,
            deadline: later(started, timeout),
            detail: Detail::default(),
            throttle_retry: true,
            record: Arc::default(),
        }
    }

    /// The same call with another [`Detail`].
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    /// The same call, in which a throttled request (status 429) fails at once: for a caller that
    /// polls anyway, so that retries don't add to the load.
    #[must_use]
    pub fn without_throttle_retry(mut self) -> Self {
        self.throttle_retry = false;
        self
    }

    /// Whether a throttled request is retried.
    pub fn retries_throttling(&self) -> bool {
        self.throttle_retry
    }

    /// The same call, with a deadline at most `limit` from now; the record is shared.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        let mut nearer = self.clone();
        nearer.deadline = self.deadline.min(later(self.clock.now(), limit));
        nearer
    }

    /// The clock this call is measured by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// When the call must have ended.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The time left until the deadline; zero when it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(self.clock.now())
    }

    /// The time since the call started.
    pub fn elapsed(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.started)
    }

    /// How much detail the result keeps.
    pub fn detail(&self) -> Detail {
        self.detail
    }

    /// Records a request without status, made since `started` ([`Call::elapsed`]).
    pub fn record_result<T, E: std::fmt::Display>(
        &self,
        operation: &str,
        target: &str,
        started: Duration,
        result: &Result<T, E>,
    ) {
        let outcome = match result {
            Ok(_) => RequestOutcome::Status(0),
            Err(error) => RequestOutcome::Failed(error.to_string()),
        };
        let mut record = RequestRecord::new(operation, target, outcome);
        (record.started, record.elapsed) = (started, self.elapsed().saturating_sub(started));
        self.record(record);
    }

    /// Records and logs one request. The HTTP client calls it; a provider with another protocol
    /// calls it itself.
    pub fn record(&self, request: RequestRecord) {
        let elapsed_ms = u64::try_from(request.elapsed.as_millis()).unwrap_or(u64::MAX);
        let RequestRecord {
            operation,
            target,
            attempt,
            outcome,
            bytes,
            ..
        } = &request;
        tracing::debug!(operation, request = target, attempt, %outcome, bytes, elapsed_ms, "request finished");
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request);
    }

    /// The requests so far, in the order in which they ended.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One request of a call: a line of `discover explain`.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RequestRecord {
    /// What it was for, in words: `list network interfaces`.
    pub operation: String,
    /// The method and the URL without secrets: `GET https://api.example/v1/servers`.
    pub target: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: RequestOutcome,
    /// When it started, from the start of the call.
    #[serde(rename = "started_ms", serialize_with = "milliseconds")]
    pub started: Duration,
    /// How long it took.
    #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
    pub elapsed: Duration,
    /// The size of the response in bytes, decompressed.
    pub bytes: u64,
}

impl RequestRecord {
    /// A record of a first attempt that has just ended; the other fields can be set afterwards.
    pub fn new(
        operation: impl Into<String>,
        target: impl Into<String>,
        outcome: RequestOutcome,
    ) -> Self {
        Self {
            operation: operation.into(),
            target: target.into(),
            attempt: 1,
            outcome,
            started: Duration::ZERO,
            elapsed: Duration::ZERO,
            bytes: 0,
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RequestOutcome {
    /// A complete response with this status.
    Status(u16),
    /// No complete response, for the given reason.
    Failed(String),
    /// Cancelled, because another response made it unnecessary.
    Cancelled,
}

impl fmt::Display for RequestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Failed(reason) => f.write_str(reason),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

fn milliseconds<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
