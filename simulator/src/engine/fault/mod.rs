//! Fault rules: the requests that they apply to, and their effect.
//!
//! A [`Fault`] is created in code, in a world's TOML (`[[fault]]`) or from `--fault`; `parse.rs`
//! parses the last two. `rules.rs` selects faults, `apply.rs` changes the reply; the connection
//! implements hangs, truncation and resets.

mod apply;
mod parse;
mod rules;

use std::fmt;
use std::time::Duration;

use http::StatusCode;

pub(crate) use apply::{FaultedReply, apply};
pub use parse::{FaultError, parse_duration};
pub(crate) use rules::Faults;

/// A fault rule.
///
/// A request must match all of `operation`, `endpoint` and `path_contains`; what is absent matches
/// every request, also one for a token. Of several rules that match the first applies; delays add
/// up beside it.
///
/// ```
/// use cloud_autojoin_simulator::engine::Fault;
/// let throttled_twice = Fault::<&str, &str>::status(429).retry_after(5).operation("list-instances").times(2);
/// assert_eq!(throttled_twice.to_string(), "status 429");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Fault<E, O> {
    /// Only requests for this operation.
    pub operation: Option<O>,
    /// Only requests to this endpoint.
    pub endpoint: Option<E>,
    /// Only requests whose path and query (percent-encoded, as they came) contain this.
    pub path_contains: Option<String>,
    /// How many matching requests pass before it applies. Default 0.
    pub skip: usize,
    /// To how many requests it applies; by default to all.
    pub times: Option<usize>,
    /// The effect.
    pub action: FaultAction,
}

/// The effect of a [`Fault`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultAction {
    /// Another status instead of the reply.
    Status {
        /// The status.
        status: StatusCode,
        /// The `Retry-After` header.
        retry_after: Option<RetryAfter>,
        /// The body.
        body: FaultBody,
    },
    /// No reply.
    Hang,
    /// The TCP connection is reset before a reply.
    Reset,
    /// The body is truncated and the connection closed.
    CutBody {
        /// With `Transfer-Encoding: chunked`; else `Content-Length` promises the whole. HTTP/2 has
        /// neither.
        chunked: bool,
    },
    /// The JSON is truncated, in a complete HTTP response.
    CutJson,
    /// 307 to this URL.
    Redirect {
        /// The `Location` header.
        to: String,
    },
    /// The page's link to the next one is this URL, whether it had one or not.
    NextLink {
        /// The link.
        to: String,
    },
    /// The page's link to the next one is its own URL.
    NextLinkLoop,
    /// 401, also for a valid token.
    Unauthorized,
    /// The reply is delayed by this time, in addition to the latency.
    Delay(Duration),
    /// 404, as for a resource that was deleted between a list and a get.
    NotFound,
}

/// A `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// In seconds: `Retry-After: 5`.
    Seconds(u64),
    /// As an HTTP date this many seconds ahead of the simulator's clock.
    Date(u64),
}

/// The body of a [`FaultAction::Status`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FaultBody {
    /// The service's JSON for this status.
    #[default]
    Json,
    /// An HTML page, as a load balancer sends with a 503.
    Html,
    /// No body.
    Empty,
    /// This text, as `text/plain`.
    Text(String),
}

impl<E, O> Fault<E, O> {
    /// A rule that applies `action` to every request; restrict it with the other methods.
    pub fn new(action: FaultAction) -> Self {
        Self {
            operation: None,
            endpoint: None,
            path_contains: None,
            skip: 0,
            times: None,
            action,
        }
    }

    /// Returns this status with the service's JSON.
    ///
    /// # Panics
    ///
    /// If `status` isn't an HTTP status (100 to 999).
    #[expect(
        clippy::expect_used,
        reason = "a mistake of the test's author, reported where it is made"
    )]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("an HTTP status is from 100 to 999");
        Self::new(FaultAction::Status {
            status,
            retry_after: None,
            body: FaultBody::Json,
        })
    }

    /// Doesn't reply.
    pub fn hang() -> Self {
        Self::new(FaultAction::Hang)
    }

    /// Resets the connection.
    pub fn reset() -> Self {
        Self::new(FaultAction::Reset)
    }

    /// Truncates the body before its `Content-Length`.
    pub fn cut_body() -> Self {
        Self::new(FaultAction::CutBody { chunked: false })
    }

    /// Truncates a chunked body.
    pub fn cut_chunked_body() -> Self {
        Self::new(FaultAction::CutBody { chunked: true })
    }

    /// Truncates the JSON.
    pub fn cut_json() -> Self {
        Self::new(FaultAction::CutJson)
    }

    /// Redirects to `to`.
    pub fn redirect(to: impl Into<String>) -> Self {
        Self::new(FaultAction::Redirect { to: to.into() })
    }

    /// Sets the next link of pages to `to`.
    pub fn next_link(to: impl Into<String>) -> Self {
        Self::new(FaultAction::NextLink { to: to.into() })
    }

    /// Sets the next link of pages to themselves.
    pub fn next_link_loop() -> Self {
        Self::new(FaultAction::NextLinkLoop)
    }

    /// Rejects the token.
    pub fn unauthorized() -> Self {
        Self::new(FaultAction::Unauthorized)
    }

    /// Delays the reply.
    pub fn delay(delay: Duration) -> Self {
        Self::new(FaultAction::Delay(delay))
    }

    /// Returns 404.
    pub fn not_found() -> Self {
        Self::new(FaultAction::NotFound)
    }

    /// Only requests for `operation`.
    pub fn operation(mut self, operation: O) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only requests to `endpoint`.
    pub fn endpoint(mut self, endpoint: E) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Only requests whose path and query contain `part`.
    pub fn path_contains(mut self, part: impl Into<String>) -> Self {
        self.path_contains = Some(part.into());
        self
    }

    /// Lets the first `skip` requests pass.
    pub fn skip(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Applies this many times.
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// With `Retry-After: SECONDS`; for a status only.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with_retry_after(RetryAfter::Seconds(seconds))
    }

    /// With a `Retry-After` date this many seconds ahead; for a status only.
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
    pub fn body(mut self, with: FaultBody) -> Self {
        if let FaultAction::Status { body, .. } = &mut self.action {
            *body = with;
        }
        self
    }

    fn matches(&self, endpoint: E, operation: &O, target: &str) -> bool
    where
        E: PartialEq,
        O: PartialEq,
    {
        self.endpoint
            .as_ref()
            .is_none_or(|wanted| *wanted == endpoint)
            && self
                .operation
                .as_ref()
                .is_none_or(|wanted| wanted == operation)
            && self
                .path_contains
                .as_deref()
                .is_none_or(|part| target.contains(part))
    }
}

impl<E, O: fmt::Display> fmt::Display for Fault<E, O> {
    /// The effect and the requests: `status 429 on list-instances`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.action)?;
        if let (Some(operation), true) = (&self.operation, formatter.alternate()) {
            write!(formatter, " on {operation}")?;
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
