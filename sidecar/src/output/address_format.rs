//! Formats addresses for each reader.
//!
//! Consul, Nomad and Vault get IPv6 in brackets with a port, which every version of them accepts.
//! Prometheus always needs a port; people and go-netaddrs need the bare address.

use std::net::IpAddr;

use cloud_autojoin::{Address, Host};

/// `10.0.0.4`, `10.0.0.4:9000`, `[2001:db8::4]:8301`.
///
/// `port` is the configured port of addresses without one. Without it the reader uses
/// `reader_default`, which an IPv6 address must be written with.
pub(crate) fn in_file(address: &Address, port: Option<u16>, reader_default: u16) -> String {
    match (address.port.or(port), &address.host) {
        (None, Host::Ip(IpAddr::V6(ip))) => format!("[{ip}]:{reader_default}"),
        (None, host) => host.to_string(),
        (Some(port), host) => with_port(host, port),
    }
}

/// `10.0.0.4:9100`, `[2001:db8::4]:9100`, `a.example:9100`.
pub(crate) fn with_port(host: &Host, port: u16) -> String {
    match host {
        Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        host => format!("{host}:{port}"),
    }
}

/// `https://10.0.0.4:8200`, `https://[2001:db8::4]:8200`.
pub(crate) fn url(scheme: &str, address: &Address, port: u16) -> String {
    format!(
        "{scheme}://{}",
        with_port(&address.host, address.port.unwrap_or(port))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_gets_the_form_it_takes() {
        let v4 = Address::ip("10.0.0.4".parse().unwrap());
        let v6 = Address::ip("2001:db8::4".parse().unwrap());
        let name = Address::name("a.example");
        for (address, port, form) in [
            (v4.clone(), None, "10.0.0.4"),
            (v4.clone(), Some(9000), "10.0.0.4:9000"),
            (v4.clone().with_port(7), Some(9000), "10.0.0.4:7"),
            (v6.clone(), None, "[2001:db8::4]:8301"),
            (v6.clone(), Some(9000), "[2001:db8::4]:9000"),
            (v6.clone().with_port(7), None, "[2001:db8::4]:7"),
            (name.clone(), None, "a.example"),
            (name.clone(), Some(9000), "a.example:9000"),
        ] {
            assert_eq!(in_file(&address, port, 8301), form);
        }
        assert_eq!(url("https", &v6, 8200), "https://[2001:db8::4]:8200");
        assert_eq!(url("http", &name.with_port(1), 8200), "http://a.example:1");
    }
}
