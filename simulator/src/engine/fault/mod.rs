//! Faults by rule: which requests they apply to, and what becomes of the reply.
//!
//! A [`Fault`] is made in code, in a world's TOML (`[[fault]]`) or from a line (`--fault`):
//! `parse.rs`
//! reads the last two. `rules.rs` counts and decides, `apply.rs` makes the faulted reply; hanging,
//! cutting and resetting is done by the connection.

mod apply;
mod parse;
mod rules;

use std::fmt;
use std::time::Duration;

use http::StatusCode;

pub(crate) use apply::{FaultedReply, apply};
pub use parse::{FaultError, parse_duration};
pub(crate) use rules::Faults;

/// A rule that breaks replies.
///
/// A request must match all of `operation`, `endpoint` and `path_contains`; what is absent matches
/// every request, also one for a token. Of several rules that match the first applies; delays add
/// up
/// beside it.
///
/// ```
/// use cloud_autojoin_simulator::engine::Fault;
/// let throttled_twice = Fault::<&str, &str>::status(429).retry_after(5).operation("list-instances").times(2);
/// assert_eq!(throttled_twice.to_string(), "status 429");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault<E, O> {
    /// Only requests for this.
    pub operation: Option<O>,
    /// Only requests to this service.
    pub endpoint: Option<E>,
    /// Only requests whose path and query (percent-encoded, as they came) contain this.
    pub path_contains: Option<String>,
    /// How many matching requests pass before it applies. Default 0.
    pub skip: usize,
    /// To how many requests it applies; absent: to every one.
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
        /// With `Transfer-Encoding: chunked`; else `Content-Length` promises the whole. HTTP/2 has
        /// neither.
        chunked: bool,
    },
    /// The JSON ends in the middle while HTTP is in order.
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

impl<E, O> Fault<E, O> {
    /// A rule that does `action` to every request; narrow it down with the other methods.
    #[must_use]
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

    /// Answers this status with the service's own JSON.
    ///
    /// # Panics
    ///
    /// With a number that is no HTTP status (100 to 999).
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a mistake of the test's author, said where it is made"
    )]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("an HTTP status is from 100 to 999");
        Self::new(FaultAction::Status {
            status,
            retry_after: None,
            body: FaultBody::Json,
        })
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
    pub fn operation(mut self, operation: O) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only requests to `endpoint`.
    #[must_use]
    pub fn endpoint(mut self, endpoint: E) -> Self {
        self.endpoint = Some(endpoint);
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

    /// Applies so many times, then no more.
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
    /// What happens and to which requests: `status 429 on list-instances`.
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
