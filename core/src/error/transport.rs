//! Errors of the way to the cloud and back: no whole answer came.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What went wrong on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportFailure {
    /// No connection: name resolution, refused, no route, proxy.
    Connect,
    /// A proxy refused to open a tunnel, with this status.
    ProxyStatus(u16),
    /// The TLS handshake failed: unknown authority, wrong name, expired certificate.
    Tls,
    /// No byte came for the idle limit.
    IdleTimeout,
    /// The connection was cut before the whole answer was there.
    Truncated,
    /// The deadline of the call passed.
    Deadline,
    /// The answer is larger than the limit.
    TooLarge,
    /// The server redirects, and a credential is never sent to a place that a server names.
    Redirected,
    /// A page's next link names another origin than the list was asked from.
    CrossOriginLink,
    /// Pages link to each other in a circle, or there are more of them than the limit.
    PaginationLimit,
    /// The request could not be made at all.
    InvalidRequest,
}

/// A request that got no whole answer.
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

    /// The same error with what to do about it, where that is more than its kind says.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error after so many tries and so much time.
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

    /// What was asked for.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// What went wrong.
    pub fn failure(&self) -> TransportFailure {
        self.failure
    }

    /// How many tries were made.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether the same request may work later.
    pub fn is_transient(&self) -> bool {
        match self.failure {
            TransportFailure::Connect
            | TransportFailure::IdleTimeout
            | TransportFailure::Truncated
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
                "check that the proxy can resolve and reach this host, or list the host in `NO_PROXY` if there is another way to it"
            }
            TransportFailure::ProxyStatus(_) => {
                "allow this host at the proxy, or list it in `NO_PROXY` if there is another way to it"
            }
            TransportFailure::Tls => {
                "check this machine's clock and its CA certificates (`SSL_CERT_FILE` names another bundle); a proxy that opens TLS needs its CA there"
            }
            TransportFailure::IdleTimeout => {
                "try again; a longer `--timeout` also lets each try wait longer"
            }
            TransportFailure::Truncated => "the other side or a proxy between gave up: try again",
            TransportFailure::Deadline => "try again, or allow more time with `--timeout`",
            TransportFailure::Redirected | TransportFailure::CrossOriginLink => {
                "the credential was not sent there; check the endpoint in the join string and any proxy between"
            }
            TransportFailure::TooLarge | TransportFailure::PaginationLimit => {
                "narrow the selection"
            }
            TransportFailure::InvalidRequest => return None,
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
                "cannot {operation}: the proxy answered status {status} for {target}"
            ),
            TransportFailure::Tls => write!(f, "cannot {operation}: no TLS connection to {target}"),
            TransportFailure::IdleTimeout => {
                write!(f, "cannot {operation}: {target} sent nothing for too long")
            }
            TransportFailure::Truncated => {
                write!(f, "cannot {operation}: {target} cut the answer short")
            }
            TransportFailure::Deadline => write!(
                f,
                "cannot {operation}: the deadline passed before {target} answered"
            ),
            TransportFailure::TooLarge => {
                write!(f, "cannot {operation}: the answer of {target} is too large")
            }
            TransportFailure::Redirected => write!(f, "cannot {operation}: {target} redirects"),
            TransportFailure::CrossOriginLink => write!(
                f,
                "cannot {operation}: the next page's link leaves {target}"
            ),
            TransportFailure::PaginationLimit => {
                write!(f, "cannot {operation}: the pages of {target} do not end")
            }
            TransportFailure::InvalidRequest => write!(
                f,
                "cannot {operation}: no request to {target} could be made"
            ),
        }?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        if self.attempts > 1 {
            write!(
                f,
                ", {} tries in {:.1} s",
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
