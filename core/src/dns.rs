//! Name resolution as a provider uses it, behind a trait so that tests need no name server.

use std::fmt;
use std::io;
use std::net::IpAddr;

use async_trait::async_trait;

use crate::call::Call;

/// One SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct SrvRecord {
    /// The lower, the sooner it is tried.
    pub priority: u16,
    /// The share of clients among records of one priority.
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

/// Why a name has no answer.
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
    #[error("the name server answered {0}")]
    Refused(String),
    /// No name server answered in time, or the answer was unusable.
    #[error("no usable answer from a name server")]
    Unreachable(#[source] io::Error),
}

impl DnsError {
    /// Whether the same query may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unreachable(_))
    }
}

/// Resolves names. An empty answer is an error, so a list is never empty.
#[async_trait]
pub trait DnsResolver: fmt::Debug + Send + Sync {
    /// The SRV records of `name`, in the order of the answer.
    ///
    /// # Errors
    ///
    /// [`DnsError`]; a truncated answer counts as none and is asked for again over TCP.
    async fn srv(&self, name: &str, call: &Call) -> Result<Vec<SrvRecord>, DnsError>;

    /// The IPv4 and IPv6 addresses of `name`.
    ///
    /// # Errors
    ///
    /// As [`DnsResolver::srv`].
    async fn addresses(&self, name: &str, call: &Call) -> Result<Vec<IpAddr>, DnsError>;
}
