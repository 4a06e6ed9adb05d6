//! TLS connections with another server name than the URL's host.

use std::borrow::Cow;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The server name for SNI and certificate verification.
#[derive(Debug, Clone)]
pub(super) struct ServerName(String);

impl ServerName {
    /// A DNS name; `None` if it isn't one.
    pub(super) fn new(name: &str) -> Option<Self> {
        match Host::parse(name) {
            Ok(Host::Domain(name)) => Some(Self(name)),
            _ => None,
        }
    }

    /// `url` with this name as its host. reqwest takes the server name from the URL, so a
    /// [`FixedHost`] resolves it to the real host.
    pub(super) fn applied_to<'a>(&self, url: &'a Url) -> Cow<'a, Url> {
        let mut named = url.clone();
        match named.set_host(Some(&self.0)) {
            Ok(()) => Cow::Owned(named),
            Err(_) => Cow::Borrowed(url),
        }
    }
}

/// Resolves every name to the addresses of one host.
pub(super) struct FixedHost(String);

impl FixedHost {
    /// The host of `url`.
    pub(super) fn of(url: &Url) -> Option<Self> {
        Some(Self(match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }))
    }
}

impl Resolve for FixedHost {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.0.clone();
        Box::pin(async move {
            // Port 0 means the URL's.
            let addresses: Vec<_> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
