//! The interface of a simulated service: its hosts, the names of its operations, its replies and
//! the format of its errors.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::clock::Clock;
use super::message::{Handled, Request};

/// A service, or a cloud with several of them.
///
/// A reply is a function of the request and of the service's state. Sockets, TLS, faults, latency
/// and the record of requests are in the engine.
pub trait Service: Send + Sync + Sized + 'static {
    /// The endpoints.
    type Endpoint: Endpoint;
    /// The operations.
    type Operation: Operation;

    /// Called once before the endpoints open, with a directory that is deleted when the simulator
    /// ends.
    fn prepare(&mut self, _directory: &Path) {}

    /// The endpoint that serves `host` (without port) behind the forward proxy; none for a host
    /// that isn't simulated under this scheme.
    fn route(&self, scheme: Scheme, host: &str) -> Option<Self::Endpoint>;

    /// Replies to a request. `host` is the one that a client of the forward proxy named; without it
    /// the request came to the endpoint itself.
    fn handle(
        &self,
        endpoint: Self::Endpoint,
        host: Option<&str>,
        request: &Request,
    ) -> Handled<Self::Operation>;

    /// The JSON body of an error with this status.
    fn error_body(&self, status: StatusCode, context: FaultContext<'_, Self::Endpoint>) -> Value;

    /// The HTML page of an unavailable service.
    fn error_page(&self) -> &'static str {
        "<html><head><title>503 Service Unavailable</title></head><body><h1>Service Unavailable</h1></body></html>"
    }

    /// `WWW-Authenticate` of a 401.
    fn challenge(&self, _endpoint: Self::Endpoint) -> Option<&'static str> {
        None
    }

    /// The page with `url` as the link to its next page; `None` if it isn't a page.
    fn with_next_page(&self, _page: &Bytes, _url: &str) -> Option<Bytes> {
        None
    }

    /// Adds the headers of every reply.
    fn add_headers(&self, _headers: &mut HeaderMap) {}
}

/// The endpoints of a service, each with its own port.
pub trait Endpoint:
    Copy + Eq + Ord + Hash + Debug + Display + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// All of them.
    const ALL: &'static [Self];
    /// The forward proxy, behind which the services have their real host names.
    const PROXY: Self;

    /// The scheme of the endpoint itself.
    fn scheme(self) -> Scheme;
}

/// The operations of a service, by which tests count and faults select.
pub trait Operation:
    Clone + Eq + Ord + Hash + Debug + Display + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// An unknown request.
    fn unexpected() -> Self;
}

/// Plain HTTP or TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// As in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The properties of a faulted request that the reply depends on.
#[derive(Debug, Clone, Copy)]
pub struct FaultContext<'a, E> {
    /// The service requested.
    pub endpoint: E,
    /// The whole URL.
    pub url: &'a str,
    /// Its path.
    pub path: &'a str,
    pub(crate) clock: Clock,
}
