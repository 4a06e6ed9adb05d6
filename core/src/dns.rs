//! Name resolution for providers, behind a trait so that tests need no name server.

use std::fmt;
use std::io;
use std::net::IpAddr;

use async_trait::async_trait;

use crate::call::Call;

/// One SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct SrvRecord {
    /// Records with a lower value are used first.
    pub priority: u16,
    /// The relative weight among records of the same priority.
    pub weight: u16,
    /// The port of the service.
    pub port: u16,
    /// The host, absolute and with its final dot: `a.example.`.
    pub target: String,
}

impl SrvRecord {
    /// A record with these four fields.
    pub fn new(priority: u16, weight: u16, port: u16, target: impl Into<String>) -> Self {
        Self {
            priority,
            weight,
            port,
            target: target.into(),
        }
    }
}

/// Why a name was not resolved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// The name doesn't exist (NXDOMAIN).
    #[error("the name `{0}` doesn't exist")]
    NoSuchName(String),
    /// The name exists and has no record of the type.
    #[error("the name `{name}` has no {record} record")]
    NoRecords {
        /// The name as it was resolved.
        name: String,
        /// The record type: `SRV`, `A or AAAA`.
        record: &'static str,
    },
    /// A name server refused the query or failed: `SERVFAIL`, `REFUSED`.
    #[error("the name server returned {0}")]
    Refused(String),
    /// No name server responded in time, or its response was unusable.
    #[error("no usable response from a name server")]
    Unreachable(#[source] io::Error),
}

impl DnsError {
    /// Whether the same query may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unreachable(_))
    }
}

/// Resolves names. No records is an error, so a returned list is never empty.
#[async_trait]
pub trait DnsResolver: fmt::Debug + Send + Sync {
    /// The SRV records of `name`, in the order of the response.
    ///
    /// # Errors
    ///
    /// [`DnsError`]; a truncated response is not used, and the query is repeated over TCP.
    async fn srv(&self, name: &str, call: &Call) -> Result<Vec<SrvRecord>, DnsError>;

    /// The IPv4 and IPv6 addresses of `name`.
    ///
    /// # Errors
    ///
    /// As [`DnsResolver::srv`].
    async fn addresses(&self, name: &str, call: &Call) -> Result<Vec<IpAddr>, DnsError>;
}
