//! HTTP settings: limits, retries, client certificate, trusted authorities.

use std::time::Duration;

use super::RetryPolicy;
use crate::secret::Secret;

/// Settings of an [`HttpClient`](super::HttpClient). The command uses the defaults.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpSettings {
    /// The `User-Agent` of every request; default `cloud-autojoin/VERSION`.
    pub user_agent: String,
    /// The time limit for connecting, including name resolution and TLS; default 10 s. At most 95 %
    /// of `idle_timeout`, so that a connection failure is distinguishable from an unresponsive
    /// server.
    pub connect_timeout: Duration,
    /// The time limit between received bytes; default 10 s. For the first byte of a response see
    /// `first_byte_timeout`.
    pub idle_timeout: Duration,
    /// The time limit for the first byte of a response, including connecting. The default, `None`,
    /// is a third of the remaining time of the call and at least `idle_timeout`: a slow server is
    /// usable with a longer deadline, and there is time for a retry.
    pub first_byte_timeout: Option<Duration>,
    /// The interval of HTTP/2 PINGs on quiet connections, also idle ones, and the time limit for
    /// the acknowledgement; default 10 s. A connection that fails is closed.
    pub ping_interval: Duration,
    /// The maximum size of a response in bytes, decompressed; default 64 MiB.
    pub max_body: usize,
    /// The retry policy.
    pub retry: RetryPolicy,
    /// Whether the proxies of the environment are used; default yes. `https_proxy`, `http_proxy`
    /// and `no_proxy` have Go's meaning, in lower case or, with lower precedence, in upper case;
    /// `all_proxy` is the fallback. An invalid proxy URL is an error for the requests it applies
    /// to. Requests to loopback and link-local addresses never use a proxy.
    pub proxy_from_environment: bool,
    /// The URL of a proxy for all requests, loopback addresses included, instead of those of the
    /// environment; default none. It may hold a password.
    pub proxy: Option<Secret>,
    /// PEM certificates to trust instead of the system's: authorities, or servers' own
    /// certificates. By default those of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    pub certificate_authorities: Vec<Vec<u8>>,
    /// The client certificate and its private key in PEM, with its issuers if the server needs
    /// them, in any order; default none.
    pub client_identity: Option<Secret>,
    /// The DNS name for SNI and certificate verification, instead of the URL's host; default none.
    /// Such requests don't use a proxy of the environment, and can't use another.
    pub server_name: Option<String>,
    /// Whether servers are trusted without verifying their certificate; default no. Anyone on the
    /// network path can then read and change requests, including credentials.
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
            proxy: None,
            certificate_authorities: Vec::new(),
            client_identity: None,
            server_name: None,
            insecure_skip_verify: false,
        }
    }
}
