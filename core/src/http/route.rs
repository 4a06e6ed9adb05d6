//! The route of a request: through the proxies of the environment or directly, with TLS or without.

use url::{Host, Url};

/// How a request reaches its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Through the proxy of the settings, or those of the environment.
    Proxied,
    /// Directly, with TLS: to this machine, its link or a metadata service.
    Direct,
    /// Directly, without TLS: as metadata services are reached.
    DirectPlain,
}

impl Route {
    /// The route to the host of `url`; `no_proxy` is true for a request that bypasses proxies
    /// wherever it goes.
    pub(super) fn of(url: &Url, no_proxy: bool) -> Self {
        match (no_proxy || is_local(url), url.scheme()) {
            (false, _) => Self::Proxied,
            (true, "http") => Self::DirectPlain,
            (true, _) => Self::Direct,
        }
    }
}

/// Whether the host is this machine or on its link, which no proxy can reach for it.
fn is_local(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            return name == "localhost" || name.ends_with(".localhost");
        }
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => std::net::IpAddr::from(address).to_canonical(),
        None => return false,
    };
    let is_link_local = match address {
        std::net::IpAddr::V4(address) => address.is_link_local(),
        std::net::IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    address.is_loopback() || is_link_local
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn route(url: &str) -> Route {
        Route::of(&Url::parse(url).unwrap(), false)
    }

    #[test]
    fn this_machine_and_its_link_are_never_reached_through_a_proxy() {
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
    fn a_request_without_a_proxy_goes_directly_to_any_host() {
        let route = |url| Route::of(&Url::parse(url).unwrap(), true);
        assert_eq!(route("http://metadata.example/x"), Route::DirectPlain);
        assert_eq!(route("https://metadata.example/x"), Route::Direct);
    }

    #[test]
    fn everything_else_goes_through_the_proxy_of_the_environment() {
        for host in [
            "cloud.example",
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
