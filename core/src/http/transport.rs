//! The transport trait: sends a request once and returns the complete response or the failure.
//!
//! `reqwest_transport.rs` implements it over reqwest; tests use a fake. Retries, deadlines and the
//! record of requests are in the client.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use url::Url;

use super::Request;
use crate::clock::Instant;
use crate::error::TransportFailure;

/// Sends a request once.
///
/// It follows no redirects, limits the size of the response and the time between bytes, and doesn't
/// retry. Dropping the future cancels the request.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends `request` once and reads the complete response, decompressed. The caller drops the
    /// future at `deadline`; a transport may divide the time until then.
    ///
    /// # Errors
    ///
    /// The reason why there is no complete response.
    async fn send(
        &self,
        request: &Request,
        deadline: Instant,
    ) -> Result<RawResponse, TransportCause>;

    /// Opens a connection to the origin of `url` for the next request, without sending one. A
    /// failure isn't reported: the request will fail the same way.
    ///
    /// By default, or if a connection was opened before, does nothing.
    async fn connect(&self, url: &Url) {
        _ = url;
    }

    /// Drops the loaded certificate authorities and the connections made with them, so that the
    /// next request reloads them. By default does nothing.
    fn reload_trust(&self) {}
}

/// A complete response. `Debug` doesn't show the body, which may contain a token.
#[derive(Clone)]
#[non_exhaustive]
pub struct RawResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body, decompressed.
    pub body: Bytes,
}

impl RawResponse {
    /// A response with this status and body, without headers.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    /// The same response with one more header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

impl fmt::Debug for RawResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawResponse")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why an attempt got no complete response. Neither the detail nor the cause may contain a URL,
/// whose query may be secret.
#[derive(Debug)]
#[non_exhaustive]
pub struct TransportCause {
    /// The kind of failure, which decides whether it is retried.
    pub failure: TransportFailure,
    /// One more fact, as `the limit is 64 MiB`.
    pub detail: Option<String>,
    /// The underlying error.
    pub cause: Option<Box<dyn StdError + Send + Sync + 'static>>,
}

impl TransportCause {
    /// A failure of this kind.
    pub fn new(failure: TransportFailure) -> Self {
        Self {
            failure,
            detail: None,
            cause: None,
        }
    }

    /// The same failure with one more fact.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same failure with the underlying error.
    #[must_use]
    pub fn with_cause(
        mut self,
        cause: impl Into<Box<dyn StdError + Send + Sync + 'static>>,
    ) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

/// One line for the record of requests: the kind of failure, the detail, and the innermost cause.
impl fmt::Display for TransportCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.failure {
            TransportFailure::Connect => "no connection",
            TransportFailure::ProxyStatus(status) => {
                return write!(f, "the proxy returned status {status}");
            }
            TransportFailure::Tls => "no TLS connection",
            TransportFailure::IdleTimeout => "no byte for too long",
            TransportFailure::Truncated => "cut short",
            TransportFailure::NotHttp => "not HTTP",
            TransportFailure::Deadline => "the deadline passed",
            TransportFailure::TooLarge => "too large",
            TransportFailure::Redirected => "redirected",
            TransportFailure::CrossOriginLink => "a cross-origin link",
            TransportFailure::PaginationLimit => "too many pages",
            TransportFailure::InvalidRequest => "no request could be made",
            TransportFailure::Unavailable => "no result",
        })?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        if let Some(cause) = &self.cause {
            let mut innermost: &(dyn StdError + 'static) = cause.as_ref();
            while let Some(source) = innermost.source() {
                innermost = source;
            }
            write!(f, ": {innermost}")?;
        }
        Ok(())
    }
}

/// Whether an error of type `E` is among the causes.
pub(super) fn is_caused_by<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    find_cause::<E>(error).is_some()
}

/// The outermost error of type `E` among the causes. `io::Error` hides its inner error from
/// `source()`, so that is examined separately.
pub(super) fn find_cause<'a, E: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        if let Some(inner) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            return find_cause::<E>(inner);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_found_inside_an_io_error() {
        let inside = io::Error::other(io::Error::new(
            io::ErrorKind::InvalidData,
            rustls::Error::DecryptError,
        ));
        assert!(is_caused_by::<rustls::Error>(&inside));
        assert!(!is_caused_by::<rustls::Error>(&io::Error::other("refused")));
    }
}
