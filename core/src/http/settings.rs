//! How HTTP is spoken: limits, retries, identity, trust.

use std::time::Duration;

use super::RetryPolicy;
use crate::secret::Secret;

/// Settings of an [`HttpClient`](super::HttpClient). The defaults are what the command uses.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpSettings {
    /// The `User-Agent` of every request; default `cloud-autojoin/VERSION`.
    pub user_agent: String,
    /// How long a connection may take, name resolution and TLS included; default 10 s. At most 95 %
    /// of `idle_timeout`, so that a dead route is told from a silent server.
    pub connect_timeout: Duration,
    /// How long a request waits without a byte; default 10 s. For the first byte of an answer see
    /// `first_byte_timeout`.
    pub idle_timeout: Duration,
    /// How long a request waits for the first byte of its answer, connecting included. The default,
    /// `None`, is a third of what is left until the call's deadline and at least `idle_timeout`: a
    /// slow server is usable with a longer deadline, and there is time for a retry.
    pub first_byte_timeout: Option<Duration>,
    /// How long an HTTP/2 connection is quiet before a PING, in use or idle, and how long the
    /// answer to the PING may take; default 10 s. A connection that fails is closed, so that no
    /// poll finds a dead one.
    pub ping_interval: Duration,
    /// The most bytes of one answer, decompressed; default 64 MiB.
    pub max_body: usize,
    /// What is tried again, and when.
    pub retry: RetryPolicy,
    /// Whether the proxies of the environment are used; default yes. `https_proxy`, `http_proxy`
    /// and `no_proxy` have the meaning that Go gives them, in lower case or, after that, in upper
    /// case; `all_proxy` is the last resort. A value that is not the URL of a proxy is an error for
    /// the requests it would apply to. Loopback and link-local addresses (the metadata services)
    /// never go through a proxy.
    pub proxy_from_environment: bool,
    /// PEM certificates to trust instead of the system's: authorities, and servers' own; default
    /// none, which means the system's (or `SSL_CERT_FILE`'s, `SSL_CERT_DIR`'s).
    pub certificate_authorities: Vec<Vec<u8>>,
    /// The certificate to show to servers that ask for one and its private key in PEM, with its
    /// issuers where the server needs them, in any order; default none.
    pub client_identity: Option<Secret>,
    /// The DNS name that TLS asks servers for (SNI) and checks their certificates against, in place
    /// of the URL's host; default none. Such requests go through no proxy.
    pub server_name: Option<String>,
    /// Whether servers are trusted without a look at their certificate; default no. Anyone on the
    /// network path can then read and change what is sent, credentials included.
    pub insecure_skip_verify: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            user_agent: concat!("cloud-autojoin/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(10),
            first_byte_timeout: None,
            ping_interval: Duration::from_secs(10),
            max_body: 64 << 20,
            retry: RetryPolicy::default(),
            proxy_from_environment: true,
            certificate_authorities: Vec::new(),
            client_identity: None,
            server_name: None,
            insecure_skip_verify: false,
        }
    }
}
