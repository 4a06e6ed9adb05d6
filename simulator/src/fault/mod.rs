//! Faults by rule: which requests are struck, and how.
//!
//! A [`Fault`] is made in code, in a world's TOML (`[[fault]]`) or from a line (`--fault`): `parse.rs` reads the last two.
//! What an answer looks like afterwards is in `answer.rs`; hanging, cutting and resetting is done by the door.

mod answer;
mod parse;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;

use crate::message::Operation;
use crate::record::{Door, operation_name};

pub(crate) use answer::{Bent, Struck, bend};
pub use parse::{FaultError, parse_duration};

/// A rule that strikes requests.
///
/// A request must meet all of `operation`, `door` and `path_contains`; what is absent holds for every request, the token's too.
/// Of several rules that meet a request the first strikes; delays add up beside it.
///
/// ```
/// use cloud_autojoin_simulator::{Fault, message::Operation};
/// let throttled_twice = Fault::status(429).retry_after(5).operation(Operation::ListNetworkInterfaces).times(2);
/// assert_eq!(throttled_twice.to_string(), "status 429");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Only requests for this.
    pub operation: Option<Operation>,
    /// Only requests to this service.
    pub door: Option<Door>,
    /// Only requests whose path and query (percent-encoded, as they came) contain this.
    pub path_contains: Option<String>,
    /// How many requests that meet the rule pass before it strikes. Default 0.
    pub skip: usize,
    /// How many requests it strikes; absent: every one.
    pub times: Option<usize>,
    /// What happens.
    pub action: FaultAction,
}

/// What a [`Fault`] does to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultAction {
    /// Another status in place of the answer.
    Status {
        /// The status.
        status: StatusCode,
        /// The `Retry-After` header.
        retry_after: Option<RetryAfter>,
        /// What the body is.
        body: FaultBody,
    },
    /// No answer, for as long as the client waits.
    Hang,
    /// The TCP connection is reset before an answer.
    Reset,
    /// The body ends, with its connection, in the middle.
    CutBody {
        /// With `Transfer-Encoding: chunked`; else `Content-Length` promises the whole. HTTP/2 has neither.
        chunked: bool,
    },
    /// The JSON ends in the middle while HTTP is in order.
    CutJson,
    /// 307 to this URL.
    Redirect {
        /// The `Location` header.
        to: String,
    },
    /// The page's `nextLink` is this URL, whether it had one or not.
    NextLink {
        /// The link.
        to: String,
    },
    /// The page's `nextLink` is the URL that was asked for.
    NextLinkLoop,
    /// 401, with a token as good as any.
    Unauthorized,
    /// The answer comes later by this, on top of the latency.
    Delay(Duration),
    /// 404, as for a thing that vanished between a list and a read.
    NotFound,
}

/// A `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// In seconds: `Retry-After: 5`.
    Seconds(u64),
    /// As an HTTP date so many seconds ahead of the simulator's clock.
    Date(u64),
}

/// The body of a [`FaultAction::Status`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FaultBody {
    /// JSON as the service asked writes it for this status.
    #[default]
    Json,
    /// A page of HTML, as the front door sends with a 503.
    Html,
    /// No body.
    Empty,
    /// This text, as `text/plain`.
    Text(String),
}

impl Fault {
    /// A rule that does `action` to every request; narrow it down with the other methods.
    #[must_use]
    pub fn new(action: FaultAction) -> Self {
        Self { operation: None, door: None, path_contains: None, skip: 0, times: None, action }
    }

    /// Answers this status with the service's own JSON.
    ///
    /// # Panics
    ///
    /// With a number that is no HTTP status (100 to 999).
    #[must_use]
    #[expect(clippy::expect_used, reason = "a mistake of the test's author, said where it is made")]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("an HTTP status is from 100 to 999");
        Self::new(FaultAction::Status { status, retry_after: None, body: FaultBody::Json })
    }

    /// Does not answer.
    #[must_use]
    pub fn hang() -> Self {
        Self::new(FaultAction::Hang)
    }

    /// Resets the connection.
    #[must_use]
    pub fn reset() -> Self {
        Self::new(FaultAction::Reset)
    }

    /// Cuts the body short of its `Content-Length`.
    #[must_use]
    pub fn cut_body() -> Self {
        Self::new(FaultAction::CutBody { chunked: false })
    }

    /// Cuts a chunked body before its end.
    #[must_use]
    pub fn cut_chunked_body() -> Self {
        Self::new(FaultAction::CutBody { chunked: true })
    }

    /// Cuts the JSON in half.
    #[must_use]
    pub fn cut_json() -> Self {
        Self::new(FaultAction::CutJson)
    }

    /// Redirects to `to`.
    #[must_use]
    pub fn redirect(to: impl Into<String>) -> Self {
        Self::new(FaultAction::Redirect { to: to.into() })
    }

    /// Makes pages go on at `to`.
    #[must_use]
    pub fn next_link(to: impl Into<String>) -> Self {
        Self::new(FaultAction::NextLink { to: to.into() })
    }

    /// Makes pages go on at themselves.
    #[must_use]
    pub fn next_link_loop() -> Self {
        Self::new(FaultAction::NextLinkLoop)
    }

    /// Refuses the token.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(FaultAction::Unauthorized)
    }

    /// Answers later.
    #[must_use]
    pub fn delay(delay: Duration) -> Self {
        Self::new(FaultAction::Delay(delay))
    }

    /// Answers that the thing is not there.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(FaultAction::NotFound)
    }

    /// Only requests for `operation`.
    #[must_use]
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only requests to `door`.
    #[must_use]
    pub fn door(mut self, door: Door) -> Self {
        self.door = Some(door);
        self
    }

    /// Only requests whose path and query contain `part`.
    #[must_use]
    pub fn path_contains(mut self, part: impl Into<String>) -> Self {
        self.path_contains = Some(part.into());
        self
    }

    /// Lets the first `skip` requests pass.
    #[must_use]
    pub fn skip(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Strikes so many times, then no more.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// With `Retry-After: SECONDS`; for a status only.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with_retry_after(RetryAfter::Seconds(seconds))
    }

    /// With a `Retry-After` date so many seconds ahead; for a status only.
    #[must_use]
    pub fn retry_after_date(self, seconds_ahead: u64) -> Self {
        self.with_retry_after(RetryAfter::Date(seconds_ahead))
    }

    fn with_retry_after(mut self, value: RetryAfter) -> Self {
        if let FaultAction::Status { retry_after, .. } = &mut self.action {
            *retry_after = Some(value);
        }
        self
    }

    /// With this body; for a status only.
    #[must_use]
    pub fn body(mut self, with: FaultBody) -> Self {
        if let FaultAction::Status { body, .. } = &mut self.action {
            *body = with;
        }
        self
    }

    fn meets(&self, door: Door, operation: Operation, target: &str) -> bool {
        self.door.is_none_or(|wanted| wanted == door)
            && self.operation.is_none_or(|wanted| wanted == operation)
            && self.path_contains.as_deref().is_none_or(|part| target.contains(part))
    }
}

impl fmt::Display for Fault {
    /// What happens and to which requests: `status 429 on list-network-interfaces`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.action)?;
        if let (Some(operation), true) = (self.operation, formatter.alternate()) {
            write!(formatter, " on {}", operation_name(operation))?;
        }
        Ok(())
    }
}

impl fmt::Display for FaultAction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, .. } => write!(formatter, "status {}", status.as_u16()),
            Self::Hang => formatter.write_str("hang"),
            Self::Reset => formatter.write_str("reset"),
            Self::CutBody { .. } => formatter.write_str("cut body"),
            Self::CutJson => formatter.write_str("cut JSON"),
            Self::Redirect { to } => write!(formatter, "redirect to {to}"),
            Self::NextLink { to } => write!(formatter, "next link to {to}"),
            Self::NextLinkLoop => formatter.write_str("next link loop"),
            Self::Unauthorized => formatter.write_str("unauthorized"),
            Self::Delay(delay) => write!(formatter, "delay {delay:?}"),
            Self::NotFound => formatter.write_str("not found"),
        }
    }
}

/// The rules in force, each with how many requests met it.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<(Fault, usize)>>,
}

impl Faults {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Fault, usize)>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule behind the others.
    pub(crate) fn add(&self, fault: Fault) {
        self.lock().push((fault, 0));
    }

    /// Takes all rules away.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// What happens to this request: any number of delays, and at most one other action, the last in the list.
    pub(crate) fn strike(&self, door: Door, operation: Operation, target: &str) -> Vec<FaultAction> {
        let mut delays = Vec::new();
        let mut other = None;
        for (fault, met) in self.lock().iter_mut() {
            let is_delay = matches!(fault.action, FaultAction::Delay(_));
            // A rule behind one that strikes does not see the request: "503 once, then reset once" is two rules.
            if (other.is_some() && !is_delay) || !fault.meets(door, operation, target) {
                continue;
            }
            let number = *met;
            *met += 1;
            let end = fault.times.map_or(usize::MAX, |times| fault.skip.saturating_add(times));
            if number < fault.skip || number >= end {
                continue;
            }
            if is_delay {
                delays.push(fault.action.clone());
            } else {
                other = Some(fault.action.clone());
            }
        }
        delays.extend(other);
        delays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(faults: &Faults, times: usize) -> Vec<String> {
        (0..times)
            .map(|_| {
                let actions = faults.strike(Door::Arm, Operation::ListScaleSets, "/subscriptions/s?api-version=1");
                actions.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
            })
            .collect()
    }

    #[test]
    fn a_rule_skips_then_strikes_so_often_then_lets_pass() {
        let faults = Faults::default();
        faults.add(Fault::status(503).skip(1).times(2));
        assert_eq!(strikes(&faults, 5), ["", "status 503", "status 503", "", ""]);
    }

    #[test]
    fn rules_come_one_after_another_and_delays_beside_them() {
        let faults = Faults::default();
        faults.add(Fault::status(503).times(1));
        faults.add(Fault::reset().times(1));
        faults.add(Fault::delay(Duration::from_millis(5)).times(1));
        assert_eq!(strikes(&faults, 3), ["delay 5ms+status 503", "reset", ""]);
    }

    #[test]
    fn a_rule_strikes_only_what_it_is_aimed_at() {
        let faults = Faults::default();
        faults.add(Fault::hang().door(Door::Authority));
        faults.add(Fault::hang().operation(Operation::GetScaleSet));
        faults.add(Fault::hang().path_contains("/resourceGroups/"));
        assert_eq!(strikes(&faults, 1), [""]);
        faults.add(Fault::cut_json().path_contains("api-version=1").operation(Operation::ListScaleSets).door(Door::Arm));
        assert_eq!(strikes(&faults, 1), ["cut JSON"]);
    }
}
