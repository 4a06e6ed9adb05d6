//! The wire, behind a trait: one try of one request, the whole answer or the reason why there is
//! none.
//!
//! `reqwest_transport.rs` next door is the real one (reqwest); tests put a pretend one here.
//! Retries, deadlines and records are the client's.

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

/// Something that sends a request once.
///
/// It follows no redirects, limits the size of the answer and the time without a byte, and does not
/// try again. Dropping the future gives up the request.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends `request` once and reads the whole answer, decompressed. The caller drops the future
    /// at `deadline`; a transport may divide the time until then.
    ///
    /// # Errors
    ///
    /// Why no whole answer came.
    async fn send(
        &self,
        request: &Request,
        deadline: Instant,
    ) -> Result<RawResponse, TransportCause>;

    /// Opens a connection to the origin of `url` for the request that comes next, and sends nothing
    /// on it. One that cannot be opened is not told: the request will meet the same.
    ///
    /// Does nothing unless a transport says otherwise, or where there was a connection before.
    async fn connect(&self, url: &Url) {
        _ = url;
    }

    /// Forgets the certificate authorities that were loaded and the connections made with them, so
    /// that the next request loads them again. By default does nothing.
    fn reload_trust(&self) {}
}

/// A whole answer as it came from the wire. `Debug` does not show the body, which may hold a token.
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
    /// An answer with this status and body, and no headers.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    /// The same answer with one more header.
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

/// Why a try got no whole answer. Neither the detail nor the cause may hold a URL: its query may be
/// secret.
#[derive(Debug)]
#[non_exhaustive]
pub struct TransportCause {
    /// The kind of failure, which decides whether it is tried again.
    pub failure: TransportFailure,
    /// One more fact, as `the limit is 64 MiB`.
    pub detail: Option<String>,
    /// What the layer below said.
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

    /// The same failure with what the layer below said.
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
                return write!(f, "the proxy answered status {status}");
            }
            TransportFailure::Tls => "no TLS connection",
            TransportFailure::IdleTimeout => "no byte for too long",
            TransportFailure::Truncated => "cut short",
            TransportFailure::Deadline => "the deadline passed",
            TransportFailure::TooLarge => "too large",
            TransportFailure::Redirected => "redirected",
            TransportFailure::CrossOriginLink => "a foreign link",
            TransportFailure::PaginationLimit => "endless pages",
            TransportFailure::InvalidRequest => "no request could be made",
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

/// Whether an error of type `E` stands anywhere among the causes. `io::Error` hides what it wraps
/// from `source()`, so that is looked into by itself.
pub(super) fn is_caused_by<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<E>() {
            return true;
        }
        if let Some(inner) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            return is_caused_by::<E>(inner);
        }
        next = error.source();
    }
    false
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
