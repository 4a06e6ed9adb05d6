//! Transport errors: no complete response was received.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// The kind of transport failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportFailure {
    /// No connection: name resolution, refused, no route, proxy.
    Connect,
    /// A proxy refused to open a tunnel, with this status.
    ProxyStatus(u16),
    /// The TLS handshake failed: unknown authority, wrong name, expired certificate.
    Tls,
    /// No byte was received within the idle timeout.
    IdleTimeout,
    /// The response ended before it was complete.
    Truncated,
    /// What responded doesn't speak HTTP.
    NotHttp,
    /// The deadline of the call passed.
    Deadline,
    /// The response is larger than the limit.
    TooLarge,
    /// The server redirects, and credentials are never sent to a location that a server names.
    Redirected,
    /// A page's next link has another origin than the list.
    CrossOriginLink,
    /// The next links form a loop, or there are more pages than the limit.
    PaginationLimit,
    /// The request could not be built.
    InvalidRequest,
    /// The target gave no result this time; the detail has the reason.
    Unavailable,
}

/// A request without a complete response.
#[derive(Debug)]
pub struct TransportError {
    provider: Option<&'static str>,
    operation: String,
    target: String,
    failure: TransportFailure,
    detail: Option<String>,
    hint: Option<String>,
    attempts: u32,
    elapsed: Duration,
    cause: Option<Box<dyn std::error::Error + Send + Sync + 'static>>,
}

impl TransportError {
    /// An error of the operation (`list network interfaces`) against `target` (scheme, host and
    /// port, no more).
    pub fn new(
        operation: impl Into<String>,
        target: impl Into<String>,
        failure: TransportFailure,
    ) -> Self {
        Self {
            provider: None,
            operation: operation.into(),
            target: target.into(),
            failure,
            detail: None,
            hint: None,
            attempts: 1,
            elapsed: Duration::ZERO,
            cause: None,
        }
    }

    /// The same error with one more fact, as `the link names evil.example`.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same error with a hint instead of that of its kind.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with the number of attempts and the time that they took.
    #[must_use]
    pub fn after(mut self, attempts: u32, elapsed: Duration) -> Self {
        (self.attempts, self.elapsed) = (attempts, elapsed);
        self
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_cause(
        mut self,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
    ) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same error with the provider it belongs to.
    #[must_use]
    pub fn of_provider(mut self, provider: &'static str) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The provider it belongs to.
    pub fn provider(&self) -> Option<&str> {
        self.provider
    }

    /// The operation that failed.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The kind of failure.
    pub fn failure(&self) -> TransportFailure {
        self.failure
    }

    /// The number of attempts.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self.failure {
            TransportFailure::Connect
            | TransportFailure::IdleTimeout
            | TransportFailure::Truncated
            | TransportFailure::NotHttp
            | TransportFailure::Unavailable
            | TransportFailure::Deadline => true,
            TransportFailure::ProxyStatus(status) => matches!(status, 408 | 429 | 500 | 502..=504),
            TransportFailure::Tls
            | TransportFailure::TooLarge
            | TransportFailure::Redirected
            | TransportFailure::CrossOriginLink
            | TransportFailure::PaginationLimit
            | TransportFailure::InvalidRequest => false,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        if let Some(hint) = &self.hint {
            return Some(Cow::Borrowed(hint));
        }
        Some(Cow::Borrowed(match self.failure {
            TransportFailure::Connect => {
                "check name resolution, the route and the proxy settings (`HTTPS_PROXY`, `NO_PROXY`) of this machine"
            }
            TransportFailure::ProxyStatus(407) => {
                "give the user and password of the proxy in its URL, as http://USER:PASSWORD@HOST:PORT"
            }
            TransportFailure::ProxyStatus(500..) => {
                "check that the proxy can resolve and reach this host, or list the host in `NO_PROXY` if it is reachable directly"
            }
            TransportFailure::ProxyStatus(_) => {
                "allow this host at the proxy, or list it in `NO_PROXY` if it is reachable directly"
            }
            TransportFailure::Tls => {
                "check this machine's clock and its CA certificates (`SSL_CERT_FILE` names another bundle); a proxy that intercepts TLS needs its CA there"
            }
            TransportFailure::IdleTimeout => {
                "retry; a longer `--timeout` also lets each attempt wait longer"
            }
            TransportFailure::Truncated => "the server or a proxy cut the response off: retry",
            TransportFailure::NotHttp => {
                "another service responds there: check scheme, host and port of the endpoint, and any proxy"
            }
            TransportFailure::Deadline => "retry, or allow more time with `--timeout`",
            TransportFailure::Redirected | TransportFailure::CrossOriginLink => {
                "the credential was not sent there; check the endpoint in the join string and any proxy"
            }
            TransportFailure::TooLarge => "narrow the selection",
            TransportFailure::PaginationLimit => {
                "retry: a cache or a proxy may repeat a page; if there are too many pages, narrow the selection"
            }
            TransportFailure::InvalidRequest | TransportFailure::Unavailable => return None,
        }))
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation, target, ..
        } = self;
        match self.failure {
            TransportFailure::Connect => write!(f, "cannot {operation}: no connection to {target}"),
            TransportFailure::ProxyStatus(status) => write!(
                f,
                "cannot {operation}: the proxy returned status {status} for {target}"
            ),
            TransportFailure::Tls => write!(f, "cannot {operation}: no TLS connection to {target}"),
            TransportFailure::IdleTimeout => {
                write!(f, "cannot {operation}: {target} sent nothing for too long")
            }
            TransportFailure::Truncated => {
                write!(
                    f,
                    "cannot {operation}: the response of {target} is incomplete"
                )
            }
            TransportFailure::NotHttp => {
                write!(f, "cannot {operation}: the response of {target} isn't HTTP")
            }
            TransportFailure::Deadline => write!(
                f,
                "cannot {operation}: the deadline passed before {target} responded"
            ),
            TransportFailure::TooLarge => {
                write!(
                    f,
                    "cannot {operation}: the response of {target} is too large"
                )
            }
            TransportFailure::Redirected => write!(f, "cannot {operation}: {target} redirects"),
            TransportFailure::CrossOriginLink => write!(
                f,
                "cannot {operation}: the next page's link leaves {target}"
            ),
            TransportFailure::PaginationLimit => {
                write!(f, "cannot {operation}: the pages of {target} don't end")
            }
            TransportFailure::InvalidRequest => write!(
                f,
                "cannot {operation}: no request to {target} could be made"
            ),
            TransportFailure::Unavailable => {
                write!(f, "cannot {operation}: {target} gave no result")
            }
        }?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        if self.attempts > 1 {
            write!(
                f,
                ", {} attempts in {:.1} s",
                self.attempts,
                self.elapsed.as_secs_f64()
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for TransportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}
