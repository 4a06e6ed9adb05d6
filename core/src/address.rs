//! One address that a cluster member can be reached at.

use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;

/// The length of the longest DNS name, with a final dot.
const LONGEST_NAME: usize = 254;

/// The host of an address: an IP address, or a DNS name for providers that return names (SRV).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Host {
    /// An IPv4 or IPv6 address, without zone.
    Ip(IpAddr),
    /// A DNS name as the provider gave it.
    Name(String),
}

impl Host {
    /// Whether it is an IP address, or a name that is safe to print: ASCII letters, digits, and
    /// `-_.:%@+`, which names and IPv6 addresses with a zone consist of. No other character can end
    /// the name or make it look like another.
    pub(crate) fn is_printable(&self) -> bool {
        let is_printable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:%@+".contains(&byte);
        match self {
            Self::Ip(_) => true,
            Self::Name(name) => {
                (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_printable)
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// An address of a cluster member, with where it came from.
///
/// `Display` prints what go-discover prints: `10.0.0.4`, `2001:db8::4`, and with a port
/// `10.0.0.4:8301` or `[2001:db8::4]:8301` (go-discover omits the brackets, which makes the result
/// ambiguous).
///
/// Equality and order compare host and port only: IPv4 before IPv6 before names, each by value,
/// then by port.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Address {
    /// The IP address or DNS name.
    pub host: Host,
    /// The port, for the providers that know one (SRV records, pods, mDNS); `None` means that the
    /// reader uses its default.
    pub port: Option<u16>,
    /// The name of the instance (virtual machine, pod, server) behind the address.
    pub instance: Option<String>,
    /// The name of the network interface that has the address, where the cloud has interfaces.
    pub network_interface: Option<String>,
}

impl Address {
    /// An IP address without port or origin.
    pub fn ip(ip: IpAddr) -> Self {
        Self {
            host: Host::Ip(ip),
            port: None,
            instance: None,
            network_interface: None,
        }
    }

    /// A DNS name without port or origin.
    pub fn name(name: impl Into<String>) -> Self {
        Self {
            host: Host::Name(name.into()),
            port: None,
            instance: None,
            network_interface: None,
        }
    }

    /// The same address with a port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The same address with the name of the instance behind it.
    #[must_use]
    pub fn with_instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// The same address with the name of the network interface that holds it.
    #[must_use]
    pub fn with_network_interface(mut self, network_interface: impl Into<String>) -> Self {
        self.network_interface = Some(network_interface.into());
        self
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (host, None) => host.fmt(f),
            (Host::Ip(IpAddr::V6(ip)), Some(port)) => write!(f, "[{ip}]:{port}"),
            (host, Some(port)) => write!(f, "{host}:{port}"),
        }
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Address {}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.host, self.port).cmp(&(&other.host, other.port))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn ip(text: &str) -> Address {
        Address::ip(text.parse().unwrap())
    }

    #[test]
    fn an_address_prints_as_go_discover_prints_it() {
        assert_eq!(ip("10.0.0.4").to_string(), "10.0.0.4");
        assert_eq!(ip("10.0.0.4").with_port(8301).to_string(), "10.0.0.4:8301");
        assert_eq!(ip("2001:db8::4").to_string(), "2001:db8::4");
        assert_eq!(
            Address::name("a.example.").with_port(8300).to_string(),
            "a.example.:8300"
        );
    }

    #[test]
    fn a_name_that_could_disguise_another_is_not_printable() {
        for name in [
            "a.example",
            "a_b.example.",
            "fe80::1%eth0.1",
            "xn--bcher-kva.example",
        ] {
            assert!(Address::name(name).host.is_printable(), "{name}");
        }
        let long = "a".repeat(255);
        let names = [
            "",
            "a b",
            "a\n10.6.6.6",
            "\u{1b}[2J",
            "a\u{202e}",
            "a,b",
            "\"a\"",
            "a\\032b",
            &long,
        ];
        for name in names {
            assert!(!Address::name(name).host.is_printable(), "{name:?}");
        }
    }

    #[test]
    fn an_ipv6_address_with_a_port_is_in_brackets() {
        assert_eq!(
            ip("2001:db8::4").with_port(8301).to_string(),
            "[2001:db8::4]:8301"
        );
    }

    #[test]
    fn addresses_sort_by_number_with_ipv4_first_and_names_last() {
        let mut addresses = [
            Address::name("a"),
            ip("2001:db8::4"),
            ip("10.0.0.10"),
            ip("10.0.0.9").with_port(1),
            ip("10.0.0.9"),
        ];
        addresses.sort();
        let printed: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(
            printed,
            ["10.0.0.9", "10.0.0.9:1", "10.0.0.10", "2001:db8::4", "a"]
        );
    }

    #[test]
    fn two_instances_with_one_address_count_as_one_address() {
        assert_eq!(
            ip("10.0.0.4").with_instance("a"),
            ip("10.0.0.4").with_instance("b")
        );
    }
}
