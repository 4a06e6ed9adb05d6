//! From an instance to a node: one address, of the preferred family.

use std::net::IpAddr;

use cloud_autojoin_core::{Address, Exclusion, Node};
use hickory_proto::rr::Name;

use crate::answers::Instance;

/// Which addresses are returned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Families {
    pub(crate) v4: bool,
    pub(crate) v6: bool,
}

impl Families {
    /// The node for an instance: its IPv6 address before its IPv4 address, as in go-discover.
    pub(crate) fn node(self, name: &Name, instance: Instance, addresses: Vec<IpAddr>) -> Node {
        let label = name
            .iter()
            .next()
            .map(|label| String::from_utf8_lossy(label).into_owned())
            .unwrap_or_default();
        let mut node = Node::new("mDNS instance", shown(name), label.clone());
        node.tags = instance
            .txt
            .iter()
            .map(|text| text.split_once('=').unwrap_or((text, "")))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let Some((host, port)) = instance.target else {
            node.excluded.push(Exclusion::Incomplete {
                what: "no SRV record came in time".into(),
            });
            return node;
        };
        node.add_attribute("host", Some(shown(&host)));
        if host.is_root() || port == 0 {
            node.excluded.push(Exclusion::Other(
                "its SRV record says that the service isn't available".into(),
            ));
            return node;
        }
        if addresses.is_empty() {
            node.excluded.push(Exclusion::Incomplete {
                what: format!("no address of `{}` came in time", shown(&host)).into(),
            });
        }
        let usable = |ip: &&IpAddr| {
            if ip.is_ipv4() {
                self.v4
            } else {
                self.v6 && !is_link_local(ip)
            }
        };
        // Sorted, IPv4 before IPv6: the last family wins, with its first address.
        let chosen = addresses
            .iter()
            .filter(usable)
            .find(|ip| ip.is_ipv6())
            .or_else(|| addresses.iter().find(usable))
            .copied();
        match chosen {
            Some(ip) => node
                .addresses
                .push(Address::ip(ip).with_port(port).with_instance(label)),
            None => node
                .excluded
                .extend(addresses.iter().map(|ip| self.reason(ip))),
        }
        node
    }

    fn reason(self, ip: &IpAddr) -> Exclusion {
        if self.v6 && is_link_local(ip) {
            return Exclusion::Other(
                format!("{ip} is a link-local address, which is of no use without its interface")
                    .into(),
            );
        }
        let wanted = if ip.is_ipv4() { "IPv6" } else { "IPv4" };
        Exclusion::OtherAddressType {
            found: ip.to_string(),
            wanted: wanted.to_owned(),
        }
    }
}

/// Whether an address means nothing outside of its link.
fn is_link_local(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// The name as people write it: labels may hold blanks and any UTF-8.
fn shown(name: &Name) -> String {
    name.iter()
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join(".")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn node(v4: bool, v6: bool, port: u16, addresses: &[&str]) -> (Vec<String>, Vec<String>) {
        let name = |labels: &[&str]| {
            Name::from_labels(labels.iter().map(|label| label.as_bytes())).unwrap()
        };
        let instance = Instance {
            target: Some((name(&["host", "local"]), port)),
            txt: vec!["dc=a".into(), "x".into()],
        };
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let node = Families { v4, v6 }.node(
            &name(&["Node 1", "_consul", "_tcp", "local"]),
            instance,
            addresses,
        );
        assert_eq!(
            (node.id.as_str(), node.name.as_str()),
            ("Node 1._consul._tcp.local", "Node 1")
        );
        (
            node.addresses.iter().map(ToString::to_string).collect(),
            node.excluded.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn an_instance_gives_one_address_ipv6_before_ipv4() {
        let all = ["10.0.0.1", "10.0.0.2", "fd00::1", "fe80::1"];
        assert_eq!(node(true, true, 1, &all).0, ["[fd00::1]:1"]);
        assert_eq!(node(true, false, 1, &all).0, ["10.0.0.1:1"]);
        assert_eq!(node(false, true, 1, &all).0, ["[fd00::1]:1"]);
        assert_eq!(
            node(true, true, 1, &["10.0.0.1", "fe80::1"]).0,
            ["10.0.0.1:1"]
        );
    }

    #[test]
    fn an_instance_without_an_address_has_the_reason() {
        assert_eq!(
            node(true, true, 1, &["fe80::1"]).1,
            ["fe80::1 is a link-local address, which is of no use without its interface"]
        );
        assert_eq!(
            node(false, true, 1, &["10.0.0.1"]).1,
            ["10.0.0.1 is not IPv6"]
        );
        assert_eq!(
            node(true, false, 1, &["fe80::1"]).1,
            ["fe80::1 is not IPv4"]
        );
        assert_eq!(
            node(true, true, 1, &[]).1,
            ["the response is incomplete: no address of `host.local` came in time"]
        );
        assert_eq!(
            node(true, true, 0, &["10.0.0.1"]).1,
            ["its SRV record says that the service isn't available"]
        );
    }
}
