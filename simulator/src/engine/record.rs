//! The record of requests: each one at every endpoint, in the order of arrival, with its reply.
//!
//! Tests assert on it, and `discover-sim run` prints a summary of it. It contains no header values
//! and no bodies, and so no secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode, Version};

use super::service::{Endpoint, Operation};

/// One recorded request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenRequest<E, O> {
    /// The service requested.
    pub endpoint: E,
    /// Whether it came in through the forward proxy.
    pub proxied: bool,
    /// The number of its connection, from 1 in the order of accepting; a tunnel through the proxy
    /// is one connection.
    pub connection: u64,
    /// The HTTP version.
    pub version: Version,
    /// The HTTP method.
    pub method: Method,
    /// Host and port as the client wrote them.
    pub host: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query, percent-encoded, without the `?`; empty when there is none.
    pub query: String,
    /// What was requested.
    pub operation: O,
    /// The `User-Agent` header; empty when there is none.
    pub user_agent: String,
    /// Whether an `Authorization: Bearer` header was there, valid or not.
    pub bearer: bool,
    /// The client id of the principal whose valid token it had, or who requested a token.
    pub principal: Option<String>,
    /// The status of the reply; absent until it is sent, and if it hangs or the connection was
    /// reset.
    pub status: Option<StatusCode>,
    /// The faults applied to it, such as `status 429`.
    pub faults: Vec<String>,
    /// When its head had been read, since the start of the simulator, by tokio's clock.
    pub started: Duration,
    /// When its reply was handed over to be sent; absent as `status` is.
    pub ended: Option<Duration>,
    /// Bytes of body sent (compressed when it was sent so).
    pub bytes: usize,
    /// Positions of arrival and end in the order of all events, which are more exact than the
    /// clock.
    pub(super) order: (u64, Option<u64>),
}

impl<E, O> fmt::Display for SeenRequest<E, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}{}", self.method, self.host, self.path)?;
        if !self.query.is_empty() {
            write!(formatter, "?{}", self.query)?;
        }
        match self.status {
            Some(status) => write!(formatter, " -> {}", status.as_u16()),
            None => formatter.write_str(" -> no response"),
        }
    }
}

impl<E, O: Operation> SeenRequest<E, O> {
    /// A request of which only the head is known.
    pub(crate) fn new(endpoint: E, connection: u64, version: Version, method: Method) -> Self {
        Self {
            endpoint,
            proxied: false,
            connection,
            version,
            method,
            host: String::new(),
            path: String::new(),
            query: String::new(),
            operation: O::unexpected(),
            user_agent: String::new(),
            bearer: false,
            principal: None,
            status: None,
            faults: Vec::new(),
            started: Duration::ZERO,
            ended: None,
            bytes: 0,
            order: (0, None),
        }
    }
}

/// All requests and panics since the start, or since the last reset.
#[derive(Debug)]
pub(crate) struct Record<E, O> {
    inner: Mutex<Inner<E, O>>,
}

#[derive(Debug)]
struct Inner<E, O> {
    requests: Vec<SeenRequest<E, O>>,
    panics: Vec<String>,
    events: u64,
    /// The number of the first of `requests`: a reset doesn't restart the numbers.
    first: usize,
}

impl<E, O> Inner<E, O> {
    fn event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    fn at(&mut self, number: usize) -> Option<&mut SeenRequest<E, O>> {
        let index = number.checked_sub(self.first)?;
        self.requests.get_mut(index)
    }
}

impl<E, O> Default for Record<E, O> {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                requests: Vec::new(),
                panics: Vec::new(),
                events: 0,
                first: 0,
            }),
        }
    }
}

impl<E, O> Record<E, O> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner<E, O>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request whose head has been read; returns its number.
    pub(crate) fn arrived(&self, request: SeenRequest<E, O>, started: Duration) -> usize {
        let mut inner = self.lock();
        let order = (inner.event(), None);
        inner.requests.push(SeenRequest {
            started,
            order,
            ..request
        });
        inner.first + inner.requests.len() - 1
    }

    /// Records the operation and the caller of the request.
    pub(crate) fn understood(&self, number: usize, operation: O, principal: Option<String>) {
        if let Some(request) = self.lock().at(number) {
            request.operation = operation;
            request.principal = principal;
        }
    }

    /// Records a fault of the request.
    pub(crate) fn faulted(&self, number: usize, fault: String) {
        if let Some(request) = self.lock().at(number) {
            request.faults.push(fault);
        }
    }

    /// Records that the reply is sent.
    pub(crate) fn responded(
        &self,
        number: usize,
        status: StatusCode,
        bytes: usize,
        ended: Duration,
    ) {
        let mut inner = self.lock();
        let order = inner.event();
        if let Some(request) = inner.at(number) {
            request.status = Some(status);
            request.bytes = bytes;
            request.ended = Some(ended);
            request.order.1 = Some(order);
        }
    }

    /// Records a panic of the simulator itself.
    pub(crate) fn panicked(&self, message: String) {
        self.lock().panics.push(message);
    }

    /// All requests in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<SeenRequest<E, O>>
    where
        E: Clone,
        O: Clone,
    {
        self.lock().requests.clone()
    }

    /// All panics.
    pub(crate) fn panics(&self) -> Vec<String> {
        self.lock().panics.clone()
    }

    /// Removes all requests, but not the panics.
    pub(crate) fn reset(&self) {
        let mut inner = self.lock();
        inner.first += inner.requests.len();
        inner.requests.clear();
    }
}

/// The length of the longest chain of requests each of which arrived after the reply to the
/// previous one.
///
/// A request without a reply can only be the last of a chain.
pub(crate) fn sequential_depth<'a, E: 'a, O: 'a>(
    requests: impl Iterator<Item = &'a SeenRequest<E, O>>,
) -> usize {
    let mut spans: Vec<(u64, u64)> = requests
        .map(|request| (request.order.0, request.order.1.unwrap_or(u64::MAX)))
        .collect();
    // Greedy interval scheduling by end time gives the longest chain.
    spans.sort_by_key(|&(_, end)| end);
    let mut depth = 0;
    let mut last_end = 0;
    for (start, end) in spans {
        if depth == 0 || start > last_end {
            depth += 1;
            last_end = end;
        }
    }
    depth
}

/// A summary as text: how often each operation was requested at each endpoint, with the statuses,
/// in the order of the endpoints.
pub(crate) fn summary<E: Endpoint, O: Operation>(requests: &[SeenRequest<E, O>]) -> String {
    #[derive(Default)]
    struct Row {
        count: usize,
        bytes: usize,
        statuses: BTreeMap<String, usize>,
    }
    let mut rows: BTreeMap<(E, &O), Row> = BTreeMap::new();
    for request in requests {
        let row = rows
            .entry((request.endpoint, &request.operation))
            .or_default();
        row.count += 1;
        row.bytes += request.bytes;
        *row.statuses
            .entry(request.status.map_or_else(
                || "no response".to_owned(),
                |status| status.as_u16().to_string(),
            ))
            .or_default() += 1;
    }
    let mut text = String::new();
    for (
        (endpoint, operation),
        Row {
            count,
            bytes,
            statuses,
        },
    ) in rows
    {
        let statuses: Vec<String> = statuses
            .into_iter()
            .map(|(status, times)| format!("{status} x{times}"))
            .collect();
        text.push_str(&format!(
            "{count:>5}  {:<10} {:<34} {bytes:>9} bytes  {}\n",
            endpoint.to_string(),
            operation.to_string(),
            statuses.join(", ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Endpoint, Operation};
    use super::*;

    fn arrival(path: &str) -> SeenRequest<Endpoint, Operation> {
        SeenRequest {
            path: path.to_owned(),
            ..SeenRequest::new(Endpoint::Api, 1, Version::HTTP_11, Method::GET)
        }
    }

    #[test]
    fn requests_side_by_side_are_one_deep_and_one_after_another_add_up() {
        let record = Record::<Endpoint, Operation>::default();
        let begin = |path| record.arrived(arrival(path), Duration::ZERO);
        let end = |number| record.responded(number, StatusCode::OK, 0, Duration::ZERO);
        let (first, second, third) = (begin("/a"), begin("/b"), begin("/c"));
        end(third);
        end(first);
        end(second);
        assert_eq!(sequential_depth(record.requests().iter()), 1);
        let fourth = begin("/d");
        let long = begin("/long");
        end(fourth);
        let fifth = begin("/e");
        end(fifth);
        end(long);
        assert_eq!(sequential_depth(record.requests().iter()), 3);
    }

    #[test]
    fn a_response_after_a_reset_is_not_recorded_for_another_request() {
        let record = Record::<Endpoint, Operation>::default();
        let old = record.arrived(arrival("/old"), Duration::ZERO);
        record.reset();
        record.arrived(arrival("/new"), Duration::ZERO);
        record.responded(old, StatusCode::OK, 7, Duration::ZERO);
        assert_eq!(record.requests().len(), 1);
        assert_eq!(record.requests()[0].status, None);
    }

    #[test]
    fn summary_counts_by_operation_and_status() {
        let record = Record::<Endpoint, Operation>::default();
        for status in [
            StatusCode::OK,
            StatusCode::OK,
            StatusCode::TOO_MANY_REQUESTS,
        ] {
            let number = record.arrived(arrival("/"), Duration::ZERO);
            record.understood(number, Operation::List, None);
            record.responded(number, status, 10, Duration::ZERO);
        }
        let text = summary(&record.requests());
        assert!(
            text.contains("3  api")
                && text.contains("list")
                && text.contains("30 bytes")
                && text.contains("200 x2, 429 x1"),
            "{text}"
        );
    }
}
