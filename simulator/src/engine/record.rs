//! What came in: every request at every door, in the order of arrival, with what was answered.
//!
//! Tests count by it and assert on it; a person sees it as the summary of `discover-sim run`. No header value and no body is kept, so no secret can be.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode, Version};

use crate::engine::message::Operation;

/// The service that a request was for, whichever way it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// Azure Resource Manager.
    Arm,
    /// Microsoft Entra ID: tokens and discovery.
    Authority,
    /// Instance metadata, and the identity endpoints of App Service and Azure Arc.
    Metadata,
    /// The forward proxy itself: a request for a host that is none of the above.
    Proxy,
}

impl fmt::Display for Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Arm => "arm",
            Self::Authority => "authority",
            Self::Metadata => "metadata",
            Self::Proxy => "proxy",
        })
    }
}

/// One request as the simulator saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenRequest {
    /// The service asked.
    pub door: Door,
    /// Whether it came in through the forward proxy.
    pub proxied: bool,
    /// The connection it came on, numbered from 1 in the order of accepting; a tunnel through the proxy is one connection.
    pub connection: u64,
    /// The version of HTTP spoken.
    pub version: Version,
    /// The HTTP method.
    pub method: Method,
    /// Host and port as the client wrote them.
    pub host: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query as it came, percent-encoded, without the `?`; empty when there is none.
    pub query: String,
    /// What was asked for.
    pub operation: Operation,
    /// The `User-Agent` header; empty when there is none.
    pub user_agent: String,
    /// Whether an `Authorization: Bearer` header was there, valid or not.
    pub bearer: bool,
    /// The client id of the principal whose valid token it was, or who asked for a token.
    pub principal: Option<String>,
    /// The status answered; absent while it is in work, and for good when it hangs or the connection was reset.
    pub status: Option<StatusCode>,
    /// The faults that struck it, in words, such as `status 429`.
    pub faults: Vec<String>,
    /// When its head had been read, since the start of the simulator, by tokio's clock.
    pub started: Duration,
    /// When its answer was handed over to be sent; absent as `status` is.
    pub ended: Option<Duration>,
    /// Bytes of body sent (compressed when it was sent so).
    pub bytes: usize,
    /// Where arrival and end stand in the order of all arrivals and ends: exact where the clock is too coarse.
    order: (u64, Option<u64>),
}

impl fmt::Display for SeenRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}{}", self.method, self.host, self.path)?;
        if !self.query.is_empty() {
            write!(formatter, "?{}", self.query)?;
        }
        match self.status {
            Some(status) => write!(formatter, " -> {}", status.as_u16()),
            None => formatter.write_str(" -> no answer"),
        }
    }
}

/// The head of a request, for [`Record::arrived`].
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) door: Door,
    pub(crate) proxied: bool,
    pub(crate) connection: u64,
    pub(crate) version: Version,
    pub(crate) method: Method,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) user_agent: String,
    pub(crate) bearer: bool,
}

/// All requests and panics since the start, or since the last reset.
#[derive(Debug, Default)]
pub(crate) struct Record {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    requests: Vec<SeenRequest>,
    panics: Vec<String>,
    events: u64,
    /// Number of the request that stands first in `requests`: numbers go on over a reset.
    first: usize,
}

impl Inner {
    fn event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    fn at(&mut self, number: usize) -> Option<&mut SeenRequest> {
        let index = number.checked_sub(self.first)?;
        self.requests.get_mut(index)
    }
}

impl Record {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request whose head has been read; gives the number by which the rest is noted.
    pub(crate) fn arrived(&self, arrival: Arrival, started: Duration) -> usize {
        let mut inner = self.lock();
        let order = inner.event();
        let Arrival { door, proxied, connection, version, method, host, path, query, user_agent, bearer } = arrival;
        inner.requests.push(SeenRequest {
            door,
            proxied,
            connection,
            version,
            method,
            host,
            path,
            query,
            operation: Operation::Unexpected,
            user_agent,
            bearer,
            principal: None,
            status: None,
            faults: Vec::new(),
            started,
            ended: None,
            bytes: 0,
            order: (order, None),
        });
        inner.first + inner.requests.len() - 1
    }

    /// Notes what the request asks for and who asks.
    pub(crate) fn understood(&self, number: usize, operation: Operation, principal: Option<String>) {
        if let Some(request) = self.lock().at(number) {
            request.operation = operation;
            request.principal = principal;
        }
    }

    /// Notes that a fault struck the request.
    pub(crate) fn struck(&self, number: usize, fault: String) {
        if let Some(request) = self.lock().at(number) {
            request.faults.push(fault);
        }
    }

    /// Notes that the answer is handed over.
    pub(crate) fn answered(&self, number: usize, status: StatusCode, bytes: usize, ended: Duration) {
        let mut inner = self.lock();
        let order = inner.event();
        if let Some(request) = inner.at(number) {
            request.status = Some(status);
            request.bytes = bytes;
            request.ended = Some(ended);
            request.order.1 = Some(order);
        }
    }

    /// Notes a panic of the simulator itself.
    pub(crate) fn panicked(&self, message: String) {
        self.lock().panics.push(message);
    }

    /// All requests in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<SeenRequest> {
        self.lock().requests.clone()
    }

    /// All panics.
    pub(crate) fn panics(&self) -> Vec<String> {
        self.lock().panics.clone()
    }

    /// Forgets all requests; panics stay, since nothing may hide them.
    pub(crate) fn reset(&self) {
        let mut inner = self.lock();
        inner.first += inner.requests.len();
        inner.requests.clear();
    }
}

/// The length of the longest chain of requests each of which arrived after the one before had been answered.
///
/// A request without an answer can only be the last of a chain.
pub(crate) fn sequential_depth<'a>(requests: impl Iterator<Item = &'a SeenRequest>) -> usize {
    let mut spans: Vec<(u64, u64)> = requests.map(|request| (request.order.0, request.order.1.unwrap_or(u64::MAX))).collect();
    // Intervals taken by their end: the greedy choice gives the most that do not overlap.
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

/// A few lines for people: how often each operation was asked at each door, with the statuses, in the order of the doors.
pub(crate) fn summary(requests: &[SeenRequest]) -> String {
    #[derive(Default)]
    struct Row {
        count: usize,
        bytes: usize,
        statuses: BTreeMap<String, usize>,
    }
    let mut rows: BTreeMap<(Door, Operation), Row> = BTreeMap::new();
    for request in requests {
        let row = rows.entry((request.door, request.operation)).or_default();
        row.count += 1;
        row.bytes += request.bytes;
        *row.statuses.entry(request.status.map_or_else(|| "no answer".to_owned(), |status| status.as_u16().to_string())).or_default() += 1;
    }
    let mut text = String::new();
    for ((door, operation), Row { count, bytes, statuses }) in rows {
        let statuses: Vec<String> = statuses.into_iter().map(|(status, times)| format!("{status} x{times}")).collect();
        text.push_str(&format!("{count:>5}  {:<10} {:<34} {bytes:>9} bytes  {}\n", door.to_string(), operation_name(operation), statuses.join(", ")));
    }
    text
}

/// The name of an operation as worlds and faults write it.
pub(crate) fn operation_name(operation: Operation) -> String {
    serde_json::to_value(operation).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(path: &str) -> Arrival {
        Arrival {
            door: Door::Arm,
            proxied: false,
            connection: 1,
            version: Version::HTTP_11,
            method: Method::GET,
            host: "localhost".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            user_agent: String::new(),
            bearer: false,
        }
    }

    #[test]
    fn requests_side_by_side_are_one_deep_and_one_after_another_add_up() {
        let record = Record::default();
        let begin = |path| record.arrived(arrival(path), Duration::ZERO);
        let end = |number| record.answered(number, StatusCode::OK, 0, Duration::ZERO);
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
    fn an_answer_after_a_reset_does_not_land_on_another_request() {
        let record = Record::default();
        let old = record.arrived(arrival("/old"), Duration::ZERO);
        record.reset();
        record.arrived(arrival("/new"), Duration::ZERO);
        record.answered(old, StatusCode::OK, 7, Duration::ZERO);
        assert_eq!(record.requests().len(), 1);
        assert_eq!(record.requests()[0].status, None);
    }

    #[test]
    fn summary_counts_by_operation_and_status() {
        let record = Record::default();
        for status in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
            let number = record.arrived(arrival("/"), Duration::ZERO);
            record.understood(number, Operation::ListScaleSets, None);
            record.answered(number, status, 10, Duration::ZERO);
        }
        let text = summary(&record.requests());
        assert!(text.contains("3  arm") && text.contains("list-scale-sets") && text.contains("30 bytes") && text.contains("200 x2, 429 x1"), "{text}");
    }
}
