//! Which way a request takes: through the proxies of the environment, or past them; with TLS or
//! without.

use url::{Host, Url};

/// Metadata services that are not at link-local addresses: Azure's platform address, Alibaba's,
/// EC2's and GCE's over IPv6. They answer this machine only, and never a proxy.
const METADATA_ADDRESSES: [&str; 4] = [
    "168.63.129.16",
    "100.100.100.200",
    "fd00:ec2::254",
    "fd20:ce::254",
];

/// The same by name.
const METADATA_NAMES: [&str; 3] = [
    "metadata.google.internal",
    "metadata.goog",
    "metadata.tencentyun.com",
];

/// The way to the host of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Through the proxies of the environment.
    Proxied,
    /// To this machine or its link, with TLS.
    Direct,
    /// To this machine or its link, in the clear: the metadata services.
    DirectPlain,
}

impl Route {
    pub(super) fn of(url: &Url) -> Self {
        match (stays_here(url), url.scheme()) {
            (false, _) => Self::Proxied,
            (true, "http") => Self::DirectPlain,
            (true, _) => Self::Direct,
        }
    }
}

/// Whether the URL names this machine, its link or a metadata service, where a proxy has no
/// business.
fn stays_here(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            return name == "localhost"
                || name.ends_with(".localhost")
                || METADATA_NAMES.contains(&name);
        }
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => std::net::IpAddr::from(address).to_canonical(),
        None => return false,
    };
    let link_local = match address {
        std::net::IpAddr::V4(address) => address.is_link_local(),
        std::net::IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    address.is_loopback()
        || link_local
        || METADATA_ADDRESSES
            .iter()
            .any(|known| known.parse() == Ok(address))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn route(url: &str) -> Route {
        Route::of(&Url::parse(url).unwrap())
    }

    #[test]
    fn this_machine_its_link_and_metadata_services_are_never_asked_through_a_proxy() {
        for host in [
            "127.0.0.1",
            "127.9.9.9:8080",
            "localhost",
            "LOCALHOST:1",
            "a.localhost",
            "localhost.",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "169.254.169.254",
            "169.254.170.2",
            "[fe80::1]",
            "168.63.129.16",
            "[fd00:ec2::254]",
            "metadata.google.internal",
            "metadata.tencentyun.com",
        ] {
            assert_eq!(
                route(&format!("http://{host}/x")),
                Route::DirectPlain,
                "{host}"
            );
            assert_eq!(route(&format!("https://{host}/x")), Route::Direct, "{host}");
        }
    }

    #[test]
    fn everything_else_goes_through_the_proxy_of_the_environment() {
        for host in [
            "management.azure.com",
            "10.0.0.4",
            "localhost.example",
            "notlocalhost",
            "169.253.0.1",
            "[2001:db8::1]",
            "127.0.0.1.example",
        ] {
            assert_eq!(route(&format!("http://{host}/x")), Route::Proxied, "{host}");
            assert_eq!(
                route(&format!("https://{host}/x")),
                Route::Proxied,
                "{host}"
            );
        }
    }
}
