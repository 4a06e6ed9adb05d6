//! The requests and replies of a service.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::service::Operation;

/// One request to a service, direct or through the proxy.
#[derive(Debug, Clone)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Scheme, host and port as the client wrote them (`https://api.example.com`): links to further
    /// pages start with it.
    pub origin: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query in its order, decoded (`+` is a space).
    pub query: Vec<(String, String)>,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Request {
    /// The first value of the query parameter `name`, compared case-insensitively.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The header `name` as text; a value that is not visible ASCII counts as absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A reply of a service.
#[derive(Debug, Clone)]
pub struct Reply<O> {
    /// The operation, for counting.
    pub operation: O,
    /// The HTTP status.
    pub status: StatusCode,
    /// Headers beside those that every reply has.
    pub headers: HeaderMap,
    /// The body, uncompressed.
    pub body: Bytes,
    /// Holds the compressed body, for a body that the service keeps: a page that is served a
    /// thousand times is compressed once.
    pub compressed: Option<Arc<OnceLock<Bytes>>>,
}

impl<O: Operation> Reply<O> {
    /// A reply with a body of this type.
    pub(crate) fn new(
        operation: O,
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self {
            operation,
            status,
            headers,
            body: body.into(),
            compressed: None,
        }
    }

    /// A JSON reply.
    pub(crate) fn json(operation: O, status: StatusCode, body: &serde_json::Value) -> Self {
        Self::new(
            operation,
            status,
            "application/json; charset=utf-8",
            body.to_string(),
        )
    }

    /// The reply to an unknown request.
    pub(crate) fn unexpected(status: StatusCode, message: &str) -> Self {
        Self::new(
            O::unexpected(),
            status,
            "text/plain; charset=utf-8",
            format!("discover-sim: {message}\n"),
        )
    }
}

/// A reply, and the caller of its request.
#[derive(Debug)]
pub struct Handled<O> {
    /// The reply.
    pub reply: Reply<O>,
    /// The client id of the caller, if it is known.
    pub principal: Option<String>,
}

impl<O> From<Reply<O>> for Handled<O> {
    fn from(reply: Reply<O>) -> Self {
        Self {
            reply,
            principal: None,
        }
    }
}

impl<O> Handled<O> {
    /// A reply to this caller.
    pub fn new(reply: Reply<O>, principal: Option<String>) -> Self {
        Self { reply, principal }
    }
}
